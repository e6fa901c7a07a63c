//! Processes that are looked into, and those that are not.

use super::*;
use crate::fake::Fake;

/// Stops at a call of that number until a process is looked into, if it is at all; of one with a
/// thread, if so.
fn looked_into_at(number: i64, has_thread: bool) -> Option<usize> {
    let mut tasks = Tasks::new(Policy {
        stops: 4,
        late_stops: 20,
        hits: 2,
        task_stops: 2,
        bounds: Bounds {
            ask: 0,
            long: 0,
            idle: 0,
            rate: 0,
            execs: false,
        },
    });
    tasks.first(1);
    if has_thread {
        tasks.child(1, 2, Shares::Memory);
    }
    let mut tracee = Fake::default();
    (1..40).find(|_| {
        let takes = arch::takes(number.cast_unsigned(), &[0; 6]);
        tasks.enters(1, 0x40_1002, takes);
        tasks.leaves(1, &mut tracee);
        tracee.asked
    })
}

#[test]
fn calls_that_stop_in_any_case_get_no_stub() {
    assert_eq!(looked_into_at(libc::SYS_execveat, false), None);
    assert_eq!(looked_into_at(libc::SYS_mount, false), None);
    assert_eq!(looked_into_at(libc::SYS_read, false), Some(4));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_process_with_threads_is_patched_late() {
    assert_eq!(looked_into_at(libc::SYS_read, true), Some(20));
}
