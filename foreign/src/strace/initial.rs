//! The tree before the first call, as states and listings of a trace.

use std::collections::HashMap;

use fsreplay_trace::abi::PATH_MAX;
use fsreplay_trace::build::State;
use fsreplay_trace::model::{FileKind, Metadata};

use super::listing::entry_bytes;
use super::report::Unknown;
use super::tree::{Id, Listed, Object, Tree};

/// Bytes of all paths that are told: a log may name what no machine has.
const MOST_PATHS: usize = 1 << 30;
/// Names that are made up for one directory at most.
const MOST_FILLERS: i64 = 1 << 20;

/// What was at a path.
pub struct Before {
    /// The path.
    pub path: Vec<u8>,
    /// Its type.
    pub kind: FileKind,
    /// Size, mode and the like.
    pub metadata: Metadata,
    /// The text of a link.
    pub target: Option<Box<[u8]>>,
}

impl Before {
    /// As a trace's builder takes it.
    pub fn state(&self) -> State<'_> {
        State {
            kind: self.kind,
            metadata: self.metadata,
            target: self.target.as_deref(),
        }
    }
}

/// The names of a directory.
pub struct Names {
    /// The directory.
    pub path: Vec<u8>,
    /// Its names.
    pub entries: Vec<(Vec<u8>, FileKind)>,
}

/// The tree before the first call.
#[derive(Default)]
pub struct Initial {
    /// What was there and what was not, parents first.
    pub states: Vec<Before>,
    /// Directories that were listed.
    pub listings: Vec<Names>,
    /// What of it is not known.
    pub unknown: Vec<Unknown>,
}

/// Counts of what had to be guessed.
#[derive(Default)]
struct Guessed {
    sizes: u64,
    kinds: u64,
    texts: u64,
    names: u64,
}

impl Initial {
    /// From what is known after the last call.
    pub fn of(tree: &Tree) -> Initial {
        let mut initial = Initial::default();
        let mut guessed = Guessed::default();
        let mut groups = HashMap::new();
        let paths = paths(tree);
        for (id, object) in tree.all() {
            let Some(path) = &paths[id.0 as usize] else {
                continue;
            };
            let group = object.inode.map_or(0, |inode| {
                let next = groups.len() as u64 + 1;
                *groups.entry(inode).or_insert(next)
            });
            initial
                .states
                .push(before(object, path.clone(), group, &mut guessed));
        }
        let maybe = tree.all().filter_map(|(_, object)| object.maybe.as_ref());
        for (dir, name) in tree.absent.iter().chain(maybe) {
            if let Some(path) = &paths[dir.0 as usize] {
                initial.states.push(Before {
                    path: below(path, name),
                    kind: FileKind::Absent,
                    metadata: Metadata::default(),
                    target: None,
                });
            }
        }
        initial.list(tree, &paths, &mut guessed);
        let unknown = [
            (
                guessed.sizes,
                "sizes of files that were read (they are as long as what was read)",
            ),
            (
                guessed.kinds,
                "types of what was named (they are taken for files)",
            ),
            (
                guessed.texts,
                "texts of links (others of their length stand for them)",
            ),
            (
                guessed.names,
                "names in directories that were listed (others stand for them)",
            ),
        ];
        initial.unknown = unknown
            .into_iter()
            .map(|(count, what)| Unknown {
                what: what.into(),
                count,
            })
            .collect();
        initial
    }

    fn list(&mut self, tree: &Tree, paths: &[Option<Vec<u8>>], guessed: &mut Guessed) {
        let mut homes: HashMap<Id, Vec<(Vec<u8>, FileKind)>> = HashMap::new();
        for (id, object) in tree.all().skip(1) {
            if let (Some((dir, name)), Some(_)) = (&object.home, &paths[id.0 as usize]) {
                let names = homes.entry(*dir).or_default();
                names.push((name.to_vec(), kind_of(object)));
            }
        }
        for (id, object) in tree.all() {
            let (Some(path), Some(listed)) = (&paths[id.0 as usize], object.listed) else {
                continue;
            };
            let mut entries = homes.remove(&id).unwrap_or_default();
            guessed.names += fill(&mut entries, listed);
            self.listings.push(Names {
                path: path.clone(),
                entries,
            });
        }
    }
}

/// Where everything was; `None` for what wasn't there.
fn paths(tree: &Tree) -> Vec<Option<Vec<u8>>> {
    let mut paths: Vec<Option<Vec<u8>>> = vec![None; tree.all().count()];
    let mut done = vec![false; paths.len()];
    let mut room = MOST_PATHS;
    done[0] = true;
    paths[0] = Some(b"/".to_vec());
    for (id, _) in tree.all() {
        // What is in a directory is met after it, but for what was found to be behind a link.
        let mut open = vec![id];
        while let Some(at) = open.last().copied() {
            let home = tree.get(at).home.as_ref();
            match home.filter(|_| !done[at.0 as usize]) {
                // Where they lead in a circle, nothing was.
                Some((dir, _)) if !done[dir.0 as usize] && !open.contains(dir) => open.push(*dir),
                Some((dir, name)) => {
                    let above = paths[dir.0 as usize].as_ref();
                    let path = above
                        .map(|above| below(above, name))
                        .filter(|path| path.len() < PATH_MAX && path.len() <= room);
                    room -= path.as_ref().map_or(0, Vec::len);
                    paths[at.0 as usize] = path;
                    done[at.0 as usize] = true;
                    open.pop();
                }
                None => {
                    done[at.0 as usize] = true;
                    open.pop();
                }
            }
        }
    }
    paths
}

fn below(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    [dir, b"/", name].concat()
}

fn kind_of(object: &Object) -> FileKind {
    object.kind.unwrap_or(if object.names.is_empty() {
        FileKind::File
    } else {
        FileKind::Directory
    })
}

fn before(object: &Object, path: Vec<u8>, group: u64, guessed: &mut Guessed) -> Before {
    let kind = kind_of(object);
    guessed.kinds += u64::from(object.kind.is_none() && object.names.is_empty());
    let is_file = kind == FileKind::File;
    guessed.sizes += u64::from(is_file && object.read && object.size.is_none());
    let target = (kind == FileKind::Symlink).then(|| {
        let known = object.target.as_ref().filter(|(_, whole)| *whole);
        guessed.texts += u64::from(known.is_none() || object.read);
        known.map_or_else(|| made_up(object), |(text, _)| text.clone())
    });
    let size = match &target {
        Some(text) => text.len() as u64,
        None => object.size.unwrap_or(object.at_least).max(object.at_least),
    };
    let usual = match kind {
        FileKind::Directory => 0o755,
        FileKind::Symlink => 0o777,
        _ if object.refused => 0,
        _ if object.runs => 0o755,
        _ => 0o644,
    };
    let (uid, gid) = object.owner.unwrap_or((0, 0));
    Before {
        path,
        kind,
        metadata: Metadata {
            size,
            mode: object.mode.unwrap_or(usual),
            uid,
            gid,
            mtime: object.mtime.unwrap_or(0),
            link_group: group,
            ..Metadata::default()
        },
        target,
    }
}

/// A text of the link's length that leads nowhere.
fn made_up(object: &Object) -> Box<[u8]> {
    let length = object.size.unwrap_or(16).clamp(1, 4095) as usize;
    let known = object.target.as_ref().map(|(text, _)| text.to_vec());
    let mut text = known.unwrap_or_default();
    text.resize(length.max(text.len()), b'~');
    text.into()
}

/// Adds names to a directory until it holds as many as were listed, and these take as many bytes.
/// Gives how many were made up.
fn fill(entries: &mut Vec<(Vec<u8>, FileKind)>, listed: Listed) -> u64 {
    let missing = (listed.entries - entries.len() as i64).clamp(0, MOST_FILLERS);
    if listed.complete || missing == 0 {
        return 0;
    }
    let taken: i64 = entries.iter().map(|(name, _)| entry_bytes(name)).sum();
    let mut left = listed.bytes - taken;
    for number in 0..missing {
        let rest = missing - number;
        // The shortest names that tell so many apart, or longer ones if there is room.
        let share = (left / rest / 8 * 8).clamp(24, 280);
        let room = usize::try_from(share - 20).unwrap_or(4).min(255);
        let mut name = format!("{}", Digits(number)).into_bytes();
        name.resize(name.len().max(room), b'~');
        left -= entry_bytes(&name);
        entries.push((name, FileKind::File));
    }
    missing as u64
}

/// A number with many digits, so that it is short.
struct Digits(i64);

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut rest = self.0;
        write!(f, "~")?;
        loop {
            write!(f, "{}", DIGITS[(rest % 36) as usize] as char)?;
            rest /= 36;
            if rest == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_holds_as_many_names_and_bytes_as_were_listed() {
        for (entries, bytes) in [
            (5, 24 * 5),
            (5, 24 * 4 + 48),
            (40, 32 * 40 + 24),
            (3, 24 * 2 + 280),
        ] {
            let mut names = vec![(b"a".to_vec(), FileKind::File)];
            let listed = Listed {
                entries,
                bytes,
                complete: false,
            };
            assert_eq!(fill(&mut names, listed), entries as u64 - 1);
            let sum: i64 = names.iter().map(|(name, _)| entry_bytes(name)).sum();
            assert_eq!((names.len() as i64, sum), (entries, bytes));
            let names: std::collections::BTreeSet<_> = names.iter().map(|one| &one.0).collect();
            assert_eq!(names.len() as i64, entries, "each its own");
        }
    }

    #[test]
    fn links_and_files_get_what_is_known_of_them() {
        let mut tree = Tree::new();
        let file = tree.reach(Id::ROOT, b"/w/f", true).expect("a file");
        tree.get_mut(file).at_least = 7;
        tree.get_mut(file).read = true;
        let link = tree.reach(Id::ROOT, b"/w/l", false).expect("a link");
        let object = tree.get_mut(link);
        object.kind = Some(FileKind::Symlink);
        object.size = Some(9);
        let dir = tree.reach(Id::ROOT, b"/w", true).expect("a directory");
        tree.miss(dir, b"gone");
        tree.make(dir, b"new", FileKind::File);
        let initial = Initial::of(&tree);
        let states = initial.states.iter();
        let told: Vec<_> = states
            .map(|s| (&s.path[..], s.kind, s.metadata.size))
            .collect();
        assert_eq!(
            told,
            [
                (&b"/"[..], FileKind::Directory, 0),
                (b"/w", FileKind::Directory, 0),
                (b"/w/f", FileKind::File, 7),
                (b"/w/l", FileKind::Symlink, 9),
                (b"/w/gone", FileKind::Absent, 0),
            ]
        );
        let unknown = initial.unknown.iter().map(|one| one.count);
        assert_eq!(unknown.collect::<Vec<_>>(), [1, 1, 1, 0]);
    }
}
