//! What is tried: the workspace as it lies now, and each directory that costs something, several
//! together, and the whole, elsewhere.

use std::path::PathBuf;

use fsreplay_replayer::planner::PlanOptions;
use fsreplay_results::compare::keeps_files;
use fsreplay_trace::model::Mount;

use super::anew::Seen;
use super::candidates::{Candidate, below};
use crate::origin::Origin;
use crate::targets::Target;
use crate::{moved, planning};

/// Directories that go to another target than now.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The recorded directories.
    pub paths: Vec<Vec<u8>>,
    /// Number of the target.
    pub target: usize,
}

/// Where the workspace lies now.
#[derive(Debug)]
pub struct Layout {
    /// The workspace.
    pub workspace: Vec<u8>,
    /// Recorded directories with the number of their target: the workspace, and mounts in it that
    /// are targets, too.
    pub parts: Vec<(Vec<u8>, usize)>,
}

impl Layout {
    /// The workspace on the baseline; a recorded mount below it stays on its own if that is one of
    /// the targets.
    pub fn of(
        workspace: Vec<u8>,
        baseline: usize,
        mounts: &[Mount],
        origin: Origin,
        targets: &[Target],
    ) -> Layout {
        let mut parts = vec![(workspace.clone(), baseline)];
        for mount in moved::mounts_in(mounts, &workspace) {
            let mut each = targets.iter();
            let same = each.position(|target| origin.is(mount, &target.line));
            if let Some(target) = same {
                parts.push((mount.mount_point.clone(), target));
            }
        }
        Layout { workspace, parts }
    }

    /// The target that a directory lies on now.
    pub fn home(&self, path: &[u8]) -> usize {
        let around = self
            .parts
            .iter()
            .filter(|(part, _)| below(part, path).is_some());
        around
            .max_by_key(|(part, _)| part.len())
            .map_or(0, |(_, target)| *target)
    }

    /// For each target: each candidate, all of them together, and the whole workspace.
    /// On a tmpfs only what can be made anew; what is kept from there comes second.
    pub fn moves(
        &self,
        candidates: &[Candidate],
        targets: &[Target],
        seen: &Seen,
    ) -> (Vec<Move>, Vec<Move>) {
        let mut moves: Vec<Move> = Vec::new();
        let mut kept: Vec<Move> = Vec::new();
        for (target, mount) in targets.iter().enumerate() {
            let is_lost = !keeps_files(&mount.fs_type);
            let mut may_go = |path: &[u8]| {
                let may = !is_lost || seen.refill(&self.workspace, path).is_some();
                let one = Move {
                    paths: vec![path.to_vec()],
                    target,
                };
                if !may && !kept.contains(&one) {
                    kept.push(one);
                }
                may
            };
            let others: Vec<Vec<u8>> = candidates
                .iter()
                .map(|candidate| candidate.path.clone())
                .filter(|path| self.home(path) != target && may_go(path))
                .collect();
            let whole_may_go = self.home(&self.workspace) != target && may_go(&self.workspace);
            let mut add = |paths: Vec<Vec<u8>>| {
                let one = Move { paths, target };
                if !moves.contains(&one) {
                    moves.push(one);
                }
            };
            for path in &others {
                add(vec![path.clone()]);
            }
            if others.len() > 1 {
                add(others);
            }
            if whole_may_go {
                add(vec![self.workspace.clone()]);
            }
        }
        (moves, kept)
    }

    /// Where each directory goes with a move (as now, without one).
    fn with(&self, moved: Option<&Move>) -> Vec<(Vec<u8>, usize)> {
        let mut parts = self.parts.clone();
        if let Some(moved) = moved {
            for path in &moved.paths {
                parts.retain(|(part, _)| below(path, part).is_none());
                parts.push((path.clone(), moved.target));
            }
        }
        parts
    }

    /// How to plan with a move.
    pub fn options(
        &self,
        moved: Option<&Move>,
        targets: &[Target],
        neutral: PathBuf,
    ) -> PlanOptions {
        let place = self
            .with(moved)
            .into_iter()
            .map(|(path, target)| (path, targets[target].dir.clone()));
        planning::apart(neutral, place.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_replayer::mounts::Line;
    use std::collections::BTreeSet;

    fn target(mount_point: &str, fs_type: &str) -> Target {
        Target {
            name: fs_type.into(),
            dir: mount_point.into(),
            class: "other",
            fs_type: fs_type.into(),
            line: Line {
                mount_point: mount_point.into(),
                fs_type: fs_type.into(),
                ..Line::default()
            },
        }
    }

    fn candidate(path: &str) -> Candidate {
        Candidate {
            path: path.into(),
            seconds: 1.0,
            share: 0.5,
            count: 1,
        }
    }

    /// A project on a disk, with a mount of its own for its packages.
    fn layout() -> Layout {
        let mounts = ["/", "/w/deps", "/w/unknown"].map(|point| Mount {
            mount_point: point.into(),
            fs_type: if point == "/" { "ext4" } else { "fuse" }.into(),
            ..Mount::default()
        });
        let targets = [target("/", "ext4"), target("/w/deps", "fuse")];
        Layout::of(b"/w".to_vec(), 0, &mounts, Origin::here(), &targets)
    }

    #[test]
    fn a_mount_in_the_workspace_stays_where_it_is_if_it_can() {
        let layout = layout();
        assert_eq!(
            layout.parts,
            [(b"/w".to_vec(), 0), (b"/w/deps".to_vec(), 1)]
        );
        assert_eq!(layout.home(b"/w/deps/a"), 1);
        assert_eq!(layout.home(b"/w/depsy"), 0);
    }

    #[test]
    fn candidates_are_tried_alone_and_together_and_never_where_they_are() {
        let layout = layout();
        let targets = [
            target("/", "ext4"),
            target("/w/deps", "fuse"),
            target("/x", "xfs"),
        ];
        let candidates = [candidate("/w/deps"), candidate("/w/.git")];
        let (moves, _) = layout.moves(&candidates, &targets, &Seen::default());
        let told: Vec<(usize, String)> = moves
            .iter()
            .map(|one| {
                let paths: Vec<_> = one
                    .paths
                    .iter()
                    .map(|p| String::from_utf8_lossy(p))
                    .collect();
                (one.target, paths.join(" "))
            })
            .collect();
        let expected = [
            (0, "/w/deps"),
            (1, "/w/.git"),
            (1, "/w"),
            (2, "/w/deps"),
            (2, "/w/.git"),
            (2, "/w/deps /w/.git"),
            (2, "/w"),
        ];
        assert_eq!(told, expected.map(|(target, path)| (target, path.into())));
    }

    #[test]
    fn the_whole_takes_what_is_in_it_along() {
        let layout = layout();
        let whole = Move {
            paths: vec![b"/w".to_vec()],
            target: 2,
        };
        assert_eq!(layout.with(Some(&whole)), [(b"/w".to_vec(), 2)]);
        let deps = Move {
            paths: vec![b"/w/deps".to_vec()],
            target: 2,
        };
        let parts = layout.with(Some(&deps));
        assert_eq!(parts, [(b"/w".to_vec(), 0), (b"/w/deps".to_vec(), 2)]);
    }

    /// Numbers that look random, the same in each run.
    struct Dice(u64);

    impl Dice {
        fn once_in(&mut self, sides: u64) -> bool {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33).is_multiple_of(sides)
        }
    }

    /// Paths of a workspace, and of its directories those that can be made anew: known as it is
    /// built.
    fn workspace(dice: &mut Dice, root: &str) -> (Vec<String>, Vec<String>, BTreeSet<String>) {
        let (mut seen, mut all, mut anew) = (Vec::new(), vec![root.to_owned()], BTreeSet::new());
        for project in ["", "/app", "/target", "/cache/lib"] {
            let base = format!("{root}{project}");
            for name in ["src", ".git", "data", "build", "vendor", "my_node_modules"] {
                all.push(format!("{base}/{name}"));
            }
            for (name, lock) in [("node_modules", "yarn.lock"), ("target", "Cargo.toml")] {
                let path = format!("{base}/{name}");
                let (has_lock, has_clone) = (dice.once_in(2), dice.once_in(4));
                if has_lock {
                    seen.push(format!("{base}/{lock}"));
                }
                if has_clone {
                    seen.push(format!("{path}/x/.git/HEAD"));
                }
                // In the workspace's own `target` lies a project in this test: see its `.git`.
                let is_project = path == format!("{root}/target");
                if has_lock && !has_clone && !is_project {
                    anew.insert(path.clone());
                }
                all.push(path);
            }
            seen.push(format!("{base}/.git/HEAD"));
        }
        (seen, all, anew)
    }

    #[test]
    fn only_what_can_be_made_anew_goes_to_a_tmpfs() {
        let mut dice = Dice(25);
        let targets = [target("/", "ext4"), target("/dev/shm", "tmpfs")];
        let mut allowed = 0;
        for round in 0..500 {
            let root = ["/w", "/home/u/.cache/w", "/node_modules/w"][round % 3];
            let (seen, all, anew) = workspace(&mut dice, root);
            let seen = seen.into_iter().map(String::into_bytes).collect();
            let layout = Layout::of(root.into(), 0, &[], Origin::here(), &targets);
            let candidates: Vec<Candidate> = all.iter().map(|path| candidate(path)).collect();
            let (moves, kept) = layout.moves(&candidates, &targets, &seen);
            let moved: BTreeSet<String> = moves
                .iter()
                .filter(|one| one.target == 1)
                .flat_map(|one| one.paths.iter())
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect();
            assert_eq!(moved, anew, "in {root}, with {seen:?}");
            let whole = Move {
                paths: vec![root.into()],
                target: 1,
            };
            assert!(kept.contains(&whole));
            allowed += anew.len();
        }
        assert!(allowed > 0, "nothing was ever allowed");
    }
}
