//! Records of all kinds, by chance, and the strings and nodes that they refer to.

use fsreplay_trace::call::{MAX_ARGS, NONE, TABLE};
use fsreplay_trace::model::*;
use proptest::prelude::*;

pub fn strings() -> Vec<Vec<u8>> {
    [
        "/a/b",
        "/a/bc",
        "x",
        "/a/name",
        "\u{0}\u{1}",
        "/a/name/name",
    ]
    .iter()
    .map(|s| s.as_bytes().to_vec())
    .collect()
}

pub fn nodes() -> Vec<(u32, Vec<u8>)> {
    vec![
        (0, b"name".to_vec()),
        (1, b"b".to_vec()),
        (0, b"\xff\xfe".to_vec()),
    ]
}

/// Times of all lengths, and such as are part of one.
fn any_spent() -> impl Strategy<Value = Spent> {
    let time = || (0u32..36, any::<u64>()).prop_map(|(bits, time)| time & ((1 << bits) - 1));
    (time(), time(), time(), time()).prop_map(|(think, cpu, blocked, asleep)| Spent {
        think,
        cpu,
        blocked,
        asleep,
    })
}

fn any_event() -> impl Strategy<Value = Record> {
    let args = prop::array::uniform6(prop_oneof![
        0u64..4,
        Just(NONE),
        Just(i64::MIN as u64),
        any::<u64>()
    ]);
    let result = prop_oneof![0i64..5000, -4095i64..0, Just(Event::NO_RETURN), 0..i64::MAX];
    (
        0..TABLE.len(),
        0u32..5,
        any::<u32>(),
        0u64..1 << 40,
        0u64..1 << 34,
        result,
        args,
        any_spent(),
    )
        .prop_map(
            |(call, task, overlapped, entry, duration, result, args, spent)| {
                let row = &TABLE[call];
                let mut kept = [0; MAX_ARGS];
                for (column, (kind, _)) in row.args.iter().enumerate() {
                    use fsreplay_trace::call::ArgKind::*;
                    kept[column] = match kind {
                        Path | NewPath | Target | Name | Argv if args[column] != NONE => {
                            args[column] % 6
                        }
                        _ => args[column],
                    };
                }
                Record::Event(Event {
                    task: TaskId(task),
                    call: row.call,
                    entry,
                    duration,
                    overlapped,
                    spent,
                    result,
                    args: kept,
                })
            },
        )
}

pub fn any_record() -> impl Strategy<Value = Record> {
    let state = (
        0u32..4,
        any::<u64>(),
        any::<u32>(),
        any::<i64>(),
        prop::option::of(0u32..6),
    )
        .prop_map(|(node, size, mode, mtime, target)| {
            let is_sparse = size % 3 == 0;
            Record::PathState(PathState {
                node: NodeId(node),
                kind: if is_sparse {
                    FileKind::File
                } else {
                    FileKind::Symlink
                },
                metadata: Some(Metadata {
                    size,
                    mode,
                    uid: mode / 3,
                    gid: mode / 5,
                    mtime,
                    link_group: size / 7,
                    target: target.map(StringId),
                    mount: mode % 9,
                    allocated: is_sparse.then_some(size / 2),
                }),
            })
        });
    let absent = (0u32..4).prop_map(|node| {
        Record::PathState(PathState {
            node: NodeId(node),
            kind: FileKind::Absent,
            metadata: None,
        })
    });
    let listing = prop::collection::vec(0u32..4, 0..5).prop_map(|nodes| {
        let entries = nodes
            .into_iter()
            .map(|node| (NodeId(node), FileKind::File))
            .collect();
        Record::Listing(Listing {
            directory: NodeId(0),
            entries,
        })
    });
    let start = (0u32..5, 0u64..1 << 40).prop_map(|(task, time)| {
        Record::TaskStart(TaskStart {
            task: TaskId(task),
            parent: task.checked_sub(1).map(TaskId),
            time,
            flags: time,
            tid: 9,
            think: 0,
        })
    });
    let exit = (0u32..5, any::<i32>()).prop_map(|(task, status)| {
        Record::TaskExit(TaskExit {
            task: TaskId(task),
            time: 5,
            status,
            cpu: 1,
            think: 2,
        })
    });
    let xattrs = (0u32..4, 0u32..6).prop_map(|(node, name)| {
        Record::Xattrs(Xattrs {
            node: NodeId(node),
            entries: vec![(StringId(name), 12)],
        })
    });
    let fd = (any::<i32>(), 0u32..6).prop_map(|(fd, target)| {
        Record::FdState(FdState {
            task: TaskId(0),
            fd,
            target: StringId(target),
            kind: FileKind::Fifo,
            flags: 3,
            offset: 4,
        })
    });
    prop_oneof![
        10 => any_event(),
        3 => state,
        1 => absent,
        1 => listing,
        1 => start,
        1 => exit,
        1 => xattrs,
        1 => fd,
    ]
}
