//! Whose lines are that name no task: into a terminal or a pipe, strace names tasks only while
//! there are several of them.

use std::collections::BTreeSet;

/// The id of a task that no line has named yet.
pub const UNKNOWN: u32 = 0;

const ATTACHED: &[u8] = b"strace: Process ";

/// Which task is meant where none is named.
pub struct Unnamed {
    task: u32,
    /// Those that strace follows.
    live: BTreeSet<u32>,
    /// Whether the log says which tasks are new.
    tells_new: bool,
}

impl Unnamed {
    /// That task, or [`UNKNOWN`], until the log tells otherwise.
    pub fn new(task: u32) -> Unnamed {
        Unnamed {
            task,
            live: BTreeSet::new(),
            tells_new: false,
        }
    }

    /// The task of a line, and whether it is the one that was [`UNKNOWN`] so far: one that is named
    /// for the first time, though it is not new, or that goes on with what the unknown one began.
    pub fn of(&mut self, named: Option<u32>, goes_on: bool) -> (u32, bool) {
        let Some(task) = named else {
            self.live.insert(self.task);
            return (self.task, false);
        };
        let was_unknown = !self.live.contains(&task)
            && self.live.contains(&UNKNOWN)
            && (self.tells_new || goes_on);
        if was_unknown {
            self.live.remove(&UNKNOWN);
            self.task = task;
        }
        self.live.insert(task);
        (task, was_unknown)
    }

    /// strace follows a task from now on.
    pub fn attached(&mut self, task: u32) {
        self.tells_new = true;
        if self.live.is_empty() {
            self.task = task;
        }
        self.live.insert(task);
    }

    /// A task ended. The only one that is left isn't named any more.
    pub fn ended(&mut self, task: u32) {
        self.live.remove(&task);
        if let (1, Some(only)) = (self.live.len(), self.live.first()) {
            self.task = *only;
        }
    }
}

/// What a line holds before `strace: Process 12 attached` at its end, and that id. It stands in the
/// middle of the call that made the task, whose rest is on the next line.
pub fn attached(line: &[u8]) -> Option<(&[u8], u32)> {
    let text = line.trim_ascii_end().strip_suffix(b" attached")?;
    let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, number) = text.split_at(text.len() - digits);
    let task = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((before.strip_suffix(ATTACHED)?, task))
}
