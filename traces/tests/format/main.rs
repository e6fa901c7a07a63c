//! Traces come back as they were written, and damaged ones give errors.

mod any;
mod times;

use any::{any_record, nodes, strings};
use fsreplay_trace::call::{Call, TABLE};
use fsreplay_trace::format::{Limits, TraceError, TraceReader, TraceWriter, WriterOptions};
use fsreplay_trace::model::*;
use proptest::prelude::*;
use times::check_rounded;

fn header() -> Header {
    Header {
        command: vec![b"tool".to_vec()],
        cwd: b"/work".to_vec(),
        tells_waiting: true,
        ..Header::default()
    }
}

fn write(records: &[Record], strings: &[Vec<u8>], nodes: &[(u32, Vec<u8>)]) -> Vec<u8> {
    write_after(&header(), records, strings, nodes)
}

/// A trace that says of itself whether it tells processor time.
fn write_told(tells_waiting: bool, records: &[Record]) -> Vec<u8> {
    let header = Header {
        tells_waiting,
        ..header()
    };
    write_after(&header, records, &strings(), &nodes())
}

fn write_after(
    header: &Header,
    records: &[Record],
    strings: &[Vec<u8>],
    nodes: &[(u32, Vec<u8>)],
) -> Vec<u8> {
    let options = WriterOptions {
        block_records: 50,
        level: 1,
        ..WriterOptions::default()
    };
    let mut writer = TraceWriter::new(Vec::new(), header, options).unwrap();
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
    fn records_come_back(
        records in prop::collection::vec(any_record(), 0..200),
        tells_waiting in any::<bool>(),
    ) {
        let file = write_told(tells_waiting, &records);
        check_rounded(&records, &read(file).unwrap());
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
