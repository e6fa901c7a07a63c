//! The texts added last, of which a new one probably shares its beginning: one for each of a few
//! tasks at work.

/// How many are kept.
pub const RECENT: usize = 8;

/// A ring of texts.
#[derive(Default)]
pub struct Recent {
    texts: [Vec<u8>; RECENT],
    newest: usize,
}

impl Recent {
    /// Forgets all.
    pub fn clear(&mut self) {
        for text in &mut self.texts {
            text.clear();
        }
        self.newest = 0;
    }

    /// The text that was added so many before the newest.
    pub fn get(&self, age: usize) -> &[u8] {
        &self.texts[(self.newest + RECENT - age % RECENT) % RECENT]
    }

    /// Adds a text.
    pub fn push(&mut self, text: &[u8]) {
        self.newest = (self.newest + 1) % RECENT;
        let place = &mut self.texts[self.newest];
        place.clear();
        place.extend_from_slice(text);
    }

    /// The age of the text that shares most with a new one, and how many bytes; the newest of
    /// equals.
    pub fn best(&self, text: &[u8]) -> (usize, usize) {
        let mut best = (0, 0);
        for age in 0..RECENT {
            let count = shared(self.get(age), text);
            if count > best.1 {
                best = (age, count);
            }
        }
        best
    }
}

/// Bytes at the beginning that two texts share. Eight at a time: each new text is compared with
/// all.
fn shared(one: &[u8], other: &[u8]) -> usize {
    let (words, _) = one.as_chunks::<8>();
    let (others, _) = other.as_chunks::<8>();
    let mut count = 0;
    for (word, other) in words.iter().zip(others) {
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differing != 0 {
            return count + differing.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let rest = one[count..].iter().zip(&other[count..]);
    count + rest.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_beginnings_are_counted_to_the_byte() {
        let text = b"a text that is longer than a few words";
        for length in 0..text.len() {
            assert_eq!(shared(text, &text[..length]), length);
            let mut other = text.to_vec();
            other[length] ^= 0x80;
            assert_eq!(shared(&other, text), length);
            assert_eq!(shared(&other[..length + 1], text), length);
        }
    }

    #[test]
    fn the_newest_of_equals_is_taken() {
        let mut recent = Recent::default();
        assert_eq!(recent.best(b"abc"), (0, 0));
        recent.push(b"abx");
        recent.push(b"zzz");
        assert_eq!(recent.best(b"abc"), (1, 2));
        recent.push(b"aby");
        assert_eq!(recent.best(b"abc"), (0, 2));
        for _ in 0..RECENT {
            recent.push(b"q");
        }
        assert_eq!(recent.best(b"abc"), (0, 0));
    }
}
