//! In which recorded directory each op worked: what it costs is told by that.

use super::super::hash::FastMap;
use super::super::land::tree::{NONE, Top, Tree};
use super::super::order::uses::{Resource, Uses};
use crate::plan::Root;

/// Directories, by inode; where a directory is moved, it keeps the path that it had first.
#[derive(Default)]
pub(crate) struct Places {
    by_directory: FastMap<u32, u32>,
    pub(crate) paths: Vec<Vec<u8>>,
}

impl Places {
    /// The place of the op about to be committed: the directory that it names something in, or that
    /// its file lies in.
    pub(crate) fn now(&mut self, uses: &Uses, tree: &Tree, roots: &[Root]) -> u32 {
        let mut directory = NONE;
        for resource in uses.resources() {
            let found = match resource {
                Resource::Members(ino) => ino,
                Resource::Dent(dent) => tree.dent(dent).dir,
                Resource::Inode(ino) => tree.home_of(ino),
                Resource::Place(_) | Resource::Slot(_) | Resource::Offset(_) | Resource::Map(_) => {
                    continue;
                }
            };
            // The last name of a path is looked up last; what a link leads to counts, not the link.
            if found != NONE {
                directory = found;
            }
        }
        match directory {
            NONE => NONE,
            directory => self.of(tree, roots, directory),
        }
    }

    fn of(&mut self, tree: &Tree, roots: &[Root], directory: u32) -> u32 {
        if let Some(place) = self.by_directory.get(&directory) {
            return *place;
        }
        let mut names = Vec::new();
        let top = tree.climb(directory, NONE, &mut names);
        let root = match top {
            Some(Top::Root(root)) => roots.get(usize::from(root)),
            _ => None,
        };
        // The root directory adds no name of its own.
        let above = root.map(|root| root.recorded.as_slice());
        let mut path = above.filter(|above| *above != b"/").unwrap_or(b"").to_vec();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(tree.names.get(*name));
        }
        if path.is_empty() {
            path.push(b'/');
        }
        let place = self.paths.len() as u32;
        self.paths.push(path);
        self.by_directory.insert(directory, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::land::areas;
    use super::super::super::land::tree::Kind;
    use super::super::super::order::Side;
    use super::*;

    #[test]
    fn an_op_works_where_its_last_name_lies() {
        let mut tree = Tree::new();
        let file = areas::ensure(&mut tree, b"/src/lib/file");
        tree.set_kind(file, Kind::File);
        let dir = areas::ensure(&mut tree, b"/src/lib");
        let roots = [Root {
            recorded: b"/".to_vec(),
            target: "/target".into(),
        }];
        let (mut places, mut uses) = (Places::default(), Uses::default());
        assert_eq!(places.now(&uses, &tree, &roots), NONE);
        uses.add(Resource::Place(0), Side::Read);
        uses.add(Resource::Dent(tree.inode(dir).dent), Side::Read);
        uses.inode(file, Side::Read);
        let place = places.now(&uses, &tree, &roots);
        assert_eq!(places.paths[place as usize], b"/src/lib");
        uses.clear();
        uses.add(Resource::Members(dir), Side::Join);
        assert_eq!(places.now(&uses, &tree, &roots), place);
        assert_eq!(places.paths.len(), 1);
    }
}
