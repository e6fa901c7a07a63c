//! What a plan needs at least (docs/plan-needs.md): traces that are built, planned and played.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::{PlayOptions, play};
use fsreplay_results::play::Play;
use fsreplay_trace::build::{NewCall, State, TraceBuilder, Value};
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format::TraceReader;
use fsreplay_trace::model::{Header, Mount, Spent, TaskId};

const ENOENT: i64 = -2;

/// A trace of one task that makes a call every 100 ns.
struct Built {
    trace: TraceBuilder<Vec<u8>>,
    task: TaskId,
    now: u64,
}

/// What an importer knows of the machine at least.
fn least_header() -> Header {
    Header {
        cwd: b"/work".to_vec(),
        architecture: std::env::consts::ARCH.into(),
        ..Header::default()
    }
}

impl Built {
    fn new(header: &Header) -> Built {
        let mut trace = TraceBuilder::new(Vec::new(), header).expect("a trace");
        let task = trace.task(None, 0, 1, 0).expect("a task");
        Built {
            trace,
            task,
            now: 0,
        }
    }

    fn call(&mut self, call: Call, args: &[(ArgKind, Value<'_>)], result: i64) {
        self.now += 100;
        self.trace
            .call(&NewCall {
                task: self.task,
                call,
                args,
                entry: self.now,
                exit: self.now + 50,
                result,
                spent: Spent::default(),
            })
            .expect("an event");
    }

    fn path(&mut self, call: Call, path: &str, result: i64) {
        let path = (ArgKind::Path, Value::Text(path.as_bytes()));
        self.call(call, &[path], result);
    }

    fn open(&mut self, path: &str, flags: i32, fd: i64) {
        let args = [
            (ArgKind::Path, Value::Text(path.as_bytes())),
            (ArgKind::Flags, Value::Number(flags.into())),
            (ArgKind::Mode, Value::Number(0o644)),
        ];
        self.call(Call::openat, &args, fd);
    }

    fn on_fd(&mut self, call: Call, fd: i64, length: i64, result: i64) {
        let fd = (ArgKind::Fd, Value::Number(fd));
        let length = (ArgKind::Length, Value::Number(length));
        let args = [fd, length];
        let kept = if call == Call::close { 1 } else { 2 };
        self.call(call, &args[..kept], result);
    }

    /// Reads a file, makes another, moves it, and misses one.
    fn work(&mut self) {
        self.open("a", libc::O_RDONLY, 3);
        self.on_fd(Call::read, 3, 4096, 12);
        self.on_fd(Call::read, 3, 4096, 0);
        self.on_fd(Call::close, 3, 0, 0);
        self.open("new", libc::O_CREAT | libc::O_WRONLY, 3);
        self.on_fd(Call::write, 3, 5, 5);
        self.on_fd(Call::close, 3, 0, 0);
        let names = [
            (ArgKind::Path, Value::Text(b"new")),
            (ArgKind::NewPath, Value::Text(b"moved")),
        ];
        self.call(Call::rename, &names, 0);
        self.path(Call::stat, "/work/moved", 0);
        self.path(Call::stat, "gone", ENOENT);
    }

    fn plan(self, target: &Path) -> Plan {
        let bytes = self.trace.finish(Some(0)).expect("a trace");
        let mut reader = TraceReader::new(bytes).expect("a trace");
        let options = PlanOptions {
            target: target.into(),
            as_root: fsreplay_replayer::privilege::acts_as_root(),
            ..PlanOptions::default()
        };
        plan(&mut reader, &options).expect("a plan")
    }
}

fn played(plan: &Plan) -> Play {
    let options = PlayOptions {
        rounds: 1,
        keep: false,
        timing: Default::default(),
        cache: Default::default(),
    };
    let played = play(plan, options, &AtomicBool::new(false), &|_| {});
    played.expect("a replay").result
}

#[test]
fn calls_and_the_states_of_their_paths_are_enough() {
    let target = tempfile::tempdir().expect("a directory");
    let mut built = Built::new(&least_header());
    let trace = &mut built.trace;
    trace.state(b"/work", &State::directory()).expect("a state");
    trace.state(b"/work/a", &State::file(12)).expect("a state");
    for path in [&b"/work/new"[..], b"/work/moved", b"/work/gone"] {
        trace.state(path, &State::absent()).expect("a state");
    }
    built.work();
    let plan = built.plan(target.path());
    assert_eq!(plan.coverage.unresolved, 0, "{:?}", plan.notes);
    assert_eq!(plan.coverage.events, 10);
    let result = played(&plan);
    assert_eq!(result.divergences, 0, "{:?}", result.divergence_groups);
}

#[test]
fn without_states_it_is_guessed_from_the_calls_what_was_there() {
    let target = tempfile::tempdir().expect("a directory");
    let mut built = Built::new(&least_header());
    built.work();
    let plan = built.plan(target.path());
    assert_eq!(plan.coverage.unresolved, 0, "{:?}", plan.notes);
    let guessed = "names that exist without a recorded state";
    assert!(plan.notes.iter().any(|(note, _)| note == guessed));
    // But for its length, which no call before the first read tells.
    let result = played(&plan);
    let groups = &result.divergence_groups;
    let examples: Vec<_> = groups.iter().flat_map(|group| &group.examples).collect();
    let differences = examples
        .iter()
        .map(|one| (one.event, one.expected, one.got));
    assert_eq!(differences.collect::<Vec<_>>(), [(1, 12, 0)], "{groups:?}");
}

#[test]
fn a_mount_of_the_kernel_s_own_is_not_touched() {
    let target = tempfile::tempdir().expect("a directory");
    let mount = |point: &[u8], fs_type: &str| Mount {
        mount_point: point.to_vec(),
        fs_type: fs_type.into(),
        ..Mount::default()
    };
    let header = Header {
        mounts: vec![mount(b"/", "ext4"), mount(b"/proc", "proc")],
        ..least_header()
    };
    let mut built = Built::new(&header);
    built.open("/proc/self/status", libc::O_RDONLY, 3);
    built.on_fd(Call::read, 3, 4096, 1000);
    let plan = built.plan(target.path());
    assert_eq!(plan.coverage.pseudo, 2, "{:?}", plan.coverage);
    assert_eq!(played(&plan).divergences, 0);
}
