//! `record --pid`: what runs already is recorded and let go, and has noticed nothing.

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{fsreplay, have, is_root, play, text, until, workspace};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Waits for a line on standard input, works, tells that it has, and waits again. What it has open
/// is open before.
const ROUNDS: &str = r"
import os, sys, threading
held = open('held', 'w+')
held.write('x' * 100)
held.flush()
held.seek(40)
os.chdir('d')
stop = threading.Event()
started = threading.Barrier(3)
def other():
    for name in names:
        os.stat(name)
    started.wait()
    while not stop.is_set():
        line = os.read(pipe[0], 1)
        if line == b'':
            return
        os.stat('../held')
        os.write(back[1], b'.')
names = ['..', '.']
pipe, back = os.pipe(), os.pipe()
threads = [threading.Thread(target=other) for _ in range(2)]
for thread in threads:
    thread.start()
started.wait()
print('ready', flush=True)
for line in sys.stdin:
    os.read(held.fileno(), 30)
    f = os.open('made', os.O_RDWR | os.O_CREAT)
    os.write(f, b'hello')
    os.close(f)
    os.rename('made', 'moved')
    os.listdir('.')
    for _ in range(20):
        os.write(pipe[1], b'.')
        os.read(back[0], 1)
    child = os.fork()
    if child == 0:
        os.stat('missing') if os.path.exists('missing') else None
        os._exit(3)
    os.waitpid(child, 0)
    os.unlink('moved')
    print('done', flush=True)
os.close(pipe[1])
for thread in threads:
    thread.join()
sys.exit(7)
";

/// A tool that works when it is told to.
struct Tool {
    dir: tempfile::TempDir,
    child: Child,
}

impl Tool {
    fn start() -> Tool {
        let dir = workspace();
        std::fs::create_dir(dir.path().join("d")).expect("a directory");
        let out = std::fs::File::create(dir.path().join("out")).expect("a file");
        let child = Command::new("python3")
            .args(["-S", "-c", ROUNDS])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(out)
            .spawn()
            .expect("python3 runs");
        let mut tool = Tool { dir, child };
        tool.says("ready", 1);
        tool
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until it has said something so often.
    fn says(&mut self, what: &str, times: usize) {
        let out = self.file("out");
        let said = || std::fs::read_to_string(&out).unwrap_or_default();
        until(what, || {
            assert!(self.child.try_wait().expect("waited").is_none(), "it ended");
            // Python writes the end of a line by itself: only then it has said it.
            let said = said();
            let lines = said.split_inclusive('\n');
            lines
                .filter(|line| line.strip_suffix('\n') == Some(what))
                .count()
                >= times
        });
    }

    fn tell(&mut self) {
        let input = self.child.stdin.as_mut().expect("an input");
        input.write_all(b"go\n").expect("told");
    }

    /// What traces its threads, or 0.
    fn tracers(&self) -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("threads");
        let status = tasks.map(|task| task.expect("a thread").path().join("status"));
        let of = |text: String| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("TracerPid:"));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
        };
        status
            .map(|path| of(std::fs::read_to_string(path).unwrap_or_default()))
            .collect()
    }

    /// Starts a tracer, and waits until it has attached to each thread.
    fn attached(&self, command: &mut Command) -> Child {
        let tracer = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let pid = tracer.id() as i32;
        until("attached", || {
            self.tracers().iter().all(|tracer| *tracer == pid)
        });
        tracer
    }

    /// Waits until it waits.
    fn waits(&self) {
        until("it waits", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
            stat.is_ok_and(|stat| stat.contains(") S "))
        });
    }

    /// Attaches with a tracer, has the tool work once, and interrupts the tracer.
    fn traced(&mut self, command: &mut Command, round: usize) {
        let tracer = self.attached(command);
        let pid = tracer.id() as i32;
        // All threads wait again where they waited before.
        self.waits();
        self.tell();
        self.says("done", round);
        // What it waits in is the last of its calls.
        self.waits();
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("signaled");
        let output = tracer.wait_with_output().expect("it ends");
        let ended = output.status.code();
        // strace dies of the signal that it got.
        assert!(ended == Some(0) || ended.is_none(), "{}", text(&output));
        until("let go", || {
            self.tracers().iter().all(|tracer| *tracer == 0)
        });
    }

    /// Has it end; it must, as it would have without a tracer.
    fn ends(mut self) -> tempfile::TempDir {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(7));
        self.dir
    }
}

fn attach(pid: i32, trace: &Path) -> Command {
    let mut command = fsreplay();
    command
        .args(["record", "--force", "--pid", &pid.to_string(), "-o"])
        .arg(trace);
    command
}

fn info(trace: &Path) -> Value {
    let output = fsreplay()
        .arg("info")
        .arg(trace)
        .args(["--json", "-"])
        .output();
    let output = output.expect("fsreplay runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
}

/// How often each call was made and failed, but for those that wait in turn.
fn calls(trace: &Path) -> Vec<(String, u64, u64)> {
    let info = info(trace);
    let calls = info["calls"]
        .as_object()
        .expect("calls")
        .iter()
        .filter(|(name, _)| *name != "futex");
    let number = |call: &Value, name: &str| call[name].as_u64().expect("a number");
    let one = |(name, call): (&String, &Value)| {
        (name.clone(), number(call, "count"), number(call, "errors"))
    };
    calls.map(one).collect()
}

#[test]
fn what_runs_is_recorded_let_go_and_replayed() {
    if !have("python3") {
        return;
    }
    let mut tool = Tool::start();
    let trace = tool.file("t.zst");
    let pid = tool.pid();
    for round in 1..=3 {
        tool.traced(&mut attach(pid, &trace), round);
    }
    // It works as well without.
    tool.tell();
    tool.says("done", 4);
    let dump = fsreplay()
        .args(["dump", "--all"])
        .arg(&trace)
        .output()
        .expect("fsreplay runs");
    let dump = text(&dump);
    let held = format!("{:?} File", tool.file("held"));
    let held = dump
        .lines()
        .find(|line| line.contains(&held) && line.contains("descriptor"));
    // The position that two rounds have read up to.
    assert!(
        held.is_some_and(|line| line.contains("offset=100")),
        "{held:?} {dump}"
    );
    let info = info(&trace);
    assert_eq!(info["backend"], "ptrace, attached");
    // Three threads and a child.
    assert_eq!(info["tasks"], 4, "{info:#}");
    assert_eq!(
        info["cwd"],
        tool.file("d").to_str().expect("text"),
        "{info:#}"
    );
    let replay = play(&trace, tool.dir.path());
    assert_eq!(replay.number("divergences"), 0, "{:#}", replay.json);
    tool.ends();
}

#[test]
fn the_calls_are_those_that_strace_sees() {
    if !["python3", "strace"].iter().all(|tool| have(tool)) {
        return;
    }
    let mut tool = Tool::start();
    let (trace, log, imported) = (tool.file("t.zst"), tool.file("log"), tool.file("i.zst"));
    let pid = tool.pid();
    tool.traced(&mut attach(pid, &trace), 1);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-ttt", "-T", "-y", "-p", &pid.to_string(), "-o"])
        .arg(&log);
    tool.traced(&mut strace, 2);
    let output = fsreplay()
        .args(["import", "strace", "-q", "-o"])
        .args([&imported, &log])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let recorded = calls(&trace);
    assert!(recorded.len() > 8, "{recorded:?}");
    assert_eq!(recorded, calls(&imported));
    tool.ends();
}

#[test]
fn a_tool_that_ends_ends_the_recording() {
    if !have("python3") {
        return;
    }
    let mut tool = Tool::start();
    let trace = tool.file("t.zst");
    let recorder = tool.attached(&mut attach(tool.pid(), &trace));
    tool.tell();
    tool.says("done", 1);
    let dir = tool.ends();
    let output = recorder.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let info = info(&dir.path().join("t.zst"));
    assert_eq!(info["exit_code"], 7, "{info:#}");
}

#[test]
fn a_recorder_that_is_killed_leaves_the_tool_alive() {
    if !have("python3") {
        return;
    }
    let mut tool = Tool::start();
    let trace = tool.file("t.zst");
    let state = tool.file("state");
    let mut recorder = attach(tool.pid(), &trace);
    let recorder = tool.attached(recorder.env("XDG_STATE_HOME", &state));
    let pid = recorder.id() as i32;
    tool.tell();
    tool.says("done", 1);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("signaled");
    recorder.wait_with_output().expect("it ends");
    tool.tell();
    tool.says("done", 2);
    tool.ends();
}

#[test]
fn what_cannot_be_attached_to_is_told_with_what_to_do() {
    if !have("python3") {
        return;
    }
    let mut tool = Tool::start();
    let trace = tool.file("t.zst");
    let refused = |command: &mut Command, code: i32, why: &str| {
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(why), "{why}: {}", text(&output));
    };
    // Above all that a kernel gives.
    refused(&mut attach(1 << 23, &trace), 125, "there is no process");
    refused(
        attach(tool.pid(), &trace).arg("true"),
        2,
        "cannot be used with",
    );
    let own = format!("exec \"$0\" record --pid $$ -o {}", trace.display());
    let mut own_shell = Command::new("sh");
    own_shell.args(["-c", &own]).arg(fsreplay().get_program());
    refused(&mut own_shell, 125, "is this recorder itself");
    let recorder = attach(tool.pid(), &trace)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let pid = recorder.id() as i32;
    until("attached", || {
        tool.tracers().iter().all(|tracer| *tracer == pid)
    });
    refused(
        &mut attach(tool.pid(), &tool.file("other.zst")),
        125,
        "is traced by process",
    );
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("signaled");
    assert!(
        recorder
            .wait_with_output()
            .expect("it ends")
            .status
            .success()
    );
    if is_root() && have("setpriv") {
        let dir = tempfile::tempdir_in("/dev/shm").expect("a directory");
        // The build directory may be closed to others.
        let binary = dir.path().join("fsreplay");
        std::fs::copy(fsreplay().get_program(), &binary).expect("copied");
        common::sh(dir.path(), "chmod 777 .; chmod 755 fsreplay");
        let mut other = Command::new("setpriv");
        let ids = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        other
            .args(ids)
            .arg(&binary)
            .args(["record", "--pid", &tool.pid().to_string()]);
        other.current_dir(dir.path()).env("HOME", dir.path());
        refused(&mut other, 125, "kernel.yama.ptrace_scope");
    }
    tool.tell();
    tool.says("done", 1);
    tool.ends();
}
