//! File systems on which names that differ in case only are one name: exFAT, FAT, NTFS, some
//! shares, and directories of ext4 and f2fs with `casefold`. A trace that has two such names can't
//! be replayed there: the second one would be the first.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::ReplayError;
use crate::plan::Plan;
use crate::sandbox::{Sandbox, names};

/// A name that is made to try it, and the same in other letters.
const TRIED: [&str; 2] = ["fsreplay-case", "FSREPLAY-CASE"];
/// Entries that are looked at where nothing may be made.
const MOST_NAMES: usize = 64;

/// Refuses a plan that has two names in one directory which are one there.
pub(crate) fn check(plan: &Plan, sandboxes: &[Sandbox]) -> Result<(), ReplayError> {
    for (number, (sandbox, root)) in sandboxes.iter().zip(&plan.roots).enumerate() {
        // What keeps a file from being made is told when the tree is.
        if folds(sandbox.root().as_fd()) != Ok(true) {
            continue;
        }
        if let Some((one, other)) = alike(plan, number as u32) {
            return Err(ReplayError::Target {
                target: root.target.clone(),
                reason: format!(
                    "it folds case: {} and {} are one name there",
                    String::from_utf8_lossy(one),
                    String::from_utf8_lossy(other)
                ),
            });
        }
    }
    Ok(())
}

/// Whether a directory of ours takes a name in other letters for the same.
fn folds(dir: BorrowedFd<'_>) -> Result<bool, Errno> {
    let [name, other] = TRIED;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let found = rustix::fs::statat(dir, other, AtFlags::SYMLINK_NOFOLLOW);
    rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
    Ok(found.is_ok())
}

/// Two paths of a root's tree, as it is at first, that differ in case only. What is made later may
/// have taken the place of the other one, or not: that shows in its outcome.
fn alike(plan: &Plan, root: u32) -> Option<(&[u8], &[u8])> {
    let entries = plan.tree.iter().filter(|entry| entry.root == root);
    let mut known: HashMap<String, &[u8]> = HashMap::new();
    for path in entries.map(|entry| plan.bytes(entry.path)) {
        let folded = String::from_utf8_lossy(path).to_lowercase();
        if let Some(other) = known.insert(folded, path).filter(|other| *other != path) {
            return Some((other, path));
        }
    }
    None
}

/// Whether a directory in which nothing may be made folds case, by the names that it has; `None`
/// where these don't tell.
pub(crate) fn seems_to_fold(directory: &Path) -> Option<bool> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let dir = rustix::fs::open(directory, flags, Mode::empty()).ok()?;
    let names = names(dir.as_fd()).ok()?;
    for name in names.iter().take(MOST_NAMES) {
        let other: Vec<u8> = name.to_bytes().iter().map(|byte| swapped(*byte)).collect();
        let is_there = names.iter().any(|name| name.to_bytes() == other);
        if is_there {
            continue; // the same name, which has no letters, or another one
        }
        let found = rustix::fs::statat(&dir, other, AtFlags::SYMLINK_NOFOLLOW);
        return match found {
            Ok(_) => Some(true),
            Err(Errno::NOENT) => Some(false),
            Err(_) => None,
        };
    }
    None
}

/// A letter in the other case; any other byte as it is.
fn swapped(byte: u8) -> u8 {
    if byte.is_ascii_lowercase() {
        byte.to_ascii_uppercase()
    } else {
        byte.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Text, TreeEntry};
    use fsreplay_trace::model::FileKind;

    #[test]
    fn names_are_alike_in_one_place_only() {
        let tree = |entries: [(u32, u32); 2]| Plan {
            text: b"x/File\0x/file\0".to_vec(),
            tree: entries
                .map(|(root, path)| TreeEntry {
                    root,
                    ..TreeEntry::new(Text(path), FileKind::File)
                })
                .to_vec(),
            ..Plan::default()
        };
        let both = tree([(0, 0), (0, 7)]);
        assert_eq!(alike(&both, 0), Some((&b"x/File"[..], &b"x/file"[..])));
        assert_eq!(alike(&both, 1), None);
        assert_eq!(alike(&tree([(0, 0), (1, 7)]), 0), None);
    }

    #[test]
    fn a_directory_of_this_machine_is_asked_both_ways() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(seems_to_fold(dir.path()), None);
        std::fs::write(dir.path().join("123"), "").expect("a file");
        assert_eq!(seems_to_fold(dir.path()), None);
        std::fs::write(dir.path().join("Name"), "").expect("a file");
        let seems = seems_to_fold(dir.path());
        let open = std::fs::File::open(dir.path()).expect("opened");
        assert_eq!(folds(open.as_fd()).ok(), seems);
        assert!(seems.is_some());
        // Both letters' names are there, so that these two don't tell.
        let _ = std::fs::write(dir.path().join("nAME"), "");
        assert_eq!(seems_to_fold(dir.path()), seems.filter(|folds| *folds));
    }
}
