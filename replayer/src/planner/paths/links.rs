//! Containment of symbolic links: which texts may stay as they are, and what becomes of the others
//! (docs/security.md, "The first line").

use super::super::hash::FastMap;
use super::super::intern::TextBuilder;
use super::super::land::areas::components;
use super::super::land::resolve::has_parent;
use super::super::order::{OpId, Order};
use crate::plan::{Action, Root, Text};

/// What becomes of a link's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkText {
    /// It stays.
    Verbatim,
    /// It becomes a path inside that root.
    Inside(u16, Text),
}

/// Recorded directories of the roots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placements {
    recorded: Vec<Vec<u8>>,
}

impl Placements {
    pub(crate) fn new(roots: &[Root]) -> Placements {
        Placements {
            recorded: roots.iter().map(|root| root.recorded.clone()).collect(),
        }
    }

    /// The root that a recorded path without `..` lies in, and what is left of the path below it.
    fn locate<'p>(&self, path: &[&'p [u8]]) -> (u16, Vec<&'p [u8]>) {
        let mut best = (0, 0);
        for (number, recorded) in self.recorded.iter().enumerate().skip(1) {
            let names: Vec<&[u8]> = components(recorded).collect();
            if path.starts_with(&names) && names.len() > best.1 {
                best = (number as u16, names.len());
            }
        }
        (best.0, path[best.1..].to_vec())
    }
}

/// Links that a plan makes and reads.
#[derive(Default)]
pub(crate) struct Links {
    placements: Placements,
    reads: Vec<(OpId, u32)>,
    rewritten: FastMap<u32, (u16, Text)>,
}

impl Links {
    pub(crate) fn new(placements: Placements) -> Links {
        Links {
            placements,
            ..Links::default()
        }
    }

    /// Where a link's text leads, for a link in the recorded directory `home`.
    fn inside(&self, texts: &mut TextBuilder, text: &[u8], home: &[u8]) -> (u16, Text) {
        let absolute = text.first() == Some(&b'/');
        if absolute && self.placements.recorded.len() < 2 && !has_parent(text) {
            let start = text.iter().position(|b| *b != b'/').unwrap_or(text.len());
            return (0, texts.push_built(&text[start..]));
        }
        let path = led_to(text, home);
        let (root, rest) = self.placements.locate(&path);
        (root, texts.push_built(&rest.join(&b'/')))
    }

    /// Whether a relative text stays inside the root that it lies in.
    fn same_root(&self, text: &[u8], home: &[u8]) -> bool {
        if self.placements.recorded.len() < 2 {
            return true;
        }
        let here: Vec<&[u8]> = components(home).collect();
        let there = led_to(text, home);
        self.placements.locate(&here).0 == self.placements.locate(&there).0
    }

    /// The text that a link in the recorded directory `home` gets, and, if that isn't its own, what
    /// reads of it are to expect.
    pub(crate) fn decide(
        &mut self,
        texts: &mut TextBuilder,
        text: &[u8],
        home: &[u8],
        ino: u32,
    ) -> LinkText {
        let absolute = text.first() == Some(&b'/');
        if !absolute && !has_parent(text) && self.same_root(text, home) {
            return LinkText::Verbatim;
        }
        let (root, path) = self.inside(texts, text, home);
        self.rewritten.insert(ino, (root, path));
        LinkText::Inside(root, path)
    }

    /// The op about to stand at `id` reads the text of a link.
    pub(crate) fn read(&mut self, text: &[u8], ino: u32, id: OpId) {
        let kept = text.first() != Some(&b'/') && self.placements.recorded.len() < 2;
        if !kept || has_parent(text) {
            self.reads.push((id, ino));
        }
    }

    /// Tells the ops that read rewritten links what to expect. Comes after the initial tree is
    /// written.
    pub(crate) fn settle_reads(&mut self, order: &mut Order, texts: &TextBuilder) {
        for (id, ino) in std::mem::take(&mut self.reads) {
            let Some((root, text)) = self.rewritten.get(&ino) else {
                continue;
            };
            let text = texts.get(*text).len();
            // The replay's text is DIRECTORY/TEXT: the executor adds the directory's length.
            let inside = if text == 0 { 0 } else { text + 1 };
            order.change(id, |op| {
                if let Action::ReadLink { target_root, .. } = &mut op.action
                    && op.expected >= 0
                {
                    *target_root = Some(*root);
                    op.expected = inside as i64;
                }
            });
        }
    }
}

/// The names of the recorded path that a text leads to, for a link in the directory `home`: `..`
/// taken by name, since the directories on the way are the ones that it was made among.
fn led_to<'p>(text: &'p [u8], home: &'p [u8]) -> Vec<&'p [u8]> {
    let mut path: Vec<&[u8]> = Vec::new();
    if text.first() != Some(&b'/') {
        path.extend(components(home));
    }
    for name in components(text) {
        if name == b".." {
            path.pop();
        } else {
            path.push(name);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(recorded: &[&str]) -> Links {
        let roots: Vec<Root> = recorded
            .iter()
            .map(|path| Root {
                recorded: path.as_bytes().to_vec(),
                target: "/target".into(),
            })
            .collect();
        Links::new(Placements::new(&roots))
    }

    fn inside(recorded: &[&str], text: &[u8], home: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut texts = TextBuilder::default();
        match links(recorded).decide(&mut texts, text, home, 1) {
            LinkText::Verbatim => None,
            LinkText::Inside(root, path) => Some((root, texts.get(path).to_vec())),
        }
    }

    #[test]
    fn absolute_texts_lead_inside() {
        let lead = |text: &[u8]| inside(&["/", "/src"], text, b"/home");
        assert_eq!(lead(b"/usr/lib"), Some((0, b"usr/lib".to_vec())));
        assert_eq!(lead(b"/src/a/../b"), Some((1, b"b".to_vec())));
        assert_eq!(lead(b"/../../etc"), Some((0, b"etc".to_vec())));
        assert_eq!(lead(b"/"), Some((0, Vec::new())));
    }

    #[test]
    fn texts_that_climb_lead_from_the_top_instead() {
        let lead = |text: &[u8]| inside(&["/"], text, b"/a/b");
        assert_eq!(lead(b"x/y"), None);
        assert_eq!(lead(b"x..y/..z"), None);
        assert_eq!(lead(b"../x"), Some((0, b"a/x".to_vec())));
        assert_eq!(lead(b"../../../x"), Some((0, b"x".to_vec())));
        assert_eq!(lead(b"c/../../x"), Some((0, b"a/x".to_vec())));
        assert_eq!(lead(b".."), Some((0, b"a".to_vec())));
    }

    #[test]
    fn links_into_another_placement_become_absolute() {
        let lead = |text: &[u8]| inside(&["/", "/a/src"], text, b"/a");
        assert_eq!(lead(b"src/x"), Some((1, b"x".to_vec())));
        assert_eq!(lead(b"other"), None);
    }
}
