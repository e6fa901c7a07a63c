//! Which calls may be told to have returned when the task has gone on already.

use fsreplay_trace::call::{Call, Op};
use fsreplay_trace::model::FileKind;

use super::task::{InCall, Phase, Task};
use super::{Clock, Memory, Session};

impl Session {
    /// Whether the return of the call that a task has entered may be told after the fact. The
    /// calls of the task that follow it are told after it.
    ///
    /// Not so where something is asked of the machine when it has returned, or of the task's
    /// memory; and where what the kernel counts up to that moment tells how long it waited.
    pub fn may_be_told_late(&self, task: &Task) -> bool {
        match &task.phase {
            Phase::InCall(call) => may_be_told_late(call),
            _ => false,
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
    match row.op {
        // Where it leads is asked of the kernel.
        Op::Open => call.call != Call::openat2,
        // When a directory was renamed, it is asked where all that is open leads.
        Op::Rename => {
            let is_file = call.found[0].is_some_and(|found| found.kind != FileKind::Directory);
            is_file && row.flags(&call.args) == 0
        }
        Op::Close
        | Op::Dup
        | Op::Fcntl
        | Op::Flock
        | Op::Ioctl
        | Op::Read
        | Op::Write
        | Op::PositionedRead
        | Op::PositionedWrite
        | Op::Seek
        | Op::CopyRange
        | Op::SendFile
        | Op::Stat
        | Op::FdStat
        | Op::Access
        | Op::ReadLink
        | Op::ListDirectory
        | Op::StatFs
        | Op::FdStatFs
        | Op::GetAttributes
        | Op::GetXattr
        | Op::FdGetXattr
        | Op::ListXattr
        | Op::FdListXattr
        | Op::GetCwd
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
        | Op::Allocate
        | Op::Sync
        | Op::FdSync
        | Op::SyncRange
        | Op::Map
        | Op::Unmap
        | Op::MapSync
        | Op::MapAdvise
        | Op::Advise
        | Op::ReadAhead => true,
        _ => false,
    }
}
