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
use super::super::holdings::processes::Processes;
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
    /// `futex`: a wake is remembered, and a wait comes after what ended it.
    pub(crate) fn futex(&mut self, cx: &Cx, procs: &Processes, order: &mut Order) -> Draft {
        let space = procs.task(cx.task).mm;
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

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;
    use fsreplay_trace::format::Tables;
    use fsreplay_trace::model::{Header, StopCosts, TaskId, TaskStart};

    use super::super::super::tests::calls;
    use super::*;
    use crate::plan::{Action, Check, Op, Pace};

    struct Threads {
        time: Time,
        procs: Processes,
        order: Order,
    }

    impl Threads {
        /// Two threads, each on a lane of its own, of which the first did one op.
        fn new() -> Threads {
            let header = Header {
                costs: Some(StopCosts {
                    duration: 1,
                    ..StopCosts::default()
                }),
                ..Header::default()
            };
            let (mut procs, mut order) = (Processes::default(), Order::default());
            let start = |task: u32| TaskStart {
                task: TaskId(task),
                parent: None,
                time: 0,
                flags: fsreplay_trace::abi::CLONE_VM,
                tid: task,
                think: 0,
            };
            procs.add_first(&start(0), 0, 0).expect("a task");
            procs.add_child(&start(1), 0, 1).expect("a thread");
            order.add_lane();
            order.add_lane();
            let mut threads = Threads {
                time: Time::new(&header),
                procs,
                order,
            };
            threads.commit(0);
            threads
        }

        /// Commits an op; how many it waits for.
        fn commit(&mut self, lane: u32) -> usize {
            let op = Op {
                action: Action::Nothing,
                expected: 0,
                check: Check::Nothing,
                call: Call::futex,
                recorded: true,
                mount: u16::MAX,
                place: u32::MAX,
            };
            let id = self.order.commit(lane, op, Pace::default(), (0, 0));
            self.order.lanes[lane as usize]
                .waits_of(id.op as usize)
                .len()
        }

        fn futex(&mut self, task: u32, command: i32, took: u64, number: u32) {
            let args = [(ArgKind::Address, 64), (ArgKind::Command, command as u64)];
            let mut event = calls::event(task, Call::futex, &args, 0);
            event.duration = took;
            let tables = Tables::new();
            let cx = Cx {
                horizon: 0,
                ..calls::alone(&event, &tables, number)
            };
            self.time.futex(&cx, &self.procs, &mut self.order);
        }
    }

    #[test]
    fn a_long_wait_comes_after_its_wake_and_a_short_one_does_not() {
        for (took, waits) in [(1_000, 1), (10, 0)] {
            let mut threads = Threads::new();
            threads.futex(0, libc::FUTEX_WAKE, 1, 0);
            threads.commit(0);
            threads.futex(1, libc::FUTEX_WAIT, took, 1);
            assert!(threads.time.paces.caused);
            assert_eq!(threads.commit(1), waits);
        }
    }

    #[test]
    fn a_parent_of_vfork_waits_for_its_child_once() {
        let mut threads = Threads::new();
        threads.time.vforks(1, 0);
        threads.time.after_vfork(0, &mut threads.order);
        assert!(!threads.time.paces.caused, "it is another's parent");
        threads.time.after_vfork(1, &mut threads.order);
        assert_eq!(threads.commit(1), 1);
        threads.time.paces.caused = false;
        threads.commit(0);
        threads.time.after_vfork(1, &mut threads.order);
        assert!(!threads.time.paces.caused, "it goes on already");
        assert_eq!(threads.commit(1), 0);
    }
}
