//! Places deeper than a path may be long.

use fsreplay_replayer::plan::*;
use fsreplay_trace::model::FileKind;

use super::common::Builder;
use super::no_divergence;

/// A directory that is some 10,000 bytes deep.
fn deep(b: &mut Builder) -> String {
    let name = "d".repeat(99);
    let mut path = String::new();
    for depth in 0..100 {
        if depth > 0 {
            path.push('/');
        }
        path.push_str(&name);
        b.entry(&path, FileKind::Directory, 0);
    }
    path
}

#[test]
fn what_the_tool_reached_in_steps_is_reached() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let path = deep(&mut b);
    let lane = b.lane();
    let [at, made, renamed] = ["", "/made", "/renamed"].map(|end| b.at(&format!("{path}{end}")));
    let (flags, mode) = (libc::O_DIRECTORY, 0o700);
    let (fd, resolve) = (Slot(1), 0);
    b.op(
        lane,
        Action::Open {
            at,
            flags,
            mode,
            resolve,
            out: fd,
        },
        3,
    );
    b.op(lane, Action::FdStat { fd }, 0);
    b.op(lane, Action::Close { fd }, 0);
    b.op(lane, Action::MakeDir { at: made, mode }, 0);
    let (from, to, flags) = (made, renamed, 0);
    b.op(lane, Action::Rename { from, to, flags }, 0);
    // Has no form with a descriptor.
    b.op(lane, Action::StatFs { at: renamed }, 0);
    let missing = -i64::from(libc::ENOENT);
    b.op(lane, Action::Stat { at: made, flags: 0 }, missing);
    no_divergence(&b.play().expect("a replay"));
}

#[test]
fn what_was_too_long_is_too_long() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut b = Builder::new(dir.path());
    let path = deep(&mut b);
    let lane = b.lane();
    let at = b.at(&path);
    let expected = -i64::from(libc::ENAMETOOLONG);
    b.op(lane, Action::Stat { at, flags: 0 }, expected);
    no_divergence(&b.play().expect("a replay"));
}
