//! What is issued for recorded paths, and which tree is prepared.

use fsreplay_trace::abi::AT_EMPTY_PATH;
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::FileKind;

use super::super::PlanOptions;
use super::builder::{AT_FDCWD, Arg, Trace, check, entry, issued, op, text, waits};
use crate::plan::{Action, Check};

const CWD: u32 = 1;

fn work() -> Trace {
    let mut trace = Trace::new();
    trace.dir("/");
    trace.dir("/work");
    trace
}

#[test]
fn paths_without_surprises_are_issued_as_they_are() {
    let mut trace = work();
    trace.dir("/work/a");
    trace.file("/work/a/b", 3);
    trace.path(0, Call::stat, "a//./b", 0);
    trace.path(0, Call::stat, "/work/a/b", 0);
    trace.path(0, Call::stat, "/", 0);
    trace.path(0, Call::stat, "a/", 0);
    trace.path(0, Call::stat, "a/b/", -20);
    let plan = trace.finish();
    assert_eq!(issued(&plan, 0), (CWD, "a//./b".into()));
    assert_eq!(issued(&plan, 1), (0, "work/a/b".into()));
    assert_eq!(issued(&plan, 2), (0, ".".into()));
    assert_eq!(issued(&plan, 3), (CWD, "a/".into()));
    assert_eq!(issued(&plan, 4), (CWD, "a/b/".into()));
    assert_eq!(op(&plan, 4).expected, -20);
    assert_eq!(plan.coverage.issued, 5);
    assert_eq!(entry(&plan, "/work/a/b").map(|e| e.size), Some(3));
}

#[test]
fn climbing_paths_become_canonical_and_stay_relative_where_they_can() {
    let mut trace = work();
    trace.dir("/work/a");
    trace.dir("/work/b");
    trace.dir("/etc");
    trace.file("/work/b/f", 1);
    trace.file("/etc/passwd", 1);
    trace.path(0, Call::stat, "a/../b/f", 0);
    trace.path(0, Call::stat, "../etc/passwd", 0);
    trace.path(0, Call::stat, "../../../..", 0);
    trace.path(0, Call::stat, "a/missing/../x", -2);
    trace.path(0, Call::stat, "b/f/..", -20);
    let plan = trace.finish();
    assert_eq!(issued(&plan, 0), (CWD, "b/f".into()));
    assert_eq!(issued(&plan, 1), (0, "etc/passwd".into()));
    assert_eq!(issued(&plan, 2), (0, ".".into()));
    assert_eq!(issued(&plan, 3), (CWD, "a/missing/./x".into()));
    assert_eq!(issued(&plan, 4), (CWD, "b/f/.".into()));
}

#[test]
fn links_are_walked_through_again_but_not_where_dots_follow() {
    let mut trace = work();
    trace.dir("/usr");
    trace.dir("/usr/lib");
    trace.file("/usr/lib/x", 1);
    trace.file("/usr/y", 1);
    trace.symlink("/lib", "usr/lib");
    trace.path(0, Call::stat, "/lib/x", 0);
    trace.path(0, Call::stat, "/lib/../y", 0);
    let plan = trace.finish();
    assert_eq!(issued(&plan, 0), (0, "lib/x".into()));
    assert_eq!(issued(&plan, 1), (0, "usr/y".into()));
    assert_eq!(plan.coverage.unresolved, 0);
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn absolute_links_lead_inside_and_their_readers_know() {
    let mut trace = work();
    trace.symlink("/work/l", "/usr/lib");
    trace.path(0, Call::readlink, "l", 8);
    let args = [
        Arg::Text(ArgKind::Target, "../../../../etc"),
        Arg::Text(ArgKind::NewPath, "climber"),
    ];
    trace.call(0, Call::symlink, &args, 0);
    let args = [
        Arg::Text(ArgKind::Target, "../x"),
        Arg::Text(ArgKind::NewPath, "modest"),
    ];
    trace.call(0, Call::symlink, &args, 0);
    trace.path(0, Call::readlink, "modest", 4);
    let plan = trace.finish();
    let link = entry(&plan, "/work/l").expect("the link");
    assert_eq!(link.target.map(|t| plan.bytes(t)), Some(&b"usr/lib"[..]));
    assert_eq!(link.target_root, Some(0));
    assert!(matches!(
        op(&plan, 0).action,
        Action::ReadLink {
            target_root: Some(0),
            ..
        }
    ));
    assert_eq!(op(&plan, 0).expected, 8);
    let Action::Symlink {
        target,
        target_root,
        ..
    } = op(&plan, 1).action
    else {
        panic!("no symlink");
    };
    assert_eq!((plan.bytes(target), target_root), (&b"etc"[..], Some(0)));
    let Action::Symlink {
        target,
        target_root,
        ..
    } = op(&plan, 2).action
    else {
        panic!("no symlink");
    };
    assert_eq!((plan.bytes(target), target_root), (&b"x"[..], Some(0)));
    assert!(matches!(
        op(&plan, 3).action,
        Action::ReadLink {
            target_root: Some(0),
            ..
        }
    ));
    assert_eq!(op(&plan, 3).expected, 2);
}

#[test]
fn a_path_that_no_kernel_takes_tells_nothing_of_the_tree() {
    let mut trace = work();
    trace.path(0, Call::stat, ".", 0);
    let before = trace.finish().tree.len();
    let mut trace = work();
    trace.path(0, Call::stat, ".", 0);
    for path in ["a/".repeat(100_000), "../".repeat(100_000)] {
        trace.path(0, Call::stat, &path, 0);
        trace.path(0, Call::mkdir, &path, -i64::from(libc::ENAMETOOLONG));
    }
    let plan = trace.finish();
    assert_eq!(plan.tree.len(), before);
    assert!(issued(&plan, 1).1.len() >= 4096);
    assert!(issued(&plan, 3).1.len() >= 4096);
}

#[test]
fn renamed_directories_take_their_contents_along() {
    let mut trace = work();
    trace.dir("/work/d");
    trace.file("/work/d/f", 1);
    trace.path(0, Call::stat, "d/f", 0);
    trace.rename(0, "d", "e", 0);
    trace.path(0, Call::stat, "e/f", 0);
    trace.path(0, Call::stat, "d/f", -2);
    trace.path(0, Call::mkdir, "d", 0);
    trace.open(0, "d/f", libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 3);
    trace.path(0, Call::unlink, "e/f", 0);
    trace.path(0, Call::rmdir, "e", 0);
    let plan = trace.finish();
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    assert_eq!(plan.coverage.issued, 8);
    assert_eq!(plan.tree.len(), 4);
}

#[test]
fn pseudo_file_systems_and_skipped_paths_are_not_issued() {
    let mut trace = Trace::with(PlanOptions {
        target: "/t".into(),
        skip: vec![b"/work/cache".to_vec()],
        ..PlanOptions::default()
    });
    trace.dir("/work");
    trace.open(0, "/proc/self/maps", 0, 3);
    trace.on_fd(0, Call::read, 3, 100, 50);
    trace.open(0, "/dev/null", 2, 4);
    trace.on_fd(0, Call::write, 4, 5, 5);
    trace.dir("/work/cache");
    trace.open(0, "cache/x", 0, 5);
    trace.on_fd(0, Call::close, 5, 0, 0);
    trace.path(0, Call::stat, "/proc/../work", 0);
    let plan = trace.finish();
    assert_eq!(plan.coverage.pseudo, 4);
    assert_eq!(plan.coverage.skipped, 2);
    assert_eq!(plan.coverage.issued, 1);
    assert_eq!(issued(&plan, 6), (0, "work".into()));
    assert!(entry(&plan, "/work/cache").is_none());
    assert!(entry(&plan, "/proc").is_none());
}

#[test]
fn placements_have_roots_of_their_own() {
    let mut trace = Trace::with(PlanOptions {
        target: "/t".into(),
        place: vec![(b"/work/src".to_vec(), "/volume".into())],
        ..PlanOptions::default()
    });
    trace.dir("/");
    trace.dir("/work");
    trace.dir("/work/src");
    trace.file("/work/src/f", 9);
    trace.path(0, Call::stat, "src/f", 0);
    trace.path(0, Call::stat, "/work/src", 0);
    let plan = trace.finish();
    assert_eq!(issued(&plan, 0), (1, "f".into()));
    assert_eq!(issued(&plan, 1), (1, ".".into()));
    let placed: Vec<_> = plan.tree.iter().filter(|e| e.root == 1).collect();
    assert_eq!(placed.len(), 2);
    assert_eq!(plan.bytes(placed[1].path), b"f");
    assert!(entry(&plan, "/work/src").is_some());
}

#[test]
fn the_initial_tree_follows_from_states_listings_and_calls() {
    let mut trace = work();
    trace.file_with("/work/one", 5, 7);
    trace.file_with("/work/two", 5, 7);
    trace.absent("/work/three");
    trace.listing(
        "/work",
        &[("one", FileKind::File), ("sub", FileKind::Directory)],
    );
    trace.path(0, Call::stat, "three", -2);
    trace.open(0, "one", 0, 3);
    trace.on_fd(0, Call::read, 3, 5, 5);
    trace.path(0, Call::stat, "unheard", 0);
    let plan = trace.finish();
    let one = entry(&plan, "/work/one").expect("one");
    assert!(one.data && one.link_of.is_none());
    let two = entry(&plan, "/work/two").expect("two");
    let first = two.link_of.expect("a link") as usize;
    assert_eq!(plan.bytes(plan.tree[first].path), b"work/one");
    assert_eq!(
        entry(&plan, "/work/sub").map(|e| e.kind),
        Some(FileKind::Directory)
    );
    assert!(entry(&plan, "/work/three").is_none());
    assert!(entry(&plan, "/work/unheard").is_some());
    assert_eq!(plan.notes.len(), 1);
    assert_eq!(plan.peak_inodes, 5);
}

#[test]
fn what_an_overlapping_call_made_is_no_part_of_the_initial_tree() {
    let mut trace = work();
    // Another thread's look at the file while the call that makes it has not returned.
    trace.file("/work/new", 0);
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    trace.open(0, "new", flags, 3);
    let plan = trace.finish();
    assert!(entry(&plan, "/work/new").is_none());
    assert_eq!(op(&plan, 0).check, Check::Success);
}

#[test]
fn modes_are_those_after_the_umask() {
    let mut trace = work();
    let args = [
        Arg::Text(ArgKind::Path, "d"),
        Arg::Number(ArgKind::Mode, 0o777),
    ];
    trace.call(0, Call::mkdir, &args, 0);
    trace.call(0, Call::umask, &[Arg::Number(ArgKind::Mode, 0o077)], 0o022);
    trace.open(0, "f", libc::O_CREAT | libc::O_WRONLY, 3);
    let plan = trace.finish();
    assert!(matches!(
        op(&plan, 0).action,
        Action::MakeDir { mode: 0o755, .. }
    ));
    assert!(matches!(
        op(&plan, 2).action,
        Action::Open { mode: 0o600, .. }
    ));
}

#[test]
fn paths_that_were_too_long_still_are() {
    let mut trace = work();
    let long = format!("/{}", "a/".repeat(2047));
    assert_eq!(long.len(), 4095);
    let long = format!("{long}b");
    trace.path(0, Call::stat, &long, -i64::from(libc::ENAMETOOLONG));
    let plan = trace.finish();
    assert!(issued(&plan, 0).1.len() >= 4096);
}

#[test]
fn peaks_count_what_is_written() {
    let mut trace = work();
    trace.open(0, "f", libc::O_CREAT | libc::O_WRONLY, 3);
    trace.on_fd(0, Call::write, 3, 10_000, 10_000);
    trace.on_fd(0, Call::write, 3, 1 << 40, 1 << 40);
    let plan = trace.finish();
    assert!(plan.peak_bytes >= 1 << 40);
    assert_eq!(plan.longest_transfer, 0x7fff_f000);
    assert_eq!(plan.peak_inodes, 3);
    check(&plan);
}

#[test]
fn a_chown_by_an_ordinary_user_gives_files_to_itself() {
    let mut trace = Trace::with(PlanOptions {
        target: "/t".into(),
        uid: 500,
        gid: 600,
        ..PlanOptions::default()
    });
    trace.file("/work/f", 1);
    let args = [
        Arg::Text(ArgKind::Path, "f"),
        Arg::Number(ArgKind::Uid, 0),
        Arg::Number(ArgKind::Gid, u64::MAX),
    ];
    trace.call(0, Call::chown, &args, 0);
    trace.call(0, Call::chown, &args, -1);
    let plan = trace.finish();
    let owner = |event| match op(&plan, event).action {
        Action::ChangeOwner { uid, gid, .. } => (uid, gid),
        _ => panic!("no chown"),
    };
    assert_eq!(owner(0), (500, u32::MAX));
    assert_eq!(owner(1), (0, u32::MAX));
}

#[test]
fn links_in_circles_end() {
    let mut trace = work();
    trace.symlink("/work/a", "b");
    trace.symlink("/work/b", "a");
    trace.path(0, Call::stat, "a", -40);
    trace.path(0, Call::lstat, "a", 0);
    let plan = trace.finish();
    assert_eq!(issued(&plan, 0), (CWD, "a".into()));
    let Action::Stat { at, flags } = op(&plan, 1).action else {
        panic!("no stat");
    };
    assert_eq!(text(&plan, at).1, "a");
    assert_eq!(flags, libc::AT_SYMLINK_NOFOLLOW);
}

#[test]
fn what_is_removed_has_blocks_to_give_back() {
    let mut trace = Trace::new();
    trace.dir("/work");
    trace.file("/work/gone", 5000);
    trace.file("/work/looked-at", 5000);
    trace.path(0, Call::unlink, "gone", 0);
    trace.path(0, Call::stat, "looked-at", 0);
    let plan = trace.finish();
    assert!(entry(&plan, "/work/gone").expect("an entry").data);
    assert!(!entry(&plan, "/work/looked-at").expect("an entry").data);
    assert!(plan.peak_bytes >= 5000);
}

#[test]
fn of_a_sparse_file_only_its_blocks_are_filled_and_asked_for() {
    let plan_of = |read: bool| {
        let mut trace = Trace::new();
        trace.dir("/work");
        trace.sparse_file("/work/data.mdb", 256 << 30, 12 << 10);
        trace.open(0, "data.mdb", libc::O_RDWR, 3);
        if read {
            let bytes = [
                Arg::Number(ArgKind::Fd, 3),
                Arg::Number(ArgKind::Length, 4096),
            ];
            trace.call(0, Call::read, &bytes, 4096);
        }
        trace.finish()
    };
    let plan = plan_of(true);
    let made = entry(&plan, "/work/data.mdb").expect("an entry");
    assert_eq!((made.size, made.filled()), (256 << 30, 12 << 10));
    assert_eq!(plan.peak_bytes, 12 << 10);
    let plan = plan_of(false);
    assert_eq!(entry(&plan, "/work/data.mdb").expect("it").filled(), 0);
}

#[test]
fn an_open_of_a_path_alone_makes_nothing_and_follows_a_link() {
    let mut trace = work();
    trace.file("/work/f", 3);
    trace.symlink("/work/l", "f");
    trace.task(1, Some(0), 0);
    let flags = libc::O_PATH | libc::O_CREAT | libc::O_EXCL;
    trace.open(0, "l", flags, 5);
    trace.path(1, Call::truncate, "f", 0);
    let plan = trace.finish();
    assert_eq!(waits(&plan, 1), vec![0], "it is about the same file");
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn attributes_that_were_found_first_are_prepared() {
    let mut trace = work();
    trace.file("/work/a", 3);
    trace.xattrs("/work/a", &[("user.one", 5)]);
    trace.file("/work/b", 3);
    trace.xattrs("/work/b", &[]);
    trace.rename(0, "a", "c", 0);
    trace.rename(0, "b", "d", 0);
    // The tool has changed them by now.
    trace.file("/work/c", 3);
    trace.xattrs("/work/c", &[("user.one", 1), ("user.two", 2)]);
    trace.file("/work/d", 3);
    trace.xattrs("/work/d", &[("user.two", 2)]);
    let plan = trace.finish();
    let prepared = |path| {
        let entry = entry(&plan, path).expect("it was there");
        let named = |(name, size): &(_, u32)| (plan.bytes(*name).to_vec(), *size);
        entry.xattrs.iter().map(named).collect::<Vec<_>>()
    };
    assert_eq!(prepared("/work/a"), [(b"user.one".to_vec(), 5)]);
    assert_eq!(prepared("/work/b"), []);
}

#[test]
fn flags_of_the_working_directory_are_asked_for_by_a_name() {
    let mut trace = work();
    trace.open(0, ".", libc::O_DIRECTORY, 3);
    for dir in [AT_FDCWD, 3] {
        let ask = [
            Arg::Number(ArgKind::DirFd, dir),
            Arg::Text(ArgKind::Path, ""),
            Arg::Number(ArgKind::Length, 24),
            Arg::Number(ArgKind::Flags, u64::from(AT_EMPTY_PATH)),
        ];
        trace.call(0, Call::file_getattr, &ask, 0);
    }
    let plan = trace.finish();
    assert_eq!(issued(&plan, 1), (CWD, ".".into()));
    assert_eq!(issued(&plan, 2).1, "");
}
