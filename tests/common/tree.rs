//! Compares the tree that a tool left with the tree that its replay left.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// All names below a directory, relative to it.
pub fn names(dir: &Path) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(path.clone());
            }
            names.insert(path.strip_prefix(dir).expect("is below").to_path_buf());
        }
    }
    names
}

/// Differences below `real` between it and its image in a replay directory. A trace says nothing of
/// what the tool didn't touch, so what was there `before` the tool ran may be missing from the
/// image.
pub fn differences(real: &Path, sandbox: &Path, before: &BTreeSet<PathBuf>) -> Vec<String> {
    let real = real.canonicalize().expect("the tree is there");
    let image = sandbox.join(real.strip_prefix("/").expect("absolute"));
    let mut found = Vec::new();
    compare_directory(&real, &image, sandbox, &mut found);
    for name in names(&real).difference(before) {
        if fs::symlink_metadata(image.join(name)).is_err() {
            found.push(format!(
                "{} was made by the tool and is not in the replayed tree",
                name.display()
            ));
        }
    }
    found
}

fn compare_directory(real: &Path, image: &Path, sandbox: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(image) else {
        return found.push(format!("{} is not in the replayed tree", real.display()));
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        compare(&real.join(&name), &image.join(&name), sandbox, found);
    }
}

fn compare(real: &Path, image: &Path, sandbox: &Path, found: &mut Vec<String>) {
    let there = fs::symlink_metadata(image).expect("was listed");
    let Ok(here) = fs::symlink_metadata(real) else {
        return found.push(format!("{} is in the replayed tree only", real.display()));
    };
    if here.file_type() != there.file_type() {
        return found.push(format!(
            "{}: {:?}, replayed {:?}",
            real.display(),
            here.file_type(),
            there.file_type()
        ));
    }
    if here.is_symlink() {
        let (here, there) = (fs::read_link(real), fs::read_link(image));
        match (here, there) {
            (Ok(here), Ok(there)) if here == unplaced(&there, sandbox) => {}
            (here, there) => found.push(format!(
                "{}: leads to {here:?}, replayed {there:?}",
                real.display()
            )),
        }
        return;
    }
    if here.mode() & 0o7777 != there.mode() & 0o7777 {
        found.push(format!(
            "{}: mode {:o}, replayed {:o}",
            real.display(),
            here.mode() & 0o7777,
            there.mode() & 0o7777
        ));
    }
    if here.is_file() && here.len() != there.len() {
        found.push(format!(
            "{}: {} bytes, replayed {}",
            real.display(),
            here.len(),
            there.len()
        ));
    }
    if here.is_dir() {
        compare_directory(real, image, sandbox, found);
    }
}

/// The text of a link as recorded: an absolute one was moved into the replay directory.
fn unplaced(target: &Path, sandbox: &Path) -> PathBuf {
    let sandbox = sandbox.canonicalize().unwrap_or_else(|_| sandbox.into());
    match target
        .as_os_str()
        .as_bytes()
        .strip_prefix(sandbox.as_os_str().as_bytes())
    {
        Some(rest) => PathBuf::from(std::ffi::OsStr::from_bytes(rest)),
        None => target.into(),
    }
}
