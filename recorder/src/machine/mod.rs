//! This machine, as the core asks for it: its files, and what /proc tells of tasks.

mod fds;
mod on_disk;
mod sparse;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

use fsreplay_trace::model::FileKind;
use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

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
        let kind = FileKind::of_mode(found.mode());
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

    fn list(&self, spot: &Spot, entry: &mut dyn FnMut(&[u8], FileKind)) -> io::Result<()> {
        let place = OnDisk::of(spot);
        // The standard library's takes memory for each name.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut directory = Dir::open(place.path(), flags, Mode::empty())?;
        for found in directory.iter().map_while(Result::ok) {
            let name = found.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            // Not all file systems tell.
            let kind = found.file_type().map(kind_of_entry).unwrap_or_else(|| {
                let path = place.path().join(OsStr::from_bytes(name));
                let found = fs::symlink_metadata(path);
                found.map_or(FileKind::Unknown, |found| FileKind::of_mode(found.mode()))
            });
            entry(name, kind);
        }
        Ok(())
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

fn kind_of_entry(kind: Type) -> FileKind {
    match kind {
        Type::File => FileKind::File,
        Type::Directory => FileKind::Directory,
        Type::Symlink => FileKind::Symlink,
        Type::Fifo => FileKind::Fifo,
        Type::Socket => FileKind::Socket,
        Type::CharacterDevice => FileKind::CharDevice,
        Type::BlockDevice => FileKind::BlockDevice,
    }
}
