//! Sites that were met in any process, by the files that they stand in.

use std::collections::HashMap;

use crate::arch::sites::SITE;
use crate::maps::{InFile, Mapping};
use crate::tracee::Tracee;

/// Bytes on either side of a site by which it is known again.
const BESIDE: u64 = 8;

/// The bytes of a site, and those beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around(Vec<u8>);

impl Around {
    /// As they are now; none where they can't be read.
    pub fn of(tracee: &mut impl Tracee, mapping: &Mapping, site: u64) -> Around {
        let first = site.saturating_sub(BESIDE).max(mapping.start);
        let last = site.saturating_add(SITE + BESIDE).min(mapping.end);
        let mut bytes = vec![0; last.saturating_sub(first) as usize];
        let length = tracee.read(first, &mut bytes).unwrap_or(0);
        bytes.truncate(length);
        Around(bytes)
    }
}

/// A byte of a file that made a call that stopped.
#[derive(Debug)]
struct Met {
    offset: u64,
    /// How often, in all processes; `None` if it can't be patched.
    count: Option<u32>,
    around: Around,
}

/// What is known of sites.
#[derive(Debug, Default)]
pub struct Known {
    /// By device and inode number, in the order in which they were met. A way depends on what was
    /// patched before, so it is patched in this order everywhere.
    files: HashMap<(u64, u64), Vec<Met>>,
}

impl Known {
    /// A call stopped there. Gives whether that has been `often` by now, in any process.
    pub fn meets(
        &mut self,
        (device, inode, offset): InFile,
        often: u32,
        around: impl FnOnce() -> Around,
    ) -> bool {
        let sites = self.files.entry((device, inode)).or_default();
        if let Some(met) = sites.iter_mut().find(|met| met.offset == offset) {
            met.count = met.count.map(|count| count.saturating_add(1));
            return met.count.is_some_and(|count| count >= often);
        }
        sites.push(Met {
            offset,
            count: Some(1),
            around: around(),
        });
        often <= 1
    }

    fn met(&mut self, (device, inode, offset): InFile) -> Option<&mut Met> {
        let sites = self.files.get_mut(&(device, inode))?;
        sites.iter_mut().find(|met| met.offset == offset)
    }

    /// It can't be patched, with what is around it.
    pub fn unfit(&mut self, byte: InFile) {
        if let Some(met) = self.met(byte) {
            met.count = None;
        }
    }

    /// A task of that process was seen to make a call there, with these bytes around it.
    pub fn sees(&mut self, byte: InFile, around: Around) {
        if let Some(met) = self.met(byte) {
            met.around = around;
        }
    }

    /// Whether the same bytes are around it as when it was met: a file may be written anew, and
    /// another may have its number. What is not is forgotten.
    pub fn is_as_met(&mut self, byte: InFile, around: &Around) -> bool {
        let same = |met: &Met| !around.0.is_empty() && met.around == *around;
        let is_as_met = self.met(byte).is_some_and(|met| same(met));
        if !is_as_met && let Some(sites) = self.files.get_mut(&(byte.0, byte.1)) {
            sites.retain(|met| met.offset != byte.2);
        }
        is_as_met
    }

    /// Where in a mapping sites stand that were met `often`.
    pub fn sites<'a>(&'a self, mapping: &'a Mapping, often: u32) -> impl Iterator<Item = u64> + 'a {
        let sites = mapping.file().and_then(|file| self.files.get(&file));
        let sites = sites.into_iter().flatten();
        sites
            .filter(move |met| met.count.is_some_and(|count| count >= often))
            .filter_map(|met| mapping.address_of(met.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps;

    const MAPS: &str = "7f0000000000-7f0000100000 r-xp 00002000 08:02 1 /lib/one\n";

    #[test]
    fn a_site_counts_in_all_processes_and_by_its_file() {
        let maps = maps::parse(MAPS);
        let mut known = Known::default();
        let around = || Around(b"before\x0f\x05behind".to_vec());
        let site = maps[0].in_file(0x7f00_0000_0010).expect("of a file");
        assert!(!known.meets(site, 2, around));
        assert_eq!(known.sites(&maps[0], 2).next(), None);
        assert!(known.meets(site, 2, around));
        let found: Vec<u64> = known.sites(&maps[0], 2).collect();
        assert_eq!(found, [0x7f00_0000_0010]);
        known.unfit(site);
        assert!(!known.meets(site, 2, around));
        assert_eq!(known.sites(&maps[0], 2).next(), None);
    }

    #[test]
    fn a_site_of_other_bytes_is_forgotten() {
        let maps = maps::parse(MAPS);
        let mut known = Known::default();
        let site = maps[0].in_file(0x7f00_0000_0010).expect("of a file");
        let around = |text: &[u8]| Around(text.to_vec());
        assert!(known.meets(site, 1, || around(b"one")));
        assert!(known.is_as_met(site, &around(b"one")));
        known.sees(site, around(b"two"));
        assert!(known.is_as_met(site, &around(b"two")));
        assert!(!known.is_as_met(site, &around(b"one")));
        assert_eq!(known.sites(&maps[0], 1).next(), None);
        // What can't be read is known of none.
        assert!(known.meets(site, 1, Around::default));
        assert!(!known.is_as_met(site, &Around::default()));
    }
}
