//! What is built is read, and what no trace can say is refused.

use super::*;
use crate::format::TraceReader;
use crate::model::Mount;

fn builder() -> TraceBuilder<Vec<u8>> {
    let mount = |point: &[u8]| Mount {
        mount_point: point.to_vec(),
        fs_type: "ext4".into(),
        ..Mount::default()
    };
    let header = Header {
        cwd: b"/work".to_vec(),
        mounts: vec![mount(b"/"), mount(b"/work")],
        ..Header::default()
    };
    TraceBuilder::new(Vec::new(), &header).expect("a trace")
}

fn stat(task: TaskId, entry: u64, exit: u64) -> NewCall<'static> {
    NewCall {
        task,
        call: Call::stat,
        args: &[(ArgKind::Path, Value::Text(b"a"))],
        entry,
        exit,
        result: 0,
        spent: Spent::default(),
    }
}

#[test]
fn what_is_built_is_read() {
    let mut trace = builder();
    let one = trace.task(None, 0, 7, 0).expect("a task");
    let other = trace.task(Some(one), 0, 8, 0).expect("a task");
    trace.state(b"/work/a", &State::file(9)).expect("a state");
    trace
        .state(b"/workshop", &State::absent())
        .expect("a state");
    for (task, entry, exit) in [(one, 160, 320), (other, 160, 480), (one, 480, 640)] {
        trace.call(&stat(task, entry, exit)).expect("an event");
    }
    trace.end(other, 800, 0).expect("an end");
    trace.unrecorded("io_uring_setup", 1);
    for count in [2, 3] {
        trace.unrecorded("io_submit", count);
    }
    let bytes = trace.finish(Some(0)).expect("a trace");
    let mut reader = TraceReader::new(bytes).expect("a trace");
    let mut overlapped = Vec::new();
    while let Some(record) = reader.next_record().expect("a record") {
        match record {
            Record::Event(event) => overlapped.push(event.overlapped),
            Record::PathState(state) => {
                let path = reader.tables().path(state.node);
                let mount = state.metadata.map(|metadata| metadata.mount);
                let expected = (path == b"/work/a").then_some(1);
                assert_eq!(mount, expected, "{}", path.escape_ascii());
            }
            _ => {}
        }
    }
    assert_eq!(overlapped, [0, 1, 0]);
    let footer = reader.footer().expect("a footer");
    assert_eq!((footer.events, footer.tasks, footer.elapsed), (3, 2, 800));
    assert_eq!(footer.unrecorded.get("io_uring_setup"), Some(&1));
    assert_eq!(footer.unrecorded.get("io_submit"), Some(&5));
}

#[test]
fn what_no_trace_can_say_is_refused() {
    let mut trace = builder();
    let nobody = trace.call(&stat(TaskId(0), 1, 2));
    assert!(matches!(nobody, Err(BuildError::Task { .. })));
    let task = trace.task(None, 0, 7, 0).expect("a task");
    trace.call(&stat(task, 100, 200)).expect("an event");
    for times in [(10, 199), (300, 299)] {
        let late = trace.call(&stat(task, times.0, times.1));
        assert!(matches!(late, Err(BuildError::Order { .. })), "{times:?}");
    }
    let wrong: [&[(ArgKind, Value<'_>)]; 3] = [
        &[(ArgKind::Fd, Value::Number(3))],
        &[(ArgKind::Path, Value::Number(3))],
        &[(ArgKind::Flags, Value::Text(b"a"))],
    ];
    for args in wrong {
        let call = NewCall {
            args,
            ..stat(task, 300, 400)
        };
        let refused = trace.call(&call);
        assert!(
            matches!(refused, Err(BuildError::Argument { .. })),
            "{args:?}"
        );
    }
    for path in [&b"a"[..], b"/a/../b", b"/./a"] {
        let refused = trace.state(path, &State::absent());
        assert!(matches!(refused, Err(BuildError::Path { .. })));
    }
    trace.end(task, 500, 0).expect("an end");
    assert!(trace.end(task, 500, 0).is_err());
    assert!(trace.task(Some(task), 0, 8, 600).is_err());
}
