//! Other numbers for users and groups.

use std::collections::HashMap;

/// root, and the id that stands for those that a user namespace doesn't map ("nobody"): they are
/// the same everywhere.
const KEPT: [u32; 2] = [0, 65534];
/// The first of the numbers that stand for others.
const FIRST: u32 = 1000;

/// Ids and what stands for them, in the order in which they were met: different ones for different
/// ones, so that who owns what stays the same.
#[derive(Default)]
pub struct Owners {
    known: HashMap<u32, u32>,
}

impl Owners {
    /// What stands for an id.
    pub fn replace(&mut self, id: u32) -> u32 {
        if KEPT.contains(&id) {
            return id;
        }
        let counted = FIRST.wrapping_add(self.known.len() as u32);
        // The numbers behind that which is kept are one further on.
        let next = counted.wrapping_add(u32::from(counted >= KEPT[1]));
        *self.known.entry(id).or_insert(next)
    }

    /// What stands for an argument: -1 says "leave it".
    pub fn replace_argument(&mut self, id: u64) -> u64 {
        match u32::try_from(id) {
            Ok(u32::MAX) | Err(_) => id,
            Ok(known) => u64::from(self.replace(known)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_ids_stay_different_and_root_stays_root() {
        let mut owners = Owners::default();
        assert_eq!(owners.replace(48_213), 1000);
        assert_eq!(owners.replace(0), 0);
        assert_eq!(owners.replace(65_534), 65_534);
        assert_eq!(owners.replace(1000), 1001);
        assert_eq!(owners.replace(48_213), 1000);
        assert_eq!(owners.replace_argument(u64::MAX), u64::MAX);
        assert_eq!(owners.replace_argument(48_213), 1000);
        let mut seen = std::collections::HashSet::new();
        for id in 0..100_000 {
            assert!(seen.insert(owners.replace(id)), "{id}");
        }
    }
}
