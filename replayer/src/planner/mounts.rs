//! What the tool mounts itself. A replay mounts nothing: what lies below such a mount is another
//! file system, which the replay has none of, so that calls there are not issued. A directory that
//! is bound to a second place (`mount --bind`) is replayed, at its first one. What a mount hides
//! comes back when it is taken away.
//!
//! Mounts of tasks in mount namespaces of their own are not in a trace.

use fsreplay_trace::abi::{MS_BIND, MS_ONLY_FLAGS};
use fsreplay_trace::call::{ArgKind, Last};

use super::actions::flag_bits;
use super::resolve::{End, Walked, walk};
use super::tree::{Kind, MOUNTED, NONE, PSEUDO, SKIPPED};
use super::{Class, Cx, Draft, Planner};

const BELOW: &str = "calls by names below what the tool mounted itself: the replay doesn't mount, so \
    that these, and calls on what they opened, are not issued";
const UNKNOWN: &str = "mounts over the root directory or over places that are not known: what lies \
    below is replayed as if it were not mounted";

/// What lies hidden: the entry, and what it led to before.
#[derive(Default)]
pub(super) struct Mounts(Vec<(u32, u32)>);

impl Planner {
    pub(super) fn mount(&mut self, cx: &Cx) -> Draft {
        let flags = flag_bits(cx);
        if cx.ok() && flags & MS_ONLY_FLAGS == 0 {
            match self.place_named(cx, ArgKind::Path) {
                Some((dent, ino)) if dent != NONE => {
                    let bound = (flags & MS_BIND != 0).then(|| self.bound_directory(cx, ino));
                    let top = bound.flatten().unwrap_or_else(|| self.another(ino, dent));
                    let hidden = self.tree.cover(dent, top);
                    self.mounts.0.push((dent, hidden));
                }
                _ => self.notes.add(UNKNOWN),
            }
        }
        self.nothing(cx, Class::Other)
    }

    pub(super) fn unmount(&mut self, cx: &Cx) -> Draft {
        if cx.ok()
            && let Some((dent, _)) = self.place_named(cx, ArgKind::Path)
            && let Some(last) = self.mounts.0.iter().rposition(|(at, _)| *at == dent)
        {
            let (dent, hidden) = self.mounts.0.remove(last);
            self.tree.cover(dent, hidden);
        }
        self.nothing(cx, Class::Other)
    }

    /// The top of a file system that the replay doesn't have.
    fn another(&mut self, ino: u32, dent: u32) -> u32 {
        let covered = self.tree.inode(ino);
        let (kind, mount) = (covered.kind, covered.mount);
        let top = self.tree.add_inode(kind, PSEUDO | MOUNTED, mount);
        self.tree.inode_mut(top).dent = dent;
        top
    }

    /// A directory that gets a second place (`mount --bind`), if it is replayed: what is done at
    /// the second place is issued at the first.
    fn bound_directory(&mut self, cx: &Cx, over: u32) -> Option<u32> {
        let (_, ino) = self.place_named(cx, ArgKind::Target)?;
        let inode = self.tree.inode(ino);
        let is_replayed = inode.flags & (PSEUDO | SKIPPED) == 0;
        let both = inode.kind == Kind::Directory && self.tree.inode(over).kind == inode.kind;
        (is_replayed && both).then_some(ino)
    }

    /// The entry and the directory or file that a path of such a call names.
    fn place_named(&mut self, cx: &Cx, kind: ArgKind) -> Option<(u32, u32)> {
        let path = cx.tables.string(self.string(cx, kind)?);
        let fs = self.procs.fs(cx.task);
        let (cwd, root) = (fs.cwd_ino, fs.root);
        let passed = &mut self.passed;
        let walked = walk(
            &self.tree,
            cx.tables,
            passed,
            path,
            cwd,
            root,
            Last::Followed,
        );
        let is_there = matches!(walked.end, End::Found | End::Pseudo) && walked.ino != NONE;
        is_there.then_some((walked.dent, walked.ino))
    }

    /// A path led to where nothing is issued: that is told, if the tool mounted it.
    pub(super) fn led_below_mount(&mut self, walked: &Walked) {
        if walked.ino != NONE && self.tree.inode(walked.ino).flags & MOUNTED != 0 {
            self.notes.add(BELOW);
        }
    }
}
