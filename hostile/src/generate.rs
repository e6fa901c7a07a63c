//! From decisions to a script that tries to get out.
//!
//! Names are few, so that calls meet. Recorded outcomes are not what a kernel would give: the
//! planner's model of the tree and the tree part, which is what containment must not depend on.
//! A part of the scripts holds an attack of a known shape, with all its pieces varied.

mod attack;
mod newer;
mod values;

use fsreplay_trace::call::{ArgKind, Call, TABLE};
use fsreplay_trace::model::FileKind;

use crate::choices::Choices;
use crate::script::{Arg, Calls, Inherited, Line, Names, Script, State};

/// `CLONE_*` of tasks: a fork, threads, and what shares some of it.
const CLONES: &[u64] = &[0, 0x10f00, 0x400, 0x200, 0x4100, 0x100, 0x600, 0x50f00];

/// The script of a number.
pub fn generate(seed: u64) -> Script {
    Generator::new(&mut Choices::seeded(seed)).script()
}

/// The script that a fuzzer's bytes decide.
pub fn from_bytes(bytes: &[u8]) -> Script {
    Generator::new(&mut Choices::from_bytes(bytes)).script()
}

/// What is known of the script so far, so that later lines meet earlier ones.
struct Generator<'c, 'b> {
    choices: &'c mut Choices<'b>,
    script: Script,
    /// Absolute paths that were named.
    paths: Vec<String>,
    /// Those that are symbolic links, or may be.
    links: Vec<String>,
    /// How long the chain of directories in the initial tree is.
    depth: usize,
    /// Descriptors that may be open.
    fds: Vec<i32>,
    tasks: u32,
}

impl<'c, 'b> Generator<'c, 'b> {
    fn new(choices: &'c mut Choices<'b>) -> Generator<'c, 'b> {
        Generator {
            choices,
            script: Script::default(),
            paths: vec!["/ws".into()],
            links: Vec::new(),
            depth: 0,
            fds: vec![3],
            tasks: 0,
        }
    }

    fn script(mut self) -> Script {
        self.conditions();
        self.tree();
        for _ in 0..self.choices.below(3) {
            self.task();
        }
        let attacks = self.choices.chance(60);
        if attacks {
            self.attack();
        }
        // Many renames take the room away that an attack needs.
        let most = if attacks && self.choices.chance(70) {
            3
        } else {
            24
        };
        for _ in 0..1 + self.choices.below(most) {
            self.step();
        }
        for task in 0..self.tasks {
            if self.choices.chance(80) {
                self.script.lines.push(Line::Exit { task });
            }
        }
        self.script
    }

    fn conditions(&mut self) {
        self.script.head.uid = self.choices.pick(&[0, 0, 0, 1000]);
        let play = &mut self.script.play;
        if self.choices.chance(15) {
            play.rounds = 2 + self.choices.below(2) as u32;
        }
        if self.choices.chance(20) {
            let placed: &[&str] = &["/ws/s", "/ws/a", "/ws/a/a", "/ws/L"];
            play.place = Some(self.choices.pick(placed).as_bytes().to_vec());
        }
        if self.choices.chance(4) {
            play.timing = Some(1 + self.choices.below(100) as u32);
        }
        self.task();
    }

    fn task(&mut self) {
        let parent = (self.tasks > 0).then(|| self.choices.below(self.tasks as usize) as u32);
        self.script.lines.push(Line::Task {
            task: self.tasks,
            parent,
            flags: parent.map_or(0, |_| self.choices.pick(CLONES)),
        });
        self.tasks += 1;
    }

    /// A chain of directories, a shallow one, links and files, and what contradicts that.
    fn tree(&mut self) {
        self.state(FileKind::Directory, "/ws");
        self.depth = 2 + self.choices.below(9);
        let mut chain = String::from("/ws");
        for _ in 0..self.depth {
            chain.push_str("/a");
            self.state(FileKind::Directory, &chain.clone());
        }
        self.state(FileKind::Directory, "/ws/s");
        self.link("/ws/L", &chain["/ws/".len()..]);
        self.link("/ws/M", "s");
        for _ in 0..self.choices.below(8) {
            self.entry();
        }
        if self.choices.chance(10) {
            self.contradiction();
        }
        if self.choices.chance(15) {
            self.inherited();
        }
    }

    fn state(&mut self, kind: FileKind, path: &str) -> &mut State {
        if !self.paths.iter().any(|known| known == path) {
            self.paths.push(path.to_owned());
        }
        let state = State::new(kind, names(path));
        self.script.lines.push(Line::State(state));
        match self.script.lines.last_mut() {
            Some(Line::State(state)) => state,
            _ => unreachable!("it was just pushed"),
        }
    }

    fn link(&mut self, path: &str, target: &str) {
        self.links.push(path.to_owned());
        self.state(FileKind::Symlink, path).target = Some(target.as_bytes().to_vec());
    }

    fn entry(&mut self) {
        let path = self.new_path();
        match self.choices.below(8) {
            0 => {
                let target = self.target();
                self.links.push(path.clone());
                self.state(FileKind::Symlink, &path).target = Some(target);
            }
            1 | 2 => {
                let mode = self.mode();
                self.state(FileKind::Directory, &path).mode = mode;
            }
            3 => drop(self.state(FileKind::Fifo, &path)),
            4 => {
                let names = names(&path);
                let entries = vec![(b"user.a".to_vec(), 10), (self.attribute(), 3)];
                self.script.lines.push(Line::Xattrs {
                    path: names,
                    entries,
                });
            }
            _ => {
                let (mode, size) = (self.mode(), self.choices.below(20_000) as u64);
                let group = self.choices.below(3) as u64;
                let state = self.state(FileKind::File, &path);
                (state.mode, state.size, state.group) = (mode, size, group);
            }
        }
    }

    /// States that no file system is ever in.
    fn contradiction(&mut self) {
        let path = self.choices.pick(&self.paths);
        let odd: &[&[u8]] = &[b"..", b".", b"", b"a/b", b"/", b"../../outside", b"a\0b"];
        let mut below = names(&path);
        below.push(if self.choices.chance(50) {
            self.choices.pick(odd).to_vec()
        } else {
            self.name().into()
        });
        let kinds = [
            FileKind::File,
            FileKind::Symlink,
            FileKind::Directory,
            FileKind::Unknown,
            FileKind::CharDevice,
            FileKind::Absent,
        ];
        for path in [names(&path), below] {
            let mut state = State::new(self.choices.pick(&kinds), path);
            state.target = Some(self.target());
            state.group = self.choices.below(3) as u64;
            self.script.lines.push(Line::State(state));
        }
    }

    fn inherited(&mut self) {
        let target = self.path();
        let fd = self.fd();
        let line = Line::Fd(Inherited {
            task: 0,
            fd,
            target,
            kind: self.choices.pick(&[FileKind::Directory, FileKind::File]),
            flags: self.open_flags() as u32,
            offset: self.choices.below(100) as u64,
        });
        self.script.lines.push(line);
    }

    /// One line more.
    fn step(&mut self) {
        match self.choices.below(100) {
            0..15 => self.wild(),
            15..24 => self.newer(),
            24..32 => self.rename(),
            32..44 => self.climbing_link(),
            44..64 => self.through_a_link(),
            64..76 => self.open_directory(),
            76..84 => self.change_directory(),
            84..92 => self.name_call(),
            92..94 => self.task(),
            94..96 => self.entry(),
            96 => self.script.lines.push(Line::Flush),
            97 => {
                let task = self.a_task();
                self.script.lines.push(Line::Exit { task });
            }
            _ => self.descriptor_call(),
        }
    }

    fn a_task(&mut self) -> u32 {
        self.choices.below(self.tasks.max(1) as usize) as u32
    }

    /// Adds a call by any task. Its outcome is success so many times in a hundred.
    fn call(&mut self, call: Call, success: usize, args: Vec<(ArgKind, Arg)>) {
        let task = self.a_task();
        let result = self.outcome(call, success);
        let mut calls = Calls::new(task, call, result);
        for (kind, arg) in args {
            calls = calls.with(kind, arg);
        }
        if self.choices.chance(15) {
            calls.times.back = 150;
            calls.times.overlapped = self.choices.below(4) as u32;
        }
        self.script.lines.push(Line::Call(calls));
    }

    /// Any call with any arguments.
    fn wild(&mut self) {
        let row = &TABLE[self.choices.below(TABLE.len())];
        let mut args = Vec::new();
        for (kind, _) in row.args {
            args.push((*kind, self.argument(row.op, *kind)));
        }
        self.call(row.call, 60, args);
    }

    fn rename(&mut self) {
        let (from, to) = (self.known(), self.known());
        let exchange = self.choices.chance(25);
        let flags = if exchange {
            2
        } else {
            self.choices.below(4) as u64
        };
        let args = vec![
            (ArgKind::Path, text(&from)),
            (ArgKind::NewPath, text(&to)),
            (ArgKind::Flags, Arg::Number(flags)),
        ];
        let calls = [Call::rename, Call::renameat2];
        let call = if exchange {
            Call::renameat2
        } else {
            self.choices.pick(&calls)
        };
        self.call(call, 50, args);
    }

    fn climbing_link(&mut self) {
        let target = Arg::Text(self.target());
        let (call, mut args) = self.at(Call::symlink, Call::symlinkat, true);
        args.push((ArgKind::Target, target));
        self.call(call, 80, args);
    }

    /// A call on what a link may lead to.
    fn through_a_link(&mut self) {
        const CALLS: &[(Call, Call)] = &[
            (Call::chmod, Call::fchmodat),
            (Call::chown, Call::fchownat),
            (Call::unlink, Call::unlinkat),
            (Call::open, Call::openat),
            (Call::mkdir, Call::mkdirat),
            (Call::truncate, Call::truncate),
            (Call::setxattr, Call::setxattr),
            (Call::removexattr, Call::removexattr),
            (Call::utime, Call::utimensat),
            (Call::rename, Call::renameat),
            (Call::link, Call::linkat),
            (Call::mknod, Call::mknodat),
            (Call::rmdir, Call::unlinkat),
            (Call::chdir, Call::chdir),
            (Call::open, Call::openat2),
            (Call::getxattr, Call::listxattr),
            (Call::statfs, Call::inotify_add_watch),
            (Call::execve, Call::execveat),
            (Call::readlink, Call::readlinkat),
        ];
        let (plain, relative) = self.choices.pick(CALLS);
        let call = if self.choices.chance(50) {
            plain
        } else {
            relative
        };
        let (through, tail) = (self.link_path(), self.tail());
        let path = Arg::Text([through.as_bytes(), b"/", &tail].concat());
        let mut args = Vec::new();
        for (kind, _) in call.row().args {
            let arg = match kind {
                ArgKind::Path | ArgKind::NewPath => path.clone(),
                kind => self.argument(call.row().op, *kind),
            };
            args.push((*kind, arg));
        }
        self.call(call, 70, args);
    }

    fn open_directory(&mut self) {
        let (call, mut args) = self.at(Call::open, Call::openat, false);
        let flags = [0x10000, 0o10200000, 0, 0x30000];
        args.push((ArgKind::Flags, Arg::Number(self.choices.pick(&flags))));
        self.call(call, 85, args);
    }

    fn change_directory(&mut self) {
        if self.choices.chance(30) {
            let fd = Arg::Number(self.fd() as u64);
            return self.call(Call::fchdir, 80, vec![(ArgKind::Fd, fd)]);
        }
        let path = Arg::Text(self.path());
        self.call(Call::chdir, 80, vec![(ArgKind::Path, path)]);
    }

    fn name_call(&mut self) {
        let calls = [
            (Call::mkdir, Call::mkdirat),
            (Call::unlink, Call::unlinkat),
            (Call::rmdir, Call::unlinkat),
            (Call::link, Call::linkat),
            (Call::mknod, Call::mknodat),
            (Call::open, Call::openat),
        ];
        let (plain, relative) = self.choices.pick(&calls);
        let call = if self.choices.chance(60) {
            plain
        } else {
            relative
        };
        let mut args = Vec::new();
        for (kind, _) in call.row().args {
            let arg = match kind {
                ArgKind::Path | ArgKind::NewPath => text(&self.known()),
                kind => self.argument(call.row().op, *kind),
            };
            args.push((*kind, arg));
        }
        self.call(call, 60, args);
    }

    fn descriptor_call(&mut self) {
        let calls = [
            Call::dup2,
            Call::dup3,
            Call::close,
            Call::fchmod,
            Call::fchown,
            Call::write,
            Call::ftruncate,
            Call::pipe2,
            Call::fsetxattr,
            Call::close_range,
        ];
        let call = self.choices.pick(&calls);
        let mut args = Vec::new();
        for (kind, _) in call.row().args {
            args.push((*kind, self.argument(call.row().op, *kind)));
        }
        self.call(call, 80, args);
    }

    /// A call on one path in its plain form, or relative to a descriptor; the path argument, too.
    fn at(&mut self, plain: Call, relative: Call, new: bool) -> (Call, Vec<(ArgKind, Arg)>) {
        let path = if new { self.new_path() } else { self.known() };
        let (fd, kind) = if new {
            (ArgKind::NewDirFd, ArgKind::NewPath)
        } else {
            (ArgKind::DirFd, ArgKind::Path)
        };
        if new {
            self.links.push(path.clone());
        }
        if self.choices.chance(50) {
            return (plain, vec![(kind, text(&path))]);
        }
        let number = Arg::Number(self.fd() as u64);
        let last = path.rsplit('/').next().unwrap_or("a").to_owned();
        (relative, vec![(fd, number), (kind, text(&last))])
    }
}

/// The names of an absolute path.
fn names(path: &str) -> Names {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.map(|name| name.as_bytes().to_vec()).collect()
}

fn text(path: &str) -> Arg {
    Arg::Text(path.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_survives_being_written_and_read() {
        for seed in 0..2000 {
            let script = generate(seed);
            let written = script.to_string();
            let read: Script = written.parse().expect(&written);
            assert_eq!(read, script, "seed {seed}");
        }
    }

    #[test]
    fn every_call_of_the_table_is_made() {
        let mut missing: Vec<Call> = Call::all().collect();
        for seed in 0..20_000 {
            for line in generate(seed).lines {
                if let Line::Call(calls) = line {
                    missing.retain(|call| *call != calls.call);
                }
            }
            if missing.is_empty() {
                return;
            }
        }
        panic!("never made: {missing:?}");
    }
}
