//! Signals of the recorder itself: handlers that pass on or count, and the once-a-second tick.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

use super::check;

/// Process that signals are passed on to at once; 0 for none.
static COMMAND: AtomicI32 = AtomicI32::new(0);
/// Signals that ask for an end, counted.
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// Those that nobody took yet, by their place in `ASKING`.
static WAITING: [AtomicU32; ASKING.len()] = [const { AtomicU32::new(0) }; ASKING.len()];
/// Who sent the last of each: a process id, or `BY_KERNEL`.
static SENDERS: [AtomicI32; ASKING.len()] = [const { AtomicI32::new(0) }; ASKING.len()];
/// This process went on after a stop.
static CONTINUED: AtomicBool = AtomicBool::new(false);
/// Ticks of the timer.
static TICKS: AtomicU32 = AtomicU32::new(0);

const BY_KERNEL: i32 = -1;

/// Signals by which somebody asks for something.
const ASKING: [i32; 5] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGTSTP,
];

/// The signals that a recording takes over.
const TAKEN: [i32; 7] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGTSTP,
    libc::SIGCONT,
    libc::SIGALRM,
];

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel, for a terminal.
    Kernel,
    /// The process with that id; 0 if it is not in this process-id namespace.
    Process(i32),
}

/// A signal that the recorder got.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which.
    pub signal: i32,
    /// How often.
    pub count: u32,
    /// Who sent the last of them.
    pub sender: Sender,
}

/// Whether a signal is one by which somebody asks for something.
pub fn is_request(signal: i32) -> bool {
    ASKING.contains(&signal)
}

/// Who sent a signal.
pub fn sender(info: &libc::siginfo_t) -> Sender {
    if info.si_code > 0 {
        return Sender::Kernel;
    }
    // SAFETY: a signal with such a code was sent by kill, tgkill or sigqueue, which fill in the
    // sender.
    Sender::Process(unsafe { info.si_pid() })
}

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    if signal == libc::SIGALRM {
        // SAFETY: a handler that was installed with SA_SIGINFO gets a valid pointer, and the signal
        // of a timer has a value.
        let value = unsafe { (*info).si_value() };
        if value.sival_ptr.addr() != WAKES {
            TICKS.fetch_add(1, Ordering::Relaxed);
        }
        return;
    }
    if signal == libc::SIGCONT {
        CONTINUED.store(true, Ordering::Relaxed);
        return;
    }
    // SAFETY: a handler that was installed with SA_SIGINFO gets a valid pointer.
    let sender = sender(unsafe { &*info });
    let sender_id = match sender {
        Sender::Kernel => BY_KERNEL,
        Sender::Process(pid) => pid,
    };
    if let Some(index) = ASKING.iter().position(|asking| *asking == signal) {
        SENDERS[index].store(sender_id, Ordering::Relaxed);
        WAITING[index].fetch_add(1, Ordering::Release);
    }
    if signal != libc::SIGTSTP {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
    }
    let command = COMMAND.load(Ordering::Relaxed);
    if command > 0 && signal == libc::SIGTSTP && sender == Sender::Kernel {
        // The command that is waited for stops by itself, and nobody would see it.
        stop();
    } else if command > 0 && sender != Sender::Kernel {
        // SAFETY: kill is async-signal-safe; errno is put back, for the interrupted code may be
        // about to read it.
        unsafe {
            let errno = errno_location();
            let before = *errno;
            libc::kill(command, signal);
            *errno = before;
        }
    }
}

fn errno_location() -> *mut i32 {
    // SAFETY: always gives the calling thread's own location.
    unsafe { libc::__errno_location() }
}

/// Sets or clears the process that signals are passed on to at once (but for those of a terminal,
/// which it gets itself).
pub fn forward_to(pid: i32) {
    COMMAND.store(pid, Ordering::Relaxed);
}

/// The requests that came since the last time.
pub fn take_requests() -> impl Iterator<Item = Request> {
    let places = ASKING.iter().zip(&WAITING).zip(&SENDERS);
    places.filter_map(|((signal, waiting), sender)| {
        if waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let count = waiting.swap(0, Ordering::Acquire);
        let sender = match sender.load(Ordering::Relaxed) {
            BY_KERNEL => Sender::Kernel,
            pid => Sender::Process(pid),
        };
        Some(Request {
            signal: *signal,
            count,
            sender,
        })
    })
}

/// How often an end was asked for since the handlers were installed.
pub fn requests() -> u32 {
    REQUESTS.load(Ordering::Relaxed)
}

/// Whether this process went on after a stop, or somebody told it to, since the last time.
pub fn take_continued() -> bool {
    CONTINUED.load(Ordering::Relaxed) && CONTINUED.swap(false, Ordering::Relaxed)
}

/// Stops this process, until somebody lets it go on. Async-signal-safe.
pub fn stop() {
    // SAFETY: raising a signal in this process; SIGSTOP runs no code of it.
    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
}

/// Ends this process by a signal, as the tool ended by it, without a core dump. Returns where that
/// signal doesn't end it.
pub fn die_of(signal: i32) {
    // SAFETY: sigset_t is plain data, initialised by sigemptyset; all else are numbers. The Rust
    // runtime handles SIGSEGV and SIGBUS and ignores SIGPIPE: nothing of this process needs that
    // any more.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        libc::raise(signal);
    }
}

/// How often the timer fired.
pub fn ticks() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

/// Sends a signal to a process; a process that is gone is fine.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, signal) };
}

/// The taken signals blocked in this thread; unblocked when dropped. Held over the fork, so that
/// none is lost between fork and the handlers.
pub struct Blocked(libc::sigset_t);

impl Blocked {
    /// Blocks them.
    pub fn new() -> io::Result<Blocked> {
        // SAFETY: sigset_t is plain data, initialised by sigemptyset before use; all pointers are
        // to locals.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in TAKEN {
                libc::sigaddset(&mut set, signal);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before) {
                0 => Ok(Blocked(before)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// Puts the mask back. Async-signal-safe: the child calls it between fork and exec.
    pub fn restore(&self) {
        // SAFETY: the mask was written by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.restore();
    }
}

/// The recorder's handlers; earlier ones are put back when dropped.
pub struct Handlers(Vec<(i32, libc::sigaction)>);

impl Handlers {
    /// Installs them. They don't restart calls: a wait returns so that the loop can look.
    pub fn install() -> io::Result<Handlers> {
        REQUESTS.store(0, Ordering::Relaxed);
        take_requests().for_each(drop);
        let mut handlers = Handlers(Vec::new());
        for signal in TAKEN {
            // SAFETY: sigaction is plain data; `handle` has the signature of a handler and is
            // async-signal-safe; the pointers are to locals.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut before: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handle as Handler as usize;
                action.sa_flags = libc::SA_SIGINFO;
                libc::sigemptyset(&mut action.sa_mask);
                check(i64::from(libc::sigaction(signal, &action, &mut before)))?;
                handlers.0.push((signal, before));
            }
        }
        Ok(handlers)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        forward_to(0);
        for (signal, before) in &self.0 {
            // SAFETY: `before` was written by sigaction.
            unsafe { libc::sigaction(*signal, before, std::ptr::null_mut()) };
        }
    }
}

/// The value of a timer's signals that interrupt a wait and count for nothing.
const WAKES: usize = 1;

/// A timer that interrupts this thread's waits; stopped when dropped.
#[derive(Debug)]
pub struct Ticker(libc::timer_t);

impl Ticker {
    /// Starts one that ticks once a second. The handlers must be installed: SIGALRM kills by
    /// default.
    pub fn start(_handlers: &Handlers) -> io::Result<Ticker> {
        Ticker::every(Duration::from_secs(1), 0)
    }

    /// Starts another one, beside the first, which counts no ticks.
    pub fn waking(period: Duration) -> io::Result<Ticker> {
        Ticker::every(period, WAKES)
    }

    fn every(period: Duration, value: usize) -> io::Result<Ticker> {
        // SAFETY: the structures are plain data and locals; SIGEV_THREAD_ID with this thread's id
        // sends the signal to no other thread.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGALRM;
            event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(value);
            event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
            let mut timer: libc::timer_t = std::mem::zeroed();
            check(i64::from(libc::timer_create(
                libc::CLOCK_MONOTONIC,
                &mut event,
                &mut timer,
            )))?;
            let ticker = Ticker(timer);
            check(i64::from(ticker.set(period)))?;
            Ok(ticker)
        }
    }

    /// Lets it tick so often from now on. Gives what timer_settime(2) gives.
    pub fn set(&self, period: Duration) -> i32 {
        let time = libc::timespec {
            tv_sec: period.as_secs() as libc::time_t,
            tv_nsec: period.subsec_nanos().into(),
        };
        let period = libc::itimerspec {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: the timer was made by timer_create; the pointers are to a local, and to nothing.
        unsafe { libc::timer_settime(self.0, 0, &period, std::ptr::null_mut()) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: the timer was made by timer_create and is deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// While it lives, a write beyond the limit on file sizes fails, instead of killing this process;
/// dropped, all is as before.
///
/// A handler does it and not `SIG_IGN`, which programs that are started meanwhile would inherit.
pub struct FileSizeLimit(Option<libc::sigaction>);

impl FileSizeLimit {
    /// Installs it, unless the signal is ignored already.
    pub fn survive() -> io::Result<FileSizeLimit> {
        extern "C" fn nothing(_signal: i32) {}
        // SAFETY: sigaction is plain data; `nothing` has the signature of a handler and does
        // nothing; the pointers are to locals.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            let (signal, none) = (libc::SIGXFSZ, std::ptr::null_mut());
            check(i64::from(libc::sigaction(
                signal,
                std::ptr::null(),
                &mut before,
            )))?;
            if before.sa_sigaction == libc::SIG_IGN {
                return Ok(FileSizeLimit(None));
            }
            action.sa_sigaction = nothing as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            check(i64::from(libc::sigaction(signal, &action, none)))?;
            Ok(FileSizeLimit(Some(before)))
        }
    }
}

impl Drop for FileSizeLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: `before` was written by sigaction.
            unsafe { libc::sigaction(libc::SIGXFSZ, before, std::ptr::null_mut()) };
        }
    }
}
