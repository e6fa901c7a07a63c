//! Runs a real tool under `fsreplay record`, replays it, and compares outcomes and trees.
#![allow(dead_code)] // each test file uses a part

pub mod http;
pub mod tree;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, Planner};
use fsreplay_trace::format;
use fsreplay_trace::model::Footer;

/// The binary under test.
pub fn fsreplay() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fsreplay"))
}

/// The same, heeding all signals, also where the tests were started by what ignores some: a shell
/// ignores `SIGINT` for what it starts in the background, `nohup` a hangup.
pub fn fsreplay_heeding() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_fsreplay")]);
    command
}

/// A place to work in on the file system of the build directory, removed at the end.
pub fn workspace() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory")
}

/// Whether a tool is there; under CI its absence is a failure, elsewhere a skip that says why.
pub fn have(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file()));
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is not installed");
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Compiles a program of C to `name` in a directory; `false` without a compiler.
pub fn compile(dir: &Path, name: &str, source: &str, options: &str) -> bool {
    if !have("cc") {
        return false;
    }
    std::fs::write(dir.join(name).with_extension("c"), source).expect("source");
    sh(
        dir,
        &format!("cc -O1 -pthread {options} -o {name} {name}.c"),
    );
    true
}

/// Runs a shell script in a directory and fails the test if it fails.
pub fn sh(dir: &Path, script: &str) {
    let output = Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{script}: {}", text(&output));
}

/// Looks again and again until something holds. Ten minutes are more than any busy machine takes.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(600), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The plan of a trace, as the user who runs the tests would replay it in a directory.
pub fn planned(trace: &Path, target: &Path) -> (Plan, Footer) {
    let mut reader = format::open(trace).expect("a trace");
    let options = PlanOptions {
        limits: Default::default(),
        target: target.to_owned(),
        place: Vec::new(),
        skip: Vec::new(),
        as_root: is_root(),
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
    };
    let mut planner = Planner::new(reader.header(), options);
    while let Some(record) = reader.next_record().expect("a record") {
        planner.record(&record, reader.tables()).expect("planned");
    }
    let plan = planner.finish(reader.tables()).expect("a plan");
    (plan, reader.footer().expect("a footer").clone())
}

/// Whether a comparison went through: what it found may be in doubt (status 5), as the machine may
/// be busy.
pub fn answers(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 5))
}

/// Standard output and error of a finished process.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Records a command in a directory; the trace lies beside, not in it.
pub fn record<S: AsRef<OsStr>>(dir: &Path, trace: &Path, command: &[S]) -> Output {
    record_with(&[], dir, trace, command)
}

/// Records a command with options of `record`.
pub fn record_with<S: AsRef<OsStr>>(
    options: &[&str],
    dir: &Path,
    trace: &Path,
    command: &[S],
) -> Output {
    fsreplay()
        .args(["record", "-q", "--force"])
        .args(options)
        .arg("-o")
        .arg(trace)
        .arg("--")
        .args(command)
        .current_dir(dir)
        .output()
        .expect("fsreplay runs")
}

/// What a replay said.
pub struct Replay {
    /// The JSON result.
    pub json: serde_json::Value,
    /// The replay's directory, kept.
    pub sandbox: PathBuf,
    _target: tempfile::TempDir,
}

impl Replay {
    /// A number of the top level.
    pub fn number(&self, name: &str) -> u64 {
        self.json[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no number {name} in {}", self.json))
    }

    /// Share of events whose outcome was the recorded one.
    pub fn fidelity(&self) -> f64 {
        1.0 - self.number("divergences") as f64 / self.number("events").max(1) as f64
    }
}

/// Replays a trace below a parent directory and keeps the tree.
pub fn play(trace: &Path, parent: &Path) -> Replay {
    let target = tempfile::tempdir_in(parent).expect("a target");
    let output = fsreplay()
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(target.path())
        .args(["--keep", "--json", "-", "-q"])
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "play failed: {}", text(&output));
    let json = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    let sandbox = std::fs::read_dir(target.path())
        .expect("target is listed")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.is_dir())
        .expect("--keep left the tree")
        .join("tree");
    Replay {
        json,
        sandbox,
        _target: target,
    }
}

/// The mounts that every machine has: that of the build directory, and /dev/shm.
pub fn targets() -> Vec<PathBuf> {
    vec![
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        PathBuf::from("/dev/shm"),
    ]
}

/// Records a script in a directory and replays it on all targets: at least `least` of all outcomes
/// must be as recorded, and the replayed tree must be the one that the tool left.
pub fn roundtrip(dir: &Path, script: &str, least: f64) {
    let scratch = workspace();
    let trace = scratch.path().join("t.zst");
    let before = tree::names(dir);
    let output = record(dir, &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{script}: {}", text(&output));
    for target in targets() {
        let replay = play(&trace, &target);
        assert!(
            replay.fidelity() >= least,
            "{script} on {}: {} of {} events diverged: {:#}",
            target.display(),
            replay.number("divergences"),
            replay.number("events"),
            replay.json["divergence_groups"]
        );
        let differences = tree::differences(dir, &replay.sandbox, &before);
        assert!(
            differences.is_empty(),
            "{script} on {}: the trees differ: {differences:#?}",
            target.display()
        );
    }
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
