//! What a call is about: which of its arguments name the file that its time is spent on.

use fsreplay_trace::abi::{AT_EMPTY_PATH, AT_FDCWD, OpenFlags};
use fsreplay_trace::call::{About, ArgKind, Call, Last, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, StringId};

pub(crate) const ENOENT: i32 = 2;
pub(crate) const EBADF: i32 = 9;
pub(crate) const ENOTDIR: i32 = 20;
pub(crate) const EINVAL: i32 = 22;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A path, relative to a directory's descriptor or [`AT_FDCWD`], and whether a link at its end
    /// is followed.
    Path(i32, StringId, bool),
    /// The file behind a descriptor.
    Fd(i32),
    /// The file behind the first descriptor, or, if that is none, the second.
    Fds(i32, i32),
    /// The file that is mapped at an address.
    Mapping(u64),
    /// The working directory.
    Cwd,
    /// The root directory.
    Root,
    /// No file.
    Nothing,
}

/// What an event is about.
pub(crate) fn subject(event: &Event, tables: &Tables, open: OpenFlags) -> Subject {
    if event.call == Call::bind && event.string(ArgKind::Path).is_none() {
        return Subject::Nothing; // an address outside of the tree
    }
    match event.call.row().op.about() {
        About::Path => path(event, tables, open),
        About::NewPath => {
            let dir = event.fd(ArgKind::NewDirFd).unwrap_or(AT_FDCWD);
            match event.string(ArgKind::NewPath) {
                Some(path) => Subject::Path(dir, path, false),
                None => Subject::Nothing,
            }
        }
        About::Fd => match event.fd(ArgKind::Fd) {
            // A map without a file, which is no event but in imported traces.
            Some(fd) if fd < 0 && event.call == Call::mmap => Subject::Nothing,
            Some(fd) => Subject::Fd(fd),
            None => Subject::Nothing,
        },
        About::Copy => match (event.fd(ArgKind::FdOut), event.fd(ArgKind::FdIn)) {
            (Some(out), Some(from)) => Subject::Fds(out, from),
            _ => Subject::Nothing,
        },
        About::Mapping => event
            .arg(ArgKind::Address)
            .map_or(Subject::Nothing, Subject::Mapping),
        About::WorkingDirectory => Subject::Cwd,
        About::Root => Subject::Root,
        About::Nothing => Subject::Nothing,
    }
}

fn path(event: &Event, tables: &Tables, open: OpenFlags) -> Subject {
    let dir = event.fd(ArgKind::DirFd).unwrap_or(AT_FDCWD);
    // An open's bit 0x1000 is another flag.
    let may_be_empty = event.flags() & AT_EMPTY_PATH != 0 && event.call.row().op != Op::Open;
    match event.string(ArgKind::Path) {
        Some(path) if !tables.string(path).is_empty() => {
            let follows = event.last(ArgKind::Path, open) == Last::Followed;
            Subject::Path(dir, path, follows)
        }
        // A NULL path means the descriptor itself (futimens), as an empty one may.
        path if path.is_none() || may_be_empty => match dir {
            AT_FDCWD => Subject::Cwd,
            fd => Subject::Fd(fd),
        },
        _ => Subject::Nothing,
    }
}

/// Whether a call that fails because there is no such name has looked for it in vain: calls that
/// make a name, or change what it leads to, have other reasons.
pub(crate) fn is_lookup(event: &Event) -> bool {
    let row = event.call.row();
    let has_path = row.position(ArgKind::Path).is_some();
    has_path && !row.changes && event.made().is_none()
}
