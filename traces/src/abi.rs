//! The kernel's interface: what numbers in arguments mean, and where that differs by architecture.
//!
//! A trace holds numbers as the recorded machine had them, which needn't be the one that reads it,
//! so what C libraries define for this machine is no help. Values are those of Linux on x86_64 and
//! aarch64, alike unless a type here is by architecture.

/// An architecture that calls are recorded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    X86_64,
    /// `aarch64`.
    Aarch64,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];
}

/// Numbers of one call; `None` where it doesn't exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// On x86_64.
    pub x86_64: Option<u32>,
    /// On aarch64, as on all architectures without a history.
    pub aarch64: Option<u32>,
}

impl Numbers {
    /// That of one architecture.
    pub fn on(self, architecture: Architecture) -> Option<u32> {
        match architecture {
            Architecture::X86_64 => self.x86_64,
            Architecture::Aarch64 => self.aarch64,
        }
    }
}

/// The working directory, where the descriptor of a directory is asked for.
pub const AT_FDCWD: i32 = -100;
/// A link at the end of the path is meant itself.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `unlinkat` removes a directory.
pub const AT_REMOVEDIR: u32 = 0x200;
/// `linkat` and `name_to_handle_at` follow a link at the end of the path.
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// An empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// The bits of an open's flags that say what may be done with the file.
pub const O_ACCMODE: u32 = 3;
/// It may be written.
pub const O_WRONLY: u32 = 1;
/// It may be read and written.
pub const O_RDWR: u32 = 2;
/// It is made if it isn't there.
pub const O_CREAT: u32 = 0o100;
/// With [`O_CREAT`]: it must not be there.
pub const O_EXCL: u32 = 0o200;
/// A terminal doesn't become the process's own.
pub const O_NOCTTY: u32 = 0o400;
/// Its contents are dropped.
pub const O_TRUNC: u32 = 0o1000;
/// Writes go to its end.
pub const O_APPEND: u32 = 0o2000;
/// Nothing waits.
pub const O_NONBLOCK: u32 = 0o4000;
/// Writes return when the data is stored.
pub const O_DSYNC: u32 = 0o10000;
/// Reads leave the time of access alone.
pub const O_NOATIME: u32 = 0o1000000;
/// The descriptor is closed by exec.
pub const O_CLOEXEC: u32 = 0o2000000;
/// What `memfd_create` has for it.
pub const MFD_CLOEXEC: u32 = 1;
/// What `perf_event_open` has for it.
pub const PERF_FLAG_FD_CLOEXEC: u32 = 8;
/// [`O_DSYNC`] and that of metadata.
pub const O_SYNC: u32 = 0o4000000 | O_DSYNC;
/// The descriptor only stands for the file; of other flags few count.
pub const O_PATH: u32 = 0o10000000;
/// The bit of `O_TMPFILE` that is its own; [`OpenFlags::directory`] is set with it.
pub const O_TMPFILE: u32 = 0o20000000;

/// Flags of `open` that differ between architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFlags {
    /// `O_DIRECT`.
    pub direct: u32,
    /// `O_LARGEFILE`.
    pub large_file: u32,
    /// `O_DIRECTORY`.
    pub directory: u32,
    /// `O_NOFOLLOW`.
    pub no_follow: u32,
}

const GENERIC: OpenFlags = OpenFlags {
    direct: 0o40000,
    large_file: 0o100000,
    directory: 0o200000,
    no_follow: 0o400000,
};

const ARM: OpenFlags = OpenFlags {
    directory: 0o40000,
    no_follow: 0o100000,
    direct: 0o200000,
    large_file: 0o400000,
};

impl OpenFlags {
    /// Those of an architecture by its name in a trace's header; unknown ones are taken for the
    /// generic kind.
    pub fn of(architecture: &str) -> OpenFlags {
        match architecture {
            "aarch64" | "arm" => ARM,
            _ => GENERIC,
        }
    }

    /// Those of this machine.
    pub fn here() -> OpenFlags {
        OpenFlags::of(std::env::consts::ARCH)
    }

    /// Flags of this architecture as `other` writes them.
    pub fn translate(self, other: OpenFlags, flags: u32) -> u32 {
        let pairs = [
            (self.direct, other.direct),
            (self.large_file, other.large_file),
            (self.directory, other.directory),
            (self.no_follow, other.no_follow),
        ];
        let own = pairs.iter().fold(0, |all, (mine, _)| all | mine);
        let moved = pairs
            .iter()
            .filter(|(mine, _)| flags & mine != 0)
            .fold(0, |all, (_, theirs)| all | theirs);
        flags & !own | moved
    }

    /// Whether a file is to be made without a name (`O_TMPFILE`).
    pub fn is_temporary(self, flags: u32) -> bool {
        flags & O_TMPFILE != 0 && flags & self.directory != 0
    }
}

/// The new name must not be there.
pub const RENAME_NOREPLACE: u32 = 1;
/// Both names stay and change places.
pub const RENAME_EXCHANGE: u32 = 2;
/// A mark of an overlay file system stays at the old name.
pub const RENAME_WHITEOUT: u32 = 4;

/// `fcntl`: a new number for a descriptor.
pub const F_DUPFD: u32 = 0;
/// `fcntl`: sets the flags of a descriptor.
pub const F_SETFD: u32 = 2;
/// As [`F_DUPFD`], closed by exec.
pub const F_DUPFD_CLOEXEC: u32 = 1030;

/// `close_range` gives the task a table of its own first.
pub const CLOSE_RANGE_UNSHARE: u32 = 2;
/// `close_range` has exec close them.
pub const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `ioctl`: a file shares the blocks of another.
pub const FICLONE: u32 = 0x4004_9409;
/// `ioctl`: a part of a file does.
pub const FICLONERANGE: u32 = 0x4020_940d;

/// `ioctl`: sets the flags of an inode (`chattr`); `long` behind a pointer.
pub const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
/// `ioctl`: asks for them.
pub const FS_IOC_GETFLAGS: u32 = 0x8008_6601;

/// `mount`: a directory or file gets a second place.
pub const MS_BIND: u32 = 0x1000;
/// `mount`: what is mounted gets another place.
pub const MS_MOVE: u32 = 0x2000;
/// `move_mount`: a link at the end of the path to move to is followed.
pub const MOVE_MOUNT_T_SYMLINKS: u32 = 0x10;
/// `move_mount`: with an empty path to move to, the descriptor leads there.
pub const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
/// `mount`: each of these only changes what a mount may do: `MS_REMOUNT`, `MS_UNBINDABLE`,
/// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
pub const MS_ONLY_FLAGS: u32 = 0x20 | 0x2_0000 | 0x4_0000 | 0x8_0000 | 0x10_0000;

/// `madvise`: the memory may be taken back; the first of the advice on anonymous memory only.
pub const MADV_FREE: u32 = 8;
/// `madvise`: equal pages may be one.
pub const MADV_MERGEABLE: u32 = 12;
/// `madvise`: a fork copies the memory again.
pub const MADV_KEEPONFORK: u32 = 19;

/// `mmap`: of no file.
pub const MAP_ANONYMOUS: u32 = 0x20;

/// Whether what `madvise` is given only concerns anonymous memory or core dumps: [`MADV_FREE`], and
/// [`MADV_MERGEABLE`] up to [`MADV_KEEPONFORK`]. Allocators and runtimes give it all the time.
pub fn is_anonymous_advice(advice: u32) -> bool {
    matches!(advice, MADV_FREE | MADV_MERGEABLE..=MADV_KEEPONFORK)
}

/// `futex`: all of its number but the flags that say whose it is and which clock it goes by.
pub const FUTEX_CMD_MASK: u32 = !(128 | 256);
/// `futex`: wakes some of those that wait.
pub const FUTEX_WAKE: u32 = 1;
/// `futex`: wakes some and has the others wait elsewhere.
pub const FUTEX_REQUEUE: u32 = 3;
/// As [`FUTEX_REQUEUE`], if the value is still the expected one.
pub const FUTEX_CMP_REQUEUE: u32 = 4;
/// `futex`: wakes some of those that wait here and, by a value, there.
pub const FUTEX_WAKE_OP: u32 = 5;
/// `futex`: gives up a lock that inherits priorities.
pub const FUTEX_UNLOCK_PI: u32 = 7;
/// `futex`: wakes those whose bits are named.
pub const FUTEX_WAKE_BITSET: u32 = 10;
/// As [`FUTEX_CMP_REQUEUE`], to a lock that inherits priorities.
pub const FUTEX_CMP_REQUEUE_PI: u32 = 12;

/// `inotify_add_watch`: a link at the end of the path is meant itself.
pub const IN_DONT_FOLLOW: u32 = 0x0200_0000;

/// `clone`: memory is shared.
pub const CLONE_VM: u64 = 0x100;
/// Working directory, root and umask are shared.
pub const CLONE_FS: u64 = 0x200;
/// The new task has a mount namespace of its own.
pub const CLONE_NEWNS: u64 = 0x2_0000;
/// The table of descriptors is shared.
pub const CLONE_FILES: u64 = 0x400;
/// The parent waits until the new task starts a program or ends.
pub const CLONE_VFORK: u64 = 0x4000;
/// The new task is a child of its maker's parent.
pub const CLONE_PARENT: u64 = 0x8000;
/// The new task is of the same process.
pub const CLONE_THREAD: u64 = 0x1_0000;

/// Bytes of the longest path that a kernel takes, the NUL included.
pub const PATH_MAX: usize = 4096;
/// Bytes of the longest name in a directory.
pub const NAME_MAX: usize = 255;
/// Links that the walk of one path follows.
pub const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_translated_both_ways() {
        let x86 = OpenFlags::of("x86_64");
        let arm = OpenFlags::of("aarch64");
        let all = x86.direct | x86.no_follow | O_CREAT | O_CLOEXEC;
        assert_eq!(
            x86.translate(arm, all),
            arm.direct | arm.no_follow | O_CREAT | O_CLOEXEC
        );
        assert_eq!(arm.translate(x86, x86.translate(arm, all)), all);
        assert_eq!(x86.translate(x86, all), all);
    }

    #[test]
    fn a_file_without_a_name_is_one_on_either_architecture() {
        for open in ["x86_64", "aarch64"].map(OpenFlags::of) {
            assert!(open.is_temporary(O_TMPFILE | open.directory | O_RDWR));
            assert!(!open.is_temporary(open.directory));
        }
    }
}
