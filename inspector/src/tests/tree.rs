//! Time by path and kind of work. Each call of these traces takes a microsecond.

use fsreplay_results::tree::{Branch, WorkKind};

use super::*;

fn find<'a>(tree: &'a [Branch], name: &str) -> &'a Branch {
    let found = tree.iter().find(|branch| branch.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {tree:?}"))
}

/// Microseconds of a kind.
fn micros(branch: &Branch, kind: WorkKind) -> f64 {
    let of_kind = branch.work.iter().filter(|work| work.kind == kind);
    of_kind.map(|work| (work.seconds * 1e6).round()).sum()
}

#[test]
fn calls_count_by_what_they_do_and_above_where_they_do_it() {
    let mut trace = Trace::new();
    trace.read_whole(0, "/w/a", 10);
    trace.write_new("/w/new", 10);
    trace.path(0, Call::unlink, "/w/new", 0);
    trace.open(0, "/lib/none", 0, ENOENT);
    let tree = trace.inspection().tree;
    let root = &tree[0];
    assert_eq!((root.name.as_str(), root.above), ("/", None));
    assert_eq!((root.seconds * 1e6).round(), 9.0);
    let workspace = find(&tree, "w");
    assert_eq!(workspace.above, Some(0));
    for (kind, expected) in [
        (WorkKind::Lookup, 4.0),
        (WorkKind::Read, 2.0),
        (WorkKind::Write, 1.0),
        (WorkKind::Change, 1.0),
        (WorkKind::Missing, 0.0),
    ] {
        assert_eq!(micros(workspace, kind), expected, "{kind:?}");
    }
    let missing = find(&tree, "none");
    assert_eq!(micros(missing, WorkKind::Missing), 1.0);
    assert_eq!(micros(missing, WorkKind::Lookup), 0.0);
    assert_eq!(micros(root, WorkKind::Missing), 1.0);
}

#[test]
fn an_attribute_that_is_removed_is_a_change_by_path_and_by_descriptor() {
    let mut trace = Trace::new();
    trace.path(0, Call::removexattr, "/w/a", 0);
    trace.open(0, "/w/a", 0, 5);
    trace.fd(0, Call::fremovexattr, 5, 0, 0);
    let tree = trace.inspection().tree;
    let file = find(&tree, "a");
    assert_eq!(micros(file, WorkKind::Change), 2.0);
    assert_eq!(micros(file, WorkKind::Other), 0.0);
}

#[test]
fn what_is_asked_again_and_again_is_apart_but_for_the_first_time() {
    let mut trace = Trace::new();
    for (path, times) in [("/w/often", 20), ("/w/seldom", 9)] {
        trace.state(path, FileKind::File, 1);
        for _ in 0..times {
            trace.path(0, Call::stat, path, 0);
        }
    }
    let tree = trace.inspection().tree;
    let often = find(&tree, "often");
    assert_eq!(micros(often, WorkKind::Again), 19.0);
    assert_eq!(micros(often, WorkKind::Lookup), 1.0);
    assert_eq!(micros(find(&tree, "seldom"), WorkKind::Again), 0.0);
}

#[test]
fn each_branch_stands_after_the_one_above_and_there_are_not_too_many() {
    let mut trace = Trace::new();
    for number in 0..900 {
        let path = format!("/w/d{}/f{number}", number % 30);
        trace.path(0, Call::stat, &path, 0);
    }
    let tree = trace.inspection().tree;
    assert!(tree.len() > 100 && tree.len() <= 300, "{}", tree.len());
    for (number, branch) in tree.iter().enumerate() {
        let above = branch.above.map(|above| above as usize);
        assert_eq!(above.is_none(), number == 0);
        assert!(above.is_none_or(|above| above < number), "{branch:?}");
        let work: f64 = branch.work.iter().map(|work| work.seconds).sum();
        assert!((work - branch.seconds).abs() < 1e-12, "{branch:?}");
    }
}

#[test]
fn a_trace_without_files_has_no_tree() {
    assert!(Trace::new().inspection().tree.is_empty());
}
