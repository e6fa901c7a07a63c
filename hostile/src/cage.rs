//! A mount namespace in which only the arena can be written to, so that a breach does no harm.

use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// Why there is no cage.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub struct CageError {
    /// What was being done.
    operation: &'static str,
    /// Where.
    path: PathBuf,
    /// The system's error.
    #[source]
    source: std::io::Error,
}

fn failed<E: Into<std::io::Error>>(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> CageError {
    let path = path.to_path_buf();
    move |source| CageError {
        operation,
        path,
        source: source.into(),
    }
}

/// Devices that are there.
const DEVICES: &[(&str, u64)] = &[
    ("null", 3),
    ("zero", 5),
    ("full", 7),
    ("random", 8),
    ("urandom", 9),
];

/// Puts this process, which has one thread, into the cage. On `base` a tmpfs is mounted if one is
/// asked for. `findings` stays writable, too.
///
/// # Errors
/// Where a namespace or a mount is refused. The process must end then: it may be half inside.
pub fn enter(base: &Path, tmpfs: bool, findings: Option<&Path>) -> Result<(), CageError> {
    let root = Path::new("/");
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed("making a mount namespace for", root))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    change(root, private).map_err(failed("making mounts private below", root))?;
    if tmpfs {
        new_tmpfs(base, "mode=755,size=512m")?;
    } else {
        bind(base)?;
    }
    findings.map_or(Ok(()), bind)?;
    devices()?;
    for point in mount_points()? {
        let point = point.as_path();
        if point == base || point == Path::new("/dev") || findings == Some(point) {
            continue;
        }
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        let outcome = change(point, read_only);
        // What lies below another mount can't be reached, either.
        if point == root {
            outcome.map_err(failed("making read-only", point))?;
        }
    }
    Ok(())
}

/// Makes a directory a mount of its own.
fn bind(directory: &Path) -> Result<(), CageError> {
    let flags = MsFlags::MS_BIND;
    mount(
        Some(directory),
        directory,
        None::<&str>,
        flags,
        None::<&str>,
    )
    .map_err(failed("binding", directory))
}

fn change(point: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, point, None::<&str>, flags, None::<&str>)
}

fn new_tmpfs(point: &Path, options: &str) -> Result<(), CageError> {
    mount(
        Some("hostile"),
        point,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(options),
    )
    .map_err(failed("mounting a tmpfs on", point))
}

/// Devices of its own, whose modes and owners a breach can change.
fn devices() -> Result<(), CageError> {
    let dev = Path::new("/dev");
    new_tmpfs(dev, "mode=755,size=16m")?;
    for (name, minor) in DEVICES {
        let path = dev.join(name);
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(1, *minor)).map_err(failed("making", &path))?;
        set_mode(&path, 0o666)?;
    }
    for (name, mode) in [("shm", 0o1777), ("mqueue", 0o755)] {
        let path = dev.join(name);
        std::fs::create_dir(&path).map_err(failed("making", &path))?;
        set_mode(&path, mode)?;
    }
    let fd = dev.join("fd");
    std::os::unix::fs::symlink("/proc/self/fd", &fd).map_err(failed("making", &fd))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), CageError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).map_err(failed("setting the mode of", path))
}

/// Where something is mounted, as /proc/self/mountinfo says.
fn mount_points() -> Result<Vec<PathBuf>, CageError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = std::fs::read(table).map_err(failed("reading", table))?;
    let lines = fsreplay_replayer::mounts::parse(&text).into_iter();
    use std::os::unix::ffi::OsStringExt;
    let points = lines.map(|line| std::ffi::OsString::from_vec(line.mount_point).into());
    Ok(points.collect())
}
