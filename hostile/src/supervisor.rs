//! Gives scripts to a worker and looks at the canaries after each.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::arena::{Arena, Snapshot};
use crate::script::Script;
use crate::worker::{Answer, PATIENCE};

/// What must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Something outside of the target was touched.
    Breach,
    /// A replay that was asked to stop went on.
    Hang,
    /// The process ended, or a thread of it panicked.
    Crash,
    /// The target was not empty afterwards.
    Leftover,
    /// The process kept a descriptor open, or its umask changed.
    Leak,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 5] = [
        Fault::Breach,
        Fault::Hang,
        Fault::Crash,
        Fault::Leftover,
        Fault::Leak,
    ];
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Fault::Breach => "breach",
            Fault::Hang => "hang",
            Fault::Crash => "crash",
            Fault::Leftover => "leftover",
            Fault::Leak => "leak",
        })
    }
}

/// What became of a script that was played under supervision.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What the worker said, if it said anything.
    pub answer: Option<Answer>,
    /// What must not have happened, and how that shows.
    pub faults: BTreeMap<Fault, Vec<String>>,
}

/// A worker, its arena, and what the arena was like.
pub struct Supervisor {
    base: PathBuf,
    uid: u32,
    patience: Duration,
    arenas: u32,
    stage: Option<Stage>,
    worker: Option<Worker>,
}

/// An arena and what it was like.
struct Stage {
    arena: Arena,
    before: Snapshot,
}

impl Supervisor {
    /// Arenas are made in `base`; replays are done by that user. A replay that was asked to stop
    /// counts as hanging after `patience`.
    pub fn new(base: PathBuf, uid: u32, patience: Duration) -> Supervisor {
        Supervisor {
            base,
            uid,
            patience,
            arenas: 0,
            stage: None,
            worker: None,
        }
    }

    /// Plays one script.
    ///
    /// # Errors
    /// Where an arena or a worker can't be made.
    pub fn play(&mut self, script: &Script) -> io::Result<Outcome> {
        let stage = match self.stage.take() {
            Some(stage) => stage,
            None => self.new_stage()?,
        };
        let mut worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.uid)?,
        };
        let said = worker.play(script, &stage.arena, PATIENCE + self.patience);
        let mut outcome = Outcome::default();
        let mut fault = |fault, how: String| {
            outcome
                .faults
                .entry(fault)
                .or_insert_with(Vec::new)
                .push(how);
        };
        match said {
            Said::Answer(answer) => {
                if answer.panicked {
                    fault(Fault::Crash, format!("a panic: {}", answer.refused));
                }
                if let Some(leak) = worker.leak(&answer) {
                    fault(Fault::Leak, leak);
                } else {
                    self.worker = Some(worker);
                }
                outcome.answer = Some(answer);
            }
            Said::Nothing => {
                fault(
                    Fault::Hang,
                    format!("no end after {:?}", PATIENCE + self.patience),
                );
                worker.kill();
            }
            Said::Gone => fault(Fault::Crash, worker.end()),
        }
        self.inspect(stage, &mut outcome);
        Ok(outcome)
    }

    fn new_stage(&mut self) -> io::Result<Stage> {
        self.arenas += 1;
        let path = self.base.join(format!("arena{}", self.arenas));
        let arena = Arena::create(path, self.uid)?;
        let before = Snapshot::take(&arena)?;
        Ok(Stage { arena, before })
    }

    /// Looks at what became of the arena; one that was touched is not used again.
    fn inspect(&mut self, stage: Stage, outcome: &mut Outcome) {
        let answered = outcome.answer.is_some();
        let touched = match Snapshot::take(&stage.arena) {
            Ok(after) => stage.before.differences(&after),
            Err(error) => vec![format!("the arena can't be looked at: {error}")],
        };
        let left = match stage.arena.leftovers() {
            Ok(left) => left.iter().map(|path| path.display().to_string()).collect(),
            Err(error) => vec![format!("the target can't be listed: {error}")],
        };
        let clean = touched.is_empty() && left.is_empty();
        if !touched.is_empty() {
            outcome.faults.insert(Fault::Breach, touched);
        }
        if !left.is_empty() && answered {
            outcome.faults.insert(Fault::Leftover, left);
        }
        if clean {
            self.stage = Some(stage);
        } else {
            stage.arena.remove();
        }
    }

    /// A script with as few lines as are needed for one of the faults, found by leaving lines out.
    ///
    /// # Errors
    /// As [`Supervisor::play`].
    pub fn smaller(&mut self, script: &Script, wanted: Fault) -> io::Result<Script> {
        let mut best = script.clone();
        let mut part = best.lines.len().div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < best.lines.len() {
                let mut tried = best.clone();
                tried.lines.drain(at..(at + part).min(best.lines.len()));
                if self.play(&tried)?.faults.contains_key(&wanted) {
                    best = tried;
                } else {
                    at += part;
                }
            }
            part /= 2;
        }
        Ok(best)
    }

    /// How many inodes are looked at.
    ///
    /// # Errors
    /// Where an arena can't be made.
    pub fn watched(&mut self) -> io::Result<usize> {
        if self.stage.is_none() {
            self.stage = Some(self.new_stage()?);
        }
        Ok(self.stage.as_ref().map_or(0, |stage| stage.before.len()))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill();
        }
        if let Some(stage) = self.stage.take() {
            stage.arena.remove();
        }
    }
}

/// What is heard of a worker.
enum Said {
    Answer(Answer),
    Nothing,
    Gone,
}

struct Worker {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// Descriptors and umask after the first script.
    first: Option<(u64, u32)>,
}

impl Worker {
    fn start(uid: u32) -> io::Result<Worker> {
        // By this name, since the way to the program may be closed to that user.
        let mut command = Command::new("/proc/self/exe");
        command.arg("worker").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if rustix::process::geteuid().as_raw() != uid {
            command.gid(uid).uid(uid);
        }
        let mut child = command.spawn()?;
        let gone = || io::Error::other("a pipe to the worker is missing");
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Worker {
            child,
            input,
            lines,
            first: None,
        })
    }

    fn play(&mut self, script: &Script, arena: &Arena, patience: Duration) -> Said {
        let text = script.to_string();
        let asked = write!(
            self.input,
            "{} {}\n{text}",
            text.len(),
            arena.path.display()
        );
        if asked.and_then(|()| self.input.flush()).is_err() {
            return Said::Gone;
        }
        match self.lines.recv_timeout(patience) {
            Ok(line) => Answer::parse(&line).map_or(Said::Gone, Said::Answer),
            Err(RecvTimeoutError::Timeout) => Said::Nothing,
            Err(RecvTimeoutError::Disconnected) => Said::Gone,
        }
    }

    /// What a script left in the process, which is to be as after the first one.
    fn leak(&mut self, answer: &Answer) -> Option<String> {
        let now = (answer.descriptors, answer.umask);
        let first = *self.first.get_or_insert(now);
        (first != now).then(|| format!("descriptors and umask {first:?} -> {now:?}"))
    }

    fn kill(mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// How it ended.
    fn end(mut self) -> String {
        drop(self.input);
        let ended = self.child.wait();
        ended.map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}
