//! Directories that a user names, and whether the trace has them. A misspelt one would move, or
//! skip, nothing, and the figures would look as if it made no difference.

use std::collections::BTreeSet;

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::format::{Tables, TraceError};
use fsreplay_trace::model::{Event, FileKind, Header, NodeId, Record};

use crate::error::{DirectoryError, Error};
use crate::source::Source;

/// As many directories are named instead of one that isn't there.
const NAMED: usize = 5;
/// Names as much alike as this are taken for each other; 1 is the same name.
const ALIKE: f64 = 0.6;

/// The recorded directories that a user named, without needless slashes.
///
/// # Errors
/// [`Error::Directory`] if one is relative, or isn't in the trace; and a trace that can't be
/// opened.
pub fn recorded(asked: &[&[u8]], trace: &Source) -> Result<Vec<Vec<u8>>, Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = trace.reader()?;
    let paths = asked
        .iter()
        .map(|path| absolute(path, reader.header()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut there = There::of(reader.header());
    loop {
        match reader.next_record() {
            Ok(Some(record)) => there.see(&record, reader.tables()),
            Ok(None) | Err(TraceError::Truncated { .. }) => break,
            // Planning tells what is wrong with it.
            Err(_) => return Ok(paths),
        }
    }
    let tree = there.finish(reader.tables());
    for path in &paths {
        tree.check(path).map_err(|problem| {
            let path = String::from_utf8_lossy(path).into_owned();
            DirectoryError::Missing { path, problem }
        })?;
    }
    Ok(paths)
}

/// A path without needless slashes, `.` and `..`.
fn absolute(path: &[u8], header: &Header) -> Result<Vec<u8>, DirectoryError> {
    if path.starts_with(b"/") {
        return Ok(plain(path));
    }
    if path.is_empty() {
        return Err(DirectoryError::Nameless);
    }
    let mut whole = header.cwd.clone();
    whole.push(b'/');
    whole.extend_from_slice(path);
    Err(DirectoryError::Relative {
        path: String::from_utf8_lossy(path).into_owned(),
        perhaps: String::from_utf8_lossy(&plain(&whole)).into_owned(),
    })
}

fn plain(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in names_of(path) {
        match name {
            b"." => {}
            b".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    let mut plain = b"/".to_vec();
    plain.extend_from_slice(&names.join(&b'/'));
    plain
}

fn names_of(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
}

/// What is collected while the trace is read: a byte for each of its nodes.
struct There {
    states: Vec<State>,
    /// Names under which the tool made directories, or moved them there.
    made: BTreeSet<Vec<u8>>,
    /// Mount points and the working directory are there, whatever was done in them.
    known: Vec<Vec<u8>>,
}

/// What the trace says of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing, or that it was absent.
    #[default]
    Absent,
    /// It was there, and may have been a directory.
    Directory,
    /// It was there, and was none.
    Other,
}

impl There {
    fn of(header: &Header) -> There {
        let mounts = header.mounts.iter().map(|mount| mount.mount_point.clone());
        There {
            states: Vec::new(),
            made: BTreeSet::new(),
            known: mounts.chain([header.cwd.clone()]).collect(),
        }
    }

    fn see(&mut self, record: &Record, tables: &Tables) {
        match record {
            Record::PathState(state) => self.is(state.node, state.kind),
            Record::Listing(listing) => {
                self.is(listing.directory, FileKind::Directory);
                for (node, kind) in &listing.entries {
                    self.is(*node, *kind);
                }
            }
            Record::Event(event) => self.made.extend(made(event, tables)),
            _ => {}
        }
    }

    fn is(&mut self, node: NodeId, kind: FileKind) {
        let number = node.0 as usize;
        if self.states.len() <= number {
            self.states.resize(number + 1, State::Absent);
        }
        let state = match kind {
            FileKind::Absent => return,
            FileKind::File => State::Other,
            // A symbolic link may lead to one.
            _ => State::Directory,
        };
        if self.states[number] != State::Directory {
            self.states[number] = state;
        }
    }

    /// What a node lies in is there, too.
    fn finish(mut self, tables: &Tables) -> Tree<'_> {
        self.states.resize(tables.node_count(), State::Absent);
        // A parent always stands before its children.
        for number in (1..self.states.len()).rev() {
            let parent = tables.parent(NodeId(number as u32)).0 as usize;
            if self.states[number] != State::Absent {
                self.states[parent] = State::Directory;
            }
        }
        Tree {
            there: self,
            tables,
        }
    }
}

/// The name under which a call made a directory, or something that may be one.
fn made(event: &Event, tables: &Tables) -> Option<Vec<u8>> {
    let argument = match event.call.name() {
        "mkdir" | "mkdirat" => ArgKind::Path,
        "rename" | "renameat" | "renameat2" | "symlink" | "symlinkat" => ArgKind::NewPath,
        _ => return None,
    };
    if event.result != 0 {
        return None;
    }
    let path = tables.string(event.string(argument)?);
    names_of(path).last().map(<[u8]>::to_vec)
}

/// A trace's directories.
struct Tree<'t> {
    there: There,
    tables: &'t Tables,
}

impl Tree<'_> {
    fn state(&self, node: NodeId) -> State {
        let state = self.there.states.get(node.0 as usize);
        state.copied().unwrap_or_default()
    }

    /// The nodes right below one.
    fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let all = (1..self.tables.node_count() as u32).map(NodeId);
        all.filter(move |child| self.tables.parent(*child) == node)
    }

    fn child(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        let mut same = self.children(node);
        same.find(|child| self.tables.name(*child) == name)
    }

    /// Whether a path was there, or was made; if not, what is wrong with it.
    fn check(&self, path: &[u8]) -> Result<(), String> {
        let inside = |known: &Vec<u8>| {
            let rest = known.strip_prefix(path);
            path == b"/" || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        if self.there.known.iter().any(inside) {
            return Ok(());
        }
        let mut at = NodeId::ROOT;
        let mut names = names_of(path);
        for name in names.by_ref() {
            let Some(next) = self.child(at, name) else {
                return Err(self.missing(at, name));
            };
            match self.state(next) {
                State::Directory => at = next,
                State::Other => return Err("it was a file, and no directory".into()),
                // In a directory that the tool made itself, nothing was there before.
                State::Absent if self.there.made.contains(name) => {
                    return match names.find(|name| !self.is_named(name)) {
                        None => Ok(()),
                        Some(name) => Err(self.missing(next, name)),
                    };
                }
                State::Absent => return Err(self.missing(at, name)),
            }
        }
        Ok(())
    }

    /// Whether anything that the tool made, or looked at, is called so.
    fn is_named(&self, name: &[u8]) -> bool {
        let mut nodes = (1..self.tables.node_count() as u32).map(NodeId);
        self.there.made.contains(name) || nodes.any(|node| self.tables.name(node) == name)
    }

    /// Says that a name isn't in a directory, and what is.
    fn missing(&self, above: NodeId, name: &[u8]) -> String {
        let name = String::from_utf8_lossy(name);
        let is_directory = |child: &NodeId| {
            let made = self.there.made.contains(self.tables.name(*child));
            self.state(*child) == State::Directory || (made && self.state(*child) == State::Absent)
        };
        let alike = |child: NodeId| {
            let other = String::from_utf8_lossy(self.tables.name(child)).into_owned();
            let alike = strsim::normalized_damerau_levenshtein(&name, &other);
            (alike, self.tables.path(child))
        };
        let mut near: Vec<(f64, Vec<u8>)> = self
            .children(above)
            .filter(is_directory)
            .map(alike)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        near.dedup_by(|a, b| a.1 == b.1);
        let close = near.iter().filter(|(alike, _)| *alike >= ALIKE).count();
        near.truncate(if close > 0 { close.min(NAMED) } else { NAMED });
        let near: Vec<String> = near
            .iter()
            .map(|(_, path)| String::from_utf8_lossy(path).into_owned())
            .collect();
        let above = self.tables.path(above);
        let above = String::from_utf8_lossy(&above);
        let known = if near.is_empty() {
            format!("of {above} it knows no directories")
        } else if close > 0 {
            format!("perhaps {}", near.join(" or "))
        } else {
            format!("in {above} there are {}", near.join(", "))
        };
        format!("the trace has no such directory; {known}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_slashes_and_dots_are_left_out() {
        for (path, expected) in [
            ("/w//a/", "/w/a"),
            ("/", "/"),
            ("//", "/"),
            ("/w/./a/../b", "/w/b"),
            ("/../w", "/w"),
        ] {
            assert_eq!(plain(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_relative_directory_is_suggested_below_the_recorded_working_directory() {
        let header = Header {
            cwd: b"/w/app".to_vec(),
            ..Header::default()
        };
        let error = absolute(b"./node_modules/", &header).expect_err("relative");
        assert!(error.to_string().ends_with("perhaps /w/app/node_modules"));
        assert_eq!(absolute(b"", &header), Err(DirectoryError::Nameless));
    }
}
