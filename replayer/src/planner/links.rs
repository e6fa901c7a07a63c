//! Containment of symbolic links: which texts may stay as they are, and what becomes of the others
//! (docs/architecture.md, "Containment", rules 2 and 3).

use super::areas::components;
use super::hash::FastMap;
use super::intern::Texts;
use super::order::{Order, Place};
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

/// Number of leading `..` of a link's text, and whether there are others.
fn climbs(text: &[u8]) -> (usize, bool) {
    let leading = components(text).take_while(|name| *name == b"..").count();
    let all = components(text).filter(|name| *name == b"..").count();
    (leading, all > leading)
}

/// A link that climbs and stays as it is if the whole plan's renames leave it the room.
struct Climb {
    place: Place,
    ino: u32,
    up: usize,
    depth: usize,
    inside: (u16, Text),
}

/// Links that a plan makes and reads, and what its renames do to their depth.
#[derive(Default)]
pub(crate) struct Links {
    placements: Placements,
    /// Sum of all upward shifts of renames and hard links.
    shift: usize,
    climbing: Vec<Climb>,
    reads: Vec<(Place, u32)>,
    rewritten: FastMap<u32, (u16, Text)>,
}

impl Links {
    pub(crate) fn new(placements: Placements) -> Links {
        Links {
            placements,
            ..Links::default()
        }
    }

    /// A name moves from a directory at depth `from` to one at depth `to` (or back, if they are exchanged).
    pub(crate) fn shift(&mut self, from: usize, to: usize, exchange: bool) {
        let up = from.saturating_sub(to);
        let down = if exchange { to.saturating_sub(from) } else { 0 };
        self.shift = self.shift.saturating_add(up).saturating_add(down);
    }

    /// Where a link's text leads, for a link in the recorded directory `home`.
    fn inside(&self, texts: &mut Texts, text: &[u8], home: &[u8]) -> (u16, Text) {
        let absolute = text.first() == Some(&b'/');
        if absolute && self.placements.recorded.len() < 2 && climbs(text) == (0, false) {
            let start = text.iter().position(|b| *b != b'/').unwrap_or(text.len());
            return (0, texts.push_built(&text[start..]));
        }
        let mut path: Vec<&[u8]> = Vec::new();
        if !absolute {
            path.extend(components(home));
        }
        for name in components(text) {
            if name == b".." {
                path.pop();
            } else {
                path.push(name);
            }
        }
        let (root, rest) = self.placements.locate(&path);
        (root, texts.push_built(&rest.join(&b'/')))
    }

    /// Whether a relative text without `..` beyond the leading ones stays inside its own root.
    fn same_root(&self, text: &[u8], home: &[u8]) -> bool {
        if self.placements.recorded.len() < 2 {
            return true;
        }
        let mut path: Vec<&[u8]> = components(home).collect();
        let here = self.placements.locate(&path).0;
        for name in components(text) {
            if name == b".." {
                path.pop();
            } else {
                path.push(name);
            }
        }
        self.placements.locate(&path).0 == here
    }

    /// The text of a link that `depth` directories below its root may have, if `headroom` of those may vanish.
    fn decide(
        &self,
        texts: &mut Texts,
        text: &[u8],
        home: &[u8],
        depth: usize,
        headroom: usize,
    ) -> LinkText {
        let (up, others) = climbs(text);
        let fits = up == 0 || up <= depth.saturating_sub(headroom);
        if text.first() != Some(&b'/') && !others && fits && self.same_root(text, home) {
            return LinkText::Verbatim;
        }
        let (root, path) = self.inside(texts, text, home);
        LinkText::Inside(root, path)
    }

    /// A link of the initial tree, after all renames are known.
    pub(crate) fn initial(
        &mut self,
        texts: &mut Texts,
        text: &[u8],
        home: &[u8],
        depth: usize,
        ino: u32,
    ) -> LinkText {
        let decided = self.decide(texts, text, home, depth, self.shift);
        if let LinkText::Inside(root, path) = decided {
            self.rewritten.insert(ino, (root, path));
        }
        decided
    }

    /// A link that the op about to stand at `place` makes. Whether it climbs tells the second value: its directory must
    /// be opened first then.
    pub(crate) fn make(
        &mut self,
        texts: &mut Texts,
        text: &[u8],
        home: &[u8],
        depth: usize,
        ino: u32,
        place: Place,
    ) -> (LinkText, bool) {
        let decided = self.decide(texts, text, home, depth, 0);
        let (up, _) = climbs(text);
        match decided {
            LinkText::Inside(root, path) => {
                self.rewritten.insert(ino, (root, path));
                (decided, false)
            }
            LinkText::Verbatim if up == 0 => (decided, false),
            LinkText::Verbatim => {
                let inside = self.inside(texts, text, home);
                self.climbing.push(Climb {
                    place,
                    ino,
                    up,
                    depth,
                    inside,
                });
                (decided, true)
            }
        }
    }

    /// The op about to stand at `place` reads the text of a link.
    pub(crate) fn read(&mut self, text: &[u8], ino: u32, place: Place) {
        let kept = text.first() != Some(&b'/') && self.placements.recorded.len() < 2;
        if !kept || climbs(text) != (0, false) {
            self.reads.push((place, ino));
        }
    }

    /// Rewrites the links that climb too far for what the whole plan renames. Comes before the initial tree is written.
    pub(crate) fn settle_made(&mut self, order: &mut Order) {
        for climb in std::mem::take(&mut self.climbing) {
            if climb.up <= climb.depth.saturating_sub(self.shift) {
                continue;
            }
            let (root, text) = climb.inside;
            if let Some(Action::Symlink {
                target,
                target_root,
                ..
            }) = order.action_mut(climb.place)
            {
                *target = text;
                *target_root = Some(root);
                self.rewritten.insert(climb.ino, climb.inside);
            }
        }
    }

    /// Tells the ops that read rewritten links what to expect. Comes after the initial tree is written.
    pub(crate) fn settle_reads(&mut self, order: &mut Order, texts: &Texts) {
        for (place, ino) in std::mem::take(&mut self.reads) {
            let Some((root, text)) = self.rewritten.get(&ino) else {
                continue;
            };
            let text = texts.get(*text).len();
            // The replay's text is DIRECTORY/TEXT: the executor adds the directory's length.
            let inside = if text == 0 { 0 } else { text + 1 };
            if let Some(op) = order.op_mut(place)
                && let Action::ReadLink { target_root, .. } = &mut op.action
                && op.expected >= 0
            {
                *target_root = Some(*root);
                op.expected = inside as i64;
            }
        }
    }
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

    fn inside(links: &Links, text: &[u8], home: &[u8], depth: usize) -> Option<(u16, Vec<u8>)> {
        let mut texts = Texts::default();
        match links.decide(&mut texts, text, home, depth, 0) {
            LinkText::Verbatim => None,
            LinkText::Inside(root, path) => Some((root, texts.get(path).to_vec())),
        }
    }

    #[test]
    fn absolute_texts_lead_inside() {
        let links = links(&["/", "/src"]);
        let lead = |text: &[u8]| inside(&links, text, b"/home", 1);
        assert_eq!(lead(b"/usr/lib"), Some((0, b"usr/lib".to_vec())));
        assert_eq!(lead(b"/src/a/../b"), Some((1, b"b".to_vec())));
        assert_eq!(lead(b"/../../etc"), Some((0, b"etc".to_vec())));
        assert_eq!(lead(b"/"), Some((0, Vec::new())));
    }

    #[test]
    fn climbing_texts_stay_only_where_they_can_not_leave() {
        let links = links(&["/"]);
        assert_eq!(inside(&links, b"../x", b"/a/b", 2), None);
        assert_eq!(inside(&links, b"../../x", b"/a/b", 2), None);
        assert_eq!(
            inside(&links, b"../../../x", b"/a/b", 2),
            Some((0, b"x".to_vec()))
        );
        assert_eq!(
            inside(&links, b"c/../../x", b"/a/b", 2),
            Some((0, b"a/x".to_vec()))
        );
    }

    #[test]
    fn links_into_another_placement_become_absolute() {
        let links = links(&["/", "/a/src"]);
        let lead = |text: &[u8]| inside(&links, text, b"/a", 1);
        assert_eq!(lead(b"src/x"), Some((1, b"x".to_vec())));
        assert_eq!(lead(b"other"), None);
    }

    #[test]
    fn renames_upwards_take_room_away() {
        let mut links = links(&["/"]);
        links.shift(5, 3, false);
        let mut texts = Texts::default();
        assert_eq!(
            links.initial(&mut texts, b"../x", b"/a/b/c", 3, 1),
            LinkText::Verbatim
        );
        assert!(matches!(
            links.initial(&mut texts, b"../../x", b"/a/b/c", 3, 1),
            LinkText::Inside(0, _)
        ));
    }
}
