//! As whom tasks ask.

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace};
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
