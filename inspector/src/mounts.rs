//! The mounts of the recorded machine, as far as an inspection judges them.

use fsreplay_trace::model::Mount;

/// File systems behind which another machine, or at least another process, does the work.
const SLOW_TYPES: &[&str] = &[
    "virtiofs",
    "fakeowner",
    "9p",
    "drvfs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "afs",
    "vboxsf",
    "vmhgfs",
    "prl_fs",
];

/// Whether each call on a mount goes to another machine or process: shares of a host, network file
/// systems, FUSE.
pub(crate) fn is_slow(mount: &Mount) -> bool {
    let fs_type = mount.fs_type.as_str();
    SLOW_TYPES.contains(&fs_type) || fs_type.starts_with("fuse.") || fs_type == "fuse"
}
