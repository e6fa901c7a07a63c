//! From the text of a mount table to the mounts on which files can lie, and what they are.

use super::product::{self, Product};
use super::table::{self, Line};
use super::{Candidate, Class};
use crate::below::is_below;

/// File systems whose files are the kernel's own state, or that hold no files.
const PSEUDO_TYPES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.gvfsd-fuse",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "resctrl",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tracefs",
];

/// Where the kernel's state is shown; what is mounted there (masks, devices) is no place for files.
const PSEUDO_PLACES: &[&[u8]] = &[b"/proc", b"/sys", b"/dev"];
const SHARED_MEMORY: &[u8] = b"/dev/shm";

/// Files that engines mount over the image's own. Other single files are found by looking at them.
const ENGINE_FILES: &[&[u8]] = &[
    b"/etc/hosts",
    b"/etc/hostname",
    b"/etc/resolv.conf",
    b"/run/.containerenv",
    b"/.dockerenv",
    b"/sbin/docker-init",
    b"/usr/sbin/docker-init",
    b"/dev/termination-log",
];

/// File systems of a local disk.
const DISK_TYPES: &[&str] = &[
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "xfs", "zfs",
];

const OVERLAY_TYPES: &[&str] = &["overlay", "fuse.fuse-overlayfs", "aufs"];

/// Directories that are good for a test where they lie on the mount in question.
const TEMPORARY: &[&[u8]] = &[b"/var/tmp", b"/tmp"];

/// The mounts of a mount table on which files can lie, in the table's order.
///
/// `text` is `/proc/self/mountinfo`; `container` tells whether it is that of a container (a root
/// that is an overlay says so, too). Pseudo file systems, mounts hidden under others, and the
/// single files that engines mount are left out. Nothing but the text is looked at;
/// [`survey`](super::survey) asks the mounts themselves.
pub fn classify(text: &[u8], container: bool) -> Vec<Candidate> {
    let lines = table::parse(text);
    let visible = table::visible(&lines);
    let container = container || has_overlay_root(&lines, &visible);
    let mut candidates = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !visible[at] || !holds_files(line) {
            continue;
        }
        let (class, product, note) = kind_of(line, container);
        let read_write = line.read_write() && class != Class::ImageLayer;
        candidates.push(Candidate {
            class,
            product,
            read_write,
            directories: if read_write {
                directories(&lines, &visible, at)
            } else {
                Vec::new()
            },
            note,
            line: line.clone(),
        });
    }
    candidates
}

fn has_overlay_root(lines: &[Line], visible: &[bool]) -> bool {
    lines
        .iter()
        .zip(visible)
        .any(|(line, visible)| *visible && line.mount_point == b"/" && is_overlay(line))
}

fn is_overlay(line: &Line) -> bool {
    OVERLAY_TYPES.contains(&line.fs_type.as_str())
}

/// Whether a user's files can lie on a mount.
fn holds_files(line: &Line) -> bool {
    let place = line.mount_point.as_slice();
    let pseudo = PSEUDO_TYPES.contains(&line.fs_type.as_str());
    let in_pseudo = PSEUDO_PLACES.iter().any(|above| is_below(place, above));
    let one_file = ENGINE_FILES.contains(&place);
    // A namespace bound to a file, such as Docker's own /run/docker/netns.
    !pseudo && !one_file && (!in_pseudo || is_below(place, SHARED_MEMORY))
}

type Kind = (Class, Option<Product>, Option<&'static str>);

fn kind_of(line: &Line, container: bool) -> Kind {
    let fs_type = line.fs_type.as_str();
    if line.mount_point == b"/" && container {
        let image_layers = overlay_layers(line);
        let note = (!is_overlay(line))
            .then_some("not an overlay: the image's files are a copy or a snapshot");
        return (
            Class::ContainerRoot { image_layers },
            product::of_disk(line),
            note,
        );
    }
    if let Some(transport) = product::transport(line) {
        let product = product::of_share(line, container);
        return (Class::HostShare { transport }, product, None);
    }
    if let Some(name) = volume_name(&line.root) {
        let name = Some(String::from_utf8_lossy(name).into_owned());
        return (Class::Volume { name }, product::of_disk(line), None);
    }
    // Engines make bind mounts private, and volumes slaves of the mount that holds them.
    let unnamed_volume = container && line.is_slave();
    match fs_type {
        "tmpfs" | "ramfs" if unnamed_volume => (
            Class::Volume { name: None },
            None,
            Some(
                "in memory: a volume of type tmpfs, or a host's tmpfs bound with slave propagation",
            ),
        ),
        "tmpfs" | "ramfs" => (Class::Tmpfs, None, None),
        "squashfs" | "erofs" if container => (Class::ImageLayer, None, None),
        _ if is_overlay(line) && line.super_option("upperdir").is_none() => {
            (Class::ImageLayer, None, None)
        }
        _ if DISK_TYPES.contains(&fs_type) && unnamed_volume => (
            Class::Volume { name: None },
            product::of_disk(line),
            Some("a volume made with o=bind, or a bind mount with slave propagation"),
        ),
        // Outside of containers a whole file system is a disk, and a part of one was bound to
        // another place.
        _ if DISK_TYPES.contains(&fs_type) && (container || is_bound(line)) => {
            (Class::NativeBind, product::of_disk(line), None)
        }
        "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "fuse.glusterfs" | "afs" => {
            (Class::Other, None, Some("a network file system"))
        }
        _ if DISK_TYPES.contains(&fs_type) => (Class::Other, None, Some("a disk of this machine")),
        _ if is_overlay(line) => (Class::Other, None, Some("an overlay")),
        _ if fs_type.starts_with("fuse") => (Class::Other, None, Some("a FUSE file system")),
        _ => (Class::Other, None, None),
    }
}

/// Whether a mount shows only a part of its file system. The root of a btrfs mount is its
/// subvolume.
fn is_bound(line: &Line) -> bool {
    let whole = match (line.fs_type.as_str(), line.super_option("subvol")) {
        ("btrfs", Some(subvolume)) => subvolume.as_bytes(),
        _ => b"/",
    };
    line.root != whole && line.mount_point != b"/"
}

/// How many lower layers an overlay says it has.
fn overlay_layers(line: &Line) -> Option<u32> {
    if !is_overlay(line) {
        return None;
    }
    // `lowerdir=a:b`; newer mount APIs give one `lowerdir+=` for each.
    let each = line
        .super_options
        .split(',')
        .filter(|option| option.starts_with("lowerdir+="))
        .count();
    let listed = line
        .super_option("lowerdir")
        .map(|dirs| dirs.split(':').filter(|dir| !dir.is_empty()).count());
    let count = listed.unwrap_or(0) + each;
    (count > 0).then(|| u32::try_from(count).unwrap_or(u32::MAX))
}

/// The name of the volume whose data a mount's root is: `(^|/)volumes/([^/]+)/_data(/|$)`.
fn volume_name(root: &[u8]) -> Option<&[u8]> {
    let parts: Vec<&[u8]> = root.split(|b| *b == b'/').collect();
    parts
        .windows(3)
        .find(|part| part[0] == b"volumes" && !part[1].is_empty() && part[2] == b"_data")
        .map(|part| part[1])
}

/// Directories on a mount, the best for a test first: the mount point, but for a root, in which
/// nobody wants test files.
fn directories(lines: &[Line], visible: &[bool], at: usize) -> Vec<Vec<u8>> {
    let point = lines[at].mount_point.clone();
    let on_it = |path: &&&[u8]| table::mount_of(lines, visible, path) == Some(at);
    let temporary = TEMPORARY.iter().filter(on_it).map(|path| path.to_vec());
    let mut found: Vec<Vec<u8>> = temporary.filter(|path| *path != point).collect();
    let place = if point == b"/" { found.len() } else { 0 };
    found.insert(place, point);
    found
}
