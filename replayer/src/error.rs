//! What can go wrong with a replay. A divergence is a result, not an error.

use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

/// Why a replay can't be done.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The target is not usable; nothing was changed.
    #[error("target {}: {reason}", target.display())]
    Target {
        /// The directory asked for.
        target: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The tree could not be made or removed.
    #[error("{operation} {}", path.display())]
    Tree {
        /// What was being done.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The target failed while a replay was at work in it: what the replay found isn't the tool's
    /// doing.
    #[error("target {} failed while a replay was at work in it: {what}", target.display())]
    Failed {
        /// The directory asked for.
        target: PathBuf,
        /// In which way.
        what: &'static str,
        /// The system's error, if there was one.
        #[source]
        source: Option<std::io::Error>,
    },
    /// A replay's directory, or a part of it, could not be removed.
    #[error(
        "removing {}: {source}; what is left of it is removed by `fsreplay clean {}` when that \
         works again",
        path.display(), target.display()
    )]
    Left {
        /// The replay's directory.
        path: PathBuf,
        /// The target that it lies in.
        target: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Something of the process itself.
    #[error("{operation}")]
    Process {
        /// What was being done.
        operation: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The plan doesn't hold together.
    #[error("the plan can't be executed: {0}")]
    Plan(String),
    /// The user has asked to stop.
    #[error("stopped; the replayed tree was removed, unless a warning says otherwise")]
    Cancelled,
    /// No lane got on for a long time.
    #[error("the replay stands still: lane {lane} waits for operation {done} of lane {other}")]
    Stalled {
        /// Who waits.
        lane: usize,
        /// For whom.
        other: u32,
        /// For what.
        done: u32,
    },
}

impl ReplayError {
    /// Whether the target is to blame (exit status 4).
    pub fn is_target(&self) -> bool {
        matches!(self, ReplayError::Target { .. })
    }

    /// What to do about the system's error that it comes from, if that says more than its name.
    pub fn advice(&self) -> Option<&'static str> {
        if let ReplayError::Tree { source, .. } = self
            && source.kind() == std::io::ErrorKind::NotFound
        {
            return Some("while a replay is at work in its directory, something else removes it");
        }
        let source = match self {
            ReplayError::Tree { source, .. }
            | ReplayError::Process { source, .. }
            | ReplayError::Left { source, .. } => Some(source),
            ReplayError::Failed { source, .. } => source.as_ref(),
            ReplayError::Target { .. }
            | ReplayError::Plan(_)
            | ReplayError::Cancelled
            | ReplayError::Stalled { .. } => None,
        };
        advice(Errno::from_io_error(source?)?)
    }
}

/// Whether a call that gives this tells of a file system that fails, not of what it was asked.
pub(crate) fn is_failing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::IO | Errno::ROFS | Errno::BADMSG | Errno::UCLEAN | Errno::REMOTEIO | Errno::NODEV
    ) || is_gone(errno)
}

/// Whether it tells of a mount whose other side is gone, so that no call will go well.
pub(crate) fn is_gone(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOTCONN
            | Errno::CONNABORTED
            | Errno::SHUTDOWN
            | Errno::STALE
            | Errno::HOSTDOWN
            | Errno::TIMEDOUT
    )
}

fn advice(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::IO | Errno::BADMSG | Errno::UCLEAN | Errno::REMOTEIO => {
            "the file system or what is below it fails; the kernel's log says more (dmesg)"
        }
        Errno::ROFS => {
            "the file system is read-only now; the kernel makes it so after errors (dmesg)"
        }
        errno if is_gone(errno) => {
            "the server behind the mount has ended or doesn't answer; mount it anew"
        }
        Errno::NOSPC => {
            "no blocks or no inodes are left there (df, df -i); make room, or take another target"
        }
        Errno::DQUOT => "the quota there is used up; make room, or take another target",
        Errno::FBIG => "files may not be so large there, or the limit on them is low (ulimit -f)",
        Errno::MFILE | Errno::NFILE => "the limit on open files is low (ulimit -n)",
        Errno::AGAIN => "the limit on processes is low (ulimit -u, or --pids-limit of a container)",
        Errno::NOMEM => "there is too little memory, or the limit on it is low (ulimit -v)",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_a_failing_target_comes_with_advice() {
        for number in 1..134 {
            let errno = Errno::from_raw_os_error(number);
            // No device: the name says it.
            let advised = advice(errno).is_some() || errno == Errno::NODEV;
            assert!(!is_failing(errno) || advised, "{errno:?}");
        }
    }
}
