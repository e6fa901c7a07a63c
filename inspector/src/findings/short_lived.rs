//! Files written that are gone at the end, and files written to mounts of another machine that need
//! not lie there.

use fsreplay_results::inspect::{Finding, FindingKind};

use super::{ByDirectory, Context, Group};
use crate::files::File;
use crate::mounts;
use crate::places::ROOT;
use crate::tally::Tally;

/// Fewer short-lived files of a directory are ordinary, if they are small.
const FILES: u64 = 5;
const BYTES: u64 = 1 << 20;

/// Directories whose contents can be made again by the tool that wrote them.
const CACHES: &[&[u8]] = &[
    b".cache",
    b".eslintcache",
    b".gradle",
    b".mypy_cache",
    b".next",
    b".nyc_output",
    b".parcel-cache",
    b".pytest_cache",
    b".ruff_cache",
    b".tmp",
    b".tox",
    b".turbo",
    b".venv",
    b".yarn",
    b"__pycache__",
    b"node_modules",
    b"target",
    b"temp",
    b"tmp",
];

/// Short-lived files, and those and caches on remote mounts.
pub(super) fn all(cx: &Context) -> Vec<Finding> {
    let mut short_lived = ByDirectory::default();
    let mut remote = ByDirectory::default();
    let places = cx.places();
    for file in cx.inspector.files.iter().filter(|file| file.written > 0) {
        let place = places.get(file.place);
        let gone = file.made && file.deleted;
        let tally = Tally {
            count: 1,
            time: file.time,
            by: vec![(file.writer, 1)],
        };
        if gone {
            short_lived.add(place.parent, file.place, &tally, file.written);
        }
        let mount = cx.inspector.header.mounts.get(usize::from(place.mount));
        if mount.is_some_and(mounts::is_slow) {
            let cache = cache_above(cx, file);
            if let Some(directory) = cache.or(gone.then_some(place.parent)) {
                remote.add(directory, file.place, &tally, file.written);
            }
        }
    }
    let many = |group: &Group| group.tally.count >= FILES || group.bytes >= BYTES;
    let found = [
        finding(cx, FindingKind::ShortLivedFiles, short_lived, many),
        finding(cx, FindingKind::TemporaryOnRemoteMount, remote, |_| true),
    ];
    found.into_iter().flatten().collect()
}

fn finding(
    cx: &Context,
    kind: FindingKind,
    directories: ByDirectory,
    is_suspicious: impl Fn(&Group) -> bool,
) -> Option<Finding> {
    let (suspects, members) = directories.suspects(is_suspicious);
    cx.finding(kind, suspects, true, |place, item| {
        if let Some(members) = members.get(&place) {
            item.names = members.examples(cx.places());
        }
    })
}

/// The topmost directory above a file on its mount whose name is that of a cache.
fn cache_above(cx: &Context, file: &File) -> Option<u32> {
    let places = cx.places();
    let mount = places.get(file.place).mount;
    let mut at = places.get(file.place).parent;
    let mut found = None;
    while at != ROOT && places.get(at).mount == mount {
        if CACHES.contains(&places.name(at)) {
            found = Some(at);
        }
        at = places.get(at).parent;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymized_traces_keep_what_is_judged_by_its_name() {
        for name in CACHES {
            assert!(fsreplay_trace::anonymize::is_kept(name), "{name:?}");
        }
    }
}
