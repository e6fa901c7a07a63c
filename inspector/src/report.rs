//! From what was counted to the result of an inspection.

use std::collections::{BTreeMap, HashMap};

use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::inspect::{
    CallCost, DirectoryCost, Inspect, MountCost, ProcessCost, ProgramCost, Totals,
};
use fsreplay_trace::call::{Call, TABLE};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FileKind, Footer};

use crate::findings;
use crate::inspector::Inspector;
use crate::mounts;
use crate::names::{Names, arguments, lossy};
use crate::phases::Seen;
use crate::tally::{Sum, seconds};
use crate::tree;

/// What to leave out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many entries each list has at most.
    pub top: usize,
    /// Inspect what is whole of a trace that was cut off.
    pub truncated: bool,
}

impl Inspector {
    /// What came of it, after the last record.
    pub fn finish(&self, tables: &Tables, footer: Option<&Footer>, options: &Options) -> Inspect {
        let names = Names::new(&self.header, &self.processes, tables);
        let costs = Costs::new(self);
        let elapsed = footer.map_or(0, |footer| footer.elapsed).max(self.last);
        Inspect {
            schema_version: SCHEMA_VERSION,
            command: self.header.command.iter().map(|a| lossy(a)).collect(),
            complete: Some(footer.is_some()),
            events: self.events,
            elapsed_seconds: seconds(elapsed),
            totals: Totals {
                file_system: self.on_files.into(),
                pseudo: self.on_pseudo.into(),
                other: self.on_no_file.into(),
                unresolved: self.unresolved.into(),
            },
            timeline: self.phases.timeline(
                &Seen {
                    header: &self.header,
                    places: &self.places,
                    processes: &self.processes,
                    names: &names,
                },
                elapsed,
            ),
            calls: costs.calls(),
            directories: costs.directories(self, options.top),
            tree: tree::build(self),
            mounts: costs.mounts(self),
            programs: programs(self, &names, options.top),
            processes: processes(self, &names, tables, options.top),
            findings: findings::all(self, &names, options.top),
            unrecorded: footer.map_or_else(BTreeMap::new, |footer| footer.unrecorded.clone()),
            ..Inspect::default()
        }
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
