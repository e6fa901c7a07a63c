//! Sites that were met in any process, by the files that they stand in.

use std::collections::HashMap;

use crate::maps::{InFile, Mapping};

/// How often a byte of a file made a call that stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    /// So often, in all processes.
    Often(u32),
    /// It can't be patched.
    Unfit,
}

/// What is known of sites.
#[derive(Debug, Default)]
pub struct Known {
    /// By device and inode number: offsets, in the order in which they were met. A way depends on
    /// what was patched before, so it is patched in this order everywhere.
    files: HashMap<(u64, u64), Vec<(u64, Met)>>,
}

impl Known {
    /// A call stopped there. Gives whether that has been `often` by now, in any process.
    pub fn meets(&mut self, (device, inode, offset): InFile, often: u32) -> bool {
        let sites = self.files.entry((device, inode)).or_default();
        match sites.iter_mut().find(|(at, _)| *at == offset) {
            Some((_, Met::Often(count))) => {
                *count = count.saturating_add(1);
                *count >= often
            }
            Some((_, Met::Unfit)) => false,
            None => {
                sites.push((offset, Met::Often(1)));
                often <= 1
            }
        }
    }

    /// It can't be patched, with what is around it.
    pub fn unfit(&mut self, (device, inode, offset): InFile) {
        let sites = self.files.entry((device, inode)).or_default();
        if let Some((_, met)) = sites.iter_mut().find(|(at, _)| *at == offset) {
            *met = Met::Unfit;
        }
    }

    /// Where in a mapping sites stand that were met `often`.
    pub fn sites<'a>(&'a self, mapping: &'a Mapping, often: u32) -> impl Iterator<Item = u64> + 'a {
        let sites = mapping.file().and_then(|file| self.files.get(&file));
        let met = move |met: &Met| matches!(met, Met::Often(count) if *count >= often);
        let sites = sites.into_iter().flatten();
        sites
            .filter(move |(_, of)| met(of))
            .filter_map(|(offset, _)| mapping.address_of(*offset))
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
        let site = maps[0].in_file(0x7f00_0000_0010).expect("of a file");
        assert!(!known.meets(site, 2));
        assert_eq!(known.sites(&maps[0], 2).next(), None);
        assert!(known.meets(site, 2));
        let found: Vec<u64> = known.sites(&maps[0], 2).collect();
        assert_eq!(found, [0x7f00_0000_0010]);
        known.unfit(site);
        assert!(!known.meets(site, 2));
        assert_eq!(known.sites(&maps[0], 2).next(), None);
    }
}
