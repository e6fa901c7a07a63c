//! Calls that make FIFOs, sockets, and what stands in for devices.

use fsreplay_trace::call::{ArgKind, Call};

use super::super::land::tree::Kind;
use super::super::paths::Hint;
use super::super::{Class, Cx, Draft, Planner};
use super::creation_hint;
use crate::plan::Action;

const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;
const S_IFREG: u32 = 0o100_000;
const S_IFSOCK: u32 = 0o140_000;

impl Planner {
    /// `mknod`, and `bind` of a Unix socket to a name, which makes it by the same steps in the
    /// kernel (`unix_bind_bsd`): a node without a socket behind it needs no descriptor, and its
    /// path may be longer than the 108 bytes of an address.
    pub(super) fn make_node(&mut self, cx: &Cx) -> Draft {
        let binds = cx.event.call == Call::bind;
        if binds && cx.string(ArgKind::Path).is_none() {
            return Draft::nothing(cx, Class::Other); // an address outside of the tree
        }
        let hint = match cx.event.errno() {
            Some(libc::EADDRINUSE) if binds => Hint::Exists(Kind::Unknown),
            // Refused for the socket, not for the name.
            Some(libc::EINVAL | libc::EBADF | libc::ENOTSOCK) if binds => {
                return Draft::nothing(cx, Class::Other);
            }
            _ => creation_hint(cx),
        };
        let mut reached = match self.reach(cx, hint) {
            Ok(reached) => reached,
            Err(draft) => return draft,
        };
        let asked = cx.number(ArgKind::Mode) as u32;
        let (kind, made) = match asked & S_IFMT {
            S_IFIFO => (S_IFIFO, Kind::Fifo),
            S_IFSOCK => (S_IFSOCK, Kind::Socket),
            0 | S_IFREG => (S_IFREG, Kind::File),
            _ => (S_IFREG, Kind::Device),
        };
        if made == Kind::Device {
            self.tally.note("device nodes that become files");
        }
        let umask = self.holdings.procs.fs(cx.task).umask;
        let action = Action::MakeNode {
            at: reached.at,
            mode: kind | (asked & 0o7777 & !umask),
        };
        let mount = self.land.tree.mount_of(reached.walked.dir);
        if cx.ok() {
            self.land.create(&mut self.uses, &mut reached.walked, made);
        } else {
            reached.walked.failed(&mut self.uses);
        }
        let mut draft = Draft::issue(cx, action).mount(mount);
        if cx.event.errno() == Some(libc::EADDRINUSE) {
            draft.expected = -i64::from(libc::EEXIST); // as mknod(2) says it
        }
        draft
    }
}
