//! As whom tasks ask.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::{Header, Mount};

use super::builder::{Arg, Trace, header};
use crate::plan::Action;
use crate::planner::PlanOptions;

#[test]
fn a_task_is_who_it_says_and_its_children_are_too() {
    let refused = |as_root: bool, uid: Option<u64>| {
        let mut trace = Trace::recorded_by_root(PlanOptions {
            target: "/target".into(),
            as_root,
            ..PlanOptions::default()
        });
        trace.dir("/work/secret");
        if let Some(uid) = uid {
            trace.call(0, Call::setresuid, &[Arg::Number(ArgKind::Uid, uid)], 0);
        }
        trace.task(1, Some(0), 0);
        trace.path(1, Call::mkdir, "secret/x", -i64::from(libc::EACCES));
        let plan = trace.finish();
        let lanes = 0..plan.lanes.len();
        let ops = lanes.flat_map(|lane| plan.ops_of(lane));
        let issued = ops.filter(|op| matches!(op.action, Action::MakeDir { .. }));
        issued.count() == 0
    };
    for as_root in [true, false] {
        assert!(refused(as_root, Some(33)));
        // Nobody else, or again who it was.
        assert!(!refused(as_root, None));
        assert!(!refused(as_root, Some(u64::MAX)));
        assert!(!refused(as_root, Some(0)));
    }
}

/// Whether a refusal that a task met after it ran a program is left out. Root recorded, if `uid` is
/// 0.
fn left_out(by: (u32, &str), asks_as: u64, program: (u32, u32), changed: bool) -> bool {
    let (uid, options) = by;
    let header = Header {
        uid,
        mounts: vec![Mount {
            mount_point: b"/".to_vec(),
            fs_type: "ext4".into(),
            options: options.into(),
            ..Mount::default()
        }],
        ..header()
    };
    let options = PlanOptions {
        target: "/target".into(),
        as_root: uid == 0,
        ..PlanOptions::default()
    };
    let mut trace = Trace::of(&header, options);
    trace.dir("/work/secret");
    trace.program("/work/tool", program.0, program.1);
    if changed {
        let mode = [
            Arg::Text(ArgKind::Path, "tool"),
            Arg::Number(ArgKind::Mode, 0o755),
        ];
        trace.call(0, Call::chmod, &mode, 0);
    }
    trace.task(1, Some(0), 0);
    let args = [Arg::Number(ArgKind::Uid, asks_as)];
    trace.call(1, Call::setresuid, &args, 0);
    trace.path(1, Call::execve, "tool", 0);
    trace.path(1, Call::mkdir, "secret/x", -i64::from(libc::EACCES));
    let plan = trace.finish();
    let lanes = 0..plan.lanes.len();
    let mut ops = lanes.flat_map(|lane| plan.ops_of(lane));
    !ops.any(|op| matches!(op.action, Action::MakeDir { .. }))
}

#[test]
fn a_set_user_id_program_runs_as_its_owner_where_the_kernel_lets_it() {
    let root = (0, "rw,relatime");
    // Root's by somebody else, and somebody else's by root.
    assert!(!left_out(root, 33, (0o4755, 0), false));
    assert!(left_out(root, 0, (0o4755, 33), false));
    // No such bit; not any more; a mount without such programs; a recorder that needed
    // no_new_privs.
    assert!(left_out(root, 33, (0o755, 0), false));
    assert!(left_out(root, 33, (0o4755, 0), true));
    assert!(left_out((0, "rw,nosuid"), 33, (0o4755, 0), false));
    assert!(!left_out((1000, "rw"), 1000, (0o4755, 33), false));
}
