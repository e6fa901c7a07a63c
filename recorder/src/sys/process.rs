//! The child process: from fork to exec, where only async-signal-safe calls are allowed.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use super::check;
use super::seccomp::{self, Instruction};
use super::signal::Blocked;

/// In which state the kernel has a task, as proc(5) names it: `R` runs or waits for a processor,
/// `Z` is dead. `None` if it is gone.
pub fn state(tid: i32) -> Option<u8> {
    let mut file = File::open(format!("/proc/{tid}/stat")).ok()?;
    let mut stat = [0; 128];
    let length = file.read(&mut stat).ok()?;
    let stat = stat.get(..length)?;
    // The name, in parentheses, may hold anything.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(after + 2).copied()
}

/// Whether two descriptors of a process lead to one open file; an error where that can't be told.
pub fn is_one_open_file(pid: i32, one: RawFd, other: RawFd) -> io::Result<bool> {
    const KCMP_FILE: libc::c_int = 0;
    // SAFETY: plain numbers.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, pid, pid, KCMP_FILE, one, other) };
    check(order).map(|order| order == 0)
}

/// The most addresses that a process may use, bytes; `None` without a limit.
pub fn address_space(pid: i32) -> io::Result<Option<u64>> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: nothing is set, and `limit` is valid to write to.
    let got = unsafe { libc::prlimit(pid, libc::RLIMIT_AS, std::ptr::null(), &mut limit) };
    check(i64::from(got))?;
    Ok((limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur))
}

/// What a child runs. All memory that it needs is made before the fork.
pub struct Program {
    path: CString,
    arguments: Vec<CString>,
    /// For a file without a known format, as execvp(3) does: `/bin/sh PATH ARGUMENTS…`.
    shell: CString,
    shell_arguments: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    /// A program with its arguments (the first is its name).
    pub fn new(path: CString, arguments: Vec<CString>, environment: Vec<CString>) -> Program {
        let shell = c"/bin/sh".to_owned();
        let mut shell_arguments = vec![shell.clone(), path.clone()];
        shell_arguments.extend(arguments.iter().skip(1).cloned());
        Program {
            path,
            arguments,
            shell,
            shell_arguments,
            environment,
        }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// What a child does.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// It becomes this program.
    Program(&'a Program),
    /// It makes so many traced calls (a `close` of -1), and exits.
    Calls(u32),
}

/// A child that waits for its tracer, and then installs the filter and runs the program.
pub struct Child {
    pid: i32,
    go: io::PipeWriter,
    report: io::PipeReader,
}

impl Child {
    /// Forks.
    pub fn fork(filter: &[Instruction], work: Work<'_>, blocked: &Blocked) -> io::Result<Child> {
        let (wait, go) = io::pipe()?;
        let (report, tell) = io::pipe()?;
        let (program, calls) = match work {
            Work::Program(program) => (Some(program), 0),
            Work::Calls(calls) => (None, calls),
        };
        let vectors = program.map(|program| {
            [
                pointers(&program.arguments),
                pointers(&program.shell_arguments),
                pointers(&program.environment),
            ]
        });
        let exec = program.zip(vectors.as_ref());
        let ends = [wait.as_raw_fd(), go.as_raw_fd(), tell.as_raw_fd()];
        // SAFETY: the child runs `run_child` only, which is async-signal-safe and never returns.
        match check(i64::from(unsafe { libc::fork() }))? {
            0 => run_child(ends, filter, exec, calls, blocked),
            pid => Ok(Child {
                pid: pid as i32,
                go,
                report,
            }),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets it go on.
    pub fn go(&mut self) -> io::Result<()> {
        self.go.write_all(&[1])
    }

    /// Why it could not install the filter, if so; waits until it ran its program or ended.
    pub fn failure(mut self) -> Option<io::Error> {
        let mut error = [0; 4];
        drop(self.go);
        self.report.read_exact(&mut error).ok()?;
        Some(io::Error::from_raw_os_error(i32::from_ne_bytes(error)))
    }
}

type Vectors = [Vec<*const libc::c_char>; 3];

/// The child between fork and exec.
fn run_child(
    [wait, go, tell]: [RawFd; 3],
    filter: &[Instruction],
    exec: Option<(&Program, &Vectors)>,
    calls: u32,
    blocked: &Blocked,
) -> ! {
    // SAFETY: only async-signal-safe functions, on memory that was made before the fork; the
    // descriptors are this process's own copies.
    unsafe {
        // Rust ignores it; the tool shall have it as any program has.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        blocked.restore();
        // Otherwise the end of the recorder would not end the wait.
        libc::close(go);
        let mut byte = 0u8;
        if libc::read(wait, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(125);
        }
        libc::close(wait);
        if let Err(error) = seccomp::install(filter) {
            let code = error.raw_os_error().unwrap_or(0).to_ne_bytes();
            libc::write(tell, code.as_ptr().cast(), code.len());
            libc::_exit(125);
        }
        if let Some((program, [arguments, shell_arguments, environment])) = exec {
            execute(&program.path, arguments, environment);
            if *libc::__errno_location() == libc::ENOEXEC {
                execute(&program.shell, shell_arguments, environment);
            }
            libc::_exit(126);
        }
        for _ in 0..calls {
            libc::syscall(libc::SYS_close, -1);
        }
        libc::_exit(0);
    }
}

fn execute(path: &CStr, arguments: &[*const libc::c_char], environment: &[*const libc::c_char]) {
    // SAFETY: all strings are NUL-terminated, both vectors end with a null pointer.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
}

/// Makes the call of [`Work::Calls`] so often, without being traced.
pub fn make_calls(calls: u32) {
    for _ in 0..calls {
        // SAFETY: no descriptor has that number; the call fails.
        unsafe { libc::syscall(libc::SYS_close, -1) };
    }
}

/// Whether a shell watches this process as a job of its own: it is told of stops, and lets it go
/// on.
pub fn is_job() -> bool {
    // SAFETY: plain numbers.
    unsafe {
        let parent = libc::getppid();
        libc::getsid(parent) == libc::getsid(0) && libc::getpgid(parent) != libc::getpgid(0)
    }
}

/// The process group of a process, 0 for this one; -1 if it is gone.
pub fn group(pid: i32) -> i32 {
    // SAFETY: plain numbers.
    unsafe { libc::getpgid(pid) }
}

/// The process group that a terminal's keys go to.
pub fn foreground(terminal: RawFd) -> i32 {
    // SAFETY: plain numbers.
    unsafe { libc::tcgetpgrp(terminal) }
}

/// Gives a terminal's keys to a process group.
pub fn set_foreground(terminal: RawFd, group: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(i64::from(unsafe { libc::tcsetpgrp(terminal, group) })).map(drop)
}

/// Whether this process may execute a file.
pub fn check_executable(path: &CStr) -> io::Result<()> {
    // SAFETY: the path is NUL-terminated.
    check(i64::from(unsafe {
        libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS)
    }))
    .map(drop)
}
