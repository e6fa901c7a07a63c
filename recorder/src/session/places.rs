//! Where the tool sees the tree from: directories behind descriptors, roots, mount namespaces, and
//! what it mounts.
//!
//! A task in a mount namespace of its own is looked at through its root. There is one tree
//! in a trace: where two tasks see different things under one name, the first one seen counts.

use fsreplay_trace::abi::MS_ONLY_FLAGS;
use fsreplay_trace::call::{ArgKind, Call, Closes, Op};
use fsreplay_trace::model::{FileKind, NodeId};

use super::Session;
use super::task::{InCall, Task};
use super::world::Link;

const OWN_NAMESPACE: &str = "the tool used mount namespaces of its own: what it mounted there is \
    not in the mount table, and states are as the first task that came by saw them";

impl Session {
    pub(super) fn changed_root(&mut self, task: &Task) {
        let node = self.node_of_link(task, Link::Root);
        let mut place = task.place.borrow_mut();
        place.cwd = None;
        match node {
            Some(node) => place.root = node,
            None => place.foreign = true,
        }
        self.warnings
            .insert("the tool used chroot: paths after it are below the new root".to_owned());
    }

    pub(super) fn unshared(&mut self, task: &mut Task, call: &InCall) {
        let flags = call.registers[0];
        task.unshare(flags);
        self.made_namespace(task, flags);
    }

    /// A task begins, or goes on, with these `CLONE_*` flags: it may see other mounts from now on.
    pub(super) fn made_namespace(&mut self, task: &Task, flags: u64) {
        if flags & libc::CLONE_NEWNS as u64 != 0 {
            task.place.borrow_mut().foreign = true;
            self.warnings.insert(OWN_NAMESPACE.to_owned());
        }
    }

    /// A call that is no event has returned: one that may enter namespaces.
    pub(super) fn counted(&mut self, task: &Task, result: i64) {
        if result >= 0 {
            self.entered_namespaces(task);
        }
    }

    /// Descriptors that lead elsewhere now.
    pub(super) fn forget_descriptors(&mut self, task: &Task, call: &InCall, result: i64) {
        let row = call.call.row();
        let mut directories = task.directories.borrow_mut();
        if directories.is_empty() {
            return;
        }
        match row.closes {
            // Even a failed close closes.
            Closes::This => {
                directories.remove(&(call.args[0] as i32));
            }
            Closes::Range => directories.clear(),
            // What is replaced is among those that are returned.
            Closes::Replaced | Closes::Nothing => {}
        }
        let onto_itself = row.op == Op::DupTo && i64::from(call.args[0] as i32) == result;
        for fd in row.returned(&call.args, result).into_iter().flatten() {
            if !onto_itself {
                directories.remove(&fd);
            }
        }
    }

    /// Which directory a new descriptor leads to, or the task works in, without asking /proc: where
    /// a path is longer than the kernel takes, /proc has no answer.
    pub(super) fn learn_directory(&mut self, task: &Task, call: &InCall, result: i64) {
        let row = call.call.row();
        let moves = self.states.moves();
        let value = |kind| row.position(kind).map(|position| call.args[position]);
        let found = call.found[0]
            .filter(|found| found.kind == FileKind::Directory && call.moves == moves)
            .map(|found| (found.node, moves));
        if call.call == Call::openat2 {
            // Its way may be restricted. The task stands still at its exit.
            let node = self.node_of_link(task, Link::Descriptor(result as i32));
            let kind = |node: &NodeId| self.states.kind(&self.trace, *node);
            if let Some(node) = node.filter(|node| kind(node) == Some(FileKind::Directory)) {
                task.directories
                    .borrow_mut()
                    .insert(result as i32, (node, moves));
            }
            return;
        }
        let mut directories = task.directories.borrow_mut();
        let fd = call.args[0] as i32;
        match row.op {
            // O_TMPFILE makes a file.
            Op::Open => {
                let flags = value(ArgKind::Flags).unwrap_or(0) as i32;
                let file = flags & libc::O_TMPFILE == libc::O_TMPFILE;
                if let Some(found) = found.filter(|_| !file) {
                    directories.insert(result as i32, found);
                }
            }
            Op::Dup | Op::DupTo => {
                if let Some(kept) = directories.get(&fd).copied() {
                    directories.insert(result as i32, kept);
                }
            }
            Op::Fcntl if duplicates(call.registers[1]) => {
                if let Some(kept) = directories.get(&fd).copied() {
                    directories.insert(result as i32, kept);
                }
            }
            Op::ChangeDir => task.place.borrow_mut().cwd = found,
            Op::FdChangeDir => {
                task.place.borrow_mut().cwd = directories.get(&fd).copied();
            }
            _ => {}
        }
    }

    /// Something has come to lie elsewhere, or was taken away.
    pub(super) fn changed_mounts(&mut self, call: &InCall) {
        let row = call.call.row();
        let only_flags = row.op == Op::Mount && row.flags(&call.args) & MS_ONLY_FLAGS != 0;
        // What another root, or what was moved from somewhere, leaves behind isn't known.
        let all = matches!(row.op, Op::MoveMount | Op::PivotRoot).then_some(NodeId::ROOT);
        let below = all.or_else(|| call.found[0].map(|found| found.node));
        if let Some(below) = below.filter(|_| !only_flags) {
            self.mounted(below);
        }
    }

    /// Something was mounted there, or taken away: what is below is another tree.
    fn mounted(&mut self, below: NodeId) {
        self.states.forget(below);
    }

    /// A task entered namespaces, of mounts perhaps.
    fn entered_namespaces(&mut self, task: &Task) {
        let foreign = self.world.has_own_mounts(task.tid);
        let mut place = task.place.borrow_mut();
        if !foreign && !place.foreign {
            return;
        }
        place.foreign = foreign;
        place.cwd = None;
        place.root = NodeId::ROOT;
        task.directories.borrow_mut().clear();
        self.states.forget(NodeId::ROOT);
        self.warnings.insert(OWN_NAMESPACE.to_owned());
    }
}

/// Whether a command of `fcntl` makes another descriptor.
fn duplicates(command: u64) -> bool {
    matches!(command as i32, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC)
}
