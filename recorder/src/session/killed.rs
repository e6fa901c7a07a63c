//! Calls that a task was killed in. They have no result, and may have been done all the same: the
//! tree shows it.

use std::io;

use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::FileKind;

use super::Session;
use super::states::Found;
use super::task::{InCall, Task};
use super::world::Spot;

impl Session {
    /// Whether the names that a call was to make, move or remove are as it would have left them,
    /// and were not before it. Of a task that is gone.
    pub(super) fn was_done(&self, task: &Task, call: &InCall) -> bool {
        let row = call.call.row();
        // A descriptor would be told as well. And what a task of another namespace saw is gone.
        if row.op == Op::Open || task.view().through.is_some() {
            return false;
        }
        let made = row.made(&call.args).map(|made| (made.path, true));
        let removed = row.removed(&call.args).map(|path| (path, false));
        let mut changes = made.into_iter().chain(removed).peekable();
        changes.peek().is_some()
            && changes.all(|(path, is_made)| {
                let second = path == ArgKind::NewPath && row.position(ArgKind::Path).is_some();
                let found = call.found[usize::from(second)];
                found.is_some_and(|found| self.changed(found, is_made))
            })
    }

    /// Whether a name has appeared or vanished, and no recorded call did that.
    fn changed(&self, found: Found, is_made: bool) -> bool {
        let was_there = found.kind != FileKind::Absent;
        if was_there == is_made || self.states.kind(&self.trace, found.node) != Some(found.kind) {
            return false;
        }
        let spot = Spot {
            path: self.trace.path(found.node),
            through: None,
        };
        match self.world.look(&spot) {
            Ok(_) => is_made,
            Err(error) => !is_made && error.kind() == io::ErrorKind::NotFound,
        }
    }
}
