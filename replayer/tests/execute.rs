//! Hand-made plans, executed on a temporary directory: what is issued, in what order, and that nothing leaves it.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::plan::*;
use fsreplay_replayer::result::PlayResult;
use fsreplay_replayer::{PlayOptions, ReplayError, play};
use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;

/// Makes plans by hand.
struct Builder {
    plan: Plan,
}

const ROOT: Slot = Slot(0);

impl Builder {
    fn new(target: &Path) -> Builder {
        let plan = Plan {
            roots: vec![Root {
                recorded: b"/".to_vec(),
                target: target.into(),
            }],
            slots: 16,
            longest_transfer: 1 << 16,
            ..Plan::default()
        };
        let mut builder = Builder { plan };
        builder.entry("", FileKind::Directory, 0);
        builder
    }

    fn text(&mut self, text: &str) -> Text {
        let at = self.plan.text.len() as u32;
        self.plan.text.extend_from_slice(text.as_bytes());
        self.plan.text.push(0);
        Text(at)
    }

    fn at(&mut self, path: &str) -> At {
        At {
            dir: ROOT,
            path: self.text(path),
        }
    }

    fn entry(&mut self, path: &str, kind: FileKind, size: u64) -> &mut TreeEntry {
        let path = self.text(path);
        self.plan.tree.push(TreeEntry {
            root: 0,
            path,
            kind,
            size,
            mode: if kind == FileKind::Directory {
                0o755
            } else {
                0o644
            },
            owner: (0, 0),
            mtime: None,
            target: None,
            target_root: None,
            link_of: None,
            data: false,
            xattrs: Vec::new(),
        });
        self.plan.tree.last_mut().expect("just pushed")
    }

    fn lane(&mut self) -> usize {
        self.plan.lanes.push(Lane::default());
        self.plan.lanes.len() - 1
    }

    /// Adds an op that is expected to give a number, exactly.
    fn op(&mut self, lane: usize, action: Action, expected: i64) -> u32 {
        let event = self.plan.coverage.events as u32;
        self.plan.coverage.events += 1;
        let check = if matches!(action, Action::Open { .. } | Action::Dup { .. }) {
            Check::Success
        } else {
            Check::Exact
        };
        let ops = &mut self.plan.lanes[lane].ops;
        ops.push(Op {
            action,
            expected,
            event,
            first_wait: 0,
            wait_count: 0,
            check,
            call: Call::openat,
            published: true,
            mount: u16::MAX,
        });
        self.plan.lanes[lane].times.push(OpTime::default());
        ops_len(&self.plan, lane)
    }

    /// The last op of a lane waits until another has done so many.
    fn wait(&mut self, lane: usize, other: usize, done: u32) {
        let first = self.plan.waits.len() as u32;
        self.plan.waits.push(WaitFor {
            lane: other as u32,
            done,
        });
        let op = self.plan.lanes[lane].ops.last_mut().expect("an op");
        (op.first_wait, op.wait_count) = (first, 1);
    }

    fn play(&self) -> Result<PlayResult, ReplayError> {
        play(
            &self.plan,
            PlayOptions {
                rounds: 1,
                keep: true,
            },
            &AtomicBool::new(false),
            &|_| {},
        )
    }
}

fn ops_len(plan: &Plan, lane: usize) -> u32 {
    plan.lanes[lane].ops.len() as u32
}

fn no_divergence(result: &PlayResult) {
    assert_eq!(result.divergences, 0, "{:#?}", result.divergence_groups);
}

#[test]
fn files_are_made_read_written_renamed_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    b.entry("d", FileKind::Directory, 0);
    b.entry("d/old", FileKind::File, 5000).data = true;
    let lane = b.lane();
    let (fd, copy) = (Slot(1), Slot(2));
    let old = b.at("d/old");
    b.op(
        lane,
        Action::Open {
            at: old,
            flags: libc::O_RDWR,
            mode: 0,
            resolve: 0,
            out: fd,
        },
        3,
    );
    b.op(
        lane,
        Action::Read {
            fd,
            length: 4096,
            vectors: 0,
        },
        4096,
    );
    b.op(
        lane,
        Action::Read {
            fd,
            length: 4096,
            vectors: 3,
        },
        904,
    );
    b.op(
        lane,
        Action::Write {
            fd,
            length: 100,
            vectors: 2,
        },
        100,
    );
    b.op(
        lane,
        Action::Seek {
            fd,
            offset: 0,
            whence: libc::SEEK_END,
        },
        5100,
    );
    b.op(
        lane,
        Action::PositionedWrite {
            fd,
            length: 9,
            vectors: 0,
            offset: 6000,
            flags: 0,
        },
        9,
    );
    b.op(
        lane,
        Action::PositionedRead {
            fd,
            length: 50,
            vectors: 0,
            offset: 6000,
            flags: 0,
        },
        9,
    );
    b.op(
        lane,
        Action::Dup {
            fd,
            out: copy,
            cloexec: false,
        },
        4,
    );
    b.op(lane, Action::Close { fd }, 0);
    b.op(lane, Action::FdStat { fd: copy }, 0);
    b.op(
        lane,
        Action::FdTruncate {
            fd: copy,
            length: 10,
        },
        0,
    );
    b.op(lane, Action::Close { fd: copy }, 0);
    b.op(lane, Action::FdStat { fd: copy }, -i64::from(libc::EBADF));
    let (new, missing) = (b.at("d/new"), b.at("d/missing"));
    b.op(
        lane,
        Action::Rename {
            from: old,
            to: new,
            flags: 0,
            guarded: true,
        },
        0,
    );
    b.op(
        lane,
        Action::Stat {
            at: missing,
            flags: 0,
        },
        -i64::from(libc::ENOENT),
    );
    let target = b.text("new");
    let link = b.at("d/link");
    b.op(
        lane,
        Action::Symlink {
            target,
            target_root: None,
            at: link,
            guarded: true,
        },
        0,
    );
    b.op(
        lane,
        Action::ReadLink {
            at: link,
            length: 100,
            target_root: None,
        },
        3,
    );
    let sub = b.at("d/sub");
    b.op(
        lane,
        Action::MakeDir {
            at: sub,
            mode: 0o700,
        },
        0,
    );
    b.op(
        lane,
        Action::Unlink {
            at: sub,
            flags: libc::AT_REMOVEDIR,
        },
        0,
    );
    let result = b.play().expect("plays");
    no_divergence(&result);
    let root = &result.kept[0];
    assert_eq!(
        std::fs::metadata(root.join("d/new"))
            .expect("renamed")
            .size(),
        10
    );
    assert_eq!(
        std::fs::read_link(root.join("d/link")).expect("a link"),
        Path::new("new")
    );
    assert!(!root.join("d/sub").exists());
}

#[test]
fn a_different_outcome_is_a_divergence_with_its_cause() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let lane = b.lane();
    let at = b.at("nowhere");
    b.op(lane, Action::Stat { at, flags: 0 }, 0);
    let result = b.play().expect("plays");
    assert_eq!(result.divergences, 1);
    assert_eq!(result.divergence_groups[0].cause, "the name is not there");
    assert_eq!(result.divergence_groups[0].examples[0].path, "nowhere");
}

#[test]
fn a_lane_waits_for_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let (first, second) = (b.lane(), b.lane());
    // The first lane makes 200 directories one inside the other; the second sees each only after it was made.
    for depth in 0..200 {
        let at = b.at(&format!("x{depth}"));
        let made = b.op(first, Action::MakeDir { at, mode: 0o755 }, 0);
        b.op(second, Action::Stat { at, flags: 0 }, 0);
        b.wait(second, first, made);
        let removed = b.op(
            second,
            Action::Unlink {
                at,
                flags: libc::AT_REMOVEDIR,
            },
            0,
        );
        b.op(
            first,
            Action::Stat { at, flags: 0 },
            -i64::from(libc::ENOENT),
        );
        b.wait(first, second, removed);
    }
    no_divergence(&b.play().expect("plays"));
}

#[test]
fn a_guarded_rename_follows_no_link_out_of_the_replay() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    std::fs::write(outside.join("precious"), "data").expect("written");
    let mut b = Builder::new(dir.path());
    b.entry("victim", FileKind::File, 1);
    let lane = b.lane();
    // A link made by hand, as a hostile plan might bring it about in a race.
    let text = b.text(outside.to_str().expect("text"));
    let link = b.at("link");
    b.op(
        lane,
        Action::Symlink {
            target: text,
            target_root: None,
            at: link,
            guarded: false,
        },
        0,
    );
    let (victim, over) = (b.at("victim"), b.at("link/precious"));
    b.op(
        lane,
        Action::Rename {
            from: victim,
            to: over,
            flags: 0,
            guarded: true,
        },
        -i64::from(libc::ELOOP),
    );
    b.op(
        lane,
        Action::Link {
            from: over,
            to: victim,
            flags: 0,
            guarded: true,
        },
        -i64::from(libc::ELOOP),
    );
    no_divergence(&b.play().expect("plays"));
    assert_eq!(
        std::fs::read(outside.join("precious")).expect("still there"),
        b"data"
    );
}

#[test]
fn a_tree_that_can_not_be_made_is_removed_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    b.entry("a", FileKind::File, 1);
    b.entry("no/such/parent", FileKind::File, 1);
    assert!(matches!(b.play(), Err(ReplayError::Tree { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[test]
fn removal_follows_no_links_and_handles_deep_and_closed_directories() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    std::fs::write(outside.join("precious"), "data").expect("written");
    let sandbox = fsreplay_replayer::sandbox::Sandbox::create(dir.path()).expect("made");
    symlink(&outside, sandbox.path().join("link")).expect("linked");
    let mut deep = sandbox.path().to_path_buf();
    for _ in 0..300 {
        deep.push("deep");
    }
    std::fs::create_dir_all(&deep).expect("made");
    std::fs::create_dir_all(sandbox.path().join("closed/inner")).expect("made");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o0);
    std::fs::set_permissions(sandbox.path().join("closed"), closed).expect("closed");
    sandbox.remove().expect("removed");
    assert!(outside.join("precious").exists());
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
}

#[test]
fn what_is_no_directory_is_no_target() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    for target in [file, dir.path().join("missing")] {
        match Builder::new(&target).play() {
            Err(error) => assert!(error.is_target(), "{error}"),
            Ok(_) => panic!("played on {}", target.display()),
        }
    }
}

#[test]
fn a_plan_that_needs_more_room_than_there_is_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    b.plan.peak_bytes = 1 << 60;
    assert!(b.play().is_err_and(|error| error.is_target()));
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0);
}
