//! What a lane can be told to do: one action, one system call.

use super::{At, Slot, Text};

/// What a lane does. File offsets and sizes in bytes, flags as the kernel's, already translated to
/// this architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Action {
    /// Tracked, not issued (pseudo file systems, pipes, waiting): only its waits and its place
    /// count.
    Nothing,
    Open {
        at: At,
        flags: i32,
        mode: u32,
        resolve: u64,
        out: Slot,
    },
    Close {
        fd: Slot,
    },
    /// Duplicate into a fresh descriptor (`dup`, `dup2`, `dup3`, `F_DUPFD*`, inheritance over
    /// fork). If `out` already holds a descriptor, it is replaced in the same call (`dup3`), as
    /// recorded.
    Dup {
        fd: Slot,
        out: Slot,
        cloexec: bool,
    },
    Fcntl {
        fd: Slot,
        command: i32,
        argument: u64,
    },
    /// `F_SETLK`, `F_SETLKW`, `F_GETLK` and the `OFD` forms, issued in their `OFD` form: the replay
    /// is one process.
    Lock {
        fd: Slot,
        command: i32,
        kind: i16,
        whence: i16,
        start: i64,
        length: i64,
    },
    Flock {
        fd: Slot,
        operation: i32,
    },
    Ioctl {
        fd: Slot,
        command: u64,
        argument: u64,
    },
    Clone {
        fd: Slot,
        source: Slot,
    },
    CloneRange {
        fd: Slot,
        source: Slot,
        source_offset: u64,
        length: u64,
        offset: u64,
    },
    Read {
        fd: Slot,
        length: u64,
        vectors: u32,
    },
    Write {
        fd: Slot,
        length: u64,
        vectors: u32,
    },
    PositionedRead {
        fd: Slot,
        length: u64,
        vectors: u32,
        offset: i64,
        flags: i32,
    },
    PositionedWrite {
        fd: Slot,
        length: u64,
        vectors: u32,
        offset: i64,
        flags: i32,
    },
    Seek {
        fd: Slot,
        offset: i64,
        whence: i32,
    },
    Stat {
        at: At,
        flags: i32,
    },
    Statx {
        at: At,
        flags: i32,
        mask: u32,
    },
    FdStat {
        fd: Slot,
    },
    Access {
        at: At,
        mode: i32,
        flags: i32,
    },
    /// `target_root`: the link read was rewritten into that root, so the expected length grows by
    /// its real directory's.
    ReadLink {
        at: At,
        length: u64,
        target_root: Option<u16>,
    },
    /// `listing` numbers the passes over directories, so that lengths are compared pass by pass.
    /// `to_end`: the tool was told here that there is no more, so it goes on until it is told
    /// so by this file system, too, which may give fewer entries at a time.
    ListDirectory {
        fd: Slot,
        length: u64,
        listing: u32,
        to_end: bool,
    },
    MakeDir {
        at: At,
        mode: u32,
    },
    Unlink {
        at: At,
        flags: i32,
    },
    Rename {
        from: At,
        to: At,
        flags: u32,
    },
    Link {
        from: At,
        to: At,
        flags: i32,
    },
    /// `target_root`: the text is a path inside that root, to be prefixed with its real directory
    /// before the replay.
    Symlink {
        target: Text,
        target_root: Option<u16>,
        at: At,
    },
    MakeNode {
        at: At,
        mode: u32,
    },
    ChangeMode {
        at: At,
        mode: u32,
        flags: i32,
    },
    FdChangeMode {
        fd: Slot,
        mode: u32,
    },
    ChangeOwner {
        at: At,
        uid: u32,
        gid: u32,
        flags: i32,
    },
    FdChangeOwner {
        fd: Slot,
        uid: u32,
        gid: u32,
    },
    /// Times as in the trace: nanoseconds since the epoch, `UTIME_NOW`, `UTIME_OMIT`, or `NONE` for
    /// a NULL pointer.
    SetTimes {
        at: At,
        atime: u64,
        mtime: u64,
        flags: i32,
    },
    FdSetTimes {
        fd: Slot,
        atime: u64,
        mtime: u64,
    },
    Truncate {
        at: At,
        length: i64,
    },
    FdTruncate {
        fd: Slot,
        length: i64,
    },
    Allocate {
        fd: Slot,
        mode: i32,
        offset: i64,
        length: i64,
    },
    Fsync {
        fd: Slot,
    },
    Fdatasync {
        fd: Slot,
    },
    /// `syncfs`; a recorded `sync` becomes a `syncfs` of every root.
    Syncfs {
        fd: Slot,
    },
    SyncRange {
        fd: Slot,
        offset: i64,
        length: i64,
        flags: u32,
    },
    StatFs {
        at: At,
    },
    FdStatFs {
        fd: Slot,
    },
    /// `file_getattr`; `length` is the size of its structure.
    GetAttributes {
        at: At,
        length: u64,
        flags: i32,
    },
    GetXattr {
        at: At,
        name: Text,
        length: u64,
        follow: bool,
    },
    FdGetXattr {
        fd: Slot,
        name: Text,
        length: u64,
    },
    SetXattr {
        at: At,
        name: Text,
        length: u64,
        flags: i32,
        follow: bool,
    },
    FdSetXattr {
        fd: Slot,
        name: Text,
        length: u64,
        flags: i32,
    },
    /// Sets the access ACL that says no more than these permission bits.
    SetAcl {
        at: At,
        mode: u32,
        follow: bool,
    },
    FdSetAcl {
        fd: Slot,
        mode: u32,
    },
    ListXattr {
        at: At,
        length: u64,
        follow: bool,
    },
    FdListXattr {
        fd: Slot,
        length: u64,
    },
    RemoveXattr {
        at: At,
        name: Text,
        follow: bool,
    },
    FdRemoveXattr {
        fd: Slot,
        name: Text,
    },
    CopyRange {
        source: Slot,
        source_offset: i64,
        fd: Slot,
        offset: i64,
        length: u64,
        flags: u32,
    },
    SendFile {
        source: Slot,
        source_offset: i64,
        fd: Slot,
        length: u64,
    },
    /// `map` numbers the live mappings, as slots number descriptors.
    Map {
        fd: Slot,
        map: u32,
        length: u64,
        prot: i32,
        flags: i32,
        offset: i64,
    },
    Unmap {
        map: u32,
        start: u64,
        length: u64,
    },
    MapSync {
        map: u32,
        start: u64,
        length: u64,
        flags: i32,
    },
    MapAdvise {
        map: u32,
        start: u64,
        length: u64,
        advice: i32,
    },
    Advise {
        fd: Slot,
        offset: i64,
        length: i64,
        advice: i32,
    },
    ReadAhead {
        fd: Slot,
        offset: i64,
        length: u64,
    },
    /// Issued on an inotify descriptor that the replay holds for this slot.
    Watch {
        at: At,
        mask: u32,
    },
    NameToHandle {
        at: At,
        flags: i32,
    },
    /// A program start: open, read of the first page, close; a failed one fails in the open or by
    /// its mode.
    Exec {
        at: At,
        flags: i32,
    },
    /// Open the directory as a working directory (`O_PATH`), replacing what `out` holds.
    ChangeDir {
        at: At,
        out: Slot,
    },
    FdChangeDir {
        fd: Slot,
        out: Slot,
    },
}

/// The paths of an action, or references to them, as the matched one is.
macro_rules! two_paths {
    ($action:expr) => {
        match $action {
            Action::Open { at, .. }
            | Action::Stat { at, .. }
            | Action::Statx { at, .. }
            | Action::Access { at, .. }
            | Action::ReadLink { at, .. }
            | Action::MakeDir { at, .. }
            | Action::Unlink { at, .. }
            | Action::MakeNode { at, .. }
            | Action::ChangeMode { at, .. }
            | Action::ChangeOwner { at, .. }
            | Action::SetTimes { at, .. }
            | Action::Truncate { at, .. }
            | Action::StatFs { at, .. }
            | Action::GetAttributes { at, .. }
            | Action::GetXattr { at, .. }
            | Action::SetXattr { at, .. }
            | Action::SetAcl { at, .. }
            | Action::ListXattr { at, .. }
            | Action::RemoveXattr { at, .. }
            | Action::Watch { at, .. }
            | Action::NameToHandle { at, .. }
            | Action::Exec { at, .. }
            | Action::ChangeDir { at, .. }
            | Action::Symlink { at, .. } => (Some(at), None),
            Action::Rename { from, to, .. } | Action::Link { from, to, .. } => {
                (Some(from), Some(to))
            }
            Action::Nothing
            | Action::Close { .. }
            | Action::Dup { .. }
            | Action::Fcntl { .. }
            | Action::Lock { .. }
            | Action::Flock { .. }
            | Action::Ioctl { .. }
            | Action::Clone { .. }
            | Action::CloneRange { .. }
            | Action::Read { .. }
            | Action::Write { .. }
            | Action::PositionedRead { .. }
            | Action::PositionedWrite { .. }
            | Action::Seek { .. }
            | Action::FdStat { .. }
            | Action::ListDirectory { .. }
            | Action::FdChangeMode { .. }
            | Action::FdChangeOwner { .. }
            | Action::FdSetTimes { .. }
            | Action::FdTruncate { .. }
            | Action::Allocate { .. }
            | Action::Fsync { .. }
            | Action::Fdatasync { .. }
            | Action::Syncfs { .. }
            | Action::SyncRange { .. }
            | Action::FdStatFs { .. }
            | Action::FdGetXattr { .. }
            | Action::FdSetXattr { .. }
            | Action::FdSetAcl { .. }
            | Action::FdListXattr { .. }
            | Action::FdRemoveXattr { .. }
            | Action::CopyRange { .. }
            | Action::SendFile { .. }
            | Action::Map { .. }
            | Action::Unmap { .. }
            | Action::MapSync { .. }
            | Action::MapAdvise { .. }
            | Action::Advise { .. }
            | Action::ReadAhead { .. }
            | Action::FdChangeDir { .. } => (None, None),
        }
    };
}

impl Action {
    /// The paths that it names.
    #[inline]
    pub fn paths(&self) -> impl Iterator<Item = At> + use<> {
        let (first, second) = two_paths!(*self);
        first.into_iter().chain(second)
    }

    /// The same, to be changed.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut At> {
        let (first, second) = two_paths!(self);
        first.into_iter().chain(second)
    }
}
