//! Which calls may be told to have returned when the task has gone on already.

use fsreplay_trace::call::{Call, Op};
use fsreplay_trace::model::FileKind;

use super::interrupted::sum;
use super::task::{InCall, Phase, Task};
use super::{Clock, Memory, Session};

impl Session {
    /// Whether the return of the call that a task has entered may be told after the fact. The
    /// calls of the task that follow it are told after it.
    ///
    /// Not so where something is asked of the machine or of the task's memory when it has returned;
    /// nor where it may wait, for then what the kernel has counted up to that moment tells how
    /// long it did.
    pub fn may_be_told_late(&self, task: &Task) -> bool {
        match &task.phase {
            Phase::InCall(call) => may_be_told_late(call),
            _ => false,
        }
    }

    /// A call whose entry was told was not made: a signal came before it, at that moment. The tool
    /// may still make it.
    pub fn not_made(&mut self, task: &mut Task, at: u64) {
        match std::mem::take(&mut task.phase) {
            Phase::InCall(call) if call.is_again => task.phase = Phase::Interrupted(call, at),
            Phase::InCall(call) => task.owed = sum(task.owed, call.spent),
            other => task.phase = other,
        }
    }

    /// A call has returned whose entry was told, and which was made at `entry`: later than it was
    /// told, for that took time. The task has gone on.
    pub fn late_exit(
        &mut self,
        task: &mut Task,
        entry: u64,
        result: i64,
        memory: &dyn Memory,
        clock: &mut dyn Clock,
    ) {
        if let Phase::InCall(call) = &mut task.phase
            && !call.is_again
        {
            call.entry = entry.max(call.entry);
        }
        self.exit(task, result, memory, clock);
    }
}

fn may_be_told_late(call: &InCall) -> bool {
    let row = call.call.row();
    let kind = call.found[0].map(|found| found.kind);
    match row.op {
        // Where it leads is asked of the kernel; and a pipe is waited for.
        Op::Open => {
            let waits = !matches!(kind, Some(FileKind::Absent | FileKind::File));
            call.call != Call::openat2 && !waits
        }
        // When a directory was renamed, it is asked where all that is open leads.
        Op::Rename => {
            let is_file = kind.is_some_and(|kind| kind != FileKind::Directory);
            is_file && row.flags(&call.args) == 0
        }
        Op::Fcntl => !WAITS.contains(&(call.registers[1] as i32)),
        Op::GetXattr
        | Op::FdGetXattr
        | Op::ListXattr
        | Op::FdListXattr
        | Op::CopyRange
        | Op::MakeDir
        | Op::RemoveDir
        | Op::Unlink
        | Op::Link
        | Op::Symlink
        | Op::MakeNode
        | Op::ChangeMode
        | Op::FdChangeMode
        | Op::ChangeOwner
        | Op::FdChangeOwner
        | Op::SetTimes
        | Op::FdSetTimes
        | Op::SetXattr
        | Op::FdSetXattr
        | Op::RemoveXattr
        | Op::FdRemoveXattr
        | Op::Truncate
        | Op::FdTruncate
        | Op::Allocate => true,
        _ => false,
    }
}

/// Commands of `fcntl` that wait for a lock.
const WAITS: [i32; 2] = [libc::F_SETLKW, libc::F_OFD_SETLKW];
