//! What was done with the contents of files: bit by bit, again and again, forced to the disk.

use std::collections::HashMap;

use fsreplay_results::inspect::{Finding, FindingKind};

use super::{ByDirectory, Context, Suspect};
use crate::files::{File, FileCount};

/// Fewer tiny reads or writes of a file are ordinary: a header, a last line.
const TINY_CALLS: u64 = 32;
/// Fewer syncs below one directory are what keeping data safe takes.
const SYNCS: u64 = 10;

/// Tiny reads, tiny writes, files read in full again, sync storms.
pub(super) fn all(cx: &Context) -> Vec<Finding> {
    let tiny_reads = tiny(cx, FileCount::TinyRead, FindingKind::TinyReads, |file| {
        file.tiny_read
    });
    let tiny_writes = tiny(cx, FileCount::TinyWrite, FindingKind::TinyWrites, |file| {
        file.tiny_written
    });
    let found = [tiny_reads, tiny_writes, read_again(cx), sync_storms(cx)];
    found.into_iter().flatten().collect()
}

/// Suspects by place: several files may have been at one, one after the other.
fn by_place(suspects: impl Iterator<Item = Suspect>) -> Vec<Suspect> {
    let mut places: HashMap<u32, Suspect> = HashMap::new();
    for suspect in suspects {
        match places.get_mut(&suspect.place) {
            Some(first) => {
                first.tally.merge(&suspect.tally);
                first.bytes += suspect.bytes;
            }
            None => {
                places.insert(suspect.place, suspect);
            }
        }
    }
    places.into_values().collect()
}

fn tiny(
    cx: &Context,
    count: FileCount,
    kind: FindingKind,
    bytes: impl Fn(&File) -> u64,
) -> Option<Finding> {
    let all = cx.inspector.files.iter().filter_map(|file| {
        let tally = cx.tally(file.tallies[count as usize])?;
        Some(Suspect {
            place: file.place,
            tally: tally.clone(),
            bytes: bytes(file),
        })
    });
    let mut suspects = by_place(all);
    suspects.retain(|suspect| suspect.tally.count >= TINY_CALLS);
    cx.finding(kind, suspects, true, |_, _| {})
}

/// Files read in full whose contents had been read in full before. The count is that of all full
/// reads, the bytes are those of the reads that were in vain, and so is the time: the same part of
/// all the time of reading.
fn read_again(cx: &Context) -> Option<Finding> {
    let all = cx.inspector.files.iter().filter_map(|file| {
        let full = cx.tally(file.tallies[FileCount::FullRead as usize])?;
        if file.again == 0 {
            return None;
        }
        let mut tally = full.clone();
        let part = u128::from(file.read_time) * u128::from(file.again);
        tally.time = u64::try_from(part / u128::from(full.count.max(1))).unwrap_or(u64::MAX);
        Some(Suspect {
            place: file.place,
            tally,
            bytes: file.again_bytes,
        })
    });
    let suspects = by_place(all);
    cx.finding(FindingKind::RepeatedReads, suspects, true, |_, _| {})
}

fn sync_storms(cx: &Context) -> Option<Finding> {
    let mut directories = ByDirectory::default();
    let places = cx.places();
    for file in cx.inspector.files.iter() {
        if let Some(tally) = cx.tally(file.tallies[FileCount::Sync as usize]) {
            directories.add(places.get(file.place).parent, file.place, tally, 0);
        }
    }
    let (suspects, members) = directories.suspects(|group| group.tally.count >= SYNCS);
    cx.finding(FindingKind::SyncStorms, suspects, false, |place, item| {
        if let Some(members) = members.get(&place) {
            item.entries = Some(members.0.len() as u64);
            item.names = members.examples(places);
        }
    })
}
