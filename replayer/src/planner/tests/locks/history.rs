//! Tasks that lock, under a kernel made here.

use fsreplay_trace::call::{ArgKind, Call};

use super::super::builder::{Arg, Trace};
use super::EAGAIN;
use crate::plan::Plan;

/// How tasks come to the file that they lock, and how they lock it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) call: Call,
    /// Command of `fcntl`.
    pub(super) waits: u64,
    pub(super) tries: u64,
    /// Flags of clone(2).
    pub(super) flags: u64,
    pub(super) inherited: bool,
    /// How the descriptor is opened.
    pub(super) access: i32,
    /// How another one is, if locks that don't exclude each other are asked for there.
    pub(super) shared_on: Option<i32>,
}

pub(super) const FLOCK: Way = Way {
    call: Call::flock,
    waits: 0,
    tries: 4,
    flags: 0,
    inherited: false,
    access: libc::O_RDWR,
    shared_on: None,
};
pub(super) const POSIX: Way = Way {
    call: Call::fcntl,
    waits: 7,
    tries: 6,
    ..FLOCK
};
pub(super) const OFD: Way = Way {
    waits: 38,
    tries: 37,
    ..POSIX
};

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
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
pub(super) enum Phase {
    Idle,
    Called(u64),
    Done(u64, i64),
    Over,
}

/// A lock that is held: by whom, on which bytes.
pub(super) type Held = (usize, (u64, u64), bool);

pub(super) fn excludes(held: &[Held], owner: usize, range: (u64, u64), exclusive: bool) -> bool {
    held.iter().any(|(other, has, hard)| {
        *other != owner && has.0 <= range.1 && range.0 <= has.1 && (*hard || exclusive)
    })
}

pub(super) fn release(held: &mut Vec<Held>, owner: usize, range: (u64, u64)) {
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

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

pub(super) fn program(random: &mut Random, way: Way) -> Vec<Step> {
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
pub(super) struct History {
    way: Way,
    pub(super) trace: Trace,
    held: Vec<Held>,
    now: u64,
}

impl History {
    pub(super) fn new(way: Way, tasks: usize) -> History {
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
    pub(super) fn run(mut self, programs: &[Vec<Step>], random: &mut Random) -> Option<Plan> {
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
