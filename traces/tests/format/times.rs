//! Times come back rounded, and no more than they may be.

use fsreplay_trace::call::{Call, MAX_ARGS};
use fsreplay_trace::format::{TraceWriter, WriterOptions, quantize};
use fsreplay_trace::model::*;
use proptest::prelude::*;

use super::any::any_record;
use super::{read, write, write_told};

/// How far a task's clock may be off.
const SLACK: u64 = 4096;

/// A processor time as it comes back.
fn coarse(time: u64) -> u64 {
    quantize::told(quantize::coarse_code(time), time)
}

/// Checks what came back: all as it was, but for times, which are rounded.
pub fn check_rounded(records: &[Record], back: &[Record]) {
    let mut exits = std::collections::HashMap::new();
    assert_eq!(records.len(), back.len());
    for (record, back) in records.iter().zip(back) {
        match (record, back) {
            (Record::Event(event), Record::Event(back)) => {
                let last: &mut u64 = exits.entry(event.task).or_default();
                let gap = event.entry.saturating_sub(*last);
                let error = back.entry.abs_diff(event.entry.max(*last));
                assert!(error <= SLACK.max(gap / 32 + 16), "{event:?}: {back:?}");
                let is_nearest = back.duration == quantize::quantized(event.duration);
                let is_below = back.duration <= event.duration
                    && event.duration <= back.duration / 16 * 17 + 16;
                // Only a clock that is ahead is a reason not to take what is nearest.
                let is_ahead =
                    back.entry + event.duration + event.duration / 16 > event.exit() + SLACK;
                assert!(is_nearest || is_below && is_ahead, "{event:?}: {back:?}");
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
        (100, 33_800),
        (0, 4_080_000),
        (8, 264),
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
        for tells_waiting in [false, true] {
            let back = read(write_told(tells_waiting, &records)).unwrap();
            check_rounded(&records, &back);
            let most = SLACK + (gap + duration + SLACK) / 16;
            for (record, back) in records.iter().zip(&back) {
                let off = exit(back).abs_diff(exit(record));
                assert!(off <= most, "{tells_waiting}, {record:?}: {back:?}");
            }
        }
    }
}

fn exit(record: &Record) -> u64 {
    match record {
        Record::Event(event) => event.exit(),
        _ => panic!("no event"),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_read_and_written_again_is_the_same(
        records in prop::collection::vec(any_record(), 0..200),
        gaps in prop::collection::vec((0u64..20_000, 0u64..9_000_000), 200),
        tells_waiting in any::<bool>(),
    ) {
        let records = one_after_another(records, &gaps);
        let once = read(write_told(tells_waiting, &records)).unwrap();
        check_rounded(&records, &once);
        let twice = read(write_told(tells_waiting, &once)).unwrap();
        prop_assert_eq!(twice, once);
    }
}
