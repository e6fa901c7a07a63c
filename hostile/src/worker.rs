//! Plays scripts, one after the other, in a process of its own: what one does to that process ends
//! with it.
//!
//! The process reads `LENGTH ARENA` and a script of that many bytes from its standard input, plays
//! it, and writes one line: [`Answer`].

use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::{Cache, PlayOptions, Timing, play};
use fsreplay_trace::format::TraceReader;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::arena::Arena;
use crate::assemble::assemble;
use crate::script::Script;

/// After this much of a replay it is asked to stop.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Largest address space of a worker, bytes.
const MEMORY: u64 = 16 << 30;
/// Largest file that a worker makes, bytes.
const FILE: u64 = 64 << 20;

/// What became of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Calls that were issued, all rounds together.
    pub issued: u64,
    /// Outcomes that were not the recorded ones.
    pub divergences: u64,
    /// It was asked to stop.
    pub stopped: bool,
    /// A thread of the replay panicked.
    pub panicked: bool,
    /// Descriptors that the process holds open afterwards.
    pub descriptors: u64,
    /// Its umask afterwards.
    pub umask: u32,
    /// Why it could not be planned or played; empty if it was.
    pub refused: String,
}

impl Answer {
    fn line(&self) -> String {
        let Answer {
            issued,
            divergences,
            stopped,
            panicked,
            descriptors,
            umask,
            refused,
        } = self;
        let refused = refused.replace(char::is_control, " ");
        format!("{issued} {divergences} {stopped} {panicked} {descriptors} {umask} {refused}")
    }

    /// What a worker's line says.
    pub fn parse(line: &str) -> Option<Answer> {
        let mut words = line.trim_end_matches('\n').splitn(7, ' ');
        Some(Answer {
            issued: words.next()?.parse().ok()?,
            divergences: words.next()?.parse().ok()?,
            stopped: words.next()?.parse().ok()?,
            panicked: words.next()?.parse().ok()?,
            descriptors: words.next()?.parse().ok()?,
            umask: words.next()?.parse().ok()?,
            refused: words.next()?.to_owned(),
        })
    }
}

/// Serves until standard input ends.
///
/// # Errors
/// Where the other side doesn't keep to the protocol, or is gone.
pub fn serve() -> io::Result<()> {
    limit();
    let panicked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&panicked);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        seen.store(true, Ordering::SeqCst);
        usual(info);
    }));
    let watch = Watch::start();
    let mut input = io::stdin().lock();
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let (length, path) = line.trim_end().split_once(' ').ok_or_else(invalid)?;
        let mut text = vec![0; length.parse().map_err(|_| invalid())?];
        input.read_exact(&mut text)?;
        let text = String::from_utf8(text).map_err(|_| invalid())?;
        let script: Script = text.parse().map_err(io::Error::other)?;
        let arena = Arena { path: path.into() };
        panicked.store(false, Ordering::SeqCst);
        let mut answer = watch.over(|cancelled| run(&script, &arena, cancelled));
        answer.panicked = panicked.load(Ordering::SeqCst);
        answer.descriptors = std::fs::read_dir("/proc/self/fd")?.count() as u64;
        answer.umask = umask();
        let mut output = io::stdout().lock();
        writeln!(output, "{}", answer.line())?;
        output.flush()?;
        line.clear();
    }
    Ok(())
}

fn umask() -> u32 {
    use rustix::{fs::Mode, process::umask};
    let now = umask(Mode::empty());
    umask(now);
    now.as_raw_mode()
}

fn limit() {
    limited(Resource::As, MEMORY);
    limited(Resource::Core, 0);
    limit_files();
}

/// Keeps files small; beyond the limit a write fails, which is an outcome like others.
pub fn limit_files() {
    limited(Resource::Fsize, FILE);
    let ignored = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    drop(ignored);
}

fn limited(resource: Resource, most: u64) {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    // A limit that can't be set is lower already.
    let _ = setrlimit(resource, limit);
}

/// Asks a replay to stop that takes too long.
struct Watch {
    cancelled: Arc<AtomicBool>,
    /// Number of the replay at work; odd between two.
    turn: Arc<AtomicU64>,
}

impl Watch {
    fn start() -> Watch {
        let (cancelled, turn) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(1)),
        );
        let watch = Watch {
            cancelled: Arc::clone(&cancelled),
            turn: Arc::clone(&turn),
        };
        std::thread::spawn(move || {
            const STEP: Duration = Duration::from_millis(100);
            let (mut last, mut steps) = (0, 0);
            loop {
                std::thread::sleep(STEP);
                let now = turn.load(Ordering::SeqCst);
                steps = if now == last { steps + 1 } else { 0 };
                last = now;
                if now % 2 == 0 && STEP * steps >= PATIENCE {
                    cancelled.store(true, Ordering::SeqCst);
                }
            }
        });
        watch
    }

    fn over(&self, replay: impl FnOnce(&AtomicBool) -> Answer) -> Answer {
        self.cancelled.store(false, Ordering::SeqCst);
        self.turn.fetch_add(1, Ordering::SeqCst);
        let mut answer = replay(&self.cancelled);
        self.turn.fetch_add(1, Ordering::SeqCst);
        answer.stopped = self.cancelled.load(Ordering::SeqCst);
        answer
    }
}

/// Plays one script in an arena.
pub fn run(script: &Script, arena: &Arena, cancelled: &AtomicBool) -> Answer {
    let refused = |reason: &dyn std::error::Error| Answer {
        refused: chain(reason),
        ..Answer::default()
    };
    let outside = arena.outside();
    let bytes = match assemble(script, outside.as_os_str().as_bytes()) {
        Ok(bytes) => bytes,
        Err(error) => return refused(&error),
    };
    let plan = match planned(bytes, script, arena) {
        Ok(plan) => plan,
        Err(error) => return refused(&*error),
    };
    let timing = script.play.timing;
    let options = PlayOptions {
        rounds: script.play.rounds.clamp(1, 5),
        keep: false,
        timing: timing.map_or(Timing::Fast, |part| Timing::Scaled(f64::from(part) / 1e6)),
        cache: Cache::Made,
    };
    match play(&plan, options, cancelled, &|_| {}) {
        Ok(played) => Answer {
            issued: played.result.coverage.issued * u64::from(options.rounds),
            divergences: played.result.divergences,
            ..Answer::default()
        },
        Err(error) => refused(&error),
    }
}

fn planned(
    bytes: Vec<u8>,
    script: &Script,
    arena: &Arena,
) -> Result<Plan, Box<dyn std::error::Error>> {
    let uid = rustix::process::geteuid();
    let place = script.play.place.iter();
    let options = PlanOptions {
        limits: Default::default(),
        target: arena.target(),
        place: place.map(|dir| (dir.clone(), arena.second())).collect(),
        skip: Vec::new(),
        as_root: fsreplay_replayer::privilege::acts_as_root(),
        uid: uid.as_raw(),
        gid: rustix::process::getegid().as_raw(),
    };
    let mut reader = TraceReader::new(bytes)?;
    Ok(plan(&mut reader, &options)?)
}

/// An error with its causes, as one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes: Vec<String> = std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

/// The file system of a directory, by the names that people use.
pub fn file_system(path: &Path) -> String {
    match rustix::fs::statfs(path).map(|found| found.f_type as u64) {
        Ok(0xef53) => "ext4".into(),
        Ok(0x0102_1994) => "tmpfs".into(),
        Ok(0x794c_7630) => "overlay".into(),
        Ok(0x9123_683e) => "btrfs".into(),
        Ok(0x5846_5342) => "xfs".into(),
        Ok(other) => format!("{other:#x}"),
        Err(_) => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        let answer = Answer {
            issued: 12,
            stopped: true,
            umask: 0o22,
            refused: "making a b: No space".into(),
            ..Answer::default()
        };
        assert_eq!(Answer::parse(&answer.line()), Some(answer));
        assert_eq!(Answer::parse("1 2 true"), None);
    }
}
