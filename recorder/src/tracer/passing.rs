//! Tasks that were let go, because the tool itself traces them.
//!
//! The recorder's filter can't be taken off a task, and without its tracer the calls would fail
//! with `ENOSYS`. So such a task has one more filter, whose listener takes precedence, and a thread
//! for each lets all calls be made. The recorder stays until the last of them, and of what they
//! start, has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::spawn;
use crate::sys::listener::Listener;
use crate::sys::seccomp::Instruction;
use crate::sys::signal::{self, Blocked};

/// Between two looks whether any is left, where there is nothing else to wait for.
const PAUSE: Duration = Duration::from_millis(10);

/// What the threads find out.
#[derive(Default)]
struct Seen {
    /// Calls that a recorded task would have stopped at.
    calls: AtomicU64,
    /// Tasks that made them.
    tasks: Mutex<BTreeSet<i32>>,
}

/// A thread that has no listener yet.
pub struct Waiting {
    listener: Sender<(i32, Listener)>,
}

impl Waiting {
    /// Lets calls be made that the listener of a task is asked about, from now on.
    pub fn serve(self, task: i32, listener: Listener) -> io::Result<()> {
        let given = self.listener.send((task, listener));
        given.map_err(|_| io::Error::other("the thread that lets calls pass is gone"))
    }
}

/// All tasks that were let go.
pub struct Passing {
    /// The filter that such a task gets.
    pub filter: Vec<Instruction>,
    threads: Vec<JoinHandle<()>>,
    seen: Arc<Seen>,
}

impl Passing {
    /// None yet.
    pub fn new(filter: Vec<Instruction>) -> Passing {
        Passing {
            filter,
            threads: Vec::new(),
            seen: Arc::default(),
        }
    }

    /// A thread that waits for a listener. It ends where none comes.
    pub fn begin(&mut self) -> io::Result<Waiting> {
        let seen = Arc::clone(&self.seen);
        let (listener, given) = mpsc::channel();
        let serve = move || {
            if let Ok((task, listener)) = given.recv() {
                seen.add(task);
                seen.serve(&listener);
            }
        };
        // Signals must interrupt the wait of the recorder's own thread.
        let _blocked = Blocked::new()?;
        // One that has ended keeps its stack until it is given up.
        self.threads.retain(|thread| !thread.is_finished());
        let builder = Builder::new().name("passing".into());
        self.threads.push(builder.spawn(serve)?);
        Ok(Waiting { listener })
    }

    /// Calls that were let pass since this was asked last.
    pub fn take_calls(&self) -> u64 {
        self.seen.calls.swap(0, Ordering::Relaxed)
    }

    /// Whether none is left.
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Does nothing for a moment, where there is nothing else to wait for.
    pub fn pause() {
        std::thread::sleep(PAUSE);
    }

    /// The processes that are left, and whether each stands still and has no tracer any more.
    pub fn processes(&self) -> BTreeMap<i32, bool> {
        if self.is_over() {
            return BTreeMap::new();
        }
        let mut tasks = self
            .seen
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What is gone is not asked for again.
        tasks.retain(|task| std::fs::exists(format!("/proc/{task}")).unwrap_or(false));
        let processes = tasks.iter();
        processes
            .filter_map(|task| spawn::status_field(*task, "Tgid:"))
            .map(|process| (process, is_stranded(process)))
            .collect()
    }

    /// Kills what is left.
    pub fn kill(&self) {
        for process in self.processes().into_keys() {
            signal::kill(process, libc::SIGKILL);
        }
    }
}

impl Seen {
    /// Lets all calls pass that a listener is asked about, until nobody is left to make any.
    fn serve(&self, listener: &Listener) {
        loop {
            match listener.let_pass() {
                Ok(Some(task)) => {
                    self.calls.fetch_add(1, Ordering::Relaxed);
                    self.add(task);
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "calls of tasks that were let go fail from now on");
                    return;
                }
            }
        }
    }

    fn add(&self, task: i32) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.insert(task);
    }
}

/// Whether a process stands still, and has no tracer.
fn is_stranded(process: i32) -> bool {
    let state = spawn::status_text(process, "State:").unwrap_or_default();
    state.starts_with('T') && spawn::status_field(process, "TracerPid:") == Some(0)
}
