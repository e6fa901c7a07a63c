//! What the candidate mounts of this machine say of themselves: whether they can be written to, and
//! how much room they have.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags};
use thiserror::Error;

use crate::folding::seems_to_fold;

use super::{Candidate, Class, classify, table};

const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// Files that engines put into a container: Docker, Podman.
const CONTAINER_FILES: &[&str] = &["/.dockerenv", "/run/.containerenv"];

/// The mounts can't be told.
#[derive(Debug, Error)]
pub enum SurveyError {
    /// The mount table can't be read.
    #[error("reading {MOUNT_TABLE}")]
    MountTable(#[source] std::io::Error),
}

/// The candidate mounts of this machine or container.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Whether this is a container.
    pub container: bool,
    /// The mounts, in the order of the mount table.
    pub mounts: Vec<Probed>,
}

/// A candidate mount, asked.
#[derive(Clone, Debug)]
pub struct Probed {
    /// What the mount table tells.
    pub candidate: Candidate,
    /// The first of the suggested directories in which this user may make files; `None` where
    /// there is none.
    pub writable_directory: Option<PathBuf>,
    /// Bytes that this user may still write; `None` where the file system doesn't answer.
    pub free_bytes: Option<u64>,
    /// Size in bytes; `None` where the file system doesn't answer.
    pub total_bytes: Option<u64>,
    /// Inodes that this user may still make; `None` where they aren't limited or not known.
    pub free_inodes: Option<u64>,
    /// Whether names that differ in case only are one there, by the names that it has; `None`
    /// where these don't tell.
    pub folds_case: Option<bool>,
}

/// Reads the mount table of this process and asks each candidate.
///
/// # Errors
/// Where `/proc` isn't mounted or can't be read. A mount that doesn't answer is shown without its
/// figures.
pub fn survey() -> Result<Survey, SurveyError> {
    let text = std::fs::read(MOUNT_TABLE).map_err(SurveyError::MountTable)?;
    let container = in_container();
    let candidates = classify(&text, container);
    let home = personal_directories();
    let lines = table::parse(&text);
    let visible = table::visible(&lines);
    let mounts: Vec<Probed> = candidates
        .into_iter()
        // Single files may be mounted, too, and what lies below a directory that this user may not
        // enter can't be used.
        .filter(|candidate| path(&candidate.line.mount_point).is_dir())
        .map(|mut candidate| {
            let id = candidate.line.id;
            let here = home.iter().filter(|directory| {
                table::mount_of(&lines, &visible, directory.as_os_str().as_bytes())
                    .is_some_and(|at| lines[at].id == id)
            });
            if candidate.read_write {
                let more = here.map(|directory| directory.as_os_str().as_bytes().to_vec());
                candidate.directories.extend(more);
            }
            probe(candidate)
        })
        .collect();
    let is_root = |mount: &Probed| matches!(mount.candidate.class, Class::ContainerRoot { .. });
    Ok(Survey {
        container: container || mounts.iter().any(is_root),
        mounts,
    })
}

/// Whether this process runs in a container: engines leave a file, or tell the first process.
pub fn in_container() -> bool {
    CONTAINER_FILES.iter().any(|file| Path::new(file).exists())
        || std::env::var_os("container").is_some_and(|value| !value.is_empty())
        || std::env::var_os("CODESPACES").is_some_and(|value| value == "true")
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Directories in which a user who owns no mount point may still write: the working directory and
/// the home.
fn personal_directories() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let all = std::env::current_dir().ok().into_iter().chain(home);
    // A path through links may lead to another mount than its text tells.
    all.filter_map(|directory| std::fs::canonicalize(directory).ok())
        .collect()
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn probe(candidate: Candidate) -> Probed {
    let point = path(&candidate.line.mount_point);
    let figures = rustix::fs::statvfs(point).ok();
    let read_only = figures
        .as_ref()
        .is_some_and(|figures| figures.f_flag.contains(StatVfsMountFlags::RDONLY));
    let writable_directory = candidate
        .directories
        .iter()
        .map(|directory| path(directory))
        .find(|directory| !read_only && may_write(directory))
        .map(Path::to_path_buf);
    let block = figures
        .as_ref()
        .map_or(1, |figures| figures.f_frsize.max(1));
    let shown = writable_directory.as_deref().unwrap_or(point);
    Probed {
        folds_case: seems_to_fold(shown).or_else(|| seems_to_fold(point)),
        writable_directory,
        free_bytes: figures
            .as_ref()
            .map(|figures| figures.f_bavail.saturating_mul(block)),
        // Some FUSE file systems say 0 for everything, which means that they don't know.
        total_bytes: figures
            .as_ref()
            .map(|figures| figures.f_blocks.saturating_mul(block)),
        free_inodes: figures
            .as_ref()
            .filter(|figures| figures.f_files > 0)
            .map(|figures| figures.f_favail),
        candidate,
    }
}

/// Whether this user may make files in a directory.
fn may_write(directory: &Path) -> bool {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    directory.is_dir()
        && rustix::fs::accessat(CWD, directory, wanted, AtFlags::EACCESS)
            .or_else(|_| rustix::fs::access(directory, wanted))
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_root_and_says_how_much_room_it_has() {
        let survey = survey().expect("a mount table");
        let mut mounts = survey.mounts.iter();
        let root = mounts
            .find(|mount| mount.candidate.line.mount_point == b"/")
            .expect("a root among the candidates");
        assert!(root.total_bytes.is_some_and(|total| total > 0));
        for mount in &survey.mounts {
            let point = path(&mount.candidate.line.mount_point);
            assert!(point.is_dir(), "{} is a directory", point.display());
        }
    }

    #[test]
    fn a_suggested_directory_can_be_written_to() {
        let survey = survey().expect("a mount table");
        let mut tried = 0;
        for directory in survey
            .mounts
            .iter()
            .filter_map(|m| m.writable_directory.as_ref())
        {
            let made = tempfile::tempdir_in(directory);
            assert!(made.is_ok(), "{}: {made:?}", directory.display());
            tried += 1;
        }
        assert!(tried > 0, "nowhere to write: {survey:?}");
    }
}
