//! Descriptor tables of processes, and what their entries lead to: handles, open file descriptions,
//! slots.
//!
//! A *handle* is one descriptor of the replay. Descriptors that a fork copied share their parent's
//! handle until one of them is closed: a close of a shared handle duplicates it first and closes
//! the duplicate, so that each recorded close is a close and the last one is the last one there
//! too.

use std::collections::BTreeMap;

use fsreplay_trace::abi;

use super::Cx;
use super::clones::FailedClone;
use super::draft::Class;
use super::file::File;
use super::frontier::Frontier;
use super::tree::{NONE, Tree};
use super::uses::Uses;
use crate::plan::Slot;

/// Descriptors below this stand in an array, others in a map.
const DENSE: i32 = 4096;
/// Entries that all tables may hold together.
const TABLES_LIMIT: usize = 64 << 20;

/// What is behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A file or directory of the replayed tree.
    Real,
    /// A file of a pseudo file system.
    Pseudo,
    /// Left out by the user.
    Skipped,
    /// A pipe, by its number.
    Pipe(u32),
    /// One end of a socketpair: the pipe that it reads from and the one that it writes to.
    Pair(u32, u32),
    /// Socket, event and the like.
    Other,
    /// It could not be told.
    Unresolved,
}

/// An open file description of the recorded machine.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) what: What,
    /// The inode, [`NONE`] if it is not in the tree.
    pub(crate) ino: u32,
    /// Flags it was opened with, as recorded.
    pub(crate) flags: u32,
    /// The pass over the directory that is under way, [`NONE`] for none.
    pub(crate) listing: u32,
    pub(crate) offset: u64,
    /// The latest clone that failed between this file and another one.
    pub(crate) clone: Option<FailedClone>,
    refs: u32,
    /// Accesses to the offset.
    pub(crate) frontier: Frontier,
}

/// One descriptor of the replay, for one or more recorded ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handle {
    /// [`NONE`] if nothing is open behind it.
    pub(crate) slot: u32,
    pub(crate) description: u32,
    pub(crate) holders: u32,
}

impl Handle {
    /// The slot, if something is open behind it.
    pub(crate) fn slot(&self) -> Option<Slot> {
        (self.slot != NONE).then_some(Slot(self.slot))
    }
}

/// What was left of a handle when one of its holders let go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropped {
    /// The slot, if this was its last holder and something is open there.
    pub(crate) slot: Option<Slot>,
    /// The description, if that is gone too.
    pub(crate) ended: Option<Ended>,
}

/// An open file description that nothing leads to any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) number: u32,
    pub(crate) ino: u32,
    pub(crate) what: What,
    pub(crate) flags: u32,
}

/// Handles, descriptions and slots.
#[derive(Default)]
pub(crate) struct Descriptors {
    handles: Vec<Handle>,
    free_handles: Vec<u32>,
    descriptions: Vec<Description>,
    free_descriptions: Vec<u32>,
    /// Accesses to slots; slots of roots included.
    pub(crate) slots: Vec<Frontier>,
    /// Closed slots by the lane that closed them: that lane may use them again without waiting for
    /// anyone.
    free_slots: Vec<Vec<u32>>,
}

impl Descriptors {
    /// With the first slots taken by the roots.
    pub(crate) fn new(roots: usize) -> Descriptors {
        Descriptors {
            slots: (0..roots).map(|_| Frontier::default()).collect(),
            ..Descriptors::default()
        }
    }

    #[inline]
    pub(crate) fn handle(&self, handle: u32) -> Handle {
        self.handles[handle as usize]
    }

    /// The description behind a handle.
    #[inline]
    pub(crate) fn description(&self, handle: u32) -> &Description {
        &self.descriptions[self.handles[handle as usize].description as usize]
    }

    /// The description behind a handle.
    #[inline]
    pub(crate) fn description_mut(&mut self, handle: u32) -> &mut Description {
        &mut self.descriptions[self.handles[handle as usize].description as usize]
    }

    /// What an event on such a handle counts as, if nothing is open behind it.
    pub(crate) fn class_of(&self, handle: u32) -> Class {
        match self.description(handle).what {
            What::Pseudo => Class::Pseudo,
            What::Skipped => Class::Skipped,
            What::Unresolved => Class::Unresolved,
            What::Real | What::Pipe(_) | What::Pair(..) | What::Other => Class::Other,
        }
    }

    /// Whether a descriptor only names its file (`O_PATH`): the kernel refuses it to most calls.
    pub(crate) fn only_names(&self, file: &File) -> bool {
        let description = self.numbered(file.description);
        description.is_some_and(|description| description.flags & abi::O_PATH != 0)
    }

    /// A description by number, if there is or was one.
    pub(crate) fn numbered(&self, description: u32) -> Option<&Description> {
        self.descriptions.get(description as usize)
    }

    /// A description by number.
    pub(crate) fn by_number(&mut self, description: u32) -> &mut Description {
        &mut self.descriptions[description as usize]
    }

    /// A slot for an op of `lane`.
    pub(crate) fn take_slot(&mut self, lane: u32) -> u32 {
        if let Some(slot) = self.free_slots.get_mut(lane as usize).and_then(Vec::pop) {
            self.slots[slot as usize] = Frontier::default();
            return slot;
        }
        self.slots.push(Frontier::default());
        (self.slots.len() - 1) as u32
    }

    /// A slot that the last op committed on `lane` (or the one being made) closes.
    pub(crate) fn give_slot(&mut self, lane: u32, slot: u32) {
        let lane = lane as usize;
        if self.free_slots.len() <= lane {
            self.free_slots.resize_with(lane + 1, Vec::new);
        }
        self.free_slots[lane].push(slot);
    }

    /// A new handle on a new description, held once.
    pub(crate) fn open(&mut self, what: What, ino: u32, flags: u32, slot: Option<u32>) -> u32 {
        let new = Description {
            what,
            ino,
            flags,
            listing: NONE,
            offset: 0,
            clone: None,
            refs: 1,
            frontier: Frontier::default(),
        };
        let description = match self.free_descriptions.pop() {
            Some(free) => {
                self.descriptions[free as usize] = new;
                free
            }
            None => {
                self.descriptions.push(new);
                (self.descriptions.len() - 1) as u32
            }
        };
        self.add_handle(description, slot)
    }

    /// A new handle on the description of another one.
    pub(crate) fn duplicate(&mut self, handle: u32, slot: Option<u32>) -> u32 {
        let description = self.handles[handle as usize].description;
        self.descriptions[description as usize].refs += 1;
        self.add_handle(description, slot)
    }

    fn add_handle(&mut self, description: u32, slot: Option<u32>) -> u32 {
        let new = Handle {
            slot: slot.unwrap_or(NONE),
            description,
            holders: 1,
        };
        match self.free_handles.pop() {
            Some(free) => {
                self.handles[free as usize] = new;
                free
            }
            None => {
                self.handles.push(new);
                (self.handles.len() - 1) as u32
            }
        }
    }

    /// A transfer through the descriptor's own offset: where it began.
    pub(crate) fn advance(&mut self, cx: &Cx, file: &File, uses: &mut Uses) -> u64 {
        uses.offset(file.description);
        if file.description == NONE {
            return 0;
        }
        let description = self.by_number(file.description);
        let from = description.offset;
        description.offset = from.saturating_add(cx.moved());
        from
    }

    /// A transfer into a file through the descriptor's own offset: where it went.
    pub(crate) fn advance_write(
        &mut self,
        cx: &Cx,
        file: &File,
        uses: &mut Uses,
        tree: &Tree,
    ) -> u64 {
        let from = self.advance(cx, file, uses);
        if file.description == NONE || file.ino == NONE {
            return from;
        }
        let end = tree.inode(file.ino).size;
        let description = self.by_number(file.description);
        if description.flags & abi::O_APPEND == 0 {
            return from;
        }
        description.offset = end.saturating_add(cx.moved());
        end
    }

    /// One more holder.
    pub(crate) fn hold(&mut self, handle: u32) {
        self.handles[handle as usize].holders += 1;
    }

    /// One holder less.
    pub(crate) fn let_go(&mut self, handle: u32) -> Dropped {
        let entry = &mut self.handles[handle as usize];
        entry.holders = entry.holders.saturating_sub(1);
        let mut dropped = Dropped {
            slot: None,
            ended: None,
        };
        if entry.holders > 0 {
            return dropped;
        }
        dropped.slot = entry.slot();
        let number = entry.description;
        self.free_handles.push(handle);
        let description = &mut self.descriptions[number as usize];
        description.refs -= 1;
        if description.refs == 0 {
            dropped.ended = Some(Ended {
                number,
                ino: description.ino,
                what: description.what,
                flags: description.flags,
            });
            description.clone = None;
            self.free_descriptions.push(number);
        }
        dropped
    }
}

/// An entry of a descriptor table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The handle, [`NONE`] if the number is free.
    pub(crate) handle: u32,
    pub(crate) cloexec: bool,
    /// Number of the event that put it there.
    pub(crate) since: u32,
}

const FREE: Entry = Entry {
    handle: NONE,
    cloexec: false,
    since: 0,
};

/// The descriptors of a process, or of several that share them.
#[derive(Clone, Default)]
pub(crate) struct FdTable {
    dense: Vec<Entry>,
    sparse: BTreeMap<i32, Entry>,
    /// Entries whose number was given out again before the close that freed it had returned.
    displaced: Vec<(i32, Entry)>,
}

impl FdTable {
    /// What a call means by a number that was called when `horizon` events had returned.
    pub(crate) fn get(&self, fd: i32, horizon: u32) -> Option<Entry> {
        let entry = self.current(fd)?;
        if entry.since >= horizon && !self.displaced.is_empty() {
            let old = self.displaced.iter().find(|(number, _)| *number == fd);
            return Some(old.map_or(entry, |(_, old)| *old));
        }
        Some(entry)
    }

    fn current(&self, fd: i32) -> Option<Entry> {
        let entry = if (0..DENSE).contains(&fd) {
            self.dense.get(fd as usize).copied()
        } else {
            self.sparse.get(&fd).copied()
        };
        entry.filter(|entry| entry.handle != NONE)
    }

    /// The entry itself, to be changed.
    pub(crate) fn get_mut(&mut self, fd: i32) -> Option<&mut Entry> {
        let entry = if (0..DENSE).contains(&fd) {
            self.dense.get_mut(fd as usize)
        } else {
            self.sparse.get_mut(&fd)
        };
        entry.filter(|entry| entry.handle != NONE)
    }

    /// Puts an entry; the kernel found the number free, so one that is still there waits for its
    /// close.
    pub(crate) fn put(&mut self, fd: i32, entry: Entry) {
        if let Some(old) = self.replace(fd, entry) {
            self.displaced.push((fd, old));
        }
    }

    /// Puts an entry in the place of another one.
    pub(crate) fn replace(&mut self, fd: i32, entry: Entry) -> Option<Entry> {
        let old = self.current(fd);
        if (0..DENSE).contains(&fd) {
            if self.dense.len() <= fd as usize {
                self.dense.resize(fd as usize + 1, FREE);
            }
            self.dense[fd as usize] = entry;
        } else {
            self.sparse.insert(fd, entry);
        }
        old
    }

    /// Takes the entry that a close means that was called when `horizon` events had returned.
    pub(crate) fn take(&mut self, fd: i32, horizon: u32) -> Option<Entry> {
        let displaced = self.displaced.iter().position(|(number, _)| *number == fd);
        let current = self.current(fd);
        if let Some(at) = displaced
            && current.is_none_or(|entry| entry.since >= horizon)
        {
            return Some(self.displaced.remove(at).1);
        }
        current?;
        if (0..DENSE).contains(&fd) {
            self.dense[fd as usize] = FREE;
        } else {
            self.sparse.remove(&fd);
        }
        current
    }

    /// All numbers in use from `first` to `last`.
    pub(crate) fn range(&self, first: i32, last: i32) -> Vec<i32> {
        let low = first.clamp(0, DENSE) as usize;
        let high = ((last.clamp(-1, DENSE - 1) + 1) as usize).min(self.dense.len());
        let mut found: Vec<i32> = (low.min(high)..high)
            .filter(|fd| self.dense[*fd].handle != NONE)
            .map(|fd| fd as i32)
            .collect();
        if first <= last {
            found.extend(self.sparse.range(first..=last).map(|(fd, _)| *fd));
        }
        found
    }

    /// Numbers of the descriptors that a program start closes.
    pub(crate) fn cloexec(&self) -> Vec<i32> {
        let mut all = self.range(0, i32::MAX);
        all.retain(|fd| self.current(*fd).is_some_and(|entry| entry.cloexec));
        all
    }

    /// Handles of all entries, displaced ones included.
    pub(crate) fn handles(&self) -> Vec<u32> {
        let near = self.dense.iter().chain(self.sparse.values());
        near.chain(self.displaced.iter().map(|(_, entry)| entry))
            .map(|entry| entry.handle)
            .filter(|handle| *handle != NONE)
            .collect()
    }

    /// The copy that a new process gets.
    pub(crate) fn copy(&self) -> FdTable {
        let used = self.dense.iter().rposition(|e| e.handle != NONE);
        FdTable {
            dense: self.dense[..used.map_or(0, |at| at + 1)].to_vec(),
            sparse: self.sparse.clone(),
            displaced: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.dense.len() + self.sparse.len()
    }
}

/// All tables, each with the number of tasks that share it.
#[derive(Default)]
pub(crate) struct FdTables {
    tables: Vec<(FdTable, u32)>,
    free: Vec<u32>,
    entries: usize,
}

impl FdTables {
    /// Whether the tables hold more than any machine's would.
    pub(crate) fn is_full(&self) -> bool {
        self.entries > TABLES_LIMIT
    }

    /// Adds a table for one task.
    pub(crate) fn add(&mut self, table: FdTable) -> u32 {
        self.entries += table.len();
        match self.free.pop() {
            Some(free) => {
                self.tables[free as usize] = (table, 1);
                free
            }
            None => {
                self.tables.push((table, 1));
                (self.tables.len() - 1) as u32
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, table: u32) -> &FdTable {
        &self.tables[table as usize].0
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, table: u32) -> &mut FdTable {
        &mut self.tables[table as usize].0
    }

    /// One more task shares it.
    pub(crate) fn share(&mut self, table: u32) {
        self.tables[table as usize].1 += 1;
    }

    /// Whether several tasks share it.
    pub(crate) fn is_shared(&self, table: u32) -> bool {
        self.tables[table as usize].1 > 1
    }

    /// One task less; the table if that was the last one.
    pub(crate) fn leave(&mut self, table: u32) -> Option<FdTable> {
        let entry = &mut self.tables[table as usize];
        entry.1 = entry.1.saturating_sub(1);
        if entry.1 > 0 {
            return None;
        }
        self.free.push(table);
        let table = std::mem::take(&mut entry.0);
        self.entries = self.entries.saturating_sub(table.len());
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(handle: u32, since: u32) -> Entry {
        Entry {
            handle,
            cloexec: false,
            since,
        }
    }

    #[test]
    fn a_number_given_out_before_its_close_returned_keeps_both() {
        let mut table = FdTable::default();
        table.put(5, entry(1, 10));
        // close(5) called after event 20; another thread's open returned 5 as event 25, the close
        // as event 30.
        table.put(5, entry(2, 25));
        assert_eq!(table.get(5, 22).map(|e| e.handle), Some(1));
        assert_eq!(table.get(5, 26).map(|e| e.handle), Some(2));
        assert_eq!(table.take(5, 20).map(|e| e.handle), Some(1));
        assert_eq!(table.take(5, 40).map(|e| e.handle), Some(2));
        assert!(table.take(5, 50).is_none());
    }

    #[test]
    fn huge_numbers_take_no_room() {
        let mut table = FdTable::default();
        table.put(i32::MAX, entry(1, 0));
        table.put(3, entry(2, 0));
        assert_eq!(table.range(0, i32::MAX), vec![3, i32::MAX]);
        assert_eq!(table.range(4, 10), Vec::<i32>::new());
        assert_eq!(table.len(), 5);
    }

    #[test]
    fn the_last_holder_closes() {
        let mut all = Descriptors::new(1);
        let slot = all.take_slot(0);
        let handle = all.open(What::Real, 7, 0, Some(slot));
        let copy = all.duplicate(handle, None);
        all.hold(handle);
        assert!(all.let_go(handle).slot.is_none());
        let last = all.let_go(handle);
        assert_eq!(last.slot, Some(Slot(slot)));
        assert!(last.ended.is_none());
        assert_eq!(all.let_go(copy).ended.map(|e| e.ino), Some(7));
    }
}
