//! The directory that time was spent in, of a few that are kept.

use crate::places::{Places, ROOT};

/// So many directories are kept of a burst; the one with the least goes to the one above it.
const KEPT: usize = 8;
/// Directories that are deeper count for the one above them at this depth.
const DEEPEST: u16 = 12;

/// Directories with the time spent in them, nanoseconds (or whatever is added up).
#[derive(Clone, Debug, Default)]
pub(crate) struct Directories(Vec<(u32, u64)>);

impl Directories {
    /// Adds time spent in a directory.
    pub(crate) fn add(&mut self, directory: u32, time: u64, places: &Places) {
        let mut at = directory;
        while places.get(at).depth > DEEPEST {
            at = places.get(at).parent;
        }
        self.put(at, time);
        while self.0.len() > KEPT {
            self.fold(places);
        }
    }

    /// Adds all of another.
    pub(crate) fn join(&mut self, other: Directories, places: &Places) {
        for (directory, time) in other.0 {
            self.add(directory, time, places);
        }
    }

    fn put(&mut self, directory: u32, time: u64) {
        match self.0.iter_mut().find(|entry| entry.0 == directory) {
            Some(entry) => entry.1 = entry.1.saturating_add(time),
            None => self.0.push((directory, time)),
        }
    }

    /// The directory with the least goes to the one above.
    fn fold(&mut self, places: &Places) {
        let all = self.0.iter().enumerate();
        let below = all.filter(|(_, (directory, _))| *directory != ROOT);
        if let Some((index, _)) = below.min_by_key(|(_, (_, time))| *time) {
            let (directory, time) = self.0.swap_remove(index);
            self.put(places.get(directory).parent, time);
        }
    }

    /// The deepest directory in and below which at least half of all was spent.
    pub(crate) fn top(&self, places: &Places) -> Option<u32> {
        let all = self
            .0
            .iter()
            .fold(0u64, |sum, (_, time)| sum.saturating_add(*time));
        let mut below: Vec<(u32, u64)> = Vec::new();
        for (directory, time) in &self.0 {
            let mut at = *directory;
            loop {
                match below.iter_mut().find(|entry| entry.0 == at) {
                    Some(entry) => entry.1 = entry.1.saturating_add(*time),
                    None => below.push((at, *time)),
                }
                if at == ROOT {
                    break;
                }
                at = places.get(at).parent;
            }
        }
        let enough = below
            .iter()
            .filter(|(_, time)| time.saturating_mul(2) >= all);
        let deepest = enough.max_by_key(|(at, time)| (places.get(*at).depth, *time));
        deepest.map(|(at, _)| *at)
    }
}
