//! Processes that are looked into, and those that are not.

use super::*;
use crate::fake::Fake;

/// Whether a process is looked into that makes a call of that number again and again.
fn is_looked_into(number: i64) -> bool {
    let mut tasks = Tasks::new(Policy {
        stops: 4,
        late_stops: 4,
        hits: 2,
        task_stops: 2,
        bounds: Bounds {
            gap: 0,
            idle: 0,
            call: 0,
            rate: 0,
        },
    });
    tasks.first(1);
    let mut tracee = Fake::default();
    for _ in 0..8 {
        let takes = arch::takes(number.cast_unsigned(), &[0; 6]);
        tasks.enters(1, 0x40_1002, takes);
        tasks.leaves(1, &mut tracee);
    }
    tracee.asked
}

#[test]
fn calls_that_stop_in_any_case_get_no_stub() {
    assert!(!is_looked_into(libc::SYS_execve));
    assert!(!is_looked_into(libc::SYS_wait4));
    let read = libc::SYS_read;
    assert_eq!(
        is_looked_into(read),
        arch::takes(read.cast_unsigned(), &[0; 6])
    );
}
