//! What the tests of faults share: a tool that notices wrong calls, and recordings of it that can
//! be disturbed.
#![allow(dead_code)] // each test file uses a part

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::common::{fsreplay, fsreplay_heeding, have, text, workspace};

/// Nothing that is waited for takes so long, unless it never comes.
const LONGEST: Duration = Duration::from_secs(120);

/// A directory to work in, with the tool and a state directory beside.
pub struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    /// Compiles the tool; `None` where nothing does.
    pub fn new() -> Option<Lab> {
        if !have("cc") {
            return None;
        }
        let lab = Lab { dir: workspace() };
        lab.compile("tool");
        for name in ["work", "state"] {
            std::fs::create_dir(lab.path(name)).expect("made");
        }
        Some(lab)
    }

    /// Compiles a tool of this directory; gives where it is.
    pub fn compile(&self, name: &str) -> PathBuf {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults"));
        let output = Command::new("cc")
            .args(["-O1", "-pthread", "-o"])
            .arg(self.path(name))
            .arg(sources.join(name).with_extension("c"))
            .output()
            .expect("cc runs");
        assert!(output.status.success(), "{}", text(&output));
        self.path(name)
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sets a command up to work here.
    pub fn here<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.path("work"))
            .env("XDG_STATE_HOME", self.path("state"))
            // Recordings that others left are found there, too.
            .env("HOME", self.path("home"))
            .env("LAB", self.dir.path())
            .env("F", env!("CARGO_BIN_EXE_fsreplay"))
    }

    /// Runs a shell script here, with the binary under test as `$F` and this place as `$LAB`.
    pub fn sh(&self, script: &str) -> Output {
        let mut command = Command::new("sh");
        self.here(command.args(["-uc", script]))
            .output()
            .expect("sh runs")
    }

    /// Begins a recording of the tool in a process group of its own.
    pub fn record(&self, tool: &[&str]) -> Child {
        let mut command = fsreplay_heeding();
        command.args(["record", "-q", "-o"]).arg(self.path("t.zst"));
        command.arg("--").arg(self.path("tool")).args(tool);
        self.here(&mut command)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fsreplay runs")
    }

    /// Incomplete traces in the state directory.
    pub fn incomplete(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("state/fsreplay"))
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// What `play` says to a trace; it must play.
    pub fn plays(&self, trace: &Path, truncated: bool) {
        let mut command = fsreplay();
        command.args(["play", "--target"]).arg(self.path("work"));
        command.args(truncated.then_some("--truncated")).arg(trace);
        let output = self.here(&mut command).output().expect("fsreplay runs");
        assert!(output.status.success(), "{}", text(&output));
    }

    /// How many events there are in a trace or in what there is of it; `None` if it can't be read.
    pub fn events(&self, trace: &Path) -> Option<u64> {
        let mut command = fsreplay();
        command.args(["info", "--truncated", "--json", "-"]);
        let output = command.arg(trace).output().expect("fsreplay runs");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        json["events"].as_u64()
    }

    /// Waits until no process runs the tool any more.
    pub fn nothing_left(&self) {
        self.nothing_runs("tool");
    }

    /// The same of a tool of that name.
    pub fn nothing_runs(&self, name: &str) {
        let tool = self.path(name).into_os_string().into_encoded_bytes();
        await_true("the tool's end", || {
            !processes().any(|pid| is_running(pid, &tool))
        });
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A zombie has no command line.
fn is_running(pid: u32, program: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(program))
}

/// Waits until something holds, without end but for a machine on which it never does.
pub fn await_true(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONGEST, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to a child.
pub fn kill(signal: Signal, child: &Child) {
    // It is not reaped, so that the id is its own.
    signal::kill(id(child), signal).expect("sent");
}

/// Sends a signal to the process group that a child leads.
pub fn kill_group(signal: Signal, child: &Child) {
    signal::killpg(id(child), signal).expect("sent");
}

fn id(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("an id"))
}

/// Reads the first line of what a child prints, and gives the rest to be read.
pub fn first_line(child: &mut Child) -> (String, impl Read + use<>) {
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    (line.trim_end().to_owned(), out)
}

/// Whether something can be mounted in a mount namespace of its own.
pub fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: nothing may be mounted here");
    }
    can
}
