//! `--verify`: the real command, on a copy of the workspace as it lies now and as it is advised.
//!
//! The copies are bound over the real places in a mount namespace of the command's own, so that it
//! finds its files under their names and the real ones are out of its reach.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
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

use nix::sys::signal::{Signal, kill, killpg};

use crate::exit::{self, Failure};
use crate::term;

/// Runs of each layout that count, at least; one before them fills the caches.
const RUNS: usize = 5;
/// More of them tell nothing that anyone would wait for.
const MOST_RUNS: usize = 100;
/// Names that are given to one copying program: what all of them may take is limited.
const AT_ONCE: usize = 500;
/// How often is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(50);
/// The status of what ended in no way that there is.
const LOST: i32 = 125;
/// Binds pairs of directories, says so with a byte, and becomes the command.
const SCRIPT: &str = r#"
mount --make-rprivate / || exit 1
directory=$1; shift
while [ "$1" != -- ]; do mount --rbind "$1" "$2" || exit 1; shift 2; done; shift
cd "$directory" || exit 1
echo
exec "$@" >/dev/null 2>&1
"#;
/// What keeps the command from being verified for want of privilege.
const PRIVILEGE: &str = "--verify binds copies over the real directories in a mount namespace, \
    which \
                         needs CAP_SYS_ADMIN, such as root has outside of containers";

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
    /// On how many mounts the workspace lies.
    pub parts: usize,
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
    allowed(asked, &workspace, best)?;
    let copied = |from: &Path, name: &str| copy(from, target(asked, name)?, cancelled);
    let before = copied(&workspace, &advice.baseline.name)?;
    let is_whole = best.paths == [advice.workspace.as_str()];
    let whole_on = if is_whole {
        &best.to
    } else {
        &advice.baseline.name
    };
    // Of its own: files that both layouts share would be as the other one left them.
    let after = copied(&workspace, whole_on)?;
    let (mut copies, mut inner) = (Vec::new(), Vec::new());
    for path in best.paths.iter().map(PathBuf::from) {
        let below = path.strip_prefix(&workspace).unwrap_or(Path::new(""));
        if is_whole || below.as_os_str().is_empty() {
            continue;
        }
        let copy = copied(&path, &best.to)?;
        inner.push((copy.path().into(), after.path().join(below)));
        copies.push(copy);
    }
    inner.push((after.path().into(), workspace.clone()));
    copies.push(after);
    let binds = [vec![(before.path().into(), workspace)], inner];
    let measured = measure(asked, &binds, cancelled);
    let removed = std::iter::once(before).chain(copies).map(Sandbox::remove);
    let left: Vec<_> = removed.filter_map(Result::err).collect();
    let (times, status) = measured?;
    if exit::left(&left, exit::OK) != exit::OK {
        return Err(Failure::new(exit::FAILURE, "a copy could not be removed"));
    }
    let [before, after] = times.map(Series::of);
    let (after_seconds, ratio) = after.beside(&before);
    let found = verdict(&[before.rounds.clone(), after.rounds.clone()]);
    let words = asked.command.iter();
    Ok(Verified {
        command: words.map(|word| word.to_string_lossy().into()).collect(),
        runs: before.rounds.len() as u64,
        status,
        before_seconds: before.time(),
        after_seconds,
        ratio,
        verdict: found.into(),
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

/// Says at once if nothing can be bound here.
///
/// # Errors
/// No privilege.
pub fn possible() -> Result<(), Failure> {
    let mut command = Command::new("unshare");
    command.args(["-m", "mount", "--make-rprivate", "/"]);
    let output = command
        .output()
        .map_err(|error| cannot("unshare", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let said = text.lines().next().unwrap_or_default();
    Err(Failure::new(exit::FAILURE, format!("{PRIVILEGE}: {said}")))
}

/// The trace is a stranger's, and so are its paths: only the project that the user stands in is
/// copied, and nothing that can't be bound over as a whole.
fn allowed(asked: &Asked<'_>, workspace: &Path, best: &Move) -> Result<(), Failure> {
    let refused = |why: String| Err(Failure::new(exit::USAGE, format!("--verify: {why}")));
    let here = std::env::current_dir().unwrap_or_default();
    let shown = workspace.display();
    if workspace == Path::new("/") || !here.starts_with(workspace) {
        return refused(format!("go to the recorded workspace first, {shown}"));
    }
    if !asked.directory.starts_with(workspace) {
        let directory = asked.directory.display();
        return refused(format!(
            "{directory}, where it was recorded, is not in {shown}"
        ));
    }
    if asked.parts > 1 {
        return refused(format!(
            "{shown} lies on several mounts; only one can be copied"
        ));
    }
    let lossy = |path: &str| path.contains(char::REPLACEMENT_CHARACTER);
    if lossy(&shown.to_string()) || best.paths.iter().any(|path| lossy(path)) {
        return refused("the path of a directory is no UTF-8".into());
    }
    let is_within =
        |(_, target): &&(String, PathBuf)| target != workspace && target.starts_with(workspace);
    if let Some((name, _)) = asked.targets.iter().find(is_within) {
        return refused(format!(
            "{name} lies in {shown}, which is to be copied to it"
        ));
    }
    Ok(())
}

fn target<'a>(asked: &'a Asked<'_>, name: &str) -> Result<&'a Path, Failure> {
    let found = asked
        .targets
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, directory)| directory.as_path());
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
    let sandbox = Sandbox::create(target)?;
    let entries = std::fs::read_dir(from)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| failed(error.to_string()))?;
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
    alike(from, sandbox.path()).map_err(|error| failed(error.to_string()))?;
    Ok(sandbox)
}

/// Gives a directory the owner and mode of another one.
fn alike(from: &Path, to: &Path) -> std::io::Result<()> {
    let of = std::fs::metadata(from)?;
    std::os::unix::fs::chown(to, Some(of.uid()), Some(of.gid()))?;
    std::fs::set_permissions(to, of.permissions())
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
    let mut first = None;
    for round in 0..=MOST_RUNS {
        let is_told = || verdict(&times).stands() || began.elapsed() > asked.budget;
        if round > RUNS && is_told() {
            break;
        }
        // Each begins in turn.
        for which in [round % 2, (round + 1) % 2] {
            let (seconds, status) = run(asked, &binds[which], cancelled)?;
            if round > 0 {
                times[which].push(seconds);
            }
            let before = *first.get_or_insert(status);
            if status != before {
                let message = format!(
                    "--verify: the command ended with status {before} once and with {status} then: \
                     it can't be repeated"
                );
                return Err(Failure::new(exit::FAILURE, message));
            }
        }
    }
    Ok((times, first.unwrap_or_default()))
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
        .stderr(Stdio::piped())
        .process_group(0);
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
    if has_begun {
        return Ok(((ended - began).as_secs_f64(), status));
    }
    let text = said.join().unwrap_or_default();
    let said = text.lines().next().unwrap_or("it said nothing");
    let message = format!("{PRIVILEGE}: {said}");
    Err(Failure::new(exit::FAILURE, message))
}

/// Waits for a child: when it ended, and its status as a shell tells it. It is killed if the user
/// wants an end.
fn wait(mut child: Child, cancelled: &AtomicBool) -> Result<(Instant, i32), Failure> {
    use std::os::unix::process::ExitStatusExt;
    // With all that it started, where it has a group of its own.
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
                let _ = killpg(pid, Signal::SIGKILL).or_else(|_| kill(pid, Signal::SIGKILL));
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
    Ok((when, code.unwrap_or(LOST)))
}

fn cannot(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(exit::FAILURE, format!("running {what}: {error}"))
}
