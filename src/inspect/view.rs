//! What a trace spends its time on, on the terminal.

use fsreplay_results::inspect::{Inspect, Share};

use super::{findings, timeline};
use crate::term::{self, Text};
use crate::{say, text};

/// The whole text; `share` tells how much of the time is file access.
pub fn text(inspection: &Inspect, share: &str) -> Text {
    let mut out = heading(inspection, share);
    out.push(&timeline::text(
        &inspection.timeline,
        inspection.elapsed_seconds,
    ));
    out.push(&costs(inspection));
    out.push(&findings::text(inspection));
    say!(
        out,
        "\ntimes are those of the recording, its own cost included, summed over threads; \
         the time on a mount: fsreplay play"
    );
    out
}

fn heading(inspection: &Inspect, share: &str) -> Text {
    let totals = &inspection.totals;
    let on_files = totals.file_system;
    let mut out = text!(
        "{}\n\n{}\n\n{} events in {}; {} on files, {} of them failed, {} in the kernel\n",
        inspection.command.join(" "),
        term::strong(share),
        term::count(inspection.events),
        term::seconds(inspection.elapsed_seconds),
        term::count(on_files.count),
        term::percent(on_files.failed, on_files.count),
        term::seconds(on_files.seconds),
    );
    if totals.unresolved.count > 0 {
        let count = term::count(totals.unresolved.count);
        say!(out, "{} events could not be attributed to a file", count);
    }
    for caveat in &inspection.caveats {
        say!(out, "{}", term::strong(caveat));
    }
    if inspection.complete == Some(false) {
        say!(out, "the trace was cut off: this is what was whole of it");
    }
    out
}

/// What is shown of each list on a terminal; JSON has as much as `--top` says.
const ROWS: usize = 8;

fn costs(inspection: &Inspect) -> Text {
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
        // A log of strace doesn't tell.
        let fs_type = match mount.fs_type.as_str() {
            "" => "of unknown type",
            known => known,
        };
        let path = term::shortened(&mount.mount_point, 50);
        (format!("{path} ({fs_type}{remote})"), mount.share)
    });
    let programs = inspection.programs.iter().map(|program| {
        let name = match program.processes {
            1 => program.name.clone(),
            many => format!("{} ({many} processes)", program.name),
        };
        (name, program.share)
    });
    let mut out = Text::default();
    for (title, rows) in [
        ("call", share_rows(calls)),
        ("directory", share_rows(directories)),
        ("mount", share_rows(mounts)),
        ("program", share_rows(programs)),
    ] {
        if !rows.is_empty() {
            let header = [title, "calls", "failed", "time"];
            say!(out, "\n{}", term::table(&header, rows));
        }
    }
    out
}

fn share_rows(list: impl Iterator<Item = (String, Share)>) -> Vec<Vec<String>> {
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
