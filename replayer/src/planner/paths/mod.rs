//! From a recorded path to the one that is issued: where it leads, how it is spelled, and what of
//! that is told again.

pub(super) mod links;
pub(super) mod magic;
pub(super) mod places;
pub(super) mod spelling;

use fsreplay_trace::abi::NAME_MAX;
use fsreplay_trace::call::Last;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::StringId;

use super::Notes;
use super::intern::TextBuilder;
use super::land::Land;
use super::land::resolve::{End, Passed, WalkStart, Walked, walk};
use super::land::tree::{Kind, NONE, PSEUDO, ROOT, SKIPPED, Tree};
use super::order::uses::{Resource, Uses};
use super::order::{Order, Side};
use crate::plan::{At, Root, Slot};
use links::{Links, Placements};
use places::Places;

/// Unknown directories that one path may hold.
const MAX_CONJURED: usize = 512;

/// What the outcome of a call tells about the path that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// It leads to something of that kind ([`Kind::Unknown`] where any would do).
    Exists(Kind),
    /// Its directory is there.
    Parent,
    /// Nothing.
    Silent,
}

/// A path as a call gave it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'t> {
    /// The string that holds it.
    pub(crate) string: StringId,
    /// Where in that it begins.
    pub(crate) from: usize,
    pub(crate) bytes: &'t [u8],
    pub(crate) start: WalkStart,
    /// What `/` means to the task.
    pub(crate) root: u32,
    /// What is done with a link at its end.
    pub(crate) last: Last,
    pub(crate) hint: Hint,
}

/// Where a call's path led.
pub(crate) struct Reached<'t> {
    pub(crate) at: At,
    pub(crate) walked: Walked<'t>,
    pub(super) start: WalkStart,
}

impl Reached<'_> {
    /// What it leads to, if anything.
    pub(crate) fn found(&self) -> Option<u32> {
        self.walked.found()
    }
}

/// A path whose walk met no links and no surprises, so that only its last name has to be looked at
/// again.
#[derive(Clone, Copy)]
struct Known {
    base: u32,
    string: u32,
    generation: u32,
    dent: u32,
}

/// The paths that were resolved last.
pub(crate) struct PathCache {
    known: Vec<Known>,
}

const CACHE_BITS: u32 = 15;

impl Default for PathCache {
    fn default() -> PathCache {
        let nothing = Known {
            base: NONE,
            string: NONE,
            generation: 0,
            dent: NONE,
        };
        PathCache {
            known: vec![nothing; 1 << CACHE_BITS],
        }
    }
}

impl PathCache {
    fn slot(&mut self, base: u32, string: u32) -> &mut Known {
        let mixed = base.wrapping_mul(0x9e37_79b1) ^ string.wrapping_mul(0x85eb_ca6b);
        &mut self.known[(mixed >> (32 - CACHE_BITS)) as usize]
    }
}

/// What is issued for a recorded path.
pub(crate) struct Paths {
    cache: PathCache,
    /// What the last walk passed through.
    pub(crate) passed: Passed,
    pub(crate) texts: TextBuilder,
    pub(crate) links: Links,
    pub(crate) places: Places,
    /// Room to spell a path in.
    scratch: Vec<u8>,
    scratch_names: Vec<u32>,
}

impl Paths {
    /// For a plan that goes to those roots.
    pub(crate) fn new(roots: &[Root]) -> Paths {
        Paths {
            cache: PathCache::default(),
            passed: Passed::default(),
            texts: TextBuilder::default(),
            links: Links::new(Placements::new(roots)),
            places: Places::default(),
            scratch: Vec::new(),
            scratch_names: Vec::new(),
        }
    }

    /// Where a path leads that was resolved before, if its walk can be told from its last name.
    pub(super) fn cached<'t>(
        &mut self,
        asked: &Asked,
        tree: &Tree,
        concurrent: bool,
    ) -> Option<Walked<'t>> {
        let (base, string) = (asked.start.ino, asked.string);
        let generation = tree.generation;
        let known = *self.cache.slot(base, string.0);
        if known.base != base || known.string != string.0 || known.generation != generation {
            return None;
        }
        let dent = tree.dent(known.dent);
        let (dir, ino) = (dent.dir, dent.ino);
        let end = if ino == NONE {
            if matches!(asked.hint, Hint::Exists(_)) {
                return None;
            }
            End::Missing
        } else {
            let inode = tree.inode(ino);
            let special = inode.flags & (PSEUDO | SKIPPED) != 0 || tree.root_at(ino).is_some();
            if special || (inode.kind == Kind::Link && asked.last == Last::Followed) {
                return None;
            }
            End::Found
        };
        self.passed.dents.clear();
        self.passed.dirs.clear();
        if concurrent {
            let mut at = dir;
            self.passed.dirs.push(at);
            while at != base && at != ROOT {
                let Some(parent) = tree.parent(at) else {
                    break;
                };
                at = parent;
                self.passed.dirs.push(at);
            }
        }
        Some(Walked::known(end, dir, known.dent, ino))
    }

    /// Walks a path, and makes known what must be there as the call's outcome tells.
    pub(super) fn follow<'t>(
        &mut self,
        asked: &Asked<'t>,
        tables: &'t Tables,
        land: &mut Land,
        notes: &mut Notes,
    ) -> Walked<'t> {
        let Asked { bytes, root, .. } = *asked;
        let base = asked.start.ino;
        let mut again = 0;
        let walked = loop {
            let walked = walk(
                &land.tree,
                tables,
                &mut self.passed,
                bytes,
                base,
                root,
                asked.last,
            );
            again += 1;
            let Some(kind) = to_conjure(&land.tree, &walked, asked.hint) else {
                break walked;
            };
            if again > MAX_CONJURED || walked.name.len() > NAME_MAX {
                break walked;
            }
            land.conjure(&walked, kind, notes);
        };
        let simple = walked.plain && walked.links == 0 && !walked.trailing && root == ROOT;
        let named = walked.dent != NONE && walked.outer_at < bytes.len();
        if simple && named && matches!(walked.end, End::Found | End::Missing) {
            let generation = land.tree.generation;
            *self.cache.slot(base, asked.string.0) = Known {
                base,
                string: asked.string.0,
                generation,
                dent: walked.dent,
            };
        }
        walked
    }

    /// Puts the call in order with what its walk passed through.
    pub(super) fn pass(
        &self,
        reached: &mut Reached,
        land: &mut Land,
        order: &Order,
        uses: &mut Uses,
    ) {
        let walked = &mut reached.walked;
        if walked.end == End::Found && walked.ino != NONE {
            land.met(walked.ino);
        }
        if order.single() {
            return;
        }
        if reached.start.slot != Slot(0) && reached.start.slot != Slot::BAD {
            let slot = Resource::Slot(reached.start.slot.0);
            uses.add(slot, Side::Read);
        }
        for dir in &self.passed.dirs {
            uses.add(Resource::Place(*dir), Side::Read);
        }
        for dent in &self.passed.dents {
            uses.add(Resource::Dent(*dent), Side::Read);
        }
        if walked.end == End::Found && walked.name.is_empty() && walked.dent == NONE {
            uses.add(Resource::Place(walked.ino), Side::Read);
        }
        let valid = !walked.name.is_empty() && walked.name.len() <= NAME_MAX;
        if walked.dent == NONE && walked.ino == NONE && valid && order.concurrent {
            let name = land.tree.names.intern(walked.name);
            walked.dent = land.tree.entry(walked.dir, name);
        }
    }
}

/// The kind of the name that a walk stopped at and that must have been there, as the call's outcome
/// tells.
fn to_conjure(tree: &Tree, walked: &Walked, hint: Hint) -> Option<Kind> {
    match (walked.end, hint) {
        (_, Hint::Silent) | (End::Found | End::Pseudo | End::Skipped, _) => None,
        (End::Unknown | End::Missing, Hint::Exists(kind)) => Some(kind),
        (End::Unknown | End::Missing, Hint::Parent) => None,
        (End::BrokenUnknown, _) => Some(Kind::Directory),
        (End::Broken, _) => {
            let absent = walked.ino == NONE && !walked.name.is_empty();
            (absent && tree.inode(walked.dir).kind == Kind::Directory).then_some(Kind::Directory)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::land::areas;
    use super::super::land::tree::EXISTED;
    use super::*;

    fn asked<'t>(string: u32, bytes: &'t [u8], hint: Hint) -> Asked<'t> {
        Asked {
            string: StringId(string),
            from: 0,
            bytes,
            start: WalkStart {
                slot: Slot(0),
                ino: ROOT,
            },
            root: ROOT,
            last: Last::Followed,
            hint,
        }
    }

    #[test]
    fn a_path_is_known_until_the_tree_moves() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let ino = areas::ensure(&mut land.tree, b"/dir/file");
        land.tree.set_kind(ino, Kind::File);
        let (tables, mut notes, mut paths) = (Tables::new(), Notes::default(), Paths::new(&[]));
        let path = asked(1, b"/dir/file", Hint::Silent);
        assert!(paths.cached(&path, &land.tree, false).is_none());
        let walked = paths.follow(&path, &tables, &mut land, &mut notes);
        assert_eq!(walked.found(), Some(ino));
        let cached = paths
            .cached(&path, &land.tree, true)
            .expect("a path that is known");
        assert_eq!(cached.found(), Some(ino));
        assert_eq!(paths.passed.dirs, [walked.dir, ROOT]);
        let other = asked(2, b"/dir/file", Hint::Silent);
        assert!(paths.cached(&other, &land.tree, false).is_none());
        land.tree.moved();
        assert!(paths.cached(&path, &land.tree, false).is_none());
    }

    #[test]
    fn a_name_that_is_gone_is_looked_for_again_where_it_must_be_there() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let ino = areas::ensure(&mut land.tree, b"/file");
        land.tree.set_kind(ino, Kind::File);
        let (tables, mut notes, mut paths) = (Tables::new(), Notes::default(), Paths::new(&[]));
        let silent = asked(1, b"/file", Hint::Silent);
        let walked = paths.follow(&silent, &tables, &mut land, &mut notes);
        land.tree.detach(walked.dent);
        let there = asked(1, b"/file", Hint::Exists(Kind::File));
        assert!(paths.cached(&there, &land.tree, false).is_none());
        let gone = paths.cached(&silent, &land.tree, false);
        assert_eq!(gone.map(|walked| walked.end), Some(End::Missing));
    }

    #[test]
    fn what_a_call_found_is_made_known_with_all_above_it() {
        let mut land = Land::new(Tree::new(), &[], 1);
        land.tree.inode_mut(ROOT).flags |= EXISTED;
        let (tables, mut notes, mut paths) = (Tables::new(), Notes::default(), Paths::new(&[]));
        let path = asked(1, b"/a/b/c", Hint::Exists(Kind::File));
        let walked = paths.follow(&path, &tables, &mut land, &mut notes);
        assert_eq!(walked.end, End::Found);
        assert_eq!(land.tree.recorded_path(walked.dir), b"/a/b");
        assert_eq!(notes.counts.values().sum::<u64>(), 3);
        let silent = asked(2, b"/x/y", Hint::Silent);
        let missed = paths.follow(&silent, &tables, &mut land, &mut notes);
        assert_eq!(missed.found(), None);
    }

    #[test]
    fn who_is_alone_waits_for_nothing_on_the_way() {
        let mut land = Land::new(Tree::new(), &[], 1);
        let ino = areas::ensure(&mut land.tree, b"/dir/file");
        land.tree.set_kind(ino, Kind::File);
        let (tables, mut notes, mut paths) = (Tables::new(), Notes::default(), Paths::new(&[]));
        let path = asked(1, b"/dir/file", Hint::Silent);
        let walked = paths.follow(&path, &tables, &mut land, &mut notes);
        let start = WalkStart {
            slot: Slot(4),
            ino: ROOT,
        };
        let at = At {
            dir: Slot(4),
            path: TextBuilder::EMPTY,
        };
        let mut reached = Reached { at, walked, start };
        let (mut order, mut uses) = (Order::default(), Uses::default());
        order.add_lane();
        paths.pass(&mut reached, &mut land, &order, &mut uses);
        assert!(uses.all().is_empty());
        order.add_lane();
        paths.pass(&mut reached, &mut land, &order, &mut uses);
        let expected = [
            (Resource::Slot(4), Side::Read),
            (Resource::Place(ROOT), Side::Read),
            (Resource::Place(walked.dir), Side::Read),
        ];
        assert_eq!(uses.all(), expected);
    }
}
