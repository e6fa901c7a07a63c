//! Names of flags, commands and errors, to their numbers.

use fsreplay_trace::abi::{self, OpenFlags};

use super::token::inner;

/// A function from names to what the C library has for them, and a list of the same.
macro_rules! numbers {
    ($(#[$doc:meta])* $list:ident $function:ident: $($name:ident)*) => {
        $(#[$doc])*
        const $list: &[(&str, i64)] = &[$((stringify!($name), libc::$name as i64)),*];


        $(#[$doc])*
        fn $function(name: &str) -> Option<i64> {
            Some(match name {
                $(stringify!($name) => libc::$name as i64,)*
                _ => return None,
            })
        }
    };
}

numbers! {
    /// Those that are alike on all architectures and that the C library knows.
    OF_LIBRARY of_library:
    O_RDONLY O_WRONLY O_RDWR O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DSYNC O_SYNC
    O_ASYNC O_NOATIME O_CLOEXEC O_PATH
    S_IFMT S_IFREG S_IFDIR S_IFLNK S_IFCHR S_IFBLK S_IFIFO S_IFSOCK S_ISUID S_ISGID S_ISVTX
    AT_FDCWD AT_SYMLINK_NOFOLLOW AT_REMOVEDIR AT_SYMLINK_FOLLOW AT_EMPTY_PATH AT_EACCESS
    AT_NO_AUTOMOUNT
    F_OK R_OK W_OK X_OK SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE
    RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT
    F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN
    F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_SETLEASE F_GETLEASE F_NOTIFY
    F_DUPFD_CLOEXEC F_SETPIPE_SZ F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS FD_CLOEXEC
    F_RDLCK F_WRLCK F_UNLCK LOCK_SH LOCK_EX LOCK_UN LOCK_NB
    F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE
    PROT_NONE PROT_READ PROT_WRITE PROT_EXEC MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_ANONYMOUS
    MAP_DENYWRITE MAP_EXECUTABLE MAP_GROWSDOWN MAP_NORESERVE MAP_LOCKED MAP_POPULATE MAP_STACK
    MAP_HUGETLB MAP_NONBLOCK MAP_FIXED_NOREPLACE MAP_SYNC MAP_SHARED_VALIDATE
    MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP MS_ASYNC MS_SYNC MS_INVALIDATE
    MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_REMOVE
    MADV_DONTFORK MADV_DOFORK MADV_HWPOISON MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE
    MADV_NOHUGEPAGE MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD
    MADV_PAGEOUT MADV_POPULATE_READ MADV_POPULATE_WRITE
    POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED
    POSIX_FADV_DONTNEED POSIX_FADV_NOREUSE
    FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_ZERO_RANGE
    FALLOC_FL_INSERT_RANGE FALLOC_FL_UNSHARE_RANGE
    SYNC_FILE_RANGE_WAIT_BEFORE SYNC_FILE_RANGE_WRITE SYNC_FILE_RANGE_WAIT_AFTER
    STATX_TYPE STATX_MODE STATX_NLINK STATX_UID STATX_GID STATX_ATIME STATX_MTIME STATX_CTIME
    STATX_INO STATX_SIZE STATX_BLOCKS STATX_BASIC_STATS STATX_BTIME STATX_ALL STATX_MNT_ID
    XATTR_CREATE XATTR_REPLACE UTIME_NOW UTIME_OMIT
    IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE IN_CLOSE IN_OPEN IN_MOVED_FROM
    IN_MOVED_TO IN_MOVE IN_CREATE IN_DELETE IN_DELETE_SELF IN_MOVE_SELF IN_ONLYDIR
    IN_DONT_FOLLOW IN_EXCL_UNLINK IN_MASK_CREATE IN_MASK_ADD IN_ISDIR IN_ONESHOT IN_ALL_EVENTS
    IN_NONBLOCK IN_CLOEXEC
    CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PTRACE CLONE_VFORK CLONE_PARENT
    CLONE_THREAD CLONE_NEWNS CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID CLONE_CHILD_CLEARTID
    CLONE_DETACHED CLONE_UNTRACED CLONE_CHILD_SETTID CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC
    CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_IO CLONE_PIDFD
    AF_UNSPEC AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_ALG AF_VSOCK
    SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_SEQPACKET SOCK_CLOEXEC SOCK_NONBLOCK
    MSG_PEEK MSG_DONTWAIT MSG_TRUNC MSG_WAITALL MSG_NOSIGNAL MSG_CMSG_CLOEXEC MSG_ERRQUEUE
    EPOLL_CLOEXEC EFD_CLOEXEC EFD_NONBLOCK EFD_SEMAPHORE TFD_CLOEXEC TFD_NONBLOCK SFD_CLOEXEC
    SFD_NONBLOCK MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB
    WNOHANG WUNTRACED WCONTINUED WEXITED WSTOPPED WNOWAIT __WALL __WCLONE __WNOTHREAD
    P_ALL P_PID P_PGID P_PIDFD
    FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI
    FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI
    FUTEX_CMP_REQUEUE_PI FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME
    MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT MS_MANDLOCK MS_DIRSYNC
    MS_NOATIME MS_NODIRATIME MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE
    MS_PRIVATE MS_SLAVE MS_SHARED MS_RELATIME MS_STRICTATIME MS_LAZYTIME
    MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW
}

numbers! {
    /// Errors.
    OF_ERRORS of_errors:
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENOMSG ENOSTR ENODATA ETIME ENOLINK EPROTO EBADMSG EOVERFLOW EUSERS ENOTSOCK
    EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
    EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET
    ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTDOWN
    EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY
    EKEYEXPIRED EKEYREVOKED EOWNERDEAD ENOTRECOVERABLE EREMOTEIO EUCLEAN EILSEQ ENOTUNIQ
}

numbers! {
    /// Signals, as an ended task's status has them.
    OF_SIGNALS of_signals:
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2
    SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGIO SIGPWR
    SIGSYS
}

/// Those that the C library doesn't name, with the numbers of the kernel's interface.
const OF_KERNEL: &[(&str, i64)] = &[
    ("RESOLVE_NO_XDEV", 1),
    ("RESOLVE_NO_MAGICLINKS", 2),
    ("RESOLVE_NO_SYMLINKS", 4),
    ("RESOLVE_BENEATH", 8),
    ("RESOLVE_IN_ROOT", 16),
    ("RESOLVE_CACHED", 32),
    ("AT_STATX_SYNC_AS_STAT", 0),
    ("AT_STATX_FORCE_SYNC", 0x2000),
    ("AT_STATX_DONT_SYNC", 0x4000),
    ("CLOSE_RANGE_UNSHARE", abi::CLOSE_RANGE_UNSHARE as i64),
    ("CLOSE_RANGE_CLOEXEC", abi::CLOSE_RANGE_CLOEXEC as i64),
    ("MAP_FILE", 0),
    ("LOCK_MAND", 32),
    ("F_SETSIG", 10),
    ("F_GETSIG", 11),
    ("TCGETS", 0x5401),
    ("TCSETS", 0x5402),
    ("TCSETSW", 0x5403),
    ("TCSETSF", 0x5404),
    ("TIOCSCTTY", 0x540e),
    ("TIOCGPGRP", 0x540f),
    ("TIOCSPGRP", 0x5410),
    ("TIOCGWINSZ", 0x5413),
    ("TIOCSWINSZ", 0x5414),
    ("FIONREAD", 0x541b),
    ("FIONBIO", 0x5421),
    ("TIOCNOTTY", 0x5422),
    ("TCGETS2", 0x802c_542a),
    ("TIOCGPTN", 0x8004_5430),
    ("TIOCSPTLCK", 0x4004_5431),
    ("FIONCLEX", 0x5450),
    ("FIOCLEX", 0x5451),
    ("FIOASYNC", 0x5452),
    ("FICLONE", abi::FICLONE as i64),
    ("FICLONERANGE", abi::FICLONERANGE as i64),
    ("FIDEDUPERANGE", 0xc018_9436),
    ("FS_IOC_GETFLAGS", abi::FS_IOC_GETFLAGS as i64),
    ("FS_IOC_SETFLAGS", abi::FS_IOC_SETFLAGS as i64),
    ("FS_IOC_FSGETXATTR", 0x801c_581f),
    ("FS_IOC_FSSETXATTR", 0x401c_5820),
    ("FS_IOC_FIEMAP", 0xc020_660b),
    ("FS_IOC_GETVERSION", 0x8008_7601),
    ("BLKGETSIZE64", 0x8008_1272),
    ("BLKSSZGET", 0x1268),
    ("ERESTARTSYS", 512),
    ("ERESTARTNOINTR", 513),
    ("ERESTARTNOHAND", 514),
    ("ERESTART_RESTARTBLOCK", 516),
    ("ENOTSUPP", 524),
    ("ENOTSUP", 95),
    ("EWOULDBLOCK", 11),
    ("SIGPOLL", 29),
];

/// The number of an error by its name.
pub fn errno(name: &str) -> Option<i64> {
    of_errors(name).or_else(|| of_kernel(name))
}

/// The number of a signal by its name.
pub fn signal(name: &str) -> Option<i64> {
    of_signals(name).or_else(|| of_kernel(name))
}

fn of_kernel(name: &str) -> Option<i64> {
    let found = OF_KERNEL.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

/// The name of an error by its number.
pub fn errno_name(number: i64) -> Option<&'static str> {
    first_of(OF_ERRORS, number)
}

/// The name of a signal by its number.
pub fn signal_name(number: i64) -> Option<&'static str> {
    first_of(OF_SIGNALS, number)
}

fn first_of(names: &[(&'static str, i64)], number: i64) -> Option<&'static str> {
    let found = names.iter().find(|(_, value)| *value == number);
    found.map(|(name, _)| *name)
}

/// Names that begin so, with what they stand for.
fn that_begin(prefix: &str) -> impl Iterator<Item = (&'static str, i64)> {
    let all = OF_LIBRARY.iter().chain(OF_KERNEL).copied();
    all.filter(move |(name, _)| name.starts_with(prefix))
}

/// The name of a value among those that begin so.
pub fn value_name(prefix: &str, value: i64) -> Option<&'static str> {
    let mut names = that_begin(prefix);
    names.find_map(|(name, known)| (known == value).then_some(name))
}

/// Flags by their names, which begin so; what has none is a number. Without any it is `none`.
pub fn flags(prefix: &str, value: u32, none: &str) -> String {
    let known = that_begin(prefix).map(|(name, bits)| (name, bits as u32));
    joined(known, value, none)
}

/// Flags of which only these are possible.
pub fn flags_of(possible: &[&str], value: u32) -> String {
    let all = OF_LIBRARY.iter().chain(OF_KERNEL).copied();
    let known = all.filter(|(name, _)| possible.contains(name));
    joined(known.map(|(name, bits)| (name, bits as u32)), value, "0")
}

/// The name of a command of `fcntl`.
pub fn fcntl_name(command: i64) -> Option<&'static str> {
    // Others that begin alike are arguments.
    let is_command = |name: &str| !name.ends_with("LCK") && name != "F_OK" && !is_seal(name);
    let mut names = that_begin("F_").filter(|(name, _)| is_command(name));
    names.find_map(|(name, known)| (known == command).then_some(name))
}

fn is_seal(name: &str) -> bool {
    name.starts_with("F_SEAL_")
}

/// The name of a command of `ioctl`.
pub fn ioctl_name(command: i64) -> Option<&'static str> {
    let begins = ["TC", "TIOC", "FI", "FS_IOC_", "BLK"];
    let is_command = |name: &str| begins.iter().any(|begin| name.starts_with(begin));
    let mut names = OF_KERNEL.iter().filter(|(name, _)| is_command(name));
    names.find_map(|(name, known)| (*known == command).then_some(*name))
}

/// Flags of `open` on a machine that has those.
pub fn open_flags(value: u32, open: OpenFlags) -> String {
    let access = match value & abi::O_ACCMODE {
        0 => "O_RDONLY",
        abi::O_WRONLY => "O_WRONLY",
        abi::O_RDWR => "O_RDWR",
        _ => "O_ACCMODE",
    };
    let rest = value & !abi::O_ACCMODE;
    if rest == 0 {
        return access.to_owned();
    }
    let by_architecture = [
        ("O_TMPFILE", abi::O_TMPFILE | open.directory),
        ("O_DIRECTORY", open.directory),
        ("O_DIRECT", open.direct),
        ("O_LARGEFILE", open.large_file),
        ("O_NOFOLLOW", open.no_follow),
    ];
    let alike = that_begin("O_").map(|(name, bits)| (name, bits as u32));
    let names = by_architecture.into_iter().chain(alike);
    format!("{access}|{}", joined(names, rest, "0"))
}

/// Names for all bits of a value, those of several bits first (`O_SYNC` holds `O_DSYNC`).
fn joined(names: impl Iterator<Item = (&'static str, u32)>, mut rest: u32, none: &str) -> String {
    let mut names: Vec<(&str, u32)> = names.filter(|(_, bits)| *bits != 0).collect();
    names.sort_by_key(|(_, bits)| std::cmp::Reverse(bits.count_ones()));
    let mut parts = Vec::new();
    for (name, bits) in names {
        if rest & bits == bits {
            parts.push(name.to_owned());
            rest &= !bits;
        }
    }
    if rest != 0 {
        parts.push(format!("{rest:#x}"));
    }
    if parts.is_empty() {
        none.to_owned()
    } else {
        parts.join("|")
    }
}

/// A name that stands for a number on that architecture.
fn named(name: &str, open: OpenFlags) -> Option<i64> {
    let by_architecture = match name {
        "O_DIRECT" => Some(open.direct),
        "O_LARGEFILE" => Some(open.large_file),
        "O_DIRECTORY" => Some(open.directory),
        "O_NOFOLLOW" => Some(open.no_follow),
        "O_TMPFILE" => Some(abi::O_TMPFILE | open.directory),
        _ => None,
    };
    let plain = by_architecture.map(i64::from).or_else(|| of_library(name));
    plain.or_else(|| of_kernel(name)).or_else(|| {
        // `FUTEX_WAIT_PRIVATE` is two flags.
        let command = name.strip_suffix("_PRIVATE")?;
        let command = of_library(command).filter(|_| command.starts_with("FUTEX_"))?;
        Some(command | libc::FUTEX_PRIVATE_FLAG as i64)
    })
}

/// What a printed number or set of flags stands for; for what isn't known, its name.
pub fn number(token: &[u8], open: OpenFlags) -> Result<i64, &[u8]> {
    let mut token = inner(token);
    if let Some(comment) = super::token::find(token, b"/*") {
        token = token[..comment].trim_ascii_end();
    }
    let mut sum = 0;
    for part in token.split(|b| *b == b'|') {
        sum |= term(part.trim_ascii(), open).ok_or(part)?;
    }
    Ok(sum)
}

fn term(text: &[u8], open: OpenFlags) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(rest) = text.strip_prefix('~') {
        return term(rest.as_bytes(), open).map(|value| !value & i64::from(u32::MAX));
    }
    if let Some((one, other)) = text.split_once("<<") {
        let shift = u32::try_from(term(other.as_bytes(), open)?).ok()?;
        return term(one.as_bytes(), open)?.checked_shl(shift);
    }
    if let Some((one, other)) = text.split_once('*') {
        let factor = term(other.as_bytes(), open)?;
        return term(one.as_bytes(), open)?.checked_mul(factor);
    }
    // One number that has two names: `BTRFS_IOC_CLONE or FICLONE`.
    if let Some((one, other)) = text.split_once(" or ") {
        let other = term(other.as_bytes(), open);
        return other.or_else(|| term(one.as_bytes(), open));
    }
    literal(text).or_else(|| match text {
        "NULL" => Some(0),
        _ => device(text).or_else(|| named(text, open)),
    })
}

/// A number as C has it.
fn literal(text: &str) -> Option<i64> {
    let (digits, minus) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let digits = digits.trim_end_matches(['U', 'L']);
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => {
            u64::from_str_radix(digits, 8).ok()?
        }
        None => digits.parse().ok()?,
    };
    Some(if minus {
        (value as i64).wrapping_neg()
    } else {
        value as i64
    })
}

/// `makedev(0x1, 0x3)`.
fn device(text: &str) -> Option<i64> {
    let inside = text.strip_prefix("makedev(")?.strip_suffix(')')?;
    let (major, minor) = inside.split_once(',')?;
    let part = |text: &str| literal(text.trim()).and_then(|value| u32::try_from(value).ok());
    Some(libc::makedev(part(major)?, part(minor)?) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_in_many_ways() {
        let of = |text: &str| number(text.as_bytes(), OpenFlags::of("x86_64")).ok();
        for (text, value) in [
            ("3", 3),
            ("-1", -1),
            ("0644", 0o644),
            ("0x10", 16),
            ("NULL", 0),
            ("O_RDWR|O_CREAT|O_CLOEXEC|0x40000000", 0x4008_0042),
            ("O_RDONLY|O_DIRECTORY", 0o200_000),
            ("S_IFREG|0644", 0o100_644),
            ("~0U", 0xffff_ffff),
            ("8192*1024", 8 << 20),
            ("1<<20", 1 << 20),
            ("[16] => [2]", 16),
            (
                "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME",
                9 | 128 | 256,
            ),
            ("BTRFS_IOC_CLONE or FICLONE", 0x4004_9409),
            ("SNDCTL_TMR_TIMEBASE or TCGETS", 0x5401),
            ("makedev(0x1, 0x3)", 259),
            ("1700000000 /* 2023-11-14T22:13:20+0000 */", 1_700_000_000),
        ] {
            assert_eq!(of(text), Some(value), "{text}");
        }
        let unknown = number(b"O_RDONLY|O_NEWEST", OpenFlags::here());
        assert_eq!(unknown, Err(&b"O_NEWEST"[..]));
        assert_eq!((errno("ENOENT"), signal("SIGKILL")), (Some(2), Some(9)));
    }
}
