//! What the outcome of a call tells of the tree.

use fsreplay_trace::abi::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, O_ACCMODE, O_EXCL, O_TRUNC, OpenFlags, PATH_MAX,
    RENAME_EXCHANGE,
};
use fsreplay_trace::call::{ArgKind, Call, Last, MAX_ARGS, Made, Op};
use fsreplay_trace::model::FileKind;

use super::decode::{Arg, Args};
use super::files::{self, Description, Table};
use super::status::{self, Status};
use super::token::{self, Fd};
use super::tree::{Entry, Id, Tree, Walk, components};

/// Directories of the kernel's own files.
const PSEUDO: [&[u8]; 3] = [b"/proc", b"/sys", b"/dev"];
const SHARED_MEMORY: &[u8] = b"/dev/shm";

/// A call that has returned.
pub struct Told<'a> {
    /// Which.
    pub call: Call,
    /// Its arguments.
    pub args: &'a Args,
    /// The same as they are printed.
    pub tokens: &'a [&'a [u8]],
    /// A value or `-errno`.
    pub result: i64,
    /// Where a returned descriptor leads (-y).
    pub leads_to: Option<&'a Fd>,
}

impl Told<'_> {
    /// Its flags, with those that the call stands for.
    pub fn flags(&self) -> u32 {
        self.call.row().flags(&self.raw())
    }

    /// Arguments as a trace has them, texts left out.
    pub fn raw(&self) -> [u64; MAX_ARGS] {
        let mut raw = [0; MAX_ARGS];
        for (kind, arg) in &self.args.0 {
            if let (Arg::Number(number), Some(at)) = (arg, self.call.row().position(*kind)) {
                raw[at] = *number as u64;
            }
        }
        raw
    }

    /// The name that it makes if it goes well.
    pub fn made(&self) -> Option<Made> {
        self.call.row().made(&self.raw())
    }

    /// A number among its arguments; 0, if that isn't told.
    pub fn number(&self, kind: ArgKind) -> i64 {
        self.args.number(kind).unwrap_or(0)
    }

    /// The structure that a call gave back.
    fn structure(&self) -> Option<&[u8]> {
        let found = self
            .tokens
            .iter()
            .rev()
            .find(|token| token.starts_with(b"{"));
        found.copied()
    }
}

/// Who makes a call.
pub struct Place<'a> {
    /// The working directory.
    pub cwd: Id,
    /// The descriptors.
    pub table: &'a Table,
}

/// What is known of the tree and of what is open.
pub struct World {
    /// The tree.
    pub tree: Tree,
    /// Open file descriptions.
    pub descriptions: Vec<Description>,
    /// Flags of `open` as they are in the log.
    pub open: OpenFlags,
    /// Whether the tool may do everything.
    pub is_root: bool,
    /// Calls whose path starts from a directory that isn't known.
    pub lost: u64,
}

impl World {
    /// What a call is about.
    pub(super) fn object(
        &mut self,
        place: &Place<'_>,
        told: &Told<'_>,
        kind: ArgKind,
    ) -> Option<Id> {
        let fd = told.args.number(kind)?;
        self.behind(place, fd as i32, told)
    }

    /// What is open under a number. What isn't known may be printed.
    pub fn behind(&mut self, place: &Place<'_>, fd: i32, told: &Told<'_>) -> Option<Id> {
        if let Some(known) = place.table.get(fd) {
            return self.descriptions[known.description].object;
        }
        let printed = told.tokens.iter().find_map(|token| {
            let printed = token::fd(token).filter(|printed| printed.number == fd)?;
            printed.path().map(<[u8]>::to_vec)
        })?;
        self.canonical(&printed)
    }

    /// What lies at a path that has no links in it.
    pub(super) fn canonical(&mut self, path: &[u8]) -> Option<Id> {
        if is_pseudo(path) {
            return None;
        }
        self.tree.reach(Id::ROOT, path, false)
    }

    /// The directory that a path starts from, and the path; `None` where nothing can be learned.
    pub(super) fn start<'p>(
        &mut self,
        place: &Place<'_>,
        told: &'p Told<'_>,
        kind: ArgKind,
    ) -> Option<(Id, &'p [u8])> {
        let path = told.args.text(kind).filter(|path| path.len() < PATH_MAX)?;
        if path.first() == Some(&b'/') {
            return (!is_pseudo(path)).then_some((Id::ROOT, path));
        }
        let of_kind = told.call.row().paths().find(|arg| arg.path == kind)?;
        let fd = told.args.number(of_kind.base).unwrap_or(AT_FDCWD.into()) as i32;
        if fd == AT_FDCWD {
            return Some((place.cwd, path));
        }
        let found = self.behind(place, fd, told);
        self.lost += u64::from(found.is_none() && place.table.get(fd).is_none());
        found.map(|base| (base, path))
    }

    pub(super) fn follows(&self, told: &Told<'_>, kind: ArgKind) -> bool {
        let last = told.call.row().last(kind, &told.raw(), self.open);
        last == Last::Followed
    }

    /// What a path leads to that a call has found.
    fn found(&mut self, place: &Place<'_>, told: &Told<'_>, kind: ArgKind) -> Option<Id> {
        let (base, path) = self.start(place, told, kind)?;
        if path.is_empty() {
            let is_self = told.flags() & AT_EMPTY_PATH != 0;
            return is_self.then_some(base);
        }
        let follow = self.follows(told, kind);
        self.tree.reach(base, path, follow)
    }

    /// What a path of a call leads to.
    pub fn reached(&mut self, place: &Place<'_>, told: &Told<'_>) -> Option<Id> {
        self.found(place, told, ArgKind::Path)
    }

    /// Learns from a call that went well.
    pub fn succeeded(&mut self, place: &Place<'_>, told: &Told<'_>) {
        match told.call.row().op {
            Op::Stat => {
                let object = self.found(place, told, ArgKind::Path);
                self.status(object, told);
            }
            Op::FdStat => {
                let object = self.object(place, told, ArgKind::Fd);
                self.status(object, told);
            }
            Op::ReadLink => self.read_link(place, told),
            Op::MakeDir | Op::MakeNode | Op::Symlink => self.made(place, told),
            Op::Unlink | Op::RemoveDir => self.removed(place, told),
            Op::Rename => self.renamed(place, told),
            Op::Link => self.linked(place, told),
            Op::Exec | Op::Access => {
                let object = self.found(place, told, ArgKind::Path);
                let asks = told.number(ArgKind::Mode) as i32 & libc::X_OK != 0;
                if let Some(object) = object.map(|object| self.tree.get_mut(object)) {
                    let is_exec = told.call.row().op == Op::Exec;
                    object.runs |= is_exec || asks;
                    if is_exec {
                        object.taken_for(FileKind::File);
                    }
                }
            }
            Op::ChangeMode | Op::ChangeOwner | Op::SetTimes => {
                let object = self.found(place, told, ArgKind::Path);
                self.altered(object);
            }
            Op::FdChangeMode | Op::FdChangeOwner | Op::FdSetTimes => {
                let object = self.object(place, told, ArgKind::Fd);
                self.altered(object);
            }
            Op::Truncate => {
                let object = self.found(place, told, ArgKind::Path);
                self.changed(object);
            }
            Op::FdTruncate | Op::Allocate => {
                let object = self.object(place, told, ArgKind::Fd);
                self.changed(object);
            }
            _ if told.call.row().position(ArgKind::Path).is_some() => {
                self.found(place, told, ArgKind::Path);
            }
            _ => {}
        }
    }

    fn altered(&mut self, object: Option<Id>) {
        if let Some(object) = object {
            self.tree.get_mut(object).altered = true;
        }
    }

    fn changed(&mut self, object: Option<Id>) {
        if let Some(object) = object {
            files::changed(&mut self.tree, object);
        }
    }

    /// What a call opened; it becomes a description.
    pub fn opened(&mut self, place: &Place<'_>, told: &Told<'_>) -> Option<Id> {
        let flags = told.flags();
        let canonical = told.leads_to.and_then(Fd::path);
        if canonical.is_some_and(is_pseudo) || self.open.is_temporary(flags) {
            return None;
        }
        let (base, path) = self.start(place, told, ArgKind::Path)?;
        let follow = self.follows(told, ArgKind::Path);
        let creates = told.made().is_some();
        let known = matches!(self.tree.walk(base, path, follow), Walk::At(_));
        let object = match canonical {
            Some(canonical) if !creates || known => self.led_to(base, path, follow, canonical),
            _ if creates && !known => self.created(base, path, flags),
            _ => self.tree.reach(base, path, follow),
        }?;
        let opened = self.tree.get_mut(object);
        if flags & self.open.directory != 0 {
            opened.taken_for(FileKind::Directory);
        }
        if flags & O_ACCMODE != 0 {
            opened.taken_for(FileKind::File);
        }
        if flags & O_TRUNC != 0 {
            opened.changed = true;
        }
        Some(object)
    }

    /// A file that may have been there: without `O_EXCL` nothing tells, and later calls may.
    fn created(&mut self, base: Id, path: &[u8], flags: u32) -> Option<Id> {
        let (dir, name) = self.tree.place(base, path)?;
        let known = self.tree.get(dir).names.get(&name).copied();
        if let Some(Entry::Is(id)) = known {
            return Some(id); // a link that leads nowhere yet
        }
        if flags & O_EXCL != 0 {
            self.tree.miss(dir, &name);
        }
        let id = self.tree.make(dir, &name, FileKind::File);
        if flags & O_EXCL == 0 && known.is_none() {
            let object = self.tree.get_mut(id);
            object.changed = flags & O_TRUNC != 0;
            object.maybe = Some((dir, name));
        }
        Some(id)
    }

    /// A path led to another one: there are links on the way.
    fn led_to(&mut self, base: Id, path: &[u8], follow: bool, canonical: &[u8]) -> Option<Id> {
        let real = self.canonical(canonical)?;
        match self.tree.walk(base, path, follow) {
            Walk::At(id) if id == real => return Some(real),
            // The descriptor's name is where it was when it was printed.
            Walk::At(id) if self.tree.get(id).home.is_none() => return Some(id),
            _ => {}
        }
        let is_plain = !components(path).any(|name| matches!(name, b"." | b".."));
        if is_plain && base == Id::ROOT && self.link_on_the_way(path, canonical) {
            return Some(real);
        }
        let (dir, name) = self.tree.place(base, path)?;
        if !self.tree.get(dir).names.contains_key(&name) {
            let link = self.tree.meet(dir, &name);
            if link != real {
                self.make_link(link, canonical);
            }
        }
        Some(real)
    }

    /// Where both paths end alike, what is before that is a link, if nothing says otherwise.
    fn link_on_the_way(&mut self, path: &[u8], canonical: &[u8]) -> bool {
        let given: Vec<&[u8]> = components(path).collect();
        let real: Vec<&[u8]> = components(canonical).collect();
        let pairs = given.iter().rev().zip(real.iter().rev());
        let alike = pairs.take_while(|(one, other)| one == other).count();
        // `/lib` and `/usr/lib` end alike as well, and are the link and what it leads to.
        let alike = alike.min(given.len().saturating_sub(1));
        let (Some(link), Some(target)) = (
            given.len().checked_sub(alike).filter(|left| *left > 0),
            real.len().checked_sub(alike).filter(|left| *left > 0),
        ) else {
            return false;
        };
        let join = |names: &[&[u8]]| [b"/", &names.join(&b"/"[..])[..]].concat();
        let at = join(&given[..link]);
        let is_new = !matches!(self.tree.walk(Id::ROOT, &at, false), Walk::At(_));
        let Some((dir, name)) = self.tree.place(Id::ROOT, &at).filter(|_| is_new) else {
            return false;
        };
        let link = self.tree.meet(dir, &name);
        self.make_link(link, &join(&real[..target]));
        true
    }

    fn make_link(&mut self, id: Id, target: &[u8]) {
        let object = self.tree.get_mut(id);
        object.kind = Some(FileKind::Symlink);
        object.size = object.size.or(Some(target.len() as u64));
        object.target = Some((target.into(), true));
    }

    fn status(&mut self, object: Option<Id>, told: &Told<'_>) {
        let status = told.structure().map(|token| status::read(token, self.open));
        let (Some(object), Some(status)) = (object, status) else {
            return;
        };
        let known = self.tree.get(object).kind;
        let is_link = status.kind == Some(FileKind::Symlink);
        if is_link && known.is_some_and(|kind| kind != FileKind::Symlink) {
            self.tree.turn_into_link(object, None, status.size);
        } else {
            learn_status(&mut self.tree, object, &status);
        }
    }

    fn read_link(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let Some(link) = self.found(place, told, ArgKind::Path) else {
            return;
        };
        let mut texts = told.tokens.iter().filter_map(|token| token::string(token));
        let room = told.number(ArgKind::Length);
        let text = texts.next_back().map(|text| {
            let whole = !text.cut && (text.bytes.len() as i64) < room;
            (text.bytes.into(), whole)
        });
        let size = u64::try_from(told.result).ok();
        let object = self.tree.get_mut(link);
        match object.kind {
            None | Some(FileKind::Symlink) => {
                object.kind = Some(FileKind::Symlink);
                if object.target.is_none() {
                    object.size = object.size.or(size);
                    object.target = text;
                }
            }
            Some(_) => self.tree.turn_into_link(link, text, size),
        }
    }

    fn made(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let Some(made) = told.made() else { return };
        let Some((dir, name)) = self.place_of(place, told, made.path) else {
            return;
        };
        let op = told.call.row().op;
        let kind = match op {
            Op::MakeDir => FileKind::Directory,
            Op::Symlink => FileKind::Symlink,
            _ => FileKind::of_made(told.number(ArgKind::Mode) as u32),
        };
        self.tree.miss(dir, &name);
        let made = self.tree.make(dir, &name, kind);
        if op == Op::Symlink {
            let text = told.args.text(ArgKind::Target).unwrap_or_default();
            self.make_link(made, text);
        }
    }

    fn place_of(
        &mut self,
        place: &Place<'_>,
        told: &Told<'_>,
        kind: ArgKind,
    ) -> Option<(Id, Box<[u8]>)> {
        let (base, path) = self.start(place, told, kind)?;
        self.tree.place(base, path)
    }

    fn removed(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let Some((dir, name)) = self.place_of(place, told, ArgKind::Path) else {
            return;
        };
        let gone = self.tree.meet(dir, &name);
        if told.flags() & AT_REMOVEDIR != 0 {
            self.tree.get_mut(gone).taken_for(FileKind::Directory);
        }
        self.tree.put(dir, &name, Entry::Absent);
    }

    fn renamed(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let from = self.place_of(place, told, ArgKind::Path);
        let to = self.place_of(place, told, ArgKind::NewPath);
        let from = from.map(|(dir, name)| (dir, self.tree.meet(dir, &name), name));
        let exchanges = told.flags() & RENAME_EXCHANGE != 0;
        match (from, to) {
            (Some((dir, moved, name)), Some((to_dir, to_name))) => {
                let there = if exchanges {
                    Entry::Is(self.tree.meet(to_dir, &to_name))
                } else {
                    Entry::Absent
                };
                self.tree.put(dir, &name, there);
                self.tree.put(to_dir, &to_name, Entry::Is(moved));
            }
            (Some((dir, _, name)), None) => self.tree.put(dir, &name, Entry::Absent),
            (None, Some((dir, name))) => {
                self.tree.make(dir, &name, FileKind::File);
            }
            (None, None) => {}
        }
    }

    fn linked(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let object = self.found(place, told, ArgKind::Path);
        let to = self.place_of(place, told, ArgKind::NewPath);
        if let (Some(object), Some((dir, name))) = (object, to) {
            self.tree.miss(dir, &name);
            let parent = self.tree.get(object).parent;
            self.tree.put(dir, &name, Entry::Is(object));
            self.tree.get_mut(object).parent = parent;
        }
    }
}

/// Fills in what isn't known yet and can't have been changed by the tool.
fn learn_status(tree: &mut Tree, id: Id, status: &Status) {
    // An open that could have made it found it with contents.
    if !tree.get(id).changed && status.size.is_some_and(|size| size > 0) {
        tree.was_there(id);
    }
    let object = tree.get_mut(id);
    if object.home.is_none() {
        return;
    }
    object.kind = status.kind.or(object.kind);
    if !object.changed {
        object.size = object.size.or(status.size);
    }
    if !object.altered {
        object.mode = object.mode.or(status.mode);
        object.owner = object.owner.or(status.owner);
        object.inode = object.inode.or(status.inode);
        if !object.changed {
            object.mtime = object.mtime.or(status.mtime);
        }
    }
}

/// Whether a path lies where the kernel's own files are.
pub fn is_pseudo(path: &[u8]) -> bool {
    let below = |dir: &[u8]| {
        let rest = path.strip_prefix(dir);
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    PSEUDO.iter().any(|dir| below(dir)) && !below(SHARED_MEMORY)
}
