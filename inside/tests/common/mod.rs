//! A small tracer that records by way of the stub what it can, and by ptrace all else.
#![allow(dead_code)] // Each test file uses its part.

pub mod sys;
mod traced;

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fsreplay_inside::arch::{Registers, takes, ticks};
use fsreplay_inside::{Bounds, Here, Policy, Shares, Signals, Tasks, Tracee, Why};

/// A call that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub number: i64,
    pub arguments: [u64; 6],
    pub result: i64,
    pub path: Option<Vec<u8>>,
    pub inside: bool,
    /// It told that it slept before that call.
    pub slept_before: bool,
}

pub struct Outcome {
    pub status: i32,
    /// Of each task, in order of their starts.
    pub calls: Vec<Vec<Seen>>,
    pub refusals: Vec<String>,
    /// Calls that stopped their task once, and were made inside.
    pub once: usize,
}

impl Outcome {
    pub fn exited(&self) -> Option<i32> {
        libc::WIFEXITED(self.status).then(|| libc::WEXITSTATUS(self.status))
    }

    pub fn inside(&self) -> usize {
        self.calls
            .iter()
            .flatten()
            .filter(|call| call.inside)
            .count()
    }

    pub fn count(&self, number: i64) -> usize {
        self.calls
            .iter()
            .flatten()
            .filter(|call| call.number == number)
            .count()
    }
}

struct Stopped(i32);

impl Tracee for Stopped {
    fn registers(&mut self) -> io::Result<Registers> {
        sys::registers(self.0, None)
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        sys::registers(self.0, Some(registers)).map(drop)
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::fs::File::open(format!("/proc/{}/mem", self.0))?.read_at(buffer, address)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let memory = options.write(true).open(format!("/proc/{}/mem", self.0))?;
        memory.write_all_at(bytes, address)
    }

    fn make_call(&mut self) -> io::Result<()> {
        let mask = sys::signal_mask(self.0, None)?;
        sys::signal_mask(self.0, Some(u64::MAX))?;
        for _ in 0..2 {
            sys::resume(self.0, true, 0);
            let stop = sys::wait(self.0).map(|(_, status)| status >> 8);
            if stop != Some(sys::SYSCALL_STOP) {
                return Err(io::Error::other(format!("another stop: {stop:x?}")));
            }
        }
        sys::signal_mask(self.0, Some(mask)).map(drop)
    }

    fn to_handler(&mut self, signal: i32) -> io::Result<Option<i32>> {
        sys::step(self.0, signal)?;
        let stop = sys::wait(self.0).map_or(0, |(_, status)| status >> 8);
        Ok((stop != libc::SIGTRAP).then_some(stop))
    }

    fn set_number(&mut self, number: i32) -> io::Result<()> {
        sys::word(self.0, 0x404, Some(number)).map(drop)
    }

    fn thread_pointer(&mut self) -> io::Result<u64> {
        sys::word(self.0, 0x401, None)
    }

    fn set_thread_pointer(&mut self, value: u64) -> io::Result<()> {
        sys::word(self.0, 0x401, Some(value)).map(drop)
    }

    fn maps(&mut self) -> io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/maps", self.0))
    }

    fn signals_of(&mut self, other: i32) -> Option<Signals> {
        let mask = |name| u64::from_str_radix(&sys::status(other, name)?, 16).ok();
        Some(Signals {
            blocked: mask("SigBlk:")?,
            ignored: mask("SigIgn:")?,
            caught: mask("SigCgt:")?,
        })
    }

    fn signal_mask(&mut self) -> io::Result<u64> {
        sys::signal_mask(self.0, None)
    }

    fn set_signal_mask(&mut self, mask: u64) -> io::Result<()> {
        sys::signal_mask(self.0, Some(mask)).map(drop)
    }

    fn may_be_changed(&mut self) -> bool {
        true
    }

    fn may_be_started(&mut self) -> bool {
        true
    }
}

struct Task {
    number: usize,
    in_call: Option<(i64, [u64; 6])>,
    /// The path that was given to it.
    path: Option<Vec<u8>>,
    /// The stub makes that.
    is_inside: bool,
}

pub struct Watch {
    tasks: Tasks,
    known: HashMap<i32, Task>,
    strangers: HashMap<i32, i32>,
    calls: Vec<Vec<Seen>>,
    main: i32,
    status: i32,
    /// Calls that stopped their task once.
    once: usize,
}

/// When everything is worth it, and nothing takes too long.
pub const EAGER: Policy = Policy {
    stops: 4,
    late_stops: 4,
    hits: 2,
    task_stops: 2,
    bounds: Bounds {
        ask: u64::MAX / 2,
        long: u64::MAX / 2,
        idle: 0,
        rate: 1 << 32,
        execs: false,
    },
};

/// The same, and clocks are asked before and after each call, whatever they say.
pub const ASKING: Policy = Policy {
    bounds: Bounds {
        ask: 0,
        long: 0,
        idle: u64::MAX / 4,
        ..EAGER.bounds
    },
    ..EAGER
};

/// Runs a command to its end.
pub fn watch(command: &[&str], policy: Policy, environment: bool) -> Outcome {
    let pid = sys::spawn(command, traced::TRACED, environment);
    let mut watch = Watch {
        tasks: Tasks::new(policy),
        known: HashMap::new(),
        strangers: HashMap::new(),
        calls: Vec::new(),
        main: pid,
        status: 0,
        once: 0,
    };
    watch.tasks.first(pid);
    watch.know(pid);
    while let Some((tid, status)) = sys::wait(-1) {
        watch.on_status(tid, status);
    }
    Outcome {
        status: watch.status,
        calls: watch.calls,
        once: watch.once,
        refusals: watch
            .tasks
            .refusals()
            .map(|(reason, _)| reason.to_owned())
            .collect(),
    }
}

impl Watch {
    fn know(&mut self, tid: i32) {
        let number = self.calls.len();
        self.calls.push(Vec::new());
        self.known.insert(
            tid,
            Task {
                number,
                in_call: None,
                path: None,
                is_inside: false,
            },
        );
    }

    fn drain(&mut self) {
        let Watch {
            tasks,
            known,
            calls,
            ..
        } = self;
        tasks.drain(ticks(), |tid, event| {
            let Some(task) = known.get_mut(&tid) else {
                return;
            };
            let number = event.number as i64;
            let path = if let Some(seen) = event.seen {
                assert!(task.is_inside, "a return of nothing");
                task.is_inside = false;
                let entered = Some((number, event.arguments));
                assert_eq!(task.in_call.take(), entered, "another call returned");
                if seen == fsreplay_inside::Seen::Dropped || is_made_again(event.result) {
                    return;
                }
                task.path.take()
            } else {
                event.path_at.map(|_| event.path.clone())
            };
            calls[task.number].push(Seen {
                number,
                arguments: event.arguments,
                result: event.result,
                path,
                inside: event.seen.is_none(),
                slept_before: event.off.before.is_some_and(|away| away.sleeps.is_some()),
            });
        });
    }

    fn on_status(&mut self, tid: i32, status: i32) {
        self.drain();
        if !libc::WIFSTOPPED(status) {
            self.known.remove(&tid);
            self.tasks.ended(tid);
            if tid == self.main {
                self.status = status;
            }
            return;
        }
        if !self.known.contains_key(&tid) {
            self.strangers.insert(tid, status);
            return;
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => self.on_entry(tid),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.on_new(tid, status >> 16);
            }
            libc::PTRACE_EVENT_EXEC => {
                let earlier = sys::message(tid).unwrap_or(tid);
                self.tasks.renamed(earlier, tid);
                if let Some(task) = self.known.remove(&earlier) {
                    self.known.insert(tid, task);
                }
                if self.tasks.has_started_program(tid) {
                    self.drain();
                }
                self.tasks.program(tid, tid);
                self.tasks.starts(tid, &mut Stopped(tid));
                self.go_on(tid, 0);
            }
            sys::EVENT_STOP
                if matches!(
                    signal,
                    libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
                ) =>
            {
                sys::listen(tid);
            }
            0 if signal == sys::SYSCALL_STOP => self.on_exit(tid),
            0 => {
                let why = match signal {
                    libc::SIGSEGV | libc::SIGBUS if sys::is_fault(tid) => Why::Fault,
                    libc::SIGTRAP if sys::is_fault(tid) => Why::Trap,
                    libc::SIGSYS if sys::is_fault(tid) => Why::Filter,
                    _ => Why::Signal,
                };
                let signal = self.tasks.signal(tid, &mut Stopped(tid), signal, why);
                self.drain();
                self.go_on(tid, signal);
            }
            _ => self.go_on(tid, 0),
        }
    }

    fn go_on(&mut self, tid: i32, signal: i32) {
        self.tasks.begins(tid, &mut Stopped(tid));
        let sleeps = sys::status(tid, "voluntary_ctxt_switches:");
        let here = Here {
            cpu: Some(sys::processor_time(tid)),
            sleeps: sleeps.and_then(|text| text.parse().ok()),
        };
        self.tasks.goes_on(tid, Some(here));
        let to_exit = self
            .known
            .get(&tid)
            .is_some_and(|task| task.in_call.is_some() && !task.is_inside);
        sys::resume(tid, to_exit, signal);
    }

    fn on_new(&mut self, parent: i32, event: i32) {
        if let Some(tid) = sys::message(parent) {
            let is_vfork = event == libc::PTRACE_EVENT_VFORK;
            let shares = if is_vfork {
                Shares::Pointer
            } else {
                shares(parent)
            };
            self.tasks.child(parent, tid, shares);
            if is_vfork {
                self.tasks.suspends_parent(tid);
            }
            self.know(tid);
            if let Some(status) = self.strangers.remove(&tid) {
                self.on_status(tid, status);
            }
        }
        self.go_on(parent, 0);
    }

    fn on_entry(&mut self, tid: i32) {
        if let Some(info) = sys::call_info(tid).filter(|info| info.op == 3) {
            if self.tasks.has_started(tid, info.next, &mut Stopped(tid)) {
                return self.go_on(tid, 0);
            }
            let [number, a, b, c, d, e, f, _] = info.words;
            let arguments = [a, b, c, d, e, f];
            let ours = takes(number, &arguments);
            let waits = matches!(number as i64, libc::SYS_futex | libc::SYS_execve);
            let may_be_late = !waits;
            self.tasks.enters(tid, info.next, ours || may_be_late);
            if number as i64 == libc::SYS_execve {
                (self.tasks).enters_program(tid, info.next, &mut Stopped(tid));
            }
            let (tasks, mut stopped) = (&mut self.tasks, Stopped(tid));
            let made = may_be_late
                && tasks
                    .makes_inside(tid, &mut stopped, number, &arguments, info.next)
                    .unwrap_or(false);
            self.once += usize::from(made);
            if let Some(task) = self.known.get_mut(&tid) {
                assert!(!task.is_inside, "a return was lost");
                task.in_call = Some((number as i64, arguments));
                task.path = path(tid, number as i64, &arguments);
                task.is_inside = made;
            }
        }
        self.go_on(tid, 0);
    }

    fn on_exit(&mut self, tid: i32) {
        let info = sys::call_info(tid).filter(|info| info.op == 2);
        let call = self
            .known
            .get_mut(&tid)
            .and_then(|task| Some((task.number, task.in_call.take()?, task.path.take())));
        if let (Some(info), Some((task, (number, arguments), path))) = (info, call) {
            let result = info.words[0] as i64;
            if !is_made_again(result) {
                self.calls[task].push(Seen {
                    number,
                    arguments,
                    result,
                    path,
                    inside: false,
                    slept_before: false,
                });
                self.tasks.leaves(tid, &mut Stopped(tid));
            }
        }
        self.go_on(tid, 0);
    }
}

/// Whether a result asks the kernel to make the call again.
fn is_made_again(result: i64) -> bool {
    (-516..=-512).contains(&result)
}

/// What the task that is made by a call shares with the one that is in it.
fn shares(tid: i32) -> Shares {
    let Ok(Registers(words)) = sys::registers(tid, None) else {
        return Shares::Nothing;
    };
    let (number, first) = (words[sys::NUMBER] as i64, words[sys::FIRST]);
    let mut flags = first.to_ne_bytes();
    if number == libc::SYS_clone3 && Stopped(tid).read(first, &mut flags).is_err() {
        return Shares::Nothing;
    }
    let makes = matches!(number, libc::SYS_clone | libc::SYS_clone3);
    Shares::by(if makes { u64::from_ne_bytes(flags) } else { 0 })
}

fn path(tid: i32, number: i64, arguments: &[u64; 6]) -> Option<Vec<u8>> {
    #[cfg(target_arch = "x86_64")]
    const FIRST: &[i64] = &[
        libc::SYS_open,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
    ];
    #[cfg(not(target_arch = "x86_64"))]
    const FIRST: &[i64] = &[];
    const SECOND: &[i64] = &[
        libc::SYS_openat,
        libc::SYS_newfstatat,
        libc::SYS_faccessat,
        libc::SYS_readlinkat,
    ];
    let address = match number {
        number if FIRST.contains(&number) => arguments[0],
        number if SECOND.contains(&number) => arguments[1],
        _ => return None,
    };
    let mut bytes = [0; 256];
    let length = Stopped(tid).read(address, &mut bytes).ok()?;
    let end = bytes[..length].iter().position(|byte| *byte == 0)?;
    Some(bytes[..end].to_vec())
}

/// Compiles a C program; `None` where there is no compiler.
pub fn compile(directory: &Path, source: &str, options: &[&str]) -> Option<PathBuf> {
    let file = directory.join("program.c");
    std::fs::write(&file, source).expect("source");
    let program = directory.join("program");
    let done = Command::new("cc")
        .args(["-O1", "-w", "-o"])
        .args([&program, &file])
        .args(options)
        .status();
    match done {
        Ok(status) => {
            assert!(status.success(), "cc");
            Some(program)
        }
        Err(error) => {
            println!("skipped: no C compiler ({error})");
            assert!(std::env::var_os("CI").is_none(), "no C compiler");
            None
        }
    }
}

/// Compiles a program and runs it; `None` without a compiler.
pub fn run(source: &str, options: &[&str]) -> Option<Outcome> {
    run_by(EAGER, source, options)
}

/// The same, by a policy.
pub fn run_by(policy: Policy, source: &str, options: &[&str]) -> Option<Outcome> {
    let directory = tempfile::tempdir().expect("tempdir");
    let program = compile(directory.path(), source, options)?;
    Some(watch(&[program.to_str().expect("text")], policy, true))
}
