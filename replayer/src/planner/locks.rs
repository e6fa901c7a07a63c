//! Locks on files: which attempt failed because of which holder.
//!
//! Calls on locks that overlapped are left free, as all others: who waits for a lock gets it when the holder lets go. But an
//! attempt that failed found the lock held, so it comes after the call that took it and before the one that gave it back.

use super::hash::FastMap;
use super::order::{Order, Place};

/// Holders and attempts of one file that are remembered.
const REMEMBERED: usize = 64;

/// What a call does with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockCall {
    /// It got it.
    Took,
    /// It gave it back.
    Gave,
    /// Another had it.
    Refused,
}

#[derive(Default)]
struct File {
    holders: Vec<Place>,
    refused: Vec<Place>,
}

/// The locks of all files, by inode.
#[derive(Default)]
pub(crate) struct Locks {
    files: FastMap<u32, File>,
}

impl Locks {
    /// The op about to be committed on `lane` does that with a lock of that inode.
    pub(crate) fn call(&mut self, order: &mut Order, ino: u32, lane: u32, what: LockCall) {
        let file = self.files.entry(ino).or_default();
        let me = order.next(lane);
        match what {
            LockCall::Took => {
                file.holders.retain(|holder| holder.lane != lane);
                if file.holders.len() < REMEMBERED {
                    file.holders.push(me);
                }
            }
            LockCall::Refused => {
                for holder in &file.holders {
                    order.after(*holder);
                }
                if file.refused.len() < REMEMBERED {
                    file.refused.push(me);
                }
            }
            LockCall::Gave => {
                for refused in file.refused.drain(..) {
                    order.after(refused);
                }
                file.holders.retain(|holder| holder.lane != lane);
            }
        }
    }
}
