//! Records that are no calls: states of paths, listings, attributes, tasks, inherited descriptors.

use fsreplay_trace::call::Call;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    FdState, FileKind, Listing, NodeId, PathState, TaskExit, TaskId, TaskStart, Xattrs,
};

use super::areas;
use super::fds::{Entry, What};
use super::initial::kind_of;
use super::order::Place;
use super::processes::{CLONE_FILES, CLONE_FS};
use super::tree::{EXISTED, Kind, MAX_DEPTH, NONE, PHANTOM, PSEUDO, ROOT, SKIPPED};
use super::{PlanError, Planner, Resource, flags};
use crate::plan::{Action, At, InitialFd, Slot};

/// The directories that nodes' parents were last found to be.
pub(crate) struct NodeCache {
    /// Parent node, generation of the tree, inode.
    known: Vec<(u32, u32, u32)>,
}

impl Default for NodeCache {
    fn default() -> NodeCache {
        NodeCache {
            known: vec![(NONE, 0, NONE); 4096],
        }
    }
}

impl Planner {
    /// The directory inode that a node's parent is now; `None` if it isn't a directory of the replayed tree.
    fn directory_of(&mut self, node: NodeId, tables: &Tables) -> Option<u32> {
        if node.0 as usize >= tables.node_count() || !areas::is_name(tables.name(node)) {
            return None;
        }
        let parent = tables.parent(node).0;
        let place = (parent % 4096) as usize;
        let (known, generation, dir) = self.nodes.known[place];
        if known == parent && generation == self.tree.generation {
            return Some(dir);
        }
        let dir = self.find_directory(node, tables)?;
        self.nodes.known[place] = (parent, self.tree.generation, dir);
        Some(dir)
    }

    fn find_directory(&mut self, node: NodeId, tables: &Tables) -> Option<u32> {
        let mut chain = Vec::new();
        let mut at = node;
        while at != NodeId::ROOT {
            if chain.len() > MAX_DEPTH || at.0 as usize >= tables.node_count() {
                return None;
            }
            chain.push(at);
            at = tables.parent(at);
        }
        if !chain.iter().all(|node| areas::is_name(tables.name(*node))) {
            return None;
        }
        let mut dir = ROOT;
        for node in chain.into_iter().skip(1).rev() {
            let inode = self.tree.inode(dir);
            if inode.flags & SKIPPED != 0 {
                return None;
            }
            let known = self.tree.names.find(tables.name(node));
            let dent = known.and_then(|name| self.tree.find(dir, name));
            let ino = dent.map_or(NONE, |dent| self.tree.dent(dent).ino);
            dir = if ino != NONE {
                ino
            } else {
                self.infer_directory(dir, dent, tables.name(node))?
            };
            if self.tree.inode(dir).kind == Kind::Unknown {
                self.initial.set_kind(&mut self.tree, dir, Kind::Directory);
            }
        }
        (self.tree.inode(dir).kind == Kind::Directory).then_some(dir)
    }

    /// A state below a directory of which no record told.
    fn infer_directory(&mut self, dir: u32, dent: Option<u32>, name: &[u8]) -> Option<u32> {
        let above = self.tree.inode(dir);
        let outside = above.flags & EXISTED == 0 || above.flags & PSEUDO != 0;
        if dent.is_some() || outside || above.kind != Kind::Directory {
            return None;
        }
        let mount = above.mount;
        let name = self.tree.names.intern(name);
        let dent = self.tree.entry(dir, name);
        let ino = self.tree.add_inode(Kind::Directory, EXISTED, mount);
        self.tree.attach(dent, ino);
        self.initial.add(&mut self.tree, dent, ino);
        self.notes.add("directories without a recorded state");
        Some(ino)
    }

    pub(crate) fn path_state(&mut self, state: &PathState, tables: &Tables) {
        if state.kind == FileKind::Absent {
            return;
        }
        if state.kind == FileKind::Unknown {
            self.notes.add("paths that the recorder could not look at");
            return;
        }
        if state.node == NodeId::ROOT {
            self.state_of(ROOT, state);
            return;
        }
        let Some(dir) = self.directory_of(state.node, tables) else {
            return;
        };
        let area = self.tree.inode(dir).flags & (PSEUDO | SKIPPED);
        if area & SKIPPED != 0 {
            return;
        }
        let name = self.tree.names.intern(tables.name(state.node));
        let known = self.tree.find(dir, name);
        let ino = known.map_or(NONE, |dent| self.tree.dent(dent).ino);
        if ino != NONE {
            self.state_of(ino, state);
            return;
        }
        if area & PSEUDO != 0 {
            return;
        }
        let existed = known.is_none() && self.tree.inode(dir).flags & EXISTED != 0;
        if !existed {
            self.rumour(dir, name, state);
            return;
        }
        let dent = self.tree.entry(dir, name);
        self.add_state(dent, dir, state);
    }

    /// A name that existed before the recording, with what is known about it.
    fn add_state(&mut self, dent: u32, dir: u32, state: &PathState) {
        let group = state.metadata.map_or(0, |metadata| metadata.link_group);
        let linked = if group == 0 {
            None
        } else {
            self.groups.get(&group).copied()
        };
        if let Some(ino) = linked
            && self.tree.inode(ino).initial != NONE
            && self.tree.inode(ino).kind == kind_of(state.kind)
        {
            let first = self.tree.inode(ino).dent;
            self.tree.attach(dent, ino);
            if first != NONE {
                self.tree.inode_mut(ino).dent = first;
            }
            self.initial.add(&mut self.tree, dent, ino);
            return;
        }
        let mount = self.tree.inode(dir).mount;
        let ino = self.tree.add_inode(kind_of(state.kind), EXISTED, mount);
        self.tree.attach(dent, ino);
        self.initial.add(&mut self.tree, dent, ino);
        if group != 0 {
            self.groups.insert(group, ino);
        }
        self.state_of(ino, state);
    }

    /// A state of something that the model knows by name.
    fn state_of(&mut self, ino: u32, state: &PathState) {
        let Some(metadata) = &state.metadata else {
            return;
        };
        let inode = self.tree.inode(ino);
        if inode.flags & SKIPPED != 0 || inode.flags & EXISTED == 0 {
            return;
        }
        if inode.flags & PSEUDO == 0 && inode.initial == NONE && (ino == ROOT || inode.dent != NONE)
        {
            // A mount point or the like, of which only the name was known.
            if ino == ROOT {
                self.initial.add_root(&mut self.tree);
            } else {
                let dent = inode.dent;
                self.initial.add(&mut self.tree, dent, ino);
            }
        }
        if self.initial.is_open(&self.tree, ino) {
            if metadata.mount < u32::from(u16::MAX) {
                self.tree.inode_mut(ino).mount = metadata.mount as u16;
            }
            let was_directory = self.tree.inode(ino).kind == Kind::Directory;
            let kind = kind_of(state.kind);
            if was_directory && kind != Kind::Directory {
                self.notes.add("states that contradict earlier ones");
                return;
            }
            self.initial.observe(&mut self.tree, ino, kind, metadata);
            if metadata.link_group != 0 {
                self.groups.insert(metadata.link_group, ino);
            }
        }
    }

    /// A state of a name of which the model knows that it was not there: its making has not returned yet, or it came from
    /// outside.
    fn rumour(&mut self, dir: u32, name: u32, state: &PathState) {
        let dent = self.tree.entry(dir, name);
        let mount = self.tree.inode(dir).mount;
        let ino = self.tree.add_inode(kind_of(state.kind), PHANTOM, mount);
        if let Some(metadata) = &state.metadata {
            let inode = self.tree.inode_mut(ino);
            inode.size = metadata.size;
            if inode.kind == Kind::Link {
                inode.extra = metadata.target.map_or(NONE, |target| target.0);
            }
        }
        self.tree.attach(dent, ino);
    }

    pub(crate) fn listing(&mut self, listing: &Listing, tables: &Tables) {
        let Some((first, _)) = listing.entries.first() else {
            return;
        };
        let Some(dir) = self.directory_of(*first, tables) else {
            return;
        };
        let above = self.tree.inode(dir);
        if above.flags & EXISTED == 0 || above.flags & (PSEUDO | SKIPPED) != 0 {
            return;
        }
        let mount = above.mount;
        for (node, kind) in &listing.entries {
            let known = (node.0 as usize) < tables.node_count();
            if !known || tables.parent(*node) != listing.directory {
                continue;
            }
            if !areas::is_name(tables.name(*node)) {
                continue;
            }
            let name = self.tree.names.intern(tables.name(*node));
            let kind = kind_of(*kind);
            if let Some(dent) = self.tree.find(dir, name) {
                let ino = self.tree.dent(dent).ino;
                if ino != NONE && self.tree.inode(ino).flags & EXISTED != 0 {
                    self.listed(dent, ino, kind);
                }
                continue;
            }
            let dent = self.tree.entry(dir, name);
            let ino = self.tree.add_inode(kind, EXISTED, mount);
            self.tree.attach(dent, ino);
            self.initial.add(&mut self.tree, dent, ino);
        }
    }

    /// A name that was known is listed: what is only named belongs to the initial tree too.
    fn listed(&mut self, dent: u32, ino: u32, kind: Kind) {
        let inode = self.tree.inode(ino);
        if inode.flags & SKIPPED != 0 || inode.initial != NONE {
            return;
        }
        if inode.dent == dent {
            self.initial.add(&mut self.tree, dent, ino);
        }
        if self.tree.inode(ino).kind == Kind::Unknown {
            self.initial.set_kind(&mut self.tree, ino, kind);
        }
    }

    pub(crate) fn xattrs(&mut self, xattrs: &Xattrs, tables: &Tables) {
        let ino = if xattrs.node == NodeId::ROOT {
            ROOT
        } else {
            let Some(dir) = self.directory_of(xattrs.node, tables) else {
                return;
            };
            let name = self.tree.names.find(tables.name(xattrs.node));
            match name.and_then(|name| self.tree.find(dir, name)) {
                Some(dent) => self.tree.dent(dent).ino,
                None => NONE,
            }
        };
        if ino != NONE {
            let count = tables.string_count();
            let mut entries = xattrs.entries.clone();
            entries.retain(|(name, _)| (name.0 as usize) < count);
            self.initial.set_xattrs(&self.tree, ino, &entries);
        }
    }

    /// A task whose start no record told.
    pub(crate) fn adopt(&mut self, task: u32, time: u64) -> Result<(), PlanError> {
        if task != 0 {
            self.notes.add("tasks without a recorded start");
        }
        let parent = (task != 0 && self.procs.is_known(0)).then_some(TaskId(0));
        self.task_start(&TaskStart {
            task: TaskId(task),
            parent,
            time,
            flags: 0,
            tid: 0,
        })
    }

    pub(crate) fn task_start(&mut self, start: &TaskStart) -> Result<(), PlanError> {
        if self.procs.is_alive(start.task.0) {
            return Ok(());
        }
        let parent = start.parent.map(|parent| parent.0);
        let parent = parent.filter(|parent| self.procs.is_alive(*parent));
        let lane = match self.procs.take_lane() {
            Some(lane) => lane,
            None => self.order.add_lane(),
        };
        let Some(parent) = parent else {
            self.procs.add_first(start, lane, self.umask)?;
            self.first_cwd(start.task.0);
            return Ok(());
        };
        self.procs.add_child(start, parent, lane)?;
        if start.flags & CLONE_FILES == 0 {
            for handle in self.procs.table(start.task.0).handles() {
                self.fds.hold(handle);
            }
        }
        let cwd = self.procs.fs(start.task.0).cwd;
        if start.flags & CLONE_FS == 0 && cwd != NONE {
            self.fds.hold(cwd);
        }
        let parent_lane = self.procs.task(parent).lane;
        self.order.fork(parent_lane, lane);
        Ok(())
    }

    /// The working directory of a task that inherited it from outside the recording.
    fn first_cwd(&mut self, task: u32) {
        let cwd = std::mem::take(&mut self.cwd);
        let ino = areas::ensure(&mut self.tree, &cwd);
        self.cwd = cwd;
        if self.tree.inode(ino).flags & (PSEUDO | SKIPPED) != 0 {
            self.procs.fs_mut(task).cwd_ino = NONE;
            return;
        }
        self.tree.set_kind(ino, Kind::Directory);
        let inode = self.tree.inode(ino);
        if inode.initial == NONE {
            let dent = inode.dent;
            if dent != NONE {
                self.initial.add(&mut self.tree, dent, ino);
            }
        }
        let slot = self.fds.take_slot(self.procs.task(task).lane);
        let flags = flags::PATH | self.here_flags.directory;
        let at = self.place_of(ino);
        self.initial_fds.push(InitialFd {
            out: Slot(slot),
            at,
            flags: flags as i32,
            offset: 0,
        });
        let handle = self.fds.open(What::Real, ino, flags, Some(slot));
        self.tree.inode_mut(ino).opens += 1;
        let fs = self.procs.fs_mut(task);
        fs.cwd = handle;
        fs.cwd_ino = ino;
    }

    /// The canonical path of an inode that has a name.
    pub(crate) fn place_of(&mut self, ino: u32) -> At {
        let mut names = Vec::new();
        let (above, last) = match self.tree.inode(ino).kind {
            Kind::Directory => (ino, None),
            _ => {
                let dent = self.tree.inode(ino).dent;
                if dent == NONE {
                    return At {
                        dir: Slot::BAD,
                        path: super::Texts::EMPTY,
                    };
                }
                let dent = self.tree.dent(dent);
                (dent.dir, Some(dent.name))
            }
        };
        let top = self.tree.climb(above, NONE, &mut names);
        let root = match top {
            Some(super::tree::Top::Root(root)) => root,
            _ => 0,
        };
        names.reverse();
        names.extend(last);
        let parts: Vec<&[u8]> = names.iter().map(|n| self.tree.names.get(*n)).collect();
        let mut path = parts.join(&b'/');
        if path.is_empty() {
            path.push(b'.');
        }
        At {
            dir: Slot(u32::from(root)),
            path: self.texts.push_built(&path),
        }
    }

    pub(crate) fn task_exit(&mut self, exit: &TaskExit) {
        if !self.procs.is_alive(exit.task.0) {
            return;
        }
        let lane = self.procs.task(exit.task.0).lane;
        self.order.concurrent = self.procs.alive > 1;
        // What only this task had open is closed before anyone learns of its end, so the closes stand in its lane.
        let ended = self.procs.end_shares(exit.task.0);
        if let Some(table) = ended.table {
            for handle in table.handles() {
                self.close_quietly(lane, exit.time, handle);
            }
        }
        if let Some(cwd) = ended.cwd {
            self.close_quietly(lane, exit.time, cwd);
        }
        if let Some(space) = ended.space {
            self.unmap_all(lane, exit.time, space);
        }
        let last = self.order.last(lane);
        self.procs.end(exit.task.0, last);
    }

    /// Closes a handle of which a process lets go without a call of its own.
    pub(crate) fn close_quietly(&mut self, lane: u32, time: u64, handle: u32) {
        let dropped = self.fds.let_go(handle);
        if let Some(slot) = dropped.slot {
            self.extra_write(
                lane,
                time,
                Action::Close { fd: slot },
                Call::close,
                Resource::Slot(slot.0),
            );
            self.fds.give_slot(lane, slot.0);
        }
        // No op of its own closes a pipe here: whoever sees its end waits for what the lane did before.
        let by = self.order.last(lane);
        self.description_ended_by(lane, dropped.ended, by);
    }

    /// The op about to be committed on `lane` ends an open file description.
    pub(crate) fn description_ended(&mut self, lane: u32, ended: Option<(u32, What, u32)>) {
        let by = Some(self.order.next(lane));
        self.description_ended_by(lane, ended, by);
    }

    /// What the end of an open file description means for its inode or pipe.
    fn description_ended_by(
        &mut self,
        lane: u32,
        ended: Option<(u32, What, u32)>,
        by: Option<Place>,
    ) {
        let Some((ino, what, flags)) = ended else {
            return;
        };
        if let What::Pipe(pipe) = what
            && flags & 3 != 0
        {
            self.pipes.close(&mut self.order, pipe, lane, by);
        }
        if ino != NONE {
            let inode = self.tree.inode_mut(ino);
            inode.opens = inode.opens.saturating_sub(1);
            self.room.maybe_gone(&mut self.tree, ino);
        }
    }

    /// Removes all mappings of an address space that nobody uses any more.
    pub(crate) fn unmap_all(&mut self, lane: u32, time: u64, space: u32) {
        let parts = self.procs.spaces[space as usize].clear();
        self.procs.free_space(space);
        for part in parts {
            if let Some((action, resource)) = self.unmap_part(lane, part, true) {
                self.extra_write(lane, time, action, Call::munmap, resource);
            }
        }
    }

    pub(crate) fn fd_state(&mut self, state: &FdState, tables: &Tables) -> Result<(), PlanError> {
        let task = state.task.0;
        if !self.procs.is_alive(task) {
            self.adopt(task, 0)?;
        }
        if state.fd < 0 || state.target.0 as usize >= tables.string_count() {
            return Ok(());
        }
        if self.procs.table(task).get(state.fd, u32::MAX).is_some() {
            return Ok(());
        }
        let target = tables.string(state.target);
        let real = matches!(state.kind, FileKind::File | FileKind::Directory);
        let handle = if real && target.first() == Some(&b'/') {
            self.inherit_file(state, target)
        } else {
            self.fds.open(What::Other, NONE, state.flags, None)
        };
        let entry = Entry {
            handle,
            cloexec: state.flags & flags::CLOEXEC != 0,
            since: 0,
        };
        self.procs.table_mut(task).put(state.fd, entry);
        Ok(())
    }

    /// A file or directory that was open already, or came over a socket.
    fn inherit_file(&mut self, state: &FdState, target: &[u8]) -> u32 {
        let deleted = target.ends_with(b" (deleted)");
        let ino = if deleted {
            NONE
        } else {
            self.existing(target, state.kind)
        };
        if ino == NONE {
            self.notes
                .add("inherited descriptors of files that have no name");
            return self.fds.open(What::Unresolved, NONE, state.flags, None);
        }
        let area = self.tree.inode(ino).flags;
        if area & (PSEUDO | SKIPPED) != 0 {
            let what = if area & PSEUDO != 0 {
                What::Pseudo
            } else {
                What::Skipped
            };
            return self.fds.open(what, NONE, state.flags, None);
        }
        self.initial.grow(&mut self.tree, ino, state.offset);
        let lane = self.procs.task(state.task.0).lane;
        let slot = self.fds.take_slot(lane);
        let at = self.place_of(ino);
        let clean = state.flags & !(flags::CREATE | flags::EXCLUSIVE | flags::TRUNCATE);
        let flags = self.recorded_flags.translate(self.here_flags, clean) as i32;
        if self.coverage.events == 0 {
            self.initial_fds.push(InitialFd {
                out: Slot(slot),
                at,
                flags,
                offset: state.offset,
            });
        } else {
            self.open_received(lane, at, flags, slot, state.offset);
        }
        let handle = self.fds.open(What::Real, ino, state.flags, Some(slot));
        self.fds.description_mut(handle).offset = state.offset;
        self.tree.inode_mut(ino).opens += 1;
        handle
    }

    fn open_received(&mut self, lane: u32, at: At, flags: i32, slot: u32, offset: u64) {
        let open = Action::Open {
            at,
            flags,
            mode: 0,
            resolve: 0,
            out: Slot(slot),
        };
        let time = self.order.last_exit(lane);
        self.extra_write(lane, time, open, Call::openat, Resource::Slot(slot));
        if offset > 0 {
            let seek = Action::Seek {
                fd: Slot(slot),
                offset: offset.min(i64::MAX as u64) as i64,
                whence: 0,
            };
            self.extra_write(lane, time, seek, Call::lseek, Resource::Slot(slot));
        }
    }

    /// The inode of an absolute path that exists; found by name, not by a call.
    fn existing(&mut self, path: &[u8], kind: FileKind) -> u32 {
        let mut at = ROOT;
        for name in areas::components(path) {
            if !areas::is_name(name) {
                return NONE;
            }
            let flags = self.tree.inode(at).flags;
            let name = self.tree.names.intern(name);
            let known = self.tree.find(at, name);
            let ino = known.map_or(NONE, |dent| self.tree.dent(dent).ino);
            if ino != NONE {
                at = ino;
                continue;
            }
            if flags & (PSEUDO | SKIPPED) != 0 {
                return at;
            }
            if flags & EXISTED == 0 || known.is_some() {
                return NONE;
            }
            let mount = self.tree.inode(at).mount;
            self.initial.set_kind(&mut self.tree, at, Kind::Directory);
            let dent = self.tree.entry(at, name);
            at = self.tree.add_inode(Kind::Unknown, EXISTED, mount);
            self.tree.attach(dent, at);
        }
        let inode = self.tree.inode(at);
        if inode.flags & (PSEUDO | SKIPPED) != 0 {
            return at;
        }
        if inode.initial == NONE && inode.dent != NONE && inode.flags & EXISTED != 0 {
            let dent = inode.dent;
            self.initial.add(&mut self.tree, dent, at);
        }
        if self.tree.inode(at).kind == Kind::Unknown {
            self.initial.set_kind(&mut self.tree, at, kind_of(kind));
        }
        at
    }
}
