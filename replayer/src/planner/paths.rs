//! From a recorded path to the one that is issued: where it starts, and where it leads.

use fsreplay_trace::abi::NAME_MAX;
use fsreplay_trace::call::{ArgKind, Last};
use fsreplay_trace::model::{Event, StringId};

use super::actions::refused_by_flags;
use super::intern::TextBuilder;
use super::links::{Links, Placements};
use super::magic::Through;
use super::order::Side;
use super::places::Places;
use super::resolve::{End, Passed, WalkStart, Walked, walk};
use super::tree::{Kind, NONE, PSEUDO, ROOT, SKIPPED};
use super::{Class, Cx, Draft, Planner, Resource};
use crate::plan::{At, Root, Slot};

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

/// Where a call's path led.
pub(crate) struct Reached<'t> {
    pub(crate) at: At,
    pub(crate) walked: Walked<'t>,
    start: WalkStart,
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
    pub(super) cache: PathCache,
    /// What the last walk passed through.
    pub(crate) passed: Passed,
    pub(crate) texts: TextBuilder,
    pub(crate) links: Links,
    pub(crate) places: Places,
    /// Room to spell a path in.
    pub(super) scratch: Vec<u8>,
    pub(super) scratch_names: Vec<u32>,
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
}

impl Planner {
    /// What the call of an event does with a link at the end of one of its paths.
    pub(crate) fn last_of(&self, event: &Event, path: ArgKind) -> Last {
        event.last(path, self.setting.dialect.recorded)
    }

    /// Follows the path of a call, by its `DirFd` and `Path` arguments. Where nothing is to be
    /// issued, the draft of that.
    pub(crate) fn reach<'t>(&mut self, cx: &Cx<'t>, hint: Hint) -> Result<Reached<'t>, Draft> {
        self.reach_by(cx, ArgKind::DirFd, ArgKind::Path, hint)
    }

    /// Follows the second path of a call that has two, or that of a call which makes a link.
    pub(crate) fn reach_new<'t>(&mut self, cx: &Cx<'t>, hint: Hint) -> Result<Reached<'t>, Draft> {
        self.reach_by(cx, ArgKind::NewDirFd, ArgKind::NewPath, hint)
    }

    fn reach_by<'t>(
        &mut self,
        cx: &Cx<'t>,
        dirfd: ArgKind,
        path: ArgKind,
        hint: Hint,
    ) -> Result<Reached<'t>, Draft> {
        let last = self.last_of(cx.event, path);
        let Some(string) = cx.string(path) else {
            // A bad pointer can't be had again.
            return Err(Draft::nothing(cx, Class::Unresolved));
        };
        let bytes = cx.tables.string(string);
        let root = self.holdings.procs.fs(cx.task).root;
        let (start, from) = match self.holdings.descriptor_link(cx, bytes) {
            Some((fd, from)) => match self.through_descriptor(cx, fd, &bytes[from..], last)? {
                Through::Reached(at, walked, start) => {
                    let mut reached = Reached { at, walked, start };
                    self.pass(&mut reached);
                    return Ok(reached);
                }
                Through::Below(start) => (start, from),
            },
            None if bytes.first() == Some(&b'/') => {
                let slot = Slot(0);
                (WalkStart { slot, ino: root }, 0)
            }
            None => (
                self.holdings
                    .start(cx, cx.event.fd(dirfd), &mut self.tally.notes)?,
                0,
            ),
        };
        let bytes = &bytes[from..];
        let walked = match self.cached(start.ino, string, last, hint) {
            Some(walked) => walked,
            None => self.follow_path(cx, string, bytes, start, root, last, hint),
        };
        match walked.end {
            End::Pseudo => {
                self.land.led_below_mount(&walked, &mut self.tally.notes);
                return Err(Draft::nothing(cx, Class::Pseudo));
            }
            End::Skipped => return Err(Draft::nothing(cx, Class::Skipped)),
            _ => {}
        }
        if refused_by_flags(cx, &self.land.tree, &walked, &mut self.tally.notes) {
            return Err(Draft::nothing(cx, Class::Other));
        }
        let at = self.spell(cx, string, from, start, &walked);
        let mut reached = Reached { at, walked, start };
        if self
            .land
            .found_unmade(cx, &reached.walked, &mut self.tally.notes)
        {
            return Err(Draft::nothing(cx, Class::Other));
        }
        self.pass(&mut reached);
        Ok(reached)
    }

    fn cached<'t>(
        &mut self,
        base: u32,
        string: StringId,
        last: Last,
        hint: Hint,
    ) -> Option<Walked<'t>> {
        let generation = self.land.tree.generation;
        let known = *self.paths.cache.slot(base, string.0);
        if known.base != base || known.string != string.0 || known.generation != generation {
            return None;
        }
        let dent = self.land.tree.dent(known.dent);
        let (dir, ino) = (dent.dir, dent.ino);
        let end = if ino == NONE {
            if matches!(hint, Hint::Exists(_)) {
                return None;
            }
            End::Missing
        } else {
            let inode = self.land.tree.inode(ino);
            let special =
                inode.flags & (PSEUDO | SKIPPED) != 0 || self.land.tree.root_at(ino).is_some();
            if special || (inode.kind == Kind::Link && last == Last::Followed) {
                return None;
            }
            End::Found
        };
        self.paths.passed.dents.clear();
        self.paths.passed.dirs.clear();
        if self.order.concurrent {
            let mut at = dir;
            self.paths.passed.dirs.push(at);
            while at != base && at != ROOT {
                let Some(parent) = self.land.tree.parent(at) else {
                    break;
                };
                at = parent;
                self.paths.passed.dirs.push(at);
            }
        }
        Some(Walked {
            end,
            dir,
            name: b"",
            dent: known.dent,
            ino,
            outer_dir: dir,
            outer_at: 0,
            links: 0,
            plain: true,
            trailing: false,
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn follow_path<'t>(
        &mut self,
        cx: &Cx<'t>,
        string: StringId,
        bytes: &'t [u8],
        start: WalkStart,
        root: u32,
        last: Last,
        hint: Hint,
    ) -> Walked<'t> {
        let mut again = 0;
        let walked = loop {
            let walked = walk(
                &self.land.tree,
                cx.tables,
                &mut self.paths.passed,
                bytes,
                start.ino,
                root,
                last,
            );
            again += 1;
            let Some(kind) = to_conjure(&self.land.tree, &walked, hint) else {
                break walked;
            };
            if again > MAX_CONJURED || walked.name.len() > NAME_MAX {
                break walked;
            }
            self.land.conjure(&walked, kind, &mut self.tally.notes);
        };
        let simple = walked.plain && walked.links == 0 && !walked.trailing && root == ROOT;
        let named = walked.dent != NONE && walked.outer_at < bytes.len();
        if simple && named && matches!(walked.end, End::Found | End::Missing) {
            let generation = self.land.tree.generation;
            let base = start.ino;
            *self.paths.cache.slot(base, string.0) = Known {
                base,
                string: string.0,
                generation,
                dent: walked.dent,
            };
        }
        walked
    }

    /// Puts the call in order with what its walk passed through.
    fn pass(&mut self, reached: &mut Reached) {
        let walked = &mut reached.walked;
        if walked.end == End::Found && walked.ino != NONE {
            self.land.met(walked.ino);
        }
        if self.order.single() {
            return;
        }
        if reached.start.slot != Slot(0) && reached.start.slot != Slot::BAD {
            let slot = Resource::Slot(reached.start.slot.0);
            self.uses.add(slot, Side::Read);
        }
        for index in 0..self.paths.passed.dirs.len() {
            let dir = self.paths.passed.dirs[index];
            self.uses.add(Resource::Place(dir), Side::Read);
        }
        for index in 0..self.paths.passed.dents.len() {
            let dent = self.paths.passed.dents[index];
            self.uses.add(Resource::Dent(dent), Side::Read);
        }
        if walked.end == End::Found && walked.name.is_empty() && walked.dent == NONE {
            self.uses.add(Resource::Place(walked.ino), Side::Read);
        }
        let valid = !walked.name.is_empty() && walked.name.len() <= NAME_MAX;
        if walked.dent == NONE && walked.ino == NONE && valid && self.order.concurrent {
            let name = self.land.tree.names.intern(walked.name);
            walked.dent = self.land.tree.entry(walked.dir, name);
        }
    }
}

/// The kind of the name that a walk stopped at and that must have been there, as the call's outcome
/// tells.
fn to_conjure(tree: &super::tree::Tree, walked: &Walked, hint: Hint) -> Option<Kind> {
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
