//! What was recorded: time by call, directory, mount and program.

use super::table::{self, Cell};
use super::{Place, remark};
use crate::html::Html;
use crate::traces::OfTrace;
use crate::units;
use fsreplay_results::inspect::{Inspect, Share};

/// Rows of each list.
const ROWS: usize = 10;

/// Whether there is anything to write.
pub fn is_known(results: &OfTrace) -> bool {
    let inspect = results.inspects.last();
    inspect.is_some_and(|one| !one.calls.is_empty() || !one.directories.is_empty())
}

/// The section.
pub fn write(html: &mut Html, results: &OfTrace, _: Place) {
    let Some(inspect) = results.inspects.last() else {
        return;
    };
    remark(html, &on_files(inspect));
    costs(html, inspect);
}

/// How much of what was recorded is about files.
pub fn on_files(inspect: &Inspect) -> String {
    let on_files = &inspect.totals.file_system;
    format!(
        "{} of its {} are on files; they took {} in the kernel.",
        units::count(on_files.count),
        units::of(inspect.events, "event", "events"),
        units::seconds(on_files.seconds)
    )
}

fn costs(html: &mut Html, inspect: &Inspect) {
    let calls = inspect
        .calls
        .iter()
        .map(|call| (Cell::Text(call.name.clone()), call.share));
    list(html, "Recorded time by call", "Call", calls.collect());
    let directories = inspect
        .directories
        .iter()
        .map(|one| (Cell::Path(one.path.clone()), one.share));
    let caption = "Recorded time by directory";
    list(html, caption, "Directory", directories.collect());
    let mounts = inspect.mounts.iter().map(|mount| {
        let remote = if mount.remote { ", remote" } else { "" };
        let name = format!("{} ({}{remote})", mount.mount_point, mount.fs_type);
        (Cell::Text(name), mount.share)
    });
    list(html, "Recorded time by mount", "Mount", mounts.collect());
    let programs = inspect.programs.iter().map(|program| {
        let name = match program.processes {
            0 | 1 => program.name.clone(),
            many => format!("{} ({} processes)", program.name, units::count(many)),
        };
        (Cell::Text(name), program.share)
    });
    list(
        html,
        "Recorded time by program",
        "Program",
        programs.collect(),
    );
}

/// A list of names and what they cost.
fn list(html: &mut Html, caption: &str, first: &str, costs: Vec<(Cell, Share)>) {
    if costs.is_empty() {
        return;
    }
    let most = costs
        .iter()
        .map(|(_, cost)| cost.seconds)
        .fold(0.0, f64::max);
    let rows = costs.into_iter().take(ROWS).map(|(name, cost)| {
        vec![
            name,
            Cell::Number(units::count(cost.count)),
            Cell::Number(units::count(cost.failed)),
            Cell::Bar(units::seconds(cost.seconds), cost.seconds / most),
        ]
    });
    let header = [first, "Calls", "Failed", "Time"];
    table::write(html, caption, &header, &rows.collect::<Vec<_>>());
}
