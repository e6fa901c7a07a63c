//! Where hostile traces are played: two targets, and beside them the canaries.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, XattrFlags};

/// Names in the directory of canaries, for traces that aim at them.
pub const CANARIES: &[&str] = &[
    "precious",
    "shell",
    "secret",
    "mine",
    "doc",
    "tree",
    "tree/a",
    "tree/a/file",
    "open",
    "fifo",
    "link",
    "dangling",
    "absolute",
    "socket",
    "hard1",
    "hard2",
    "marked",
    "empty",
    "sticky",
];

/// A directory with two targets and the canaries.
#[derive(Debug)]
pub struct Arena {
    /// Where it lies.
    pub path: PathBuf,
}

impl Arena {
    /// Makes a new one. Targets, and a part of the canaries, belong to the user that plays.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: PathBuf, uid: u32) -> io::Result<Arena> {
        fs::create_dir(&path)?;
        let arena = Arena { path };
        for target in [arena.target(), arena.second()] {
            directory(&target, 0o755)?;
            chown(&target, Some(uid), Some(uid))?;
        }
        directory(&arena.outside(), 0o777)?;
        canaries(&arena.outside(), uid)?;
        Ok(arena)
    }

    /// Where traces are played.
    pub fn target(&self) -> PathBuf {
        self.path.join("target")
    }

    /// The second target, for placed directories.
    pub fn second(&self) -> PathBuf {
        self.path.join("second")
    }

    /// The directory of canaries.
    pub fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// What is left in the targets.
    ///
    /// # Errors
    /// Where a target can't be listed any more.
    pub fn leftovers(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for target in [self.target(), self.second()] {
            for entry in fs::read_dir(target)? {
                found.push(entry?.path());
            }
        }
        Ok(found)
    }

    /// Removes it, whatever became of it.
    pub fn remove(self) {
        // What can't be removed is told by whoever looks for leftovers.
        drop(fs::remove_dir_all(&self.path));
    }
}

fn directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn file(path: &Path, mode: u32, owner: u32) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(path.as_os_str().as_bytes())?;
    file.write_all(b": not to be touched\n")?;
    chown(path, Some(owner), Some(owner))?;
    // After chown(2), which takes set-id bits away.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn canaries(outside: &Path, uid: u32) -> io::Result<()> {
    let at = |name: &str| outside.join(name);
    for (name, mode, owner) in [
        ("precious", 0o644, 0),
        ("shell", 0o4755, uid),
        ("secret", 0o600, uid),
        ("mine", 0o666, uid),
        ("doc", 0o644, uid),
        ("hard1", 0o644, uid),
        ("marked", 0o644, uid),
    ] {
        file(&at(name), mode, owner)?;
    }
    fs::hard_link(at("hard1"), at("hard2"))?;
    for (name, mode) in [
        ("tree", 0o755),
        ("tree/a", 0o755),
        ("open", 0o777),
        ("empty", 0o777),
        ("sticky", 0o1777),
    ] {
        directory(&at(name), mode)?;
        chown(at(name), Some(uid), Some(uid))?;
    }
    file(&at("tree/a/file"), 0o644, uid)?;
    file(&at("open/file"), 0o644, uid)?;
    let fifo = Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, fifo, 0)?;
    fs::set_permissions(at("fifo"), fs::Permissions::from_mode(0o666))?;
    symlink("precious", at("link"))?;
    symlink("nothing/there", at("dangling"))?;
    symlink(at("doc"), at("absolute"))?;
    drop(UnixListener::bind(at("socket"))?);
    // Where there are no attributes, none is missing.
    match rustix::fs::setxattr(at("marked"), "user.canary", b"here", XattrFlags::empty()) {
        Err(rustix::io::Errno::OPNOTSUPP) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What is known of an inode. Times are seconds and nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inode {
    ino: u64,
    mode: u32,
    owner: (u32, u32),
    device: u64,
    links: u64,
    size: u64,
    accessed: (i64, i64),
    modified: (i64, i64),
    changed: (i64, i64),
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
    contents: u64,
}

/// The inodes outside of the targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    inodes: BTreeMap<PathBuf, Inode>,
}

/// How much of what is above the arena is looked at: others are at work there.
fn of_others(mut inode: Inode) -> Inode {
    (inode.links, inode.size) = (0, 0);
    (inode.accessed, inode.modified, inode.changed) = Default::default();
    inode
}

impl Snapshot {
    /// Looks at an arena, at what is above it, and at the devices. Leaves no trace itself.
    ///
    /// # Errors
    /// Where something can't be looked at.
    pub fn take(arena: &Arena) -> io::Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        for above in arena.path.ancestors().skip(1) {
            snapshot
                .inodes
                .insert(above.into(), of_others(look(above)?));
        }
        snapshot.below(&arena.path, &[arena.target(), arena.second()])?;
        if Path::new("/dev/pts").exists() {
            // Not in the cage: other things change here.
            snapshot
                .inodes
                .insert("/dev/null".into(), look("/dev/null".as_ref())?);
        } else {
            snapshot.below("/dev".as_ref(), &[])?;
        }
        Ok(snapshot)
    }

    fn below(&mut self, path: &Path, targets: &[PathBuf]) -> io::Result<()> {
        let inode = look(path)?;
        let is_target = targets.iter().any(|target| target == path);
        let is_directory = inode.mode & 0o170000 == 0o040000;
        // A replay makes its directory in a target, and removes it.
        let inode = if is_target { of_others(inode) } else { inode };
        self.inodes.insert(path.into(), inode);
        if is_directory && !is_target {
            for name in names(path)? {
                self.below(&path.join(OsStr::from_bytes(&name)), targets)?;
            }
        }
        Ok(())
    }

    /// How many inodes there are.
    pub fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.inodes.is_empty()
    }

    /// What is different later, for people.
    pub fn differences(&self, later: &Snapshot) -> Vec<String> {
        let mut told = Vec::new();
        for (path, before) in &self.inodes {
            match later.inodes.get(path) {
                None => told.push(format!("{}: gone", path.display())),
                Some(after) if after != before => {
                    told.push(format!("{}: {}", path.display(), changes(before, after)));
                }
                Some(_) => {}
            }
        }
        let new = later
            .inodes
            .keys()
            .filter(|path| !self.inodes.contains_key(*path));
        told.extend(new.map(|path| format!("{}: new", path.display())));
        told
    }
}

fn changes(before: &Inode, after: &Inode) -> String {
    let mut told = Vec::new();
    let mut tell = |name: &str, before: &dyn std::fmt::Debug, after: &dyn std::fmt::Debug| {
        let (before, after) = (format!("{before:?}"), format!("{after:?}"));
        if before != after {
            told.push(format!("{name} {before} -> {after}"));
        }
    };
    tell("inode", &before.ino, &after.ino);
    tell("mode", &Octal(before.mode), &Octal(after.mode));
    tell("owner", &before.owner, &after.owner);
    tell("device", &before.device, &after.device);
    tell("links", &before.links, &after.links);
    tell("size", &before.size, &after.size);
    tell("atime", &before.accessed, &after.accessed);
    tell("mtime", &before.modified, &after.modified);
    tell("ctime", &before.changed, &after.changed);
    tell("xattrs", &before.attributes, &after.attributes);
    tell("contents", &before.contents, &after.contents);
    told.join(", ")
}

/// A mode, in octal for people.
struct Octal(u32);

impl std::fmt::Debug for Octal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:o}", self.0)
    }
}

fn look(path: &Path) -> io::Result<Inode> {
    let found = fs::symlink_metadata(path)?;
    let contents = match found.file_type() {
        kind if kind.is_file() => contents(path)?,
        // Text of a link can't change while its inode stays; reading it would change its atime.
        kind if kind.is_symlink() || kind.is_fifo() || kind.is_socket() => 0,
        _ => 0,
    };
    Ok(Inode {
        ino: found.ino(),
        mode: found.mode(),
        owner: (found.uid(), found.gid()),
        device: found.rdev(),
        links: found.nlink(),
        size: found.size(),
        accessed: (found.atime(), found.atime_nsec()),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
        attributes: attributes(path)?,
        contents,
    })
}

/// Opens something to be read without a trace of that.
fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(
        path,
        flags | OFlags::NONBLOCK,
        Mode::empty(),
    )?)
}

fn contents(path: &Path) -> io::Result<u64> {
    let mut file = fs::File::from(open(path)?);
    let mut hasher = DefaultHasher::new();
    let mut buffer = [0; 4096];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.write(&buffer[..count]);
    }
}

fn names(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::new(open(path)?)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn attributes(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut list = [0; 4096];
    let length = match rustix::fs::llistxattr(path, &mut list) {
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        length => length?,
    };
    let names = list[..length].split(|byte| *byte == 0);
    let mut found = Vec::new();
    for name in names.filter(|name| !name.is_empty()) {
        let mut value = [0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value)?;
        found.push((name.to_vec(), value[..length].to_vec()));
    }
    found.sort();
    Ok(found)
}
