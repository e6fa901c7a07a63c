//! ptrace, wait and a tracee's memory.

// Request numbers are of another type with musl than with glibc.
#![allow(clippy::unnecessary_cast)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::check;
use super::process;
use super::signal::{self, Sender};
use crate::arch;

/// The options that every task is traced with.
pub const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

/// The options for tasks that ran before the recorder did: they have no filter, and live on without
/// it.
const OPTIONS_OF_OTHERS: i32 = OPTIONS & !(libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL);

/// The signal of a stop at a call's entry or exit (`PTRACE_O_TRACESYSGOOD`).
pub const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// `PTRACE_EVENT_STOP`, which not every libc names.
pub const EVENT_STOP: i32 = 128;

const GET_SYSCALL_INFO: u32 = 0x420e;
const LISTEN: u32 = 0x4208;
const SEIZE: u32 = 0x4206;
const INTERRUPT: u32 = 0x4207;
const GETREGSET: u32 = 0x4204;
const SETREGSET: u32 = 0x4205;
const GETSIGMASK: u32 = 0x420a;
const SETSIGMASK: u32 = 0x420b;
const NT_PRSTATUS: usize = 1;
const NT_ARM_TLS: usize = 0x401;
const NT_ARM_SYSTEM_CALL: usize = 0x404;

/// `struct ptrace_syscall_info` as far as it is read: the header and the words of the union.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawInfo {
    op: u8,
    pad: [u8; 3],
    arch: u32,
    instruction_pointer: u64,
    stack_pointer: u64,
    words: [u64; 8],
}

/// Where in a call a task stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In no call.
    None,
    /// At the filter.
    Seccomp {
        /// Audit architecture.
        arch: u32,
        /// Number of the call.
        number: u64,
        /// Arguments.
        args: [u64; 6],
        /// Data of the filter's answer.
        data: u32,
        /// Address behind the instruction that called.
        behind: u64,
    },
    /// At the call's return.
    Exit {
        /// The value or `-errno`, unconverted (`-ERESTARTSYS` and the like included).
        result: i64,
    },
    /// At the entry of any call (`PTRACE_SYSCALL`).
    Entry {
        /// Audit architecture.
        arch: u32,
        /// Number of the call.
        number: u64,
        /// Arguments.
        args: [u64; 6],
    },
}

fn request(request: u32, tid: i32, address: usize, data: usize) -> io::Result<i64> {
    // SAFETY: the callers pass an address and data that fit the request; the raw call is used so
    // that the request's type (which differs between C libraries) does not matter.
    check(unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            request as usize,
            tid as usize,
            address,
            data,
        )
    })
}

/// Attaches without stopping.
pub fn seize(tid: i32) -> io::Result<()> {
    request(SEIZE, tid, 0, OPTIONS as usize).map(drop)
}

/// Attaches to a task that is none of the recorder's own, without stopping it.
pub fn seize_other(tid: i32) -> io::Result<()> {
    request(SEIZE, tid, 0, OPTIONS_OF_OTHERS as usize).map(drop)
}

/// Whether a signal stops processes.
pub fn stops(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
    )
}

/// Continues until the next traced call or event, with a signal or 0.
pub fn resume(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT as u32, tid, 0, signal as usize).map(drop)
}

/// Continues until the call returns (or to the next call), with a signal or 0.
pub fn resume_to_exit(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL as u32, tid, 0, signal as usize).map(drop)
}

/// Lets a task go on with a signal that it has a handler for, to the first instruction of that
/// (signal_delivered() in the kernel stops there while a task is stepped). Where it doesn't come
/// there, gives the signal that it is about to get instead, or 0. If another task has changed what
/// is done with the signal, it may go on for long: then it is stopped where it is.
pub fn step_to_handler(tid: i32, signal: i32) -> io::Result<Option<i32>> {
    request(libc::PTRACE_SINGLESTEP as u32, tid, 0, signal as usize)?;
    let begun = Instant::now();
    let mut interrupted = false;
    while !has_news(tid) {
        if !interrupted && begun.elapsed() > TO_HANDLER {
            interrupt(tid)?;
            interrupted = true;
        } else if interrupted && is_dead(tid) {
            return Err(io::ErrorKind::NotFound.into());
        }
        std::thread::yield_now();
    }
    let status = wait_for_stop(tid)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(match status >> 8 {
        libc::SIGTRAP => None,
        stop if stop >> 8 == 0 => Some(stop),
        _ => Some(0),
    })
}

/// The kernel needs no longer to begin a handler.
const TO_HANDLER: Duration = Duration::from_millis(100);

/// Leaves a task in its group stop and waits for the end of it.
pub fn listen(tid: i32) -> io::Result<()> {
    request(LISTEN, tid, 0, 0).map(drop)
}

/// Makes a task stop as soon as it may, for no signal.
pub fn interrupt(tid: i32) -> io::Result<()> {
    request(INTERRUPT, tid, 0, 0).map(drop)
}

/// Lets a task go for good.
pub fn detach(tid: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH as u32, tid, 0, 0).map(drop)
}

/// Lets a task go for good, with a signal or 0.
pub fn detach_with(tid: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH as u32, tid, 0, signal as usize).map(drop)
}

/// The message of the last event (a new task's id, an execing task's earlier id).
pub fn event_message(tid: i32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    request(
        libc::PTRACE_GETEVENTMSG as u32,
        tid,
        0,
        &raw mut message as usize,
    )?;
    Ok(message as u64)
}

/// Where in a call a stopped task is.
pub fn syscall_info(tid: i32) -> io::Result<Stop> {
    let mut raw = RawInfo::default();
    request(
        GET_SYSCALL_INFO,
        tid,
        size_of::<RawInfo>(),
        &raw mut raw as usize,
    )?;
    Ok(match raw.op {
        1 => Stop::Entry {
            arch: raw.arch,
            number: raw.words[0],
            args: arguments(&raw),
        },
        2 => Stop::Exit {
            result: raw.words[0] as i64,
        },
        3 => Stop::Seccomp {
            arch: raw.arch,
            number: raw.words[0],
            args: arguments(&raw),
            data: raw.words[7] as u32,
            behind: raw.instruction_pointer,
        },
        _ => Stop::None,
    })
}

fn arguments(raw: &RawInfo) -> [u64; 6] {
    let [_, one, two, three, four, five, six, _] = raw.words;
    [one, two, three, four, five, six]
}

/// The number and the first two arguments of the call that a stopped task is in, from its
/// registers.
pub fn call_in_progress(tid: i32) -> io::Result<(u64, [u64; 2])> {
    Ok(arch::call_in_progress(&registers(tid, GETREGSET, None)?))
}

/// All general registers of a stopped task.
pub fn all_registers(tid: i32) -> io::Result<arch::Words> {
    registers(tid, GETREGSET, None)
}

/// Sets them.
pub fn set_all_registers(tid: i32, words: arch::Words) -> io::Result<()> {
    registers(tid, SETREGSET, Some(words)).map(drop)
}

/// Thread pointer of a stopped task (aarch64).
pub fn thread_pointer(tid: i32) -> io::Result<u64> {
    let mut pointer = 0u64;
    regset(tid, GETREGSET, NT_ARM_TLS, &mut pointer)?;
    Ok(pointer)
}

/// Sets it.
pub fn set_thread_pointer(tid: i32, mut pointer: u64) -> io::Result<()> {
    regset(tid, SETREGSET, NT_ARM_TLS, &mut pointer)
}

/// Gives the call that a task stands before another number (aarch64); none is made with -1.
pub fn set_number(tid: i32, mut number: i32) -> io::Result<()> {
    regset(tid, SETREGSET, NT_ARM_SYSTEM_CALL, &mut number)
}

/// The signals that a stopped task blocks, one bit each.
pub fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    request(GETSIGMASK, tid, size_of_val(&mask), &raw mut mask as usize)?;
    Ok(mask)
}

/// Sets them.
pub fn set_signal_mask(tid: i32, mut mask: u64) -> io::Result<()> {
    let size = size_of_val(&mask);
    request(SETSIGMASK, tid, size, &raw mut mask as usize).map(drop)
}

/// Gives the call that a task stands before another first argument.
pub fn set_first_argument(tid: i32, value: u64) -> io::Result<()> {
    set_word(tid, arch::FIRST_ARGUMENT, value)
}

/// Gives the call that a task returns from another result.
pub fn set_result(tid: i32, value: u64) -> io::Result<()> {
    set_word(tid, arch::RESULT, value)
}

fn set_word(tid: i32, word: usize, value: u64) -> io::Result<()> {
    let mut words = registers(tid, GETREGSET, None)?;
    words[word] = value;
    registers(tid, SETREGSET, Some(words)).map(drop)
}

/// Gets registers, or sets them to those given.
fn registers(tid: i32, what: u32, words: Option<arch::Words>) -> io::Result<arch::Words> {
    let mut words = words.unwrap_or([0; arch::REGISTER_WORDS]);
    regset(tid, what, NT_PRSTATUS, &mut words)?;
    Ok(words)
}

/// Gets a set of registers into `value`, or sets it to that.
fn regset<T: Copy>(tid: i32, what: u32, set: usize, value: &mut T) -> io::Result<()> {
    let mut vector = libc::iovec {
        iov_base: std::ptr::from_mut(value).cast(),
        iov_len: size_of::<T>(),
    };
    request(what, tid, set, &raw mut vector as usize).map(drop)
}

/// What `wait` saw.
#[derive(Clone, Copy, Debug)]
pub enum Waited {
    /// A task's change of state: its id and status.
    Task(i32, i32),
    /// A signal of the recorder came first.
    Interrupted,
    /// Nothing yet (only without blocking).
    Nothing,
    /// There is nothing to wait for.
    NoTasks,
}

/// Waits for any task; `block` false asks only.
pub fn wait(block: bool) -> io::Result<Waited> {
    let mut status = 0;
    // Children that other threads of this process have are theirs to wait for.
    let flags = libc::__WALL | libc::__WNOTHREAD | if block { 0 } else { libc::WNOHANG };
    // SAFETY: `status` is a valid int to write to.
    match unsafe { libc::waitpid(-1, &mut status, flags) } {
        0 => Ok(Waited::Nothing),
        -1 => match io::Error::last_os_error() {
            e if e.raw_os_error() == Some(libc::EINTR) => Ok(Waited::Interrupted),
            e if e.raw_os_error() == Some(libc::ECHILD) => Ok(Waited::NoTasks),
            e => Err(e),
        },
        tid => Ok(Waited::Task(tid, status)),
    }
}

/// What made a task stand still; `None` if it runs or is gone.
fn signal_info(tid: i32) -> Option<libc::siginfo_t> {
    // SAFETY: all-zero bytes are a valid siginfo_t, which the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let to = std::ptr::from_mut(&mut info);
    // SAFETY: `info` is valid to write to; the address argument is not used.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETSIGINFO, tid, 0usize, to) };
    (done == 0).then_some(info)
}

/// Whether a task stands still in the stop that an event's status told of: a signal's code is then
/// the rest of the status (ptrace(2)).
pub fn is_in_stop(tid: i32, status: i32) -> bool {
    signal_info(tid).is_some_and(|info| info.si_code == status >> 8)
}

/// Who sent the signal that a task stands still for, if it is that one and the task is about to get
/// it.
pub fn signal_stop(tid: i32, signal: i32) -> Option<Sender> {
    let info = signal_info(tid).filter(|info| info.si_signo == signal)?;
    Some(signal::sender(&info))
}

/// Whether a task is about to get a signal for what an instruction of its own did.
pub fn is_fault(tid: i32) -> bool {
    signal_info(tid).is_some_and(|info| info.si_code > 0)
}

/// Whether a task has changed its state since it was waited for last.
pub fn has_news(tid: i32) -> bool {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: all-zero bytes are a valid siginfo_t, which the kernel fills in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid to write to.
    let found = unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, &mut info, flags) };
    // SAFETY: a successful waitid fills in what si_pid reads, or leaves the zeros.
    found == 0 && unsafe { info.si_pid() } == tid
}

/// Waits until a task stops, and gives its status; `None` if it ends, which is left to be waited
/// for. The first task of a process whose others still live is at its end when it can be waited
/// for no more: they may stand still until this returns.
pub fn wait_for_stop(tid: i32) -> io::Result<Option<i32>> {
    loop {
        // SAFETY: all-zero bytes are a valid siginfo_t, which the kernel fills in.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL;
        // SAFETY: `info` is valid to write to.
        let found = unsafe { libc::waitid(libc::P_PID, tid as libc::id_t, &mut info, flags) };
        if found != 0 {
            let error = io::Error::last_os_error();
            // The recorder's own ticks come at least once a second.
            match error.raw_os_error() {
                Some(libc::EINTR) if is_dead(tid) => return Ok(None),
                Some(libc::EINTR) => continue,
                _ => return Err(error),
            }
        }
        let is_stop = matches!(info.si_code, libc::CLD_TRAPPED | libc::CLD_STOPPED);
        // SAFETY: waitid fills in what si_status reads.
        let last = unsafe { info.si_status() } >> 8 == libc::PTRACE_EVENT_EXIT;
        if !is_stop || last {
            return Ok(None);
        }
        return wait_for(tid).map(Some);
    }
}

/// Whether nothing is left of a task but its number.
fn is_dead(tid: i32) -> bool {
    process::state(tid).is_none_or(|state| matches!(state, b'Z' | b'X'))
}

/// The status of one task if it has changed.
pub fn look_for(tid: i32) -> io::Result<Option<i32>> {
    let mut status = 0;
    // SAFETY: `status` is a valid int to write to.
    match unsafe { libc::waitpid(tid, &mut status, libc::__WALL | libc::WNOHANG) } {
        0 => Ok(None),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some(status)),
    }
}

/// Waits for one child; gives its status.
pub fn wait_for(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid int to write to.
        if unsafe { libc::waitpid(pid, &mut status, libc::__WALL) } == pid {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

/// Reads a task's memory; how many bytes came, 0 if none. `refused` is set where the kernel forbids
/// this way.
pub fn read_memory(tid: i32, address: u64, buffer: &mut [u8], refused: &mut bool) -> usize {
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let remote = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: buffer.len(),
    };
    // SAFETY: `local` is `buffer`, which the kernel may write; `remote` is only read, in another
    // process.
    let got = unsafe { libc::process_vm_readv(tid, &local, 1, &remote, 1, 0) };
    if got < 0 {
        let error = io::Error::last_os_error().raw_os_error();
        *refused = matches!(error, Some(libc::EPERM | libc::ENOSYS));
    }
    usize::try_from(got).unwrap_or(0)
}

/// Reads a task's memory through /proc; how many bytes came, 0 if none. Fails where the task may
/// not be looked at.
pub fn read_proc_memory(tid: i32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let memory = File::open(format!("/proc/{tid}/mem"))?;
    Ok(memory.read_at(buffer, address).unwrap_or(0))
}

/// Writes a task's memory through /proc.
pub fn write_memory(tid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    memory(tid)?.write_all_at(bytes, address)
}

/// A task's memory, to be read and written at addresses: also where it may not write itself.
pub fn memory(tid: i32) -> io::Result<File> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .open(format!("/proc/{tid}/mem"))
}
