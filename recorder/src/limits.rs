//! The recorder's own limits: what the tool is limited to need not limit its recorder.

use std::os::fd::RawFd;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// Files per process, size of a file, address space. (Not processor time: it can't be put back once
/// it is used.)
const RAISED: [Resource; 3] = [
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_FSIZE,
    Resource::RLIMIT_AS,
];

/// While it lives, this process's soft limits are its hard ones; dropped, they are as before. What
/// was forked earlier keeps its own.
pub struct Raised(Vec<(Resource, u64, u64)>);

impl Raised {
    /// Raises them, as far as that works.
    pub fn new() -> Raised {
        let raised = RAISED.into_iter().filter_map(|resource| {
            let (soft, hard) = getrlimit(resource).ok()?;
            setrlimit(resource, hard, hard).ok()?;
            Some((resource, soft, hard))
        });
        Raised(raised.collect())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        for (resource, soft, hard) in &self.0 {
            // Lowering is always allowed.
            let _ = setrlimit(*resource, *soft, *hard);
        }
    }
}

/// The most that this process may use of addresses, bytes; `None` without a limit.
pub fn address_space() -> Option<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).ok()?;
    (hard != RLIM_INFINITY).then_some(hard)
}

/// Whether a descriptor that is held for long leaves enough for those that are needed now and then.
pub fn leaves_room(fd: RawFd) -> bool {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let room = (soft / 4).min(64);
    u64::try_from(fd).is_ok_and(|fd| fd < soft - room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_put_back() {
        let before = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        let raised = Raised::new();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        assert_eq!((soft, hard), (before.1, before.1));
        drop(raised);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok(before));
    }
}
