//! Where paths of calls lead that are not planned yet, and which of overlapping calls must have
//! changed a name before another one looked.

use fsreplay_trace::abi::AT_FDCWD;
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Record};

use super::super::Cx;
use super::super::dialect::Dialect;
use super::super::holdings::Holdings;
use super::super::land::resolve::{End, Passed, Walked, walk};
use super::super::land::tree::{NONE, Tree};
use super::Sequence;
use super::concerns::takes_paths;

/// What the outcome of a call says about one of its paths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It led to something.
    Present,
    /// Its directory was there, its last name was not.
    Vacant,
    /// It led to nothing.
    Absent,
    /// Its directory was there.
    Reachable,
    /// Its directory was not there.
    Cut,
}

/// Why the model contradicts an outcome.
enum Contradiction<'t> {
    /// A name is missing in a directory.
    Lacks(u32, &'t [u8]),
    /// Something is there that should be gone: this, or a directory that was passed.
    Has(u32),
}

/// A name in a directory that a call makes or takes away.
#[derive(Clone, Copy)]
struct Change<'t> {
    dir: u32,
    name: &'t [u8],
    /// What had the name, if it is taken away.
    gone: u32,
    made: bool,
}

/// What is looked at: the models as they are now.
pub(crate) struct Outlook<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) holdings: &'a Holdings,
    pub(crate) dialect: Dialect,
    /// What the last walk passed through.
    pub(crate) passed: &'a mut Passed,
}

impl Outlook<'_> {
    /// A held record that must have come before the first one.
    pub(crate) fn overdue(&mut self, sequence: &Sequence, tables: &Tables) -> Option<usize> {
        let first = sequence.front()?;
        let Record::Event(event) = &first.record else {
            return None;
        };
        let event = *event;
        let number = first.number();
        if !takes_paths(&event) {
            return None;
        }
        let others = self.holdings.procs.alive as usize;
        if let Some(why) = self.unexplained(&event, true, tables) {
            let passed = self.passed.dirs.clone();
            return sequence.find_overlapping(number, event.task.0, others, |other| {
                let changes = self.changes(other, tables);
                let mends = changes.iter().flatten().any(|change| match why {
                    Contradiction::Lacks(dir, name) => {
                        change.made && change.dir == dir && change.name == name
                    }
                    Contradiction::Has(ino) => {
                        change.gone != NONE && (change.gone == ino || passed.contains(&change.gone))
                    }
                });
                mends && self.unexplained(other, false, tables).is_none()
            });
        }
        let changes = self.changes(&event, tables);
        changes.iter().flatten().next()?;
        sequence.find_overlapping(number, event.task.0, others, |other| {
            takes_paths(other)
                && self.unexplained(other, false, tables).is_none()
                && self.spoiled(other, &changes, tables)
        })
    }

    /// Whether entries of a directory were made or taken away while a call on it was under way.
    pub(crate) fn changes_meanwhile(&mut self, sequence: &Sequence, cx: &Cx, ino: u32) -> bool {
        if ino == NONE {
            return false;
        }
        let changed = self.tree.changed(ino);
        let others = self.holdings.procs.alive as usize;
        changed > cx.horizon
            || sequence
                .find_overlapping(cx.number, cx.task, others, |other| {
                    let changes = self.changes(other, cx.tables);
                    changes.iter().flatten().any(|change| change.dir == ino)
                })
                .is_some()
    }

    /// Why the model contradicts the outcome of a call, if it does.
    fn unexplained<'t>(
        &mut self,
        event: &Event,
        doubting: bool,
        tables: &'t Tables,
    ) -> Option<Contradiction<'t>> {
        for (path, told) in told(event).into_iter().flatten() {
            let Some(walked) = self.look_ahead(event, path, tables) else {
                continue;
            };
            let lacks = Some(Contradiction::Lacks(walked.dir, walked.name));
            let has = Some(Contradiction::Has(walked.ino));
            let why = match (told, walked.end) {
                (Told::Present, End::Missing | End::Broken) => lacks,
                // Names of which no record told may have been there from the start, unless someone
                // was making them.
                (Told::Present, End::Unknown | End::BrokenUnknown) if doubting => lacks,
                (Told::Vacant | Told::Reachable, End::Broken) => lacks,
                (Told::Vacant | Told::Absent | Told::Cut, End::Found) => has,
                (Told::Cut, End::Missing) => has,
                _ => None,
            };
            if why.is_some() {
                return why;
            }
        }
        None
    }

    /// Whether the outcome of a call could not be had any more after those changes.
    fn spoiled(&mut self, event: &Event, changes: &[Option<Change>; 2], tables: &Tables) -> bool {
        for (path, told) in told(event).into_iter().flatten() {
            let Some(walked) = self.look_ahead(event, path, tables) else {
                continue;
            };
            let spoils = |change: &Change| {
                let here = change.dir == walked.dir && change.name == walked.name;
                match told {
                    Told::Absent | Told::Vacant | Told::Cut if change.made => here,
                    Told::Present | Told::Reachable | Told::Vacant => {
                        change.gone != NONE
                            && (self.passed.dirs.contains(&change.gone)
                                || (told == Told::Present && here))
                    }
                    Told::Absent | Told::Cut => false,
                }
            };
            if changes.iter().flatten().any(spoils) {
                return true;
            }
        }
        false
    }

    /// The names that a call that succeeded makes and takes away.
    fn changes<'t>(&mut self, event: &Event, tables: &'t Tables) -> [Option<Change<'t>>; 2] {
        if event.errno().is_some() || event.result == Event::NO_RETURN {
            return [None; 2];
        }
        let old = event.removed().and_then(|path| {
            let walked = self.look_ahead(event, path, tables)?;
            (walked.end == End::Found).then_some(Change {
                dir: walked.dir,
                name: walked.name,
                gone: walked.ino,
                made: false,
            })
        });
        let new = event.made().and_then(|made| {
            let walked = self.look_ahead(event, made.path, tables)?;
            matches!(walked.end, End::Missing | End::Unknown).then_some(Change {
                dir: walked.dir,
                name: walked.name,
                gone: NONE,
                made: true,
            })
        });
        [old, new]
    }

    /// Where a path of a call leads now; `None` where it leads to nothing that is replayed.
    fn look_ahead<'t>(
        &mut self,
        event: &Event,
        path: ArgKind,
        tables: &'t Tables,
    ) -> Option<Walked<'t>> {
        let base = event.call.row().paths().find(|arg| arg.path == path)?.base;
        let task = event.task.0;
        if !self.holdings.procs.is_alive(task) {
            return None;
        }
        let string = event.string(path)?;
        if string.0 as usize >= tables.string_count() {
            return None;
        }
        let bytes = tables.string(string);
        let fs = self.holdings.procs.fs(task);
        let start = match event.fd(base) {
            _ if bytes.first() == Some(&b'/') => fs.root,
            None | Some(AT_FDCWD) => fs.cwd_ino,
            Some(fd) => {
                let entry = self.holdings.procs.table(task).get(fd, u32::MAX)?;
                self.holdings.fds.description(entry.handle).ino
            }
        };
        if start == NONE || bytes.is_empty() {
            return None;
        }
        let last = self.dialect.last(event, path);
        let (tree, passed) = (&self.tree, &mut self.passed);
        let walked = walk(tree, tables, passed, bytes, start, fs.root, last);
        (!matches!(walked.end, End::Pseudo | End::Skipped)).then_some(walked)
    }
}

type PathTold = (ArgKind, Told);

/// What the outcome of a call tells about its paths.
fn told(event: &Event) -> [Option<PathTold>; 2] {
    if event.result == Event::NO_RETURN {
        return [None; 2];
    }
    let path = |told| Some((ArgKind::Path, told));
    let new = |told| Some((ArgKind::NewPath, told));
    let op = event.call.row().op;
    // What is told of the path where the name is made there.
    let made = event.made().filter(|made| made.path == ArgKind::Path);
    let makes = made.map(|made| made.exclusive);
    match (event.errno(), op, makes) {
        (None, Op::Symlink, _) => [None, new(Told::Vacant)],
        (None, Op::Link, _) => [path(Told::Present), new(Told::Vacant)],
        (None, Op::Rename, _) => [path(Told::Present), new(Told::Reachable)],
        (None, _, Some(true)) => [path(Told::Vacant), None],
        (None, _, Some(false)) => [path(Told::Reachable), None],
        (None, ..) => [path(Told::Present), None],
        (Some(libc::EEXIST), Op::Symlink | Op::Link, _) => [None, new(Told::Present)],
        (Some(libc::EEXIST | libc::EISDIR | libc::ENOTEMPTY), Op::Rename, _) => {
            [path(Told::Present), new(Told::Present)]
        }
        (Some(libc::EEXIST | libc::EISDIR | libc::ENOTEMPTY), ..) => [path(Told::Present), None],
        // Which of two paths it was is not told.
        (Some(libc::ENOENT), Op::Symlink | Op::Link | Op::Rename, _) => [None; 2],
        (Some(libc::ENOENT), _, Some(_)) => [path(Told::Cut), None],
        (Some(libc::ENOENT), ..) => [path(Told::Absent), None],
        _ => [None; 2],
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::abi::CLONE_FS;
    use fsreplay_trace::call::Call;
    use fsreplay_trace::model::{Header, TaskId, TaskStart};

    use super::super::super::land::tree::{EXISTED, ROOT};
    use super::super::super::tests::calls;
    use super::*;

    struct Seen {
        tree: Tree,
        holdings: Holdings,
        tables: Tables,
        sequence: Sequence,
        passed: Passed,
    }

    impl Seen {
        /// Two tasks at `/`, which was empty.
        fn new() -> Seen {
            let mut tree = Tree::new();
            tree.inode_mut(ROOT).flags &= !EXISTED;
            let mut holdings = Holdings::new(&Header::default(), 1, false);
            let start = |task: u32| TaskStart {
                task: TaskId(task),
                parent: None,
                time: 0,
                flags: CLONE_FS,
                tid: task,
                think: 0,
            };
            holdings.procs.add_first(&start(0), 0, 0).expect("a task");
            holdings.add_child(&start(1), 0, 1).expect("a thread");
            Seen {
                tree,
                holdings,
                tables: Tables::new(),
                sequence: Sequence::default(),
                passed: Passed::default(),
            }
        }

        /// A call that overlapped all others.
        fn push(&mut self, task: u32, call: Call, path: &str, result: i64) {
            let path = self.tables.add_string(path.as_bytes());
            let at = u64::from(AT_FDCWD as u32);
            let mut args = vec![(ArgKind::Path, u64::from(path.0))];
            if call.row().position(ArgKind::DirFd).is_some() {
                args.push((ArgKind::DirFd, at));
            }
            let mut event = calls::event(task, call, &args, result);
            event.overlapped = 100;
            let number = self.sequence.held().count() as u32;
            self.sequence.hold(Record::Event(event), number);
        }

        fn overdue(&mut self) -> Option<usize> {
            let mut outlook = Outlook {
                tree: &self.tree,
                holdings: &self.holdings,
                dialect: Dialect::of(&Header::default()),
                passed: &mut self.passed,
            };
            outlook.overdue(&self.sequence, &self.tables)
        }
    }

    #[test]
    fn who_found_a_name_taken_comes_after_its_maker() {
        let mut seen = Seen::new();
        seen.push(0, Call::mkdir, "/dir", -i64::from(libc::EEXIST));
        seen.push(1, Call::mkdir, "/other", 0);
        assert_eq!(seen.overdue(), None, "nothing explains it");
        let mut seen = Seen::new();
        seen.push(0, Call::mkdir, "/dir", -i64::from(libc::EEXIST));
        seen.push(1, Call::mkdir, "/dir", 0);
        assert_eq!(seen.overdue(), Some(1));
    }

    #[test]
    fn who_found_nothing_comes_before_the_making() {
        let mut seen = Seen::new();
        seen.push(0, Call::mkdir, "/dir", 0);
        seen.push(1, Call::stat, "/dir", -i64::from(libc::ENOENT));
        assert_eq!(seen.overdue(), Some(1));
        let mut seen = Seen::new();
        seen.push(0, Call::mkdir, "/dir", 0);
        seen.push(1, Call::stat, "/elsewhere", -i64::from(libc::ENOENT));
        assert_eq!(seen.overdue(), None);
    }

    #[test]
    fn a_task_does_not_overtake_itself() {
        let mut seen = Seen::new();
        seen.push(0, Call::mkdir, "/dir", -i64::from(libc::EEXIST));
        seen.push(1, Call::stat, "/elsewhere", -i64::from(libc::ENOENT));
        seen.push(1, Call::mkdir, "/dir", 0);
        assert_eq!(seen.overdue(), None);
    }
}
