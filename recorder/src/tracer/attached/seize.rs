//! Attaching to all threads of a process, and bringing them to a stop.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use crate::error::RecordError;
use crate::spawn;
use crate::sys::ptrace;

/// A task that doesn't stop for so long waits uninterruptibly, and stops when it is done.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether tasks have stopped.
const PAUSE: Duration = Duration::from_millis(1);

/// Threads of a process that are attached to.
pub struct Seized {
    /// Their process, which is its first thread's number.
    pub main: i32,
    /// All of them.
    pub tids: HashSet<i32>,
    /// Stops that they came to, with their status.
    pub stops: Vec<(i32, i32)>,
}

/// The process that a task is of.
///
/// # Errors
/// If there is none, or it is this one, or another one traces it.
pub fn process_of(pid: i32) -> Result<i32, RecordError> {
    let is_zombie = |state: String| state.starts_with(['Z', 'X']);
    if pid <= 0 || spawn::status_text(pid, "State:").is_none_or(is_zombie) {
        return Err(RecordError::NoProcess { pid });
    }
    let main = spawn::status_field(pid, "Tgid:").ok_or(RecordError::NoProcess { pid })?;
    if u32::try_from(main) == Ok(std::process::id()) {
        return Err(RecordError::Itself { pid });
    }
    match spawn::status_field(pid, "TracerPid:").unwrap_or(0) {
        0 => Ok(main),
        tracer => Err(RecordError::TracedByOther { pid, tracer }),
    }
}

/// Threads of a process.
fn threads(main: i32) -> Vec<i32> {
    let entries = std::fs::read_dir(format!("/proc/{main}/task")).into_iter();
    let names = entries.flatten().flatten().map(|entry| entry.file_name());
    let numbers = names.filter_map(|name| name.to_str()?.parse().ok());
    numbers.collect()
}

/// Attaches to all threads of a process and waits until they stand still.
///
/// # Errors
/// If that is not permitted, or the process is gone.
pub fn seize(main: i32) -> Result<Seized, RecordError> {
    let mut seized = Seized {
        main,
        tids: HashSet::new(),
        stops: Vec::new(),
    };
    // One that isn't attached to yet may make others: until there is none.
    loop {
        let mut is_new = false;
        for tid in threads(main) {
            if seized.tids.contains(&tid) {
                continue;
            }
            match ptrace::seize_other(tid) {
                Ok(()) => {
                    is_new = true;
                    seized.tids.insert(tid);
                    // Gone, if this fails: its end will be told.
                    let _ = ptrace::interrupt(tid);
                }
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                // One that a thread made which is attached to: it is, too, and stops by itself.
                Err(_) if is_own(tid) => {
                    is_new = true;
                    seized.tids.insert(tid);
                }
                Err(source) => return Err(refused(main, source)),
            }
        }
        if !is_new {
            break;
        }
    }
    if seized.tids.is_empty() {
        return Err(RecordError::NoProcess { pid: main });
    }
    wait_for_all(&mut seized)?;
    Ok(seized)
}

fn is_own(tid: i32) -> bool {
    let tracer = spawn::status_field(tid, "TracerPid:");
    tracer.and_then(|tracer| u32::try_from(tracer).ok()) == Some(std::process::id())
}

fn refused(pid: i32, source: io::Error) -> RecordError {
    match source.raw_os_error() {
        Some(libc::ENOSYS | libc::EIO) => RecordError::PtraceMissing { source },
        _ => {
            let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
            let scope = scope.map_or("none".to_owned(), |scope| scope.trim().to_owned());
            RecordError::AttachDenied { pid, scope, source }
        }
    }
}

fn wait_for_all(seized: &mut Seized) -> Result<(), RecordError> {
    let begin = Instant::now();
    let mut moving: HashSet<i32> = seized.tids.clone();
    while !moving.is_empty() && begin.elapsed() < PATIENCE {
        for tid in moving.clone() {
            match ptrace::look_for(tid) {
                Ok(None) => {}
                Ok(Some(status)) => {
                    moving.remove(&tid);
                    seized.stops.push((tid, status));
                }
                Err(_) => {
                    moving.remove(&tid);
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
