//! The targets of a comparison: as given, or one writable mount of each kind.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fsreplay_replayer::mounts::{Class, Line, Probed, survey};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::preflight::preflight;
use fsreplay_trace::model::{Header, Mount};

use crate::error::Error;
use crate::moved::mount_of;
use crate::observer::Observer;
use crate::options::Given;
use crate::origin::Origin;

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
    /// Its mount's line in the table of this machine's mounts; an empty one where it isn't known.
    pub line: Line,
}

/// All targets; without given ones, those that were found, the mount on which what is moved was
/// recorded among them.
///
/// # Errors
/// A target that can't be used, two of one name, or no mount that can be written to.
pub fn all(given: &[Given], moved: &[Vec<u8>], header: &Header) -> Result<Vec<Target>, Error> {
    let mounts = survey()?.mounts;
    if given.is_empty() {
        return found(&mounts, Origin::of(header), recorded_on(moved, header));
    }
    let mut targets: Vec<Target> = Vec::new();
    for one in given {
        let target = named(one, &mounts)?;
        if targets.iter().any(|other| other.name == target.name) {
            return Err(Error::SameName { name: target.name });
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Without a name it is called after its last directory.
fn named(given: &Given, mounts: &[Probed]) -> Result<Target, Error> {
    let dir = given.dir.clone();
    fsreplay_replayer::preflight::usable(&dir)?;
    let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
    let mount = mounts
        .iter()
        .filter(|mount| real.starts_with(path(&mount.candidate.line.mount_point)))
        .max_by_key(|mount| mount.candidate.line.mount_point.len());
    let last = || {
        let last = real.file_name();
        last.map_or("/".into(), |last| last.to_string_lossy().into_owned())
    };
    let name = given.name.clone().unwrap_or_else(last);
    Ok(Target {
        name,
        dir,
        class: mount.map_or("other", |mount| class_name(&mount.candidate.class)),
        fs_type: mount.map_or("?".into(), |mount| mount.candidate.line.fs_type.clone()),
        line: mount.map_or_else(Line::default, |mount| mount.candidate.line.clone()),
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

/// One writable mount of each class (and, of mounts that are nothing in particular, of each file
/// system): the one that was recorded on if it is among them, else the roomiest.
fn found(
    mounts: &[Probed],
    origin: Origin,
    recorded: Option<&Mount>,
) -> Result<Vec<Target>, Error> {
    let is_recorded = |mount: &Probed| {
        let line = &mount.candidate.line;
        recorded.is_some_and(|recorded| origin.is(recorded, line))
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
                line: mount.candidate.line.clone(),
            })
        })
        .collect();
    if targets.is_empty() {
        return Err(Error::NoMount);
    }
    Ok(targets)
}

/// The targets with their plans. Of targets that were found rather than given or named, those that
/// can't be used are left out, and told: the trace doesn't fit there (the 64 MB that Docker gives
/// /dev/shm, say), or the mount has gone since.
///
/// # Errors
/// Those of planning, and of the last target where none is left.
pub fn planned(
    targets: Vec<Target>,
    given: &[Given],
    named: &[&str],
    observer: &dyn Observer,
    plan: impl Fn(&Target) -> Result<Plan, Error>,
) -> Result<(Vec<Target>, Vec<Plan>), Error> {
    let mut fitting = (Vec::new(), Vec::new());
    let mut last = None;
    for target in targets {
        let is_asked_for = !given.is_empty() || named.contains(&target.name.as_str());
        let planned = plan(&target).and_then(|plan| {
            if !is_asked_for {
                // Of the others the replay says what is wrong, before anything is played.
                preflight(&plan)?;
            }
            Ok(plan)
        });
        match planned {
            Ok(plan) => {
                fitting.0.push(target);
                fitting.1.push(plan);
            }
            Err(Error::Replay(error)) if error.is_target() && !is_asked_for => {
                observer.left_out(&target.name, &error);
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match last {
        Some(error) if fitting.0.is_empty() => Err(error.into()),
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

/// Whether targets of a class are directories of the host.
pub fn is_bind(class: &str) -> bool {
    matches!(class, "native-bind" | "host-share")
}

/// The number of the target on the mount where what is moved was recorded.
pub fn recorded(targets: &[Target], moved: &[Vec<u8>], header: &Header) -> Option<usize> {
    let recorded = recorded_on(moved, header)?;
    let origin = Origin::of(header);
    targets
        .iter()
        .position(|target| origin.is(recorded, &target.line))
}

/// Numbers of the targets that a user named in options: nobody wants the others without them.
///
/// # Errors
/// A name that no target has.
pub fn needed(names: &[&str], targets: &[Target]) -> Result<Vec<usize>, Error> {
    let numbers = names.iter().map(|name| {
        let number = targets.iter().position(|target| target.name == *name);
        number.ok_or_else(|| Error::NoSuchTarget {
            name: (*name).to_owned(),
            known: targets.iter().map(|target| target.name.clone()).collect(),
        })
    });
    numbers.collect()
}

/// The baseline's number: as named, else the target on the mount where what is moved was recorded,
/// else a bind mount, else the first.
///
/// # Errors
/// A name that no target has.
pub fn baseline(
    asked: Option<&str>,
    targets: &[Target],
    moved: &[Vec<u8>],
    header: &Header,
) -> Result<usize, Error> {
    if let Some(name) = asked {
        return Ok(needed(&[name], targets)?[0]);
    }
    let first_bind = || targets.iter().position(|target| is_bind(target.class));
    Ok(recorded(targets, moved, header)
        .or_else(first_bind)
        .unwrap_or(0))
}

/// Where everything else is replayed.
///
/// # Errors
/// One that can't be used, or no directory for temporary files that can be written to.
pub fn neutral(asked: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(dir) = asked {
        fsreplay_replayer::preflight::usable(dir)?;
        return Ok(dir.to_owned());
    }
    let usable = |dir: &Path| fsreplay_replayer::preflight::usable(dir).is_ok();
    let own = std::env::var_os("TMPDIR").map(PathBuf::from);
    ["/var/tmp", "/tmp"]
        .map(PathBuf::from)
        .into_iter()
        .chain(own)
        .find(|dir| usable(dir))
        .ok_or(Error::NoNeutralPlace)
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
            let targets = found(&mounts, Origin::here(), recorded).unwrap_or_default();
            let bind = targets.into_iter().find(|target| target.name == "bind");
            bind.map(|target| target.dir)
        };
        assert_eq!(bind(None).as_deref(), Some(Path::new("/cache")));
        let recorded = Mount {
            mount_point: b"/workspaces/app".to_vec(),
            fs_type: "virtiofs".into(),
            source: b"virtiofs0".to_vec(),
            root: b"/".to_vec(),
            ..Mount::default()
        };
        let chosen = bind(Some(&recorded));
        assert_eq!(chosen.as_deref(), Some(Path::new("/workspaces/app")));
    }

    /// Writes down who is left out.
    #[derive(Default)]
    struct LeftOut(std::sync::Mutex<Vec<String>>);

    impl Observer for LeftOut {
        fn left_out(&self, target: &str, _: &fsreplay_replayer::ReplayError) {
            self.0.lock().expect("no panic").push(target.to_owned());
        }
    }

    #[test]
    fn of_targets_that_were_found_one_that_has_gone_since_is_left_out() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = |name: &str, dir: &Path| Target {
            name: name.into(),
            dir: dir.to_owned(),
            class: "other",
            fs_type: "ext4".into(),
            line: Line::default(),
        };
        let gone = dir.path().join("gone");
        let all = || vec![target("gone", &gone), target("here", dir.path())];
        let plan = |target: &Target| {
            fsreplay_replayer::preflight::usable(&target.dir)?;
            let options = crate::planning::options(target.dir.clone(), Vec::new());
            let planner = fsreplay_replayer::planner::Planner::new(&Header::default(), options);
            Ok(planner
                .finish(&fsreplay_trace::format::Tables::new())
                .expect("a plan of nothing"))
        };
        let told = LeftOut::default();
        let (targets, plans) = planned(all(), &[], &[], &told, plan).expect("one is here");
        assert_eq!((targets.len(), plans.len()), (1, 1));
        assert_eq!(targets[0].name, "here");
        assert_eq!(told.0.into_inner().expect("no panic"), ["gone"]);
        // Nobody wants the others without one that was asked for.
        assert!(planned(all(), &[], &["gone"], &(), plan).is_err());
        let given = [
            Given::named("gone", &gone),
            Given::named("here", dir.path()),
        ];
        assert!(planned(all(), &given, &[], &(), plan).is_err());
    }
}
