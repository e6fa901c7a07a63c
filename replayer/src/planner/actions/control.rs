//! `fcntl`, `flock` and `ioctl`.

use fsreplay_trace::abi;
use fsreplay_trace::call::ArgKind;

use super::super::land::tree::FLAGGED;
use super::super::locking::carriers::issued_start;
use super::super::order::Side;
use super::super::{Class, Cx, Draft, Planner};
use super::File;
use crate::plan::{Action, Check};

const F_DUPFD: u64 = abi::F_DUPFD as u64;
const F_DUPFD_CLOEXEC: u64 = abi::F_DUPFD_CLOEXEC as u64;
const F_SETFD: u64 = abi::F_SETFD as u64;
const F_GETFD: u64 = 1;
const F_GETFL: u64 = 3;
const F_SETFL: u64 = 4;
const F_GETLK: u64 = 5;
const F_SETLKW: u64 = 7;
const F_OFD_GETLK: u64 = 36;
const F_OFD_SETLKW: u64 = 38;
const FD_CLOEXEC: u64 = 1;

pub(super) const FICLONE: u64 = abi::FICLONE as u64;
pub(super) const FICLONERANGE: u64 = abi::FICLONERANGE as u64;
const FIOCLEX: u64 = 0x5451;
const FIONCLEX: u64 = 0x5450;
/// Questions that file systems answer or refuse by themselves: `FS_IOC_GETFLAGS`,
/// `FS_IOC_FSGETXATTR`, `FS_IOC_GETVERSION`, `TCGETS`, `TIOCGWINSZ`, `FIONREAD`, `FIGETBSZ`,
/// `BTRFS_IOC_INO_LOOKUP`-free by design.
const ISSUED: &[u64] = &[
    0x8008_6601,
    0x801c_581f,
    0x8008_7601,
    TCGETS,
    0x5413,
    0x541b,
    2,
    SET_FLAGS,
];
/// Of a terminal, for its settings.
const TCGETS: u64 = 0x5401;
/// `FS_IOC_SETFLAGS`.
const SET_FLAGS: u64 = abi::FS_IOC_SETFLAGS as u64;

impl Planner {
    pub(super) fn fcntl(&mut self, cx: &Cx) -> Draft {
        let command = cx.number(ArgKind::Command);
        match command {
            F_DUPFD => return self.duplicate(cx, cx.event.result, false),
            F_DUPFD_CLOEXEC => return self.duplicate(cx, cx.event.result, true),
            F_SETFD => {
                let cloexec = cx.number(ArgKind::Argument) & FD_CLOEXEC != 0;
                self.holdings.set_cloexec(cx, cloexec);
            }
            _ => {}
        }
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        match command {
            F_GETFD | F_SETFD | F_GETFL | F_SETFL => self.descriptor_flags(cx, &file, command),
            F_GETLK..=F_SETLKW | F_OFD_GETLK..=F_OFD_SETLKW => self.lock(cx, &file, command),
            _ => {
                self.tally.note("fcntl commands that are not issued");
                Draft::nothing(cx, Class::Other)
            }
        }
    }

    fn descriptor_flags(&mut self, cx: &Cx, file: &File, command: u64) -> Draft {
        let argument = match command {
            F_SETFL => {
                let recorded = cx.number(ArgKind::Argument) as u32;
                if cx.ok() && file.handle != super::NONE {
                    let description = self.holdings.fds.description_mut(file.handle);
                    description.flags =
                        description.flags & !abi::O_APPEND | recorded & abi::O_APPEND;
                }
                u64::from(self.setting.dialect.translate(recorded))
            }
            F_SETFD => cx.number(ArgKind::Argument),
            _ => 0,
        };
        let action = Action::Fcntl {
            fd: file.slot,
            command: command as i32,
            argument,
        };
        // The flags read back depend on the kernel and on the replay's own close-on-exec.
        let check = match command {
            F_GETFD | F_GETFL => Check::Success,
            _ => Check::Exact,
        };
        Draft::issue(cx, action).check(check).mount(file.mount)
    }

    fn lock(&mut self, cx: &Cx, file: &File, command: u64) -> Draft {
        self.uses.inode(file.ino, Side::Write);
        let (whence, start) = issued_start(cx, file, &self.holdings.fds, &self.land.tree);
        let fd = self.issued_on(cx, file);
        if !self.lock_called(cx) {
            return Draft::nothing(cx, Class::Other);
        }
        let action = Action::Lock {
            fd,
            command: command as i32,
            kind: cx.number(ArgKind::Argument) as i16,
            whence: whence as i16,
            start,
            length: cx.signed(ArgKind::LockLength),
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    pub(super) fn flock(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.inode(file.ino, Side::Write);
        if !self.lock_called(cx) {
            return Draft::nothing(cx, Class::Other);
        }
        let action = Action::Flock {
            fd: file.slot,
            operation: cx.number(ArgKind::Command) as i32,
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    pub(super) fn ioctl(&mut self, cx: &Cx) -> Draft {
        let command = cx.number(ArgKind::Command) & 0xffff_ffff;
        let cloexec = match command {
            FIOCLEX => Some(true),
            FIONCLEX => Some(false),
            _ => None,
        };
        if let Some(cloexec) = cloexec {
            self.holdings.set_cloexec(cx, cloexec);
        }
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        match command {
            // Refused before the kernel looks at the command, so a question does as well.
            FIOCLEX | FIONCLEX if self.holdings.fds.only_names(&file) => {
                let action = Action::Ioctl {
                    fd: file.slot,
                    command: TCGETS,
                    argument: 0,
                };
                Draft::issue(cx, action).mount(file.mount)
            }
            // It is the replay's own matter what of it is closed by exec; `fcntl` does the same.
            FIOCLEX | FIONCLEX => {
                let action = Action::Fcntl {
                    fd: file.slot,
                    command: F_SETFD as i32,
                    argument: u64::from(command == FIOCLEX),
                };
                Draft::issue(cx, action).mount(file.mount)
            }
            FICLONE | FICLONERANGE => self.clone_file(cx, &file, command),
            _ if ISSUED.contains(&command) => {
                self.uses.inode(file.ino, Side::Read);
                if command == SET_FLAGS && cx.ok() && file.ino != super::NONE {
                    self.land.tree.inode_mut(file.ino).flags |= FLAGGED;
                }
                let action = Action::Ioctl {
                    fd: file.slot,
                    command,
                    argument: 0,
                };
                Draft::issue(cx, action).mount(file.mount)
            }
            _ => {
                self.tally.note("ioctl commands that are not issued");
                Draft::nothing(cx, Class::Other)
            }
        }
    }

    fn clone_file(&mut self, cx: &Cx, file: &File, command: u64) -> Draft {
        let source = match self.file(cx, ArgKind::FdIn) {
            Ok(source) => source,
            Err(draft) => return draft,
        };
        self.uses.inode(source.ino, Side::Read);
        self.land.mark_read(source.ino);
        let action = if command == FICLONE {
            Action::Clone {
                fd: file.slot,
                source: source.slot,
            }
        } else {
            Action::CloneRange {
                fd: file.slot,
                source: source.slot,
                source_offset: cx.number(ArgKind::OffsetIn),
                length: cx.number(ArgKind::Length),
                offset: cx.number(ArgKind::OffsetOut),
            }
        };
        self.uses.inode(file.ino, Side::Write);
        if cx.ok() && source.ino != super::NONE {
            let size = self.land.tree.inode(source.ino).size;
            let (offset, length) = match command {
                FICLONE => (0, size),
                _ => {
                    let length = cx.number(ArgKind::Length);
                    let rest = size.saturating_sub(cx.number(ArgKind::OffsetIn));
                    let length = if length == 0 { rest } else { length };
                    (cx.number(ArgKind::OffsetOut), length)
                }
            };
            self.land
                .room
                .written(&mut self.land.tree, file.ino, offset, length);
        }
        if command == FICLONE && !cx.ok() {
            self.holdings
                .fds
                .clone_failed(cx, &source, file, &self.order, &mut self.land.tree);
        }
        Draft::issue(cx, action).mount(file.mount)
    }
}
