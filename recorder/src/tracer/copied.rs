//! What was copied of the tool's memory where it was recorded inside.
//!
//! The first argument of a program is kept as if it stood where the pointer to it stands.

use fsreplay_inside::Event;

use crate::session::Memory;

/// Bytes of a pointer.
const POINTER: usize = 8;

/// What an event copied of the tool's memory: its path and the name of an attribute, or vectors.
pub(super) struct Copied<'a>(pub(super) &'a Event);

impl Memory for Copied<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        if let Some(vectors) = self.vectors_from(address) {
            let count = vectors.len().min(buffer.len());
            buffer[..count].copy_from_slice(&vectors[..count]);
            return count;
        }
        if self.0.number == libc::SYS_execve as u64 && buffer.len() == POINTER {
            let is_it = self.0.name_at == Some(address);
            buffer.copy_from_slice(&address.to_ne_bytes());
            return if is_it { POINTER } else { 0 };
        }
        let Some(rest) = self.from(address) else {
            return 0;
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        match buffer.get_mut(count) {
            Some(end) => {
                *end = 0;
                count + 1
            }
            None => count,
        }
    }

    fn read_string(&self, address: u64, limit: usize, out: &mut Vec<u8>) -> Option<()> {
        let text = self.from(address)?;
        out.extend_from_slice(&text[..text.len().min(limit)]);
        Some(())
    }
}

impl Copied<'_> {
    /// The vectors from there on.
    fn vectors_from(&self, address: u64) -> Option<&[u8]> {
        let event = self.0;
        let offset = address.checked_sub(event.arguments[1])?;
        let rest = event.vectors.get(usize::try_from(offset).ok()?..)?;
        (!rest.is_empty()).then_some(rest)
    }

    /// The path or the name from there on, without its zero.
    fn from(&self, address: u64) -> Option<&[u8]> {
        let event = self.0;
        if event.name_at == Some(address) {
            return Some(&event.name);
        }
        let offset = address.checked_sub(event.path_at?)?;
        event.path.get(usize::try_from(offset).ok()?..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_was_copied_is_read_as_from_memory() {
        let event = Event {
            path_at: Some(0x1000),
            path: b"a/name".to_vec(),
            ..Event::default()
        };
        let memory = Copied(&event);
        let mut text = Vec::new();
        assert!(memory.read_string(0x1000, 100, &mut text).is_some());
        assert!(memory.read_string(0x1002, 100, &mut text).is_some());
        assert_eq!(text, b"a/namename");
        let mut few = [1; 3];
        assert_eq!((memory.read(0x1000, &mut few), few), (3, *b"a/n"));
        assert_eq!(memory.read(0xfff, &mut few), 0);
        assert_eq!(memory.read(0x1007, &mut few), 0);
    }

    #[test]
    fn vectors_that_were_copied_are_read_as_from_memory() {
        let event = Event {
            arguments: [1, 0x1000, 2, 0, 0, 0],
            vectors: (0..32).collect(),
            ..Event::default()
        };
        let memory = Copied(&event);
        let mut all = [0; 32];
        assert_eq!(memory.read(0x1000, &mut all), 32);
        assert_eq!(all.to_vec(), event.vectors);
        assert_eq!(memory.read_u64(0x1018), Some(0x1f1e_1d1c_1b1a_1918));
        assert_eq!(memory.read_u64(0x1020), None);
        assert_eq!(memory.read_u64(0xfff), None);
    }

    #[test]
    fn the_first_argument_of_a_program_is_read_by_its_pointer() {
        let event = Event {
            number: libc::SYS_execve as u64,
            arguments: [0x1000, 0x2000, 0, 0, 0, 0],
            path_at: Some(0x1000),
            path: b"/bin/sh".to_vec(),
            name_at: Some(0x2000),
            name: b"sh".to_vec(),
            ..Event::default()
        };
        let memory = Copied(&event);
        let first = memory.read_u64(0x2000).expect("a pointer");
        let mut text = Vec::new();
        assert!(memory.read_string(first, 100, &mut text).is_some());
        assert_eq!(text, b"sh");
        // No other was copied.
        assert_eq!(memory.read_u64(0x2008), None);
    }

    #[test]
    fn a_name_that_was_copied_is_read_as_from_memory() {
        let event = Event {
            path_at: Some(0x1000),
            path: b"a/name".to_vec(),
            name_at: Some(0x1003),
            name: b"user.one".to_vec(),
            ..Event::default()
        };
        let mut text = Vec::new();
        assert!(Copied(&event).read_string(0x1003, 100, &mut text).is_some());
        assert_eq!(text, b"user.one");
    }
}
