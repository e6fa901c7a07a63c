//! `fsreplay inspect`: what the tool does to the file system, and which of it is suspicious.

mod findings;
mod flamegraph;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use fsreplay_inspector::{Inspection, Inspector, Options, inspect, write_folded};
use fsreplay_trace::format::{self, TraceError};

use crate::args::InspectArgs;
use crate::exit::{self, Failure};
use crate::term;

/// Runs the command.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let failed = |error: TraceError| Failure::trace(&args.trace, &error);
    let options = Options {
        top: args.top,
        truncated: args.truncated,
    };
    let mut reader = format::open(&args.trace).map_err(failed)?;
    let inspector = inspect(&mut reader, &options).map_err(failed)?;
    if let Some(file) = &args.folded {
        write_file(file, |out| write_folded(&inspector, out))?;
    }
    if let Some(file) = &args.flamegraph {
        draw(&inspector, file)?;
    }
    let inspection = inspector.finish(reader.tables(), reader.footer(), &options);
    if let Some(file) = &args.json {
        term::write_json(file, &inspection)?;
    }
    // Whoever asked for something on standard output gets that alone.
    if term::is_taken(&[&args.json, &args.folded, &args.flamegraph]) {
        return Ok(());
    }
    term::print_all(text(&inspection).as_bytes())
}

fn draw(inspector: &Inspector, file: &Path) -> Result<(), Failure> {
    let mut folded = Vec::new();
    let image = write_folded(inspector, &mut folded)
        .and_then(|()| flamegraph::draw(&folded))
        .map_err(|error| Failure::new(exit::FAILURE, format!("flame graph: {error}")))?;
    write_file(file, |out| out.write_all(&image))
}

/// Writes a file, or standard output for `-`.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let out: std::io::Result<Box<dyn Write>> = if path == Path::new("-") {
        Ok(Box::new(std::io::stdout().lock()))
    } else {
        File::create(path).map(|file| Box::new(file) as Box<dyn Write>)
    };
    let written = out.and_then(|out| {
        let mut out = BufWriter::new(out);
        write(&mut out)?;
        out.flush()
    });
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            exit::FAILURE,
            format!("{}: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

fn text(inspection: &Inspection) -> String {
    let mut out = heading(inspection);
    out.push_str(&costs(inspection));
    out.push_str(&findings::text(inspection));
    out.push_str(
        "\ntimes are those of the recording, its own cost included, summed over threads; the time on a mount: fsreplay play\n",
    );
    out
}

fn heading(inspection: &Inspection) -> String {
    let totals = &inspection.totals;
    let on_files = totals.file_system;
    let mut out = format!(
        "{}\n{} events in {}; {} on files, {} of them failed, {} in the kernel\n",
        inspection.command.join(" "),
        term::count(inspection.events),
        term::seconds(inspection.elapsed_seconds),
        term::count(on_files.count),
        term::percent(on_files.failed, on_files.count),
        term::seconds(on_files.seconds),
    );
    if totals.unresolved.count > 0 {
        out.push_str(&format!(
            "{} events could not be attributed to a file\n",
            term::count(totals.unresolved.count)
        ));
    }
    if !inspection.complete {
        out.push_str("the trace was cut off: this is what was whole of it\n");
    }
    out
}

/// What is shown of each list on a terminal; JSON has as much as `--top` says.
const ROWS: usize = 8;

fn costs(inspection: &Inspection) -> String {
    let calls = inspection
        .calls
        .iter()
        .map(|c| (c.name.to_string(), c.share));
    let directories = inspection
        .directories
        .iter()
        .map(|d| (term::shortened(&d.path, 60), d.share));
    let mounts = inspection.mounts.iter().map(|mount| {
        let remote = if mount.remote { ", remote" } else { "" };
        let name = format!(
            "{} ({}{remote})",
            term::shortened(&mount.mount_point, 50),
            mount.fs_type
        );
        (name, mount.share)
    });
    let programs = inspection.programs.iter().map(|program| {
        let name = match program.processes {
            1 => program.name.clone(),
            many => format!("{} ({many} processes)", program.name),
        };
        (name, program.share)
    });
    let mut out = String::new();
    for (title, rows) in [
        ("call", share_rows(calls)),
        ("directory", share_rows(directories)),
        ("mount", share_rows(mounts)),
        ("program", share_rows(programs)),
    ] {
        if !rows.is_empty() {
            let header = [title, "calls", "failed", "time"];
            out.push_str(&format!("\n{}\n", term::table(&header, rows)));
        }
    }
    out
}

fn share_rows(list: impl Iterator<Item = (String, fsreplay_inspector::Share)>) -> Vec<Vec<String>> {
    list.take(ROWS)
        .map(|(name, share)| {
            vec![
                name,
                term::count(share.count),
                term::count(share.failed),
                term::seconds(share.seconds),
            ]
        })
        .collect()
}
