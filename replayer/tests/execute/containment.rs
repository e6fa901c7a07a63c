//! Links that lead out of the replay's directory: nothing outside is changed.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_replayer::execute::{Run, Tempo, execute};
use fsreplay_replayer::plan::*;
use fsreplay_replayer::prepare::prepare;
use fsreplay_replayer::sandbox::Sandbox;
use fsreplay_replayer::{Fence, ReplayError};
use fsreplay_trace::model::FileKind;

use crate::common::Builder;

#[test]
fn a_plan_with_a_link_that_leads_out_is_refused() {
    for leads_out in ["/", "..", "a/../../b"] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut b = Builder::new(dir.path());
        let lane = b.lane();
        let (target, at) = (b.text(leads_out), b.at("link"));
        let action = Action::Symlink {
            target,
            target_root: None,
            at,
        };
        b.op(lane, action, 0);
        assert!(matches!(b.play(), Err(ReplayError::Plan(_))), "{leads_out}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0);
    }
}

/// Executes a plan in a target in whose tree `link` leads to a directory outside: what no plan
/// makes, somebody else has put there.
fn executed_beside_a_link(plan: &Plan, target: &Path, outside: &Path) -> Run {
    let sandboxes = [Sandbox::create(target).expect("a sandbox")];
    let go_on = AtomicBool::new(false);
    prepare(plan, &sandboxes, &go_on, &|_, _| {}).expect("prepared");
    symlink(outside, sandboxes[0].path().join("link")).expect("made");
    let tempo = Tempo {
        scale: None,
        rest: Duration::ZERO,
    };
    execute(plan, &sandboxes, tempo, &go_on).expect("executed")
}

/// Changes by way of `link`, each with the errors that it may end with where the kernel holds the
/// replay within its directory.
fn changes_through_a_link(b: &mut Builder) -> Vec<Action> {
    let mut through = |name: &str| b.at(&format!("link/{name}"));
    let (precious, new, deep) = (through("precious"), through("new"), through("deep"));
    let victim = b.at("victim");
    let name = b.text("user.x");
    vec![
        Action::Rename {
            from: victim,
            to: precious,
            flags: 0,
        },
        Action::Unlink {
            at: precious,
            flags: 0,
        },
        Action::Unlink {
            at: deep,
            flags: libc::AT_REMOVEDIR,
        },
        Action::MakeDir {
            at: new,
            mode: 0o755,
        },
        Action::Open {
            at: precious,
            flags: libc::O_WRONLY | libc::O_TRUNC,
            mode: 0,
            resolve: 0,
            out: Slot::BAD,
        },
        Action::Open {
            at: precious,
            flags: libc::O_RDONLY | libc::O_TRUNC,
            mode: 0,
            resolve: 0,
            out: Slot::BAD,
        },
        Action::ChangeMode {
            at: precious,
            mode: 0o6777,
            flags: 0,
        },
        Action::ChangeOwner {
            at: precious,
            uid: 1,
            gid: 1,
            flags: 0,
        },
        Action::SetTimes {
            at: precious,
            atime: 1,
            mtime: 1,
            flags: 0,
        },
        Action::Truncate {
            at: precious,
            length: 0,
        },
        Action::SetXattr {
            at: precious,
            name,
            length: 3,
            flags: 0,
            follow: true,
        },
    ]
}

#[test]
fn the_kernel_holds_a_replay_inside_even_where_a_link_leads_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::create_dir_all(outside.join("deep")).expect("made");
    let precious = outside.join("precious");
    std::fs::write(&precious, "data").expect("written");
    let before = std::fs::metadata(&precious).expect("there");
    let mut b = Builder::new(dir.path());
    b.entry("victim", FileKind::File, 1);
    let lane = b.lane();
    for action in changes_through_a_link(&mut b) {
        b.op(lane, action, 0);
    }
    let plan = b.plan;
    let run = executed_beside_a_link(&plan, dir.path(), &outside);
    if run.fence == Fence::Nothing {
        println!("skipped: neither a mount namespace nor Landlock is to be had here");
        return;
    }
    for (index, op) in plan.ops_of(0).enumerate() {
        let sample = run.lanes[0].samples.get(index, op);
        assert!(sample.result < 0, "{:?} gave {}", op.action, sample.result);
    }
    let after = std::fs::metadata(&precious).expect("still there");
    assert_eq!(std::fs::read(&precious).expect("still there"), b"data");
    let told = |of: &std::fs::Metadata| (of.mode(), of.uid(), of.mtime_nsec(), of.ctime_nsec());
    assert_eq!(told(&before), told(&after));
    assert_eq!(std::fs::read_dir(&outside).expect("listed").count(), 2);
}

#[test]
fn what_lies_outside_gets_no_name_inside() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    let precious = outside.join("precious");
    std::fs::write(&precious, "data").expect("written");
    let mut b = Builder::new(dir.path());
    let (at, name, empty) = (b.at("link/precious"), b.at("name"), b.text(""));
    let (lane, slot) = (b.lane(), Slot(3));
    let open = Action::Open {
        at,
        flags: libc::O_RDONLY,
        mode: 0,
        resolve: 0,
        out: slot,
    };
    let link = Action::Link {
        from: At {
            dir: slot,
            path: empty,
        },
        to: name,
        flags: libc::AT_EMPTY_PATH,
    };
    b.op(lane, open, 3);
    b.op(lane, link, 0);
    let plan = b.plan;
    let run = executed_beside_a_link(&plan, dir.path(), &outside);
    let linked = run.lanes[0].samples.get(1, plan.op(0, 1)).result;
    assert!(linked < 0, "{linked}");
    assert_eq!(std::fs::metadata(&precious).expect("there").nlink(), 1);
}

#[test]
fn what_lies_outside_is_not_changed_by_a_descriptor_that_may_read_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    let precious = outside.join("precious");
    std::fs::write(&precious, "data").expect("written");
    let before = std::fs::metadata(&precious).expect("there");
    let mut b = Builder::new(dir.path());
    let (at, name) = (b.at("link/precious"), b.text("user.x"));
    let (lane, fd) = (b.lane(), Slot(3));
    let open = Action::Open {
        at,
        flags: libc::O_RDONLY,
        mode: 0,
        resolve: 0,
        out: fd,
    };
    b.op(lane, open, 3);
    for action in [
        Action::FdChangeMode { fd, mode: 0o6777 },
        Action::FdChangeOwner { fd, uid: 1, gid: 1 },
        Action::FdSetTimes {
            fd,
            atime: 1,
            mtime: 1,
        },
        Action::FdSetXattr {
            fd,
            name,
            length: 3,
            flags: 0,
        },
        Action::FdRemoveXattr { fd, name },
    ] {
        b.op(lane, action, 0);
    }
    let plan = b.plan;
    let run = executed_beside_a_link(&plan, dir.path(), &outside);
    for (index, op) in plan.ops_of(0).enumerate().skip(1) {
        let sample = run.lanes[0].samples.get(index, op);
        assert!(sample.result < 0, "{:?} gave {}", op.action, sample.result);
    }
    let after = std::fs::metadata(&precious).expect("still there");
    let told = |of: &std::fs::Metadata| (of.mode(), of.uid(), of.mtime_nsec(), of.ctime_nsec());
    assert_eq!(told(&before), told(&after));
}
