//! Placed directories at times when the tool had none.
//!
//! A placed directory is there from the start of the replay to its end, as a mount point is. What
//! found nothing below it, because the tool had not made it yet or had removed it, would find a
//! directory and do things too early.

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::PathState;

use super::paths::Reached;
use super::tree::{NONE, Top};
use super::{Cx, Planner};

const TOO_EARLY: &str = "calls that found nothing because a placed directory was not made yet, or \
    removed, and are not issued: it is there throughout the replay, as a mount point is";

/// The inodes of placed directories that the tool doesn't have at present.
#[derive(Default)]
pub(crate) struct Unmade(Vec<u32>);

impl Unmade {
    pub(crate) fn begin(&mut self, ino: u32) {
        if !self.0.contains(&ino) {
            self.0.push(ino);
        }
    }

    pub(crate) fn end(&mut self, ino: u32) {
        self.0.retain(|known| *known != ino);
    }
}

impl Planner {
    /// The recorder saw that there is nothing of a name.
    pub(super) fn absent(&mut self, state: &PathState, tables: &Tables) {
        if self.setting.roots.len() < 2 {
            return;
        }
        let Some(dir) = self.directory_of(state.node, tables) else {
            return;
        };
        let name = self.land.tree.names.find(tables.name(state.node));
        let dent = name.and_then(|name| self.land.tree.find(dir, name));
        let ino = dent.map_or(NONE, |dent| self.land.tree.dent(dent).ino);
        if ino != NONE && self.land.tree.root_at(ino).is_some() {
            self.land.unmade.begin(ino);
        }
    }

    /// Whether a call found nothing because a placed directory was not there. It is noted then.
    pub(super) fn found_unmade(&mut self, cx: &Cx, reached: &Reached) -> bool {
        if self.land.unmade.0.is_empty() || cx.event.errno() != Some(libc::ENOENT) {
            return false;
        }
        let walked = &reached.walked;
        let below = self
            .land
            .tree
            .climb(walked.dir, NONE, &mut self.paths.scratch_names);
        let is_unmade = self.land.unmade.0.iter().any(|ino| {
            *ino == walked.ino
                || matches!(below, Some(Top::Root(root)) if self.land.tree.root_at(*ino) == Some(root))
        });
        if is_unmade {
            self.tally.notes.add(TOO_EARLY);
        }
        is_unmade
    }
}
