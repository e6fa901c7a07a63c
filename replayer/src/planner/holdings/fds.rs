//! What descriptors lead to: handles, open file descriptions, slots.
//!
//! A *handle* is one descriptor of the replay. Descriptors that a fork copied share their parent's
//! handle until one of them is closed: a close of a shared handle duplicates it first and closes
//! the duplicate, so that each recorded close is a close and the last one is the last one there
//! too.

use fsreplay_trace::abi;

use super::super::Cx;
use super::super::draft::Class;
use super::super::land::tree::{NONE, Tree};
use super::super::order::OpId;
use super::super::order::frontier::Frontier;
use super::super::order::uses::Uses;
use super::file::File;
use crate::plan::Slot;

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

/// A clone of one file into another one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedClone {
    /// The op that tried it, and its task.
    pub(super) by: OpId,
    pub(super) task: u32,
    /// The description of the other file.
    pub(super) other: u32,
    /// Whether this is the file that was to become a clone.
    pub(super) is_target: bool,
    /// So many of its bytes were read or written since.
    pub(super) copied: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

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
