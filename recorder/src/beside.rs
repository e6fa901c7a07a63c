//! A file that gets its name when it is whole. Until then it has none where the file system can do
//! that: nothing is left of it when its writer is killed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};

use crate::state;

/// A file beside its place; removed when dropped before it is placed.
#[derive(Debug)]
pub struct Beside {
    file: File,
    /// The name that it gets, or has where it can't be without one.
    path: PathBuf,
    is_named: bool,
}

impl Beside {
    /// Makes the file in the directory of the output, its owner's alone, open for writing.
    pub fn create(output: &Path) -> io::Result<Beside> {
        let path = name_beside(output);
        // Network file systems, and layered ones of older kernels, have no files without a name.
        let (file, is_named) = match unnamed(output) {
            Ok(file) => (file, false),
            Err(_) => (state::create_file(&path)?, true),
        };
        let beside = Beside {
            file,
            path,
            is_named,
        };
        beside.file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(beside)
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it a name in its directory, from which it is to be renamed at once: a file can't be
    /// linked in the place of another.
    pub fn name(&mut self) -> io::Result<&Path> {
        if !self.is_named {
            let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let follow = AtFlags::AT_SYMLINK_FOLLOW;
            nix::unistd::linkat(AT_FDCWD, own.as_str(), AT_FDCWD, &self.path, follow)?;
            self.is_named = true;
        }
        Ok(&self.path)
    }

    /// Leaves it where it is: it was renamed.
    pub fn placed(mut self) {
        self.is_named = false;
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.is_named {
            // A leftover is harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file without a name, that can be given one later.
fn unnamed(output: &Path) -> io::Result<File> {
    let directory = match output.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        Some(_) | None => Path::new("."),
    };
    // Without /proc no name can be given.
    fs::symlink_metadata("/proc/self/fd")?;
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600)
        .open(directory)
}

/// A name in the output's directory that nothing else uses.
pub(crate) fn name_beside(output: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    output.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(directory).expect("it is listed");
        entries.map(|e| e.expect("an entry").file_name()).collect()
    }

    #[test]
    fn a_file_that_is_not_whole_has_no_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let output = directory.path().join("t.zst");
        if let Err(error) = unnamed(&output) {
            println!("skipped: no files without names here: {error}");
            assert!(std::env::var_os("CI").is_none(), "skipped under CI");
            return;
        }
        let mut beside = Beside::create(&output).expect("made");
        beside.file().write_all(b"half").expect("written");
        // What a killed writer leaves.
        assert_eq!(names(directory.path()), [""; 0]);
        fs::write(&output, "earlier").expect("written");
        let path = beside.name().expect("it gets a name");
        fs::rename(path, &output).expect("renamed");
        beside.placed();
        assert_eq!(names(directory.path()), ["t.zst"]);
        assert_eq!(fs::read(&output).expect("read"), b"half");
        let mode = fs::metadata(&output).expect("stat").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn nothing_is_left_of_what_was_not_placed() {
        let directory = tempfile::tempdir().expect("a directory");
        let output = directory.path().join("t.zst");
        let mut beside = Beside::create(&output).expect("made");
        assert!(beside.name().expect("it gets a name").exists());
        drop(beside);
        assert_eq!(names(directory.path()), [""; 0]);
    }
}
