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
    /// A signal is about to be delivered to a task. Gives whether it must not be any more: the stub
    /// itself caused it, or its handler was begun here.
    pub fn signal(&mut self, tid: i32, tracee: &mut impl Tracee, signal: i32, why: Why) -> bool {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return false;
        };
        let memory = task.memory.borrow();
        if !memory.space.has_stub() {
            return false;
        }
        let Ok(mut registers) = tracee.registers() else {
            return false;
        };
        if why == Why::Trap {
            let site = memory.space.came_by(tracee, registers.next());
            if let Some(site) = site {
                registers.set_next(site);
                // Fails only where it is gone.
                let _ = tracee.set_registers(&registers);
                task.after_trap.unwrap_or_default().put_right(tracee);
            }
            return site.is_some();
        }
        let area = task.area.as_ref();
        let mut begun = false;
        if why == Why::Signal && signal != 0 && memory.space.may_wait_at(registers.next()) {
            let caught = tracee.signals_of(tid).map_or(0, |signals| signals.caught);
            if caught & 1 << (signal - 1) != 0 {
                match rescue_from_handler(&memory.space, tracee, area, signal) {
                    Ok(true) => return true,
                    Ok(false) => begun = true,
                    Err(_) => return true, // It is gone.
                }
                let Ok(now) = tracee.registers() else {
                    return true;
                };
                registers = now;
            }
        }
        let ticks = arch::ticks();
        if rescue::rescue(&memory.space, tracee, area, &mut registers, why, ticks) {
            // Fails only where it is gone.
            let _ = tracee.set_registers(&registers);
            begun |= why == Why::Fault;
        }
        begun
    }
}

/// A task waits in a call that the stub made, and a signal that it has a handler for is about to be
/// delivered. Whether the call is made again after that is the kernel's to say, which looks at where
/// the task stands. So it is let go on to its handler, and what that comes back to is put outside.
/// Gives whether the handler has begun.
fn rescue_from_handler(
    space: &Space,
    tracee: &mut impl Tracee,
    area: Option<&Area>,
    signal: i32,
) -> io::Result<bool> {
    if !tracee.to_handler(signal)? {
        return Ok(false);
    }
    let mut kept = led::kept_by_handler(tracee)?;
    if rescue::rescue(space, tracee, area, &mut kept, Why::Signal, arch::ticks()) {
        led::keep_by_handler(tracee, &kept)?;
    }
    Ok(true)
}
