//! Calls that look at names and metadata and change neither.

use fsreplay_trace::abi::{AT_EMPTY_PATH, AT_FDCWD};
use fsreplay_trace::call::{ArgKind, Call};

use super::super::land::tree::{Kind, NONE};
use super::super::order::Side;
use super::super::paths::Reached;
use super::super::{Cx, Draft, Planner, Resource};
use super::lookup_hint;
use crate::plan::{Action, At, Check};

impl Planner {
    /// A call that looks at what a path leads to.
    pub(crate) fn look<'t>(
        &mut self,
        cx: &Cx<'t>,
        kind: Kind,
    ) -> Result<(Reached<'t>, u16), Draft> {
        let reached = self.reach(cx, lookup_hint(cx, kind))?;
        reached.walked.failed(&mut self.uses);
        let mount = self.land.tree.mount_at(&reached.walked);
        Ok((reached, mount))
    }

    fn path_or_self(&mut self, cx: &Cx, bits: u32, kind: Kind) -> Result<(At, u16), Draft> {
        if cx.is_empty_path(bits) {
            let file = self.empty_path(cx)?;
            self.uses.inode(file.ino, Side::Read);
            let at = At {
                dir: file.slot,
                path: super::super::TextBuilder::EMPTY,
            };
            return Ok((at, file.mount));
        }
        let (reached, mount) = self.look(cx, kind)?;
        Ok((reached.at, mount))
    }

    pub(super) fn stat(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        let (at, mount) = match self.path_or_self(cx, bits, Kind::Unknown) {
            Ok(found) => found,
            Err(draft) => return draft,
        };
        let flags = bits as i32;
        let action = match cx.event.call {
            Call::statx => Action::Statx {
                at,
                flags,
                mask: cx.number(ArgKind::Mask) as u32,
            },
            _ => Action::Stat { at, flags },
        };
        Draft::issue(cx, action).mount(mount)
    }

    pub(super) fn access(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        match self.path_or_self(cx, bits, Kind::Unknown) {
            Ok((at, mount)) => {
                let action = Action::Access {
                    at,
                    mode: cx.number(ArgKind::Mode) as i32,
                    flags: bits as i32,
                };
                Draft::issue(cx, action).mount(mount)
            }
            Err(draft) => draft,
        }
    }

    pub(super) fn read_link(&mut self, cx: &Cx) -> Draft {
        let path = cx.string(ArgKind::Path);
        let itself = path.is_some_and(|path| cx.tables.string(path).is_empty())
            && cx.event.fd(ArgKind::DirFd).is_some();
        let bits = if itself { AT_EMPTY_PATH } else { 0 };
        let found = if itself {
            self.path_or_self(cx, bits, Kind::Link)
                .map(|(at, mount)| (at, mount, None))
        } else {
            self.look(cx, Kind::Link)
                .map(|(reached, mount)| (reached.at, mount, reached.found()))
        };
        let (at, mount, ino) = match found {
            Ok(found) => found,
            Err(draft) => return draft,
        };
        if let Some(ino) = ino
            && self.land.tree.inode(ino).kind == Kind::Link
            && cx.ok()
        {
            let text = self.land.tree.inode(ino).extra;
            if text != NONE {
                let text = cx.tables.string(fsreplay_trace::model::StringId(text));
                let place = self.order.next(cx.lane);
                self.paths.links.read(text, ino, place);
            }
        }
        let action = Action::ReadLink {
            at,
            length: cx.number(ArgKind::Length),
            target_root: None,
        };
        Draft::issue(cx, action).mount(mount)
    }

    pub(super) fn list_directory(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        let length = cx.number(ArgKind::Length);
        self.tally.transfer(length);
        self.uses.offset(file.description);
        let mut listing = 0;
        if file.handle != NONE {
            if self.holdings.fds.description(file.handle).listing == NONE {
                let number = self.tally.begin_listing();
                self.holdings.fds.description_mut(file.handle).listing = number;
            }
            listing = self.holdings.fds.description(file.handle).listing;
            if file.ino != NONE {
                self.uses.add(Resource::Members(file.ino), Side::Read);
            }
        }
        let action = Action::ListDirectory {
            fd: file.slot,
            length,
            listing,
            to_end: cx.event.result == 0 && length > 0,
        };
        let (mut outlook, sequence) = self.outlook();
        let changes = cx.ok() && outlook.changes_meanwhile(sequence, cx, file.ino);
        let check = if !cx.ok() {
            Check::Exact
        } else if changes {
            // Which of the names it caught is chance.
            Check::Success
        } else {
            Check::Listing
        };
        Draft::issue(cx, action).check(check).mount(file.mount)
    }

    pub(super) fn get_attributes(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        // A working directory is open as O_PATH in the replay, which the call refuses without a
        // name.
        let asks_by_name = cx.is_empty_path(bits) && cx.event.fd(ArgKind::DirFd) == Some(AT_FDCWD);
        match self.path_or_self(cx, bits, Kind::Unknown) {
            Ok((mut at, mount)) => {
                if asks_by_name {
                    at.path = super::super::TextBuilder::DOT;
                }
                let action = Action::GetAttributes {
                    at,
                    length: cx.number(ArgKind::Length),
                    flags: bits as i32,
                };
                Draft::issue(cx, action).mount(mount)
            }
            Err(draft) => draft,
        }
    }

    pub(super) fn stat_fs(&mut self, cx: &Cx) -> Draft {
        match self.look(cx, Kind::Unknown) {
            Ok((reached, mount)) => {
                Draft::issue(cx, Action::StatFs { at: reached.at }).mount(mount)
            }
            Err(draft) => draft,
        }
    }

    /// `fstat` and `fstatfs`.
    pub(super) fn fd_stat(&mut self, cx: &Cx) -> Draft {
        let file = match self.file(cx, ArgKind::Fd) {
            Ok(file) => file,
            Err(draft) => return draft,
        };
        self.uses.inode(file.ino, Side::Read);
        let action = match cx.event.call {
            Call::fstatfs => Action::FdStatFs { fd: file.slot },
            _ => Action::FdStat { fd: file.slot },
        };
        Draft::issue(cx, action).mount(file.mount)
    }

    pub(super) fn watch(&mut self, cx: &Cx) -> Draft {
        let mask = cx.number(ArgKind::Mask);
        match self.look(cx, Kind::Unknown) {
            Ok((reached, mount)) => {
                let action = Action::Watch {
                    at: reached.at,
                    mask: mask as u32,
                };
                Draft::issue(cx, action).check(Check::Success).mount(mount)
            }
            Err(draft) => draft,
        }
    }

    pub(super) fn name_to_handle(&mut self, cx: &Cx) -> Draft {
        let bits = cx.flags();
        match self.path_or_self(cx, bits, Kind::Unknown) {
            Ok((at, mount)) => {
                let action = Action::NameToHandle {
                    at,
                    flags: bits as i32,
                };
                // The first call of the usual two asks for the size with too small a buffer.
                let check = match cx.event.errno() {
                    Some(libc::EOVERFLOW) => Check::Nothing,
                    _ => Check::Success,
                };
                Draft::issue(cx, action).check(check).mount(mount)
            }
            Err(draft) => draft,
        }
    }
}
