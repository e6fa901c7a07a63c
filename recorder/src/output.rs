//! The trace's file: incomplete and out of the tool's sight while recording, then under its final
//! name.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::beside::{Beside, name_beside};
use crate::error::RecordError;
use crate::state;

/// A trace that is being written. Removed when dropped, unless finished or kept.
pub struct Incomplete {
    path: PathBuf,
    /// The file itself, whatever happens to its name. Holds the lock that says that somebody
    /// writes it.
    file: File,
    output: PathBuf,
    force: bool,
    remove: bool,
}

/// Where a trace went.
#[derive(Debug)]
pub struct Placed {
    /// Its size in bytes.
    pub bytes: u64,
    /// The earlier output's new name.
    pub previous: Option<PathBuf>,
}

/// A trace that did not get to its output.
#[derive(Debug)]
pub struct Stranded {
    /// Why.
    pub error: RecordError,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Output {
        operation,
        path,
        source,
    }
}

impl Incomplete {
    /// Checks that the output can be made later, and makes the incomplete file.
    pub fn create(
        output: &Path,
        force: bool,
        cwd: &Path,
    ) -> Result<(Incomplete, File), RecordError> {
        // The tool can't move the recorder's working directory, but a caller could.
        let output = std::path::absolute(output).map_err(failed("resolve", output))?;
        check_output(&output)?;
        let (path, file) = state::create(cwd)?;
        let incomplete = Incomplete {
            path,
            file,
            output,
            force,
            remove: true,
        };
        let writer = incomplete
            .file
            .try_clone()
            .map_err(failed("open", &incomplete.path))?;
        Ok((incomplete, writer))
    }

    /// Where the incomplete trace is.
    #[cfg(test)]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the trace goes.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Leaves what there is, since `error` keeps it from being whole.
    pub fn keep(mut self, error: RecordError) -> Stranded {
        self.remove = false;
        let error = self.rescue().err().unwrap_or(error);
        self.stranded(error)
    }

    fn stranded(&self, error: RecordError) -> Stranded {
        Stranded {
            error,
            path: self.path.clone(),
            bytes: self.file.metadata().map_or(0, |m| m.len()),
        }
    }

    /// Brings the complete trace to its final name; if that fails, the incomplete file is kept.
    pub fn finish(mut self) -> Result<Placed, Stranded> {
        self.remove = false;
        let placed = self.rescue().and_then(|()| self.place());
        placed.map_err(|error| self.stranded(error))
    }

    /// Makes the file anew if the tool removed it: its bytes are there as long as it is open.
    fn rescue(&mut self) -> Result<(), RecordError> {
        let own = self.file.metadata().map_err(failed("stat", &self.path))?;
        let named = fs::symlink_metadata(&self.path);
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (own.dev(), own.ino())) {
            return Ok(());
        }
        let (path, mut file) = state::create(Path::new("/"))?;
        self.copy_to(&mut file).map_err(failed("write", &path))?;
        (self.path, self.file) = (path, file);
        Ok(())
    }

    fn copy_to(&self, to: &mut File) -> io::Result<u64> {
        let mut from = &self.file;
        from.rewind()?;
        io::copy(&mut from, to)
    }

    fn place(&mut self) -> Result<Placed, RecordError> {
        self.file.sync_all().map_err(failed("sync", &self.path))?;
        let bytes = self.file.metadata().map_or(0, |m| m.len());
        let special = fs::metadata(&self.output).is_ok_and(|m| !m.is_file());
        let previous = if special {
            self.pour()?;
            self.remove = true;
            None
        } else {
            match self.rename(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copy()?,
                renamed => renamed.map_err(failed("rename to", &self.output))?,
            }
        };
        Ok(Placed { bytes, previous })
    }

    /// A pipe or a device: the bytes go through it.
    fn pour(&self) -> Result<(), RecordError> {
        let output = File::options().write(true).open(&self.output);
        output
            .and_then(|mut output| self.copy_to(&mut output))
            .map(drop)
            .map_err(failed("write", &self.output))
    }

    /// To another file system: nothing of the earlier output is touched before all is there.
    fn copy(&mut self) -> Result<Option<PathBuf>, RecordError> {
        let moved = Beside::create(&self.output).and_then(|mut near| {
            let mut file = near.file().try_clone()?;
            self.copy_to(&mut file)?;
            file.sync_all()?;
            let previous = self.rename(near.name()?)?;
            near.placed();
            Ok(previous)
        });
        self.remove |= moved.is_ok();
        moved.map_err(failed("copy to", &self.output))
    }

    /// Gives a file the output's name. An earlier output is renamed away, unless it is to be
    /// replaced, and back if it was for nothing.
    fn rename(&self, from: &Path) -> io::Result<Option<PathBuf>> {
        let exists = fs::symlink_metadata(&self.output).is_ok_and(|m| m.is_file());
        if self.force || !exists {
            return fs::rename(from, &self.output).map(|()| None);
        }
        let mut old = self.output.clone().into_os_string();
        old.push(".old");
        let old = PathBuf::from(old);
        fs::rename(&self.output, &old)?;
        if let Err(error) = fs::rename(from, &self.output) {
            fs::rename(&old, &self.output)?;
            return Err(error);
        }
        Ok(Some(old))
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        if self.remove {
            // A leftover is harmless.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Finds out before the tool runs that its trace could not be placed after it.
fn check_output(output: &Path) -> Result<(), RecordError> {
    match fs::metadata(output) {
        Ok(found) if found.is_dir() => {
            let error = io::Error::from_raw_os_error(libc::EISDIR);
            return Err(failed("write", output)(error));
        }
        Ok(found) if !found.is_file() => return Ok(()),
        _ => {}
    }
    let trial = name_beside(output);
    state::create_file(&trial).map_err(failed("write", output))?;
    fs::remove_file(&trial).map_err(failed("remove", &trial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record_to(output: &Path, force: bool, text: &[u8]) -> Result<Placed, Stranded> {
        let (incomplete, mut file) =
            Incomplete::create(output, force, Path::new("/nonexistent")).expect("created");
        file.write_all(text).expect("write");
        incomplete.finish()
    }

    #[test]
    fn an_earlier_trace_is_kept_unless_forced() {
        let directory = tempfile::tempdir().expect("tempdir");
        let output = directory.path().join("trace.zst");
        assert!(
            record_to(&output, false, b"1")
                .expect("placed")
                .previous
                .is_none()
        );
        let placed = record_to(&output, false, b"22").expect("placed");
        let old = placed.previous.expect("kept");
        assert_eq!(fs::read(&old).expect("old"), b"1");
        assert_eq!(placed.bytes, 2);
        assert!(
            record_to(&output, true, b"333")
                .expect("placed")
                .previous
                .is_none()
        );
        assert_eq!(fs::read(&output).expect("new"), b"333");
        assert_eq!(fs::read(&old).expect("old"), b"1");
        assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 2);
    }

    #[test]
    fn a_place_that_takes_no_file_is_found_before_the_tool_runs() {
        let directory = tempfile::tempdir().expect("tempdir");
        let missing = directory.path().join("no/trace.zst");
        assert!(Incomplete::create(&missing, false, Path::new("/nonexistent")).is_err());
        assert!(Incomplete::create(directory.path(), false, Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn nothing_is_left_of_a_recording_that_did_not_happen() {
        let directory = tempfile::tempdir().expect("tempdir");
        let output = directory.path().join("trace.zst");
        let (incomplete, _) =
            Incomplete::create(&output, false, Path::new("/nonexistent")).expect("created");
        let path = incomplete.path().to_owned();
        assert!(path.exists());
        drop(incomplete);
        assert!(!path.exists() && !output.exists());
    }
}
