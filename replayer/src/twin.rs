//! Rounds of one plan in two trees of its own, in turn: while one tree has to be left alone, the
//! other is played in.
//!
//! What a share knows of names and attributes expires after a second ([`crate::cache`]), and a
//! round may not begin before. A tool of 0.1 s would be played once a second only.

use std::sync::atomic::AtomicBool;

use fsreplay_results::play::Round;

use crate::cache::{self, Cache, is_on_share};
use crate::error::ReplayError;
use crate::execute::LaneRun;
use crate::options::{PlayOptions, Stage};
use crate::plan::Plan;
use crate::player::{Played, Player};
use crate::preflight::fit_together;

/// A second tree has to be worth it within so many rounds.
const REPAID: u32 = 5;
/// Ops that a plan has to have. Before the first of them a replay opens its working directory and
/// what was open at the start, less than a second before: what lies on the way there is known by
/// then, which would be a notable part of what few calls ask.
const FEWEST_OPS: usize = 1000;

/// The player of a plan and, where it is worth it, a second one of the same plan.
pub struct Twin<'p> {
    plan: &'p Plan,
    options: PlayOptions,
    /// Whose turn it is.
    next: Player<'p>,
    /// Is left alone meanwhile.
    resting: Option<Player<'p>>,
    /// Whether a second tree may still be made.
    is_open: bool,
    /// A second tree that was of no use and could not be removed.
    left: Option<ReplayError>,
}

impl<'p> Twin<'p> {
    /// Nothing is made yet.
    pub fn new(plan: &'p Plan, options: PlayOptions) -> Twin<'p> {
        Twin {
            plan,
            options,
            next: Player::new(plan, options),
            resting: None,
            is_open: is_on_share(plan) && options.cache != Cache::Cold && is_large(plan),
            left: None,
        }
    }

    /// As [`Player::make_ahead`].
    pub fn make_ahead(&mut self, cancelled: &AtomicBool, progress: &(dyn Fn(Stage) + Sync)) {
        self.next.make_ahead(cancelled, progress);
    }

    /// As [`Player::lacks_room`].
    pub fn lacks_room(&self) -> bool {
        self.next.lacks_room()
    }

    /// As [`Player::priced_round`].
    pub fn priced_round(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Result<(Played, Vec<LaneRun>), ReplayError> {
        let found = self.next.priced_round(number, cancelled, progress)?;
        if let Some(resting) = &mut self.resting {
            // Put back at once: from then on it is left alone.
            self.next.make_ahead(cancelled, &|_| ());
            std::mem::swap(&mut self.next, resting);
        } else if std::mem::take(&mut self.is_open)
            && is_worth(&found.0.round, self.options.rounds.saturating_sub(number))
        {
            self.next.make_ahead(cancelled, &|_| ());
            self.resting = self.second(number, cancelled, progress);
        }
        Ok(found)
    }

    /// A second tree, ready for its first round that counts. Where there is no room for it, or
    /// anything else is in its way, the first one has to do.
    fn second(
        &mut self,
        number: u32,
        cancelled: &AtomicBool,
        progress: &(dyn Fn(Stage) + Sync),
    ) -> Option<Player<'p>> {
        // With what the first one may still grow by.
        if !fit_together([self.plan, self.plan]) {
            return None;
        }
        let mut second = Player::new(self.plan, self.options);
        second.make_ahead(cancelled, progress);
        if number == 0 && second.is_ready() {
            match second.priced_round(number, cancelled, progress) {
                Ok(_) => second.make_ahead(cancelled, &|_| ()),
                Err(error) => tracing::debug!("a second tree: {error}"),
            }
        }
        if second.is_ready() {
            return Some(second);
        }
        self.left = second.clear().err();
        None
    }

    /// As [`Player::clear`].
    pub fn clear(&mut self) -> Result<(), ReplayError> {
        self.is_open = false;
        let second = self
            .resting
            .take()
            .map_or(Ok(()), |mut player| player.clear());
        self.next.clear().and(second)
    }

    /// Its players, whose trees are to be removed, and what could not be removed before.
    pub fn into_players(self) -> (impl Iterator<Item = Player<'p>>, Option<ReplayError>) {
        let players = std::iter::once(self.next).chain(self.resting);
        (players, self.left)
    }
}

fn is_large(plan: &Plan) -> bool {
    plan.lanes.iter().map(|lane| lane.len()).sum::<usize>() >= FEWEST_OPS
}

/// Whether a second tree saves more in the first of so many rounds than it takes to be made, to
/// warm up as the first one did, and to be removed.
fn is_worth(first: &Round, rounds: u32) -> bool {
    let takes = 2.0 * first.prepare_seconds + first.wall_seconds;
    takes < cache::SAVED.as_secs_f64() * f64::from(REPAID.min(rounds))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use fsreplay_trace::model::FileKind;

    use super::*;
    use crate::plan::{Root, Text, TreeEntry};
    use crate::timing::Timing;

    const OPTIONS: PlayOptions = PlayOptions {
        rounds: 9,
        keep: false,
        timing: Timing::Fast,
        cache: Cache::Warm,
    };

    fn plan(target: &Path) -> Plan {
        Plan {
            roots: vec![Root {
                recorded: b"/".to_vec(),
                target: target.into(),
            }],
            text: vec![0],
            tree: vec![TreeEntry {
                mode: 0o755,
                ..TreeEntry::new(Text(0), FileKind::Directory)
            }],
            ..Plan::default()
        }
    }

    fn trees(target: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(target).expect("a directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }

    fn round(twin: &mut Twin<'_>, number: u32) -> Result<(), ReplayError> {
        let go_on = AtomicBool::new(false);
        twin.priced_round(number, &go_on, &|_| ()).map(|_| ())
    }

    #[test]
    fn two_trees_take_turns_and_both_are_removed() {
        for first in [0, 1] {
            let target = tempfile::tempdir().expect("a directory");
            let plan = plan(target.path());
            let mut twin = Twin::new(&plan, OPTIONS);
            twin.is_open = true;
            round(&mut twin, first).expect("played");
            let both = trees(target.path());
            assert_eq!(both.len(), 2);
            round(&mut twin, 1).expect("played");
            round(&mut twin, 2).expect("played");
            assert_eq!(trees(target.path()).len(), 2);
            // Whether the next round is played in a tree, which is gone meanwhile. If so, it is
            // still that tree's turn.
            let aside = target.path().join("aside");
            let meets = |twin: &mut Twin<'_>, number| {
                std::fs::rename(&both[0], &aside).expect("moved");
                let outcome = round(twin, number);
                std::fs::rename(&aside, &both[0]).expect("moved back");
                outcome.is_err()
            };
            let is_first = meets(&mut twin, 3);
            if is_first {
                round(&mut twin, 3).expect("played");
            }
            assert_eq!(meets(&mut twin, 4), !is_first);
            let (players, left) = twin.into_players();
            assert!(left.is_none());
            players.for_each(|player| assert!(player.end().left.is_empty()));
            assert!(trees(target.path()).is_empty());
        }
    }

    #[test]
    fn there_is_one_tree_where_nothing_expires() {
        let target = tempfile::tempdir().expect("a directory");
        let plan = plan(target.path());
        let mut twin = Twin::new(&plan, OPTIONS);
        for number in 0..3 {
            round(&mut twin, number).expect("played");
            assert_eq!(trees(target.path()).len(), 1);
        }
        twin.clear().expect("removed");
        assert!(trees(target.path()).is_empty());
    }

    #[test]
    fn what_is_made_or_played_for_long_has_no_second_tree() {
        let worth = |prepare_seconds, wall_seconds, rounds| {
            let first = Round {
                prepare_seconds,
                wall_seconds,
                ..Round::default()
            };
            is_worth(&first, rounds)
        };
        assert!(worth(0.1, 0.1, 9) && worth(1.0, 1.0, 9));
        assert!(!worth(3.0, 0.1, 9) && !worth(0.1, 10.0, 9));
        assert!(!worth(1.0, 1.0, 2) && !worth(0.1, 0.1, 0));
    }
}
