//! Placed directories that the tool makes and removes.

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace, text};
use crate::plan::Plan;
use crate::planner::PlanOptions;

const NOT_THERE: i64 = -(libc::ENOENT as i64);

fn placed() -> Trace {
    let mut trace = Trace::with(PlanOptions {
        target: "/target".into(),
        place: vec![(b"/work/modules".to_vec(), "/other".into())],
        as_root: true,
        ..PlanOptions::default()
    });
    trace.dir("/work");
    trace
}

fn make_dir(trace: &mut Trace, path: &str, result: i64) {
    let args = [
        Arg::Text(ArgKind::Path, path),
        Arg::Number(ArgKind::Mode, 0o777),
    ];
    trace.call(0, Call::mkdir, &args, result);
}

/// What is issued, as the number of the placement and the path.
fn issued_paths(plan: &Plan) -> Vec<(u32, String)> {
    let issued = plan.ops_of(0).filter(|op| op.recorded);
    let paths = issued.filter_map(|op| op.action.paths().next());
    paths.map(|at| text(plan, at)).collect()
}

#[test]
fn what_found_no_placed_directory_yet_is_not_issued() {
    let mut trace = placed();
    trace.absent("/work/modules");
    make_dir(&mut trace, "modules/a", NOT_THERE);
    trace.path(0, Call::stat, "modules", NOT_THERE);
    trace.path(0, Call::stat, "elsewhere", NOT_THERE);
    make_dir(&mut trace, "modules", 0);
    trace.path(0, Call::stat, "modules/b", NOT_THERE);
    make_dir(&mut trace, "modules/a", 0);
    let plan = trace.finish();
    let names: Vec<String> = issued_paths(&plan).into_iter().map(|(_, p)| p).collect();
    assert_eq!(names, ["elsewhere", "b", "a"]);
    assert_eq!(plan.coverage.other, 3);
    let notes = plan.notes.iter();
    let told = notes.filter(|(note, _)| note.contains("found nothing because"));
    assert_eq!(told.map(|(_, count)| *count).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_placed_directory_made_anew_is_the_same_placement() {
    let mut trace = placed();
    trace.dir("/work/modules");
    let args = [Arg::Text(ArgKind::Path, "modules")];
    trace.call(0, Call::rmdir, &args, 0);
    trace.path(0, Call::stat, "modules/a", NOT_THERE);
    make_dir(&mut trace, "modules", 0);
    make_dir(&mut trace, "modules/a", 0);
    let plan = trace.finish();
    let paths = issued_paths(&plan);
    assert_eq!(paths.len(), 1, "{paths:?}");
    assert_eq!(paths[0], (1, "a".to_owned()));
}
