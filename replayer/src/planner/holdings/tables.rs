//! Descriptor tables of processes.

use std::collections::BTreeMap;

use super::super::land::tree::NONE;

/// Descriptors below this stand in an array, others in a map.
const DENSE: i32 = 4096;
/// Entries that all tables may hold together.
const TABLES_LIMIT: usize = 64 << 20;

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
}
