//! Where the recorder finds a path: under a path that the kernel takes, however deep it lies.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::session::world::Spot;

/// Longer paths are gone in steps of at most this many bytes; the kernel takes 4,096.
const STEP: usize = 3072;

/// A path's place, good while it lives.
pub struct OnDisk<'a> {
    path: Cow<'a, [u8]>,
    /// A directory on the way, from which the path goes on.
    _from: Option<File>,
}

impl OnDisk<'_> {
    /// Finds it as the task does.
    pub fn of(spot: &Spot) -> OnDisk<'_> {
        match spot.through {
            None => OnDisk::reach(spot.path.as_slice().into()),
            Some(tid) => {
                let root = format!("/proc/{tid}/root").into_bytes();
                OnDisk::reach([&root, spot.path.as_slice()].concat().into())
            }
        }
    }

    /// The path to look at.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    fn reach(mut path: Cow<'_, [u8]>) -> OnDisk<'_> {
        let mut from: Option<File> = None;
        let mut gone = 0;
        while path.len() > STEP {
            let slash = path[..STEP].iter().rposition(|b| *b == b'/');
            // A name may be longer than a step; then the kernel refuses it.
            let Some(slash) = slash.filter(|slash| *slash > gone) else {
                break;
            };
            let mut open = OpenOptions::new();
            let open = open
                .read(true)
                .custom_flags(libc::O_PATH | libc::O_DIRECTORY);
            // The look itself will say what is wrong.
            let Ok(next) = open.open(OsStr::from_bytes(&path[..slash])) else {
                break;
            };
            let start = format!("/proc/self/fd/{}", next.as_raw_fd()).into_bytes();
            path = [start.as_slice(), &path[slash..]].concat().into();
            gone = start.len();
            from = Some(next);
        }
        OnDisk { path, _from: from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_refused_wherever_it_stands() {
        for below in ["/", "/usr/"] {
            let path = [below.as_bytes(), &[b'n'; 2 * STEP], b"/x"].concat();
            let found = OnDisk::reach(path.into()).path().symlink_metadata();
            let error = found.err().and_then(|error| error.raw_os_error());
            assert_eq!(error, Some(libc::ENAMETOOLONG), "{below}");
        }
    }

    #[test]
    fn a_path_that_is_too_long_for_the_kernel_is_gone_in_steps() {
        let directory = tempfile::tempdir().expect("tempdir");
        let name = "d".repeat(200);
        let mut path = directory.path().to_owned();
        for _ in 0..50 {
            path.push(&name);
            let bytes = path.as_os_str().as_bytes();
            std::fs::create_dir(OnDisk::reach(bytes.into()).path()).expect("made");
        }
        let long = path.as_os_str().as_bytes();
        assert!(long.len() > 2 * 4096);
        assert!(
            OnDisk::reach(long.into())
                .path()
                .symlink_metadata()
                .is_ok_and(|found| found.is_dir())
        );
    }
}
