//! This machine, as the core asks for it: its files, and what /proc tells of tasks.

mod fds;
mod on_disk;
mod sparse;

use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use fsreplay_trace::model::FileKind;

use crate::session::World;
use crate::session::world::{Descriptor, Inode, Link, Spot};
use crate::spawn;
use crate::sys;
use on_disk::OnDisk;

/// The machine that this runs on.
pub struct Machine;

impl World for Machine {
    fn look(&self, spot: &Spot) -> io::Result<Inode> {
        let place = OnDisk::of(spot);
        let path = place.path();
        let found = fs::symlink_metadata(path)?;
        let kind = file_kind(found.file_type());
        let target = (kind == FileKind::Symlink).then(|| {
            let text = fs::read_link(path).map(|text| text.into_os_string().into_vec());
            text.unwrap_or_default()
        });
        Ok(Inode {
            kind,
            size: found.size(),
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            mtime: found.mtime(),
            links: found.nlink(),
            id: (found.dev(), found.ino()),
            target,
            allocated: sparse::allocated(path, &found),
        })
    }

    fn list(&self, spot: &Spot) -> io::Result<Vec<(Vec<u8>, FileKind)>> {
        let place = OnDisk::of(spot);
        let entries = fs::read_dir(place.path())?.flatten().map(|entry| {
            let kind = entry.file_type().map_or(FileKind::Unknown, file_kind);
            (entry.file_name().into_vec(), kind)
        });
        Ok(entries.collect())
    }

    fn xattrs(&self, spot: &Spot) -> Vec<(Vec<u8>, u32)> {
        sys::xattr::list(OnDisk::of(spot).path())
    }

    fn link(&self, tid: i32, link: Link) -> Option<Vec<u8>> {
        let link = match link {
            Link::WorkingDirectory => format!("/proc/{tid}/cwd"),
            Link::Root => format!("/proc/{tid}/root"),
            Link::Descriptor(fd) => format!("/proc/{tid}/fd/{fd}"),
        };
        let target = fs::read_link(link).ok()?;
        Some(target.as_os_str().as_bytes().to_vec())
    }

    fn descriptors(&self, tid: i32) -> Vec<Descriptor> {
        fds::all(tid)
    }

    fn descriptor(&self, tid: i32, fd: i32) -> Option<Descriptor> {
        fds::one(tid, fd)
    }

    fn is_one_open_file(&self, tid: i32, one: i32, other: i32) -> Option<bool> {
        sys::process::is_one_open_file(tid, one, other).ok()
    }

    fn program_name(&self, tid: i32) -> String {
        spawn::program_name(tid)
    }

    fn has_own_mounts(&self, tid: i32) -> bool {
        let mounts = |of: &str| fs::read_link(format!("/proc/{of}/ns/mnt")).ok();
        let its = mounts(&tid.to_string());
        its.is_none() || its != mounts("self")
    }
}

/// The kind of a file by its type.
/// The type that a `st_mode` tells.
pub fn kind_of_mode(mode: u32) -> FileKind {
    match mode & libc::S_IFMT {
        libc::S_IFREG => FileKind::File,
        libc::S_IFDIR => FileKind::Directory,
        libc::S_IFLNK => FileKind::Symlink,
        libc::S_IFIFO => FileKind::Fifo,
        libc::S_IFSOCK => FileKind::Socket,
        libc::S_IFCHR => FileKind::CharDevice,
        libc::S_IFBLK => FileKind::BlockDevice,
        _ => FileKind::Unknown,
    }
}

fn file_kind(file_type: FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Symlink
    } else if file_type.is_fifo() {
        FileKind::Fifo
    } else if file_type.is_socket() {
        FileKind::Socket
    } else if file_type.is_char_device() {
        FileKind::CharDevice
    } else if file_type.is_block_device() {
        FileKind::BlockDevice
    } else {
        FileKind::Unknown
    }
}
