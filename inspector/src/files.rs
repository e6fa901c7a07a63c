//! Files and directories that were opened or made: what was read of them, written to them, and
//! whether they are still there.

use crate::places::NONE;
use crate::tally::Tallies;

/// What is counted by file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum FileCount {
    TinyRead,
    TinyWrite,
    /// Read from its first byte to its last through one descriptor.
    FullRead,
    Sync,
}

/// How many there are of [`FileCount`].
pub(crate) const FILE_COUNTS: usize = 4;

/// Reads that ask for less, and writes that write less, are tiny: the call costs more than its
/// bytes.
pub(crate) const TINY: u64 = 512;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Where it is, or was last.
    pub(crate) place: u32,
    /// Bytes, as far as known.
    pub(crate) size: u64,
    /// Names that lead to it, as far as known.
    pub(crate) links: u32,
    /// The tool made it.
    pub(crate) made: bool,
    /// Its last name was removed.
    pub(crate) deleted: bool,
    /// Bytes written.
    pub(crate) written: u64,
    /// Bytes moved by tiny reads.
    pub(crate) tiny_read: u64,
    /// Bytes moved by tiny writes.
    pub(crate) tiny_written: u64,
    /// Full reads since its contents last changed.
    full_now: u32,
    /// Full reads of contents that had been read in full before.
    pub(crate) again: u64,
    /// Bytes of those.
    pub(crate) again_bytes: u64,
    /// Nanoseconds spent in reading it.
    pub(crate) read_time: u64,
    /// Calls that worked on it.
    pub(crate) calls: u64,
    /// Nanoseconds spent in them.
    pub(crate) time: u64,
    /// Tallies by [`FileCount`].
    pub(crate) tallies: [u32; FILE_COUNTS],
    /// The process that wrote to it last.
    pub(crate) writer: u32,
}

/// All files.
#[derive(Default)]
pub(crate) struct Files(Vec<File>);

impl Files {
    /// A file at a place.
    pub(crate) fn add(&mut self, place: u32, size: u64, made: bool) -> u32 {
        self.0.push(File {
            place,
            size,
            links: 1,
            made,
            deleted: false,
            written: 0,
            tiny_read: 0,
            tiny_written: 0,
            full_now: 0,
            again: 0,
            again_bytes: 0,
            read_time: 0,
            calls: 0,
            time: 0,
            tallies: [NONE; FILE_COUNTS],
            writer: NONE,
        });
        (self.0.len() - 1) as u32
    }

    #[inline]
    pub(crate) fn get(&self, file: u32) -> Option<&File> {
        self.0.get(file as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, file: u32) -> Option<&mut File> {
        self.0.get_mut(file as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    /// Where a file is, [`NONE`] for no file.
    #[inline]
    pub(crate) fn place(&self, file: u32) -> u32 {
        self.get(file).map_or(NONE, |file| file.place)
    }
}

/// Who did something to a file, and how long it took (nanoseconds).
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) process: u32,
    pub(crate) time: u64,
}

/// How much of a file one descriptor has read, from the start and without a gap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Covered(u64);

impl File {
    /// `moved` bytes were read at `position`, where `asked` were asked for; `covered` is the
    /// descriptor's.
    pub(crate) fn read(
        &mut self,
        tallies: &mut Tallies,
        done: Done,
        (asked, moved, position): (u64, u64, u64),
        covered: &mut Covered,
    ) {
        self.read_time = self.read_time.saturating_add(done.time);
        if asked < TINY && moved > 0 {
            self.tiny_read += moved;
            self.count(tallies, FileCount::TinyRead, done);
        }
        if position <= covered.0 {
            covered.0 = covered.0.max(position.saturating_add(moved));
        }
        // The size may not be known, or have grown outside: then the end of the file tells.
        let whole = self.size > 0 && covered.0 >= self.size;
        let at_end = moved == 0 && asked > 0 && covered.0 > 0 && position == covered.0;
        if whole || at_end {
            let bytes = covered.0;
            *covered = Covered::default();
            self.count(tallies, FileCount::FullRead, done);
            if self.full_now > 0 {
                self.again += 1;
                self.again_bytes += bytes;
            }
            self.full_now += 1;
        }
    }

    /// `moved` bytes were written at `position`.
    pub(crate) fn write(&mut self, tallies: &mut Tallies, done: Done, moved: u64, position: u64) {
        if moved == 0 {
            return;
        }
        if moved < TINY {
            self.tiny_written += moved;
            self.count(tallies, FileCount::TinyWrite, done);
        }
        self.written += moved;
        self.size = self.size.max(position.saturating_add(moved));
        self.changed(done.process);
    }

    /// Its contents are others now.
    pub(crate) fn changed(&mut self, process: u32) {
        self.full_now = 0;
        self.writer = process;
    }

    /// Counts one.
    pub(crate) fn count(&mut self, tallies: &mut Tallies, what: FileCount, done: Done) {
        tallies.add(&mut self.tallies[what as usize], done.process, done.time);
    }

    /// One name less.
    pub(crate) fn unlinked(&mut self) {
        self.links = self.links.saturating_sub(1);
        self.deleted = self.links == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Done = Done {
        process: 0,
        time: 1,
    };

    fn file(size: u64) -> (File, Tallies) {
        let mut files = Files::default();
        files.add(0, size, false);
        (files.0.remove(0), Tallies::default())
    }

    #[test]
    fn reading_to_the_end_counts_once_however_many_reads_it_takes() {
        let (mut file, mut tallies) = file(100);
        for _ in 0..3 {
            let mut covered = Covered::default();
            file.read(&mut tallies, DONE, (60, 60, 0), &mut covered);
            file.read(&mut tallies, DONE, (60, 40, 60), &mut covered);
            file.read(&mut tallies, DONE, (60, 0, 100), &mut covered);
        }
        assert_eq!((file.again, file.again_bytes), (2, 200));
    }

    #[test]
    fn what_was_changed_in_between_is_not_read_again() {
        let (mut file, mut tallies) = file(10);
        for _ in 0..3 {
            let mut covered = Covered::default();
            file.read(&mut tallies, DONE, (600, 10, 0), &mut covered);
            file.write(&mut tallies, DONE, 10, 0);
        }
        assert_eq!(file.again, 0);
        assert_eq!(file.written, 30);
    }

    #[test]
    fn a_part_of_a_file_is_not_the_file() {
        let (mut file, mut tallies) = file(100);
        let mut covered = Covered::default();
        for position in [50, 60, 70] {
            file.read(&mut tallies, DONE, (600, 50, position), &mut covered);
        }
        assert_eq!(
            tallies
                .get(file.tallies[FileCount::FullRead as usize])
                .map(|t| t.count),
            None
        );
    }

    #[test]
    fn where_the_size_is_not_known_the_end_tells() {
        let (mut file, mut tallies) = file(0);
        for _ in 0..2 {
            let mut covered = Covered::default();
            file.read(&mut tallies, DONE, (600, 50, 0), &mut covered);
            file.read(&mut tallies, DONE, (600, 0, 50), &mut covered);
        }
        assert_eq!((file.again, file.again_bytes), (1, 50));
    }
}
