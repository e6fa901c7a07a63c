//! How much of a file is data, where much of it is holes.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::unistd::{Whence, lseek};

/// Holes of smaller files make no difference to anybody's room.
const LEAST_SIZE: u64 = 1 << 20;
/// What `st_blocks` counts in, in bytes.
const BLOCK: u64 = 512;

/// Bytes that are allocated, if at most half of a large file is.
///
/// Few blocks alone say little: a file system may compress, or count none at all. There must be a
/// hole as well.
pub fn allocated(path: &Path, found: &fs::Metadata) -> Option<u64> {
    let allocated = found.blocks().saturating_mul(BLOCK);
    let is_candidate =
        found.is_file() && found.size() >= LEAST_SIZE && allocated <= found.size() / 2;
    let is_sparse = is_candidate && has_hole(path, found).unwrap_or(false);
    is_sparse.then_some(allocated)
}

/// Whether a hole begins before the end of the file; it may be another file by now.
fn has_hole(path: &Path, found: &fs::Metadata) -> io::Result<bool> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
        return Ok(false);
    }
    // Reports the end of the file where the file system knows no holes.
    let hole = lseek(&file, 0, Whence::SeekHole)?;
    Ok(u64::try_from(hole).is_ok_and(|hole| hole < opened.size()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn told(size: u64, written: usize) -> Option<u64> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let file = fs::File::create(&path).expect("made");
        file.set_len(size).expect("a size");
        file.write_all_at(&vec![b'x'; written], 0).expect("written");
        file.sync_all().expect("synced");
        let found = fs::symlink_metadata(&path).expect("found");
        allocated(&path, &found)
    }

    #[test]
    fn only_large_files_with_much_of_holes_are_sparse() {
        assert_eq!(told(256 << 30, 0), Some(0));
        let some = told(1 << 30, 64 << 10).expect("sparse");
        assert!(((64 << 10)..(1 << 20)).contains(&some), "{some}");
        assert_eq!(told(2 << 20, 2 << 20), None);
        assert_eq!(told(64 << 10, 0), None);
    }
}
