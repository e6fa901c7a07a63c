//! Futexes: which wake ended which wait.
//!
//! A wake is recorded when it is called, so it stands before the return of those that it wakes. A
//! wait that succeeded was ended by the last wake at its address since it began; by the end of a
//! thread (the kernel wakes whoever joins it); or, where the waiter was moved to another address
//! meanwhile, by the last wake in its address space.
//!
//! Short waits are left out: while one thread is stopped with a lock in its hand, others run into
//! it who would not without a recorder, and to keep the order in which they got it would make each
//! of them wait in the replay, too.

use fsreplay_trace::call::ArgKind;

use super::super::hash::FastMap;
use super::super::order::{OpId, Order};
use super::super::{Class, Cx, Draft};
use super::Time;

/// Something that may have ended a wait, and the number of events before it.
type Wake = (OpId, u32);

/// Addresses that are remembered.
const REMEMBERED: usize = 1 << 20;

/// Wakes so far.
#[derive(Default)]
pub(crate) struct Futexes {
    /// By address space and address.
    at: FastMap<(u32, u64), Wake>,
    /// The last one of each address space.
    last: FastMap<u32, Wake>,
    /// The last end of a thread of each address space.
    ends: FastMap<u32, Wake>,
}

impl Futexes {
    /// A thread ended.
    pub(crate) fn ended(&mut self, space: u32, id: Option<OpId>, moment: u32) {
        if let Some(id) = id {
            self.ends.insert(space, (id, moment));
        }
    }

    fn wake(&mut self, space: u32, address: u64, wake: Wake) {
        if self.at.len() >= REMEMBERED {
            self.at.clear();
        }
        self.at.insert((space, address), wake);
        self.last.insert(space, wake);
    }

    /// What ended a wait that began when `horizon` events had returned.
    fn cause(&self, space: u32, address: u64, horizon: u32) -> Option<OpId> {
        [
            self.at.get(&(space, address)),
            self.ends.get(&space),
            self.last.get(&space),
        ]
        .into_iter()
        .flatten()
        .find(|(_, moment)| *moment >= horizon)
        .map(|(id, _)| *id)
    }
}

/// Whether a command of futex(2) waits.
fn waits(command: u64) -> bool {
    matches!(
        command as i32 & libc::FUTEX_CMD_MASK,
        libc::FUTEX_WAIT
            | libc::FUTEX_WAIT_BITSET
            | libc::FUTEX_LOCK_PI
            | libc::FUTEX_LOCK_PI2
            | libc::FUTEX_WAIT_REQUEUE_PI
    )
}

impl Time {
    /// `futex` of a task in an address space.
    pub(crate) fn futex(&mut self, cx: &Cx, space: u32, order: &mut Order) -> Draft {
        let address = cx.number(ArgKind::Address);
        if !waits(cx.number(ArgKind::Command)) {
            let id = order.next(cx.lane);
            self.futexes.wake(space, address, (id, cx.number));
        } else if cx.ok()
            && let Some(cause) = self.futexes.cause(space, address, cx.horizon)
        {
            if !self.paces.is_short(cx.event) {
                order.after(cause);
            }
            self.paces.caused = true;
        }
        Draft::nothing(cx, Class::Other)
    }

    /// The parent of a `vfork` goes on only when its child runs a program or ends.
    pub(crate) fn after_vfork(&mut self, task: u32, order: &mut Order) {
        if self.vforked.is_empty() {
            return;
        }
        if let Some(lane) = self.vforked.remove(&task) {
            if let Some(last) = order.last(lane) {
                order.after(last);
            }
            self.paces.caused = true;
        }
    }
}
