//! Which calls of the table are events, where that goes by their arguments, and when.

use fsreplay_trace::call::{Call, Op};

use super::task::Task;

/// Whether a call wakes those that wait at a futex.
pub fn wakes(call: Call, registers: &[u64; 6]) -> bool {
    use libc::{
        FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_REQUEUE, FUTEX_UNLOCK_PI, FUTEX_WAKE,
        FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
    };
    call == Call::futex
        && matches!(
            registers[1] as i32 & libc::FUTEX_CMD_MASK,
            FUTEX_WAKE
                | FUTEX_WAKE_BITSET
                | FUTEX_WAKE_OP
                | FUTEX_REQUEUE
                | FUTEX_CMP_REQUEUE
                | FUTEX_CMP_REQUEUE_PI
                | FUTEX_UNLOCK_PI
        )
}

/// Whether a call on memory meets a mapping of a file; true for all other calls.
pub fn meets_file(task: &Task, call: Call, registers: &[u64; 6]) -> bool {
    match call.row().op {
        Op::Unmap | Op::Remap | Op::MapSync | Op::MapAdvise => {
            task.maps.borrow().meets(registers[0], registers[1])
        }
        _ => true,
    }
}
