//! Descriptors of processes, and what is read and written through them.

use std::collections::HashMap;

use fsreplay_trace::model::FileKind;

use super::tree::{Id, Listed, Tree};

/// An open file description.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// What is open; `None` for pipes, sockets, devices and what isn't known.
    pub object: Option<Id>,
    /// Where it reads and writes next.
    pub offset: u64,
    /// What its listing has told so far.
    pub listing: Option<Listed>,
}

/// An entry of a table of descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Number of its description.
    pub description: usize,
    /// A new program doesn't get it.
    pub cloexec: bool,
}

/// The descriptors of a process.
#[derive(Clone, Debug, Default)]
pub struct Table(HashMap<i32, Descriptor>);

impl Table {
    /// What has that number.
    pub fn get(&self, fd: i32) -> Option<Descriptor> {
        self.0.get(&fd).copied()
    }

    /// Gives a number to a description; whether it was taken already.
    pub fn put(&mut self, fd: i32, description: usize, cloexec: bool) -> bool {
        let new = Descriptor {
            description,
            cloexec,
        };
        self.0.insert(fd, new).is_some()
    }

    /// Closes one.
    pub fn close(&mut self, fd: i32) {
        self.0.remove(&fd);
    }

    /// Closes all from one number to another.
    pub fn close_range(&mut self, first: i64, last: i64) {
        self.0
            .retain(|fd, _| !(first..=last).contains(&i64::from(*fd)));
    }

    /// Says whether a new program gets one.
    pub fn set_cloexec(&mut self, fd: i32, cloexec: bool) {
        if let Some(descriptor) = self.0.get_mut(&fd) {
            descriptor.cloexec = cloexec;
        }
    }

    /// A new program starts.
    pub fn exec(&mut self) {
        self.0.retain(|_, descriptor| !descriptor.cloexec);
    }
}

/// Bytes were read: so many of those asked for, from there.
pub fn read(tree: &mut Tree, object: Id, from: u64, got: u64, asked: u64) {
    let object = tree.get_mut(object);
    object.taken_for(FileKind::File);
    object.read = true;
    if object.changed {
        return;
    }
    let end = from.saturating_add(got);
    if got > 0 {
        object.at_least = object.at_least.max(end);
    }
    // A file gives less than was asked for at its end only.
    if got < asked && object.size.is_none() && (got > 0 || from == object.at_least) {
        object.size = Some(end);
    }
}

/// Its contents were changed.
pub fn changed(tree: &mut Tree, object: Id) {
    let object = tree.get_mut(object);
    object.taken_for(FileKind::File);
    object.changed = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_is_where_reads_get_less() {
        let mut tree = Tree::new();
        let file = tree.reach(Id::ROOT, b"/a", true).expect("a file");
        read(&mut tree, file, 0, 4096, 4096);
        assert_eq!((tree.get(file).size, tree.get(file).at_least), (None, 4096));
        read(&mut tree, file, 4096, 100, 4096);
        assert_eq!(tree.get(file).size, Some(4196));
        let other = tree.reach(Id::ROOT, b"/b", true).expect("a file");
        changed(&mut tree, other);
        read(&mut tree, other, 0, 5, 10);
        assert_eq!(tree.get(other).size, None);
        // Read behind its end, which may be anywhere before.
        let third = tree.reach(Id::ROOT, b"/c", true).expect("a file");
        read(&mut tree, third, 1 << 20, 0, 10);
        assert_eq!(tree.get(third).size, None);
    }

    #[test]
    fn a_new_program_gets_what_is_not_closed_for_it() {
        let mut table = Table::default();
        assert!(!table.put(3, 0, true));
        assert!(!table.put(4, 1, false));
        assert!(table.put(4, 2, false));
        table.exec();
        assert!(table.get(3).is_none() && table.get(4).is_some());
        table.close_range(4, i64::from(u32::MAX));
        assert!(table.get(4).is_none());
    }
}
