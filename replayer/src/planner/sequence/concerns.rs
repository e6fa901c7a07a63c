//! What a record may be about: names, locks.

use fsreplay_trace::call::Op;
use fsreplay_trace::model::{Event, Record};

/// Whether a call looks at names.
pub(crate) fn takes_paths(event: &Event) -> bool {
    event.call.row().paths().next().is_some()
}

/// Whether a record can take, give back or be refused a lock.
pub(crate) fn may_concern_locks(record: &Record) -> bool {
    match record {
        Record::Event(event) => matches!(
            event.call.row().op,
            Op::Fcntl | Op::Flock | Op::Close | Op::CloseRange | Op::DupTo | Op::Exec
        ),
        Record::TaskExit(_) => true,
        _ => false,
    }
}
