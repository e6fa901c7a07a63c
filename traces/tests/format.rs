//! Traces come back as they were written, and damaged ones give errors.

use fsreplay_trace::call::{Call, MAX_ARGS, NONE, TABLE};
use fsreplay_trace::format::{
    Limits, TraceError, TraceReader, TraceWriter, WriterOptions, quantize,
};
use fsreplay_trace::model::*;
use proptest::prelude::*;

fn header() -> Header {
    Header {
        command: vec![b"tool".to_vec()],
        cwd: b"/work".to_vec(),
        tells_waiting: true,
        ..Header::default()
    }
}

fn write(records: &[Record], strings: &[Vec<u8>], nodes: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let options = WriterOptions {
        block_records: 50,
        level: 1,
        ..WriterOptions::default()
    };
    let mut writer = TraceWriter::new(Vec::new(), &header(), options).unwrap();
    for (index, (parent, name)) in nodes.iter().enumerate() {
        assert_eq!(writer.node(NodeId(*parent), name), NodeId(index as u32 + 1));
    }
    for (index, string) in strings.iter().enumerate() {
        assert_eq!(
            writer.path_string(string, NodeId(1)),
            StringId(index as u32)
        );
    }
    for record in records {
        writer.push(record).unwrap();
    }
    writer
        .finish(&Footer {
            events: 7,
            ..Footer::default()
        })
        .unwrap()
}

fn read(file: Vec<u8>) -> Result<Vec<Record>, TraceError> {
    let mut reader = TraceReader::new(file)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(records)
}

/// How far a task's clock may be off where the trace tells processor time.
const SLACK: u64 = 4096;

/// A processor time as it comes back.
fn coarse(time: u64) -> u64 {
    quantize::told(quantize::coarse_code(time), time)
}

/// Checks what came back: all as it was, but for times, which are rounded.
fn check_rounded(records: &[Record], back: &[Record]) {
    let mut exits = std::collections::HashMap::new();
    assert_eq!(records.len(), back.len());
    for (record, back) in records.iter().zip(back) {
        match (record, back) {
            (Record::Event(event), Record::Event(back)) => {
                let last: &mut u64 = exits.entry(event.task).or_default();
                let gap = event.entry.saturating_sub(*last);
                let error = back.entry.abs_diff(event.entry.max(*last));
                assert!(error <= SLACK.max(gap / 32 + 16), "{event:?}: {back:?}");
                assert_eq!(back.duration, quantize::quantized(event.duration));
                *last = back.exit();
                let spent = Spent {
                    think: coarse(event.spent.think),
                    cpu: coarse(event.spent.cpu),
                    blocked: coarse(event.spent.blocked),
                    asleep: coarse(event.spent.asleep),
                };
                assert_eq!(back.spent, spent);
                let as_it_was = Event {
                    entry: event.entry,
                    duration: event.duration,
                    spent: event.spent,
                    ..*back
                };
                assert_eq!(as_it_was, *event);
            }
            (record, back) => assert_eq!(record, back),
        }
        match record {
            Record::TaskStart(start) => drop(exits.insert(start.task, start.time)),
            Record::TaskExit(exit) => drop(exits.remove(&exit.task)),
            _ => {}
        }
    }
}

fn strings() -> Vec<Vec<u8>> {
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

fn nodes() -> Vec<(u32, Vec<u8>)> {
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

fn any_record() -> impl Strategy<Value = Record> {
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

/// The same, with each event after the last one of its task: mostly near it.
fn one_after_another(mut records: Vec<Record>, gaps: &[(u64, u64)]) -> Vec<Record> {
    let mut exits = [0; 5];
    for (record, (gap, long)) in records.iter_mut().zip(gaps) {
        match record {
            Record::Event(event) => {
                let exit = &mut exits[event.task.0 as usize];
                let gap = if gap % 7 == 0 { *long } else { *gap };
                event.entry = *exit + gap;
                event.duration >>= gap % 34;
                event.spent.think = gap;
                *exit = event.exit();
            }
            Record::TaskStart(start) => exits[start.task.0 as usize] = start.time,
            _ => {}
        }
    }
    records
}

#[test]
fn clocks_of_tasks_stay_near_whatever_rounding_does() {
    // Each time is rounded by nearly as much as may be, and always to the same side.
    for (gap, duration) in [
        (1_000, 33_791),
        (287, 1_000),
        (66_000, 520),
        (40, 4_194_304),
    ] {
        let mut time = 0;
        let records: Vec<Record> = (0..5_000)
            .map(|_| {
                let entry = time + gap;
                time = entry + duration;
                event_of_time(entry, duration)
            })
            .collect();
        let back = read(write(&records, &strings(), &nodes())).unwrap();
        check_rounded(&records, &back);
        for (record, back) in records.iter().zip(&back) {
            let (Record::Event(event), Record::Event(back)) = (record, back) else {
                panic!("no events")
            };
            let most = SLACK + (gap + duration) / 32 * 8;
            assert!(
                back.entry.abs_diff(event.entry) <= most,
                "{event:?}: {back:?}"
            );
        }
    }
}

fn event_of_time(entry: u64, duration: u64) -> Record {
    Record::Event(Event {
        task: TaskId(0),
        call: Call::close,
        entry,
        duration,
        overlapped: 0,
        spent: Spent::default(),
        result: 0,
        args: [0; MAX_ARGS],
    })
}

#[test]
fn gaps_that_are_all_there_is_are_not_made_coarser() {
    let header = Header::default();
    assert!(!header.tells_waiting);
    let mut writer = TraceWriter::new(Vec::new(), &header, WriterOptions::default()).unwrap();
    writer.push(&event_of_time(1_090, 500)).unwrap();
    let records = read(writer.finish(&Footer::default()).unwrap()).unwrap();
    let Some(Record::Event(event)) = records.first() else {
        panic!("no event")
    };
    assert_eq!(event.entry, quantize::quantized(1_090));
    assert_ne!(event.entry, coarse(1_090));
}

#[test]
fn times_at_the_end_of_all_time_are_written_and_refused() {
    // Whoever imports may have been told anything.
    let far = event_of_time(u64::MAX - 5, u64::MAX);
    let file = write(&[far.clone(), far], &[], &[]);
    let _ = read(file);
}

#[test]
fn columns_are_called_by_what_they_hold() {
    let reader = TraceReader::new(write(&[], &[], &[])).unwrap();
    let name = |number| reader.column_name(number).unwrap_or_default();
    assert_eq!(name(10), "gap");
    assert_eq!(name(25), "rare");
    assert_eq!((name(26), name(29)), ("think".into(), "asleep".into()));
    let openat = 30 + 7 * Call::openat as usize;
    assert_eq!(name(openat + 1), "openat Path");
    assert_eq!(name(openat + 6), "openat result");
    assert_eq!(reader.column_name(30 + 7 * TABLE.len()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn records_come_back(records in prop::collection::vec(any_record(), 0..200)) {
        let file = write(&records, &strings(), &nodes());
        check_rounded(&records, &read(file).unwrap());
    }

    #[test]
    fn what_is_read_and_written_again_is_the_same(
        records in prop::collection::vec(any_record(), 0..200),
        gaps in prop::collection::vec((0u64..20_000, 0u64..9_000_000), 200),
    ) {
        let records = one_after_another(records, &gaps);
        let once = read(write(&records, &strings(), &nodes())).unwrap();
        check_rounded(&records, &once);
        let twice = read(write(&once, &strings(), &nodes())).unwrap();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn damaged_files_give_errors_and_no_panic(
        records in prop::collection::vec(any_record(), 1..60),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        cut in any::<prop::sample::Index>(),
    ) {
        let file = write(&records, &strings(), &nodes());
        let whole = read(file.clone()).unwrap();
        let mut flipped = file.clone();
        flipped[at.index(file.len())] ^= 1 << bit;
        let _ = read(flipped);
        let short = file[..cut.index(file.len())].to_vec();
        match read(short) {
            Ok(back) => prop_assert_eq!(back, whole), // only the seek table was cut
            Err(error) => {
                let expected = matches!(
                    error,
                    TraceError::Truncated { .. } | TraceError::NotATrace | TraceError::Corrupt(_)
                );
                prop_assert!(expected, "{error}");
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(bytes).is_err());
    }
}

#[test]
fn strings_and_nodes_come_back_and_are_found_again() {
    let mut writer = TraceWriter::new(Vec::new(), &header(), WriterOptions::default()).unwrap();
    let dir = writer.node(NodeId::ROOT, b"dir");
    let file = writer.node(dir, b"file.txt");
    let path = writer.path_string(b"dir/file.txt", file);
    let argv = writer.string(b"ls\0-l");
    assert_eq!(writer.node(dir, b"file.txt"), file);
    assert_eq!(writer.string(b"dir/file.txt"), path);
    let event = Event {
        task: TaskId(0),
        call: Call::newfstatat,
        entry: 10,
        duration: 20,
        overlapped: 0,
        spent: Default::default(),
        result: -2,
        args: [libc_at_fdcwd(), u64::from(path.0), 0, 0, 0, 0],
    };
    writer.push(&Record::Event(event)).unwrap();
    let mut reader = TraceReader::new(writer.finish(&Footer::default()).unwrap()).unwrap();
    let Some(Record::Event(back)) = reader.next_record().unwrap() else {
        panic!("no event")
    };
    assert_eq!(back.errno(), Some(2));
    assert_eq!(reader.tables().string(path), b"dir/file.txt");
    assert_eq!(reader.tables().string(argv), b"ls\0-l");
    assert_eq!(reader.tables().path(file), b"/dir/file.txt");
    assert_eq!(reader.header().cwd, b"/work");
    assert_eq!(reader.next_record().unwrap(), None);
    assert!(reader.footer().is_some());
}

fn libc_at_fdcwd() -> u64 {
    -100i64 as u64
}

#[test]
fn a_newer_version_is_named() {
    let mut file = write(&[], &[], &[]);
    file[18] = 9;
    match read(file) {
        Err(TraceError::TooNew { found: 9, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// A trace of what a function puts into it.
fn made(block_records: u32, fill: impl FnOnce(&mut TraceWriter<Vec<u8>>)) -> Vec<u8> {
    let options = WriterOptions {
        level: 1,
        block_records,
        ..WriterOptions::default()
    };
    let mut writer = TraceWriter::new(Vec::new(), &header(), options).unwrap();
    fill(&mut writer);
    writer.finish(&Footer::default()).unwrap()
}

fn start(task: u32) -> Record {
    Record::TaskStart(TaskStart {
        task: TaskId(task),
        parent: None,
        time: 0,
        flags: 0,
        tid: 1,
        think: 0,
    })
}

#[test]
fn more_records_than_are_decoded_at_once_come_in_their_order() {
    let count = 20_000;
    let file = made(1 << 18, |writer| {
        for task in 0..count {
            writer.push(&start(task)).unwrap();
            if task % 100 == 0 {
                let node = writer.node(NodeId::ROOT, format!("d{task}").as_bytes());
                let directory = NodeId::ROOT;
                let entries = vec![(node, FileKind::File); 1000];
                let listing = Record::Listing(Listing { directory, entries });
                writer.push(&listing).unwrap();
            }
        }
    });
    let records = read(file).unwrap();
    let tasks = records.iter().filter_map(|record| match record {
        Record::TaskStart(start) => Some(start.task.0),
        _ => None,
    });
    assert!(tasks.eq(0..count));
    assert_eq!(records.len(), count as usize + count as usize / 100);
}

/// A file that comes in pieces, as from a pipe.
struct Pieces(std::io::Cursor<Vec<u8>>);

impl std::io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn a_frame_is_found_whatever_pieces_the_file_comes_in() {
    // Names that don't pack well: the block is longer than what is read at once.
    let mut number = 1u64;
    let file = made(1 << 18, |writer| {
        for _ in 0..60_000 {
            number = number
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            writer.string(&number.to_le_bytes());
        }
        writer.push(&start(0)).unwrap();
    });
    assert!(file.len() > 400_000);
    let input = Pieces(std::io::Cursor::new(file.clone()));
    let mut reader = TraceReader::of(Box::new(input), &Limits::default()).unwrap();
    assert!(reader.next_record().unwrap().is_some());
    assert!(reader.next_record().unwrap().is_none());
    assert_eq!(reader.tables().string_count(), 60_000);
    for cut in [file.len() / 2, 300_000] {
        let error = read(file[..cut].to_vec()).unwrap_err();
        assert!(
            matches!(error, TraceError::Truncated { events: 0 }),
            "{error:?}"
        );
    }
}

#[test]
fn a_skippable_frame_may_be_longer_than_what_is_read_at_once() {
    let mut file = made(64, |writer| writer.push(&start(0)).unwrap());
    let length = 1_000_000u32;
    let mut skipped = 0x184D_2A5Fu32.to_le_bytes().to_vec();
    skipped.extend(length.to_le_bytes());
    skipped.resize(8 + length as usize, 0);
    let rest = file.split_off(20); // after the mark
    file.extend(&skipped);
    file.extend(rest);
    assert_eq!(read(file).unwrap().len(), 1);
}

#[test]
fn short_strings_and_names_are_not_for_nothing() {
    let file = made(1, |writer| {
        for number in 0..1000u32 {
            let node = writer.node(NodeId::ROOT, &number.to_le_bytes());
            writer.path_string(&number.to_le_bytes(), node);
        }
    });
    let limits = Limits {
        strings: 16 * 1000,
        ..Limits::default()
    };
    let mut reader = TraceReader::of(Box::new(std::io::Cursor::new(file)), &limits).unwrap();
    let error = reader.next_record().unwrap_err();
    assert!(
        matches!(
            error,
            TraceError::Limit {
                name: "strings",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn more_tasks_at_once_than_a_kernel_has_are_refused() {
    let most = 4 << 20; // PID_MAX_LIMIT
    let file = made(1 << 18, |writer| {
        for task in 0..=most {
            writer.push(&start(task)).unwrap();
        }
    });
    let mut reader = TraceReader::new(file).unwrap();
    let mut records = 0;
    let error = loop {
        match reader.next_record() {
            Ok(Some(_)) => records += 1,
            Ok(None) => panic!("all of {records} were read"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, TraceError::Corrupt(_)), "{error}");
    assert!(records <= most);
}
