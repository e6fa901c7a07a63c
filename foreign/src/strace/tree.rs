//! What was there, as far as outcomes tell: a model of the tree that follows the calls.
//!
//! Something that is met and that no call has made was there from the start. Names move and go as
//! calls say; where something was at the start, is kept.

use std::collections::HashMap;

use fsreplay_trace::abi::MAX_LINKS;
use fsreplay_trace::model::FileKind;

/// Something in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub u32);

impl Id {
    /// The root directory.
    pub const ROOT: Id = Id(0);
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Absent,
    /// This.
    Is(Id),
}

/// What is known of the names of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Names in it at the start, `.` and `..` left out.
    pub entries: i64,
    /// Bytes that those take which nothing else has named by then.
    pub bytes: i64,
    /// The log has all names: there are no others.
    pub complete: bool,
}

/// A file, directory or whatever there is.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Where it was at the start; `None` for what a call made.
    pub home: Option<(Id, Box<[u8]>)>,
    /// Where it may have been at the start: an open has made it, or found it there.
    pub maybe: Option<(Id, Box<[u8]>)>,
    /// The directory that it is in now.
    pub parent: Option<Id>,
    /// Its type, if that is known.
    pub kind: Option<FileKind>,
    /// Its size at the start, if that is known.
    pub size: Option<u64>,
    /// It was at least so large.
    pub at_least: u64,
    /// The tool has changed its contents: what is told later isn't what it was.
    pub changed: bool,
    /// Its contents were read.
    pub read: bool,
    /// It was run, or asked whether it can be.
    pub runs: bool,
    /// Its permissions at the start.
    pub mode: Option<u32>,
    /// Permissions or owner were changed.
    pub altered: bool,
    /// The user was refused.
    pub refused: bool,
    /// Its owner and group.
    pub owner: Option<(u32, u32)>,
    /// When it was changed last.
    pub mtime: Option<i64>,
    /// Device and inode, if it has several names.
    pub inode: Option<(u64, u64)>,
    /// The text of a link, with whether the log has all of it.
    pub target: Option<(Box<[u8]>, bool)>,
    /// What is known of its names.
    pub names: HashMap<Box<[u8]>, Entry>,
    /// What its first listing told.
    pub listed: Option<Listed>,
}

impl Object {
    /// Something tells that it is of that type. What was told before stands.
    pub fn taken_for(&mut self, kind: FileKind) {
        self.kind.get_or_insert(kind);
    }
}

/// Where the walk of a path ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Walk {
    /// At something.
    At(Id),
    /// At the last name of the path, of which nothing is known, in a directory that is there.
    Unknown(Id, Box<[u8]>),
    /// A name on the way or at the end is known to lead nowhere, or nobody knows.
    Nowhere,
}

/// The tree.
pub struct Tree {
    objects: Vec<Object>,
    /// Names that were missing at the start, where something was looked for.
    pub absent: Vec<(Id, Box<[u8]>)>,
    /// Things that came without a call.
    pub appeared: u64,
    /// Names made up for links whose text isn't known.
    invented: u32,
}

impl Tree {
    /// With nothing known but the root.
    pub fn new() -> Tree {
        let root = Object {
            kind: Some(FileKind::Directory),
            home: Some((Id::ROOT, Box::default())),
            ..Object::default()
        };
        Tree {
            objects: vec![root],
            absent: Vec::new(),
            appeared: 0,
            invented: 0,
        }
    }

    /// Something by its number.
    pub fn get(&self, id: Id) -> &Object {
        &self.objects[id.0 as usize]
    }

    /// Something by its number.
    pub fn get_mut(&mut self, id: Id) -> &mut Object {
        &mut self.objects[id.0 as usize]
    }

    /// All that there was or is.
    pub fn all(&self) -> impl Iterator<Item = (Id, &Object)> {
        self.objects
            .iter()
            .enumerate()
            .map(|(i, o)| (Id(i as u32), o))
    }

    fn add(&mut self, object: Object) -> Id {
        let id = Id(u32::try_from(self.objects.len()).unwrap_or(u32::MAX));
        self.objects.push(object);
        id
    }

    /// What a call makes.
    pub fn make(&mut self, dir: Id, name: &[u8], kind: FileKind) -> Id {
        let id = self.add(Object {
            parent: Some(dir),
            kind: Some(kind),
            changed: true,
            altered: true,
            ..Object::default()
        });
        self.put(dir, name, Entry::Is(id));
        id
    }

    /// What is met in a directory and was there before, as far as anybody knows.
    pub fn meet(&mut self, dir: Id, name: &[u8]) -> Id {
        let known = self.get(dir).names.get(name).copied();
        if let Some(Entry::Is(id)) = known {
            return id;
        }
        let directory = self.get(dir);
        let could = known.is_none() && directory.listed.is_none_or(|listed| !listed.complete);
        let was_there = could && directory.home.is_some();
        self.appeared += u64::from(!was_there);
        let id = self.add(Object {
            home: was_there.then(|| (dir, name.into())),
            parent: Some(dir),
            ..Object::default()
        });
        self.put(dir, name, Entry::Is(id));
        id
    }

    /// Something has no such name. It was so from the start if nothing has changed it.
    pub fn miss(&mut self, dir: Id, name: &[u8]) {
        let directory = self.get(dir);
        if directory.home.is_some() && !directory.names.contains_key(name) {
            self.absent.push((dir, name.into()));
            self.put(dir, name, Entry::Absent);
        }
    }

    /// What a call seemed to make was there before.
    pub fn was_there(&mut self, id: Id) {
        let object = self.get_mut(id);
        let Some(place) = object.maybe.take() else {
            return;
        };
        object.altered = false;
        if self.get(place.0).home.is_some() {
            self.get_mut(id).home = Some(place);
        }
    }

    /// What was taken for a file or directory turns out to be a link: that lies where the link
    /// leads.
    pub fn turn_into_link(&mut self, id: Id, text: Option<(Box<[u8]>, bool)>, size: Option<u64>) {
        let Some((dir, name)) = self.get_mut(id).home.take() else {
            return;
        };
        let link = self.add(Object {
            home: Some((dir, name.clone())),
            parent: Some(dir),
            kind: Some(FileKind::Symlink),
            size,
            target: text,
            ..Object::default()
        });
        self.put(dir, &name, Entry::Is(link));
        self.invent_target(link);
        let target = self.get(link).target.clone().map(|(text, _)| text);
        let Some((to, name)) = target.and_then(|text| self.place(dir, &text)) else {
            return;
        };
        match self.get(to).names.get(&name) {
            Some(Entry::Is(known)) => self.merge(id, *known),
            Some(Entry::Absent) => {}
            None if self.get(to).home.is_some() => {
                self.get_mut(id).home = Some((to, name.clone()));
                self.put(to, &name, Entry::Is(id));
            }
            None => self.put(to, &name, Entry::Is(id)),
        }
    }

    /// What is known of one thing is known of the other, which is the same.
    fn merge(&mut self, from: Id, to: Id) {
        if from == to {
            return;
        }
        let names = std::mem::take(&mut self.get_mut(from).names);
        for (name, entry) in names {
            if self.get(to).names.contains_key(&name) {
                continue;
            }
            if let Entry::Is(child) = entry {
                let object = self.get_mut(child);
                if object.home.as_ref().is_some_and(|(dir, _)| *dir == from) {
                    object.home = Some((to, name.clone()));
                }
            }
            self.put(to, &name, entry);
        }
        let object = self.get(from).clone();
        let known = self.get_mut(to);
        if let Some(kind) = object.kind {
            known.taken_for(kind);
        }
        known.size = known.size.or(object.size);
        known.mode = known.mode.or(object.mode);
        known.at_least = known.at_least.max(object.at_least);
        known.runs |= object.runs;
        known.read |= object.read;
    }

    /// Gives a name.
    pub fn put(&mut self, dir: Id, name: &[u8], entry: Entry) {
        if let Entry::Is(id) = entry {
            self.get_mut(id).parent = Some(dir);
        }
        let directory = self.get_mut(dir);
        directory.names.insert(name.into(), entry);
        directory.taken_for(FileKind::Directory);
    }

    /// Walks a path without learning anything.
    pub fn walk(&self, base: Id, path: &[u8], follow: bool) -> Walk {
        let mut links = MAX_LINKS;
        self.walk_on(base, path, follow, &mut links)
    }

    fn walk_on(&self, base: Id, path: &[u8], follow: bool, links: &mut u32) -> Walk {
        let mut at = start(base, path);
        let mut names = components(path).peekable();
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            match name {
                b"." => continue,
                b".." => at = self.get(at).parent.unwrap_or(Id::ROOT),
                name => match self.get(at).names.get(name) {
                    Some(Entry::Is(id)) => {
                        let follows = follow || !is_last || path.ends_with(b"/");
                        match self.through(at, *id, follows, links) {
                            Some(id) => at = id,
                            None => return Walk::Nowhere,
                        }
                    }
                    None if is_last => return Walk::Unknown(at, name.into()),
                    Some(Entry::Absent) | None => return Walk::Nowhere,
                },
            }
        }
        Walk::At(at)
    }

    /// What a link leads to, or the thing itself.
    fn through(&self, dir: Id, id: Id, follows: bool, links: &mut u32) -> Option<Id> {
        let Some((target, _)) = self.get(id).target.as_ref().filter(|_| follows) else {
            return Some(id);
        };
        *links = links.checked_sub(1)?;
        match self.walk_on(dir, target, true, links) {
            Walk::At(id) => Some(id),
            _ => None,
        }
    }

    /// Walks a path that leads to something, and learns what is on the way.
    pub fn reach(&mut self, base: Id, path: &[u8], follow: bool) -> Option<Id> {
        let mut links = MAX_LINKS;
        self.reach_on(base, path, follow, &mut links)
    }

    fn reach_on(&mut self, base: Id, path: &[u8], follow: bool, links: &mut u32) -> Option<Id> {
        let mut at = start(base, path);
        let mut names = components(path).peekable();
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            match name {
                b"." => continue,
                b".." => at = self.get(at).parent.unwrap_or(Id::ROOT),
                name => {
                    let id = self.meet(at, name);
                    let goes_on = !is_last || path.ends_with(b"/");
                    at = self.pass(at, id, follow || goes_on, links)?;
                    if goes_on {
                        self.get_mut(at).taken_for(FileKind::Directory);
                    }
                }
            }
        }
        Some(at)
    }

    /// As [`Tree::through`], where it is known that the link leads somewhere.
    fn pass(&mut self, dir: Id, id: Id, follows: bool, links: &mut u32) -> Option<Id> {
        if !follows || self.get(id).kind != Some(FileKind::Symlink) {
            return Some(id);
        }
        *links = links.checked_sub(1)?;
        self.invent_target(id);
        let target = self.get(id).target.as_ref().map(|(text, _)| text.clone())?;
        self.reach_on(dir, &target, true, links)
    }

    /// Gives a link a text as long as its own, if that isn't known: a name beside it that nothing
    /// has.
    pub fn invent_target(&mut self, id: Id) {
        let object = self.get(id);
        let length = object.size.unwrap_or(16).clamp(1, 255) as usize;
        let (mut text, whole) = match &object.target {
            Some((text, whole)) => (text.to_vec(), *whole),
            None => (Vec::new(), false),
        };
        if whole {
            return;
        }
        self.invented += 1;
        let number = format!("~{}", self.invented);
        let room = length.saturating_sub(text.len());
        text.extend(number.bytes().chain(std::iter::repeat(b'~')).take(room));
        self.get_mut(id).target = Some((text.into(), true));
        self.get_mut(id).read = true; // its text is made up, and is told as such
    }

    /// The directory and the name that a path ends with, for calls that make, move or remove it.
    pub fn place(&mut self, base: Id, path: &[u8]) -> Option<(Id, Box<[u8]>)> {
        let end = path.iter().rposition(|b| *b != b'/')? + 1;
        let path = &path[..end];
        let slash = path.iter().rposition(|b| *b == b'/');
        let (dir, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
        if matches!(name, b"." | b"..") {
            return None;
        }
        let dir = self.reach(base, dir, true)?;
        self.get_mut(dir).taken_for(FileKind::Directory);
        Some((dir, name.into()))
    }
}

fn start(base: Id, path: &[u8]) -> Id {
    if path.first() == Some(&b'/') {
        Id::ROOT
    } else {
        base
    }
}

/// The names of a path.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_was_there_and_what_is_made_was_not() {
        let mut tree = Tree::new();
        let file = tree.reach(Id::ROOT, b"/w/a", true).expect("a file");
        assert!(tree.get(file).home.is_some());
        let dir = tree.reach(Id::ROOT, b"/w", true).expect("a directory");
        assert_eq!(tree.get(dir).kind, Some(FileKind::Directory));
        let made = tree.make(dir, b"new", FileKind::Directory);
        assert_eq!(tree.walk(dir, b"new", true), Walk::At(made));
        // Nothing was in a directory before it was made.
        let inside = tree.reach(made, b"x", true).expect("something");
        assert!(tree.get(inside).home.is_none());
        assert_eq!(tree.appeared, 1);
        tree.miss(dir, b"gone");
        assert_eq!(tree.walk(dir, b"gone", true), Walk::Nowhere);
        assert_eq!(tree.absent, [(dir, b"gone"[..].into())]);
        assert_eq!(tree.walk(dir, b"other/x", true), Walk::Nowhere);
    }

    #[test]
    fn links_lead_on_and_circles_end() {
        let mut tree = Tree::new();
        let link = tree.reach(Id::ROOT, b"/lib", false).expect("a link");
        tree.get_mut(link).kind = Some(FileKind::Symlink);
        tree.get_mut(link).target = Some((b"usr/lib"[..].into(), true));
        let through = tree.reach(Id::ROOT, b"/lib/c.so", true);
        assert_eq!(through, tree.reach(Id::ROOT, b"/usr/lib/c.so", true));
        let round = tree.reach(Id::ROOT, b"/round", false).expect("a link");
        tree.get_mut(round).kind = Some(FileKind::Symlink);
        tree.get_mut(round).target = Some((b"round"[..].into(), true));
        assert_eq!(tree.reach(Id::ROOT, b"/round", true), None);
        assert_eq!(tree.walk(Id::ROOT, b"/round", true), Walk::Nowhere);
    }

    #[test]
    fn what_turns_out_to_be_a_link_takes_nothing_with_it() {
        let mut tree = Tree::new();
        let seen = tree.reach(Id::ROOT, b"/lib/c.so", true).expect("a file");
        tree.get_mut(seen).size = Some(7);
        let real = tree
            .reach(Id::ROOT, b"/usr/lib", true)
            .expect("a directory");
        let lib = tree.reach(Id::ROOT, b"/lib", false).expect("a link");
        tree.turn_into_link(lib, Some((b"usr/lib"[..].into(), true)), None);
        assert_eq!(tree.reach(Id::ROOT, b"/usr/lib/c.so", true), Some(seen));
        assert_eq!(tree.reach(Id::ROOT, b"/lib/c.so", true), Some(seen));
        assert_eq!(tree.get(seen).home, Some((real, b"c.so"[..].into())));
        // Nothing was known where it leads.
        let file = tree.reach(Id::ROOT, b"/bin/python3", true).expect("a file");
        tree.turn_into_link(file, Some((b"python3.11"[..].into(), true)), None);
        assert_eq!(tree.reach(Id::ROOT, b"/bin/python3.11", true), Some(file));
    }

    #[test]
    fn a_link_of_unknown_text_gets_one_of_its_length() {
        let mut tree = Tree::new();
        let link = tree.reach(Id::ROOT, b"/w/l", false).expect("a link");
        tree.get_mut(link).kind = Some(FileKind::Symlink);
        tree.get_mut(link).size = Some(20);
        let file = tree.reach(Id::ROOT, b"/w/l", true).expect("a file");
        assert_ne!(file, link);
        let text = tree.get(link).target.clone().expect("a text").0;
        assert_eq!(text.len(), 20);
    }
}
