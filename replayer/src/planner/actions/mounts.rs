//! Calls that mount: what they do to the model. None is issued.

use fsreplay_trace::abi::{AT_FDCWD, MOVE_MOUNT_T_EMPTY_PATH, MS_BIND, MS_MOVE, MS_ONLY_FLAGS};
use fsreplay_trace::call::{ArgKind, Last};

use super::super::land::resolve::{End, walk};
use super::super::land::tree::NONE;
use super::super::{Class, Cx, Draft, Planner};

const PIVOTED: &str = "changes of a mount namespace's root directory (pivot_root): what lies below \
    it is replayed as if nothing were mounted";

impl Planner {
    pub(super) fn mount(&mut self, cx: &Cx) -> Draft {
        let flags = cx.flags();
        if cx.ok() && flags & MS_ONLY_FLAGS == 0 {
            let over = self.place_named(cx, ArgKind::Path);
            let top = match over {
                Some(_) if flags & MS_MOVE != 0 => self.moved_from(cx),
                Some((_, covered)) if flags & MS_BIND != 0 => {
                    let bound = self.place_named(cx, ArgKind::Target);
                    bound.and_then(|(_, ino)| self.land.bound_directory(ino, covered))
                }
                Some(_) | None => None,
            };
            self.land.lie_over(over, top, &mut self.tally.notes);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// What `fsmount` or `open_tree` made gets a place, or what has one gets another.
    pub(super) fn move_mount(&mut self, cx: &Cx) -> Draft {
        if cx.ok() {
            let over = self.place_named(cx, ArgKind::Path);
            let top = over.and_then(|_| self.moved_from(cx));
            self.land.lie_over(over, top, &mut self.tally.notes);
        }
        Draft::nothing(cx, Class::Other)
    }

    pub(super) fn unmount(&mut self, cx: &Cx) -> Draft {
        if cx.ok()
            && let Some((dent, _)) = self.place_named(cx, ArgKind::Path)
        {
            self.land.mounts.take(&mut self.land.tree, dent);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// What the root directory of the namespace is then is in no trace. Names below it are taken
    /// for what they were, and mounts would be in the way of these.
    pub(super) fn pivot_root(&mut self, cx: &Cx) -> Draft {
        if cx.ok() {
            self.land.mounts.clear(&mut self.land.tree);
            self.tally.note(PIVOTED);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// Takes what is moved away from where it lay, if that is known.
    fn moved_from(&mut self, cx: &Cx) -> Option<u32> {
        let (dent, _) = self.place_named(cx, ArgKind::Target)?;
        self.land.mounts.take(&mut self.land.tree, dent)
    }

    /// The entry and the directory or file that a path of such a call names.
    fn place_named(&mut self, cx: &Cx, kind: ArgKind) -> Option<(u32, u32)> {
        let path = cx.tables.string(cx.string(kind)?);
        let fs = self.holdings.procs.fs(cx.task);
        let (mut start, root) = (fs.cwd_ino, fs.root);
        let fd = cx.event.fd(ArgKind::DirFd).filter(|fd| *fd != AT_FDCWD);
        if kind == ArgKind::Path
            && let Some(fd) = fd
        {
            let handle = self
                .holdings
                .procs
                .table(cx.task)
                .get(fd, cx.horizon)?
                .handle;
            self.holdings.fds.handle(handle).slot()?;
            start = self.holdings.fds.description(handle).ino;
            if path.is_empty() && cx.flags() & MOVE_MOUNT_T_EMPTY_PATH != 0 && start != NONE {
                return Some((self.land.tree.inode(start).dent, start));
            }
        }
        let last = match kind {
            ArgKind::Path => self.setting.dialect.last(cx.event, kind),
            _ => Last::Followed,
        };
        let passed = &mut self.paths.passed;
        let walked = walk(&self.land.tree, cx.tables, passed, path, start, root, last);
        let is_there = matches!(walked.end, End::Found | End::Pseudo) && walked.ino != NONE;
        is_there.then_some((walked.dent, walked.ino))
    }
}
