//! The state directory: where a trace is until it is complete, and what stays there of recordings
//! that broke off.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::RecordError;
use crate::sys;

const SUFFIX: &str = ".incomplete.zst";
/// Where there is no room for so many bytes, a recording doesn't begin.
const LEAST_ROOM: usize = 64 << 10;

/// A trace that its recorder left in the state directory: it was killed, or could not write on.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes; with 0 there is nothing in it.
    pub bytes: u64,
    /// When it was written last.
    pub modified: SystemTime,
    /// Who may be at work on it.
    pub writer: Writer,
}

/// Who may be at work on an incomplete trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A recorder that runs.
    Living,
    /// None: it is gone.
    Gone,
    /// It was written before a restart, or in another virtual machine that shares the directory and
    /// may be at work.
    OtherKernel,
    /// The file system has no locks that would tell.
    Unknown,
}

/// Incomplete traces of this user, in all directories that a recorder of this environment may use.
pub fn leftovers() -> Vec<Leftover> {
    let places = places();
    let directories = places.iter().map(|place| place.path.as_path());
    let mut found: Vec<Leftover> = directories.flat_map(leftovers_in).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Removes an incomplete trace, unless somebody has begun to write it meanwhile.
pub fn remove_leftover(leftover: &Leftover) -> io::Result<()> {
    let file = File::open(&leftover.path)?;
    match sys::file::lock(file.as_raw_fd(), false) {
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Err(error),
        _ => fs::remove_file(&leftover.path),
    }
}

fn leftovers_in(directory: &Path) -> impl Iterator<Item = Leftover> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| leftover(entry.path()))
}

fn leftover(path: PathBuf) -> Option<Leftover> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let boot = name.split('-').nth(2).unwrap_or_default();
    let same_kernel = boot == boot_id();
    let found = fs::symlink_metadata(&path).ok()?;
    if !found.is_file() || found.uid() != sys::effective_ids().0 {
        return None;
    }
    let file = File::open(&path).ok()?;
    let writer = match sys::file::lock(file.as_raw_fd(), false) {
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Writer::Living,
        Err(_) => Writer::Unknown,
        Ok(()) if same_kernel => Writer::Gone,
        Ok(()) => Writer::OtherKernel,
    };
    Some(Leftover {
        bytes: found.len(),
        modified: found.modified().ok()?,
        writer,
        path,
    })
}

/// A directory that may take incomplete traces.
struct Place {
    path: PathBuf,
    /// It is ours alone.
    own: bool,
}

fn places() -> Vec<Place> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let state = std::env::var_os("XDG_STATE_HOME").filter(|state| !state.is_empty());
    let own = [
        state.map(PathBuf::from),
        home.map(|home| PathBuf::from(home).join(".local/state")),
    ];
    let own = own.into_iter().flatten().map(|directory| Place {
        path: directory.join("fsreplay"),
        own: true,
    });
    let shared = ["/var/tmp", "/tmp"].map(|directory| Place {
        path: directory.into(),
        own: false,
    });
    own.chain(shared)
        .filter(|place| place.path.is_absolute())
        .collect()
}

/// Makes the incomplete file in the first directory that takes it and that the tool doesn't work
/// in.
pub fn create(cwd: &Path) -> Result<(PathBuf, File), RecordError> {
    let places = places();
    let mut tried = Vec::new();
    // A tool that works in / has everything below it; then the first that works must do.
    for below_allowed in [false, true] {
        for place in &places {
            match create_in(place, cwd, below_allowed) {
                Ok(made) => return Ok(made),
                Err(reason) => tried.push(format!("{}: {reason}", place.path.display())),
            }
        }
    }
    tried.dedup();
    Err(RecordError::NoStateDirectory {
        tried: tried.join("; "),
    })
}

fn create_in(place: &Place, cwd: &Path, below_allowed: bool) -> io::Result<(PathBuf, File)> {
    let directory = &place.path;
    // Compared before it is made: nothing may appear where the tool works.
    let nearest = directory.ancestors().find_map(|a| a.canonicalize().ok());
    let below = nearest.is_some_and(|nearest| nearest.starts_with(cwd));
    if below && !below_allowed {
        return Err(io::Error::other("below the working directory"));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    if place.own {
        // An earlier version made it with the umask's mode. Somebody else's can't be changed, nor
        // need it.
        let _ = fs::set_permissions(directory, Permissions::from_mode(0o700));
    }
    loop {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_nanos());
        let name = format!("{}-{time}-{}{SUFFIX}", std::process::id(), boot_id());
        let path = directory.join(name);
        let file = create_file(&path)?;
        // Without locks nobody will take it for a leftover either.
        let _ = sys::file::lock(file.as_raw_fd(), true);
        match check_room(&file) {
            // Taken for a leftover before it was locked.
            Ok(()) if file.metadata()?.nlink() == 0 => {}
            Ok(()) => return Ok((path, file)),
            Err(error) => {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        }
    }
}

/// A full disk shows at the first bytes only, when the tool would be running already.
fn check_room(mut file: &File) -> io::Result<()> {
    file.write_all(&vec![0; LEAST_ROOM])?;
    file.set_len(0)?;
    file.rewind()
}

/// Makes a file that only this user may read, whatever the umask.
pub fn create_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Tells kernels and their restarts apart.
fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: PathBuf) -> Place {
        Place { path, own: true }
    }

    #[test]
    fn the_incomplete_trace_is_not_below_the_working_directory() {
        let directory = tempfile::tempdir().expect("tempdir");
        let cwd = directory.path().canonicalize().expect("path");
        let inside = cwd.join("state");
        assert!(create_in(&place(inside.clone()), &cwd, false).is_err());
        assert!(!inside.exists());
    }

    #[test]
    fn only_what_nobody_writes_is_a_leftover() {
        let directory = tempfile::tempdir().expect("tempdir");
        let state = place(directory.path().join("state"));
        let (path, file) = create_in(&state, Path::new("/nonexistent"), false).expect("made");
        let writer = || leftovers_in(&state.path).next().expect("found").writer;
        assert_eq!(writer(), Writer::Living);
        let found = leftovers_in(&state.path).next().expect("found");
        assert!(remove_leftover(&found).is_err());
        let other = file.try_clone().expect("a descriptor");
        drop(file);
        assert_eq!(writer(), Writer::Living, "the same file, still open");
        drop(other);
        assert_eq!(writer(), Writer::Gone);
        let elsewhere = path.with_file_name(format!("1-2-another{SUFFIX}"));
        fs::rename(&path, &elsewhere).expect("renamed");
        assert_eq!(writer(), Writer::OtherKernel);
        let found = leftovers_in(&state.path).next().expect("found");
        remove_leftover(&found).expect("removed");
        assert!(!elsewhere.exists());
    }

    #[test]
    fn only_this_user_may_read_what_is_made() {
        let directory = tempfile::tempdir().expect("tempdir");
        let state = place(directory.path().join("state/fsreplay"));
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        let (path, _file) = create_in(&state, Path::new("/nonexistent"), false).expect("made");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&state.path), 0o700);
        fs::set_permissions(&state.path, Permissions::from_mode(0o755)).expect("chmod");
        create_in(&state, Path::new("/nonexistent"), false).expect("made");
        assert_eq!(mode(&state.path), 0o700, "of an earlier version");
    }
}
