//! The trace's file: incomplete and out of the tool's sight while recording, then under its final name.
//!
//! It is its owner's alone (mode 0600) from the first byte on: whom its names may be told is the
//! user's decision, not the umask's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::RecordError;

/// A trace that is being written. Removed when dropped, unless finished or kept.
pub struct Incomplete {
    path: PathBuf,
    output: PathBuf,
    force: bool,
    remove: bool,
}

/// Where a trace went.
pub struct Placed {
    /// Its size in bytes.
    pub bytes: u64,
    /// The earlier output's new name.
    pub previous: Option<PathBuf>,
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
        let (path, file) = create_outside(cwd)?;
        let incomplete = Incomplete {
            path,
            output,
            force,
            remove: true,
        };
        Ok((incomplete, file))
    }

    /// Where the incomplete trace is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the trace goes.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// Leaves what there is.
    pub fn keep(mut self) {
        self.remove = false;
    }

    /// Moves the complete trace to its final name; if that fails, the incomplete file is kept.
    pub fn finish(mut self) -> Result<Placed, RecordError> {
        self.remove = false;
        let file = File::open(&self.path).map_err(failed("open", &self.path))?;
        file.sync_all().map_err(failed("sync", &self.path))?;
        let bytes = file.metadata().map_err(failed("stat", &self.path))?.len();
        let previous = self.make_room()?;
        self.place()?;
        Ok(Placed { bytes, previous })
    }

    /// Renames an earlier output away, unless it is to be replaced.
    fn make_room(&self) -> Result<Option<PathBuf>, RecordError> {
        let exists = fs::symlink_metadata(&self.output).is_ok_and(|m| m.is_file());
        if self.force || !exists {
            return Ok(None);
        }
        let mut old = self.output.clone().into_os_string();
        old.push(".old");
        let old = PathBuf::from(old);
        fs::rename(&self.output, &old).map_err(failed("rename", &self.output))?;
        Ok(Some(old))
    }

    fn place(&mut self) -> Result<(), RecordError> {
        let special = fs::metadata(&self.output).is_ok_and(|m| !m.is_file());
        if special {
            // A pipe or a device: the bytes go through it.
            fs::copy(&self.path, &self.output).map_err(failed("write", &self.output))?;
            self.remove = true;
            return Ok(());
        }
        match fs::rename(&self.path, &self.output) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
            Err(error) => return Err(failed("rename to", &self.output)(error)),
        }
        let near = beside(&self.output);
        let moved = fs::copy(&self.path, &near)
            .and_then(|_| File::open(&near)?.sync_all())
            .and_then(|()| fs::rename(&near, &self.output));
        if let Err(error) = moved {
            let _ = fs::remove_file(&near);
            return Err(failed("copy to", &self.output)(error));
        }
        self.remove = true;
        Ok(())
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

/// A name in the output's directory that nothing else uses.
fn beside(output: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    output.with_file_name(name)
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
    let trial = beside(output);
    create(&trial).map_err(failed("write", output))?;
    fs::remove_file(&trial).map_err(failed("remove", &trial))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Makes the incomplete file in the first directory that takes it and that the tool doesn't work in.
fn create_outside(cwd: &Path) -> Result<(PathBuf, File), RecordError> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let state = std::env::var_os("XDG_STATE_HOME").filter(|state| !state.is_empty());
    let own = [
        state.map(PathBuf::from),
        home.map(|home| PathBuf::from(home).join(".local/state")),
    ];
    let own = own.into_iter().flatten().map(|d| d.join("fsreplay"));
    let shared = ["/var/tmp", "/tmp"].map(PathBuf::from);
    let directories: Vec<PathBuf> = own.chain(shared).filter(|d| d.is_absolute()).collect();
    let mut tried = Vec::new();
    // A tool that works in / has everything below it; then the first that works must do.
    for below_allowed in [false, true] {
        for directory in &directories {
            match create_in(directory, cwd, below_allowed) {
                Ok(made) => return Ok(made),
                Err(reason) => tried.push(format!("{}: {reason}", directory.display())),
            }
        }
    }
    tried.dedup();
    Err(RecordError::NoStateDirectory {
        tried: tried.join("; "),
    })
}

fn create_in(directory: &Path, cwd: &Path, below_allowed: bool) -> io::Result<(PathBuf, File)> {
    // Compared before it is made: nothing may appear where the tool works.
    let nearest = directory.ancestors().find_map(|a| a.canonicalize().ok());
    let below = nearest.is_some_and(|nearest| nearest.starts_with(cwd));
    if below && !below_allowed {
        return Err(io::Error::other("below the working directory"));
    }
    fs::create_dir_all(directory)?;
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos());
    let name = format!("{}-{time}.incomplete.zst", std::process::id());
    let path = directory.join(name);
    let file = create(&path)?;
    Ok((path, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record_to(output: &Path, force: bool, text: &[u8]) -> Result<Placed, RecordError> {
        let (incomplete, mut file) = Incomplete::create(output, force, Path::new("/nonexistent"))?;
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
    fn a_trace_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("tempdir");
        let output = directory.path().join("trace.zst");
        // Also where one is replaced that everybody could read.
        fs::write(&output, b"0").expect("written");
        fs::set_permissions(&output, fs::Permissions::from_mode(0o644)).expect("chmod");
        record_to(&output, true, b"1").expect("placed");
        let mode = fs::metadata(&output).expect("stat").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
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

    #[test]
    fn the_incomplete_trace_is_not_below_the_working_directory() {
        let directory = tempfile::tempdir().expect("tempdir");
        let cwd = directory.path().canonicalize().expect("path");
        let inside = cwd.join("state");
        assert!(create_in(&inside, &cwd, false).is_err());
        assert!(!inside.exists());
    }
}
