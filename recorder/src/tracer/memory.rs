//! The memory of a stopped task.

use std::cell::Cell;

use crate::session::Memory;
use crate::sys::ptrace;

/// A task's memory: process_vm_readv, or /proc/TID/mem where a profile forbids that.
pub struct TaskMemory {
    tid: i32,
    through_proc: Cell<bool>,
    denied: Cell<bool>,
}

impl TaskMemory {
    /// The memory of a task; `through_proc` if it is known that the first way is forbidden.
    pub fn new(tid: i32, through_proc: bool) -> TaskMemory {
        TaskMemory {
            tid,
            through_proc: Cell::new(through_proc),
            denied: Cell::new(false),
        }
    }

    /// Whether the first way turned out to be forbidden, and the other not.
    pub fn refused(&self) -> bool {
        self.through_proc.get()
    }
}

impl Memory for TaskMemory {
    fn is_denied(&self) -> bool {
        self.denied.get()
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        if self.denied.get() {
            return 0;
        }
        if !self.through_proc.get() {
            let mut refused = false;
            let got = ptrace::read_memory(self.tid, address, buffer, &mut refused);
            if !refused {
                return got;
            }
        }
        match ptrace::read_proc_memory(self.tid, address, buffer) {
            Ok(got) => {
                self.through_proc.set(true);
                got
            }
            Err(error) => {
                // Otherwise it is gone.
                let denied = matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM));
                self.denied.set(denied);
                0
            }
        }
    }
}
