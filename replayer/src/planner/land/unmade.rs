//! Placed directories at times when the tool had none.
//!
//! A placed directory is there from the start of the replay to its end, as a mount point is. What
//! found nothing below it, because the tool had not made it yet or had removed it, would find a
//! directory and do things too early.

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::PathState;

use super::super::{Cx, Notes};
use super::Land;
use super::resolve::Walked;
use super::tree::{NONE, Top};

const TOO_EARLY: &str = "calls that found nothing because a placed directory was not made yet, or \
    removed, and are not issued: it is there throughout the replay, as a mount point is";

/// The inodes of placed directories that the tool doesn't have at present.
pub(crate) struct Unmade {
    /// Whether any directory is placed.
    are_placed: bool,
    inodes: Vec<u32>,
}

impl Unmade {
    /// For a plan that goes to so many roots.
    pub(crate) fn new(roots: usize) -> Unmade {
        Unmade {
            are_placed: roots > 1,
            inodes: Vec::new(),
        }
    }

    /// The tool has that one no more, or not yet.
    pub(crate) fn begin(&mut self, ino: u32) {
        if !self.inodes.contains(&ino) {
            self.inodes.push(ino);
        }
    }

    /// The tool made that one.
    pub(crate) fn end(&mut self, ino: u32) {
        self.inodes.retain(|known| *known != ino);
    }
}

impl Land {
    /// The recorder saw that there is nothing of a name.
    pub(super) fn absent(&mut self, state: &PathState, tables: &Tables, notes: &mut Notes) {
        if !self.unmade.are_placed {
            return;
        }
        let Some(dir) = self.directory_of(state.node, tables, notes) else {
            return;
        };
        let name = self.tree.names.find(tables.name(state.node));
        let dent = name.and_then(|name| self.tree.find(dir, name));
        let ino = dent.map_or(NONE, |dent| self.tree.dent(dent).ino);
        if ino != NONE && self.tree.root_at(ino).is_some() {
            self.unmade.begin(ino);
        }
    }

    /// Whether a call found nothing because a placed directory was not there. It is noted then.
    pub(crate) fn found_unmade(&self, cx: &Cx, walked: &Walked, notes: &mut Notes) -> bool {
        if self.unmade.inodes.is_empty() || cx.event.errno() != Some(libc::ENOENT) {
            return false;
        }
        let below = self.tree.climb(walked.dir, NONE, &mut Vec::new());
        let is_unmade = self.unmade.inodes.iter().any(|ino| {
            *ino == walked.ino
                || matches!(below, Some(Top::Root(root)) if self.tree.root_at(*ino) == Some(root))
        });
        if is_unmade {
            notes.add(TOO_EARLY);
        }
        is_unmade
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{ArgKind, Call, Last};

    use super::super::super::tests::calls;
    use super::super::areas;
    use super::super::resolve::{Passed, walk};
    use super::super::tree::{Kind, ROOT, Tree};
    use super::*;

    #[test]
    fn only_what_found_nothing_below_a_directory_not_yet_made_came_too_early() {
        let mut land = Land::new(Tree::new(), &[], 2);
        let placed = areas::ensure(&mut land.tree, b"/placed");
        land.tree.set_kind(placed, Kind::Directory);
        land.tree.directory(placed).expect("a directory").root = 1;
        land.unmade.begin(placed);
        let (tables, mut notes) = (Tables::new(), Notes::default());
        let mut is_early = |land: &Land, path: &[u8], errno: i32| {
            let event = calls::event(0, Call::stat, &[(ArgKind::Path, 0)], -i64::from(errno));
            let passed = &mut Passed::default();
            let walked = walk(
                &land.tree,
                &tables,
                passed,
                path,
                ROOT,
                ROOT,
                Last::Followed,
            );
            land.found_unmade(&calls::alone(&event, &tables, 0), &walked, &mut notes)
        };
        assert!(is_early(&land, b"/placed/x", libc::ENOENT));
        assert!(is_early(&land, b"/placed", libc::ENOENT));
        assert!(!is_early(&land, b"/elsewhere", libc::ENOENT));
        assert!(!is_early(&land, b"/placed/x", libc::EACCES));
        land.unmade.end(placed);
        assert!(!is_early(&land, b"/placed/x", libc::ENOENT));
        assert_eq!(notes.counts.values().sum::<u64>(), 2);
    }
}
