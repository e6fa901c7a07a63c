//! Signals that reach tasks in the stub.

use std::io;

use super::Tasks;
use crate::arch;
use crate::led;
use crate::region::Area;
use crate::rescue::{self, Why};
use crate::space::Space;
use crate::tracee::Tracee;

impl Tasks {
    /// A signal is about to be delivered to a task (0: none, it only is to leave the stub). Gives
    /// the one that it is to get: none, 0, where the stub itself caused it, or its handler was
    /// begun here; or another that came in its place.
    pub fn signal(&mut self, tid: i32, tracee: &mut impl Tracee, signal: i32, why: Why) -> i32 {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return signal;
        };
        let memory = task.memory.borrow();
        let space = &memory.space;
        if !space.has_stub() {
            return signal;
        }
        let Ok(mut registers) = tracee.registers() else {
            return signal;
        };
        if why == Why::Trap {
            let site = space.came_by(tracee, registers.next());
            if let Some(site) = site {
                registers.set_next(site);
                // Fails only where it is gone.
                let _ = tracee.set_registers(&registers);
                task.after_trap.unwrap_or_default().put_right(tracee);
            }
            return if site.is_some() { 0 } else { signal };
        }
        let area = task.area.as_ref();
        if signal != 0 && space.may_wait_at(registers.next()) {
            // Its call can't have failed: what the kernel tells of at its entry is another's fault.
            return waiting(space, tid, tracee, area, signal);
        }
        let was_asking = space.is_asking(registers.next());
        let ticks = arch::ticks();
        let moved = rescue::rescue(space, tracee, area, &mut registers, why, ticks);
        if moved {
            // Fails only where it is gone.
            let _ = tracee.set_registers(&registers);
        }
        let is_ours = moved && (why == Why::Fault || why == Why::Filter && was_asking);
        if is_ours { 0 } else { signal }
    }
}

/// A signal is about to be delivered to a task in a call that waits, which the kernel has put
/// before that call already. Whether it is made again is the kernel's to say, which looks at where
/// the task stands: so that is left as it is. If the signal has a handler, the task is let go on to
/// that, and what it comes back to is put outside. Gives what is to be delivered instead.
fn waiting(
    space: &Space,
    tid: i32,
    tracee: &mut impl Tracee,
    area: Option<&Area>,
    signal: i32,
) -> i32 {
    let is_caught = |caught: u64| caught & 1 << (signal - 1) != 0;
    let signals = tracee.signals_of(tid);
    if !signals.is_some_and(|signals| is_caught(signals.caught)) {
        return signal;
    }
    let begun = to_handler(space, tracee, area, signal);
    // Fails only where it is gone.
    begun.unwrap_or(0)
}

fn to_handler(
    space: &Space,
    tracee: &mut impl Tracee,
    area: Option<&Area>,
    signal: i32,
) -> io::Result<i32> {
    if let Some(other) = tracee.to_handler(signal)? {
        return Ok(other);
    }
    let mut kept = led::kept_by_handler(tracee)?;
    if rescue::rescue(space, tracee, area, &mut kept, Why::Signal, arch::ticks()) {
        led::keep_by_handler(tracee, &kept)?;
    }
    Ok(0)
}
