//! How a path is spelled that is issued: as recorded where that is safe, else from the directories
//! that its walk found.

use fsreplay_trace::abi::{NAME_MAX, PATH_MAX};
use fsreplay_trace::model::StringId;

use super::intern::TextBuilder;
use super::resolve::{WalkStart, Walked, has_parent};
use super::tree::{NONE, Top};
use super::{Cx, Planner};
use crate::plan::{At, Slot};

impl Planner {
    /// Spells a path: as recorded where that is safe, else from the directories that the walk
    /// found.
    pub(super) fn spell(
        &mut self,
        cx: &Cx,
        string: StringId,
        from: usize,
        start: WalkStart,
        walked: &Walked,
    ) -> At {
        let bytes = &cx.tables.string(string)[from..];
        if !walked.plain {
            return self.rebuild(bytes, start, walked);
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
                    path: self.paths.texts.push(&padded),
                }
            }
            Some(skip) => At {
                dir: start.slot,
                path: self.paths.texts.string(string, from + skip, cx.tables),
            },
        }
    }

    /// Spells a path by its names from the top of its placement, or from where the walk started if
    /// it stayed below.
    fn rebuild(&mut self, bytes: &[u8], start: WalkStart, walked: &Walked) -> At {
        let rest = bytes.get(walked.outer_at..).unwrap_or(b"");
        self.rebuild_rest(bytes, rest, start, walked)
    }

    fn rebuild_rest(&mut self, bytes: &[u8], rest: &[u8], start: WalkStart, walked: &Walked) -> At {
        let absolute = bytes.first() == Some(&b'/');
        let stop = if absolute { NONE } else { start.ino };
        let mut names = std::mem::take(&mut self.paths.scratch_names);
        let top = self.land.tree.climb(walked.outer_dir, stop, &mut names);
        let mut text = std::mem::take(&mut self.paths.scratch);
        text.clear();
        let dir = match top {
            Some(Top::Root(root)) => Slot(u32::from(root)),
            Some(Top::Asked) => start.slot,
            None => {
                self.tally.notes.add("paths through removed directories");
                names.clear();
                start.slot
            }
        };
        for name in names.iter().rev() {
            text.extend_from_slice(self.land.tree.names.get(*name));
            text.push(b'/');
        }
        // A walk that ended before its first name leaves the whole path, slash included; what is
        // issued starts inside.
        let slashes = rest.iter().take_while(|b| **b == b'/').count();
        let rest = &rest[slashes..];
        if !rest.is_empty() {
            push_contained(&mut text, rest);
        } else {
            // It ended without a name of its own, and calls that make or remove names tell that
            // from one.
            text.push(b'.');
        }
        let path = self.paths.texts.push_built(&text);
        self.paths.scratch = text;
        self.paths.scratch_names = names;
        At { dir, path }
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
