//! What people read: names of programs, texts of bytes.

use std::collections::HashMap;

use fsreplay_results::inspect::Responsible;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Header, StringId};

use crate::places::NONE;
use crate::processes::Processes;
use crate::tally::Tally;

/// For people only: what isn't UTF-8 is shown with replacement characters.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names of processes, by number.
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn new(header: &Header, processes: &Processes, tables: &Tables) -> Names {
        let first = header.command.first();
        let command = first.map_or(String::new(), |path| lossy(base_name(path)));
        let all = processes.all.iter();
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

/// The program's name from its path; where that tells nothing (`/proc/self/exe`, a descriptor),
/// from its first argument.
fn program_name(path: &[u8], first: &[u8]) -> String {
    let from_path =
        !path.is_empty() && !path.starts_with(b"/proc/") && !path.starts_with(b"/dev/fd");
    lossy(base_name(if from_path || first.is_empty() {
        path
    } else {
        first
    }))
}

/// What a process was started with.
pub(crate) fn arguments(argv: u32, tables: &Tables) -> impl Iterator<Item = &[u8]> {
    let text = match argv {
        NONE => b"".as_slice(),
        argv => tables.string(StringId(argv)),
    };
    text.split(|b| *b == 0)
}
