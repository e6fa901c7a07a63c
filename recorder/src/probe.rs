//! Can a recording be made here, and if not, why.

use crate::error::RecordError;
use crate::session::Memory;
use crate::spawn;
use crate::sys::process::Work;
use crate::sys::ptrace::{self, Stop};
use crate::sys::signal::{self, Blocked};
use crate::tracer::TaskMemory;
use crate::tracer::filter::Rings;

/// What this machine lets the recorder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The filter needs `no_new_privs`: set-user-id programs run without their privilege.
    pub no_new_privs: bool,
    /// A tool's memory is read through /proc (a profile forbids process_vm_readv): a little
    /// slower.
    pub memory_through_proc: bool,
}

/// Records one call of a child to see whether it works. Needs this thread's children to be waited
/// for by no one else.
pub fn probe() -> Result<Capabilities, RecordError> {
    let blocked = Blocked::new().map_err(RecordError::system("pthread_sigmask"))?;
    let mut child = spawn::spawn(Work::Calls(1), Rings::Allowed, None, &blocked)?;
    let pid = child.pid();
    child
        .go()
        .map_err(RecordError::system("write to the child"))?;
    let seen = watch(pid);
    if !matches!(seen, Ok(Seen { ended: true, .. })) {
        signal::kill(pid, libc::SIGKILL);
        let _ = ptrace::wait_for(pid);
    }
    if let Some(source) = child.failure() {
        return Err(RecordError::SeccompMissing { source });
    }
    let seen = seen?;
    seen.capabilities
        .ok_or_else(|| RecordError::SeccompMissing {
            source: std::io::Error::other("a filtered call did not stop"),
        })
}

struct Seen {
    capabilities: Option<Capabilities>,
    ended: bool,
}

fn watch(pid: i32) -> Result<Seen, RecordError> {
    let mut capabilities = None;
    loop {
        let status = ptrace::wait_for(pid).map_err(RecordError::system("waitpid"))?;
        if !libc::WIFSTOPPED(status) {
            return Ok(Seen {
                capabilities,
                ended: true,
            });
        }
        if status >> 16 == libc::PTRACE_EVENT_SECCOMP {
            let info =
                ptrace::syscall_info(pid).map_err(|source| RecordError::KernelTooOld { source })?;
            if matches!(info, Stop::Seccomp { .. }) {
                capabilities = Some(Capabilities {
                    no_new_privs: spawn::status_field(pid, "NoNewPrivs:") == Some(1),
                    memory_through_proc: reads_through_proc(pid),
                });
            }
        }
        ptrace::resume(pid, 0).map_err(RecordError::system("ptrace"))?;
    }
}

/// The child is a fork of this process: any address of ours is one of its.
fn reads_through_proc(pid: i32) -> bool {
    static KNOWN: u8 = 1;
    let memory = TaskMemory::new(pid, false);
    let mut byte = [0];
    memory.read(&raw const KNOWN as u64, &mut byte);
    memory.refused()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_can_record_or_says_why() {
        match super::probe() {
            Ok(_) => {}
            Err(error) => {
                println!("skipped: {error}");
                assert!(std::env::var_os("CI").is_none(), "{error}");
            }
        }
    }
}
