//! Paths that name a descriptor: `/proc/self/fd/N`, `/dev/fd/N` and the like. The kernel goes
//! straight to what is open there; so does the plan, although nothing else in /proc is replayed.

use fsreplay_trace::call::{Last, Op};

use super::super::intern::TextBuilder;
use super::super::land::resolve::{End, WalkStart, Walked};
use super::super::land::tree::{Kind, NONE, Tree};
use super::super::{Class, Cx, Draft, Notes};
use super::Paths;
use crate::plan::At;

/// What a path through a descriptor comes to.
pub(crate) enum Through<'t> {
    /// To what is open there.
    Reached(At, Walked<'t>, WalkStart),
    /// To something below the directory that is open there.
    Below(WalkStart),
}

impl Paths {
    /// Goes on from what a descriptor has open.
    pub(crate) fn through<'t>(
        &mut self,
        cx: &Cx<'t>,
        start: WalkStart,
        rest: &'t [u8],
        last: Last,
        tree: &Tree,
        notes: &mut Notes,
    ) -> Result<Through<'t>, Draft> {
        let ino = start.ino;
        if !rest.is_empty() {
            return Ok(Through::Below(start));
        }
        if last != Last::Followed {
            // The link of /proc itself is meant.
            return Err(Draft::nothing(cx, Class::Pseudo));
        }
        let inode = tree.inode(ino);
        let directory = inode.kind == Kind::Directory;
        let nameless = !directory && inode.dent == NONE;
        // The kernel stops at a link that is open itself (O_PATH); its name would be followed.
        if nameless || inode.kind == Kind::Link {
            // One that never had a name may get one so.
            if cx.event.call.row().op != Op::Link {
                notes.add(if nameless {
                    "descriptors of removed files named by path"
                } else {
                    "descriptors of links named by path"
                });
            }
            return Err(Draft::nothing(cx, Class::Unresolved));
        }
        Ok(self.reached(start, tree))
    }

    /// The very thing that a descriptor has open, which has a name or is a directory.
    fn reached(&mut self, start: WalkStart, tree: &Tree) -> Through<'static> {
        let WalkStart { slot, ino } = start;
        let inode = tree.inode(ino);
        let directory = inode.kind == Kind::Directory;
        let dent = if directory { NONE } else { inode.dent };
        let at = if directory {
            let path = TextBuilder::DOT;
            At { dir: slot, path }
        } else {
            self.place_of(tree, ino)
        };
        let dir = if directory { ino } else { tree.dent(dent).dir };
        let walked = Walked::known(End::Found, dir, dent, ino);
        Through::Reached(at, walked, start)
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{ArgKind, Call};
    use fsreplay_trace::format::Tables;

    use super::super::super::land::areas;
    use super::super::super::tests::calls;
    use super::*;
    use crate::plan::Slot;

    #[test]
    fn what_a_descriptor_has_open_is_named_only_where_it_has_a_name() {
        let mut tree = Tree::new();
        let file = areas::ensure(&mut tree, b"/dir/file");
        tree.set_kind(file, Kind::File);
        let dir = areas::ensure(&mut tree, b"/dir");
        let tables = Tables::new();
        let event = calls::event(0, Call::stat, &[(ArgKind::Path, 0)], 0);
        let cx = calls::alone(&event, &tables, 0);
        let (mut paths, mut notes) = (Paths::new(&[]), Notes::default());
        let mut through = |tree: &Tree, ino: u32, rest: &'static [u8], last: Last| {
            let slot = Slot(9);
            let start = WalkStart { slot, ino };
            match paths.through(&cx, start, rest, last, tree, &mut notes) {
                Ok(Through::Reached(at, walked, _)) => Ok((Some(at.dir), walked.ino)),
                Ok(Through::Below(below)) => Ok((None, below.ino)),
                Err(draft) => Err(draft.class),
            }
        };
        assert_eq!(through(&tree, dir, b"x", Last::Followed), Ok((None, dir)));
        assert_eq!(
            through(&tree, dir, b"", Last::Followed),
            Ok((Some(Slot(9)), dir))
        );
        assert_eq!(
            through(&tree, file, b"", Last::Followed),
            Ok((Some(Slot(0)), file))
        );
        assert_eq!(through(&tree, file, b"", Last::Kept), Err(Class::Pseudo));
        let dent = tree.inode(file).dent;
        tree.detach(dent);
        assert_eq!(
            through(&tree, file, b"", Last::Followed),
            Err(Class::Unresolved)
        );
        assert_eq!(notes.counts.len(), 1);
    }
}
