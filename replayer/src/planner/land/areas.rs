//! Which parts of the recorded tree are replayed, and where: mounts, pseudo file systems,
//! placements, what is left out.

use fsreplay_trace::model::{Header, is_pseudo};

use super::super::PlanOptions;
use super::tree::{EXISTED, Kind, NONE, PSEUDO, ROOT, SKIPPED, Tree};
use crate::plan::Root;

/// Directory of devices: pseudo whatever is mounted there, but for shared memory.
const DEVICES: &[u8] = b"/dev";
const SHARED_MEMORY: &[u8] = b"/dev/shm";

/// The names of an absolute path; `.` and empty ones left out.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

/// Whether bytes can be the name of a directory entry.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let special: [&[u8]; 3] = [b"", b".", b".."];
    !special.contains(&name) && !name.contains(&b'/') && !name.contains(&0)
}

/// Whether `path` is `above` or lies below it.
pub(crate) fn is_below(path: &[u8], above: &[u8]) -> bool {
    let mut names = components(path);
    components(above).all(|name| names.next() == Some(name))
}

/// Marks mounts, pseudo file systems, placements and skipped paths in the tree; the roots of the
/// plan.
pub(crate) fn mark(tree: &mut Tree, header: &Header, options: &PlanOptions) -> Vec<Root> {
    let devices = ensure(tree, DEVICES);
    tree.inode_mut(devices).flags |= PSEUDO;
    for (index, mount) in header.mounts.iter().enumerate() {
        mark_mount(tree, index as u16, &mount.mount_point, &mount.fs_type);
    }
    if tree.names.find(b"shm").is_none() {
        let shared = ensure(tree, SHARED_MEMORY);
        clear_area(tree, shared);
    }
    for skipped in &options.skip {
        let ino = ensure(tree, skipped);
        tree.inode_mut(ino).flags |= SKIPPED;
    }
    let mut roots = vec![Root {
        recorded: b"/".to_vec(),
        target: options.target.clone(),
    }];
    for (recorded, target) in options.place.iter().take(usize::from(u16::MAX - 2)) {
        let ino = ensure(tree, recorded);
        let number = roots.len() as u16;
        if ino == ROOT {
            roots[0].target = target.clone();
            continue;
        }
        tree.set_kind(ino, Kind::Directory);
        clear_area(tree, ino);
        if let Some(directory) = tree.directory(ino) {
            directory.root = number;
        }
        roots.push(Root {
            recorded: recorded.clone(),
            target: target.clone(),
        });
    }
    roots
}

fn clear_area(tree: &mut Tree, ino: u32) {
    tree.inode_mut(ino).flags &= !(PSEUDO | SKIPPED);
}

fn mark_mount(tree: &mut Tree, index: u16, mount_point: &[u8], fs_type: &str) {
    let shared = is_below(mount_point, SHARED_MEMORY);
    let devices = is_below(mount_point, DEVICES) && !shared;
    let pseudo = is_pseudo(fs_type) || devices;
    if !pseudo && !shared && lies_in_pseudo(tree, mount_point) {
        return;
    }
    let ino = ensure(tree, mount_point);
    let inode = tree.inode_mut(ino);
    inode.mount = index;
    if pseudo {
        inode.flags |= PSEUDO;
    } else {
        clear_area(tree, ino);
    }
}

/// Whether a path lies in what is marked as pseudo so far.
fn lies_in_pseudo(tree: &Tree, path: &[u8]) -> bool {
    let mut at = ROOT;
    for name in components(path) {
        if tree.inode(at).flags & PSEUDO != 0 {
            return true;
        }
        let found = tree.names.find(name).and_then(|n| tree.find(at, n));
        match found.map(|dent| tree.dent(dent).ino) {
            Some(ino) if ino != NONE => at = ino,
            _ => return false,
        }
    }
    false
}

/// The inode of an absolute path, made with all directories above it if it isn't known. It becomes
/// part of the initial tree only when a record tells of it.
pub(crate) fn ensure(tree: &mut Tree, path: &[u8]) -> u32 {
    let mut at = ROOT;
    for name in components(path) {
        if name == b".." {
            at = tree.parent(at).unwrap_or(ROOT);
            continue;
        }
        tree.set_kind(at, Kind::Directory);
        let name = tree.names.intern(name);
        let dent = tree.entry(at, name);
        let mut ino = tree.dent(dent).ino;
        if ino == NONE {
            let flags = EXISTED | (tree.inode(at).flags & (PSEUDO | SKIPPED));
            let mount = tree.inode(at).mount;
            ino = tree.add_inode(Kind::Unknown, flags, mount);
            tree.attach(dent, ino);
        }
        at = ino;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_trace::model::Mount;

    fn header(mounts: &[(&str, &str)]) -> Header {
        Header {
            mounts: mounts
                .iter()
                .map(|(point, kind)| Mount {
                    mount_point: point.as_bytes().to_vec(),
                    fs_type: (*kind).to_string(),
                    ..Mount::default()
                })
                .collect(),
            ..Header::default()
        }
    }

    #[test]
    fn shared_memory_is_replayed_and_its_surroundings_are_not() {
        let mut tree = Tree::new();
        let header = header(&[
            ("/", "ext4"),
            ("/dev", "tmpfs"),
            ("/dev/shm", "tmpfs"),
            ("/proc", "proc"),
            ("/proc/acpi", "tmpfs"),
        ]);
        mark(&mut tree, &header, &PlanOptions::default());
        let pseudo = |tree: &mut Tree, path: &[u8]| {
            let ino = ensure(tree, path);
            tree.inode(ino).flags & PSEUDO != 0
        };
        assert!(pseudo(&mut tree, b"/dev/null"));
        assert!(!pseudo(&mut tree, b"/dev/shm/x"));
        assert!(pseudo(&mut tree, b"/proc/acpi/y"));
        assert!(!pseudo(&mut tree, b"/home"));
        let shared = ensure(&mut tree, b"/dev/shm");
        assert_eq!(tree.inode(shared).mount, 2);
    }

    #[test]
    fn below_is_told_by_whole_names() {
        assert!(is_below(b"/a/b", b"/a"));
        assert!(!is_below(b"/ab", b"/a"));
        assert!(is_below(b"//a/./b/", b"/a/b"));
    }
}
