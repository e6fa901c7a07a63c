//! How much a trace may unpack to. A trace is a stranger's file, and a small one can describe more
//! than a machine holds: texts that each repeat the one before, one event millions of times.

use super::error::TraceError;

/// The most that is taken from a trace. The defaults are far beyond what recordings hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one string: a path, a link's text, the arguments of a program.
    pub string: u64,
    /// Bytes of all strings and names together.
    pub strings: u64,
    /// Bytes of the whole path of one file.
    pub path: u64,
    /// Bytes of the whole paths of all files together.
    pub paths: u64,
    /// Events, other records and entries of listings for each byte of the file, once there are
    /// many.
    pub events_per_byte: u64,
    /// Tasks alive at a time: a replay starts a thread for each.
    pub tasks: u64,
    /// Bytes of memory that the plan of a replay takes, and what playing it keeps at most.
    pub plan: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // The kernel takes 6 MiB of arguments and environment at most (execve(2)).
            string: 8 << 20,
            strings: 512 << 20,
            // Sixteen times what one call can name (PATH_MAX).
            path: 64 << 10,
            paths: 8 << 30,
            events_per_byte: 64,
            // The stacks of more take more memory maps than a process may have by default
            // (vm.max_map_count, proc(5)).
            tasks: 8192,
            plan: 4 << 30,
        }
    }
}

/// So many events are never too many for a file.
const FEW_EVENTS: u64 = 4 << 20;

/// What a limit is called, what it counts, and where it stands.
type Row = (&'static str, &'static str, fn(&mut Limits) -> &mut u64);

const ROWS: [Row; 7] = [
    ("string", "bytes of one string", |l| &mut l.string),
    ("strings", "bytes of strings and names", |l| &mut l.strings),
    ("path", "bytes of one file's path", |l| &mut l.path),
    ("paths", "bytes of all files' paths", |l| &mut l.paths),
    (
        "events-per-byte",
        "events and other records for each byte of the file",
        |l| &mut l.events_per_byte,
    ),
    ("tasks", "tasks alive at a time", |l| &mut l.tasks),
    ("plan", "bytes of memory for the plan of a replay", |l| {
        &mut l.plan
    }),
];

impl Limits {
    /// Names of the limits, and what each counts.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        ROWS.iter().map(|(name, what, _)| (*name, *what))
    }

    /// Sets a limit by its name; whether there is one of that name.
    pub fn set(&mut self, name: &str, most: u64) -> bool {
        let row = ROWS.iter().find(|(known, ..)| *known == name);
        row.map(|(_, _, limit)| *limit(self) = most).is_some()
    }

    /// Whether a limit keeps what there is. Asked for each record: the row is looked for only to
    /// tell.
    #[inline]
    fn check(name: &'static str, has: u64, most: u64) -> Result<(), TraceError> {
        if has <= most {
            return Ok(());
        }
        let what = Limits::names()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, what)| what);
        Err(TraceError::Limit { name, what, most })
    }

    /// Whether a string is short enough.
    pub(super) fn check_string(&self, bytes: u64) -> Result<(), TraceError> {
        Limits::check("string", bytes, self.string)
    }

    /// Whether strings and names, and the paths of files, are few enough.
    pub(super) fn check_texts(
        &self,
        strings: u64,
        path: u64,
        paths: u64,
    ) -> Result<(), TraceError> {
        Limits::check("strings", strings, self.strings)?;
        Limits::check("path", path, self.path)?;
        Limits::check("paths", paths, self.paths)
    }

    /// Whether events, other records and their entries are few enough for so many bytes of a file.
    pub(super) fn check_events(&self, events: u64, bytes: u64) -> Result<(), TraceError> {
        if events <= FEW_EVENTS {
            return Ok(());
        }
        Limits::check(
            "events-per-byte",
            events / bytes.max(1),
            self.events_per_byte,
        )
    }

    /// Whether so many tasks may be alive at a time.
    pub fn check_tasks(&self, tasks: u64) -> Result<(), TraceError> {
        Limits::check("tasks", tasks, self.tasks)
    }

    /// Whether the plan of a replay may take so many bytes.
    pub fn check_plan(&self, bytes: u64) -> Result<(), TraceError> {
        Limits::check("plan", bytes, self.plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_set_by_its_name() {
        for (name, _) in Limits::names() {
            let mut limits = Limits::default();
            assert!(limits.set(name, 7), "{name}");
            let check = |has| match name {
                "string" => limits.check_string(has),
                "strings" => limits.check_texts(has, 0, 0),
                "path" => limits.check_texts(0, has, 0),
                "paths" => limits.check_texts(0, 0, has),
                "events-per-byte" => limits.check_events(2 * FEW_EVENTS * has, 2 * FEW_EVENTS),
                "tasks" => limits.check_tasks(has),
                "plan" => limits.check_plan(has),
                other => panic!("{other} is checked nowhere"),
            };
            assert!(check(7).is_ok(), "{name}");
            let error = check(8).expect_err(name).to_string();
            assert!(error.contains(name) && error.contains('7'), "{error}");
        }
        assert!(!Limits::default().set("nothing", 1));
    }
}
