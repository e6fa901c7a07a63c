//! From a path string, as a call gave it, to the place that it led to.

use std::collections::HashMap;

use fsreplay_trace::abi::MAX_LINKS;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::StringId;

use crate::places::{Places, WALKED};

/// Components that one walk takes, links included: forty links of 4095 bytes each.
const MAX_STEPS: u32 = 1 << 17;

/// Remembers where strings led.
#[derive(Default)]
pub(crate) struct Resolver {
    /// By start directory, string, and whether a link at the end is followed; with the generation
    /// in which it was found out.
    known: HashMap<(u32, u32, bool), (u32, u32)>,
}

impl Resolver {
    /// The place that a path leads to from the directory `start`, or from `root` if it is absolute.
    /// Names that aren't there have places, too; those of a directory that isn't there are
    /// below it as they are written.
    pub(crate) fn resolve(
        &mut self,
        places: &mut Places,
        tables: &Tables,
        (start, root): (u32, u32),
        string: StringId,
        follow: bool,
    ) -> u32 {
        let path = tables.string(string);
        let begin = if path.first() == Some(&b'/') {
            root
        } else {
            start
        };
        let key = (begin, string.0, follow);
        if let Some((place, generation)) = self.known.get(&key)
            && *generation == places.generation
        {
            return *place;
        }
        let place = walk(places, tables, path, begin, root, follow);
        self.known.insert(key, (place, places.generation));
        place
    }
}

fn walk(
    places: &mut Places,
    tables: &Tables,
    path: &[u8],
    begin: u32,
    root: u32,
    follow: bool,
) -> u32 {
    let mut at = begin;
    let mut links = 0;
    // What is left of the path and of the texts of links being followed, innermost last.
    let mut pending: Vec<&[u8]> = vec![path];
    for _ in 0..MAX_STEPS {
        let Some(name) = next_name(&mut pending) else {
            break;
        };
        match name {
            b"." => {}
            b".." => {
                if at != root {
                    at = places.get(at).parent;
                }
            }
            name => {
                let child = places.child(at, name);
                places.get_mut(child).flags |= WALKED;
                let text = places
                    .link(child)
                    .map(|link| tables.string(StringId(link)))
                    .filter(|text| !text.is_empty());
                // A slash after the last name has a link there followed, whatever the call would
                // do.
                let meant_itself = !follow && pending.is_empty();
                match text {
                    Some(text) if !meant_itself && links < MAX_LINKS => {
                        links += 1;
                        if text.first() == Some(&b'/') {
                            at = root;
                        }
                        pending.push(text);
                    }
                    _ => at = child,
                }
            }
        }
    }
    at
}

/// Takes the next name; texts that have nothing left are dropped at once, so that an empty list
/// says that it was the last.
fn next_name<'t>(pending: &mut Vec<&'t [u8]>) -> Option<&'t [u8]> {
    loop {
        let text = pending.last_mut()?;
        let from = text.iter().position(|b| *b != b'/').unwrap_or(text.len());
        let rest = &text[from..];
        let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if after.is_empty() {
            pending.pop();
        } else {
            *text = after;
        }
        if !name.is_empty() {
            return Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::ROOT;
    use fsreplay_trace::model::FileKind;

    struct World {
        places: Places,
        tables: Tables,
        resolver: Resolver,
    }

    impl World {
        fn link(&mut self, at: &[u8], text: &[u8]) {
            let id = self.tables.add_string(text);
            let place = self.places.of_path(at);
            self.places.set(place, FileKind::Symlink, Some(id.0));
        }

        fn led(&mut self, from: &[u8], path: &[u8], follow: bool) -> String {
            let id = self.tables.add_string(path);
            let start = self.places.of_path(from);
            let place =
                self.resolver
                    .resolve(&mut self.places, &self.tables, (start, ROOT), id, follow);
            String::from_utf8(self.places.path(place)).expect("ASCII")
        }
    }

    fn world() -> World {
        World {
            places: Places::new(),
            tables: Tables::new(),
            resolver: Resolver::default(),
        }
    }

    #[test]
    fn paths_are_resolved_as_the_kernel_would() {
        let mut world = world();
        world.link(b"/a/rel", b"../b/./c");
        world.link(b"/a/abs", b"/b//d/");
        world.link(b"/a/round", b"round");
        assert_eq!(world.led(b"/w", b"x/../y", true), "/w/y");
        assert_eq!(world.led(b"/w", b"/../..", true), "/");
        assert_eq!(world.led(b"/a", b"rel", true), "/b/c");
        assert_eq!(world.led(b"/a", b"rel", false), "/a/rel");
        assert_eq!(world.led(b"/a", b"rel/", false), "/b/c");
        assert_eq!(world.led(b"/a", b"rel/x", false), "/b/c/x");
        assert_eq!(world.led(b"/", b"a/abs/x", true), "/b/d/x");
        assert_eq!(world.led(b"/a", b"round", true), "/a/round");
        assert_eq!(world.led(b"/a", b"", true), "/a");
    }

    #[test]
    fn a_link_that_changes_leads_elsewhere_from_then_on() {
        let mut world = world();
        world.link(b"/now", b"/v1");
        let id = world.tables.add_string(b"/now/x");
        let led = |world: &mut World| {
            let place =
                world
                    .resolver
                    .resolve(&mut world.places, &world.tables, (ROOT, ROOT), id, true);
            String::from_utf8(world.places.path(place)).expect("ASCII")
        };
        assert_eq!(led(&mut world), "/v1/x");
        world.link(b"/now", b"/v2");
        assert_eq!(led(&mut world), "/v2/x");
    }
}
