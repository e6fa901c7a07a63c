//! `fsreplay info`: what a trace holds and reveals.

mod reveals;

use std::collections::BTreeMap;

use fsreplay_results::info::{CallCount, Info, RecordedMount, Reveals};
use fsreplay_results::{Document, SCHEMA_VERSION};
use fsreplay_trace::format::TraceError;
use fsreplay_trace::model::{FileKind, Footer, Header, Mount, Record};

use crate::args::InfoArgs;
use crate::caveats::Unrecorded;
use crate::exit::Failure;
use crate::planning;
use crate::say;
use crate::term::{self, Text};
use reveals::Seen;

/// What is counted over the records.
#[derive(Default)]
struct Counts {
    events: u64,
    tasks: u64,
    last: u64,
    calls: BTreeMap<&'static str, CallCount>,
    files: u64,
    directories: u64,
    links: u64,
    bytes: u64,
    named: u64,
}

impl Counts {
    fn add(&mut self, record: &Record) {
        match record {
            Record::Event(event) => {
                self.events += 1;
                self.last = self.last.max(event.exit());
                let call = self.calls.entry(event.call.name()).or_default();
                call.count += 1;
                call.errors += u64::from(event.errno().is_some());
                call.seconds += event.duration as f64 / 1e9;
            }
            Record::TaskStart(_) => self.tasks += 1,
            Record::PathState(state) => {
                self.named += 1;
                match state.kind {
                    FileKind::Directory => self.directories += 1,
                    FileKind::Symlink => self.links += 1,
                    FileKind::File => {
                        self.files += 1;
                        self.bytes += state.metadata.map_or(0, |m| m.size);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Runs the command.
pub fn run(args: &InfoArgs) -> Result<(), Failure> {
    let failed = |error: TraceError| Failure::trace(&args.trace.path, &error);
    let size = std::fs::metadata(&args.trace.path)
        .map_err(|error| {
            Failure::new(
                crate::exit::TRACE,
                format!("{}: {error}", args.trace.path.display()),
            )
        })?
        .len();
    let mut reader = planning::open(&args.trace)?;
    let mut counts = Counts::default();
    let mut seen = Seen::default();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => {
                counts.add(&record);
                seen.add(&record, reader.tables());
            }
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if args.truncated => break,
            Err(error) => return Err(failed(error)),
        }
    }
    let files = reader.tables().node_count() as u64;
    let footer = reader.footer().cloned();
    let reveals = seen.of(reader.header(), reader.tables());
    let info = describe(reader.header(), footer, counts, reveals, files, size);
    match &args.json {
        Some(path) => term::write_json(path, &Document::Info(info)),
        None => term::print(&text(&info)),
    }
}

fn describe(
    header: &Header,
    footer: Option<Footer>,
    counts: Counts,
    reveals: Reveals,
    files: u64,
    bytes: u64,
) -> Info {
    let complete = footer.is_some();
    let footer = footer.unwrap_or_default();
    let elapsed = footer.elapsed.max(counts.last);
    let status = footer.status;
    Info {
        schema_version: SCHEMA_VERSION,
        events: counts.events,
        tasks: counts.tasks,
        files,
        bytes,
        bytes_per_event: bytes as f64 / counts.events.max(1) as f64,
        complete,
        command: header.command.iter().map(|a| lossy(a)).collect(),
        cwd: lossy(&header.cwd),
        exit_code: status
            .filter(|s| libc::WIFEXITED(*s))
            .map(|s| libc::WEXITSTATUS(s)),
        signal: status
            .filter(|s| libc::WIFSIGNALED(*s))
            .map(|s| libc::WTERMSIG(s)),
        elapsed_seconds: elapsed as f64 / 1e9,
        started: header.started,
        producer: header.producer.clone(),
        architecture: header.architecture.clone(),
        kernel: header.kernel.clone(),
        cpus: header.cpus,
        backend: header.backend.clone(),
        recorded_inside: footer.recorded_inside,
        uid: header.uid,
        calls: counts.calls.into_iter().map(named).collect(),
        initial_files: counts.files,
        initial_directories: counts.directories,
        initial_links: counts.links,
        initial_bytes: counts.bytes,
        unrecorded: footer.unrecorded,
        left_running: footer.left_running,
        warnings: footer.warnings,
        mounts: header.mounts.iter().map(mount_info).collect(),
        reveals,
    }
}

fn named((name, calls): (&str, CallCount)) -> (String, CallCount) {
    (name.to_owned(), calls)
}

fn mount_info(mount: &Mount) -> RecordedMount {
    RecordedMount {
        mount_point: lossy(&mount.mount_point),
        fs_type: mount.fs_type.clone(),
        source: lossy(&mount.source),
        root: lossy(&mount.root),
        options: mount.options.clone(),
    }
}

/// For people only: what isn't UTF-8 is shown with replacement characters.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(info: &Info) -> Text {
    let mut out = Text::default();
    let ended: String = match (info.complete, info.exit_code, info.signal) {
        (false, ..) => "not known: the recording was cut off".into(),
        (_, Some(code), _) => format!("exit status {code}"),
        (_, _, Some(signal)) => format!("killed by signal {signal}"),
        _ => "not known".into(),
    };
    say!(out, "command     {}", info.command.join(" "));
    say!(out, "in          {}", info.cwd);
    say!(
        out,
        "ended       {}, after {}",
        ended,
        term::seconds(info.elapsed_seconds)
    );
    say!(
        out,
        "recorded    by {} ({}), Linux {} on {}, {} CPUs, uid {}",
        info.producer,
        info.backend,
        info.kernel,
        info.architecture,
        info.cpus,
        info.uid
    );
    say!(
        out,
        "trace       {}, {:.2} bytes per event",
        term::bytes(info.bytes),
        info.bytes_per_event
    );
    say!(
        out,
        "events      {} of {}, {}",
        term::count(info.events),
        term::counted(info.tasks, "task", "tasks"),
        term::counted(info.files, "path", "paths")
    );
    if info.recorded_inside > 0 {
        let stopped = info.events.saturating_sub(info.recorded_inside);
        say!(
            out,
            "            {} recorded inside the tool, {} at stops",
            term::count(info.recorded_inside),
            term::count(stopped)
        );
    }
    say!(
        out,
        "tree        {} ({}), {}, {} touched",
        term::counted(info.initial_files, "file", "files"),
        term::bytes(info.initial_bytes),
        term::counted(info.initial_directories, "directory", "directories"),
        term::counted(info.initial_links, "link", "links")
    );
    say!(
        out,
        "coverage    not recorded: {}",
        if info.unrecorded.is_empty() {
            "nothing that was seen".into()
        } else {
            Unrecorded::list(&info.unrecorded)
        }
    );
    let titles = ["reveals", "", ""];
    for (title, line) in titles.iter().zip(reveals::lines(&info.reveals)) {
        say!(out, "{:<12}{}", title, line);
    }
    for warning in &info.warnings {
        say!(out, "warning     {}", warning);
    }
    let mut calls: Vec<_> = info.calls.iter().collect();
    calls.sort_by_key(|(_, c)| std::cmp::Reverse(c.count));
    let rows = calls
        .into_iter()
        .map(|(name, c)| {
            vec![
                name.clone(),
                term::count(c.count),
                term::count(c.errors),
                term::seconds(c.seconds),
            ]
        })
        .collect();
    say!(
        out,
        "\n{}",
        term::table(&["call", "events", "failed", "time recorded"], rows)
    );
    let rows = info
        .mounts
        .iter()
        .map(|m| {
            vec![
                m.mount_point.clone(),
                m.fs_type.clone(),
                m.source.clone(),
                m.root.clone(),
            ]
        })
        .collect();
    say!(
        out,
        "\n{}",
        term::table(&["mount", "type", "source", "root"], rows)
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_events_were_recorded_inside_is_told_where_any_were() {
        let said = |recorded_inside| {
            let info = Info {
                events: 10,
                recorded_inside,
                ..Info::default()
            };
            text(&info).as_str().to_owned()
        };
        assert!(said(7).contains(" 7 recorded inside the tool, 3 at stops\n"));
        assert!(!said(0).contains("inside"));
    }
}
