//! Calls by which a replay acts otherwise than by issuing the same call: copies between targets,
//! files without a name, sockets, locks of several processes, programs behind descriptors.

use fsreplay_trace::abi::FICLONE;
use fsreplay_trace::call::{ArgKind, Call};

use super::{Generator, text};
use crate::script::Arg;

/// `AT_EMPTY_PATH`, and what `linkat` of `/proc/self/fd` needs.
const EMPTY_PATH: u64 = 0x1000;
const FOLLOW: u64 = 0x400;
/// Flags of opens that make a file without a name; the last one can't.
const UNNAMED: &[u64] = &[0o20200002, 0o20200001, 0o20200202, 0o20200000];

impl Generator<'_, '_> {
    /// A few such calls in a row.
    pub(super) fn newer(&mut self) {
        match self.choices.below(7) {
            0 => self.bind(),
            1 => self.unnamed(),
            2 => self.across(),
            3 => self.copies(),
            4 => self.locks(),
            5 => self.program(),
            _ => self.other_user(),
        }
    }

    fn number(kind: ArgKind, number: i64) -> (ArgKind, Arg) {
        (kind, Arg::Number(number as u64))
    }

    /// Opens something that was named before. Gives the descriptor.
    fn opened(&mut self, flags: &[u64]) -> i64 {
        let fd = 3 + self.choices.below(6) as i32;
        if !self.fds.contains(&fd) {
            self.fds.push(fd);
        }
        let path = (ArgKind::Path, text(&self.known()));
        let flags = (ArgKind::Flags, Arg::Number(self.choices.pick(flags)));
        let mode = (ArgKind::Mode, Arg::Number(self.mode().into()));
        self.add(Call::open, fd.into(), vec![path, flags, mode]);
        fd.into()
    }

    fn bind(&mut self) {
        let path = Arg::Text(self.path());
        let mut args = Vec::new();
        for (kind, _) in Call::bind.row().args {
            let arg = match kind {
                ArgKind::Path | ArgKind::NewPath => path.clone(),
                kind => self.argument(Call::bind.row().op, *kind),
            };
            args.push((*kind, arg));
        }
        self.call(Call::bind, 70, args);
    }

    /// A file without a name, which gets one or not, from here or from somebody else.
    fn unnamed(&mut self) {
        let fd = self.opened(UNNAMED);
        if self.choices.chance(30) {
            let other = 3 + self.choices.below(6) as i64;
            let args = vec![
                Self::number(ArgKind::Fd, fd),
                Self::number(ArgKind::NewFd, other),
            ];
            self.add(Call::dup2, other, args);
        }
        for _ in 0..1 + self.choices.below(2) {
            let name = (ArgKind::NewPath, Arg::Text(self.path()));
            let args = if self.choices.chance(50) {
                let flags = self.choices.pick(&[EMPTY_PATH, EMPTY_PATH | FOLLOW, 0]);
                let flags = (ArgKind::Flags, Arg::Number(flags));
                let dir = Self::number(ArgKind::DirFd, fd);
                vec![dir, (ArgKind::Path, text("")), name, flags]
            } else {
                let base = self.choices.pick(&["/proc/self/fd", "/dev/fd"]);
                let path = (ArgKind::Path, text(&format!("{base}/{fd}")));
                vec![path, name, (ArgKind::Flags, Arg::Number(FOLLOW))]
            };
            self.call(Call::linkat, 80, args);
        }
        if self.choices.chance(50) {
            self.add(Call::close, 0, vec![Self::number(ArgKind::Fd, fd)]);
        }
    }

    /// One of the two directories that may be on different mounts, with names below it.
    fn side(&mut self, placed: bool) -> String {
        let base = if placed { "/ws/s" } else { "/ws/a" };
        let below = ["", "/.", "/a", "/x", "/b/c", "/L"];
        format!("{base}{}", self.choices.pick(&below))
    }

    /// Renames and links that may cross mounts.
    fn across(&mut self) {
        let calls = [Call::rename, Call::link, Call::renameat2, Call::linkat];
        for _ in 0..1 + self.choices.below(6) {
            let out = self.choices.chance(50);
            let (from, to) = (self.side(!out), self.side(out));
            let call = self.choices.pick(&calls);
            let flags = self.choices.pick(&[0, 0, 0, 1, 2]);
            let args = vec![
                (ArgKind::Path, text(&from)),
                (ArgKind::NewPath, text(&to)),
                (ArgKind::Flags, Arg::Number(flags)),
            ];
            let flagged = matches!(call, Call::renameat2 | Call::linkat);
            let count = if flagged { 3 } else { 2 };
            self.call(call, 85, args.into_iter().take(count).collect());
        }
    }

    /// Copies inside the kernel between what two descriptors are open on.
    fn copies(&mut self) {
        let (from, to) = (self.opened(&[0, 2]), self.opened(&[2, 0o102, 0o2001]));
        let size = self.choices.pick(&[0, 1, 5000, 1 << 25, 1 << 40]);
        let args = vec![
            Self::number(ArgKind::Fd, from),
            Self::number(ArgKind::Length, size),
        ];
        self.call(Call::ftruncate, 80, args);
        if self.choices.chance(50) {
            let args = vec![
                Self::number(ArgKind::Fd, to),
                (ArgKind::Command, Arg::Number(FICLONE.into())),
                Self::number(ArgKind::FdIn, from),
            ];
            return self.call(Call::ioctl, 80, args);
        }
        let args = vec![
            Self::number(ArgKind::FdIn, from),
            Self::number(ArgKind::OffsetIn, -1),
            Self::number(ArgKind::FdOut, to),
            Self::number(ArgKind::OffsetOut, -1),
            Self::number(ArgKind::Length, size),
        ];
        self.call(Call::copy_file_range, 80, args);
    }

    /// Locks of a file by several processes, which have the descriptor from one of them.
    fn locks(&mut self) {
        let fd = self.opened(&[0, 1, 2]);
        if self.choices.chance(60) {
            self.task();
        }
        for _ in 0..2 + self.choices.below(5) {
            let kind = self.choices.below(3) as i64;
            let command = self.choices.pick(&[5, 6, 7, 37, 38]);
            let args = vec![
                Self::number(ArgKind::Fd, fd),
                Self::number(ArgKind::Command, command),
                Self::number(ArgKind::Argument, kind),
                Self::number(ArgKind::Whence, self.choices.below(3) as i64),
                Self::number(ArgKind::LockStart, self.choices.below(20) as i64),
                Self::number(ArgKind::LockLength, self.choices.below(20) as i64),
            ];
            self.call(Call::fcntl, 75, args);
        }
        if self.choices.chance(60) {
            self.call(Call::close, 90, vec![Self::number(ArgKind::Fd, fd)]);
        }
    }

    /// A program is started by what it is open as.
    fn program(&mut self) {
        let fd = self.opened(&[0o10000000, 0o10400000, 0, 0x10000]);
        if self.choices.chance(40) {
            let (from, to) = (self.known(), self.known());
            let args = vec![(ArgKind::Path, text(&from)), (ArgKind::NewPath, text(&to))];
            self.call(Call::rename, 50, args);
        }
        let path = if self.choices.chance(70) {
            Vec::new()
        } else {
            self.path()
        };
        let args = vec![
            Self::number(ArgKind::DirFd, fd),
            (ArgKind::Path, Arg::Text(path)),
            (ArgKind::Flags, Arg::Number(EMPTY_PATH)),
        ];
        self.call(Call::execveat, 80, args);
    }

    /// The process goes on as another user, or as itself.
    fn other_user(&mut self) {
        let calls = [Call::setresuid, Call::setuid];
        let call = self.choices.pick(&calls);
        let mut args = Vec::new();
        for (kind, _) in call.row().args {
            args.push((*kind, self.argument(call.row().op, *kind)));
        }
        self.call(call, 80, args);
        self.name_call();
    }
}
