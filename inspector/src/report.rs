//! From what was counted to the result of an inspection.

use std::collections::{BTreeMap, HashMap};

use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::inspect::{
    CallCost, DirectoryCost, Inspect, MountCost, ProcessCost, ProgramCost, Responsible, Share,
    Totals,
};
use fsreplay_trace::call::{Call, TABLE};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FileKind, Footer, StringId};

use crate::findings;
use crate::inspector::{Inspector, Sum};
use crate::mounts;
use crate::phases;
use crate::places::NONE;
use crate::tally::Tally;
use crate::tree;

/// What to leave out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many entries each list has at most.
    pub top: usize,
    /// Inspect what is whole of a trace that was cut off.
    pub truncated: bool,
}

impl From<Sum> for Share {
    fn from(sum: Sum) -> Share {
        Share {
            count: sum.count,
            failed: sum.failed,
            seconds: seconds(sum.time),
        }
    }
}

pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// For people only: what isn't UTF-8 is shown with replacement characters.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names of processes, by number.
pub(crate) struct Names(Vec<String>);

impl Names {
    fn new(inspector: &Inspector, tables: &Tables) -> Names {
        let first = inspector.header.command.first();
        let command = first.map_or(String::new(), |path| lossy(base_name(path)));
        let all = inspector.processes.all.iter();
        Names(
            all.map(|process| match process.path {
                NONE => command.clone(),
                path => program_name(
                    tables.string(StringId(path)),
                    arguments(process.argv, tables).next().unwrap_or(b""),
                ),
            })
            .collect(),
        )
    }

    pub(crate) fn get(&self, process: u32) -> &str {
        self.0.get(process as usize).map_or("?", String::as_str)
    }

    /// The programs that a tally names, the most responsible first.
    pub(crate) fn responsible(&self, tally: &Tally, top: usize) -> Vec<Responsible> {
        let mut tally = tally.clone();
        tally.compact();
        let mut by_name: HashMap<&str, (u64, u64)> = HashMap::new();
        for (process, count) in &tally.by {
            let entry = by_name.entry(self.get(*process)).or_default();
            entry.0 += 1;
            entry.1 += count;
        }
        let mut all: Vec<Responsible> = by_name
            .into_iter()
            .map(|(name, (processes, count))| Responsible {
                name: name.to_string(),
                processes,
                count,
            })
            .collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        all.truncate(top);
        all
    }
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|b| *b == b'/')
        .find(|name| !name.is_empty())
        .unwrap_or(path)
}

/// The program's name from its path; where that tells nothing (`/proc/self/exe`, a descriptor), from its first argument.
fn program_name(path: &[u8], first: &[u8]) -> String {
    let from_path =
        !path.is_empty() && !path.starts_with(b"/proc/") && !path.starts_with(b"/dev/fd");
    lossy(base_name(if from_path || first.is_empty() {
        path
    } else {
        first
    }))
}

fn arguments(argv: u32, tables: &Tables) -> impl Iterator<Item = &[u8]> {
    let text = match argv {
        NONE => b"".as_slice(),
        argv => tables.string(StringId(argv)),
    };
    text.split(|b| *b == 0)
}

/// Puts together what was counted.
pub(crate) fn build(
    inspector: &Inspector,
    tables: &Tables,
    footer: Option<&Footer>,
    options: &Options,
) -> Inspect {
    let names = Names::new(inspector, tables);
    let costs = Costs::new(inspector);
    let elapsed = footer
        .map_or(0, |footer| footer.elapsed)
        .max(inspector.last);
    Inspect {
        schema_version: SCHEMA_VERSION,
        command: inspector.header.command.iter().map(|a| lossy(a)).collect(),
        complete: Some(footer.is_some()),
        events: inspector.events,
        elapsed_seconds: seconds(elapsed),
        totals: Totals {
            file_system: inspector.on_files.into(),
            pseudo: inspector.on_pseudo.into(),
            other: inspector.on_no_file.into(),
            unresolved: inspector.unresolved.into(),
        },
        timeline: phases::build(inspector, &names, elapsed),
        calls: costs.calls(),
        directories: costs.directories(inspector, options.top),
        tree: tree::build(inspector),
        mounts: costs.mounts(inspector),
        programs: programs(inspector, &names, options.top),
        processes: processes(inspector, &names, tables, options.top),
        findings: findings::all(inspector, &names, options.top),
        unrecorded: footer.map_or_else(BTreeMap::new, |footer| footer.unrecorded.clone()),
        ..Inspect::default()
    }
}

/// What was spent, summed up over places in several ways.
struct Costs {
    by_call: Vec<Sum>,
    by_mount: Vec<Sum>,
    /// Calls on a directory and the names in it.
    here: Vec<Sum>,
    /// Those and everything below.
    below: Vec<Sum>,
}

fn add(to: &mut Sum, more: Sum) {
    to.count += more.count;
    to.failed += more.failed;
    to.time = to.time.saturating_add(more.time);
}

impl Costs {
    fn new(inspector: &Inspector) -> Costs {
        let places = &inspector.places;
        let mut costs = Costs {
            by_call: vec![Sum::default(); TABLE.len()],
            by_mount: vec![Sum::default(); inspector.header.mounts.len()],
            here: vec![Sum::default(); places.len()],
            below: vec![Sum::default(); places.len()],
        };
        // From the bottom: what is below is summed up before what is above.
        for (at, place) in places.iter().rev() {
            let mut own = Sum::default();
            for spent in inspector.costs.list(place.spent) {
                let sum = Sum {
                    count: spent.count.into(),
                    failed: spent.failed.into(),
                    time: spent.time,
                };
                add(&mut own, sum);
                add(&mut costs.by_call[spent.call as usize], sum);
            }
            if let Some(mount) = costs.by_mount.get_mut(usize::from(place.mount)) {
                add(mount, own);
            }
            let is_directory = place.kind == FileKind::Directory || at == place.parent;
            let directory = if is_directory { at } else { place.parent };
            add(&mut costs.here[directory as usize], own);
            add(&mut costs.below[at as usize], own);
            if at != place.parent {
                let below = costs.below[at as usize];
                add(&mut costs.below[place.parent as usize], below);
            }
        }
        costs
    }

    fn calls(&self) -> Vec<CallCost> {
        let mut calls: Vec<CallCost> = Call::all()
            .zip(&self.by_call)
            .filter(|(_, sum)| sum.count > 0)
            .map(|(call, sum)| CallCost {
                name: call.name().to_owned(),
                share: (*sum).into(),
            })
            .collect();
        calls.sort_by(|a, b| b.share.seconds.total_cmp(&a.share.seconds));
        calls
    }

    fn directories(&self, inspector: &Inspector, top: usize) -> Vec<DirectoryCost> {
        let mut order: Vec<usize> = (0..self.here.len())
            .filter(|at| self.here[*at].count > 0)
            .collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.here[*at].time));
        order
            .into_iter()
            .take(top)
            .map(|at| DirectoryCost {
                path: lossy(&inspector.places.path(at as u32)),
                share: self.here[at].into(),
                below: self.below[at].into(),
            })
            .collect()
    }

    fn mounts(&self, inspector: &Inspector) -> Vec<MountCost> {
        let mut used: Vec<MountCost> = inspector
            .header
            .mounts
            .iter()
            .zip(&self.by_mount)
            .filter(|(_, sum)| sum.count > 0)
            .map(|(mount, sum)| MountCost {
                mount_point: lossy(&mount.mount_point),
                fs_type: mount.fs_type.clone(),
                remote: mounts::is_slow(mount),
                share: (*sum).into(),
            })
            .collect();
        used.sort_by(|a, b| b.share.seconds.total_cmp(&a.share.seconds));
        used
    }
}

fn programs(inspector: &Inspector, names: &Names, top: usize) -> Vec<ProgramCost> {
    let mut by_name: HashMap<&str, (u64, Sum)> = HashMap::new();
    for (number, process) in inspector.processes.all.iter().enumerate() {
        let entry = by_name.entry(names.get(number as u32)).or_default();
        entry.0 += 1;
        let sum = Sum {
            count: process.calls,
            failed: process.failed,
            time: process.time,
        };
        add(&mut entry.1, sum);
    }
    let mut programs: Vec<ProgramCost> = by_name
        .into_iter()
        .map(|(name, (processes, sum))| ProgramCost {
            name: name.to_string(),
            processes,
            share: sum.into(),
        })
        .collect();
    programs.sort_by(|a, b| {
        let by_time = b.share.seconds.total_cmp(&a.share.seconds);
        by_time.then_with(|| a.name.cmp(&b.name))
    });
    programs.truncate(top);
    programs
}

fn processes(
    inspector: &Inspector,
    names: &Names,
    tables: &Tables,
    top: usize,
) -> Vec<ProcessCost> {
    let all = &inspector.processes.all;
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(all[*at].time));
    order
        .into_iter()
        .take(top)
        .map(|at| {
            let process = &all[at];
            let sum = Sum {
                count: process.calls,
                failed: process.failed,
                time: process.time,
            };
            ProcessCost {
                pid: process.pid,
                parent: all.get(process.parent as usize).map(|parent| parent.pid),
                name: names.get(at as u32).to_string(),
                arguments: arguments(process.argv, tables).map(lossy).collect(),
                share: sum.into(),
            }
        })
        .collect()
}
