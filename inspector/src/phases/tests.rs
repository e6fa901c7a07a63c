//! Recordings made by hand, with times made by hand, and the phases that they have.

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FdState, FileKind, Header, Mount, Record, Spent, StopCosts, StringId, TaskExit, TaskId,
    TaskStart,
};

use crate::{Inspector, Options};
use fsreplay_results::timeline::{PhaseKind, Timeline, phase_of};

const MS: u64 = 1_000_000;
const S: u64 = 1000 * MS;
/// What each stop costs.
const STOP: u64 = 10_000;

/// A recording whose tasks each have their own clock.
struct Recording {
    tables: Tables,
    inspector: Inspector,
    /// When each task's last record was.
    clocks: Vec<u64>,
}

impl Recording {
    fn new() -> Recording {
        Recording::with_costs(Some(StopCosts {
            think: 0,
            cpu: 0,
            duration: STOP,
        }))
    }

    fn with_costs(costs: Option<StopCosts>) -> Recording {
        let mount = |point: &str, fs_type: &str| Mount {
            mount_point: point.into(),
            fs_type: fs_type.into(),
            ..Mount::default()
        };
        let header = Header {
            cwd: b"/w".to_vec(),
            architecture: "x86_64".into(),
            mounts: vec![mount("/", "ext4"), mount("/host", "virtiofs")],
            costs,
            tells_waiting: costs.is_some(),
            ..Header::default()
        };
        let mut recording = Recording {
            tables: Tables::new(),
            inspector: Inspector::new(&header),
            clocks: Vec::new(),
        };
        recording.start(0);
        recording
    }

    fn push(&mut self, record: &Record) {
        self.inspector.record(record, &self.tables);
    }

    /// The next task starts when its parent, the first, is at that time.
    fn start(&mut self, time: u64) -> u32 {
        let task = self.clocks.len() as u32;
        self.clocks.push(time);
        self.push(&Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: (task > 0).then_some(TaskId(0)),
            time,
            flags: 0,
            tid: 100 + task,
            think: 0,
        }));
        task
    }

    /// A task computes, then calls.
    fn call(&mut self, task: u32, think: u64, call: Call, args: &[(ArgKind, u64)], took: u64) {
        self.slept(task, think, 0, call, args, took, 0);
    }

    /// A task sleeps outside of calls and computes, then calls.
    #[allow(clippy::too_many_arguments)]
    fn slept(
        &mut self,
        task: u32,
        think: u64,
        blocked: u64,
        call: Call,
        args: &[(ArgKind, u64)],
        took: u64,
        result: i64,
    ) {
        let mut values = [0; MAX_ARGS];
        if let Some(at) = call.row().position(ArgKind::DirFd) {
            values[at] = -100i64 as u64;
        }
        for (kind, value) in args {
            values[call.row().position(*kind).expect("such an argument")] = *value;
        }
        let entry = self.clocks[task as usize] + think + blocked;
        let duration = took + STOP;
        self.clocks[task as usize] = entry + duration;
        self.push(&Record::Event(Event {
            task: TaskId(task),
            call,
            entry,
            duration,
            overlapped: 0,
            spent: Spent {
                think,
                cpu: 0,
                blocked,
                asleep: 0,
            },
            result,
            args: values,
        }));
    }

    fn path(&mut self, path: &str) -> (ArgKind, u64) {
        let id = self.tables.add_string(path.as_bytes());
        (ArgKind::Path, u64::from(id.0))
    }

    /// Computes, then asks for a path.
    fn stat(&mut self, task: u32, think: u64, path: &str, took: u64) {
        let path = self.path(path);
        self.call(task, think, Call::newfstatat, &[path], took);
    }

    /// Sleeps outside of calls, then asks for a path.
    fn stat_after(&mut self, task: u32, blocked: u64, path: &str) {
        let path = self.path(path);
        self.slept(task, 0, blocked, Call::newfstatat, &[path], MS / 100, 0);
    }

    /// Waits in poll, for so long, and gets that.
    fn poll(&mut self, task: u32, took: u64, result: i64) {
        self.slept(task, 0, 0, Call::ppoll, &[], took, result);
    }

    fn read(&mut self, task: u32, fd: u64, result: i64) {
        let args = [(ArgKind::Fd, fd), (ArgKind::Length, 4096)];
        self.slept(task, 0, 0, Call::read, &args, 1000, result);
    }

    fn timeline(&self) -> Timeline {
        let options = Options {
            top: 10,
            truncated: false,
        };
        self.inspector.finish(&self.tables, None, &options).timeline
    }
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value}, not {expected}");
}

#[test]
fn work_between_long_waits_is_told_apart() {
    let mut r = Recording::new();
    r.stat(0, 300 * MS, "/w/src/a", 100 * MS);
    r.poll(0, 5 * S, 1);
    r.stat(0, 50 * MS, "/w/lib/b", 150 * MS);
    r.poll(0, 2 * S, -4);
    let timeline = r.timeline();
    let told: Vec<_> = timeline
        .phases
        .iter()
        .map(|p| (&*p.name, p.events, p.directory.as_deref()))
        .collect();
    // What ends a wait belongs to what comes after it.
    assert_eq!(
        told,
        [("start", 1, Some("/w/src")), ("work", 2, Some("/w/lib"))]
    );
    let (first, second) = (&timeline.phases[0], &timeline.phases[1]);
    near(first.busy_seconds, 0.4);
    near(first.file_share, 0.25);
    near(second.busy_seconds, 0.2);
    near(second.file_seconds, 0.15);
    near(second.begin_seconds, 5.40002);
    near(timeline.busy_seconds, 0.6);
    near(timeline.waiting_seconds, 7.00002);
    assert_eq!((first.first_event, first.end_event), (0, 1));
    assert_eq!((second.first_event, second.end_event), (1, 3));
    let of: Vec<_> = (0..5).map(|e| phase_of(&timeline.phases, e)).collect();
    assert_eq!(of, [Some(0), Some(1), Some(1), None, None]);
}

#[test]
fn a_build_is_one_phase_whatever_waits_for_whom() {
    let mut r = Recording::new();
    r.stat(0, MS, "/w/a", MS);
    let child = r.start(r.clocks[0]);
    for _ in 0..200 {
        // Computing for long, and waits that a network or a disk may take.
        r.stat(child, 100 * MS, "/w/b", MS);
        r.stat_after(child, 900 * MS, "/w/b");
    }
    let waited = r.clocks[1] - r.clocks[0];
    r.slept(0, 0, 0, Call::wait4, &[], waited, 101);
    r.stat(0, MS, "/w/a", MS);
    let timeline = r.timeline();
    assert_eq!(timeline.phases.len(), 1, "{:?}", timeline.phases);
    assert_eq!(timeline.phases[0].events, 403);
    assert!(timeline.polling.is_empty(), "{:?}", timeline.polling);
}

#[test]
fn sleep_outside_of_calls_is_a_wait_as_well() {
    let mut r = Recording::new();
    r.stat(0, MS, "/w/a", MS);
    r.stat_after(0, 2 * S, "/w/b");
    assert_eq!(r.timeline().phases.len(), 2);
}

#[test]
fn what_comes_from_outside_begins_a_phase_after_a_short_pause() {
    let mut r = Recording::new();
    r.push(&Record::FdState(FdState {
        task: TaskId(0),
        fd: 0,
        target: StringId(u32::MAX),
        kind: FileKind::CharDevice,
        flags: 0,
        offset: 0,
    }));
    r.slept(0, 0, 0, Call::inotify_init1, &[], 1000, 3);
    let watched = r.path("/host/src");
    let args = [(ArgKind::Fd, 3), watched];
    r.slept(0, 0, 0, Call::inotify_add_watch, &args, 1000, 1);
    r.stat(0, 0, "/w/a", MS);
    // A change, and the delay by which watchers collect changes.
    r.poll(0, 300 * MS, 1);
    r.read(0, 3, 32);
    r.poll(0, 250 * MS, 0);
    r.stat(0, 0, "/w/a", MS);
    // Two requests of a page, then another, then a key.
    r.poll(0, 300 * MS, 1);
    r.slept(0, 0, 0, Call::accept4, &[(ArgKind::Fd, 9)], 1000, 4);
    r.stat(0, 0, "/w/b", MS);
    r.poll(0, 20 * MS, 1);
    r.read(0, 4, 100);
    r.stat(0, 0, "/w/b", MS);
    r.poll(0, 300 * MS, 1);
    r.read(0, 4, 100);
    r.stat(0, 0, "/w/b", MS);
    r.poll(0, 300 * MS, 1);
    r.read(0, 0, 1);
    r.stat(0, 0, "/w/b", MS);
    // And a timer's end, after which nothing of it is known.
    r.poll(0, 1500 * MS, 0);
    r.stat(0, 0, "/w/b", MS);
    let timeline = r.timeline();
    let names: Vec<&str> = timeline.phases.iter().map(|p| &*p.name).collect();
    let expected = [
        "start",
        "rebuild",
        "request 1",
        "request 2",
        "input",
        "timer",
    ];
    assert_eq!(names, expected);
    assert_eq!(timeline.phases[1].kind, PhaseKind::Rebuild);
    let watching = &timeline.watches[0];
    assert_eq!((&*watching.mount_point, watching.watches), ("/host", 1));
    assert!(watching.note.is_some());
}

#[test]
fn tasks_at_work_at_the_same_time_are_busy_once() {
    let mut r = Recording::new();
    let other = r.start(0);
    r.stat(0, S, "/w/a", 0);
    r.stat(other, S, "/w/b", 0);
    let timeline = r.timeline();
    // Up to the stops that are no work.
    assert!((timeline.busy_seconds - 1.0).abs() < 0.001, "{timeline:?}");
    assert!(timeline.phases[0].busy_seconds <= timeline.phases[0].end_seconds);
}

#[test]
fn long_computing_that_is_told_last_joins_what_was_told_before() {
    let mut r = Recording::new();
    let other = r.start(0);
    for n in 0..20 {
        r.stat_after(other, 2 * S, &format!("/w/{n}"));
    }
    assert_eq!(r.timeline().phases.len(), 20);
    r.stat(0, 41 * S, "/w/a", 0);
    let timeline = r.timeline();
    assert_eq!(timeline.phases.len(), 1);
    assert_eq!(timeline.phases[0].events, 21);
    near(timeline.waiting_seconds, 0.0);
}

#[test]
fn wake_ups_connect_nothing() {
    let mut r = Recording::new();
    r.stat(0, MS, "/w/a", MS);
    for _ in 0..40 {
        r.poll(0, 500 * MS, 0);
        r.slept(0, 2 * MS, 0, Call::futex, &[], 1000, 0);
    }
    r.stat(0, MS, "/w/a", MS);
    let timeline = r.timeline();
    assert_eq!(timeline.phases.len(), 2, "{:?}", timeline.phases);
    // The last of them wakes it to work.
    near(timeline.between.busy_seconds, 39.0 * 0.002);
    // Twice a second is what programs do by habit.
    assert!(timeline.polling.is_empty(), "{:?}", timeline.polling);
}

/// Twenty paths are asked for every tenth of a second or so.
fn poll_paths(r: &mut Recording, rounds: u64, directory: &str) {
    for round in 0..rounds {
        r.poll(0, 100 * MS + round % 3 * 10 * MS, 0);
        for n in 0..20 {
            r.stat(0, MS / 10, &format!("{directory}/f{n}"), MS / 10);
        }
    }
}

#[test]
fn polling_is_named_and_is_no_phase() {
    let mut r = Recording::new();
    r.stat(0, 10 * MS, "/w/a", MS);
    poll_paths(&mut r, 60, "/host/src");
    r.stat(0, 500 * MS, "/w/a", MS);
    poll_paths(&mut r, 60, "/host/src");
    let timeline = r.timeline();
    let names: Vec<&str> = timeline.phases.iter().map(|p| &*p.name).collect();
    assert_eq!(names, ["start", "timer"], "{:?}", timeline.phases);
    let [polling, ..] = &timeline.polling[..] else {
        panic!("no polling in {timeline:?}");
    };
    assert_eq!(polling.directory.as_deref(), Some("/host/src"));
    assert_eq!(polling.fs_type.as_deref(), Some("virtiofs"));
    assert!(polling.remote && polling.note.contains("other side"));
    assert_eq!((polling.calls, polling.questions), (20 * 120, 20));
    // 20 calls of 0.2 ms each 0.114 s; the half second of work is not its.
    assert!(
        (0.03..0.04).contains(&polling.processor_share),
        "{polling:?}"
    );
    assert!(
        (0.1..0.13).contains(&polling.interval_seconds),
        "{polling:?}"
    );
    assert!(
        (140.0..180.0).contains(&polling.calls_per_second),
        "{polling:?}"
    );
}

#[test]
fn asking_again_while_working_is_no_polling() {
    let mut r = Recording::new();
    for n in 0..100 {
        r.stat(0, 20 * MS, "/w/package.json", MS);
        r.stat(0, 0, &format!("/w/src/{n}"), MS);
    }
    assert!(r.timeline().polling.is_empty());
    assert_eq!(r.timeline().phases.len(), 1);
}

#[test]
fn neither_is_asking_once_in_a_while_nor_what_has_another_answer() {
    let mut r = Recording::new();
    for round in 0..12 {
        r.stat_after(0, (1 + round % 3 * 4) * S, "/w/a");
        let path = r.path("/w/b");
        let result = if round % 2 == 0 { 0 } else { -2 };
        r.slept(0, 0, 0, Call::newfstatat, &[path], 1000, result);
    }
    assert!(
        r.timeline().polling.is_empty(),
        "{:?}",
        r.timeline().polling
    );
}

#[test]
fn without_the_kernels_counts_time_between_calls_is_work() {
    let mut r = Recording::with_costs(None);
    r.stat_after(0, 3 * S, "/w/a");
    r.poll(0, 2 * S, 1);
    r.stat(0, 0, "/w/a", MS);
    let timeline = r.timeline();
    assert_eq!(timeline.phases.len(), 2);
    assert!(timeline.phases[0].busy_seconds > 2.9);
}

#[test]
fn a_program_that_computes_at_its_end_was_busy_then() {
    let mut r = Recording::new();
    r.stat(0, MS, "/w/a", MS);
    let time = r.clocks[0] + 5 * S;
    r.push(&Record::TaskExit(TaskExit {
        task: TaskId(0),
        time,
        status: 0,
        cpu: 0,
        think: 5 * S,
    }));
    let timeline = r.timeline();
    assert_eq!(timeline.phases.len(), 1);
    assert!(timeline.busy_seconds > 5.0, "{timeline:?}");
    // One that sleeps until somebody ends it was not.
    let mut r = Recording::new();
    r.stat(0, MS, "/w/a", MS);
    r.push(&Record::TaskExit(TaskExit {
        task: TaskId(0),
        time: 5 * S,
        status: 9,
        cpu: 0,
        think: MS,
    }));
    assert!(r.timeline().busy_seconds < 0.1);
}

#[test]
fn the_number_of_phases_has_an_end() {
    let mut r = Recording::new();
    for n in 0..40_000 {
        r.stat_after(
            0,
            (2 + n % 7 * n % 11) * S,
            &format!("/w/{}/{}", n % 100, n % 1000),
        );
    }
    let timeline = r.timeline();
    assert!(timeline.phases.len() < 20_000, "{}", timeline.phases.len());
    let events: u64 = timeline.phases.iter().map(|p| p.events).sum();
    assert_eq!(events + timeline.between.events, 40_000);
    let ordered = timeline
        .phases
        .windows(2)
        .all(|w| w[0].end_event <= w[1].first_event);
    assert!(ordered, "phases overlap");
}

#[test]
fn what_is_left_to_do_at_the_end_is_called_so() {
    let mut r = Recording::new();
    r.stat(0, 100 * MS, "/w/a", MS);
    r.poll(0, 5 * S, -4);
    r.stat(0, MS, "/w/a", MS);
    assert_eq!(r.timeline().phases[1].kind, PhaseKind::End);
}

#[test]
fn a_watcher_that_polls_late_once_goes_on_polling() {
    let mut r = Recording::new();
    poll_paths(&mut r, 20, "/w/src");
    // Somebody else had the processors.
    r.poll(0, 180 * MS, 0);
    for n in 0..20 {
        r.stat(0, 5 * MS, &format!("/w/src/f{n}"), MS / 10);
    }
    poll_paths(&mut r, 3, "/w/src");
    let timeline = r.timeline();
    assert_eq!(timeline.polling[0].calls, 24 * 20);
    assert_eq!(timeline.phases.len(), 1, "{:?}", timeline.phases);
    // There is nothing else: what the tool did is its first phase.
    assert_eq!(timeline.phases[0].kind, PhaseKind::Start);
}
