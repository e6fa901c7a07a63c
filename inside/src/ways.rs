//! Ways from sites that were looked for before, in this process or another one of the same file.
//!
//! Many tools start one program again and again. What is near a site says which way there is, and
//! looking for that takes longer than all else that a patch does.

use std::collections::HashMap;
use std::io;

use crate::arch::sites::{self, Code, GAPS, NEIGHBOURHOOD, Way};
use crate::functions;
use crate::maps::{InFile, Mapping};
use crate::tracee::Tracee;

/// The neighbourhood of a site: what its way depends on.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Which byte of a file the site is.
    pub site: InFile,
    /// How far in these bytes it is.
    pub offset: u64,
    /// The bytes around it, as they are in the process: those of the file, but for what was
    /// patched. Where patches lead is left out, which differs from process to process.
    pub bytes: &'a [u8],
}

/// Neighbourhoods that are kept of one site: there are as many as ways were taken from near it.
const KEPT: usize = 8;
/// Neighbourhoods that are kept in all, of some 5 KiB each. A build may start thousands of programs
/// that it has made itself. Beyond that it is begun anew.
const MOST: usize = 4096;

/// A neighbourhood, and the way in it, if there is one: addresses count from the site.
#[derive(Debug)]
struct Found {
    bytes: Box<[u8]>,
    way: Option<Way>,
}

/// Ways by what they depend on.
#[derive(Debug, Default)]
pub struct Ways {
    found: HashMap<(InFile, u64), Vec<Found>>,
    /// Neighbourhoods in it.
    kept: usize,
}

impl Ways {
    /// The way of the site at an address; looked for only if none was in the same neighbourhood.
    pub fn way(
        &mut self,
        near: Near<'_>,
        address: u64,
        look: impl FnOnce() -> Option<Way>,
    ) -> Option<Way> {
        let key = (near.site, near.offset);
        // The bytes themselves: to hash them takes longer than to compare them.
        let same = |found: &&Found| *found.bytes == *near.bytes;
        if let Some(known) = (self.found.get(&key)).and_then(|found| found.iter().find(same)) {
            return known.way.map(|way| way.moved(address));
        }
        let way = look();
        if self.kept == MOST {
            self.found.clear();
            self.kept = 0;
        }
        let found = self.found.entry(key).or_default();
        if found.len() == KEPT {
            found.remove(0);
        } else {
            self.kept += 1;
        }
        found.push(Found {
            bytes: near.bytes.into(),
            way: way.map(|way| way.moved(address.wrapping_neg())),
        });
        way
    }
}

/// The way of a site in a mapping; `None` if it has none.
pub fn find_way(
    tracee: &mut impl Tracee,
    maps: &[Mapping],
    mapping: Mapping,
    site: u64,
    jumps: &[u64],
    ways: &mut Ways,
) -> io::Result<Option<Way>> {
    let first = site.saturating_sub(2 * NEIGHBOURHOOD).max(mapping.start);
    let last = (site + 3 * NEIGHBOURHOOD).min(mapping.end);
    let mut bytes = vec![0; last.saturating_sub(first) as usize];
    let length = tracee.read(first, &mut bytes)?;
    let bytes = &bytes[..length];
    let mut look = || {
        let base = mapping.base(maps);
        let gaps = base.map(|base| {
            functions::gaps(
                base,
                site.saturating_sub(GAPS),
                site + GAPS,
                |at, buffer| {
                    let length = tracee.read(at, buffer).ok()?;
                    (length == buffer.len()).then_some(())
                },
            )
        });
        let code = Code {
            address: first,
            bytes,
            gaps: &gaps.unwrap_or_default(),
        };
        sites::way(code, site)
    };
    let Some(byte) = mapping.in_file(site) else {
        return Ok(look());
    };
    let compared = sites::without_distances(first, bytes, jumps);
    let near = Near {
        site: byte,
        offset: site - first,
        bytes: &compared,
    };
    Ok(ways.way(near, site, look))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::sites::example as way;

    const SITE: InFile = (1, 2, 0x1080);

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
    fn programs_without_end_don_t_fill_the_memory() {
        let mut ways = Ways::default();
        for inode in 0..2 * MOST as u64 {
            let near = Near {
                site: (1, inode, 0),
                offset: 4,
                bytes: b"code",
            };
            assert_eq!(ways.way(near, 0x5000, || None), None);
            assert_eq!(ways.way(near, 0x5000, || panic!("it is known")), None);
        }
        assert!(ways.found.values().map(Vec::len).sum::<usize>() <= MOST);
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
