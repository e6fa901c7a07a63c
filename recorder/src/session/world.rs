//! What the core asks of the machine on which the tool runs.

use std::io;

use fsreplay_trace::model::FileKind;

/// A path as a task sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Canonical and absolute: no links, no `..`.
    pub path: Vec<u8>,
    /// The task through whose root it is to be found: it is in a mount namespace of its own.
    /// `None` for the recorder's own.
    pub through: Option<i32>,
}

/// What `lstat` says of a name, and more of links and sparse files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Its type.
    pub kind: FileKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Number of its names.
    pub links: u64,
    /// Device and inode number.
    pub id: (u64, u64),
    /// Text of a symbolic link.
    pub target: Option<Vec<u8>>,
    /// Bytes that a sparse file's blocks hold; `None` for a file without holes to speak of.
    pub allocated: Option<u64>,
}

/// What a call told of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// This stands there.
    There(Inode),
    /// There is no such name.
    Nothing,
}

/// An open descriptor of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub fd: i32,
    /// Where it leads, as /proc/PID/fd says.
    pub target: Vec<u8>,
    /// Type of the file behind it.
    pub kind: FileKind,
    /// `O_*` flags.
    pub flags: u32,
    /// File offset in bytes.
    pub offset: u64,
}

impl Descriptor {
    /// Whether it is closed by exec.
    pub fn closes_on_exec(&self) -> bool {
        self.flags & libc::O_CLOEXEC as u32 != 0
    }

    /// Its path, if it leads to one.
    pub fn path(&self) -> Option<&[u8]> {
        is_path(&self.target).then_some(self.target.as_slice())
    }
}

/// Whether a link of /proc leads to a path: not to what is none, or deleted.
pub fn is_path(target: &[u8]) -> bool {
    target.first() == Some(&b'/') && !target.ends_with(b" (deleted)")
}

/// A link that the kernel keeps of a task, as /proc shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Its working directory.
    WorkingDirectory,
    /// Its root directory.
    Root,
    /// A descriptor.
    Descriptor(i32),
}

/// The machine. Tasks are named by their ids as the recorder sees them; a task that is gone, or may
/// not be looked at, has nothing.
pub trait World {
    /// What is there; a link is not followed.
    fn look(&self, spot: &Spot) -> io::Result<Inode>;

    /// Tells the entries of a directory, without `.` and `..`, with their types.
    fn list(&self, spot: &Spot, entry: &mut dyn FnMut(&[u8], FileKind)) -> io::Result<()>;

    /// Names and sizes of extended attributes; a link is not followed.
    fn xattrs(&self, spot: &Spot) -> Vec<(Vec<u8>, u32)>;

    /// Where such a link of a task leads.
    fn link(&self, tid: i32, link: Link) -> Option<Vec<u8>>;

    /// All open descriptors of a task, in order.
    fn descriptors(&self, tid: i32) -> Vec<Descriptor>;

    /// One of them.
    fn descriptor(&self, tid: i32, fd: i32) -> Option<Descriptor>;

    /// Whether two descriptors of a task are one open file; `None` if that can't be told.
    fn is_one_open_file(&self, tid: i32, one: i32, other: i32) -> Option<bool>;

    /// What a task's program is called, for people.
    fn program_name(&self, tid: i32) -> String;

    /// Whether a task sees other mounts than the recorder.
    fn has_own_mounts(&self, tid: i32) -> bool;
}
