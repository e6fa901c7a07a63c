//! Which calls of a log are events of a trace: those that a recorder would record.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::maps::Maps;

use super::decode::Args;

/// Calls of 32-bit programs touch files and aren't in the table.
pub fn is_of_another_architecture(name: &str) -> bool {
    let endings = ["64", "32"];
    matches!(
        name,
        "_llseek" | "mmap2" | "oldstat" | "oldlstat" | "socketcall" | "_newselect"
    ) || endings.iter().any(|ending| name.ends_with(ending)) && name != "prlimit64"
}

/// Whether a recorder would take the call for an event.
pub fn is_event(call: Call, args: &Args, maps: &Maps) -> bool {
    let number = |kind| args.number(kind).unwrap_or(0) as u64;
    let (address, length) = (number(ArgKind::Address), number(ArgKind::Length));
    call.may_be_event(number) && maps.concerns(call.row().op, address, length)
}
