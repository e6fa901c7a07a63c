//! What a successful call changed of what is known of paths.

use fsreplay_trace::abi::{RENAME_EXCHANGE, RENAME_WHITEOUT};
use fsreplay_trace::call::{ArgKind, Call, Names, Op};
use fsreplay_trace::model::{FileKind, NodeId};

use super::states::{Found, States};
use super::trace::Trace;

/// A call as far as its effect on paths goes.
pub struct Change<'a> {
    /// The call.
    pub call: Call,
    /// Its arguments, as in its event.
    pub args: &'a [u64; fsreplay_trace::call::MAX_ARGS],
    /// Where the walks of its paths ended before it ran.
    pub found: [Option<Found>; 2],
    /// Text of the link that it makes.
    pub target: &'a [u8],
}

impl Change<'_> {
    fn flags(&self) -> u32 {
        self.call.row().flags(self.args)
    }

    fn mode(&self) -> u32 {
        let position = self.call.row().position(ArgKind::Mode);
        position.map_or(0, |position| self.args[position] as u32)
    }
}

/// Whether a call may change what stands at a path.
pub fn changes_names(call: Call) -> bool {
    match call.row().names {
        Names::Made | Names::MadeOnCreate | Names::Removed | Names::Moved => true,
        Names::Same => false,
    }
}

/// Applies a successful call.
pub fn apply(change: &Change<'_>, states: &mut States, trace: &Trace) {
    let [first, second] = change.found;
    let Some(first) = first else {
        // The walk ended early, or was not taken: where the second path leads may hold anything
        // now.
        if let Some(second) = second {
            states.forget(second.node);
        }
        return;
    };
    match change.call.row().op {
        Op::Open => open(change, first, states, trace),
        Op::MakeDir => states.made(trace, first.node, FileKind::Directory),
        Op::MakeNode => states.made(trace, first.node, FileKind::of_made(change.mode())),
        Op::Symlink => states.made_link(trace, first.node, change.target),
        Op::RemoveDir | Op::Unlink => states.removed(trace, first.node),
        Op::Rename => rename(change, first.node, second, states, trace),
        Op::Link => {
            if let Some(second) = second {
                match first.kind {
                    // Its text is at the other name only.
                    FileKind::Symlink => states.forget(second.node),
                    kind => states.linked(trace, first.node, second.node, kind),
                }
            }
        }
        _ => {}
    }
}

fn open(change: &Change<'_>, first: Found, states: &mut States, trace: &Trace) {
    let creates = change.call.row().made(change.args).is_some();
    // Nothing appears at the path of O_TMPFILE, which is a directory.
    if states.kind(trace, first.node) != Some(FileKind::Absent) {
        return;
    }
    if creates {
        states.made(trace, first.node, FileKind::File);
    } else {
        // It appeared by other hands since it was looked up.
        states.forget(first.node);
    }
}

fn rename(
    change: &Change<'_>,
    from: NodeId,
    to: Option<Found>,
    states: &mut States,
    trace: &Trace,
) {
    let Some(to) = to else {
        states.removed(trace, from);
        return;
    };
    if change.flags() & RENAME_EXCHANGE != 0 {
        states.exchanged(from, to.node);
        return;
    }
    states.moved(trace, from, to.node);
    if change.flags() & RENAME_WHITEOUT != 0 {
        states.forget(from);
    }
}
