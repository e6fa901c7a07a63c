//! Arguments of a call as strace writes them, each where strace has it.

use fsreplay_inspector::Inspector;
use fsreplay_trace::abi::{
    AT_FDCWD, F_DUPFD, F_DUPFD_CLOEXEC, F_SETFD, FICLONE, FICLONERANGE, FUTEX_CMD_MASK, O_CREAT,
    OpenFlags,
};
use fsreplay_trace::call::{ArgKind, Call, FlagNames, NONE, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::Event;

use super::elided::{self, elided};
use super::text::{directory, leads_to, quoted};
use crate::strace::names;

/// The most arguments that strace writes of one call.
const MOST: usize = 7;

/// What is needed to write a call: the call, and the world in which it was made.
pub struct Written<'a> {
    /// The call.
    pub event: &'a Event,
    /// What was open before it.
    pub world: &'a Inspector,
    /// Its strings.
    pub tables: &'a Tables,
    /// Flags of `open` of its machine.
    pub open: OpenFlags,
    /// The text of the link that it reads.
    pub link: Option<&'a [u8]>,
}

impl Written<'_> {
    /// All arguments.
    pub fn arguments(&self) -> String {
        let mut places: [Option<String>; MOST] = Default::default();
        for (register, unkept) in self.event.call.row().unkept {
            places[usize::from(*register)] = Some(elided(*unkept));
        }
        for (kind, register) in self.event.call.row().args {
            let at = usize::from(*register);
            let is_value = places[at].is_some();
            if !is_value && !self.is_left_out(*kind) {
                let (at, text) = self.argument(*kind, at);
                places[at] = Some(text);
            }
        }
        self.together(&mut places);
        let count = places
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        let unknown = || elided::NUMBER.to_owned();
        let written: Vec<String> = places
            .into_iter()
            .take(count)
            .map(|text| text.unwrap_or_else(unknown))
            .collect();
        written.join(", ")
    }

    /// strace writes no mode where nothing is made, and no argument of a command without one.
    fn is_left_out(&self, kind: ArgKind) -> bool {
        let makes = O_CREAT | fsreplay_trace::abi::O_TMPFILE;
        match self.event.call {
            Call::open | Call::openat => kind == ArgKind::Mode && self.event.flags() & makes == 0,
            _ => false,
        }
    }

    /// An argument, and where it stands. Offsets in two registers are written as one.
    fn argument(&self, kind: ArgKind, register: usize) -> (usize, String) {
        let at = match (self.event.call, kind) {
            (Call::preadv2 | Call::pwritev2, ArgKind::Flags) => 4,
            _ => register,
        };
        (at, self.value(kind))
    }

    fn number(&self, kind: ArgKind) -> u64 {
        self.event.arg(kind).unwrap_or(0)
    }

    fn value(&self, kind: ArgKind) -> String {
        use ArgKind::*;
        let value = self.number(kind);
        let optional = |text: String| {
            if value == NONE {
                "NULL".to_owned()
            } else {
                text
            }
        };
        match kind {
            Argv => self.program(),
            Path | NewPath | Target | Name => match self.event.string(kind) {
                Some(text) => quoted(self.tables.string(text)),
                None => "NULL".to_owned(),
            },
            DirFd | NewDirFd | Fd | FdIn | FdOut => self.descriptor(value as i32),
            NewFd | OutFd0 | OutFd1 | Pid | Uid | Gid => (value as i32).to_string(),
            Flags => self.flags(value as u32),
            Mode => self.mode(value),
            Mask => self.mask(value as u32),
            Prot => names::flags("PROT_", value as u32, "PROT_NONE"),
            Command => self.command(value as u32),
            Whence => named("SEEK_", value),
            Dev => makedev(value),
            OffsetIn | OffsetOut => optional(format!("[{}]", value as i64)),
            Address if value == 0 => "NULL".to_owned(),
            Address => format!("{value:#x}"),
            Offset if self.event.call == Call::mmap && value > 0 => format!("{value:#x}"),
            Argument | LockStart | LockLength | Offset | Atime | Mtime => {
                (value as i64).to_string()
            }
            Length | Count => value.to_string(),
        }
    }

    /// The name that a program was given, and those of its arguments that are kept.
    fn program(&self) -> String {
        let Some(text) = self.event.string(ArgKind::Argv) else {
            return "NULL".to_owned();
        };
        let arguments: Vec<String> = self
            .tables
            .string(text)
            .split(|b| *b == 0)
            .map(quoted)
            .collect();
        match &arguments[..] {
            // What comes behind it is not kept, or there is nothing.
            [name] => format!("[{name}, ...]"),
            all => format!("[{}]", all.join(", ")),
        }
    }

    /// A descriptor and where it leads.
    fn descriptor(&self, fd: i32) -> String {
        let task = self.event.task;
        if fd == AT_FDCWD {
            let cwd = self.world.working_directory(task);
            return format!(
                "AT_FDCWD{}",
                cwd.map_or(String::new(), |cwd| directory(&cwd))
            );
        }
        let file = self.world.open_file(task, fd, self.tables);
        format!("{fd}{}", file.as_ref().map_or(String::new(), leads_to))
    }

    fn flags(&self, value: u32) -> String {
        match self.event.call.row().flag_names {
            FlagNames::Open => names::open_flags(value, self.open),
            FlagNames::Begin(prefix) => names::flags(prefix, value, "0"),
            FlagNames::These(all) => names::flags_of(all, value),
            FlagNames::One(prefix) => named(prefix, value.into()),
            FlagNames::Nothing => plain(value),
        }
    }

    fn mode(&self, value: u64) -> String {
        use Call::*;
        match self.event.call {
            access | faccessat | faccessat2 => match value {
                0 => "F_OK".to_owned(),
                _ => names::flags_of(&["R_OK", "W_OK", "X_OK"], value as u32),
            },
            fallocate => names::flags("FALLOC_", value as u32, "0"),
            socket | socketpair => named("AF_", value),
            waitid => named("P_", value),
            mknod | mknodat => {
                let kind = names::value_name("S_IF", (value & 0o170_000) as i64)
                    .map_or(String::new(), |kind| format!("{kind}|"));
                format!("{kind}{}", octal(value & 0o7777))
            }
            _ => octal(value),
        }
    }

    fn mask(&self, value: u32) -> String {
        match self.event.call {
            Call::statx => names::flags("STATX_", value, "0"),
            Call::inotify_add_watch => names::flags("IN_", value, "0"),
            _ => names::flags("RESOLVE_", value, "0"),
        }
    }

    fn command(&self, value: u32) -> String {
        let name = match self.event.call.row().op {
            Op::Fcntl => names::fcntl_name(value.into()),
            Op::Ioctl => names::ioctl_name(value.into()),
            Op::Flock => return names::flags("LOCK_", value, "0"),
            Op::Futex => return futex(value),
            _ => None,
        };
        name.map_or_else(|| plain(value), str::to_owned)
    }

    /// Arguments that several kept ones make up together.
    fn together(&self, places: &mut [Option<String>; MOST]) {
        use Call::*;
        let text = |kind| self.value(kind);
        match self.event.call {
            openat2 => {
                let mode = match self.number(ArgKind::Mode) {
                    0 => String::new(),
                    mode => format!(", mode={}", octal(mode)),
                };
                let (flags, resolve) = (text(ArgKind::Flags), text(ArgKind::Mask));
                places[2] = Some(format!("{{flags={flags}{mode}, resolve={resolve}}}"));
            }
            readv | writev | preadv | pwritev | preadv2 | pwritev2 => {
                let length = text(ArgKind::Length);
                let more = if self.number(ArgKind::Count) > 1 {
                    ", ..."
                } else {
                    ""
                };
                places[1] = Some(format!("[{{iov_base=\"\"..., iov_len={length}}}{more}]"));
            }
            pipe | pipe2 | socketpair => {
                let at = if self.event.call == socketpair { 3 } else { 0 };
                let made = [ArgKind::OutFd0, ArgKind::OutFd1].map(|kind| self.number(kind));
                places[at] = Some(if made.contains(&NONE) {
                    "[...]".to_owned()
                } else {
                    format!("[{}, {}]", made[0] as i32, made[1] as i32)
                });
            }
            bind => {
                places[1] = Some(match self.event.string(ArgKind::Path) {
                    Some(path) => format!(
                        "{{sa_family=AF_UNIX, sun_path={}}}",
                        quoted(self.tables.string(path))
                    ),
                    None => "{...}".to_owned(),
                });
            }
            utime | utimes | futimesat | utimensat => {
                let at = if self.event.call.row().position(ArgKind::DirFd).is_some() {
                    2
                } else {
                    1
                };
                places[at] = Some(self.times());
            }
            fcntl => places[2] = self.of_fcntl(),
            ioctl => places[2] = Some(self.of_ioctl()),
            readlink | readlinkat => {
                let at = if self.event.call == readlink { 1 } else { 2 };
                // Of a link that was changed unseen the length is another one.
                let length = self.event.result;
                let text = self.link.filter(|text| text.len() as i64 == length);
                places[at] = text.map(quoted).or_else(|| places[at].take());
            }
            getcwd => places[0] = Some(self.asked_directory()),
            _ => {}
        }
    }

    /// The working directory that a task asked for, if it is the one that is known.
    fn asked_directory(&self) -> String {
        let cwd = self.world.working_directory(self.event.task);
        let is_it = |cwd: &Vec<u8>| cwd.len() as i64 + 1 == self.event.result;
        cwd.filter(is_it)
            .map_or("\"\"...".to_owned(), |cwd| quoted(&cwd))
    }

    fn times(&self) -> String {
        let times = [ArgKind::Atime, ArgKind::Mtime].map(|kind| self.number(kind));
        if times.contains(&NONE) {
            return "NULL".to_owned();
        }
        let one = |time: u64| {
            let time = time as i64;
            let (seconds, rest) = (
                time.div_euclid(1_000_000_000),
                time.rem_euclid(1_000_000_000),
            );
            match (time, self.event.call) {
                (libc::UTIME_NOW, _) => "UTIME_NOW".to_owned(),
                (libc::UTIME_OMIT, _) => "UTIME_OMIT".to_owned(),
                (_, Call::utimensat) => format!("{{tv_sec={seconds}, tv_nsec={rest}}}"),
                (_, _) => format!("{{tv_sec={seconds}, tv_usec={}}}", rest / 1000),
            }
        };
        let [atime, mtime] = times;
        if self.event.call == Call::utime {
            let seconds = |time: u64| (time as i64).div_euclid(1_000_000_000);
            return format!("{{actime={}, modtime={}}}", seconds(atime), seconds(mtime));
        }
        format!("[{}, {}]", one(atime), one(mtime))
    }

    /// The third argument of `fcntl`, where its command has one.
    fn of_fcntl(&self) -> Option<String> {
        let command = self.number(ArgKind::Command) as u32;
        let argument = self.number(ArgKind::Argument);
        let name = names::fcntl_name(command.into()).unwrap_or_default();
        if name.ends_with("LK") || name.ends_with("LKW") {
            let kinds = ["F_RDLCK", "F_WRLCK", "F_UNLCK"];
            let kind = usize::try_from(argument)
                .ok()
                .and_then(|kind| kinds.get(kind));
            let kind =
                kind.map_or_else(|| (argument as i64).to_string(), |kind| (*kind).to_owned());
            let part = |kind| self.value(kind);
            return Some(format!(
                "{{l_type={kind}, l_whence={}, l_start={}, l_len={}}}",
                part(ArgKind::Whence),
                part(ArgKind::LockStart),
                part(ArgKind::LockLength)
            ));
        }
        match command {
            F_SETFD => Some(names::flags_of(&["FD_CLOEXEC"], argument as u32)),
            F_DUPFD | F_DUPFD_CLOEXEC => Some(argument.to_string()),
            _ if name == "F_SETFL" => Some(names::open_flags(argument as u32, self.open)),
            _ if name.starts_with("F_GET") => None,
            _ if argument == NONE => Some(elided::NUMBER.to_owned()),
            _ => Some((argument as i64).to_string()),
        }
    }

    fn of_ioctl(&self) -> String {
        let part = |kind| (self.number(kind) as i64).to_string();
        match self.number(ArgKind::Command) as u32 {
            FICLONE => self.value(ArgKind::FdIn),
            FICLONERANGE => format!(
                "{{src_fd={}, src_offset={}, src_length={}, dest_offset={}}}",
                self.value(ArgKind::FdIn),
                part(ArgKind::OffsetIn),
                part(ArgKind::Length),
                part(ArgKind::OffsetOut)
            ),
            _ => "{...}".to_owned(),
        }
    }
}

/// One value among names that begin so.
fn named(prefix: &str, value: u64) -> String {
    let name = names::value_name(prefix, value as i64);
    name.map_or_else(|| plain(value as u32), str::to_owned)
}

fn plain(value: u32) -> String {
    if value == 0 {
        "0".to_owned()
    } else {
        format!("{value:#x}")
    }
}

fn octal(value: u64) -> String {
    match value {
        0 => "000".to_owned(),
        NONE => elided::NUMBER.to_owned(),
        _ => format!("0{value:o}"),
    }
}

fn makedev(value: u64) -> String {
    format!(
        "makedev({:#x}, {:#x})",
        libc::major(value),
        libc::minor(value)
    )
}

/// `FUTEX_WAIT_PRIVATE` is a command and a flag.
fn futex(value: u32) -> String {
    let (private, clock) = (
        libc::FUTEX_PRIVATE_FLAG as u32,
        libc::FUTEX_CLOCK_REALTIME as u32,
    );
    let Some(name) = names::value_name("FUTEX_", (value & FUTEX_CMD_MASK).into()) else {
        return plain(value);
    };
    let private = if value & private != 0 { "_PRIVATE" } else { "" };
    let clock = if value & clock != 0 {
        "|FUTEX_CLOCK_REALTIME"
    } else {
        ""
    };
    format!("{name}{private}{clock}")
}
