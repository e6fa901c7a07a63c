//! Recording a fixture and reading the records back.
#![allow(dead_code)] // Each test file uses its part.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fsreplay_recorder::{Backend, Eagerness, Quiet, RecordError, RecordOptions, Recording, Status};
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format;
use fsreplay_trace::model::{Event, FileKind, PathState, Record, StringId, TaskExit, TaskStart};

/// One recording at a time: it takes over the signals of the process.
static TURN: Mutex<()> = Mutex::new(());

/// A recording and what is in it.
pub struct Recorded {
    pub recording: Recording,
    pub records: Vec<Record>,
    pub reader: format::TraceReader,
}

/// Whether a recording can be made here; says why not, and fails if that must not be.
pub fn can_record() -> bool {
    let _turn = turn();
    match fsreplay_recorder::probe() {
        Ok(_) => true,
        Err(error) => {
            skip(&error.to_string());
            false
        }
    }
}

/// Says that a test did not run; fails where it must.
pub fn skip(why: &str) {
    println!("skipped: {why}");
    assert!(std::env::var_os("CI").is_none(), "skipped under CI: {why}");
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something while no other test of this process records.
pub fn alone<T>(work: impl FnOnce() -> T) -> T {
    let _turn = turn();
    work()
}

/// Records a command.
pub fn try_record(command: &[&str]) -> Result<Recorded, RecordError> {
    try_record_with(command, |_| {})
}

/// Records a command with other options than the defaults.
pub fn try_record_with(
    command: &[&str],
    change: impl FnOnce(&mut RecordOptions),
) -> Result<Recorded, RecordError> {
    let command = command.iter().map(OsString::from).collect();
    let directory = tempfile::tempdir().expect("tempdir");
    let output = directory.path().join("trace.zst");
    let mut options = RecordOptions::new(command, output);
    if std::env::var_os("FSREPLAY_TEST_INSIDE").is_some() {
        options.backend = Backend::Inside;
        options.eagerness = Eagerness {
            stops: 2,
            late_stops: 2,
            hits: 1,
            task_stops: 1,
        };
    }
    change(&mut options);
    let _turn = turn();
    let recording = fsreplay_recorder::record(&options, &mut Quiet)?;
    Ok(Recorded::read(recording))
}

/// Records a command that can be run.
pub fn record(command: &[&str]) -> Recorded {
    try_record(command).expect("recording")
}

/// C text of so many functions in `sites[]`, each with an instruction of its own that makes the
/// call `access`, or `faccessat` where there is none.
pub fn sites(count: usize) -> String {
    let code = if cfg!(target_arch = "x86_64") {
        "mov $21,%eax\\nsyscall"
    } else {
        "mov x2,x1\\nmov x1,x0\\nmov x0,#-100\\nmov x8,#48\\nsvc #0"
    };
    let each = |text: &dyn Fn(usize) -> String| (0..count).map(text).collect::<String>();
    let functions = each(&|site| {
        format!(
            "\".p2align 5\\n.globl f{site}\\n.type f{site},@function\\n\
             f{site}: {code}\\nret\\n.size f{site},.-f{site}\\n\"\n"
        )
    });
    let declared = each(&|site| format!("long f{site}(const char *, long);\n"));
    let listed = each(&|site| format!("f{site}, "));
    format!(
        "__asm__(\".text\\n\"\n{functions});\n{declared}
        static long (*sites[])(const char *, long) = {{ {listed} }};"
    )
}

/// Compiles a C program into a directory; `None`, with a word, if there is no compiler.
pub fn compile(directory: &Path, source: &str) -> Option<PathBuf> {
    let file = directory.join("fixture.c");
    let program = directory.join("fixture");
    std::fs::write(&file, source).expect("write");
    let output = Command::new("cc")
        .args(["-O1", "-pthread", "-o"])
        .arg(&program)
        .arg(&file)
        .output();
    match output {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(program)
        }
        Err(error) => {
            skip(&format!("no C compiler: {error}"));
            None
        }
    }
}

impl Recorded {
    /// Reads what a recording wrote.
    pub fn read(recording: Recording) -> Recorded {
        let mut reader = format::open(&recording.path).expect("open");
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().expect("record") {
            records.push(record);
        }
        assert_eq!(reader.footer(), Some(&recording.footer));
        Recorded {
            recording,
            records,
            reader,
        }
    }

    /// How many warnings say that.
    pub fn warned(&self, of: &str) -> usize {
        let warnings = &self.recording.footer.warnings;
        warnings.iter().filter(|text| text.contains(of)).count()
    }

    /// The recording, if its program could do what it is for; else it ended with 77, and that is
    /// said.
    pub fn of_what_may_be(self) -> Option<Recorded> {
        let may_not = self.recording.status == Status::Exited(77);
        if may_not {
            println!("skipped: it may not be done here");
        }
        (!may_not).then_some(self)
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            _ => None,
        })
    }

    pub fn calls(&self, call: Call) -> Vec<&Event> {
        self.events().filter(|event| event.call == call).collect()
    }

    pub fn starts(&self) -> Vec<&TaskStart> {
        let starts = self.records.iter().filter_map(|record| match record {
            Record::TaskStart(start) => Some(start),
            _ => None,
        });
        starts.collect()
    }

    pub fn exits(&self) -> Vec<&TaskExit> {
        let exits = self.records.iter().filter_map(|record| match record {
            Record::TaskExit(exit) => Some(exit),
            _ => None,
        });
        exits.collect()
    }

    pub fn string(&self, id: u64) -> &[u8] {
        self.reader
            .tables()
            .string(StringId(u32::try_from(id).expect("a string")))
    }

    pub fn path(&self, event: &Event) -> Option<&[u8]> {
        let id = event.string(ArgKind::Path)?;
        Some(self.reader.tables().string(id))
    }

    /// Events on that path, verbatim.
    pub fn on_path(&self, path: &[u8]) -> Vec<&Event> {
        self.events()
            .filter(|event| self.path(event) == Some(path))
            .collect()
    }

    pub fn states(&self, path: &[u8]) -> Vec<&PathState> {
        let states = self.records.iter().filter_map(|record| match record {
            Record::PathState(state) => Some(state),
            _ => None,
        });
        states
            .filter(|state| self.reader.tables().path(state.node) == path)
            .collect()
    }

    pub fn kinds(&self, path: &[u8]) -> Vec<FileKind> {
        self.states(path).iter().map(|state| state.kind).collect()
    }
}
