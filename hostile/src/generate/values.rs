//! Paths, texts of links, numbers and flags, so chosen that calls meet and meet what they should
//! not.

use fsreplay_trace::call::{ArgKind, Call, Op, ResultKind};

use super::{Generator, text};
use crate::arena::CANARIES;
use crate::script::Arg;

const NAMES: &[&str] = &["a", "b", "c", "s", "L", "M", "f", "x"];

/// Where the kernel's own links lead.
const MAGIC: &[&str] = &[
    "/proc/self/fd/3",
    "/proc/self/fd/4/../x",
    "/proc/self/cwd/f",
    "/proc/self/root{outside}/mine",
    "/proc/thread-self/fd/3/a",
    "/dev/fd/3",
    "/dev/null",
    "/dev/shm/q",
    "/proc/self/exe",
];

const ODD: &[&str] = &[
    "",
    ".",
    "..",
    "/",
    "../..",
    "a/..",
    "a//b/",
    "L/..",
    "L/../../..",
    "./a/./b/.",
    "../../../outside/mine",
    "{outside}/mine",
    "{outside}",
    "/../../..{outside}/open",
    "a/",
    "L/",
];

const ERRNOS: &[i64] = &[-1, -2, -5, -13, -17, -18, -20, -21, -22, -28, -39, -40, -95];

impl Generator<'_, '_> {
    pub(super) fn name(&mut self) -> &'static str {
        self.choices.pick(NAMES)
    }

    /// An absolute path that was named before.
    pub(super) fn known(&mut self) -> String {
        self.choices.pick(&self.paths)
    }

    /// An absolute path whose directory was named before; it is remembered.
    pub(super) fn new_path(&mut self) -> String {
        let path = format!("{}/{}", self.known(), self.name());
        if !self.paths.contains(&path) {
            self.paths.push(path.clone());
        }
        path
    }

    /// The path of a link, as it may be written.
    pub(super) fn link_path(&mut self) -> String {
        if self.links.is_empty() {
            return self.known();
        }
        let link = self.choices.pick(&self.links);
        match self.choices.below(3) {
            0 => link,
            1 => link.trim_start_matches("/ws/").to_owned(),
            _ => link.rsplit('/').next().unwrap_or("L").to_owned(),
        }
    }

    pub(super) fn canary(&mut self) -> &'static str {
        self.choices.pick(CANARIES)
    }

    /// What may stand behind a link that leads out.
    pub(super) fn tail(&mut self) -> Vec<u8> {
        let canary = self.canary();
        match self.choices.below(6) {
            0 => format!("{{outside}}/{canary}").into_bytes(),
            1 | 2 => format!("outside/{canary}").into_bytes(),
            3 => format!("outside/open/{}", self.name()).into_bytes(),
            4 => canary.as_bytes().to_vec(),
            _ => self.name().as_bytes().to_vec(),
        }
    }

    /// The text of a link.
    pub(super) fn target(&mut self) -> Vec<u8> {
        let up = 1 + self.choices.below(self.depth + 3);
        let climb = "../".repeat(up);
        let canary = self.canary();
        let text = match self.choices.below(12) {
            0..3 => climb.trim_end_matches('/').to_owned(),
            3..5 => format!("{climb}outside"),
            5 => format!("{climb}outside/{canary}"),
            6 => format!("a/{climb}outside"),
            7 => "{outside}".to_owned(),
            8 => format!("{{outside}}/{canary}"),
            9 => format!("{climb}{}", self.name()),
            10 => self.known(),
            _ => self.name().to_owned(),
        };
        text.into_bytes()
    }

    /// Any path.
    pub(super) fn path(&mut self) -> Vec<u8> {
        let path = match self.choices.below(12) {
            0..4 => self.known(),
            4 | 5 => self.known().trim_start_matches("/ws/").to_owned(),
            6 => self.new_path(),
            7 => self.name().to_owned(),
            8 => return [self.link_path().as_bytes(), b"/", &self.tail()].concat(),
            9 => self.choices.pick(MAGIC).to_owned(),
            10 => self.choices.pick(ODD).to_owned(),
            _ => format!("{}/{}", self.name(), self.name()),
        };
        path.into_bytes()
    }

    pub(super) fn fd(&mut self) -> i32 {
        match self.choices.below(10) {
            0..6 => self.choices.pick(&self.fds),
            6..9 => 3 + self.choices.below(6) as i32,
            _ => self.choices.pick(&[-1, 0, 1, 2, 1000, i32::MAX, i32::MIN]),
        }
    }

    fn directory_fd(&mut self) -> u64 {
        let fd = if self.choices.chance(40) {
            -100
        } else {
            self.fd()
        };
        i64::from(fd) as u64
    }

    pub(super) fn mode(&mut self) -> u32 {
        let modes = [
            0o644, 0o755, 0o777, 0o4755, 0o6777, 0o1777, 0, 0o100, 0o400, 0o10644, 0o20666,
            0o60666, 0o100644, 0o120777, 0o140644, 0o7777,
        ];
        self.choices.pick(&modes)
    }

    pub(super) fn attribute(&mut self) -> Vec<u8> {
        let names = [
            "user.a",
            "user.canary",
            "trusted.b",
            "security.capability",
            "system.posix_acl_access",
            "user.",
            "",
        ];
        self.choices.pick(&names).as_bytes().to_vec()
    }

    pub(super) fn open_flags(&mut self) -> u64 {
        let flags = [
            0, 0o1, 0o2, 0o101, 0o102, 0o301, 0o1001, 0o1102, 0o2001, 0x10000, 0x30000, 0o10000000,
            0o10200000, 0o20200002, 0o20200202, 0o4001, 0o40002,
        ];
        self.choices.pick(&flags)
    }

    /// What a call is said to have given.
    pub(super) fn outcome(&mut self, call: Call, success: usize) -> i64 {
        if !self.choices.chance(success) {
            return self.choices.pick(ERRNOS);
        }
        match call.row().result {
            ResultKind::Fd => {
                let fd = 3 + self.choices.below(6) as i32;
                if !self.fds.contains(&fd) {
                    self.fds.push(fd);
                }
                i64::from(fd)
            }
            ResultKind::Bytes => self.choices.below(5000) as i64,
            ResultKind::Address => 0x7000_0000_0000 + (self.choices.below(4) as i64) * 0x10_0000,
            ResultKind::Offset | ResultKind::Value => self.choices.below(100) as i64,
            ResultKind::Pid => 1000 + self.choices.below(4) as i64,
            ResultKind::Status => 0,
        }
    }

    /// Any argument of that kind.
    pub(super) fn argument(&mut self, op: Op, kind: ArgKind) -> Arg {
        use ArgKind::*;
        let number = match kind {
            Path | NewPath if self.choices.chance(1) => return Arg::Null,
            Path | NewPath => return Arg::Text(self.path()),
            Target => return Arg::Text(self.target()),
            Name => return Arg::Text(self.attribute()),
            Argv => return text("a"),
            DirFd | NewDirFd => self.directory_fd(),
            Fd | NewFd | FdIn | FdOut | OutFd0 | OutFd1 => i64::from(self.fd()) as u64,
            Flags | Mask => self.flags(op),
            Mode => u64::from(self.mode()),
            Uid | Gid => self
                .choices
                .pick(&[0, 1, 1000, 65534, u64::from(u32::MAX), u64::MAX]),
            Dev | Count | Prot | Pid => self.choices.below(8) as u64,
            Length => self.length(),
            Offset | OffsetIn | OffsetOut | LockStart | LockLength => self.offset(),
            Whence => self.choices.below(6) as u64,
            Command => self.command(op),
            Argument => self.choices.below(1030) as u64,
            Atime | Mtime => {
                let times = [
                    0,
                    1 << 30,
                    0x3fff_ffff,
                    0x3fff_fffe,
                    u64::MAX,
                    1 << 62,
                    1 << 63,
                ];
                self.choices.pick(&times)
            }
            Address => 0x7000_0000_0000 + (self.choices.below(4) as u64) * 0x10_0000,
        };
        Arg::Number(number)
    }

    fn length(&mut self) -> u64 {
        match self.choices.below(10) {
            0 => self
                .choices
                .pick(&[0, 1, 1 << 31, 1 << 40, u64::MAX, 1 << 63]),
            1 => self.choices.below(1 << 20) as u64,
            _ => self.choices.below(5000) as u64,
        }
    }

    fn offset(&mut self) -> u64 {
        match self.choices.below(10) {
            0 => self
                .choices
                .pick(&[1 << 40, u64::MAX, 1 << 63, (1 << 63) - 1]),
            _ => self.choices.below(10_000) as u64,
        }
    }

    fn flags(&mut self, op: Op) -> u64 {
        if self.choices.chance(15) {
            return self.choices.number() & 0xffff_ffff;
        }
        let few: &[u64] = match op {
            Op::Open => return self.open_flags(),
            Op::Unlink => &[0, 0x200],
            Op::Rename => &[0, 1, 2, 4],
            Op::Link | Op::NameToHandle | Op::Exec => &[0, 0x400, 0x1000, 0x1400],
            Op::Map => &[1, 2, 0x11, 0x8001, 0x3, 0x10_0001],
            Op::MapAdvise => &[
                0, 1, 3, 4, 8, 9, 10, 12, 14, 15, 20, 21, 22, 23, 24, 25, 101,
            ],
            _ => &[0, 0x100, 0x1000, 0x800, 1, 2],
        };
        self.choices.pick(few)
    }

    fn command(&mut self, op: Op) -> u64 {
        if self.choices.chance(10) {
            return self.choices.number() & 0xffff_ffff;
        }
        let few: &[u64] = match op {
            Op::Fcntl => &[
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 36, 37, 38, 1024, 1025, 1026, 1030, 1031,
                1033, 1034, 1036, 1038,
            ],
            Op::Flock => &[1, 2, 5, 6, 8, 12],
            Op::Ioctl => &[
                0x5401,
                0x5421,
                0x541b,
                0x5450,
                0x5451,
                0x4004_9409,
                0x4020_940d,
                0x8008_6601,
                0x4008_6602,
                0xc020_660b,
                0xc004_5877,
                0xc004_5878,
                0x1277,
                0x127d,
            ],
            Op::Futex => &[0, 1, 128, 129],
            _ => &[0],
        };
        self.choices.pick(few)
    }
}
