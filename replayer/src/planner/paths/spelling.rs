//! How a path is spelled that is issued: as recorded where that is safe, else from the directories
//! that its walk found.

use fsreplay_trace::abi::{NAME_MAX, PATH_MAX};
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::model::StringId;

use super::super::intern::TextBuilder;
use super::super::land::initial::xattr_name;
use super::super::land::resolve::{Walked, has_parent};
use super::super::land::tree::{Kind, NONE, Top, Tree};
use super::super::{Cx, Notes};
use super::links::LinkText;
use super::{Asked, Paths, Reached};
use crate::plan::{Action, At, Slot, Text};

impl Paths {
    /// Spells a path: as recorded where that is safe, else from the directories that the walk
    /// found.
    pub(crate) fn spell(
        &mut self,
        cx: &Cx,
        asked: &Asked,
        walked: &Walked,
        tree: &Tree,
        notes: &mut Notes,
    ) -> At {
        let Asked { bytes, start, .. } = *asked;
        if !walked.plain {
            return self.rebuild(asked, walked, tree, notes);
        }
        let skip = bytes.iter().position(|b| *b != b'/');
        match skip {
            _ if bytes.is_empty() => At {
                dir: start.slot,
                path: TextBuilder::EMPTY,
            },
            None => At {
                dir: start.slot,
                path: TextBuilder::DOT,
            },
            Some(skip) if skip > 0 && is_too_long(cx, bytes) => {
                let padded = pad(&bytes[skip..]);
                At {
                    dir: start.slot,
                    path: self.texts.push(&padded),
                }
            }
            Some(skip) => At {
                dir: start.slot,
                path: self
                    .texts
                    .string(asked.string, asked.from + skip, cx.tables),
            },
        }
    }

    /// Spells a path by its names from the top of its placement, or from where the walk started if
    /// it stayed below.
    fn rebuild(&mut self, asked: &Asked, walked: &Walked, tree: &Tree, notes: &mut Notes) -> At {
        let Asked { bytes, start, .. } = *asked;
        let absolute = bytes.first() == Some(&b'/');
        let stop = if absolute { NONE } else { start.ino };
        let mut names = std::mem::take(&mut self.scratch_names);
        let top = tree.climb(walked.outer_dir, stop, &mut names);
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let dir = match top {
            Some(Top::Root(root)) => Slot(u32::from(root)),
            Some(Top::Asked) => start.slot,
            None => {
                notes.add("paths through removed directories");
                names.clear();
                start.slot
            }
        };
        for name in names.iter().rev() {
            text.extend_from_slice(tree.names.get(*name));
            text.push(b'/');
        }
        // A walk that ended before its first name leaves the whole path, slash included; what is
        // issued starts inside.
        let left = bytes.get(walked.outer_at..).unwrap_or(b"");
        let slashes = left.iter().take_while(|b| **b == b'/').count();
        let rest = &left[slashes..];
        if !rest.is_empty() {
            push_contained(&mut text, rest);
        } else {
            // It ended without a name of its own, and calls that make or remove names tell that
            // from one.
            text.push(b'.');
        }
        let path = self.texts.push_built(&text);
        self.scratch = text;
        self.scratch_names = names;
        At { dir, path }
    }

    /// The canonical path of an inode that has a name.
    pub(crate) fn place_of(&mut self, tree: &Tree, ino: u32) -> At {
        let mut names = Vec::new();
        let (above, last) = match tree.inode(ino).kind {
            Kind::Directory => (ino, None),
            _ => {
                let dent = tree.inode(ino).dent;
                if dent == NONE {
                    return At {
                        dir: Slot::BAD,
                        path: TextBuilder::EMPTY,
                    };
                }
                let dent = tree.dent(dent);
                (dent.dir, Some(dent.name))
            }
        };
        let top = tree.climb(above, NONE, &mut names);
        let root = match top {
            Some(Top::Root(root)) => root,
            _ => 0,
        };
        names.reverse();
        names.extend(last);
        let parts: Vec<&[u8]> = names.iter().map(|n| tree.names.get(*n)).collect();
        let mut path = parts.join(&b'/');
        if path.is_empty() {
            path.push(b'.');
        }
        At {
            dir: Slot(u32::from(root)),
            path: self.texts.push_built(&path),
        }
    }

    /// A path that ends in `..` is refused by rename(2); its canonical form would not be.
    pub(crate) fn keep_dots(&mut self, reached: &Reached) -> At {
        let mut at = reached.at;
        let named = reached.walked.name.is_empty() && reached.walked.dent == NONE;
        let text = self.texts.get(at.path).to_vec();
        if named && !text.is_empty() && text != b"." && !text.ends_with(b"/.") {
            at.path = self.texts.join(at.path, b".");
        }
        at
    }

    /// The call that makes a link whose text stays inside.
    pub(crate) fn contained_link(
        &mut self,
        cx: &Cx,
        target: StringId,
        reached: &Reached,
        ino: u32,
        tree: &Tree,
    ) -> Action {
        let text = cx.tables.string(target);
        let dir = reached.walked.dir;
        let home = tree.recorded_path(dir);
        let decided = self.links.decide(&mut self.texts, text, &home, ino);
        let (text, target_root) = match decided {
            LinkText::Verbatim => (self.texts.string(target, 0, cx.tables), None),
            LinkText::Inside(root, path) => (path, Some(root)),
        };
        Action::Symlink {
            target: text,
            target_root,
            at: reached.at,
        }
    }

    /// The name of an extended attribute as it is issued, and whether it was changed. A look that
    /// failed changes nothing and needs no privilege, nor does taking away an ACL, which goes well
    /// where there is none.
    pub(crate) fn attribute(&mut self, cx: &Cx, op: Op) -> (Text, bool) {
        let Some(name) = cx.string(ArgKind::Name) else {
            return (TextBuilder::EMPTY, false);
        };
        let recorded = cx.tables.string(name);
        let as_it_is = match op {
            Op::GetXattr | Op::FdGetXattr => !cx.ok(),
            Op::RemoveXattr | Op::FdRemoveXattr => recorded.starts_with(b"system.posix_acl_"),
            _ => false,
        };
        let issued = if as_it_is {
            recorded.to_vec()
        } else {
            xattr_name(recorded)
        };
        let changed = issued != recorded;
        (self.texts.push_built(&issued), changed)
    }
}

/// Appends what is left of a path behind the place where its walk ended, so that it stays inside:
/// `..` there was never reached.
fn push_contained(text: &mut Vec<u8>, rest: &[u8]) {
    if !has_parent(rest) {
        text.extend_from_slice(rest);
        return;
    }
    for (index, name) in rest.split(|b| *b == b'/').enumerate() {
        if index > 0 {
            text.push(b'/');
        }
        text.extend_from_slice(if name == b".." { b"." } else { name });
    }
}

/// A path that was too long only with the slash that it is issued without.
fn is_too_long(cx: &Cx, bytes: &[u8]) -> bool {
    cx.event.errno() == Some(libc::ENAMETOOLONG)
        && bytes.len() >= PATH_MAX - 1
        && bytes
            .split(|b| *b == b'/')
            .all(|name| name.len() <= NAME_MAX)
}

fn pad(path: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(PATH_MAX + 2);
    while padded.len() + path.len() < PATH_MAX {
        padded.extend_from_slice(b"./");
    }
    padded.extend_from_slice(path);
    padded
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::{Call, Last};
    use fsreplay_trace::format::Tables;

    use super::super::super::land::areas;
    use super::super::super::land::resolve::{Passed, WalkStart, walk};
    use super::super::super::land::tree::ROOT;
    use super::super::super::tests::calls;
    use super::super::Hint;
    use super::*;

    /// How a path is spelled that starts at a directory of slot 7.
    fn spelled(tree: &Tree, start: u32, path: &[u8]) -> (Slot, Vec<u8>, u64) {
        let mut tables = Tables::new();
        let string = tables.add_string(path);
        let event = calls::event(0, Call::stat, &[(ArgKind::Path, 0)], 0);
        let cx = calls::alone(&event, &tables, 0);
        let slot = if path.starts_with(b"/") {
            Slot(0)
        } else {
            Slot(7)
        };
        let last = Last::Followed;
        let asked = Asked {
            string,
            from: 0,
            bytes: path,
            start: WalkStart { slot, ino: start },
            root: ROOT,
            last,
            hint: Hint::Silent,
        };
        let (mut paths, mut notes) = (Paths::new(&[]), Notes::default());
        let walked = walk(
            tree,
            &tables,
            &mut Passed::default(),
            path,
            start,
            ROOT,
            last,
        );
        let at = paths.spell(&cx, &asked, &walked, tree, &mut notes);
        let text = paths.texts.get(at.path).to_vec();
        (at.dir, text, notes.counts.values().sum())
    }

    fn tree(paths: &[&str]) -> Tree {
        let mut tree = Tree::new();
        tree.set_kind(ROOT, Kind::Directory);
        if let Some(directory) = tree.directory(ROOT) {
            directory.root = 0;
        }
        for path in paths {
            let ino = areas::ensure(&mut tree, path.as_bytes());
            tree.set_kind(ino, Kind::Directory);
        }
        tree
    }

    #[test]
    fn a_path_that_climbs_is_spelled_from_where_it_led() {
        let mut tree = tree(&["/work/a", "/work/b/c"]);
        let work = areas::ensure(&mut tree, b"/work");
        let spell = |path: &[u8]| spelled(&tree, work, path);
        assert_eq!(spell(b"a/x"), (Slot(7), b"a/x".to_vec(), 0));
        assert_eq!(spell(b"a/../b/c"), (Slot(7), b"b/c".to_vec(), 0));
        assert_eq!(spell(b"../x"), (Slot(0), b"x".to_vec(), 0));
        assert_eq!(spell(b"/work/../x"), (Slot(0), b"x".to_vec(), 0));
        assert_eq!(spell(b"//work"), (Slot(0), b"work".to_vec(), 0));
        assert_eq!(spell(b"/"), (Slot(0), b".".to_vec(), 0));
        assert_eq!(spell(b"a/.."), (Slot(7), b".".to_vec(), 0));
    }

    #[test]
    fn what_was_never_reached_does_not_climb() {
        let tree = tree(&["/work"]);
        let (_, text, _) = spelled(&tree, ROOT, b"../gone/../../etc");
        assert_eq!(text, b"gone/././etc");
    }

    #[test]
    fn a_place_is_told_from_the_top_of_its_placement() {
        let mut tree = tree(&["/work/placed/below"]);
        let placed = areas::ensure(&mut tree, b"/work/placed");
        tree.directory(placed).expect("a directory").root = 1;
        let below = areas::ensure(&mut tree, b"/work/placed/below");
        let mut paths = Paths::new(&[]);
        let mut place = |tree: &Tree, ino: u32| {
            let at = paths.place_of(tree, ino);
            (at.dir, paths.texts.get(at.path).to_vec())
        };
        assert_eq!(place(&tree, below), (Slot(1), b"below".to_vec()));
        assert_eq!(place(&tree, placed), (Slot(1), b".".to_vec()));
        let nameless = tree.add_inode(Kind::File, 0, 0);
        assert_eq!(paths.place_of(&tree, nameless).dir, Slot::BAD);
    }

    #[test]
    fn attributes_of_root_are_ordinary_ones_but_where_nothing_is_changed() {
        let mut tables = Tables::new();
        let name = u64::from(tables.add_string(b"security.capability").0);
        let (mut paths, args) = (Paths::new(&[]), [(ArgKind::Name, name)]);
        let mut issued = |call: Call, op: Op, result: i64| {
            let event = calls::event(0, call, &args, result);
            let (text, changed) = paths.attribute(&calls::alone(&event, &tables, 0), op);
            (paths.texts.get(text).to_vec(), changed)
        };
        let as_it_is = (b"security.capability".to_vec(), false);
        let renamed = (b"user.fsreplay.security.capability".to_vec(), true);
        assert_eq!(issued(Call::getxattr, Op::GetXattr, -61), as_it_is);
        assert_eq!(issued(Call::getxattr, Op::GetXattr, 20), renamed);
        assert_eq!(issued(Call::setxattr, Op::SetXattr, 0), renamed);
    }
}
