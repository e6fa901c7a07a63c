//! Hand-made plans, executed on a temporary directory: what is issued, in what order, and that
//! nothing leaves it.

#[path = "../common/mod.rs"]
mod common;
mod containment;
mod deep;

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use common::Builder;
use fsreplay_replayer::ReplayError;
use fsreplay_replayer::plan::*;
use fsreplay_results::play::Play;
use fsreplay_trace::model::FileKind;

fn no_divergence(result: &Play) {
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
    let root = Path::new(&result.kept[0]);
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
fn links_to_one_place_all_lead_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let lane = b.lane();
    let links = [
        ("a", "shared"),
        ("b", "shared"),
        ("c", "other"),
        ("d", "shared"),
        ("e", "other"),
    ];
    let shared = b.text("shared");
    let other = b.text("other");
    for (link, leads_to) in links {
        let target = if leads_to == "shared" { shared } else { other };
        let at = b.at(link);
        b.op(
            lane,
            Action::Symlink {
                target,
                target_root: Some(0),
                at,
            },
            0,
        );
    }
    let result = b.play().expect("plays");
    no_divergence(&result);
    let root = Path::new(&result.kept[0]);
    for (link, leads_to) in links {
        let text = std::fs::read_link(root.join(link)).expect("a link");
        assert_eq!(text.file_name(), Some(leads_to.as_ref()), "{link}");
        assert!(text.is_absolute(), "{link}");
    }
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
fn errors_of_one_cause_are_counted_apart() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let lane = b.lane();
    let (file, long) = (b.at("f"), b.at(&"n".repeat(300)));
    let below = b.at("f/x");
    let slot = Slot(1);
    b.op(
        lane,
        Action::Open {
            at: file,
            flags: libc::O_CREAT | libc::O_WRONLY,
            mode: 0o644,
            resolve: 0,
            out: slot,
        },
        0,
    );
    for at in [below; 7].into_iter().chain([long]) {
        b.op(lane, Action::Stat { at, flags: 0 }, 0);
    }
    let bad = Action::Fcntl {
        fd: slot,
        command: 9999,
        argument: 0,
    };
    b.op(lane, bad, 0);
    // Read locks can't be had where nothing is read; nor is there a kind 9.
    for kind in [libc::F_RDLCK as i16, 9] {
        let lock = Action::Lock {
            fd: slot,
            command: libc::F_SETLK,
            kind,
            whence: 0,
            start: 0,
            length: 0,
        };
        b.op(lane, lock, 0);
    }
    let result = b.play().expect("plays");
    let groups = result.divergence_groups.iter();
    let mut found: Vec<_> = groups
        .flat_map(|group| &group.failures)
        .map(|of| (of.errno, of.on_locks, of.count, of.path.len()))
        .collect();
    found.sort_unstable();
    let expected = [
        (libc::EBADF, true, 1, 1),
        (libc::ENOTDIR, false, 7, 3),
        (libc::EINVAL, false, 1, 1),
        (libc::EINVAL, true, 1, 1),
        (libc::ENAMETOOLONG, false, 1, 300),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_lane_waits_for_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let (first, second) = (b.lane(), b.lane());
    // The first lane makes 200 directories one inside the other; the second sees each only after it
    // was made.
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

/// As a shell that starts one program after the other: each task begins on the lane that the one
/// before it leaves, is started before that, and parent and child wait for each other in each.
#[test]
fn tasks_that_follow_each_other_on_a_lane_are_done_one_after_the_other() {
    const TASKS: u32 = 3000;
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let (parent, child) = (b.lane(), b.lane());
    let at = b.at("file");
    for task in 0..=TASKS {
        let done = b.op(parent, Action::Nothing, 0);
        if task > 0 {
            b.wait(parent, child, task * 2 - 1);
        }
        if task == TASKS {
            break;
        }
        b.plan.births.push(Birth {
            after: WaitFor {
                lane: parent as u32,
                done,
            },
            lane: child as u32,
            op: task * 2,
        });
        // Each finds that the one before has taken its file away.
        let open = Action::Open {
            at,
            flags: libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY,
            mode: 0o644,
            resolve: 0,
            out: Slot(1),
        };
        b.op(child, open, 3);
        b.op(child, Action::Unlink { at, flags: 0 }, 0);
        b.wait(child, parent, done + 1);
    }
    let result = b.play().expect("played");
    no_divergence(&result);
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
