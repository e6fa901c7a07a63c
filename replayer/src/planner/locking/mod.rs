//! Locks on files, and what they are issued on.

pub(super) mod carrier;
pub(super) mod carriers;
pub(super) mod contention;
pub(super) mod locks;

use super::Notes;
use super::order::Order;
use carrier::Carriers;
use contention::Deed;
use locks::{LockCall, Locks};

/// Who holds which lock, and which descriptor carries it.
#[derive(Default)]
pub(crate) struct Locking {
    pub(crate) locks: Locks,
    carriers: Carriers,
}

impl Locking {
    /// The op about to be committed on `lane` does that with a lock. Gives whether the lock can be
    /// what the call took: tasks that move an offset which they share at the same time don't tell
    /// which of them moved it last, and a range that begins there may be another one than the model
    /// has.
    pub(super) fn called(
        &mut self,
        deed: &Deed,
        lane: u32,
        order: &mut Order,
        notes: &mut Notes,
    ) -> bool {
        let is_excluded = self.locks.excluded_by(&deed.lock).next().is_some();
        if deed.what == LockCall::Took && is_excluded {
            notes.add("locks that were taken though another had them, and are not issued");
            return false;
        }
        self.locks.call(order, lane, &deed.lock, deed.what);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::locks::{Lock, LockKind, LockRange, Owner};
    use super::*;

    #[test]
    fn a_lock_that_another_has_is_not_taken() {
        let (mut locking, mut order) = (Locking::default(), Order::default());
        let mut notes = Notes::default();
        order.add_lane();
        order.add_lane();
        let deed = |process: u32, what: LockCall| Deed {
            lock: Lock {
                ino: 7,
                kind: LockKind::Record,
                owner: Owner::Process(process),
                range: LockRange::ALL,
                exclusive: true,
            },
            what,
        };
        let mut call = |process: u32, what: LockCall| {
            locking.called(&deed(process, what), process, &mut order, &mut notes)
        };
        assert!(call(0, LockCall::Took));
        assert!(call(1, LockCall::Refused));
        assert!(!call(1, LockCall::Took));
        assert!(call(0, LockCall::Gave));
        assert!(call(1, LockCall::Took));
        assert_eq!(notes.counts.values().sum::<u64>(), 1);
    }
}
