//! From printed arguments to those that a trace keeps, as the table of calls says.

use std::collections::BTreeMap;

use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::call::{ArgKind, Call, NONE, Op};

use super::names;
use super::token::{self, field, inner, split};

/// An argument that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A number.
    Number(i64),
    /// A path or another text.
    Text(Box<[u8]>),
}

/// The kept arguments of a call. Those that the log doesn't tell are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args(pub Vec<(ArgKind, Arg)>);

impl Args {
    /// A number among them.
    pub fn number(&self, kind: ArgKind) -> Option<i64> {
        self.0.iter().find_map(|(known, arg)| match arg {
            Arg::Number(number) if *known == kind => Some(*number),
            _ => None,
        })
    }

    /// A text among them.
    pub fn text(&self, kind: ArgKind) -> Option<&[u8]> {
        self.0.iter().find_map(|(known, arg)| match arg {
            Arg::Text(text) if *known == kind => Some(&text[..]),
            _ => None,
        })
    }
}

/// Makes numbers of names.
pub struct Decoder {
    open: OpenFlags,
    /// Names of flags and commands that aren't known, with how often they were met.
    pub strange: BTreeMap<String, u64>,
}

/// Of each kind of names that aren't known so many are told.
const MOST_STRANGE: usize = 100;

impl Decoder {
    /// For a machine with those flags of `open`.
    pub fn new(open: OpenFlags) -> Decoder {
        Decoder {
            open,
            strange: BTreeMap::new(),
        }
    }

    /// The arguments of a call of which the log has these.
    pub fn decode(&mut self, call: Call, tokens: &[&[u8]], result: Option<i64>) -> Args {
        let mut args = Args::default();
        for (kind, register) in call.row().args {
            let position = position(call, *kind, usize::from(*register));
            let token = tokens.get(position).copied();
            if let Some(arg) = self.argument(call, *kind, token, tokens, result) {
                args.0.push((*kind, arg));
            }
        }
        args
    }

    fn argument(
        &mut self,
        call: Call,
        kind: ArgKind,
        token: Option<&[u8]>,
        tokens: &[&[u8]],
        result: Option<i64>,
    ) -> Option<Arg> {
        let number = |value: Option<i64>| value.map(Arg::Number);
        let none = Some(Arg::Number(NONE as i64));
        match (call, kind) {
            (Call::bind, ArgKind::Mode) => {
                return number(Some((libc::S_IFSOCK | 0o777).into()));
            }
            (Call::setxattr | Call::lsetxattr | Call::fsetxattr, ArgKind::Mode) => return none,
            _ => {}
        }
        let token = token?;
        match kind {
            ArgKind::Path if call == Call::bind => {
                let path = field(token, "sun_path").filter(|path| !path.starts_with(b"@"))?;
                text(path)
            }
            // Only the first argument of a program is kept, as a recorder does.
            ArgKind::Argv => text(split(inner(token)).first()?),
            kind if kind.is_text() => text(token),
            // What an ioctl copies from goes by its command.
            ArgKind::FdIn if call.row().op == Op::Ioctl => number(self.ioctl(kind, token, tokens)),
            kind if kind.is_descriptor() => number(token::fd(token).map(|fd| fd.number.into())),
            ArgKind::OutFd0 => number(pair(token, 0)),
            ArgKind::OutFd1 => number(pair(token, 1)),
            ArgKind::Atime => Some(Arg::Number(time(call, token, 0, self.open))),
            ArgKind::Mtime => Some(Arg::Number(time(call, token, 1, self.open))),
            ArgKind::Length if is_vector(call) => {
                let sum = self.vector_length(token);
                // Of long lists the log has the beginning only.
                number(Some(sum.max(result.unwrap_or(0))))
            }
            ArgKind::OffsetIn | ArgKind::OffsetOut if token == b"NULL" => none,
            _ => match call.row().op {
                Op::Fcntl if kind != ArgKind::Command => number(self.fcntl(kind, token, tokens)),
                Op::Ioctl if kind != ArgKind::Command => number(self.ioctl(kind, token, tokens)),
                Op::Open if call == Call::openat2 => number(self.open_how(kind, token)),
                _ => number(self.number(token)),
            },
        }
    }

    /// A number; what isn't known counts as 0.
    fn number(&mut self, token: &[u8]) -> Option<i64> {
        match names::number(token, self.open) {
            Ok(number) => Some(number),
            Err(name) => {
                let name = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
                if self.strange.len() < MOST_STRANGE || self.strange.contains_key(&name) {
                    *self.strange.entry(name).or_default() += 1;
                }
                None
            }
        }
    }

    fn vector_length(&mut self, token: &[u8]) -> i64 {
        let vectors = split(inner(token));
        let lengths = vectors
            .into_iter()
            .filter_map(|one| field(one, "iov_len"))
            .filter_map(|length| self.number(length));
        lengths.fold(0, i64::saturating_add)
    }

    fn open_how(&mut self, kind: ArgKind, token: &[u8]) -> Option<i64> {
        let name = match kind {
            ArgKind::Flags => "flags",
            ArgKind::Mode => "mode",
            _ => "resolve",
        };
        field(token, name).and_then(|value| self.number(value))
    }

    fn fcntl(&mut self, kind: ArgKind, token: &[u8], tokens: &[&[u8]]) -> Option<i64> {
        let name = match kind {
            ArgKind::Argument => "l_type",
            ArgKind::Whence => "l_whence",
            ArgKind::LockStart => "l_start",
            _ => "l_len",
        };
        if token.starts_with(b"{") {
            // Of F_GETLK both what was asked and what was found are printed.
            return field(token, name).and_then(|value| self.number(value));
        }
        let command = tokens.get(1).copied().unwrap_or_default();
        let is_read = [&b"F_GETLK"[..], b"F_OFD_GETLK", b"F_GETOWN_EX"].contains(&command);
        (kind == ArgKind::Argument && !is_read)
            .then(|| self.number(token))
            .flatten()
    }

    fn ioctl(&mut self, kind: ArgKind, token: &[u8], tokens: &[&[u8]]) -> Option<i64> {
        let command = tokens.get(1).copied().unwrap_or_default();
        let is = |name: &[u8]| command.ends_with(name);
        let name = match kind {
            _ if !is(b"FICLONERANGE") => {
                let is_source = kind == ArgKind::FdIn;
                let source = if is_source && is(b"FICLONE") {
                    token::fd(token)
                } else {
                    None
                };
                return match source {
                    Some(fd) => Some(fd.number.into()),
                    None => is_source.then_some(NONE as i64),
                };
            }
            ArgKind::FdIn => "src_fd",
            ArgKind::OffsetIn => "src_offset",
            ArgKind::Length => "src_length",
            _ => "dest_offset",
        };
        let value = field(token, name)?;
        match kind {
            ArgKind::FdIn => token::fd(value).map(|fd| fd.number.into()),
            _ => self.number(value),
        }
    }
}

/// Where an argument stands in the log. Offsets in two registers are printed as one number.
fn position(call: Call, kind: ArgKind, register: usize) -> usize {
    match (call, kind) {
        (Call::preadv2 | Call::pwritev2, ArgKind::Flags) => 4,
        _ => register,
    }
}

fn text(token: &[u8]) -> Option<Arg> {
    token::string(token).map(|text| Arg::Text(text.bytes.into()))
}

fn is_vector(call: Call) -> bool {
    matches!(
        call,
        Call::readv | Call::writev | Call::preadv | Call::pwritev | Call::preadv2 | Call::pwritev2
    )
}

/// One of the two descriptors of `[3, 4]`.
fn pair(token: &[u8], index: usize) -> Option<i64> {
    let fd = split(inner(token))
        .get(index)
        .and_then(|fd| token::fd(fd))?;
    Some(fd.number.into())
}

/// A time to be set, as a trace has it.
fn time(call: Call, token: &[u8], index: usize, open: OpenFlags) -> i64 {
    let none = NONE as i64;
    let number = |token: &[u8]| names::number(token, open).ok();
    let of = |token: &[u8]| -> Option<i64> {
        let seconds = number(field(token, "tv_sec")?)?;
        let fraction = field(token, "tv_nsec").map(&number).or_else(|| {
            let microseconds = number(field(token, "tv_usec")?)?;
            Some(microseconds.checked_mul(1000))
        });
        let fraction = fraction.flatten()?;
        if [libc::UTIME_NOW, libc::UTIME_OMIT].contains(&fraction) {
            return Some(fraction);
        }
        seconds.checked_mul(1_000_000_000)?.checked_add(fraction)
    };
    let found = if call == Call::utime {
        let name = ["actime", "modtime"][index];
        let seconds = field(token, name).and_then(number);
        seconds.and_then(|seconds| seconds.checked_mul(1_000_000_000))
    } else {
        let times = split(inner(token));
        let time = times.get(index).copied().unwrap_or_default();
        match time {
            b"UTIME_NOW" | b"UTIME_OMIT" => number(time),
            _ => of(time),
        }
    };
    found.unwrap_or(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(call: &str, printed: &str) -> Args {
        let call = Call::from_name(call).expect("a call");
        let mut decoder = Decoder::new(OpenFlags::of("x86_64"));
        let args = decoder.decode(call, &split(printed.as_bytes()), Some(0));
        assert!(decoder.strange.is_empty(), "{:?}", decoder.strange);
        args
    }

    #[test]
    fn paths_flags_and_descriptors_are_kept() {
        let open = args(
            "openat",
            "3</w>, \"a\\n\", O_WRONLY|O_CREAT|O_DIRECTORY, 0644",
        );
        assert_eq!(open.number(ArgKind::DirFd), Some(3));
        assert_eq!(open.text(ArgKind::Path), Some(&b"a\n"[..]));
        assert_eq!(open.number(ArgKind::Flags), Some(0o200_101));
        assert_eq!(open.number(ArgKind::Mode), Some(0o644));
        let open = args(
            "openat2",
            "AT_FDCWD, \"a\", {flags=O_PATH, resolve=RESOLVE_BENEATH}, 24",
        );
        assert_eq!(open.number(ArgKind::Flags), Some(0o10_000_000));
        assert_eq!(
            (open.number(ArgKind::Mode), open.number(ArgKind::Mask)),
            (None, Some(8))
        );
        assert_eq!(args("stat", "0x7ffe, 0x7fff").0, []);
        let exec = args(
            "execve",
            "\"/bin/sh\", [\"sh\", \"-c\", \"x\"], 0x7 /* 3 vars */",
        );
        assert_eq!(exec.text(ArgKind::Argv), Some(&b"sh"[..]));
    }

    #[test]
    fn what_stood_behind_pointers_is_found() {
        let write = args(
            "writev",
            "1, [{iov_base=\"a => b\", iov_len=6}, {iov_base=\"\", iov_len=2}], 2",
        );
        assert_eq!(write.number(ArgKind::Length), Some(8));
        let lock = args(
            "fcntl",
            "3</db>, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=1, l_len=2}",
        );
        let of = |kind| lock.number(kind);
        assert_eq!(of(ArgKind::Argument), Some(1));
        assert_eq!(
            (of(ArgKind::LockStart), of(ArgKind::LockLength)),
            (Some(1), Some(2))
        );
        let pipe = args("pipe2", "[3<pipe:[1]>, 4<pipe:[1]>], O_CLOEXEC");
        assert_eq!(pipe.number(ArgKind::OutFd1), Some(4));
        let send = args("sendfile", "1, 3, [5] => [9], 4");
        assert_eq!(send.number(ArgKind::OffsetIn), Some(5));
        let copy = args("copy_file_range", "3, NULL, 4, NULL, 100, 0");
        assert_eq!(copy.number(ArgKind::OffsetOut), Some(-1));
        let clone = args("ioctl", "4, BTRFS_IOC_CLONE or FICLONE, 3</a>");
        assert_eq!(clone.number(ArgKind::Fd), Some(4));
        assert_eq!(clone.number(ArgKind::FdIn), Some(3));
        let bind = args("bind", "3, {sa_family=AF_UNIX, sun_path=\"/s\"}, 110");
        assert_eq!(bind.text(ArgKind::Path), Some(&b"/s"[..]));
        assert_eq!(
            args("bind", "3, {sa_family=AF_INET, sin_port=htons(1)}, 16")
                .0
                .len(),
            1
        );
    }

    #[test]
    fn times_are_nanoseconds() {
        for (printed, atime, mtime) in [
            (
                "4, NULL, [{tv_sec=1, tv_nsec=2} /* 1970 */, {tv_sec=3, tv_nsec=4}], 0",
                1_000_000_002,
                3_000_000_004,
            ),
            (
                "4, NULL, [UTIME_OMIT, UTIME_NOW], 0",
                libc::UTIME_OMIT,
                libc::UTIME_NOW,
            ),
            ("4, NULL, NULL, 0", -1, -1),
        ] {
            let found = args("utimensat", printed);
            let times = [ArgKind::Atime, ArgKind::Mtime].map(|kind| found.number(kind));
            assert_eq!(times, [Some(atime), Some(mtime)], "{printed}");
        }
        let old = args("utime", "\"a\", {actime=5, modtime=6}");
        assert_eq!(old.number(ArgKind::Mtime), Some(6_000_000_000));
    }
}
