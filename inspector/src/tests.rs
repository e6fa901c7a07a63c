//! Traces made by hand, and what has to be found in them.

mod trace;
mod tree;

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, NONE as NO_ARGUMENT};
use fsreplay_trace::model::{Event, FdState, FileKind, Listing, NodeId, Record, TaskId};

use fsreplay_results::inspect::FindingKind;

use crate::write_folded;
use trace::*;

#[test]
fn failed_lookups_are_told_by_directory_and_by_name() {
    let mut trace = Trace::new();
    trace.exec(0, "/usr/bin/python3", "python3\0-c\0pass");
    for name in 0..30 {
        for directory in ["/lib/a", "/lib/b"] {
            let path = format!("{directory}/mod{name}.py");
            trace.path(0, Call::newfstatat, &path, ENOENT);
        }
    }
    trace.path(0, Call::access, "/lib/a/mod0.py", ENOENT);
    // Making what isn't there, removing it, or being refused is no lookup in vain.
    trace.open(0, "/lib/c/x", O_CREAT, ENOENT);
    trace.path(0, Call::unlink, "/lib/a/x", ENOENT);
    trace.path(0, Call::access, "/lib/a/y", -13);
    let finding = trace.finding(FindingKind::FailedLookups);
    assert_eq!((finding.count, finding.paths), (61, 2));
    let item = &finding.items[0];
    assert_eq!((item.path.as_str(), item.count), ("/lib/a", 31));
    assert_eq!(item.entries, Some(30));
    assert_eq!(item.names[0], "mod0.py");
    assert_eq!(finding.names[0].name, "mod0.py");
    assert_eq!(
        (finding.names[0].count, finding.names[0].directories),
        (3, 2)
    );
    assert_eq!(finding.processes[0].name, "python3");
    assert_eq!(finding.processes[0].count, 61);
}

#[test]
fn one_file_by_several_paths_is_one_file() {
    let mut trace = Trace::new();
    trace.state("/w/real", FileKind::Directory, 0);
    trace.link("/w/link", "real");
    trace.state("/w/real/f", FileKind::File, 10);
    trace.open(0, "/w", 0, 3);
    for _ in 0..5 {
        trace.path(0, Call::stat, "/w/real/f", 0);
        trace.path(0, Call::stat, "link/f", 0);
        let at = [
            Number(ArgKind::DirFd, 3),
            Text(ArgKind::Path, "link/../real/f"),
        ];
        trace.call(0, Call::newfstatat, &at, 0);
    }
    let finding = trace.finding(FindingKind::RepeatedStats);
    assert_eq!(finding.items.len(), 1);
    assert_eq!(
        (finding.items[0].path.as_str(), finding.count),
        ("/w/real/f", 15)
    );
    assert_eq!(trace.inspection().totals.unresolved.count, 0);
}

#[test]
fn a_path_asked_again_and_again_whether_it_is_a_link_is_told() {
    let mut trace = Trace::new();
    trace.state("/w/d", FileKind::Directory, 0);
    trace.link("/w/link", "d");
    for _ in 0..12 {
        trace.path(0, Call::readlink, "/w/d", EINVAL);
        trace.path(0, Call::readlink, "/w/link", 1);
        trace.path(0, Call::readlink, "/w/absent", ENOENT);
    }
    let finding = trace.finding(FindingKind::RepeatedReadlinks);
    let mut paths: Vec<&str> = finding.items.iter().map(|item| &*item.path).collect();
    paths.sort_unstable();
    assert_eq!((finding.count, paths), (24, vec!["/w/d", "/w/link"]));
}

#[test]
fn tiny_reads_and_writes_are_told_by_file_however_it_was_reached() {
    let mut trace = Trace::new();
    trace.state("/w/f", FileKind::File, 4000);
    trace.open(0, "f", 0, 3);
    trace.call(0, Call::dup, &[Number(ArgKind::Fd, 3)], 7);
    trace.task(1, Some(0), 0);
    for _ in 0..20 {
        trace.fd(0, Call::read, 3, 4, 4);
        trace.fd(1, Call::read, 7, 4, 4);
    }
    trace.write_new("/w/log", 10);
    trace.open(0, "/w/log", O_WRONLY, 6);
    for _ in 0..40 {
        trace.fd(0, Call::write, 6, 20, 20);
    }
    let reads = trace.finding(FindingKind::TinyReads);
    assert_eq!((reads.count, reads.bytes), (40, Some(160)));
    assert_eq!(reads.items[0].path, "/w/f");
    assert_eq!(reads.processes[0].processes, 2);
    let writes = trace.finding(FindingKind::TinyWrites);
    assert_eq!((writes.count, writes.bytes), (41, Some(810)));
}

#[test]
fn a_file_read_in_full_again_is_told_with_what_was_read_in_vain() {
    let mut trace = Trace::new();
    trace.state("/w/f", FileKind::File, 1000);
    trace.state("/w/once", FileKind::File, 1000);
    for _ in 0..20 {
        trace.read_whole(0, "/w/f", 1000);
    }
    trace.read_whole(0, "/w/once", 1000);
    let again = trace.finding(FindingKind::RepeatedReads);
    assert_eq!(
        (again.count, again.paths, again.bytes),
        (20, 1, Some(19_000))
    );
    let opens = trace.finding(FindingKind::RepeatedOpens);
    assert_eq!((opens.count, opens.paths), (20, 1));
}

#[test]
fn a_walk_is_told_by_its_top_unless_what_it_saw_was_used() {
    let mut trace = Trace::new();
    let list = |trace: &mut Trace, directory: &str, open: i64| {
        trace.state(directory, FileKind::Directory, 0);
        trace.open(0, directory, 0o200_000, 4);
        let directory_node = trace.node(directory);
        let entries = (0..60)
            .map(|n| {
                let name = format!("f{n}");
                (
                    trace.tables.add_node(directory_node, name.as_bytes()),
                    FileKind::File,
                )
            })
            .collect();
        trace.push(&Record::Listing(Listing {
            directory: directory_node,
            entries,
        }));
        trace.fd(0, Call::getdents64, 4, 32768, 2000);
        trace.fd(0, Call::getdents64, 4, 32768, 0);
        trace.fd(0, Call::close, 4, 0, 0);
        for n in 0..open {
            trace.open(0, &format!("{directory}/f{n}"), 0, 5);
            trace.fd(0, Call::close, 5, 0, 0);
        }
    };
    list(&mut trace, "/w/walked", 0);
    list(&mut trace, "/w/walked/a", 1);
    list(&mut trace, "/w/walked/b", 0);
    list(&mut trace, "/w/used", 50);
    list(&mut trace, "/w/used/a", 50);
    let finding = trace.finding(FindingKind::UnusedWalks);
    assert_eq!((finding.paths, finding.count), (1, 3));
    let item = &finding.items[0];
    assert_eq!(item.path, "/w/walked");
    assert_eq!((item.entries, item.used), (Some(180), Some(1)));
}

#[test]
fn syncs_are_told_by_directory() {
    let mut trace = Trace::new();
    for name in 0..12 {
        trace.open(0, &format!("/w/db/{name}"), O_CREAT | O_EXCL, 3);
        trace.fd(0, Call::fsync, 3, 0, 0);
        trace.fd(0, Call::close, 3, 0, 0);
    }
    let finding = trace.finding(FindingKind::SyncStorms);
    let item = &finding.items[0];
    assert_eq!(
        (item.path.as_str(), item.count, item.entries),
        ("/w/db", 12, Some(12))
    );
}

#[test]
fn files_written_and_deleted_are_told_and_renamed_ones_are_not() {
    let mut trace = Trace::new();
    for name in 0..8 {
        let path = format!("/w/tmp{name}");
        trace.state(&path, FileKind::Absent, 0);
        trace.write_new(&path, 100);
        if name < 6 {
            trace.path(0, Call::unlink, &path, 0);
        } else {
            let args = [
                Text(ArgKind::Path, &path),
                Text(ArgKind::NewPath, &format!("/w/kept{name}")),
            ];
            trace.call(0, Call::rename, &args, 0);
        }
    }
    let finding = trace.finding(FindingKind::ShortLivedFiles);
    assert_eq!((finding.count, finding.bytes), (6, Some(600)));
    assert_eq!(finding.items[0].path, "/w");
    trace.no_finding(FindingKind::TemporaryOnRemoteMount);
}

#[test]
fn what_could_be_temporary_is_told_only_on_remote_mounts() {
    let mut trace = Trace::new();
    trace.write_new("/host/app/__pycache__/a.pyc", 700);
    trace.write_new("/host/app/src/a.py", 700);
    trace.write_new("/host/app/src/tmp.1", 300);
    trace.path(0, Call::unlink, "/host/app/src/tmp.1", 0);
    trace.write_new("/w/__pycache__/a.pyc", 700);
    let finding = trace.finding(FindingKind::TemporaryOnRemoteMount);
    let mut told: Vec<_> = finding
        .items
        .iter()
        .map(|item| (item.path.as_str(), item.bytes))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            ("/host/app/__pycache__", Some(700)),
            ("/host/app/src", Some(300))
        ]
    );
    let mounts = trace.inspection().mounts;
    let host = mounts.iter().find(|mount| mount.mount_point == "/host");
    assert!(host.is_some_and(|mount| mount.remote && mount.share.count == 10));
}

#[test]
fn a_renamed_directory_keeps_descriptors_and_working_directories() {
    let mut trace = Trace::new();
    trace.path(0, Call::mkdir, "/w/old", 0);
    trace.path(0, Call::chdir, "old", 0);
    trace.write_new("f", 100);
    trace.open(0, "f", 0, 3);
    let args = [
        Text(ArgKind::Path, "/w/old"),
        Text(ArgKind::NewPath, "/w/new"),
    ];
    trace.call(0, Call::rename, &args, 0);
    for _ in 0..10 {
        trace.path(0, Call::stat, "f", 0);
        trace.fd(0, Call::pread64, 3, 4, 4);
    }
    let finding = trace.finding(FindingKind::RepeatedStats);
    assert_eq!(finding.items[0].path, "/w/new/f");
    let directories = trace.inspection().directories;
    let new = directories.iter().find(|d| d.path == "/w/new");
    // Ten stats, ten reads, and the rename, which is about the new name.
    assert_eq!(new.map(|d| d.share.count), Some(21));
}

#[test]
fn all_events_are_counted_once() {
    let mut trace = Trace::new();
    trace.push(&Record::FdState(FdState {
        task: TaskId(0),
        fd: 1,
        target: fsreplay_trace::model::StringId(u32::MAX),
        kind: FileKind::Fifo,
        flags: 0,
        offset: 0,
    }));
    trace.fd(0, Call::write, 1, 10, 10);
    trace.path(0, Call::stat, "/proc/self/status", 0);
    trace.open(0, "/dev/null", 0, 3);
    trace.path(0, Call::stat, "/dev/shm/x", 0);
    trace.fd(0, Call::read, 77, 10, 10);
    trace.fd(0, Call::close, -1, 0, -9);
    trace.path(0, Call::stat, "/w", 0);
    let at = [Number(ArgKind::DirFd, 50), Text(ArgKind::Path, "x")];
    trace.call(0, Call::newfstatat, &at, 0);
    let totals = trace.inspection().totals;
    let counts = [
        totals.file_system.count,
        totals.pseudo.count,
        totals.other.count,
        totals.unresolved.count,
    ];
    assert_eq!(counts, [2, 2, 2, 2]);
}

#[test]
fn processes_are_named_by_what_they_ran_last() {
    let mut trace = Trace::new();
    trace.exec(0, "/bin/sh", "sh\0-c\0x");
    trace.task(1, Some(0), 0);
    trace.path(1, Call::stat, "/w", 0);
    trace.exec(1, "/usr/bin/git", "git\0status");
    trace.task(2, Some(1), 0x1_0000);
    trace.path(2, Call::stat, "/w", 0);
    let inspection = trace.inspection();
    let named: Vec<_> = inspection
        .processes
        .iter()
        .map(|p| (p.name.as_str(), p.pid, p.parent, p.share.count))
        .collect();
    assert_eq!(named, [("git", 101, Some(100), 3), ("sh", 100, None, 1)]);
    assert_eq!(inspection.processes[0].arguments, ["git", "status"]);
    assert_eq!(inspection.programs.len(), 2);
}

#[test]
fn a_descriptor_taken_over_before_its_close_returned_stays() {
    let mut trace = Trace::new();
    trace.open(0, "/w/a", 0, 3);
    trace.open(0, "/w/b", 0, 3);
    let close = Event {
        task: TaskId(0),
        call: Call::close,
        entry: 0,
        duration: 1,
        overlapped: 1,
        spent: Default::default(),
        result: 0,
        args: [3, 0, 0, 0, 0, 0],
    };
    trace.push(&Record::Event(close));
    for _ in 0..40 {
        trace.fd(0, Call::read, 3, 1, 1);
    }
    assert_eq!(trace.finding(FindingKind::TinyReads).items[0].path, "/w/b");
}

#[test]
fn folded_stacks_hold_all_the_time_on_files() {
    let mut trace = Trace::new();
    trace.path(0, Call::stat, "/w/a/b", 0);
    trace.path(0, Call::stat, "/w/a/b", 0);
    trace.path(0, Call::stat, "/", 0);
    trace.path(0, Call::stat, "/proc/1", 0);
    let mut out = Vec::new();
    write_folded(&trace.inspector, &mut out).expect("writing to memory");
    let text = String::from_utf8(out).expect("ASCII");
    assert_eq!(text, "/;stat 1000\n/;w;a;b;stat 2000\n");
}

#[test]
fn numbers_that_no_kernel_gives_do_no_harm() {
    let mut trace = Trace::new();
    for call in Call::all() {
        for value in [0, 1, i64::MAX as u64, u64::MAX, u64::from(u32::MAX)] {
            for result in [0, 1, -2, i64::MIN, i64::MAX] {
                trace.push(&Record::Event(Event {
                    task: TaskId(u32::MAX),
                    call,
                    entry: u64::MAX / 4,
                    duration: 1 << 40,
                    overlapped: u32::MAX,
                    spent: Default::default(),
                    result,
                    args: [value; MAX_ARGS],
                }));
            }
        }
    }
    trace.push(&Record::Listing(Listing {
        directory: NodeId(u32::MAX),
        entries: vec![(NodeId(77), FileKind::Symlink)],
    }));
    assert_eq!(NO_ARGUMENT, u64::MAX);
    let inspection = trace.inspection();
    let totals = inspection.totals;
    let all = totals.file_system.count
        + totals.pseudo.count
        + totals.other.count
        + totals.unresolved.count;
    assert_eq!(all, inspection.events);
}

#[test]
fn an_open_of_a_path_alone_makes_nothing_and_follows_a_link() {
    const O_PATH: i64 = 0o1000_0000;
    let mut trace = Trace::new();
    trace.state("/files/f", FileKind::File, 10);
    trace.link("/links/l", "/files/f");
    trace.open(0, "/links/l", O_PATH | O_CREAT | O_EXCL, 5);
    let directories = trace.inspection().directories;
    assert!(directories.iter().any(|d| d.path == "/files"));
    assert!(directories.iter().all(|d| d.path != "/links"));
}
