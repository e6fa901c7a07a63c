//! Signals of the recorder itself: handlers that pass on or count, and the once-a-second tick.

use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::check;

/// Process that SIGTERM and SIGHUP are passed on to; 0 for none.
static COMMAND: AtomicI32 = AtomicI32::new(0);
/// Signals that ask for an end, counted.
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// Ticks of the timer.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// The signals that a recording takes over. The terminal sends the first two to the tool itself.
const TAKEN: [i32; 5] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGALRM,
];

extern "C" fn handle(signal: i32) {
    match signal {
        libc::SIGALRM => {
            TICKS.fetch_add(1, Ordering::Relaxed);
        }
        libc::SIGINT | libc::SIGQUIT => {
            REQUESTS.fetch_add(1, Ordering::Relaxed);
        }
        _ => {
            REQUESTS.fetch_add(1, Ordering::Relaxed);
            let command = COMMAND.load(Ordering::Relaxed);
            if command > 0 {
                // SAFETY: kill is async-signal-safe; errno is put back, for the interrupted code may be about to
                // read it.
                unsafe {
                    let errno = errno_location();
                    let before = *errno;
                    libc::kill(command, signal);
                    *errno = before;
                }
            }
        }
    }
}

fn errno_location() -> *mut i32 {
    // SAFETY: always gives the calling thread's own location.
    unsafe { libc::__errno_location() }
}

/// Sets or clears the process that termination signals are passed on to.
pub fn forward_to(pid: i32) {
    COMMAND.store(pid, Ordering::Relaxed);
}

/// How often an end was asked for since the handlers were installed.
pub fn requests() -> u32 {
    REQUESTS.load(Ordering::Relaxed)
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

/// The taken signals blocked in this thread; unblocked when dropped. Held over the fork, so that none is lost between
/// fork and the handlers.
pub struct Blocked(libc::sigset_t);

impl Blocked {
    /// Blocks them.
    pub fn new() -> io::Result<Blocked> {
        // SAFETY: sigset_t is plain data, initialised by sigemptyset before use; all pointers are to locals.
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
        let mut handlers = Handlers(Vec::new());
        for signal in TAKEN {
            // SAFETY: sigaction is plain data; `handle` has the signature of a handler and is
            // async-signal-safe; the pointers are to locals.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut before: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handle as extern "C" fn(i32) as usize;
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

/// A timer that interrupts this thread's waits once a second; stopped when dropped.
pub struct Ticker(libc::timer_t);

impl Ticker {
    /// Starts it. The handlers must be installed: SIGALRM kills by default.
    pub fn start(_handlers: &Handlers) -> io::Result<Ticker> {
        // SAFETY: the structures are plain data and locals; SIGEV_THREAD_ID with this thread's id sends the
        // signal to no other thread.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGALRM;
            event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
            let mut timer: libc::timer_t = std::mem::zeroed();
            check(i64::from(libc::timer_create(
                libc::CLOCK_MONOTONIC,
                &mut event,
                &mut timer,
            )))?;
            let ticker = Ticker(timer);
            let second = libc::timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            let period = libc::itimerspec {
                it_interval: second,
                it_value: second,
            };
            check(i64::from(libc::timer_settime(
                timer,
                0,
                &period,
                std::ptr::null_mut(),
            )))?;
            Ok(ticker)
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: the timer was made by timer_create and is deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}
