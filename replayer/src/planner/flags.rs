//! Flags of `open` that differ between architectures: traces hold those of the recording machine.

/// `O_CREAT`.
pub(crate) const CREATE: u32 = 0o100;
/// `O_EXCL`.
pub(crate) const EXCLUSIVE: u32 = 0o200;
/// `O_TRUNC`.
pub(crate) const TRUNCATE: u32 = 0o1000;
/// `O_APPEND`.
pub(crate) const APPEND: u32 = 0o2000;
/// `O_CLOEXEC`.
pub(crate) const CLOEXEC: u32 = 0o2000000;
/// `O_PATH`.
pub(crate) const PATH: u32 = 0o10000000;
/// The bit of `O_TMPFILE` that is its own.
pub(crate) const TEMPORARY: u32 = 0o20000000;

/// The flags of one architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFlags {
    direct: u32,
    large_file: u32,
    pub(crate) directory: u32,
    pub(crate) no_follow: u32,
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
    /// Those of an architecture by its name in a trace's header; unknown ones are taken for the generic kind.
    pub(crate) fn of(architecture: &str) -> OpenFlags {
        match architecture {
            "aarch64" | "arm" => ARM,
            _ => GENERIC,
        }
    }

    /// Those of this machine.
    pub(crate) fn here() -> OpenFlags {
        OpenFlags::of(std::env::consts::ARCH)
    }

    /// Flags of this architecture as `other` writes them.
    pub(crate) fn translate(self, other: OpenFlags, flags: u32) -> u32 {
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
    pub(crate) fn is_temporary(self, flags: u32) -> bool {
        flags & TEMPORARY != 0 && flags & self.directory != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_translated_both_ways() {
        let x86 = OpenFlags::of("x86_64");
        let arm = OpenFlags::of("aarch64");
        let all = x86.direct | x86.no_follow | CREATE | CLOEXEC;
        assert_eq!(
            x86.translate(arm, all),
            arm.direct | arm.no_follow | CREATE | CLOEXEC
        );
        assert_eq!(arm.translate(x86, x86.translate(arm, all)), all);
        assert_eq!(x86.translate(x86, all), all);
    }

    #[test]
    fn they_are_this_machines() {
        let here = OpenFlags::here();
        assert_eq!(here.directory as i32, libc::O_DIRECTORY);
        assert_eq!(here.no_follow as i32, libc::O_NOFOLLOW);
        assert_eq!(here.direct as i32, libc::O_DIRECT);
        assert_eq!((TEMPORARY | here.directory) as i32, libc::O_TMPFILE);
        assert_eq!(PATH as i32, libc::O_PATH);
    }
}
