//! Small, fast hashing for the planner's tables, seeded per process so that a made-up trace can't
//! aim at collisions.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;

/// A map with the planner's hash.
pub(crate) type FastMap<K, V> = HashMap<K, V, Seed>;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// The secret that hashes start from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed(RandomState::new().hash_one(K0))
    }
}

impl Seed {
    /// Hash of a name.
    #[inline]
    pub(crate) fn bytes(self, bytes: &[u8]) -> u32 {
        let mut state = self.0;
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            state = fold(state ^ u64::from_le_bytes(*word), K0);
        }
        let mut last = [0u8; 8];
        last[..tail.len()].copy_from_slice(tail);
        state = fold(state ^ u64::from_le_bytes(last), K1);
        fold(state ^ bytes.len() as u64, K0) as u32
    }

    /// Hash of two numbers.
    #[inline]
    pub(crate) fn pair(self, a: u32, b: u32) -> u32 {
        fold(self.0 ^ (u64::from(a) << 32 | u64::from(b)), K0) as u32
    }
}

impl BuildHasher for Seed {
    type Hasher = FastHasher;
    fn build_hasher(&self) -> FastHasher {
        FastHasher(self.0)
    }
}

/// Hasher of [`FastMap`].
pub(crate) struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        fold(self.0, K1)
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = fold(self.0 ^ u64::from(*byte), K0);
        }
    }
    fn write_u32(&mut self, value: u32) {
        self.0 = fold(self.0 ^ u64::from(value), K0);
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value, K0);
    }
    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }
    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }
    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }
    // Which of its forms an enumeration has.
    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
    fn write_i32(&mut self, value: i32) {
        self.write_u32(value as u32);
    }
}

/// An open-addressing index from hashes to the numbers of entries that stand elsewhere. Entries are
/// never removed.
#[derive(Default)]
pub(crate) struct RawIndex {
    /// Hash, number plus one (0 for a free place).
    places: Vec<(u32, u32)>,
    used: usize,
}

impl RawIndex {
    /// The entry with that hash for which `same` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let (tag, number) = self.places[at];
            if number == 0 {
                return None;
            }
            if tag == hash && same(number - 1) {
                return Some(number - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry that `find` did not find.
    pub(crate) fn insert(&mut self, hash: u32, number: u32) {
        if self.used * 4 >= self.places.len() * 3 {
            self.grow();
        }
        self.used += 1;
        Self::put(&mut self.places, hash, number + 1);
    }

    fn put(places: &mut [(u32, u32)], hash: u32, stored: u32) {
        let mask = places.len() - 1;
        let mut at = hash as usize & mask;
        while places[at].1 != 0 {
            at = (at + 1) & mask;
        }
        places[at] = (hash, stored);
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(64);
        let mut places = vec![(0, 0); size];
        for &(hash, stored) in self.places.iter().filter(|place| place.1 != 0) {
            Self::put(&mut places, hash, stored);
        }
        self.places = places;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_finds_what_was_put_into_it() {
        let seed = Seed::default();
        let mut index = RawIndex::default();
        for n in 0..5000u32 {
            assert_eq!(index.find(seed.pair(n, 1), |e| e == n), None);
            index.insert(seed.pair(n, 1), n);
        }
        for n in 0..5000u32 {
            assert_eq!(index.find(seed.pair(n, 1), |e| e == n), Some(n));
        }
    }

    #[test]
    fn names_that_differ_in_trailing_zeros_hash_differently() {
        let seed = Seed::default();
        assert_ne!(seed.bytes(b"a"), seed.bytes(b"a\0"));
    }
}
