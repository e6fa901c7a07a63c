//! The program itself on hostile traces: `play`, `compare` and `advise` touch nothing but their
//! targets, end when they are asked to, and leave nothing. The library is tried by more traces in
//! `hostile/`.

mod common;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fsreplay_hostile::arena::{Arena, Snapshot};
use fsreplay_hostile::assemble::assemble;
use fsreplay_hostile::script::Script;
use fsreplay_hostile::{cage, texts::TEXTS};

/// After so long a command is asked to stop,
const PATIENCE: Duration = Duration::from_secs(10);
/// and after so long more it counts as hanging: machines are busy.
const LONGEST: Duration = Duration::from_secs(120);

/// Does something in a mount namespace in which only a new directory can be written to.
fn caged(work: impl FnOnce(&Path) + Send) {
    if !common::is_root() {
        eprintln!("skipped: a mount namespace needs root");
        return;
    }
    let base = tempfile::tempdir().expect("a directory");
    let path = base.path().canonicalize().expect("it is there");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
    let inside = || {
        cage::enter(&path, false, None).expect("root may do that");
        work(&path);
    };
    // The namespace is the thread's, and what the thread starts inherits it.
    let done = std::thread::scope(|scope| scope.spawn(inside).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// How a command is called on a trace.
type Arguments = fn(&Path, &Arena) -> Vec<PathBuf>;

fn words(words: &[&str]) -> Vec<PathBuf> {
    words.iter().map(PathBuf::from).collect()
}

fn play(trace: &Path, arena: &Arena) -> Vec<PathBuf> {
    let mut all = words(&["play", "--rounds", "2", "--target"]);
    all.extend([arena.target(), trace.into()]);
    all
}

fn compare(trace: &Path, arena: &Arena) -> Vec<PathBuf> {
    let mut all = words(&["compare", "--rounds", "2", "--timing", "fast", "--neutral"]);
    all.extend([arena.second(), "--target".into(), arena.target()]);
    all.extend(["--target".into(), arena.second(), trace.into()]);
    all
}

fn advise(trace: &Path, arena: &Arena) -> Vec<PathBuf> {
    let mut all = words(&["advise", "--rounds", "2", "--neutral"]);
    all.extend([arena.second(), "--target".into(), arena.target()]);
    all.extend(["--target".into(), arena.second(), trace.into()]);
    all
}

/// How many texts are played at a time: a command that takes times rests before each round, so that
/// one after the other they take minutes.
const AT_A_TIME: usize = 8;

/// Plays all texts by a command, as a user.
fn all_texts(base: &Path, arguments: Arguments, uid: u32) {
    let program = base.join("fsreplay");
    std::fs::copy(env!("CARGO_BIN_EXE_fsreplay"), &program).expect("the program is copied");
    let texts = TEXTS.iter();
    let texts = Mutex::new(texts);
    let next = || texts.lock().expect("nobody panics with it").next();
    let work = || {
        let mut faults = Vec::new();
        while let Some((name, text)) = next() {
            faults.extend(one_text(base, name, text, arguments, uid));
        }
        faults
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .flat_map(|faults| faults.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What a text did that it may not, when played by a command.
fn one_text(base: &Path, name: &str, text: &str, arguments: Arguments, uid: u32) -> Vec<String> {
    let script: Script = text.parse().expect("a script");
    let arena = Arena::create(base.join(name), uid).expect("an arena");
    let outside = arena.outside();
    let bytes = assemble(&script, outside.as_os_str().as_bytes()).expect("a trace");
    let trace = base.join(format!("{name}.zst"));
    std::fs::write(&trace, bytes).expect("the trace is written");
    let before = Snapshot::take(&arena).expect("a look");
    let mut command = Command::new(base.join("fsreplay"));
    command.args(arguments(&trace, &arena)).current_dir(base);
    command.env("HOME", "/nonexistent").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if uid != 0 {
        command.uid(uid).gid(uid);
    }
    let mut child = command.spawn().expect("it starts");
    if !ends(&mut child) {
        return vec![format!(
            "{name}: no end {LONGEST:?} after it was asked to stop"
        )];
    }
    let after = Snapshot::take(&arena).expect("a look");
    let touched = before.differences(&after).into_iter();
    let mut faults: Vec<String> = touched
        .map(|how| format!("{name}: touched: {how}"))
        .collect();
    let left = arena.leftovers().expect("targets are listed").into_iter();
    faults.extend(left.map(|path| format!("{name}: left: {}", path.display())));
    faults
}

/// Whether a command ends, by itself or when it is asked to.
fn ends(child: &mut Child) -> bool {
    if ended_within(child, PATIENCE) {
        return true;
    }
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    assert!(asked.expect("kill runs").success() || ended_within(child, Duration::ZERO));
    if ended_within(child, LONGEST) {
        return true;
    }
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    false
}

fn ended_within(child: &mut Child, longest: Duration) -> bool {
    let begin = Instant::now();
    loop {
        if child.try_wait().expect("its status").is_some() {
            return true;
        }
        if begin.elapsed() >= longest {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn play_as_root() {
    caged(|base| all_texts(base, play, 0));
}

#[test]
fn play_as_a_user() {
    caged(|base| all_texts(base, play, 65534));
}

#[test]
fn compare_as_root() {
    caged(|base| all_texts(base, compare, 0));
}

#[test]
fn compare_as_a_user() {
    caged(|base| all_texts(base, compare, 65534));
}

#[test]
fn advise_as_root() {
    caged(|base| all_texts(base, advise, 0));
}
