//! `fsreplay info`: what a trace holds and reveals.

mod reveals;

use std::collections::BTreeMap;

use fsreplay_compare::caveats::Unrecorded;
use fsreplay_results::info::{CallCount, Info, RecordedMount, Reveals};
use fsreplay_results::{Document, SCHEMA_VERSION};
use fsreplay_trace::format::TraceError;
use fsreplay_trace::model::{FileKind, Footer, Header, Mount, Record, is_pseudo};

use crate::args::InfoArgs;
use crate::exit::Failure;
use crate::term::{self, Text};
use crate::{say, text};
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
    let size = args.trace.source()?.size().map_err(|source| {
        failed(TraceError::Io {
            operation: "opening",
            source,
        })
    })?;
    let mut reader = args.trace.source()?.reader()?;
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
    let mut out = recording(info);
    out.push(&contents(info));
    out.push(&coverage(info));
    out.push(&tables(info));
    out
}

/// What was recorded, how it ended, and by what.
fn recording(info: &Info) -> Text {
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
    out
}

/// How large it is, and what is in it.
fn contents(info: &Info) -> Text {
    let mut out = text!("trace       {}", term::bytes(info.bytes));
    if info.events > 0 {
        out.push(&text!(", {:.2} bytes per event", info.bytes_per_event));
    }
    out.push(&text!("\n"));
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
    out
}

/// What is not in it, what it reveals, and what the recorder warned of.
fn coverage(info: &Info) -> Text {
    let mut out = Text::default();
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
    out
}

/// Calls, the most frequent first, and mounts.
fn tables(info: &Info) -> Text {
    let mut calls: Vec<_> = info.calls.iter().collect();
    calls.sort_by_key(|(_, c)| std::cmp::Reverse(c.count));
    let calls = calls.into_iter().map(|(name, c)| {
        vec![
            name.clone(),
            term::count(c.count),
            term::count(c.errors),
            term::seconds(c.seconds),
        ]
    });
    text!(
        "\n{}\n\n{}",
        term::table(
            &["call", "events", "failed", "time recorded"],
            calls.collect()
        ),
        mounts(info)
    )
}

/// The mounts that hold files; of those at one place the last, which covers the others. How many
/// there are besides is told.
fn mounts(info: &Info) -> Text {
    let mut shown: Vec<&RecordedMount> = Vec::new();
    let holding = info.mounts.iter();
    for mount in holding.filter(|mount| !is_pseudo(&mount.fs_type)) {
        shown.retain(|before| before.mount_point != mount.mount_point);
        shown.push(mount);
    }
    let rows = shown.iter().map(|mount| {
        let cells = [
            &mount.mount_point,
            &mount.fs_type,
            &mount.source,
            &mount.root,
        ];
        cells.map(String::clone).to_vec()
    });
    let header = ["mount", "type", "source", "root"];
    let table = term::aligned_table(&header, rows.collect(), |_| false);
    let mut out = text!("{}\n", table);
    let others = info.mounts.len() - shown.len();
    if others > 0 {
        let others = term::counted(others as u64, "mount", "mounts");
        say!(
            out,
            "   and {} that are covered or hold no files, such as /proc",
            others
        );
    }
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
