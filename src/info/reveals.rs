//! What a trace tells about the machine and the people that it is from.

use std::collections::{HashMap, HashSet};

use fsreplay_results::info::Reveals;
use fsreplay_trace::call::{ArgKind, Op};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Header, Record, StringId};

use crate::term;

/// What is seen of that in the records.
#[derive(Default)]
pub struct Seen {
    link_targets: HashSet<StringId>,
    attribute_names: HashSet<StringId>,
    programs: u64,
    programs_with_arguments: u64,
    /// For each list of arguments whether it has several; long ones are looked through once.
    argument_lists: HashMap<StringId, bool>,
}

impl Seen {
    /// Takes the next record.
    pub fn add(&mut self, record: &Record, tables: &Tables) {
        match record {
            Record::Event(event) => self.event(event, tables),
            Record::PathState(state) => {
                let target = state.metadata.and_then(|metadata| metadata.target);
                self.link_targets.extend(target);
            }
            Record::Xattrs(xattrs) => {
                let names = xattrs.entries.iter().map(|(name, _)| *name);
                self.attribute_names.extend(names);
            }
            Record::TaskStart(_)
            | Record::TaskExit(_)
            | Record::Listing(_)
            | Record::FdState(_) => {}
        }
    }

    fn event(&mut self, event: &Event, tables: &Tables) {
        self.link_targets.extend(event.string(ArgKind::Target));
        self.attribute_names.extend(event.string(ArgKind::Name));
        if event.call.row().op == Op::Exec {
            self.programs += 1;
            let arguments = event.string(ArgKind::Argv);
            let has_several = arguments.is_some_and(|id| {
                let known = self.argument_lists.entry(id);
                *known.or_insert_with(|| tables.string(id).contains(&0))
            });
            self.programs_with_arguments += u64::from(has_several);
        }
    }

    /// All that a trace with that header and those names reveals.
    pub fn of(self, header: &Header, tables: &Tables) -> Reveals {
        let sources = header.mounts.iter().filter(|m| !m.source.is_empty());
        // A trace that was cut off early may have no start of the command itself.
        let of_command = u64::from(header.command.len() > 1);
        Reveals {
            anonymized: header.is_anonymized(),
            names: tables.node_count().saturating_sub(1) as u64,
            link_targets: self.link_targets.len() as u64,
            attribute_names: self.attribute_names.len() as u64,
            mounts: header.mounts.len() as u64,
            mount_sources: sources.count() as u64,
            programs: self.programs.max(of_command),
            programs_with_arguments: self.programs_with_arguments.max(of_command),
        }
    }
}

/// In three lines, for people.
pub fn lines(reveals: &Reveals) -> [String; 3] {
    let count = term::count;
    let replaced = if reveals.anonymized {
        " (all but common ones replaced)"
    } else {
        ""
    };
    let sources = match reveals.mount_sources {
        0 => "without their sources",
        _ => "and their sources",
    };
    [
        format!(
            "names of {} files and directories{replaced}, {} link targets, {} attribute names, \
             {} mounts {sources}",
            count(reveals.names),
            count(reveals.link_targets),
            count(reveals.attribute_names),
            count(reveals.mounts),
        ),
        match reveals.programs_with_arguments {
            0 => format!(
                "arguments of programs: no; names of {} that were started or tried",
                count(reveals.programs)
            ),
            some => format!(
                "arguments of programs: yes, of {} of {} that were started or tried",
                count(some),
                count(reveals.programs)
            ),
        },
        "contents of files, environment, values of attributes: never".to_owned(),
    ]
}
