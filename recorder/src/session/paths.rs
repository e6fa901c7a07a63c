//! Which paths a call walks: where from, and whether a link at the end is followed.

use fsreplay_trace::abi::{AT_FDCWD, OpenFlags};
use fsreplay_trace::call::{ArgKind, Call, Last, MAX_ARGS, PathArg};

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
    let one = |arg: PathArg| PathUse {
        kind: arg.path,
        base: row
            .position(arg.base)
            .map(|position| args[position] as i32)
            .filter(|fd| *fd != AT_FDCWD),
        follow: row.last(arg.path, args, OpenFlags::here()) == Last::Followed,
    };
    let mut uses = row.paths().map(one);
    [uses.next(), uses.next()]
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
        assert_eq!(follow(Call::symlink, [0; 6]), Some(false));
        let open = |flags: i32| follow(Call::openat, [3, 0, flags as u64, 0, 0, 0]);
        assert_eq!(open(libc::O_NOFOLLOW), Some(false));
        let made = libc::O_CREAT | libc::O_EXCL;
        assert_eq!(open(made), Some(false));
        // With it the kernel doesn't look at the other two.
        assert_eq!(open(made | libc::O_PATH), Some(true));
    }

    #[test]
    fn bases() {
        let [from, to] = uses(Call::renameat, [-100i64 as u64, 0, 7, 0, 0, 0]);
        assert_eq!(from.and_then(|u| u.base), None);
        assert_eq!(to.and_then(|u| u.base), Some(7));
        let [watched, _] = uses(Call::inotify_add_watch, [5, 0, 0, 0, 0, 0]);
        assert_eq!(watched.and_then(|u| u.base), None);
    }
}
