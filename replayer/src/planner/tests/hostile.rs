//! Records that no recorder would write: a plan comes of them or an error, and what holds for every
//! plan holds.

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, TABLE};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{
    Event, FdState, FileKind, Listing, Metadata, NodeId, PathState, Record, StringId, TaskExit,
    TaskId, TaskStart,
};
use proptest::prelude::*;

use super::super::{PlanOptions, Planner};
use super::builder::{check, header};

const PATHS: &[&str] = &[
    "a",
    "b",
    "a/b",
    "a/b/c",
    "../x",
    "..",
    ".",
    "/",
    "/work",
    "/work/a",
    "/proc/self/x",
    "a/../b",
    "../../..",
    "/dev/shm/q",
    "l",
    "l/x",
    "/work/l/../y",
    "",
    "a/",
    "a/.",
    "b/../../work/a",
    "//a",
    "/placed",
    "/placed/a",
    "../placed/b",
    "c/d/e/f/../..",
    "/dev/fd/3",
    "/skipped/x",
];

fn tables() -> Tables {
    let mut tables = Tables::new();
    for path in PATHS {
        tables.add_string(path.as_bytes());
    }
    let work = tables.add_node(NodeId::ROOT, b"work");
    let a = tables.add_node(work, b"a");
    tables.add_node(work, b"b");
    tables.add_node(work, b"l");
    tables.add_node(a, b"b");
    let placed = tables.add_node(NodeId::ROOT, b"placed");
    tables.add_node(placed, b"a");
    tables.add_node(NodeId::ROOT, b"proc");
    tables
}

fn value(kind: ArgKind, seed: u64) -> u64 {
    match kind {
        kind if kind.is_text() => seed % (PATHS.len() as u64 + 1),
        ArgKind::DirFd | ArgKind::NewDirFd => {
            if seed.is_multiple_of(2) {
                -100i64 as u64
            } else {
                seed / 2 % 8
            }
        }
        ArgKind::Fd | ArgKind::NewFd | ArgKind::FdIn | ArgKind::FdOut => seed % 8,
        ArgKind::OutFd0 | ArgKind::OutFd1 => seed % 8,
        ArgKind::Flags => {
            let bits = [
                0, 0o1, 0o101, 0o301, 0o1101, 0o2000000, 0x100, 0x200, 0x400, 0x1000, 2, 0o20200002,
            ];
            bits[seed as usize % bits.len()]
        }
        ArgKind::Command => [0, 1, 2, 3, 4, 6, 7, 1030, 0x5451, 0x4004_9409][seed as usize % 10],
        ArgKind::Address => (seed % 16) << 12,
        _ if seed.is_multiple_of(17) => u64::MAX,
        _ => seed % 100_000,
    }
}

fn event() -> impl Strategy<Value = Record> {
    let args = proptest::array::uniform6(any::<u64>());
    (
        0..TABLE.len(),
        0..4u32,
        args,
        any::<u32>(),
        0..4000u64,
        0..200u64,
    )
        .prop_map(|(row, task, seeds, outcome, entry, duration)| {
            let call: Call = TABLE[row].call;
            let mut args = [0; MAX_ARGS];
            for (index, (kind, _)) in call.row().args.iter().enumerate() {
                args[index] = value(*kind, seeds[index]);
            }
            let result = match outcome % 8 {
                0 => -2,
                1 => -9,
                2 => -17,
                3 => -20,
                4 => Event::NO_RETURN,
                _ => i64::from(outcome / 8 % 12),
            };
            Record::Event(Event {
                task: TaskId(task),
                call,
                entry,
                duration,
                overlapped: outcome >> 8 & 7,
                spent: Default::default(),
                result,
                args,
            })
        })
}

fn other() -> impl Strategy<Value = Record> {
    (0..6u32, 0..4u32, 0..12u32, any::<u64>()).prop_map(|(which, task, node, seed)| {
        let kinds = [
            FileKind::File,
            FileKind::Directory,
            FileKind::Symlink,
            FileKind::Absent,
            FileKind::Fifo,
            FileKind::Unknown,
        ];
        let kind = kinds[seed as usize % kinds.len()];
        match which {
            0 => Record::TaskStart(TaskStart {
                task: TaskId(task),
                parent: Some(TaskId(seed as u32 % 4)),
                time: 0,
                flags: seed,
                tid: task,
                think: 0,
            }),
            1 => Record::TaskExit(TaskExit {
                task: TaskId(task),
                time: seed % 4000,
                status: 0,
                cpu: 0,
                think: 0,
            }),
            2 => Record::Listing(Listing {
                directory: NodeId(node),
                entries: vec![(NodeId(seed as u32 % 12), kind)],
            }),
            3 => Record::FdState(FdState {
                task: TaskId(task),
                fd: seed as i32 % 8,
                target: StringId(seed as u32 % 40),
                kind,
                flags: seed as u32,
                offset: seed,
            }),
            _ => Record::PathState(PathState {
                node: NodeId(node),
                kind,
                metadata: seed.is_multiple_of(5).then_some(Metadata {
                    size: seed % 9999,
                    link_group: seed % 3,
                    target: Some(StringId(seed as u32 % 40)),
                    ..Metadata::default()
                }),
            }),
        }
    })
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![8 => event(), 2 => other()]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_records_say(records in proptest::collection::vec(record(), 1..120)) {
        let tables = tables();
        let options = PlanOptions {
            target: "/t".into(),
            place: vec![(b"/placed".to_vec(), "/v".into())],
            skip: vec![b"/skipped".to_vec()],
            ..PlanOptions::default()
        };
        let mut planner = Planner::new(&header(), options);
        let mut events = 0;
        for record in &records {
            events += u64::from(matches!(record, Record::Event(_)));
            prop_assert!(planner.record(record, &tables).is_ok());
        }
        let plan = planner.finish(&tables);
        prop_assert!(plan.is_ok());
        if let Ok(plan) = plan {
            check(&plan);
            let told = plan.coverage;
            prop_assert_eq!(told.events, events);
            let sum = told.issued + told.pseudo + told.other + told.skipped + told.unresolved;
            prop_assert_eq!(sum + told.unfinished, events);
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused_or_left_alone() {
    let tables = tables();
    let mut planner = Planner::new(&header(), PlanOptions::default());
    let start = Record::TaskStart(TaskStart {
        task: TaskId(u32::MAX),
        parent: None,
        time: 0,
        flags: 0,
        tid: 1,
        think: 0,
    });
    assert!(planner.record(&start, &tables).is_err());
    let state = Record::PathState(PathState {
        node: NodeId(u32::MAX),
        kind: FileKind::File,
        metadata: None,
    });
    assert!(planner.record(&state, &tables).is_ok());
    let event = Record::Event(Event {
        task: TaskId(0),
        call: Call::mmap,
        entry: u64::MAX,
        duration: u64::MAX,
        overlapped: u32::MAX,
        spent: Default::default(),
        result: -4096,
        args: [u64::MAX; MAX_ARGS],
    });
    assert!(planner.record(&event, &tables).is_ok());
}
