//! Canonical paths as a tree of places, and what the trace says is there at the moment.
//!
//! A place is a path, not a file: after `rename("/a", "/b")` the file is at the place of `/b`, and
//! the place of `/a` stays, with nothing there. The numbers are counted from the top: a place has a
//! larger number than the one above it.

use std::collections::HashMap;

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FileKind, NodeId};

pub(crate) use crate::NONE;
use crate::tally::SPENT_NONE;

/// The place of `/`.
pub(crate) const ROOT: u32 = 0;

/// A place in a pseudo file system.
pub(crate) const PSEUDO: u8 = 1;
/// The tool made this directory: what it doesn't know there isn't there.
pub(crate) const MADE: u8 = 2;
/// A walk went over it.
pub(crate) const WALKED: u8 = 4;
/// The tool did more with it than look: opened it as a file, ran, made, moved or changed it.
pub(crate) const USED: u8 = 8;
/// It was there before the recording.
pub(crate) const EXISTED: u8 = 16;
/// The command began with it as its standard input, output or error.
pub(crate) const GIVEN: u8 = 32;

/// Deeper places are taken for the one at this depth: the kernel allows paths of 4095 bytes, and a
/// made-up trace must not make us print longer ones without bound.
const MAX_DEPTH: u16 = 2048;

/// Places that renames of directories may move in all. A package manager moves some hundred
/// thousand; what is moved beyond this number is looked at anew in its new place.
const MOST_MOVES: u64 = 1 << 22;

/// What is counted by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    Miss,
    Stat,
    Open,
    List,
    ReadLink,
}

/// How many there are of [`Count`].
pub(crate) const COUNTS: usize = 5;

/// One place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) parent: u32,
    name: u32,
    first_child: u32,
    next_sibling: u32,
    pub(crate) depth: u16,
    pub(crate) mount: u16,
    pub(crate) flags: u8,
    pub(crate) kind: FileKind,
    /// The file that is here, [`NONE`] if none was needed yet.
    pub(crate) file: u32,
    /// String id of the text of a symbolic link.
    link: u32,
    /// Size in bytes when it was observed.
    pub(crate) size: u64,
    /// Tallies by [`Count`].
    pub(crate) tallies: [u32; COUNTS],
    /// Head of the list of what was spent here.
    pub(crate) spent: u32,
}

impl Place {
    fn new(parent: u32, name: u32) -> Place {
        Place {
            parent,
            name,
            first_child: NONE,
            next_sibling: NONE,
            depth: 0,
            mount: u16::MAX,
            flags: 0,
            kind: FileKind::Unknown,
            file: NONE,
            link: NONE,
            size: 0,
            tallies: [NONE; COUNTS],
            spent: SPENT_NONE,
        }
    }
}

/// All places.
pub(crate) struct Places {
    all: Vec<Place>,
    by_name: HashMap<(u32, u32), u32>,
    names: HashMap<Box<[u8]>, u32>,
    name_bytes: Vec<Box<[u8]>>,
    /// The place of each node of the trace, as far as asked for.
    by_node: Vec<u32>,
    /// Counts changes of links on ways that were walked: what was resolved before may lead
    /// elsewhere.
    pub(crate) generation: u32,
    moves_left: u64,
}

impl Places {
    /// Only the root.
    pub(crate) fn new() -> Places {
        let mut root = Place::new(ROOT, 0);
        root.kind = FileKind::Directory;
        Places {
            all: vec![root],
            by_name: HashMap::new(),
            names: HashMap::from([(Box::default(), 0)]),
            name_bytes: vec![Box::default()],
            by_node: vec![ROOT],
            generation: 0,
            moves_left: MOST_MOVES,
        }
    }

    #[inline]
    pub(crate) fn get(&self, place: u32) -> &Place {
        &self.all[place as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: u32) -> &mut Place {
        &mut self.all[place as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// All places with their numbers, those above before those below.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Place)> {
        self.all.iter().enumerate().map(|(at, p)| (at as u32, p))
    }

    /// The last name of a place's path.
    pub(crate) fn name(&self, place: u32) -> &[u8] {
        &self.name_bytes[self.get(place).name as usize]
    }

    /// A number for the name of a place: equal numbers for equal names.
    pub(crate) fn name_number(&self, place: u32) -> u32 {
        self.get(place).name
    }

    /// The bytes of a name by its number.
    pub(crate) fn name_by_number(&self, number: u32) -> &[u8] {
        &self.name_bytes[number as usize]
    }

    /// The place of a name in a directory.
    pub(crate) fn child(&mut self, parent: u32, name: &[u8]) -> u32 {
        let number = match self.names.get(name) {
            Some(number) => *number,
            None => self.add_name(name),
        };
        if let Some(found) = self.by_name.get(&(parent, number)) {
            return *found;
        }
        let above = &self.all[parent as usize];
        if above.depth >= MAX_DEPTH {
            return parent;
        }
        let mut place = Place::new(parent, number);
        place.depth = above.depth + 1;
        place.mount = above.mount;
        place.flags = above.flags & PSEUDO;
        place.next_sibling = above.first_child;
        let at = self.all.len() as u32;
        self.all.push(place);
        self.all[parent as usize].first_child = at;
        self.by_name.insert((parent, number), at);
        at
    }

    fn add_name(&mut self, name: &[u8]) -> u32 {
        let number = self.name_bytes.len() as u32;
        self.name_bytes.push(name.into());
        self.names.insert(name.into(), number);
        number
    }

    /// The place of an absolute path without links; `.`, `..` and empty names are passed over.
    pub(crate) fn of_path(&mut self, path: &[u8]) -> u32 {
        let names = path.split(|b| *b == b'/');
        let special: [&[u8]; 3] = [b"", b".", b".."];
        names
            .filter(|name| !special.contains(name))
            .fold(ROOT, |place, name| self.child(place, name))
    }

    /// The place of a node of the trace.
    pub(crate) fn of_node(&mut self, node: NodeId, tables: &Tables) -> u32 {
        let mut chain = Vec::new();
        let mut at = node;
        let mut place = loop {
            match self.by_node.get(at.0 as usize) {
                Some(known) if *known != NONE => break *known,
                _ => chain.push(at),
            }
            at = tables.parent(at);
        };
        for node in chain.into_iter().rev() {
            place = self.child(place, tables.name(node));
            let index = node.0 as usize;
            // Nodes that the trace doesn't have lead to the root and are not kept.
            if index < tables.node_count() {
                if index >= self.by_node.len() {
                    self.by_node.resize(tables.node_count(), NONE);
                }
                self.by_node[index] = place;
            }
        }
        place
    }

    /// The absolute path of a place.
    pub(crate) fn path(&self, place: u32) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = place;
        while at != ROOT {
            names.push(self.name(at));
            at = self.get(at).parent;
        }
        let mut path = Vec::new();
        for name in names.into_iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        path
    }

    /// String id of the text of the symbolic link that is here.
    #[inline]
    pub(crate) fn link(&self, place: u32) -> Option<u32> {
        let place = self.get(place);
        (place.kind == FileKind::Symlink && place.link != NONE).then_some(place.link)
    }

    /// Something is here now; of a link, with the string id of its text.
    pub(crate) fn set(&mut self, at: u32, kind: FileKind, link: Option<u32>) {
        let place = &mut self.all[at as usize];
        let link = link.unwrap_or(NONE);
        let leads = |kind, link| kind == FileKind::Symlink && link != NONE;
        let led = leads(place.kind, place.link).then_some(place.link);
        let will = leads(kind, link).then_some(link);
        if led != will && place.flags & WALKED != 0 {
            self.generation += 1;
        }
        place.kind = kind;
        place.link = link;
        if kind == FileKind::Absent {
            place.flags &= !MADE;
        }
    }

    /// Whether nothing is at a place, as far as known.
    pub(crate) fn is_absent(&self, at: u32) -> bool {
        let place = self.get(at);
        let above = self.get(place.parent);
        place.kind == FileKind::Absent || place.kind == FileKind::Unknown && above.flags & MADE != 0
    }

    /// What is at one place goes to another, with everything below; each file that moves is told.
    pub(crate) fn rename(&mut self, from: u32, to: u32, mut moved: impl FnMut(u32, u32)) {
        if from == to || self.is_below(to, from) {
            return;
        }
        let mut pending = vec![(from, to)];
        while let Some((from, to)) = pending.pop() {
            self.move_one(from, to);
            let file = self.get(to).file;
            if file != NONE {
                moved(file, to);
            }
            let mut child = self.get(from).first_child;
            while child != NONE && self.moves_left > 0 {
                let below = self.get(child);
                let next = below.next_sibling;
                let known = below.kind != FileKind::Unknown || below.first_child != NONE;
                if known && below.kind != FileKind::Absent {
                    self.moves_left -= 1;
                    let name = self.name(child).to_vec();
                    let target = self.child(to, &name);
                    // Not where the depth ends.
                    if target != to {
                        pending.push((child, target));
                    }
                }
                child = next;
            }
        }
    }

    fn is_below(&self, place: u32, above: u32) -> bool {
        let up = |at: &u32| (*at != ROOT).then(|| self.get(*at).parent);
        std::iter::successors(Some(place), up).any(|at| at == above)
    }

    fn move_one(&mut self, from: u32, to: u32) {
        let source = self.get(from).clone();
        self.set(
            to,
            source.kind,
            Some(source.link).filter(|link| *link != NONE),
        );
        let target = self.get_mut(to);
        target.file = source.file;
        target.size = source.size;
        target.flags = target.flags & !MADE | source.flags & MADE | USED;
        self.set(from, FileKind::Absent, None);
        self.get_mut(from).file = NONE;
    }

    /// What is at two places changes places; what is below them is not known any more.
    pub(crate) fn exchange(&mut self, a: u32, b: u32) {
        let (first, second) = (self.get(a).clone(), self.get(b).clone());
        for (to, from) in [(a, &second), (b, &first)] {
            self.set(to, from.kind, Some(from.link).filter(|link| *link != NONE));
            let place = self.get_mut(to);
            place.file = from.file;
            place.size = from.size;
            place.flags = place.flags & !MADE | USED;
            let mut child = place.first_child;
            while child != NONE {
                self.set(child, FileKind::Unknown, None);
                self.get_mut(child).file = NONE;
                child = self.get(child).next_sibling;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_directory_takes_along_what_is_in_it() {
        let mut places = Places::new();
        let file = places.of_path(b"/a/b/c");
        places.get_mut(file).file = 7;
        places.set(file, FileKind::File, None);
        let (from, to) = (places.of_path(b"/a"), places.of_path(b"/x/y"));
        let mut moved = Vec::new();
        places.rename(from, to, |file, place| moved.push((file, place)));
        let now = places.of_path(b"/x/y/b/c");
        assert_eq!(moved, [(7, now)]);
        assert_eq!(places.get(now).kind, FileKind::File);
        assert_eq!(places.get(file).kind, FileKind::Absent);
        assert_eq!(places.path(now), b"/x/y/b/c");
    }

    #[test]
    fn a_directory_is_not_moved_below_itself() {
        let mut places = Places::new();
        let (from, to) = (places.of_path(b"/a"), places.of_path(b"/a/b/c"));
        places.set(from, FileKind::Directory, None);
        places.rename(from, to, |_, _| {});
        assert_eq!(places.get(from).kind, FileKind::Directory);
        assert_eq!(places.len(), 4);
    }

    #[test]
    fn depth_has_an_end() {
        let mut places = Places::new();
        let deep = b"/d".repeat(100_000);
        let place = places.of_path(&deep);
        assert_eq!(places.path(place).len(), usize::from(MAX_DEPTH) * 2);
    }
}
