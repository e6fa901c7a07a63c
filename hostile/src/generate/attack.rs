//! Attacks of known shapes: something parts the model from the tree, a directory is taken hold of,
//! a link is made that leads out from where the directory really is, and something is done through
//! it.

use fsreplay_trace::call::{ArgKind, Call};

use super::{Generator, text};
use crate::script::{Arg, Calls, Line};

/// A way out.
struct Way {
    target: String,
    tail: String,
}

impl Generator<'_, '_> {
    pub(super) fn attack(&mut self) {
        let way = self.way();
        if self.choices.chance(30) {
            return self.moved_link(&way);
        }
        let fd = 3 + self.choices.below(3) as i32;
        self.part();
        let hold = self.take_hold(fd);
        let evil = self.choices.pick(&["evil", "L", "x"]);
        let target = (ArgKind::Target, text(&way.target));
        let at = (ArgKind::NewDirFd, Arg::Number(i64::from(hold) as u64));
        self.add(
            Call::symlinkat,
            0,
            vec![target, at, (ArgKind::NewPath, text(evil))],
        );
        for _ in 0..1 + self.choices.below(3) {
            self.use_it(hold, &format!("{evil}/{}", way.tail));
        }
    }

    /// A link's text and what is written behind it, which together lead to a canary from some
    /// depth.
    fn way(&mut self) -> Way {
        let canary = self.canary();
        let up = if self.choices.chance(50) {
            3 + self.choices.below(4)
        } else {
            1 + self.choices.below(self.depth + 2)
        };
        let climb = vec![".."; up].join("/");
        let (target, tail) = match self.choices.below(4) {
            0 => (climb, format!("outside/{canary}")),
            1 => (format!("{climb}/outside"), canary.to_owned()),
            2 => (
                climb,
                format!("{{outside}}/{canary}")
                    .trim_start_matches('/')
                    .to_owned(),
            ),
            _ => (climb, format!("outside/open/{}", self.name())),
        };
        Way { target, tail }
    }

    /// A link that is harmless where it is made comes to lie nearer to the root.
    fn moved_link(&mut self, way: &Way) {
        let length = 1 + self.choices.below(self.depth);
        let deep = self.chain(length);
        let link = format!("{deep}/x");
        if self.choices.chance(50) {
            self.link(&link, &way.target);
        } else {
            let target = (ArgKind::Target, text(&way.target));
            self.add(
                Call::symlink,
                0,
                vec![target, (ArgKind::NewPath, text(&link))],
            );
        }
        let moved = self.choices.pick(&["/ws/b", "/b", "/ws/s/b", "/ws/x"]);
        let (from, through) = if self.choices.chance(50) {
            (deep, format!("{moved}/x"))
        } else {
            (link, moved.to_owned())
        };
        let result = self.choices.pick(&[0, 0, -2, -5, -18, -28]);
        let call = self
            .choices
            .pick(&[Call::rename, Call::renameat2, Call::link]);
        let flags = (
            ArgKind::Flags,
            Arg::Number(self.choices.pick(&[0, 0, 1, 2])),
        );
        let from = (ArgKind::Path, text(&from));
        self.add(
            call,
            result,
            vec![from, (ArgKind::NewPath, text(moved)), flags],
        );
        for _ in 0..1 + self.choices.below(3) {
            self.use_it(-100, &format!("{through}/{}", way.tail));
        }
    }

    pub(super) fn add(&mut self, call: Call, result: i64, args: Vec<(ArgKind, Arg)>) {
        let mut calls = Calls::new(0, call, result);
        for (kind, arg) in args {
            calls = calls.with(kind, arg);
        }
        self.script.lines.push(Line::Call(calls));
    }

    fn chain(&mut self, length: usize) -> String {
        format!("/ws{}", "/a".repeat(length))
    }

    /// What the planner believes of the tree is no longer what it is like.
    fn part(&mut self) {
        let path = |path: &str| (ArgKind::Path, text(path));
        let new = |path: &str| (ArgKind::NewPath, text(path));
        let fails = self.choices.pick(&[-28, -5, -13, -17, -2]);
        let deep = self.chain(self.depth);
        match self.choices.below(9) {
            0 => self.add(Call::rename, fails, vec![path("/ws/M"), new("/ws/L")]),
            1 => {
                let flags = (ArgKind::Flags, Arg::Number(2));
                self.add(
                    Call::renameat2,
                    fails,
                    vec![path("/ws/M"), new("/ws/L"), flags],
                );
            }
            2 => {
                self.add(Call::unlink, fails, vec![path("/ws/L")]);
                let target = (ArgKind::Target, text("s"));
                self.add(Call::symlink, fails, vec![target, new("/ws/L")]);
            }
            3 => {
                // A directory that is deep in the model lies near the root.
                self.add(Call::rename, fails, vec![path(&deep), new("/ws/b")]);
                let target = (ArgKind::Target, text("b"));
                self.add(Call::unlink, fails, vec![path("/ws/L")]);
                self.add(Call::symlink, fails, vec![target, new("/ws/L")]);
            }
            4 => {
                // The working directory stays where it was.
                self.add(Call::chdir, 0, vec![path("/ws/s")]);
                self.add(Call::rename, fails, vec![path("/ws/L"), new("/ws/c")]);
                self.add(Call::rmdir, fails, vec![path(&deep)]);
                self.add(Call::chdir, 0, vec![path(&deep)]);
            }
            5 => {
                let mode = (ArgKind::Mode, Arg::Number(0));
                self.add(Call::chmod, fails, vec![path("/ws/a"), mode]);
                self.add(Call::chdir, 0, vec![path("/ws/s")]);
                self.add(Call::chdir, 0, vec![path("/ws/a/a")]);
            }
            6 => self.add(Call::rename, fails, vec![path("/ws/a"), new("/ws/c")]),
            7 => {
                // One that did not succeed when recorded, so that what follows lies elsewhere.
                self.add(Call::rename, 0, vec![path("/ws/nothing"), new("/ws/L")]);
            }
            _ => self.rename(),
        }
    }

    /// A descriptor, or the working directory (-100), that is the directory.
    fn take_hold(&mut self, fd: i32) -> i32 {
        let deep = self.chain(self.depth);
        let at = self.choices.below(5);
        let at = ["/ws/L", "/ws/M", "/ws/L/.", "L", &deep][at];
        let at = (ArgKind::Path, text(at));
        match self.choices.below(5) {
            0 => {
                self.add(Call::chdir, 0, vec![at]);
                -100
            }
            1 => {
                let flags = (ArgKind::Flags, Arg::Number(0o10200000));
                self.add(Call::open, fd.into(), vec![at, flags]);
                self.add(Call::fchdir, 0, vec![(ArgKind::Fd, Arg::Number(fd as u64))]);
                -100
            }
            2 => {
                // The slot of the other one is taken over, unless that fails.
                let flags = (ArgKind::Flags, Arg::Number(0x10000));
                self.add(
                    Call::open,
                    6,
                    vec![(ArgKind::Path, text("/ws/s")), flags.clone()],
                );
                self.add(Call::open, fd.into(), vec![at, flags]);
                let fds = [(ArgKind::Fd, fd), (ArgKind::NewFd, 6)]
                    .map(|(kind, fd)| (kind, Arg::Number(fd as u64)));
                self.add(Call::dup2, 6, fds.to_vec());
                6
            }
            _ => {
                let flags = (ArgKind::Flags, Arg::Number(0x10000));
                self.add(Call::open, fd.into(), vec![at, flags]);
                fd
            }
        }
    }

    fn use_it(&mut self, hold: i32, path: &str) {
        let calls = [
            Call::fchmodat,
            Call::fchownat,
            Call::unlinkat,
            Call::openat,
            Call::mkdirat,
            Call::utimensat,
            Call::renameat,
            Call::linkat,
            Call::mknodat,
            Call::symlinkat,
            Call::truncate,
            Call::setxattr,
            Call::lremovexattr,
        ];
        let call = self.choices.pick(&calls);
        let mut args = Vec::new();
        for (kind, _) in call.row().args {
            let arg = match kind {
                ArgKind::Path | ArgKind::NewPath => text(path),
                ArgKind::DirFd | ArgKind::NewDirFd => Arg::Number(i64::from(hold) as u64),
                kind => self.argument(call.row().op, *kind),
            };
            args.push((*kind, arg));
        }
        let result = if call == Call::openat { 7 } else { 0 };
        self.add(call, result, args);
    }
}
