//! Locks: any history that a kernel allows gives a plan that can't stand still, in which whoever
//! takes a lock finds it free, and whoever was refused one is refused again.

use std::collections::HashSet;

use fsreplay_trace::call::{ArgKind, Call};

use super::builder::{Arg, Trace, waits};
use crate::plan::{Action, Plan};

const CLONE_THREAD: u64 = 0x1_0f00;
const EAGAIN: i64 = -11;

/// How tasks come to the file that they lock, and how they lock it.
#[derive(Clone, Copy, Debug)]
struct Way {
    call: Call,
    /// Command of `fcntl`.
    waits: u64,
    tries: u64,
    /// Flags of clone(2).
    flags: u64,
    inherited: bool,
    /// How the descriptor is opened.
    access: i32,
    /// How another one is, if locks that don't exclude each other are asked for there.
    shared_on: Option<i32>,
}

const FLOCK: Way = Way {
    call: Call::flock,
    waits: 0,
    tries: 4,
    flags: 0,
    inherited: false,
    access: libc::O_RDWR,
    shared_on: None,
};
const POSIX: Way = Way {
    call: Call::fcntl,
    waits: 7,
    tries: 6,
    ..FLOCK
};
const OFD: Way = Way {
    waits: 38,
    tries: 37,
    ..POSIX
};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Lock {
        range: (u64, u64),
        exclusive: bool,
        tries: bool,
    },
    Unlock((u64, u64)),
    Write,
    Close,
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Idle,
    Called(u64),
    Done(u64, i64),
    Over,
}

/// A lock that is held: by whom, on which bytes.
type Held = (usize, (u64, u64), bool);

fn excludes(held: &[Held], owner: usize, range: (u64, u64), exclusive: bool) -> bool {
    held.iter().any(|(other, has, hard)| {
        *other != owner && has.0 <= range.1 && range.0 <= has.1 && (*hard || exclusive)
    })
}

fn release(held: &mut Vec<Held>, owner: usize, range: (u64, u64)) {
    for (other, has, hard) in std::mem::take(held) {
        if other != owner || has.0 > range.1 || range.0 > has.1 {
            held.push((other, has, hard));
            continue;
        }
        if has.0 < range.0 {
            held.push((other, (has.0, range.0 - 1), hard));
        }
        if has.1 > range.1 {
            held.push((other, (range.1 + 1, has.1), hard));
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

fn program(random: &mut Random, way: Way) -> Vec<Step> {
    let ranges = match way.call {
        Call::flock => [(0, u64::MAX); 3],
        _ => [(0, 0), (1, 1), (0, u64::MAX)],
    };
    let mut steps = Vec::new();
    for _ in 0..=random.below(6) {
        let range = ranges[random.below(3) as usize];
        steps.push(match random.below(6) {
            0..=2 => Step::Lock {
                range,
                exclusive: random.below(3) > 0,
                tries: random.below(3) == 0,
            },
            3 => Step::Unlock(range),
            _ => Step::Write,
        });
    }
    if random.below(2) == 0 {
        steps.push(Step::Close);
    }
    steps.push(Step::Exit);
    steps
}

/// Tasks that run under a kernel made here, which writes down what they do.
struct History {
    way: Way,
    trace: Trace,
    held: Vec<Held>,
    now: u64,
}

impl History {
    fn new(way: Way, tasks: usize) -> History {
        let mut trace = Trace::new();
        trace.dir("/work");
        trace.file("/work/lk", 0);
        trace.file("/work/log", 0);
        trace.open(0, "log", libc::O_RDWR, 5);
        if way.inherited {
            trace.open(0, "lk", libc::O_RDWR, 10);
        }
        for task in 1..=tasks {
            trace.task(task as u32, Some(0), way.flags);
        }
        for task in 1..=tasks {
            if !way.inherited {
                trace.open(task as u32, "lk", way.access, 10 + task as i64);
            }
            if let Some(access) = way.shared_on {
                trace.open(task as u32, "lk", access, 30 + task as i64);
            }
        }
        History {
            way,
            trace,
            held: Vec::new(),
            now: 1_000_000,
        }
    }

    /// Whose a task's locks are.
    fn owner(&self, task: usize) -> usize {
        let by_process = matches!(self.way.waits, 7);
        match (by_process, self.way.inherited) {
            (true, _) if self.way.flags != 0 => 0,
            (true, _) | (false, false) => task,
            (false, true) => 0,
        }
    }

    fn fd(&self, task: usize) -> u64 {
        if self.way.inherited {
            10
        } else {
            10 + task as u64
        }
    }

    /// What a call does once it is made; nothing if it has to wait.
    fn effect(&mut self, task: usize, step: Step) -> Option<i64> {
        let owner = self.owner(task);
        match step {
            Step::Lock {
                range,
                exclusive,
                tries,
            } => {
                if self.way.call == Call::flock {
                    release(&mut self.held, owner, range);
                }
                if excludes(&self.held, owner, range, exclusive) {
                    return tries.then_some(EAGAIN);
                }
                release(&mut self.held, owner, range);
                self.held.push((owner, range, exclusive));
            }
            Step::Unlock(range) => release(&mut self.held, owner, range),
            // Others have open what was inherited, and a thread's end closes nothing.
            Step::Close | Step::Exit => {
                let of_thread = step == Step::Exit && self.way.flags != 0;
                let by_process = self.way.waits == 7;
                if !of_thread && (owner == task || by_process) {
                    release(&mut self.held, owner, (0, u64::MAX));
                }
            }
            Step::Write => return Some(1),
        }
        Some(0)
    }

    fn record(&mut self, task: usize, step: Step, entry: u64, result: i64) {
        let (id, fd, way) = (task as u32, self.fd(task), self.way);
        let exit = self.now;
        let fd_of = |fd| Arg::Number(ArgKind::Fd, fd);
        let lock = |range: (u64, u64), kind: u64, command: u64| {
            let apart = way.shared_on.is_some() && kind == libc::F_RDLCK as u64;
            let fd = if apart { 30 + u64::from(id) } else { fd };
            let length = if range.1 == u64::MAX { 0 } else { 1 };
            [
                fd_of(fd),
                Arg::Number(ArgKind::Command, command),
                Arg::Number(ArgKind::Argument, kind),
                Arg::Number(ArgKind::LockStart, range.0),
                Arg::Number(ArgKind::LockLength, length),
            ]
        };
        let trace = &mut self.trace;
        match step {
            Step::Exit => trace.exit(id),
            Step::Write => {
                let args = [fd_of(5), Arg::Number(ArgKind::Length, 1)];
                trace.call_at(id, Call::write, &args, result, entry, exit);
            }
            Step::Close => trace.call_at(id, Call::close, &[fd_of(fd)], result, entry, exit),
            Step::Lock {
                exclusive, tries, ..
            } if way.call == Call::flock => {
                let operation = 1 + u64::from(exclusive) + if tries { way.tries } else { 0 };
                let args = [fd_of(fd), Arg::Number(ArgKind::Command, operation)];
                trace.call_at(id, way.call, &args, result, entry, exit);
            }
            Step::Unlock(_) if way.call == Call::flock => {
                let args = [fd_of(fd), Arg::Number(ArgKind::Command, 8)];
                trace.call_at(id, way.call, &args, result, entry, exit);
            }
            Step::Lock {
                range,
                exclusive,
                tries,
            } => {
                let command = if tries { way.tries } else { way.waits };
                let args = lock(range, u64::from(exclusive), command);
                trace.call_at(id, way.call, &args, result, entry, exit);
            }
            Step::Unlock(range) => {
                let args = lock(range, 2, way.tries);
                trace.call_at(id, way.call, &args, result, entry, exit);
            }
        }
    }

    /// Lets tasks run in turns by chance. Nothing if they wait for each other for ever.
    fn run(mut self, programs: &[Vec<Step>], random: &mut Random) -> Option<Plan> {
        let mut tasks = vec![(Phase::Idle, 0usize); programs.len()];
        let mut idle = 0;
        while tasks.iter().any(|(phase, _)| *phase != Phase::Over) {
            self.now += 10;
            let task = random.below(tasks.len() as u64) as usize;
            let (phase, at) = tasks[task];
            idle += 1;
            let step = programs[task].get(at).copied();
            let (Some(step), true) = (step, phase != Phase::Over) else {
                continue;
            };
            let next = match phase {
                Phase::Idle => Phase::Called(self.now),
                Phase::Called(entry) => match self.effect(task + 1, step) {
                    Some(result) => Phase::Done(entry, result),
                    None if idle > 1000 => return None,
                    None => continue,
                },
                Phase::Done(entry, result) => {
                    self.record(task + 1, step, entry, result);
                    tasks[task].1 += 1;
                    match step {
                        Step::Exit => Phase::Over,
                        _ => Phase::Idle,
                    }
                }
                Phase::Over => continue,
            };
            tasks[task].0 = next;
            idle = 0;
        }
        Some(self.trace.finish())
    }
}

/// Where a replay may be: how far each lane is, what each slot holds, who holds which lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    done: Vec<usize>,
    slots: Vec<usize>,
    held: [Vec<Held>; 2],
}

fn bytes(start: i64, length: i64) -> (u64, u64) {
    let last = if length == 0 {
        u64::MAX
    } else {
        (start + length - 1) as u64
    };
    (start as u64, last)
}

/// Whether a description that an op opened reads, or writes: the kernel asks for that.
fn can_lock(plan: &Plan, opened: usize, exclusive: bool) -> bool {
    let op = plan.op((opened >> 16) - 1, opened & 0xffff);
    let Action::Open { flags, .. } = op.action else {
        return false;
    };
    let lacks = if exclusive {
        libc::O_RDONLY
    } else {
        libc::O_WRONLY
    };
    flags & libc::O_ACCMODE != lacks
}

/// What a lane's next op makes of a state; nothing if it has to wait.
fn advance(plan: &Plan, state: &State, lane: usize) -> Option<State> {
    let at = state.done[lane];
    if at == plan.lanes[lane].len() {
        return None;
    }
    let mut waits = plan.lanes[lane].waits_of(at).iter();
    if waits.any(|w| state.done[w.until.lane as usize] < w.until.done as usize) {
        return None;
    }
    let op = plan.op(lane, at);
    let mut next = state.clone();
    next.done[lane] += 1;
    let take = |next: &mut State, kind: usize, owner, range, exclusive| {
        if kind == 0 {
            release(&mut next.held[kind], owner, range);
        }
        let excluded = excludes(&next.held[kind], owner, range, exclusive);
        assert_eq!(excluded, op.expected < 0, "{op:?} of lane {lane} at {at}");
        if !excluded {
            release(&mut next.held[kind], owner, range);
            next.held[kind].push((owner, range, exclusive));
        }
    };
    match op.action {
        // A description has the number of the op that opened it.
        Action::Open { out, .. } => next.slots[out.0 as usize] = (lane + 1) << 16 | at,
        Action::Dup { fd, out, .. } => next.slots[out.0 as usize] = next.slots[fd.0 as usize],
        Action::Close { fd } => {
            let closed = std::mem::take(&mut next.slots[fd.0 as usize]);
            assert!(closed != 0, "{op:?} of lane {lane} at {at}");
            if !next.slots.contains(&closed) {
                release(&mut next.held[0], closed, (0, u64::MAX));
                release(&mut next.held[1], closed, (0, u64::MAX));
            }
        }
        Action::Flock { fd, operation } => {
            let owner = next.slots[fd.0 as usize];
            match operation & !libc::LOCK_NB {
                libc::LOCK_UN => release(&mut next.held[0], owner, (0, u64::MAX)),
                kind => take(&mut next, 0, owner, (0, u64::MAX), kind == libc::LOCK_EX),
            }
        }
        Action::Lock {
            fd,
            kind,
            start,
            length,
            ..
        } => {
            let (owner, range) = (next.slots[fd.0 as usize], bytes(start, length));
            match i32::from(kind) {
                libc::F_UNLCK => release(&mut next.held[1], owner, range),
                kind => {
                    let exclusive = kind == libc::F_WRLCK;
                    assert!(can_lock(plan, owner, exclusive), "{op:?}");
                    take(&mut next, 1, owner, range, exclusive);
                }
            }
        }
        _ => {}
    }
    next.held.iter_mut().for_each(|held| held.sort_unstable());
    Some(next)
}

/// Goes to all states that a replay of a plan may come to.
fn explore(plan: &Plan) {
    let first = State {
        done: vec![0; plan.lanes.len()],
        slots: vec![0; plan.slots as usize],
        held: [Vec::new(), Vec::new()],
    };
    let mut seen = HashSet::from([first.clone()]);
    let mut left = vec![first];
    while let Some(state) = left.pop() {
        let mut stands_still = true;
        for lane in 0..plan.lanes.len() {
            if let Some(next) = advance(plan, &state, lane) {
                stands_still = false;
                if seen.insert(next.clone()) {
                    left.push(next);
                }
            }
        }
        let ended = state.done.iter().zip(&plan.lanes);
        let all_ended = ended.into_iter().all(|(done, lane)| *done == lane.len());
        assert!(!stands_still || all_ended, "stands still at {state:?}");
    }
}

fn try_many(way: Way) {
    let mut tried = 0;
    for seed in 1..400 {
        let mut random = Random(seed * 7919);
        let tasks = 2 + random.below(2) as usize;
        let programs: Vec<Vec<Step>> = (0..tasks).map(|_| program(&mut random, way)).collect();
        let history = History::new(way, tasks);
        if let Some(plan) = history.run(&programs, &mut random) {
            tried += 1;
            println!("{way:?}, seed {seed}: {programs:?}");
            explore(&plan);
        }
    }
    assert!(tried > 200, "{tried} histories");
}

#[test]
fn no_history_of_locks_of_files_stands_still() {
    try_many(FLOCK);
}

#[test]
fn no_history_of_locks_that_a_child_inherited_stands_still() {
    try_many(Way {
        inherited: true,
        ..FLOCK
    });
}

#[test]
fn no_history_of_locks_of_processes_stands_still() {
    try_many(POSIX);
    try_many(Way {
        inherited: true,
        ..POSIX
    });
}

#[test]
fn no_history_of_locks_on_descriptors_that_only_read_or_write_stands_still() {
    let accesses = [libc::O_RDWR, libc::O_WRONLY];
    for (access, flags) in accesses
        .into_iter()
        .flat_map(|a| [(a, 0), (a, CLONE_THREAD)])
    {
        try_many(Way {
            access,
            flags,
            shared_on: Some(libc::O_RDONLY),
            ..POSIX
        });
    }
}

#[test]
fn no_history_of_locks_of_descriptions_stands_still() {
    try_many(OFD);
}

#[test]
fn no_history_of_locks_of_threads_stands_still() {
    for way in [FLOCK, OFD, POSIX] {
        let flags = CLONE_THREAD;
        try_many(Way { flags, ..way });
    }
}

fn flock(trace: &mut Trace, task: u32, operation: u64, result: i64, time: (u64, u64)) {
    let args = [
        Arg::Number(ArgKind::Fd, 10 + u64::from(task)),
        Arg::Number(ArgKind::Command, operation),
    ];
    trace.call_at(task, Call::flock, &args, result, time.0, time.1);
}

#[test]
fn who_takes_a_lock_comes_after_a_release_that_returned_later() {
    let mut trace = History::new(FLOCK, 2).trace;
    flock(&mut trace, 1, 2, 0, (1_000_000, 1_000_100));
    flock(&mut trace, 2, 2, 0, (1_000_200, 1_000_400));
    flock(&mut trace, 1, 8, 0, (1_000_300, 1_000_500));
    flock(&mut trace, 2, 8, 0, (1_000_600, 1_000_700));
    let plan = trace.finish();
    assert!(waits(&plan, 4).contains(&5));
    explore(&plan);
}

#[test]
fn who_takes_a_lock_comes_after_a_release_that_began_later_by_the_clocks() {
    let mut trace = History::new(FLOCK, 2).trace;
    flock(&mut trace, 1, 2, 0, (1_000_000, 1_000_100));
    flock(&mut trace, 2, 2, 0, (1_000_200, 1_000_400));
    flock(&mut trace, 1, 8, 0, (1_000_410, 1_000_500));
    flock(&mut trace, 2, 8, 0, (1_000_600, 1_000_700));
    let plan = trace.finish();
    assert!(waits(&plan, 4).contains(&5));
    explore(&plan);
}

#[test]
fn a_lock_of_a_process_ends_with_any_descriptor_of_the_file() {
    let mut trace = History::new(POSIX, 2).trace;
    let lock = |fd| {
        [
            Arg::Number(ArgKind::Fd, fd),
            Arg::Number(ArgKind::Command, 6),
            Arg::Number(ArgKind::Argument, 1),
        ]
    };
    trace.open(1, "lk", libc::O_RDWR, 20);
    trace.call(1, Call::fcntl, &lock(11), 0);
    // Its own lock doesn't keep it from another one, another process's does.
    trace.call(1, Call::fcntl, &lock(20), 0);
    trace.call(2, Call::fcntl, &lock(12), EAGAIN);
    trace.on_fd(1, Call::close, 20, 0, 0);
    trace.call(2, Call::fcntl, &lock(12), 0);
    explore(&trace.finish());
}

/// `fcntl(F_SETLK)` for writing on eight bytes from the offset on.
fn lock_here(fd: u64) -> [Arg<'static>; 5] {
    [
        Arg::Number(ArgKind::Fd, fd),
        Arg::Number(ArgKind::Command, POSIX.tries),
        Arg::Number(ArgKind::Argument, 1),
        Arg::Number(ArgKind::Whence, 1),
        Arg::Number(ArgKind::LockLength, 8),
    ]
}

#[test]
fn locks_that_are_too_many_to_be_told_apart_are_noted() {
    let noted = |count: u64| {
        let mut trace = History::new(POSIX, 1).trace;
        for at in 0..count {
            let args = [
                Arg::Number(ArgKind::Fd, 11),
                Arg::Number(ArgKind::Command, POSIX.tries),
                Arg::Number(ArgKind::Argument, 1),
                Arg::Number(ArgKind::LockStart, 2 * at),
                Arg::Number(ArgKind::LockLength, 1),
            ];
            trace.call(1, Call::fcntl, &args, 0);
        }
        let notes = trace.finish().notes.into_iter();
        let mut notes = notes.filter(|(note, _)| note.starts_with("locks beyond 1024"));
        notes.next().map(|(_, count)| count)
    };
    assert_eq!(noted(1024), None);
    assert_eq!(noted(1027), Some(3));
}

#[test]
fn a_range_from_the_offset_is_where_the_model_has_it() {
    let mut trace = History::new(POSIX, 1).trace;
    trace.on_fd(1, Call::lseek, 11, 40, 40);
    trace.call(1, Call::fcntl, &lock_here(11), 0);
    let plan = trace.finish();
    let ranges = plan.ops.iter().filter_map(|op| match op.action {
        Action::Lock { whence, start, .. } => Some((whence, start)),
        _ => None,
    });
    assert_eq!(ranges.collect::<Vec<_>>(), [(0, 40)]);
}

#[test]
fn a_circle_of_locks_is_not_issued() {
    let mut trace = History::new(POSIX, 1).trace;
    trace.call(1, Call::fcntl, &lock_here(11), -i64::from(libc::EDEADLK));
    let plan = trace.finish();
    assert!(
        !plan
            .ops
            .iter()
            .any(|op| matches!(op.action, Action::Lock { .. }))
    );
}

#[test]
fn a_lock_that_cannot_be_the_one_that_was_taken_is_not_issued() {
    let mut trace = History::new(POSIX, 2).trace;
    trace.call(1, Call::fcntl, &lock_here(11), 0);
    trace.call(2, Call::fcntl, &lock_here(12), 0);
    let plan = trace.finish();
    let issued = plan
        .ops
        .iter()
        .filter(|op| matches!(op.action, Action::Lock { .. }));
    assert_eq!(issued.count(), 1);
    explore(&plan);
}
