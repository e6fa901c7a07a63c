//! Puts a tree back between rounds: only what the replay may have changed is looked at, so that
//! caches stay as the replay left them, as they do between two runs of a tool.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use fsreplay_trace::model::FileKind;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use crate::error::ReplayError;
use crate::plan::{Plan, TreeEntry};
use crate::prepare::make;
use crate::sandbox::{Sandbox, names, open_child, open_parent, remove_all, shortened, split};

/// Puts back what a round changed.
pub fn put_back(
    plan: &Plan,
    sandboxes: &[Sandbox],
    cancelled: &AtomicBool,
) -> Result<(), ReplayError> {
    if !plan.tree.iter().any(|entry| entry.changed) {
        return Ok(());
    }
    let mut checker = Checker::new(plan, sandboxes);
    for index in 0..plan.tree.len() {
        if cancelled.load(Ordering::Relaxed) {
            return Err(ReplayError::Cancelled);
        }
        checker
            .check(index)
            .map_err(|error| failed(plan, sandboxes, index, error))?;
    }
    let Checker {
        missing, finish, ..
    } = checker;
    make(plan, sandboxes, (&missing, &finish), cancelled, &|_, _| {})
}

fn failed(plan: &Plan, sandboxes: &[Sandbox], index: usize, error: Errno) -> ReplayError {
    let entry = &plan.tree[index];
    let base = sandboxes.get(entry.root as usize).map(Sandbox::path);
    let below = shortened(plan.bytes(entry.path));
    ReplayError::Tree {
        operation: "putting back",
        path: base.unwrap_or("".as_ref()).join(below),
        source: error.into(),
    }
}

/// A root and a path below it.
type Key<'p> = (u32, &'p [u8]);

struct Checker<'p> {
    plan: &'p Plan,
    sandboxes: &'p [Sandbox],
    indexes: HashMap<Key<'p>, usize>,
    /// Names that belong into directories whose entries may have changed.
    children: HashMap<Key<'p>, HashSet<&'p [u8]>>,
    /// Entries that have to be made again.
    missing: Vec<bool>,
    /// Directories that need their modes and times again.
    finish: Vec<bool>,
}

impl<'p> Checker<'p> {
    fn new(plan: &'p Plan, sandboxes: &'p [Sandbox]) -> Checker<'p> {
        let key = |entry: &TreeEntry| (entry.root, plan.bytes(entry.path));
        let entries = plan.tree.iter().enumerate();
        let indexes: HashMap<Key<'p>, usize> = entries.map(|(at, e)| (key(e), at)).collect();
        let mut children: HashMap<Key<'p>, HashSet<&'p [u8]>> = HashMap::new();
        for entry in &plan.tree {
            let (root, path) = key(entry);
            let (parent, name) = split(path);
            let changed = indexes
                .get(&(root, parent))
                .is_some_and(|at| plan.tree[*at].changed);
            if changed && !path.is_empty() {
                children.entry((root, parent)).or_default().insert(name);
            }
        }
        Checker {
            plan,
            sandboxes,
            indexes,
            children,
            missing: vec![false; plan.tree.len()],
            finish: vec![false; plan.tree.len()],
        }
    }

    /// Looks at an entry whose directory was looked at.
    fn check(&mut self, index: usize) -> Result<(), Errno> {
        let entry = &self.plan.tree[index];
        let path = self.plan.bytes(entry.path);
        let parent = if path.is_empty() {
            None
        } else {
            self.indexes.get(&(entry.root, split(path).0)).copied()
        };
        let renewed = parent.is_some_and(|at| self.missing[at]);
        let first = entry.link_of.map(|first| first as usize);
        let first_missing = first.is_some_and(|at| self.missing.get(at) == Some(&true));
        let moved = parent.is_some_and(|at| self.plan.tree[at].changed);
        let touched = (entry.changed || moved || first_missing) && !path.is_empty();
        if renewed || touched && !self.is_as_made(entry, path, first_missing)? {
            self.lost(index, parent);
        }
        if entry.changed && entry.kind == FileKind::Directory && !self.missing[index] {
            self.finish[index] = true;
            self.remove_others(entry, path)?;
        }
        Ok(())
    }

    fn lost(&mut self, index: usize, parent: Option<usize>) {
        self.missing[index] = true;
        self.finish[index] = true;
        if let Some(parent) = parent {
            self.finish[parent] = true;
        }
    }

    /// Whether an entry is as it was made; if not, it is removed.
    fn is_as_made(&self, entry: &TreeEntry, path: &[u8], renew: bool) -> Result<bool, Errno> {
        let Some(sandbox) = self.sandboxes.get(entry.root as usize) else {
            return Err(Errno::INVAL);
        };
        // The replay may have left a link where the plan has a directory.
        let (parent, name) = match open_parent(sandbox.root().as_fd(), path) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            Err(error) => return Err(error),
        };
        let found = match rustix::fs::statat(&parent, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(error) => return Err(error),
        };
        if !renew && same(entry, &found) {
            return Ok(true);
        }
        remove_all(parent.as_fd(), &name)?;
        Ok(false)
    }

    /// Removes the names that a round added to a directory.
    fn remove_others(&self, entry: &TreeEntry, path: &[u8]) -> Result<(), Errno> {
        let Some(sandbox) = self.sandboxes.get(entry.root as usize) else {
            return Err(Errno::INVAL);
        };
        let directory = if path.is_empty() {
            rustix::io::dup(sandbox.root())?
        } else {
            let (parent, name) = open_parent(sandbox.root().as_fd(), path)?;
            // Its own mode comes back at the end.
            open_child(parent.as_fd(), &name)?
        };
        let key = (entry.root, self.plan.bytes(entry.path));
        let known = self.children.get(&key);
        for name in names(directory.as_fd())? {
            if !known.is_some_and(|known| known.contains(name.to_bytes())) {
                remove_all(directory.as_fd(), &name)?;
            }
        }
        Ok(())
    }
}

/// Whether what is there may be left: a directory as such; a file that no op wrote to and that is
/// not another one.
fn same(entry: &TreeEntry, found: &Stat) -> bool {
    let kind = FileType::from_raw_mode(found.st_mode);
    match entry.kind {
        FileKind::Directory => kind == FileType::Directory,
        FileKind::Symlink | FileKind::Fifo => false,
        _ => {
            !entry.changed
                && kind == FileType::RegularFile
                && found.st_size as u64 == entry.size
                && entry.mtime.is_none_or(|mtime| found.st_mtime == mtime)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::{Root, Text};
    use crate::prepare::prepare;

    fn plan(target: &Path) -> Plan {
        let root = Root {
            recorded: b"/".to_vec(),
            target: target.into(),
        };
        let mut plan = Plan {
            roots: vec![root],
            ..Plan::default()
        };
        entry(&mut plan, "", FileKind::Directory);
        plan
    }

    fn text(plan: &mut Plan, text: &str) -> Text {
        let at = plan.text.len() as u32;
        plan.text.extend_from_slice(text.as_bytes());
        plan.text.push(0);
        Text(at)
    }

    fn entry<'p>(plan: &'p mut Plan, path: &str, kind: FileKind) -> &'p mut TreeEntry {
        let path = text(plan, path);
        plan.tree.push(TreeEntry {
            mode: 0o755,
            ..TreeEntry::new(path, kind)
        });
        plan.tree.last_mut().expect("just pushed")
    }

    #[test]
    fn a_tree_deeper_than_a_path_may_be_long_is_made_put_back_and_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut plan = plan(dir.path());
        let mut path = String::new();
        for _ in 0..300 {
            path += &"d".repeat(20);
            entry(&mut plan, &path, FileKind::Directory);
            path.push('/');
        }
        let first = plan.tree.len() as u32;
        entry(&mut plan, &format!("{path}leaf"), FileKind::File).changed = true;
        entry(&mut plan, &format!("{path}again"), FileKind::File).link_of = Some(first);
        let leads = text(&mut plan, "leaf");
        entry(&mut plan, &format!("{path}link"), FileKind::Symlink).target = Some(leads);
        let sandboxes = [Sandbox::create(dir.path()).expect("a sandbox")];
        let go_on = AtomicBool::new(false);
        prepare(&plan, &sandboxes, &go_on, &|_, _| {}).expect("prepared");
        let place = || open_parent(sandboxes[0].root().as_fd(), plan.bytes(plan.tree[301].path));
        let (parent, leaf) = place().expect("there");
        rustix::fs::unlinkat(&parent, &*leaf, AtFlags::empty()).expect("removed");
        put_back(&plan, &sandboxes, &go_on).expect("put back");
        let found = rustix::fs::statat(&parent, &*leaf, AtFlags::empty()).expect("there again");
        assert_eq!(found.st_nlink, 2);
        drop(parent);
        for sandbox in sandboxes {
            sandbox.remove().expect("removed");
        }
    }

    #[test]
    fn a_long_path_is_told_in_short() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut plan = plan(dir.path());
        // No directory for it: what can't be made is named.
        let path = format!("{}leaf", "missing/".repeat(1000));
        entry(&mut plan, &path, FileKind::File);
        let sandboxes = [Sandbox::create(dir.path()).expect("a sandbox")];
        let made = prepare(&plan, &sandboxes, &AtomicBool::new(false), &|_, _| {});
        let told = made.expect_err("nowhere to make it").to_string();
        assert!(told.len() < 1000, "{told}");
        assert!(told.contains("leaf (8004 bytes)"), "{told}");
    }
}
