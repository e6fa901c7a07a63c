//! System calls of the tests' tracer.

// Request numbers are of another type with musl than with glibc.
#![allow(clippy::unnecessary_cast)]

use std::ffi::CString;
use std::io;

use fsreplay_inside::arch::Registers;
use fsreplay_inside::layout::STUB;

/// Words of the general registers.
const WORDS: usize = size_of::<Registers>() / 8;

/// In which of them a call's number stands.
pub const NUMBER: usize = if cfg!(target_arch = "x86_64") { 15 } else { 8 };
/// And its first argument.
pub const FIRST: usize = if cfg!(target_arch = "x86_64") { 14 } else { 0 };

pub const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;
pub const EVENT_STOP: i32 = 128;

/// A filter that lets the stub's own calls pass, and traces those of the list.
fn filter(traced: &[i64]) -> Vec<libc::sock_filter> {
    let called = STUB + fsreplay_inside::arch::marks().called;
    let step = |code: u16, k: u32, jt: u8, jf: u8| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![
        step(0x20, 12, 0, 0),
        step(0x15, (called >> 32) as u32, 0, 3),
        step(0x20, 8, 0, 0),
        step(0x15, called as u32, 0, 1),
        step(0x06, 0x7fff_0000, 0, 0),
        step(0x20, 0, 0, 0),
    ];
    for number in traced {
        program.push(step(0x15, *number as u32, 0, 1));
        program.push(step(0x06, 0x7ff0_0000, 0, 0));
    }
    program.push(step(0x06, 0x7fff_0000, 0, 0));
    program
}

/// Starts a program, traced, with that filter.
pub fn spawn(command: &[&str], traced: &[i64], environment: bool) -> i32 {
    let text = |text: &str| CString::new(text).expect("no zero");
    let arguments: Vec<CString> = command.iter().map(|argument| text(argument)).collect();
    let mut vector: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    vector.push(std::ptr::null());
    let path = text("PATH=/usr/bin:/bin");
    let variables = [path.as_ptr(), std::ptr::null()];
    let variables = &variables[usize::from(!environment)..];
    let program = filter(traced);
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: between fork and exec only async-signal-safe calls, on memory made before.
    unsafe {
        let pid = libc::fork();
        assert!(pid >= 0, "fork");
        if pid == 0 {
            libc::raise(libc::SIGSTOP);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::syscall(libc::SYS_seccomp, 1, 0, &raw const program);
            libc::execve(vector[0], vector.as_ptr(), variables.as_ptr());
            libc::_exit(126);
        }
        let mut status = 0;
        libc::waitpid(pid, &mut status, libc::WUNTRACED);
        let options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_TRACEEXIT
            | libc::PTRACE_O_TRACESECCOMP
            | libc::PTRACE_O_EXITKILL;
        request(0x4206, pid, 0, options as usize).expect("seize");
        libc::kill(pid, libc::SIGCONT);
        pid
    }
}

fn request(request: u32, tid: i32, address: usize, data: usize) -> io::Result<i64> {
    // SAFETY: the callers pass what fits the request.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            request as usize,
            tid as usize,
            address,
            data,
        )
    };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

pub fn resume(tid: i32, to_exit: bool, signal: i32) {
    let how = if to_exit {
        libc::PTRACE_SYSCALL
    } else {
        libc::PTRACE_CONT
    };
    let _ = request(how as u32, tid, 0, signal as usize);
}

pub fn listen(tid: i32) {
    let _ = request(0x4208, tid, 0, 0);
}

pub fn message(tid: i32) -> Option<i32> {
    let mut message = 0u64;
    let to = &raw mut message as usize;
    request(libc::PTRACE_GETEVENTMSG as u32, tid, 0, to).ok()?;
    Some(message as i32)
}

/// Whether the signal that stopped a task is one that the kernel raised for what it did.
pub fn is_fault(tid: i32) -> bool {
    // SAFETY: all zero is a valid siginfo_t, which the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let to = &raw mut info as usize;
    request(libc::PTRACE_GETSIGINFO as u32, tid, 0, to).is_ok() && info.si_code > 0
}

/// `struct ptrace_syscall_info`, as far as it is used.
#[repr(C)]
#[derive(Default)]
pub struct Info {
    pub op: u8,
    pad: [u8; 3],
    arch: u32,
    pub next: u64,
    stack: u64,
    pub words: [u64; 8],
}

pub fn call_info(tid: i32) -> Option<Info> {
    let mut info = Info::default();
    request(0x420e, tid, size_of::<Info>(), &raw mut info as usize).ok()?;
    Some(info)
}

pub fn registers(tid: i32, set: Option<&Registers>) -> io::Result<Registers> {
    let mut words = set.map_or([0; WORDS], |registers| registers.0);
    let mut vector = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(&words),
    };
    let what = if set.is_some() { 0x4205 } else { 0x4204 };
    request(what, tid, 1, &raw mut vector as usize)?;
    Ok(Registers(words))
}

/// Continues to the next instruction, or the first one of a signal's handler.
pub fn step(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SINGLESTEP as u32, tid, 0, signal as usize).map(drop)
}

/// A regset of one word; gives it, or sets it to what is given.
pub fn word<T: Copy + Default>(tid: i32, regset: usize, set: Option<T>) -> io::Result<T> {
    let mut word = set.unwrap_or_default();
    let mut vector = libc::iovec {
        iov_base: (&raw mut word).cast(),
        iov_len: size_of::<T>(),
    };
    let what = if set.is_some() { 0x4205 } else { 0x4204 };
    request(what, tid, regset, &raw mut vector as usize)?;
    Ok(word)
}

pub fn signal_mask(tid: i32, set: Option<u64>) -> io::Result<u64> {
    let mut mask = set.unwrap_or(0);
    let what = if set.is_some() { 0x420b } else { 0x420a };
    request(what, tid, 8, &raw mut mask as usize)?;
    Ok(mask)
}

/// Waits for a task, or any with -1; `None` if there is none.
pub fn wait(tid: i32) -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    let tid = unsafe { libc::waitpid(tid, &mut status, libc::__WALL | libc::__WNOTHREAD) };
    (tid > 0).then_some((tid, status))
}

/// A line of `/proc/TID/status`, without its name.
pub fn status(tid: i32, name: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

/// How long a task that stands still was on processors, nanoseconds.
pub fn processor_time(tid: i32) -> u64 {
    let counts = std::fs::read_to_string(format!("/proc/{tid}/schedstat")).unwrap_or_default();
    let first = counts.split_whitespace().next();
    first.and_then(|text| text.parse().ok()).unwrap_or(0)
}
