//! `--verify`: the real command, on a copy of the workspace as it lies now and as it is advised.
//!
//! The copies are bound over the real places in a mount namespace of the command's own, so that it
//! finds its files under their names and the real ones are out of its reach.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fsreplay_measure::estimate;
use fsreplay_measure::verdict::{Doubt, Verdict};
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::sandbox::{self, Sandbox};
use fsreplay_results::Verdict as Told;
use fsreplay_results::advise::{Advise, Move, Verified};

use crate::exit::{self, Failure};
use crate::planning;
use crate::term;

/// Runs of each layout that count, at least; one before them fills the caches.
const RUNS: usize = 5;
/// More of them tell nothing that anyone would wait for.
const MOST_RUNS: usize = 100;
/// Names that are given to one copying program: what all of them may take is limited.
const AT_ONCE: usize = 500;
/// How often is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(50);
/// The status with which [`SCRIPT`] says that it could not begin.
const NOT_BEGUN: i32 = 125;
/// Binds pairs of directories, says so with a byte, and becomes the command.
const SCRIPT: &str = r#"
mount --make-rprivate / || exit 125
directory=$1; shift
while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift
cd "$directory" || exit 125
echo
exec "$@" >/dev/null
"#;

/// A directory that stands in for another.
type Bind = (PathBuf, PathBuf);

/// What is to be tried, and where.
pub struct Asked<'a> {
    /// The command with its arguments.
    pub command: &'a [OsString],
    /// The directory that it was recorded in.
    pub directory: &'a Path,
    /// Names and directories of the targets.
    pub targets: &'a [(String, PathBuf)],
    /// What all runs together may take after the first [`RUNS`]; they end when the verdict stands.
    pub budget: Duration,
}

/// Runs the command with the best move and without.
///
/// # Errors
/// Directories that this machine doesn't have, that can't be copied or bound, or a command that
/// can't be run.
pub fn verify(
    asked: &Asked<'_>,
    advice: &Advise,
    best: &Move,
    cancelled: &AtomicBool,
) -> Result<Verified, Failure> {
    let workspace = PathBuf::from(&advice.workspace);
    let copied = |from: &Path, name: &str| copy(from, target(asked, name)?, cancelled);
    let mut copies = Vec::new();
    let before = copied(&workspace, &advice.baseline.name)?;
    let mut after: Vec<Bind> = vec![(before.path().into(), workspace.clone())];
    for path in &best.paths {
        let path = PathBuf::from(path);
        let copy = copied(&path, &best.to)?;
        after.push((copy.path().into(), path));
        copies.push(copy);
    }
    let before_binds = vec![after[0].clone()];
    let binds = [before_binds, after];
    let measured = measure(asked, &binds, cancelled);
    let removed = std::iter::once(before).chain(copies).map(Sandbox::remove);
    let left: Vec<_> = removed.filter_map(Result::err).collect();
    let (times, status) = measured?;
    if planning::left(&left, exit::OK) != exit::OK {
        return Err(Failure::new(exit::FAILURE, "a copy could not be removed"));
    }
    let [before, after] = times.map(Series::of);
    let (after_seconds, ratio) = after.beside(&before);
    let found = verdict(&[before.samples.clone(), after.samples.clone()]);
    let words = asked.command.iter();
    Ok(Verified {
        command: words.map(|word| word.to_string_lossy().into()).collect(),
        runs: before.samples.len() as u64,
        status,
        before_seconds: before.time(),
        after_seconds,
        ratio,
        verdict: match found {
            Verdict::Faster => Told::Faster,
            Verdict::Slower => Told::Slower,
            Verdict::Same | Verdict::Baseline => Told::Same,
            Verdict::CantTell(_) => Told::CannotTell,
        },
    })
}

/// In words.
pub fn sentence(verified: &Verified, best: &Move) -> String {
    let (before, after) = (&verified.before_seconds, &verified.after_seconds);
    let found = match verified.verdict {
        Told::Faster => "Verified with",
        Told::CannotTell => "Neither confirmed nor refuted by",
        _ => "Not confirmed by",
    };
    let ended = if verified.status == 0 {
        String::new()
    } else {
        format!(", which ended with status {}", verified.status)
    };
    format!(
        "{found} the command itself, {} runs each on copies{ended}: {} instead of {} ({:.1} times \
         as fast, {:.1} predicted).",
        verified.runs,
        term::seconds(after.value),
        term::seconds(before.value),
        1.0 / verified.ratio.value,
        1.0 / best.ratio.value
    )
}

fn target<'a>(asked: &'a Asked<'_>, name: &str) -> Result<&'a Path, Failure> {
    let found = asked.targets.iter().find(|(known, _)| known == name);
    let found = found.map(|(_, directory)| directory.as_path());
    found.ok_or_else(|| Failure::new(exit::TARGET, format!("there is no target {name}")))
}

/// Copies what lies in a directory.
fn copy(from: &Path, target: &Path, cancelled: &AtomicBool) -> Result<Sandbox, Failure> {
    if !from.is_dir() {
        let from = from.display();
        let message = format!("{from} is not on this machine: verify where it was recorded");
        return Err(Failure::new(exit::USAGE, message));
    }
    let failed = |why: String| {
        let (from, to) = (from.display(), target.display());
        let message = format!("copying {from} to {to}: {why}; the copy was removed");
        Failure::new(exit::TARGET, message)
    };
    let sandbox = Sandbox::create(target).map_err(planning::failure)?;
    let entries = std::fs::read_dir(from).and_then(|found| found.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| failed(error.to_string()))?;
    let names = entries.iter().map(|entry| entry.path());
    // The target may lie in it: copies are not copied.
    let is_copy = |path: &PathBuf| {
        let name = path.file_name().map(OsStr::as_encoded_bytes);
        name.is_some_and(|name| name.starts_with(sandbox::PREFIX.as_bytes()))
    };
    let names: Vec<PathBuf> = names.filter(|path| !is_copy(path)).collect();
    for some in names.chunks(AT_ONCE) {
        let mut command = Command::new("cp");
        command.arg("-a").args(some).arg(sandbox.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let copied = command.spawn().map_err(|error| cannot("cp", &error))?;
        let (_, status) = wait(copied, cancelled)?;
        if status != 0 {
            return Err(failed("it failed, see above".into()));
        }
    }
    Ok(sandbox)
}

/// On what runs with each of both layouts took, seconds.
fn verdict([before, after]: &[Vec<f64>; 2]) -> Verdict {
    Verdict::of(&estimate::ratio(after, before), Doubt::default())
}

/// What runs with each of both layouts took, seconds, and the status of the last one.
fn measure(
    asked: &Asked<'_>,
    binds: &[Vec<Bind>; 2],
    cancelled: &AtomicBool,
) -> Result<([Vec<f64>; 2], i32), Failure> {
    let began = Instant::now();
    let mut times = [Vec::new(), Vec::new()];
    let mut status = 0;
    for round in 0..=MOST_RUNS {
        let is_told = || verdict(&times).stands() || began.elapsed() > asked.budget;
        if round > RUNS && is_told() {
            break;
        }
        for (binds, times) in binds.iter().zip(&mut times) {
            let (seconds, ended) = run(asked, binds, cancelled)?;
            status = ended;
            if round > 0 {
                times.push(seconds);
            }
        }
    }
    Ok((times, status))
}

/// Runs the command once: seconds, and its status.
fn run(asked: &Asked<'_>, binds: &[Bind], cancelled: &AtomicBool) -> Result<(f64, i32), Failure> {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT, "sh"]);
    command.arg(asked.directory);
    let pairs = binds.iter().flat_map(|(from, to)| [from, to]);
    command
        .args(pairs)
        .arg(OsStr::new("--"))
        .args(asked.command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot("unshare", &error))?;
    let (mut begins, errors) = (child.stdout.take(), child.stderr.take());
    // What the command says is its own; what is said before it begins tells why it can't.
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        let read = errors.map(|errors| errors.take(4096).read_to_string(&mut text));
        read.map(|_| text).unwrap_or_default()
    });
    let has_begun = begins
        .as_mut()
        .is_some_and(|pipe| pipe.read_exact(&mut [0]).is_ok());
    let began = Instant::now();
    let (ended, status) = wait(child, cancelled)?;
    if has_begun && status != NOT_BEGUN {
        return Ok(((ended - began).as_secs_f64(), status));
    }
    let said = said.join().unwrap_or_default();
    let said = said.lines().next().unwrap_or("it said nothing");
    let message = format!(
        "--verify binds copies over the real directories in a mount namespace, which needs \
         CAP_SYS_ADMIN, such as root has outside of containers: {said}"
    );
    Err(Failure::new(exit::FAILURE, message))
}

/// Waits for a child: when it ended, and its status as a shell tells it. It is killed if the user
/// wants an end.
fn wait(mut child: Child, cancelled: &AtomicBool) -> Result<(Instant, i32), Failure> {
    use std::os::unix::process::ExitStatusExt;
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let (ended, end) = mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let status = child.wait();
        let _ = ended.send((Instant::now(), status));
    });
    let found = loop {
        match end.recv_timeout(LOOK) {
            Ok(found) => break Some(found),
            Err(mpsc::RecvTimeoutError::Disconnected) => break None,
            Err(mpsc::RecvTimeoutError::Timeout) if cancelled.load(Ordering::Relaxed) => {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    };
    let _ = waiting.join();
    if cancelled.load(Ordering::Relaxed) {
        return Err(Failure::new(
            exit::FAILURE,
            "stopped; the copies were removed",
        ));
    }
    let (when, status) = found.ok_or_else(|| Failure::new(exit::FAILURE, "a child is lost"))?;
    let status = status.map_err(|error| cannot("the command", &error))?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Ok((when, code.unwrap_or(NOT_BEGUN)))
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(exit::FAILURE, format!("running {what}: {error}"))
}
