//! What rows say about paths, names and descriptors, and how it is asked of a call's arguments.

use super::{ArgKind, Call, MAX_ARGS, Op, ResultKind, Row};
use crate::abi::{
    AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, F_DUPFD, F_DUPFD_CLOEXEC, FUTEX_CMD_MASK,
    FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_REQUEUE, FUTEX_UNLOCK_PI, FUTEX_WAKE,
    FUTEX_WAKE_BITSET, FUTEX_WAKE_OP, IN_DONT_FOLLOW, MAP_ANONYMOUS, MOVE_MOUNT_T_SYMLINKS,
    Numbers, O_CLOEXEC, O_CREAT, O_EXCL, O_PATH, OpenFlags, RENAME_EXCHANGE, is_anonymous_advice,
};

/// Which file a call is about: the one that its time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// No file.
    Nothing,
    /// What [`ArgKind::Path`] leads to.
    Path,
    /// What [`ArgKind::NewPath`] names.
    NewPath,
    /// What is open behind [`ArgKind::Fd`].
    Fd,
    /// What is open behind [`ArgKind::FdOut`], or, if that is no file, behind [`ArgKind::FdIn`].
    Copy,
    /// What is mapped at [`ArgKind::Address`].
    Mapping,
    /// The working directory.
    WorkingDirectory,
    /// The root directory.
    Root,
}

/// Which kind of work the time of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It looks up, asks or opens.
    Lookup,
    /// It lists a directory.
    List,
    /// It reads or maps contents.
    Read,
    /// It writes contents, or changes how many there are.
    Write,
    /// It changes names, or what belongs to them.
    Change,
    /// It waits for the disk.
    Sync,
    /// Of descriptors, memory, tasks and waiting: hardly any time of a file system.
    Other,
}

/// What a successful call changes, for those that follow a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that is followed: it looks, waits, or changes what no other call depends on.
    Nothing,
    /// A file is opened, and perhaps made.
    Opens,
    /// Bytes go through a descriptor, or its offset is moved.
    Bytes,
    /// Bytes go from one descriptor to another.
    Copies,
    /// A file is mapped, or a map taken away.
    Maps,
    /// Another program runs in the process.
    Program,
    /// A name is made, moved or removed.
    Names,
    /// Where paths of the process start.
    Directory,
    /// The size of a file.
    Size,
    /// Its mode, owner, times or extended attributes.
    Metadata,
    /// What the numbers of descriptors stand for.
    Descriptors,
}

/// What a call does with a link at the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is followed.
    Followed,
    /// It is meant itself, unless a slash comes behind it.
    Kept,
    /// The call makes, moves or removes the name itself, whatever comes behind it.
    Named,
}

/// By what it is decided what a call does with a link at the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRule {
    /// The call has no [`ArgKind::Path`].
    NoPath,
    /// Always [`Last::Followed`].
    Follow,
    /// Always [`Last::Kept`]: `readlink`, the forms with an `l`.
    Keep,
    /// Always [`Last::Named`].
    Name,
    /// Kept with `O_NOFOLLOW`, and with `O_CREAT|O_EXCL` unless `O_PATH` makes them void.
    ByOpenFlags,
    /// Kept with `AT_SYMLINK_NOFOLLOW`.
    UnlessNoFollow,
    /// Followed with `AT_SYMLINK_FOLLOW` only.
    IfFollow,
    /// Followed with `MOVE_MOUNT_T_SYMLINKS` only.
    IfMovedOverLink,
    /// Kept with `IN_DONT_FOLLOW`.
    UnlessDontFollow,
}

/// Which names a call makes or removes when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None.
    Same,
    /// It makes one that wasn't there: [`ArgKind::NewPath`], or [`ArgKind::Path`] where it has
    /// none.
    Made,
    /// With `O_CREAT` it makes [`ArgKind::Path`] if that isn't there; with `O_EXCL`, only then.
    MadeOnCreate,
    /// It removes [`ArgKind::Path`].
    Removed,
    /// It makes or replaces [`ArgKind::NewPath`] and removes [`ArgKind::Path`], unless
    /// `RENAME_EXCHANGE` has both stay.
    Moved,
}

/// Which descriptors a call closes, whether it succeeds or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// None.
    Nothing,
    /// Its [`ArgKind::Fd`].
    This,
    /// From [`ArgKind::Fd`] up to [`ArgKind::NewFd`].
    Range,
    /// [`ArgKind::NewFd`], which leads to something else then.
    Replaced,
}

/// What the flags of a call are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagNames {
    /// They have no names, or it has none.
    Nothing,
    /// As those of `open`, which differ by architecture.
    Open,
    /// As all constants that begin so.
    Begin(&'static str),
    /// As these alone.
    These(&'static [&'static str]),
    /// As one of the constants that begin so: they aren't bits.
    One(&'static str),
}

/// What is in an argument of which a trace keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// The address of bytes that are read, written or given.
    Bytes,
    /// The address of a structure.
    Structure,
    /// The address of a list.
    List,
    /// The environment of a program.
    Environment,
    /// Most often nothing.
    Null,
    /// A number.
    Number,
    /// Most often this number.
    Is(i64),
}

/// A name that a call makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Which argument: [`ArgKind::Path`] or [`ArgKind::NewPath`].
    pub path: ArgKind,
    /// Whether the call fails where the name is there.
    pub exclusive: bool,
}

/// A path among the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathArg {
    /// [`ArgKind::Path`] or [`ArgKind::NewPath`].
    pub path: ArgKind,
    /// The argument that holds the descriptor of the directory which a relative path starts from.
    /// Calls that don't keep one start from the working directory.
    pub base: ArgKind,
}

type Args = [u64; MAX_ARGS];

const ENOSYS: i32 = 38;

impl Call {
    /// Whether a call with those arguments can be an event: none is what concerns memory that is no
    /// file's, and a look for what is ready without waiting. A recorder's filter lets these pass.
    pub fn may_be_event(self, argument: impl Fn(ArgKind) -> u64) -> bool {
        match self {
            Call::mmap => argument(ArgKind::Flags) as u32 & MAP_ANONYMOUS == 0,
            Call::madvise => !is_anonymous_advice(argument(ArgKind::Flags) as u32),
            Call::poll | Call::epoll_wait | Call::epoll_pwait => {
                argument(ArgKind::Argument) as u32 != 0
            }
            _ => true,
        }
    }

    /// Whether a call with that [`ArgKind::Command`] wakes those that wait at a futex. It is told
    /// of when it is called, and its result is not.
    pub fn wakes(self, command: u32) -> bool {
        self == Call::futex
            && matches!(
                command & FUTEX_CMD_MASK,
                FUTEX_WAKE
                    | FUTEX_WAKE_BITSET
                    | FUTEX_WAKE_OP
                    | FUTEX_REQUEUE
                    | FUTEX_CMP_REQUEUE
                    | FUTEX_CMP_REQUEUE_PI
                    | FUTEX_UNLOCK_PI
            )
    }
}

impl Row {
    /// A row of which nothing more is to be said.
    pub(super) const fn plain(
        call: Call,
        name: &'static str,
        numbers: Numbers,
        op: Op,
        args: &'static [(ArgKind, u8)],
        result: ResultKind,
    ) -> Row {
        Row {
            call,
            name,
            numbers,
            op,
            args,
            result,
            flag_names: FlagNames::Nothing,
            unkept: &[],
            implied: 0,
            cloexec: 0,
            last: LastRule::NoPath,
            names: Names::Same,
            closes: Closes::Nothing,
            waits: false,
            changes: false,
            since: None,
        }
    }

    /// Whether an outcome tells that there was no such call: where it came with a later Linux, no
    /// file system answers so.
    pub fn is_lacking(&self, errno: i32) -> bool {
        self.since.is_some() && errno == ENOSYS
    }

    /// Position of an argument in [`crate::model::Event::args`].
    pub fn position(&self, kind: ArgKind) -> Option<usize> {
        self.args.iter().position(|(k, _)| *k == kind)
    }

    /// Which argument register of a call holds that argument, or points to it.
    pub fn register(&self, kind: ArgKind) -> Option<usize> {
        let (_, register) = self.args.iter().find(|(k, _)| *k == kind)?;
        Some(usize::from(*register))
    }

    fn arg(&self, args: &Args, kind: ArgKind) -> Option<u64> {
        self.position(kind).map(|position| args[position])
    }

    /// The flags of a call: those that it was given and those that it stands for.
    pub fn flags(&self, args: &Args) -> u32 {
        let given = self.arg(args, ArgKind::Flags).unwrap_or(0) as u32;
        let closes = given & self.cloexec != 0;
        given | self.implied | if closes { O_CLOEXEC } else { 0 }
    }

    /// The paths of a call, in the order in which the kernel looks at them.
    pub fn paths(&self) -> impl Iterator<Item = PathArg> + use<'_> {
        let all = [
            (ArgKind::Path, ArgKind::DirFd),
            (ArgKind::NewPath, ArgKind::NewDirFd),
        ];
        all.into_iter()
            .map(|(path, base)| PathArg { path, base })
            .filter(|arg| self.position(arg.path).is_some())
    }

    /// What a call does with a link at the end of one of its paths; `open` are the flags of the
    /// machine that made it.
    pub fn last(&self, path: ArgKind, args: &Args, open: OpenFlags) -> Last {
        if path == ArgKind::NewPath {
            return Last::Named;
        }
        let flags = self.flags(args);
        let follows = match self.last {
            LastRule::NoPath | LastRule::Follow => true,
            LastRule::Keep => false,
            LastRule::Name => return Last::Named,
            LastRule::ByOpenFlags => {
                let is_exclusive = flags & (O_CREAT | O_EXCL | O_PATH) == O_CREAT | O_EXCL;
                flags & open.no_follow == 0 && !is_exclusive
            }
            LastRule::UnlessNoFollow => flags & AT_SYMLINK_NOFOLLOW == 0,
            LastRule::IfMovedOverLink => flags & MOVE_MOUNT_T_SYMLINKS != 0,
            LastRule::IfFollow => flags & AT_SYMLINK_FOLLOW != 0,
            LastRule::UnlessDontFollow => {
                let mask = self.arg(args, ArgKind::Mask).unwrap_or(0) as u32;
                mask & IN_DONT_FOLLOW == 0
            }
        };
        if follows { Last::Followed } else { Last::Kept }
    }

    /// The name that a call makes when it succeeds, if it does so.
    pub fn made(&self, args: &Args) -> Option<Made> {
        let flags = self.flags(args);
        let (path, exclusive) = match self.names {
            Names::Same | Names::Removed => return None,
            Names::Made if self.position(ArgKind::NewPath).is_some() => (ArgKind::NewPath, true),
            Names::Made => (ArgKind::Path, true),
            Names::MadeOnCreate if flags & (O_CREAT | O_PATH) != O_CREAT => return None,
            Names::MadeOnCreate => (ArgKind::Path, flags & O_EXCL != 0),
            Names::Moved if flags & RENAME_EXCHANGE != 0 => return None,
            Names::Moved => (ArgKind::NewPath, false),
        };
        Some(Made { path, exclusive })
    }

    /// The name that a call removes when it succeeds, if it does so.
    pub fn removed(&self, args: &Args) -> Option<ArgKind> {
        match self.names {
            Names::Same | Names::Made | Names::MadeOnCreate => None,
            Names::Moved if self.flags(args) & RENAME_EXCHANGE != 0 => None,
            Names::Removed | Names::Moved => Some(ArgKind::Path),
        }
    }

    /// The descriptors that a call which succeeded with that result returned.
    pub fn returned(&self, args: &Args, result: i64) -> [Option<i32>; 2] {
        let memory = |kind| self.arg(args, kind).map(|fd| fd as i32);
        let duplicates = || {
            let command = self.arg(args, ArgKind::Command).unwrap_or(0) as u32;
            matches!(command, F_DUPFD | F_DUPFD_CLOEXEC)
        };
        if self.result == ResultKind::Fd || (self.op == Op::Fcntl && duplicates()) {
            [i32::try_from(result).ok(), None]
        } else {
            [memory(ArgKind::OutFd0), memory(ArgKind::OutFd1)]
        }
    }
}
