//! Writes the trace: the header with what isn't known, the inferred tree, then what happened.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use fsreplay_trace::build::{BuildError, NewCall, TraceBuilder, Value};
use fsreplay_trace::imported::Imported;
use fsreplay_trace::model::{Header, Mount, Spent, TaskId};

use super::convert::Converter;
use super::decode::Arg;
use super::error::ImportError;
use super::initial::Initial;
use super::log::About;
use super::records::Out;
use super::report::{Report, Unknown};

/// Flags of descriptors of which nothing tells them.
const RDWR: u32 = fsreplay_trace::abi::O_RDWR;
/// That of nearly all users.
const USUAL_UMASK: u32 = 0o022;

/// What is known of the log as a whole.
pub struct OfLog<'a> {
    /// Where the logs are.
    pub paths: Vec<PathBuf>,
    /// What they say of themselves.
    pub about: About,
    /// The machine's.
    pub architecture: &'a str,
    /// The command's directory.
    pub cwd: &'a [u8],
    /// Whether that is known.
    pub knows_cwd: bool,
    /// As whom it ran, if it asked.
    pub uid: Option<u32>,
    /// What was run.
    pub command: Vec<Vec<u8>>,
    /// What writes the trace.
    pub producer: &'a str,
}

impl OfLog<'_> {
    /// Calls were printed with what they took (-T).
    fn has_durations(&self) -> bool {
        self.about.untimed * 2 <= self.about.returned
    }

    /// Lines were printed with their times, fractions of a second included.
    fn has_times(&self) -> bool {
        self.about.undated + self.about.coarse == 0
    }

    /// What isn't known of the log as a whole, counted.
    fn unknown(&self) -> [(u64, &'static str); 7] {
        let about = &self.about;
        [
            (about.strange, "lines that are none of strace's"),
            (about.halves, "calls whose first half is missing"),
            (
                about.untimed,
                "calls without the time they took (strace -T)",
            ),
            (about.undated, "lines without a time (strace -ttt)"),
            (about.coarse, "lines with whole seconds only (strace -ttt)"),
            (
                u64::from(!self.knows_cwd),
                "working directory of the command (--cwd)",
            ),
            (u64::from(self.uid.is_none()), "user (taken for root)"),
        ]
    }

    fn header(&self) -> Header {
        let unknown = [
            (true, Imported::TREE),
            (!self.has_durations(), Imported::DURATIONS),
            (!self.has_times(), Imported::TIMES),
        ];
        let unknown = unknown.iter().filter(|(is_so, _)| *is_so);
        let uid = self.uid.unwrap_or(0);
        // Pseudo file systems are where they always are; of others nothing is known.
        let mounts = [
            ("/", ""),
            ("/proc", "proc"),
            ("/sys", "sysfs"),
            ("/dev", "devtmpfs"),
        ];
        Header {
            producer: self.producer.to_owned(),
            command: self.command.clone(),
            cwd: self.cwd.to_vec(),
            umask: USUAL_UMASK,
            uid,
            gid: uid,
            architecture: self.architecture.to_owned(),
            kernel: "not known (a log of strace)".to_owned(),
            cpus: 0,
            page_size: 4096,
            backend: Imported::backend("strace", unknown.map(|(_, what)| *what)),
            started: self.about.started.unwrap_or(0),
            mounts: mounts
                .into_iter()
                .map(|(point, fs_type)| Mount {
                    root: b"/".to_vec(),
                    mount_point: point.into(),
                    fs_type: fs_type.to_owned(),
                    ..Mount::default()
                })
                .collect(),
            ..Header::default()
        }
    }
}

/// Writes all that is known.
pub fn write<W: Write + Send + 'static>(
    converter: Converter,
    log: &OfLog<'_>,
    out: W,
) -> Result<(W, Report), ImportError> {
    let initial = Initial::of(&converter.world.tree);
    let unknown = unknown(&converter, &initial, log);
    let mut trace = TraceBuilder::new(out, &log.header())?;
    let mut report = Report {
        inferred: initial.states.len() as u64,
        ..Report::default()
    };
    let mut records = Records {
        trace: &mut trace,
        ids: HashMap::new(),
        last: 0,
        initial: Some(initial),
        log,
    };
    for record in converter.out {
        records.record(record, &mut report)?;
    }
    for (name, count) in &converter.gaps.unrecorded {
        trace.unrecorded(name, *count);
    }
    trace.warning(
        "imported from a log of strace: what was there before is inferred from what its calls \
         found, and mounts are not known",
    );
    for one in &unknown {
        trace.warning(&one.to_string());
    }
    report.unknown = unknown;
    let out = trace.finish(converter.status)?;
    Ok((out, report))
}

/// Records on their way into the trace.
struct Records<'a, W: Write + Send + 'static> {
    trace: &'a mut TraceBuilder<W>,
    /// The trace's ids of tasks by their numbers.
    ids: HashMap<u32, TaskId>,
    /// When the last call returned.
    last: u64,
    /// The tree, until it is written behind the first task's start.
    initial: Option<Initial>,
    log: &'a OfLog<'a>,
}

impl<W: Write + Send + 'static> Records<'_, W> {
    fn record(&mut self, record: Out, report: &mut Report) -> Result<(), ImportError> {
        match record {
            Out::Start {
                task,
                parent,
                flags,
                pid,
                time,
            } => {
                let parent = parent.and_then(|parent| self.ids.get(&parent).copied());
                let id = self.trace.task(parent, flags, pid, time)?;
                self.ids.insert(task, id);
                report.tasks += 1;
                if let Some(initial) = self.initial.take() {
                    self.tree(&initial)?;
                }
            }
            Out::End { task, time, status } => {
                if let Some(id) = self.ids.remove(&task) {
                    self.trace.end(id, time, status)?;
                }
            }
            Out::Descriptor {
                task,
                fd,
                target,
                kind,
            } => {
                if let Some(id) = self.ids.get(&task) {
                    self.trace.descriptor(*id, fd, &target, kind, RDWR)?;
                }
            }
            Out::Event { .. } => {
                report.events += 1;
                self.event(record)?;
            }
        }
        Ok(())
    }

    fn tree(&mut self, initial: &Initial) -> Result<(), BuildError> {
        for before in &initial.states {
            self.trace.state(&before.path, &before.state())?;
        }
        for names in &initial.listings {
            let entries: Vec<_> = names
                .entries
                .iter()
                .map(|(name, kind)| (&name[..], *kind))
                .collect();
            self.trace.listing(&names.path, &entries)?;
        }
        Ok(())
    }

    fn event(&mut self, record: Out) -> Result<(), ImportError> {
        let Out::Event {
            task,
            call,
            args,
            entry,
            exit,
            result,
            at,
        } = record
        else {
            return Ok(());
        };
        let Some(task) = self.ids.get(&task).copied() else {
            return Ok(());
        };
        // The order of the lines is that of returns; their times are rounded.
        let late = self.last.saturating_sub(exit);
        let (entry, exit) = (entry + late, exit + late);
        self.last = exit;
        let args = args.0.iter().map(|(kind, arg)| {
            let value = match arg {
                Arg::Number(number) => Value::Number(*number),
                Arg::Text(text) => Value::Text(text),
            };
            (*kind, value)
        });
        let new = NewCall {
            task,
            call,
            args: &args.collect::<Vec<_>>(),
            entry,
            exit,
            result,
            spent: Spent::default(),
        };
        self.trace.call(&new).map_err(|source| ImportError::Build {
            path: self
                .log
                .paths
                .get(usize::from(at.0))
                .cloned()
                .unwrap_or_default(),
            line: at.1,
            source,
        })
    }
}

/// All that isn't known, as far as there is any.
fn unknown(converter: &Converter, initial: &Initial, log: &OfLog<'_>) -> Vec<Unknown> {
    let of_calls = unknown_of_calls(converter);
    let counts = log
        .unknown()
        .into_iter()
        .chain(of_calls)
        .map(|(count, what)| Unknown {
            what: what.into(),
            count,
        });
    let strange = &converter.decoder.strange;
    let names: Vec<&str> = strange.keys().map(String::as_str).take(5).collect();
    let strange = Unknown {
        what: format!("flags and commands of unknown names ({})", names.join(", ")).into(),
        count: strange.values().sum(),
    };
    let all = counts
        .chain([strange])
        .chain(initial.unknown.iter().cloned());
    all.filter(|unknown| unknown.count > 0).collect()
}

/// What isn't known of calls and tasks, counted.
fn unknown_of_calls(converter: &Converter) -> [(u64, &'static str); 6] {
    let (gaps, world) = (&converter.gaps, &converter.world);
    [
        (
            gaps.unknown_descriptors,
            "calls on descriptors that no call of the log opened (strace -y)",
        ),
        (
            gaps.not_closed,
            "descriptors given out again that no call closed (was the log filtered, or -f \
             missing?)",
        ),
        (
            gaps.orphans,
            "tasks whose parent isn't told (strace -f from the start)",
        ),
        (gaps.endless, "tasks whose end isn't told"),
        (world.lost, "calls whose directory isn't known (strace -y)"),
        (
            world.tree.appeared,
            "names that came without a call of the log",
        ),
    ]
}
