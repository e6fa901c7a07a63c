//! The targets of a comparison: as given, or one writable mount of each kind.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use fsreplay_replayer::mounts::{Class, Probed, survey};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::preflight::preflight;
use fsreplay_trace::model::{Header, Mount};

use super::moved::mount_of;
use crate::exit::{self, Failure};
use crate::term;
use crate::text;

/// A directory to replay in.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is called.
    pub name: String,
    /// The directory.
    pub dir: PathBuf,
    /// Its mount's class, as in `mounts`.
    pub class: &'static str,
    /// Its mount's file system.
    pub fs_type: String,
    /// Its mount's point.
    pub mount_point: Vec<u8>,
}

/// All targets; without given ones, those that were found, the mount on which what is moved was recorded among them.
pub fn all(given: &[OsString], moved: &[Vec<u8>], header: &Header) -> Result<Vec<Target>, Failure> {
    let mounts = survey()
        .map_err(|error| Failure::new(exit::FAILURE, exit::chain(&error)))?
        .mounts;
    if given.is_empty() {
        return found(&mounts, recorded_on(moved, header));
    }
    let mut targets: Vec<Target> = Vec::new();
    for text in given {
        let target = named(text, &mounts)?;
        if targets.iter().any(|other| other.name == target.name) {
            let message = format!(
                "two targets are called {}: give them names, as NAME=DIR",
                target.name
            );
            return Err(Failure::new(exit::USAGE, message));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// `[NAME=]DIR`; without a name it is called after its last directory.
fn named(text: &OsString, mounts: &[Probed]) -> Result<Target, Failure> {
    let bytes = text.as_bytes();
    let split = bytes.iter().position(|byte| *byte == b'=');
    let (name, dir) = match split {
        Some(at) if !bytes[..at].contains(&b'/') => (Some(&bytes[..at]), &bytes[at + 1..]),
        _ => (None, bytes),
    };
    let dir = PathBuf::from(OsString::from_vec(dir.to_vec()));
    fsreplay_replayer::preflight::usable(&dir).map_err(crate::planning::failure)?;
    let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
    let mount = mounts
        .iter()
        .filter(|mount| real.starts_with(path(&mount.candidate.line.mount_point)))
        .max_by_key(|mount| mount.candidate.line.mount_point.len());
    let name = match name {
        Some(name) if !name.is_empty() => String::from_utf8_lossy(name).into_owned(),
        _ => real
            .file_name()
            .map_or("/".into(), |last| last.to_string_lossy().into_owned()),
    };
    Ok(Target {
        name,
        dir,
        class: mount.map_or("other", |mount| class_name(&mount.candidate.class)),
        fs_type: mount.map_or("?".into(), |mount| mount.candidate.line.fs_type.clone()),
        mount_point: mount.map_or_else(Vec::new, |mount| mount.candidate.line.mount_point.clone()),
    })
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

/// The recorded mount of what is moved.
fn recorded_on<'h>(moved: &[Vec<u8>], header: &'h Header) -> Option<&'h Mount> {
    moved
        .first()
        .and_then(|path| mount_of(&header.mounts, path))
}

/// One writable mount of each class (and, of mounts that are nothing in particular, of each file system): the one that was recorded on if it
/// is among them, else the roomiest.
fn found(mounts: &[Probed], recorded: Option<&Mount>) -> Result<Vec<Target>, Failure> {
    let is_recorded = |mount: &Probed| {
        let line = &mount.candidate.line;
        recorded.is_some_and(|recorded| {
            recorded.mount_point == line.mount_point && recorded.fs_type == line.fs_type
        })
    };
    let mut best: Vec<(String, &Probed)> = Vec::new();
    for mount in mounts
        .iter()
        .filter(|mount| mount.writable_directory.is_some())
    {
        let name = short_name(mount);
        match best.iter_mut().find(|(known, _)| *known == name) {
            Some((_, other))
                if (is_recorded(other), other.free_bytes)
                    >= (is_recorded(mount), mount.free_bytes) => {}
            Some(slot) => slot.1 = mount,
            None => best.push((name, mount)),
        }
    }
    let targets: Vec<Target> = best
        .into_iter()
        .filter_map(|(name, mount)| {
            Some(Target {
                name,
                dir: mount.writable_directory.clone()?,
                class: class_name(&mount.candidate.class),
                fs_type: mount.candidate.line.fs_type.clone(),
                mount_point: mount.candidate.line.mount_point.clone(),
            })
        })
        .collect();
    if targets.is_empty() {
        let message = "no mount here can be written to; give a directory with --target";
        return Err(Failure::new(exit::TARGET, message));
    }
    Ok(targets)
}

/// The targets with their plans. Of targets that were found rather than given, those that the trace doesn't fit on (the 64 MB that Docker
/// gives /dev/shm, say) are left out, and told.
pub fn planned(
    targets: Vec<Target>,
    given: &[OsString],
    plan: impl Fn(&Target) -> Result<Plan, Failure>,
) -> Result<(Vec<Target>, Vec<Plan>), Failure> {
    let mut fitting = (Vec::new(), Vec::new());
    let mut last = None;
    for target in targets {
        let plan = plan(&target)?;
        let checked = match given.is_empty() {
            true => preflight(&plan),
            false => Ok(()), // as asked: the replay says what is wrong with it
        };
        match checked {
            Ok(()) => {
                fitting.0.push(target);
                fitting.1.push(plan);
            }
            Err(error) if error.is_target() => {
                let why = exit::chain(&error);
                term::tell(&text!("{} is left out: {}", target.name, why));
                last = Some(error);
            }
            Err(error) => return Err(crate::planning::failure(error)),
        }
    }
    match last {
        Some(error) if fitting.0.is_empty() => Err(crate::planning::failure(error)),
        _ => Ok(fitting),
    }
}

fn short_name(mount: &Probed) -> String {
    match &mount.candidate.class {
        Class::ContainerRoot { .. } => "root".into(),
        Class::ImageLayer => "image".into(),
        Class::NativeBind | Class::HostShare { .. } => "bind".into(),
        Class::Volume { .. } => "volume".into(),
        Class::Tmpfs => "tmpfs".into(),
        Class::Other => mount.candidate.line.fs_type.clone(),
    }
}

fn class_name(class: &Class) -> &'static str {
    match class {
        Class::ContainerRoot { .. } => "container-root",
        Class::ImageLayer => "image-layer",
        Class::NativeBind => "native-bind",
        Class::HostShare { .. } => "host-share",
        Class::Volume { .. } => "volume",
        Class::Tmpfs => "tmpfs",
        Class::Other => "other",
    }
}

/// The number of the target on the mount where what is moved was recorded.
pub fn recorded(targets: &[Target], moved: &[Vec<u8>], header: &Header) -> Option<usize> {
    let recorded = recorded_on(moved, header)?;
    targets.iter().position(|target| {
        recorded.mount_point == target.mount_point && recorded.fs_type == target.fs_type
    })
}

/// The baseline's number: as named, else the target on the mount where what is moved was recorded,
/// else a bind mount, else the first.
pub fn baseline(
    asked: Option<&str>,
    targets: &[Target],
    moved: &[Vec<u8>],
    header: &Header,
) -> Result<usize, Failure> {
    if let Some(name) = asked {
        return targets
            .iter()
            .position(|target| target.name == name)
            .ok_or_else(|| {
                Failure::new(
                    exit::USAGE,
                    format!("--baseline {name}: {}", known(targets)),
                )
            });
    }
    let bind = |target: &Target| matches!(target.class, "host-share" | "native-bind");
    Ok(recorded(targets, moved, header)
        .or_else(|| targets.iter().position(bind))
        .unwrap_or(0))
}

/// The names that there are, for messages.
pub fn known(targets: &[Target]) -> String {
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    format!("no such target; there are {}", names.join(", "))
}

/// Where everything else is replayed.
pub fn neutral(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = asked {
        return Ok(dir.to_owned());
    }
    let usable = |dir: &Path| fsreplay_replayer::preflight::usable(dir).is_ok();
    let own = std::env::var_os("TMPDIR").map(PathBuf::from);
    ["/var/tmp", "/tmp"]
        .map(PathBuf::from)
        .into_iter()
        .chain(own)
        .find(|dir| usable(dir))
        .ok_or_else(|| {
            let message =
                "neither /var/tmp nor /tmp can be written to; give a neutral place with --neutral";
            Failure::new(exit::TARGET, message)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_replayer::mounts::classify;

    #[test]
    fn of_several_bind_mounts_the_one_that_was_recorded_on_is_taken() {
        let text = "1 0 0:1 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b\n\
                    2 1 8:1 /home/me/cache /cache rw - ext4 /dev/sda1 rw\n\
                    3 1 0:2 / /workspaces/app rw - virtiofs virtiofs0 rw\n\
                    4 1 8:1 /home/me/more /more rw - ext4 /dev/sda1 rw\n";
        let mounts: Vec<Probed> = classify(text.as_bytes(), true)
            .into_iter()
            .zip([1, 9, 2, 3])
            .map(|(candidate, free)| Probed {
                writable_directory: Some(path(&candidate.line.mount_point).to_owned()),
                free_bytes: Some(free),
                total_bytes: None,
                free_inodes: None,
                folds_case: None,
                candidate,
            })
            .collect();
        let bind = |recorded: Option<&Mount>| {
            let targets = found(&mounts, recorded).unwrap_or_default();
            let bind = targets.into_iter().find(|target| target.name == "bind");
            bind.map(|target| target.dir)
        };
        assert_eq!(bind(None).as_deref(), Some(Path::new("/cache")));
        let recorded = Mount {
            mount_point: b"/workspaces/app".to_vec(),
            fs_type: "virtiofs".into(),
            ..Mount::default()
        };
        let chosen = bind(Some(&recorded));
        assert_eq!(chosen.as_deref(), Some(Path::new("/workspaces/app")));
    }
}
