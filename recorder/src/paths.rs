//! Which paths a call walks: where from, and whether a link at the end is followed.

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, Op};

/// `AT_FDCWD`.
const AT_FDCWD: i32 = -100;

/// One path of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathUse {
    /// [`ArgKind::Path`] or [`ArgKind::NewPath`].
    pub kind: ArgKind,
    /// The descriptor that a relative path starts from; `None` for the working directory.
    pub base: Option<i32>,
    /// Whether a link at the end is followed.
    pub follow: bool,
}

/// The paths of a call, the first one first.
pub fn of_call(call: Call, args: &[u64; MAX_ARGS]) -> [Option<PathUse>; 2] {
    let row = call.row();
    let value = |kind| row.position(kind).map(|position| args[position]);
    let base = |kind| value(kind).map(|fd| fd as i32).filter(|fd| *fd != AT_FDCWD);
    let first = row.position(ArgKind::Path).map(|_| PathUse {
        kind: ArgKind::Path,
        base: if row.op == Op::Watch {
            None
        } else {
            base(ArgKind::DirFd)
        },
        follow: follows(call, value),
    });
    let second = row.position(ArgKind::NewPath).map(|_| PathUse {
        kind: ArgKind::NewPath,
        base: base(ArgKind::NewDirFd),
        follow: false,
    });
    match (first, second) {
        (None, second) => [second, None],
        both => [both.0, both.1],
    }
}

fn follows(call: Call, value: impl Fn(ArgKind) -> Option<u64>) -> bool {
    let flags = value(ArgKind::Flags).unwrap_or(0) as i32;
    match call.row().op {
        Op::Open => {
            let exclusive = libc::O_CREAT | libc::O_EXCL;
            flags & libc::O_NOFOLLOW == 0 && flags & exclusive != exclusive
        }
        Op::Link | Op::NameToHandle => flags & libc::AT_SYMLINK_FOLLOW != 0,
        Op::ReadLink
        | Op::MakeDir
        | Op::RemoveDir
        | Op::Unlink
        | Op::Rename
        | Op::Symlink
        | Op::MakeNode => false,
        Op::Watch => {
            const IN_DONT_FOLLOW: u64 = 0x0200_0000;
            value(ArgKind::Mask).unwrap_or(0) & IN_DONT_FOLLOW == 0
        }
        Op::Stat | Op::Access | Op::ChangeMode | Op::ChangeOwner | Op::SetTimes | Op::Exec => {
            !matches!(call, Call::lstat | Call::lchown) && flags & libc::AT_SYMLINK_NOFOLLOW == 0
        }
        Op::GetXattr | Op::SetXattr | Op::ListXattr | Op::RemoveXattr => {
            // The flags of setxattr are other ones.
            !matches!(
                call,
                Call::lgetxattr | Call::lsetxattr | Call::llistxattr | Call::lremovexattr
            )
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(call: Call, args: [u64; MAX_ARGS]) -> [Option<PathUse>; 2] {
        of_call(call, &args)
    }

    #[test]
    fn every_call_with_a_path_has_a_use_for_it() {
        for call in Call::all() {
            let wanted = [ArgKind::Path, ArgKind::NewPath]
                .iter()
                .filter(|kind| call.row().position(**kind).is_some())
                .count();
            let found = uses(call, [0; MAX_ARGS]).iter().flatten().count();
            assert_eq!(found, wanted, "{call}");
        }
    }

    #[test]
    fn links_at_the_end() {
        let follow = |call, args| uses(call, args)[0].map(|u| u.follow);
        assert_eq!(follow(Call::stat, [0; 6]), Some(true));
        assert_eq!(follow(Call::lstat, [0; 6]), Some(false));
        assert_eq!(
            follow(Call::newfstatat, [3, 0, 0x100, 0, 0, 0]),
            Some(false)
        );
        let create = (libc::O_CREAT | libc::O_EXCL) as u64;
        assert_eq!(follow(Call::openat, [3, 0, create, 0, 0, 0]), Some(false));
        assert_eq!(
            follow(Call::openat, [3, 0, libc::O_CREAT as u64, 0, 0, 0]),
            Some(true)
        );
        assert_eq!(follow(Call::linkat, [3, 0, 3, 0, 0x400, 0]), Some(true));
        assert_eq!(follow(Call::linkat, [3, 0, 3, 0, 0, 0]), Some(false));
    }

    #[test]
    fn bases() {
        let [from, to] = uses(Call::renameat, [-100i64 as u64, 0, 7, 0, 0, 0]);
        assert_eq!(from.and_then(|u| u.base), None);
        assert_eq!(to.and_then(|u| u.base), Some(7));
    }
}
