//! Ways from sites that were looked for before, in this process or another one of the same file.
//!
//! Many tools start one program again and again. What is near a site says which way there is, and
//! looking for that takes longer than all else that a patch does.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::arch::sites::{Padding, Way};
use crate::maps::InFile;

/// The neighbourhood of a site: what its way depends on.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Which byte of a file the site is.
    pub site: InFile,
    /// How far in these bytes it is.
    pub offset: u64,
    /// The bytes around it, as they are in the process: those of the file, but for what was
    /// patched.
    pub bytes: &'a [u8],
}

/// Ways by what they depend on.
#[derive(Debug, Default)]
pub struct Ways {
    /// Addresses count from the site.
    found: HashMap<(InFile, u64, u64), Option<Way>>,
    hasher: RandomState,
}

impl Ways {
    /// The way of the site at an address; looked for only if none was in the same neighbourhood.
    pub fn way(
        &mut self,
        near: Near<'_>,
        address: u64,
        look: impl FnOnce() -> Option<Way>,
    ) -> Option<Way> {
        let key = (near.site, near.offset, self.hasher.hash_one(near.bytes));
        let way = self.found.entry(key).or_insert_with(|| {
            let way = look()?;
            Some(moved(way, address.wrapping_neg()))
        });
        way.map(|way| moved(way, address))
    }
}

/// The same way where its code is mapped so many bytes further on.
fn moved(way: Way, by: u64) -> Way {
    let moved = |padding: Padding| Padding {
        address: padding.address.wrapping_add(by),
        ..padding
    };
    Way {
        hop: way.hop.map(moved),
        last: moved(way.last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: InFile = (1, 2, 0x1080);

    fn way(address: u64) -> Way {
        let padding = |address| Padding { address, length: 8 };
        Way {
            hop: Some(padding(address - 16)),
            last: padding(address + 32),
        }
    }

    #[test]
    fn a_way_holds_wherever_the_file_is_mapped() {
        let mut ways = Ways::default();
        let near = Near {
            site: SITE,
            offset: 4,
            bytes: b"code",
        };
        let first = ways.way(near, 0x5000, || Some(way(0x5000)));
        assert_eq!(first, Some(way(0x5000)));
        let elsewhere = ways.way(near, 0x7000, || panic!("it is known"));
        assert_eq!(elsewhere, Some(way(0x7000)));
    }

    #[test]
    fn what_was_patched_nearby_makes_it_another_place() {
        let mut ways = Ways::default();
        let near = Near {
            site: SITE,
            offset: 4,
            bytes: b"code",
        };
        assert_eq!(ways.way(near, 0x5000, || None), None);
        assert_eq!(ways.way(near, 0x5000, || panic!("it is known")), None);
        let patched = Near {
            bytes: b"jump",
            ..near
        };
        let found = ways.way(patched, 0x5000, || Some(way(0x5000)));
        assert_eq!(found, Some(way(0x5000)));
        let further = Near { offset: 5, ..near };
        assert!(ways.way(further, 0x5000, || Some(way(0x5000))).is_some());
    }
}
