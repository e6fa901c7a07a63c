//! The file that tells a replay directory from anything else of that name, and one in use from a
//! leftover.
//!
//! It is made in the directory before anything else and removed last. The replay holds a `flock` on
//! it, which ends with the process however that ends; the text is written under the lock, so a
//! marker without text says nothing. The text serves where locks don't: file systems without them,
//! and directories that another kernel (a virtual machine's host, the same machine before a
//! restart) has written to.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// Its name in the replay directory.
pub const NAME: &str = "fsreplay.lock";

const HEADING: &str =
    "A replay directory of fsreplay; `fsreplay clean` removes it once its replay is gone.";

/// Longest text that is looked at.
const LONGEST: u64 = 1024;

/// A marker that this process holds.
#[derive(Debug)]
pub struct Marker {
    _file: File,
}

/// What is known of a replay directory's user.
#[derive(Debug, PartialEq, Eq)]
pub enum User {
    /// There is one, or it can't be ruled out, for this reason.
    Living(&'static str),
    /// It can't be told, because it ran under another kernel than this one.
    OtherKernel,
    /// There is none.
    Gone,
}

/// Who holds a marker: enough to find the process again.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    boot: String,
    pid_namespace: u64,
    pid: u32,
    started: u64,
    locked: bool,
}

impl Marker {
    /// Makes the marker in a directory that was just made, locks it and writes its text.
    pub fn create(directory: BorrowedFd<'_>) -> Result<Marker, Errno> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(directory, NAME, flags, Mode::RUSR | Mode::WUSR)?;
        let locked = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok();
        let mut file = File::from(fd);
        let text = Holder::this_process(locked).text();
        let written = file.write_all(text.as_bytes());
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(Marker { _file: file })
    }

    /// The marker of a directory that another replay may have left, locked if nobody else holds it,
    /// and what is known of its user. `None` where there is no such marker of this user.
    pub fn find(
        directory: BorrowedFd<'_>,
        local: bool,
    ) -> Result<Option<(Marker, User)>, std::io::Error> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::openat(directory, NAME, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        let lock = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        let mut text = String::new();
        if let Err(error) = (&mut file).take(LONGEST).read_to_string(&mut text)
            && error.kind() != std::io::ErrorKind::InvalidData
        {
            return Err(error);
        }
        let Some(holder) = Holder::parse(&text) else {
            return Ok(None);
        };
        let user = match lock {
            Err(Errno::WOULDBLOCK) => User::Living("a replay is at work in it"),
            lock => holder.user(&Holder::this_process(true), lock.is_ok(), local),
        };
        Ok(Some((Marker { _file: file }, user)))
    }

    /// Removes the marker's name, so that its directory is like any other.
    pub fn remove(directory: BorrowedFd<'_>) -> Result<(), Errno> {
        match rustix::fs::unlinkat(directory, NAME, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            outcome => outcome,
        }
    }
}

impl Holder {
    fn this_process(locked: bool) -> Holder {
        let pid = std::process::id();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Holder {
            boot: boot.trim().to_owned(),
            pid_namespace: std::fs::metadata("/proc/self/ns/pid").map_or(0, |file| file.ino()),
            pid,
            started: started(pid).unwrap_or(0),
            locked,
        }
    }

    fn text(&self) -> String {
        format!(
            "{HEADING}\nboot {}\npid-namespace {}\npid {}\nstarted {}\nlocked {}\n",
            self.boot, self.pid_namespace, self.pid, self.started, self.locked
        )
    }

    fn parse(text: &str) -> Option<Holder> {
        let mut lines = text.lines();
        if lines.next()? != HEADING {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let holder = Holder {
            boot: value("boot")?.to_owned(),
            pid_namespace: value("pid-namespace")?.parse().ok()?,
            pid: value("pid")?.parse().ok()?,
            started: value("started")?.parse().ok()?,
            locked: value("locked")?.parse().ok()?,
        };
        // Its last line is whole: it was not cut off.
        text.ends_with('\n').then_some(holder)
    }

    /// Whether the holder lives, seen from a process that could (`free`) or couldn't have its lock;
    /// `local` tells that no other kernel can have the file system mounted at the same time.
    fn user(&self, here: &Holder, free: bool, local: bool) -> User {
        if self.boot != here.boot || self.boot.is_empty() {
            return if local { User::Gone } else { User::OtherKernel };
        }
        if self.locked && free {
            return User::Gone;
        }
        if self.pid_namespace != here.pid_namespace || self.pid_namespace == 0 {
            return User::Living(
                "the file system has no locks, and its replay ran in another container",
            );
        }
        match started(self.pid) {
            Some(started) if started == self.started => {
                User::Living("a replay is at work in it, says the process table")
            }
            _ => User::Gone,
        }
    }
}

/// When a process was started, in ticks since the machine was: together with its number that names
/// it.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may hold spaces and parentheses; field 22 is the
    // twentieth after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder::this_process(true)
    }

    #[test]
    fn a_marker_is_read_as_it_was_written_and_not_when_cut_off() {
        let text = holder().text();
        assert_eq!(Holder::parse(&text), Some(holder()));
        assert_ne!(holder().started, 0);
        for end in 0..text.len() {
            assert_eq!(Holder::parse(&text[..end]), None, "{end}");
        }
        assert_eq!(Holder::parse("somebody's own notes\n"), None);
    }

    #[test]
    fn the_lock_decides_under_one_kernel() {
        let other_container = Holder {
            pid_namespace: 1,
            ..holder()
        };
        assert_eq!(other_container.user(&holder(), true, false), User::Gone);
    }

    #[test]
    fn without_locks_the_process_table_decides() {
        let unlocked = Holder {
            locked: false,
            ..holder()
        };
        assert!(matches!(
            unlocked.user(&holder(), true, true),
            User::Living(_)
        ));
        let reused = Holder {
            started: 1,
            ..unlocked
        };
        assert_eq!(reused.user(&holder(), true, true), User::Gone);
        let elsewhere = Holder {
            pid_namespace: 1,
            ..reused
        };
        assert!(matches!(
            elsewhere.user(&holder(), true, true),
            User::Living(_)
        ));
    }

    #[test]
    fn another_kernel_is_gone_only_from_a_local_disk() {
        let elsewhere = Holder {
            boot: "another".into(),
            ..holder()
        };
        assert_eq!(elsewhere.user(&holder(), true, true), User::Gone);
        assert_eq!(elsewhere.user(&holder(), true, false), User::OtherKernel);
    }
}
