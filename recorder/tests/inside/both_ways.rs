//! A tool that is recorded inside and by stopping it, and what of both recordings must be alike.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{Recorded, can_record, try_record_with};
use fsreplay_recorder::{Backend, Eagerness};
use fsreplay_trace::call::{ArgKind, Op, ResultKind};
use fsreplay_trace::model::{Event, FileKind, Record, TaskId};

/// As soon as it can be: also short programs are recorded inside.
pub const AT_ONCE: Eagerness = Eagerness {
    stops: 2,
    late_stops: 2,
    hits: 1,
    task_stops: 1,
};

pub fn with(backend: Backend, command: &[&str]) -> Recorded {
    let recorded = try_record_with(command, |options| {
        options.backend = backend;
        options.eagerness = AT_ONCE;
    });
    recorded.expect("recorded")
}

/// What of a call doesn't differ from run to run: no addresses, no ids of tasks.
pub fn call(recorded: &Recorded, event: &Event) -> String {
    let row = event.call.row();
    let varies = |kind: ArgKind| {
        matches!(kind, ArgKind::Address | ArgKind::Pid)
            || matches!(row.op, Op::Futex) && kind == ArgKind::Argument
    };
    let arguments: Vec<String> = (row.args.iter().zip(event.args))
        .filter(|((kind, _), _)| !varies(*kind))
        .map(|((kind, _), value)| match (kind, event.string(*kind)) {
            (kind, Some(id)) if kind.is_text() => {
                String::from_utf8_lossy(recorded.string(u64::from(id.0))).into_owned()
            }
            _ => value.to_string(),
        })
        .collect();
    let result = match row.result {
        ResultKind::Address | ResultKind::Pid if event.result > 0 => 1,
        _ => event.result,
    };
    format!("{}({}) = {result}", event.call, arguments.join(", "))
}

/// The calls of each task. Which task is which is told by the order in which they were made, by
/// task.
pub fn calls(recorded: &Recorded) -> Vec<Vec<String>> {
    let mut calls: BTreeMap<TaskId, Vec<String>> = BTreeMap::new();
    for event in recorded.events() {
        // What may differ by itself: what a futex says, and memory that is only looked at.
        if matches!(event.call.row().op, Op::Futex) {
            continue;
        }
        let text = call(recorded, event);
        calls.entry(event.task).or_default().push(text);
    }
    calls.into_values().collect()
}

/// All that is known of the tree before the tool came: what plans are made of.
pub fn tree(recorded: &Recorded) -> Vec<String> {
    let tables = recorded.reader.tables();
    let path = |node| String::from_utf8_lossy(&tables.path(node)).into_owned();
    // Where the test's own output goes, others write meanwhile.
    let streams = (0..3).filter_map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).ok());
    let streams: Vec<_> = streams.collect();
    let is_stream = |node| {
        streams
            .iter()
            .any(|stream| *stream == *Path::new(&path(node)))
    };
    let mut lines: Vec<String> = recorded
        .records
        .iter()
        .filter(|record| match record {
            Record::PathState(state) => !is_stream(state.node),
            _ => true,
        })
        .filter_map(|record| match record {
            Record::PathState(state) => {
                let metadata = state.metadata.map(|mut metadata| {
                    let target = metadata.target.take();
                    if state.kind == FileKind::Directory {
                        // Others may be at work there, such as this test's neighbours in /tmp.
                        (metadata.mtime, metadata.size) = (0, 0);
                    }
                    (metadata, target.map(|id| tables.string(id).to_vec()))
                });
                Some(format!(
                    "{} {:?} {metadata:?}",
                    path(state.node),
                    state.kind
                ))
            }
            Record::Listing(listing) => {
                let mut names: Vec<String> = (listing.entries.iter())
                    .map(|(node, kind)| format!("{} {kind:?}", path(*node)))
                    .collect();
                names.sort();
                Some(format!("{}: {}", path(listing.directory), names.join(", ")))
            }
            _ => None,
        })
        .collect();
    lines.sort();
    lines
}

/// Both ways give the same, and the one inside is used.
pub fn same_both_ways(command: &[&str], at_least: u64) {
    let traced = with(Backend::Ptrace, command);
    let inside = with(Backend::Inside, command);
    assert_eq!(traced.recording.status, inside.recording.status);
    assert_eq!(traced.recording.footer.recorded_inside, 0);
    let (one, other) = (calls(&traced), calls(&inside));
    assert_eq!(one.len(), other.len(), "tasks of {command:?}");
    for (task, (one, other)) in one.iter().zip(&other).enumerate() {
        for (number, (one, other)) in one.iter().zip(other).enumerate() {
            assert_eq!(one, other, "call {number} of task {task} of {command:?}");
        }
        assert_eq!(
            one.len(),
            other.len(),
            "calls of task {task} of {command:?}"
        );
    }
    let (one, other) = (tree(&traced), tree(&inside));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other, "{command:?}");
    }
    assert_eq!(one.len(), other.len(), "{command:?}");
    let count = inside.recording.footer.recorded_inside;
    println!("{command:?}: {count} of {}", inside.recording.footer.events);
    assert!(count >= at_least, "{count} of {command:?} inside");
    assert!(inside.recording.footer.warnings.is_empty());
}

/// Whether recording inside works here at all.
pub fn can_record_inside() -> bool {
    if !can_record() {
        return false;
    }
    true
}
