//! Names of directory entries, stored once, and the arena of texts that a plan issues.

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::StringId;

use super::hash::{FastMap, RawIndex, Seed};
use crate::plan::Text;

/// Every name that occurs in a path, once.
#[derive(Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    index: RawIndex,
    seed: Seed,
    full: bool,
}

impl Names {
    /// Whether more names came than numbers can tell; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes that they take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 16
    }

    /// The bytes of a name.
    #[inline]
    pub(crate) fn get(&self, name: u32) -> &[u8] {
        let at = name as usize;
        let start = if at == 0 {
            0
        } else {
            self.ends[at - 1] as usize
        };
        &self.bytes[start..self.ends[at] as usize]
    }

    /// The number of a name that was met before.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.index
            .find(self.seed.bytes(name), |n| self.get(n) == name)
    }

    /// The number of a name.
    pub(crate) fn intern(&mut self, name: &[u8]) -> u32 {
        let hash = self.seed.bytes(name);
        if let Some(found) = self.index.find(hash, |n| self.get(n) == name) {
            return found;
        }
        let room = (u32::MAX / 2) as usize;
        if self.bytes.len() + name.len() > room || self.ends.len() >= room {
            self.full = true;
            return 0;
        }
        let number = self.ends.len() as u32;
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len() as u32);
        self.index.insert(hash, number);
        number
    }
}

/// Builds [`crate::plan::Plan::text`].
pub(crate) struct TextBuilder {
    bytes: Vec<u8>,
    /// Where each string of the trace stands, plus one; 0 where it does not stand yet.
    strings: Vec<u32>,
    built: FastMap<u64, u32>,
    seed: Seed,
    full: bool,
}

impl Default for TextBuilder {
    fn default() -> TextBuilder {
        TextBuilder {
            bytes: vec![0, b'.', 0],
            strings: Vec::new(),
            built: FastMap::default(),
            seed: Seed::default(),
            full: false,
        }
    }
}

impl TextBuilder {
    /// The empty text.
    pub(crate) const EMPTY: Text = Text(0);
    /// `.`
    pub(crate) const DOT: Text = Text(1);

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.strings.len() * size_of::<u32>() + self.built.len() * 24
    }

    /// Whether the arena's numbers are used up; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Adds a text. A name of the kernel ends at its first NUL, so this does too.
    pub(crate) fn push(&mut self, text: &[u8]) -> Text {
        let text = match text.iter().position(|b| *b == 0) {
            Some(end) => &text[..end],
            None => text,
        };
        if text.is_empty() {
            return TextBuilder::EMPTY;
        }
        if self.bytes.len() + text.len() + 1 > u32::MAX as usize {
            self.full = true;
            return TextBuilder::EMPTY;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        Text(at)
    }

    /// Adds a text that may well have been added before.
    pub(crate) fn push_built(&mut self, text: &[u8]) -> Text {
        let key = u64::from(self.seed.bytes(text)) << 20 ^ text.len() as u64;
        if let Some(at) = self.built.get(&key) {
            let start = *at as usize;
            let end = start + text.len();
            if self.bytes.get(start..end) == Some(text) && self.bytes.get(end) == Some(&0) {
                return Text(*at);
            }
        }
        let added = self.push(text);
        self.built.insert(key, added.0);
        added
    }

    /// A string of the trace without its first `skip` bytes, verbatim; strings stand once however
    /// often they are used.
    #[inline]
    pub(crate) fn string(&mut self, id: StringId, skip: usize, tables: &Tables) -> Text {
        let index = id.0 as usize;
        if index >= self.strings.len() {
            self.strings.resize(tables.string_count().max(index + 1), 0);
        }
        if self.strings[index] == 0 {
            let text = self.push(tables.string(id));
            self.strings[index] = text.0 + 1;
        }
        let start = self.strings[index] - 1;
        if start == 0 {
            return TextBuilder::EMPTY;
        }
        Text(start + skip as u32)
    }

    /// Adds `parent/name`, where the parent is a text already.
    pub(crate) fn join(&mut self, parent: Text, name: &[u8]) -> Text {
        let start = parent.0 as usize;
        let length = self.bytes[start..]
            .iter()
            .position(|b| *b == 0)
            .unwrap_or(0);
        if self.bytes.len() + length + name.len() + 2 > u32::MAX as usize {
            self.full = true;
            return TextBuilder::EMPTY;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_within(start..start + length);
        if length > 0 {
            self.bytes.push(b'/');
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        Text(at)
    }

    /// The arena.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes of a text.
    pub(crate) fn get(&self, text: Text) -> &[u8] {
        let rest = self.bytes.get(text.0 as usize..).unwrap_or(&[]);
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        &rest[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_once() {
        let mut names = Names::default();
        let a = names.intern(b"a");
        let b = names.intern(b"");
        assert_eq!(names.intern(b"a"), a);
        assert_eq!(names.get(b), b"");
        assert_eq!(names.find(b"zz"), None);
    }

    #[test]
    fn texts_end_at_their_first_nul() {
        let mut texts = TextBuilder::default();
        let text = texts.push(b"a\0b");
        assert_eq!(texts.get(text), b"a");
        assert_eq!(texts.get(TextBuilder::DOT), b".");
        let joined = texts.join(text, b"c");
        assert_eq!(texts.get(joined), b"a/c");
        let top = texts.join(TextBuilder::EMPTY, b"c");
        assert_eq!(texts.get(top), b"c");
        assert_eq!(texts.push_built(b"q/r"), texts.push_built(b"q/r"));
    }
}
