//! What a failed call tells of the tree: that something is missing, or that it is something else.

use fsreplay_trace::abi::{O_CREAT, O_EXCL};
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::FileKind;

use super::learn::{Place, Told, World};
use super::tree::{Id, Walk};

impl World {
    /// Learns from a call that failed.
    pub fn failed(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let row = told.call.row();
        let errno = i32::try_from(-told.result).unwrap_or(0);
        // Of two paths, the one that is to be made is in the way.
        let path = match errno {
            libc::EEXIST | libc::ENOTEMPTY => row.paths().last(),
            _ => row.paths().next(),
        };
        let Some(path) = path.map(|arg| arg.path) else {
            return;
        };
        let Some((base, text)) = self.start(place, told, path).filter(|(_, p)| !p.is_empty())
        else {
            return;
        };
        match errno {
            libc::ENOENT => self.missing(base, text, told, path),
            libc::ENOTDIR => self.no_directory(base, text, told),
            libc::EEXIST | libc::EISDIR => {
                let object = self.tree.reach(base, text, errno == libc::EISDIR);
                if row.op == Op::MakeDir || errno == libc::EISDIR {
                    self.is_kind(object, FileKind::Directory);
                }
            }
            libc::ENOTEMPTY => {
                let object = self.tree.reach(base, text, false);
                self.is_kind(object, FileKind::Directory);
                self.holds_something(object);
            }
            libc::ELOOP if !self.follows(told, path) => {
                let object = self.tree.reach(base, text, false);
                self.is_kind(object, FileKind::Symlink);
            }
            libc::EACCES | libc::EPERM if !self.is_root => self.refused(base, text, told, path),
            libc::EINVAL if row.op == Op::ReadLink => {
                self.tree.reach(base, text, false);
            }
            libc::ENODATA
            | libc::ERANGE
            | libc::EOPNOTSUPP
            | libc::EXDEV
            | libc::EBUSY
            | libc::ETXTBSY
            | libc::EROFS
            | libc::ENXIO => {
                let follow = self.follows(told, path);
                self.tree.reach(base, text, follow);
            }
            _ => {}
        }
    }

    /// A name that is looked for in a directory that is there is missing there.
    fn missing(&mut self, base: Id, text: &[u8], told: &Told<'_>, path: ArgKind) {
        // Which of two names was missing isn't told.
        let has_two = told.call.row().paths().count() > 1;
        if has_two || told.made().is_some() {
            return;
        }
        let follow = self.follows(told, path);
        if let Walk::Unknown(dir, name) = self.tree.walk(base, text, follow) {
            let is_directory = self.tree.get(dir).kind == Some(FileKind::Directory);
            if is_directory {
                self.tree.miss(dir, &name);
            }
        }
    }

    /// Something on the way, or at its end, is no directory.
    fn no_directory(&mut self, base: Id, text: &[u8], told: &Told<'_>) {
        let flags = told.flags();
        let asks = match told.call.row().op {
            Op::ChangeDir | Op::RemoveDir => true,
            Op::Open => flags & self.open.directory != 0,
            _ => text.ends_with(b"/"),
        };
        let end = text
            .iter()
            .rposition(|b| *b != b'/')
            .map_or(0, |end| end + 1);
        let text = &text[..end];
        let slash = text.iter().rposition(|b| *b == b'/');
        let text = match slash {
            _ if asks => text,
            Some(slash) if slash > 0 => &text[..slash],
            _ => return,
        };
        let object = self.tree.reach(base, text, true);
        self.is_kind(object, FileKind::File);
    }

    fn is_kind(&mut self, object: Option<Id>, kind: FileKind) {
        if let Some(object) = object {
            self.tree.get_mut(object).taken_for(kind);
        }
    }

    /// A directory isn't empty: if nothing in it is known, there is something that isn't.
    fn holds_something(&mut self, object: Option<Id>) {
        let Some(object) = object else { return };
        let directory = self.tree.get(object);
        let is_known = |entry: &super::tree::Entry| matches!(entry, super::tree::Entry::Is(_));
        if !directory.names.values().any(is_known) {
            self.tree.meet(object, b"~");
        }
    }

    fn refused(&mut self, base: Id, text: &[u8], told: &Told<'_>, path: ArgKind) {
        let flags = told.flags();
        let reads = match told.call.row().op {
            Op::Open => flags & (O_CREAT | O_EXCL) == 0,
            Op::Access => true,
            _ => false,
        };
        if !reads {
            return;
        }
        let follow = self.follows(told, path);
        if let Some(object) = self.tree.reach(base, text, follow) {
            self.tree.get_mut(object).refused = true;
        }
    }
}
