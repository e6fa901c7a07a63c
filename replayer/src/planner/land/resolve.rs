//! Walking a path through the model of the tree, as the kernel would have.

use fsreplay_trace::abi::{MAX_LINKS, PATH_MAX};
use fsreplay_trace::call::Last;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::StringId;

use super::super::Cx;
use super::super::order::Side;
use super::super::order::uses::{Resource, Uses};
use super::tree::{EXISTED, Kind, NONE, PSEUDO, ROOT, SKIPPED, Tree};
use crate::plan::Slot;

/// Components that one walk may take, links included: forty links of 4095 bytes each.
const MAX_STEPS: u32 = 1 << 17;

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At something that is there.
    Found,
    /// There is nothing of the last name.
    Missing,
    /// The last name was never heard of.
    Unknown,
    /// A directory on the way isn't there (or is no directory, or links go in circles).
    Broken,
    /// A name on the way was never heard of.
    BrokenUnknown,
    /// In a pseudo file system.
    Pseudo,
    /// In what the user left out.
    Skipped,
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WalkStart {
    pub(crate) slot: Slot,
    pub(crate) ino: u32,
}

/// Where a walk led.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked<'t> {
    pub(crate) end: End,
    /// The directory of the last name; the directory itself if the path ends at it without a name
    /// (`.`, `..`, `/`).
    pub(crate) dir: u32,
    /// The last name (of the link's text, if links were followed at the end).
    pub(crate) name: &'t [u8],
    /// Its entry, if there is one in the model.
    pub(crate) dent: u32,
    /// What it leads to.
    pub(crate) ino: u32,
    /// The directory in which the last component taken from the path itself was looked up.
    pub(crate) outer_dir: u32,
    /// Where in the path that component begins; the path's length or more if it ended at
    /// `outer_dir` without a name.
    pub(crate) outer_at: usize,
    /// Links followed.
    pub(crate) links: u32,
    /// The path can be issued as it is: no `..` and no other placement on the way.
    pub(crate) plain: bool,
    /// It ended with a slash.
    pub(crate) trailing: bool,
}

impl Tree {
    /// The mount of what a walk found, or of the directory in which it ended.
    pub(crate) fn mount_at(&self, walked: &Walked) -> u16 {
        self.mount_of(walked.found().unwrap_or(walked.dir))
    }

    /// The entry of the last name, made if it isn't there.
    pub(crate) fn final_dent(&mut self, walked: &mut Walked) -> u32 {
        if walked.dent == NONE && !walked.name.is_empty() {
            let name = self.names.intern(walked.name);
            walked.dent = self.entry(walked.dir, name);
        }
        walked.dent
    }
}

impl<'t> Walked<'t> {
    /// How a walk ends that need not be taken, through no link and by no other placement.
    pub(crate) fn known(end: End, dir: u32, dent: u32, ino: u32) -> Walked<'t> {
        Walked {
            end,
            dir,
            name: b"",
            dent,
            ino,
            outer_dir: dir,
            outer_at: 0,
            links: 0,
            plain: true,
            trailing: false,
        }
    }
}

impl Walked<'_> {
    /// What it leads to, if anything.
    pub(crate) fn found(&self) -> Option<u32> {
        (self.end == End::Found).then_some(self.ino)
    }

    /// The call looked the path up and found something, or nothing.
    pub(crate) fn looked_up(&self, uses: &mut Uses) {
        if self.dent != NONE {
            uses.add(Resource::Dent(self.dent), Side::Read);
        }
    }

    /// The call failed: it looked at the name and what that leads to.
    pub(crate) fn failed(&self, uses: &mut Uses) {
        self.looked_up(uses);
        if let Some(ino) = self.found() {
            uses.inode(ino, Side::Read);
        }
    }

    /// The call failed, perhaps for what a directory holds, which it must find there.
    pub(crate) fn was_not_empty(&self, cx: &Cx, uses: &mut Uses) {
        let told = matches!(cx.event.errno(), Some(libc::ENOTEMPTY | libc::EEXIST));
        if let Some(ino) = self.found().filter(|_| told) {
            uses.add(Resource::Members(ino), Side::Read);
        }
    }
}

/// What a walk passed through and has to be put in order with.
#[derive(Default)]
pub(crate) struct Passed {
    /// Directories in which names were looked up.
    pub(crate) dirs: Vec<u32>,
    /// Entries of links on the way.
    pub(crate) dents: Vec<u32>,
}

struct Walker<'a, 't> {
    tree: &'a Tree,
    tables: &'t Tables,
    passed: &'a mut Passed,
    root: u32,
    last: Last,
    current: u32,
    /// What is left of the texts of links being followed, innermost last; the path itself is the
    /// first.
    pending: Vec<(&'t [u8], usize)>,
    /// Names below a directory whose contents aren't modelled.
    outside: usize,
    walked: Walked<'t>,
}

/// Walks `path` from the directory `start` (or `root`, if it is absolute).
pub(crate) fn walk<'t>(
    tree: &Tree,
    tables: &'t Tables,
    passed: &mut Passed,
    path: &'t [u8],
    start: u32,
    root: u32,
    last: Last,
) -> Walked<'t> {
    passed.dirs.clear();
    passed.dents.clear();
    let absolute = path.first() == Some(&b'/');
    let begin = if absolute { root } else { start };
    let mut walker = Walker {
        tree,
        tables,
        passed,
        root,
        last,
        current: begin,
        pending: vec_of_one(path),
        outside: 0,
        walked: Walked {
            end: End::Broken,
            dir: begin,
            name: b"",
            dent: NONE,
            ino: NONE,
            outer_dir: begin,
            outer_at: path.len(),
            links: 0,
            plain: (!absolute || root == ROOT) && !has_parent(path),
            trailing: path.last() == Some(&b'/'),
        },
    };
    walker.walked.end = walker.run();
    walker.walked
}

fn vec_of_one(path: &[u8]) -> Vec<(&[u8], usize)> {
    let mut pending = Vec::with_capacity(4);
    pending.push((path, 0));
    pending
}

/// Whether a path has a component `..`.
pub(crate) fn has_parent(path: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = path[from..].windows(2).position(|pair| pair == b"..") {
        let at = from + at;
        let begins = at == 0 || path[at - 1] == b'/';
        let ends = path.get(at + 2).is_none_or(|b| *b == b'/');
        if begins && ends {
            return true;
        }
        from = at + 1;
    }
    false
}

impl<'t> Walker<'_, 't> {
    fn run(&mut self) -> End {
        if self.pending[0].0.is_empty() || self.current == NONE {
            // An empty path, or one from a directory that is not in the tree.
            return End::Broken;
        }
        if self.pending[0].0.len() >= PATH_MAX {
            // No kernel looks at any name of it (ENAMETOOLONG).
            self.walked.outer_at = 0;
            return End::Broken;
        }
        if self.tree.inode(self.current).kind != Kind::Directory {
            // The descriptor is no directory's: no name is ever looked at.
            self.walked.outer_at = 0;
            return End::Broken;
        }
        for _ in 0..MAX_STEPS {
            let Some((component, at, last)) = self.next_component() else {
                return self.arrived();
            };
            if self.outer() {
                self.walked.outer_at = at;
                self.walked.outer_dir = self.current;
            }
            match component {
                b"." => self.at_directory(),
                b".." => self.up(),
                name => {
                    if let Some(end) = self.down(name, last) {
                        return end;
                    }
                }
            }
        }
        End::Broken
    }

    /// The next component, where it begins in its text, and whether nothing follows it.
    fn next_component(&mut self) -> Option<(&'t [u8], usize, bool)> {
        loop {
            let depth = self.pending.len();
            let (text, from) = self.pending.last_mut()?;
            while text.get(*from) == Some(&b'/') {
                *from += 1;
            }
            if *from >= text.len() {
                // The path itself stays, so that what follows knows that it is on the outer level.
                if depth == 1 {
                    return None;
                }
                self.pending.pop();
                continue;
            }
            let start = *from;
            let length = text[start..].iter().position(|b| *b == b'/');
            let end = length.map_or(text.len(), |l| start + l);
            *from = end;
            let component = &text[start..end];
            let last = self
                .pending
                .iter()
                .all(|(text, from)| text[*from..].iter().all(|b| *b == b'/'));
            return Some((component, start, last));
        }
    }

    fn outer(&self) -> bool {
        self.pending.len() == 1
    }

    /// The path has no name beyond the current directory.
    fn at_directory(&mut self) {
        if self.outer() {
            self.walked.outer_at = usize::MAX;
            self.walked.outer_dir = self.current;
        }
    }

    fn up(&mut self) {
        if self.outside > 0 {
            self.outside -= 1;
        } else if self.current != self.root {
            match self.tree.parent(self.current) {
                Some(parent) => self.current = parent,
                None => self.outside = 0,
            }
        }
        self.at_directory();
    }

    fn entered(&mut self, ino: u32) {
        self.current = ino;
        if self.outer() && self.tree.root_at(ino).is_some() {
            self.walked.plain = false;
        }
    }

    /// Takes a name; the end, if the walk is over.
    fn down(&mut self, name: &'t [u8], last: bool) -> Option<End> {
        if self.outside > 0 {
            self.outside += 1;
            return None;
        }
        let here = self.current;
        let tree = self.tree;
        let found = tree.names.find(name).and_then(|n| tree.find(here, n));
        let dir = tree.inode(here);
        if found.is_none() && dir.flags & (PSEUDO | SKIPPED) != 0 {
            self.outside = 1;
            return None;
        }
        self.passed.dirs.push(here);
        self.walked.dir = here;
        self.walked.name = name;
        self.walked.dent = found.unwrap_or(NONE);
        self.walked.ino = NONE;
        let Some(dent) = found else {
            return Some(self.nothing(last, dir.flags & EXISTED != 0));
        };
        let ino = tree.dent(dent).ino;
        if ino == NONE {
            return Some(self.nothing(last, false));
        }
        self.walked.ino = ino;
        let inode = tree.inode(ino);
        match inode.kind {
            Kind::Link if !last || self.follows() => {
                self.passed.dents.push(dent);
                self.follow_link(inode.extra)
            }
            Kind::Directory => {
                self.entered(ino);
                let is_bound = inode.dent != dent;
                if is_bound {
                    self.walked.plain = false;
                }
                if last && (is_bound || tree.root_at(ino).is_some()) {
                    // The top of a placement is issued as that root, not by its name elsewhere; a
                    // directory that is bound to another place by the name that it has itself.
                    self.at_directory();
                }
                last.then(|| self.found(ino))
            }
            _ if inode.flags & (PSEUDO | SKIPPED) != 0 => {
                self.entered(ino);
                if last {
                    return Some(self.found(ino));
                }
                self.outside = 0;
                None
            }
            Kind::Unknown if !last => Some(End::BrokenUnknown),
            _ if last && (!self.walked.trailing || self.last == Last::Named) => {
                Some(self.found(ino))
            }
            _ => Some(End::Broken),
        }
    }

    /// Whether a link at the end is followed; what a link's text ends with always is.
    fn follows(&self) -> bool {
        match self.last {
            Last::Followed => true,
            Last::Kept => self.walked.trailing,
            Last::Named => false,
        }
    }

    fn nothing(&self, last: bool, heard: bool) -> End {
        match (last, heard) {
            (true, false) => End::Missing,
            (true, true) => End::Unknown,
            (false, false) => End::Broken,
            (false, true) => End::BrokenUnknown,
        }
    }

    fn found(&self, ino: u32) -> End {
        let flags = self.tree.inode(ino).flags;
        if flags & PSEUDO != 0 {
            End::Pseudo
        } else if flags & SKIPPED != 0 {
            End::Skipped
        } else {
            End::Found
        }
    }

    fn follow_link(&mut self, text: u32) -> Option<End> {
        self.walked.links += 1;
        if self.walked.links > MAX_LINKS || text == NONE {
            return Some(End::Broken);
        }
        let text = self.tables.string(StringId(text));
        if text.is_empty() {
            return Some(End::Broken);
        }
        if text[0] == b'/' {
            self.current = self.root;
        }
        self.pending.push((text, 0));
        None
    }

    /// All components are taken without a last name: the path ends at the current directory.
    fn arrived(&mut self) -> End {
        if self.outside > 0 {
            let skipped = self.tree.inode(self.current).flags & SKIPPED != 0;
            return if skipped { End::Skipped } else { End::Pseudo };
        }
        self.walked.dir = self.current;
        self.walked.name = b"";
        self.walked.dent = NONE;
        self.walked.ino = self.current;
        self.found(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::super::areas;
    use super::*;

    #[test]
    fn a_call_that_failed_looked_at_what_its_path_led_to() {
        let mut tree = Tree::new();
        let ino = areas::ensure(&mut tree, b"/file");
        let dent = tree.inode(ino).dent;
        let tables = Tables::new();
        let mut uses = Uses::default();
        let at = |path: &'static [u8]| {
            let passed = &mut Passed::default();
            walk(&tree, &tables, passed, path, ROOT, ROOT, Last::Followed)
        };
        at(b"/file").failed(&mut uses);
        let looked = [
            (Resource::Dent(dent), Side::Read),
            (Resource::Inode(ino), Side::Read),
        ];
        assert_eq!(uses.all(), looked);
        uses.begin(3);
        at(b"/missing").failed(&mut uses);
        uses.inode(NONE, Side::Write);
        uses.offset(NONE);
        assert_eq!((uses.all().len(), uses.now), (0, 3));
    }
}
