//! The core without a kernel: what a backend delivers, and what is written of it.

mod fake;

use std::path::Path;

use fake::{Fake, OTHER_TEXT, Segments, TEXT, Unasked};
use fsreplay_recorder::session::{End, Known, NewTask, Next};
use fsreplay_trace::call::Call;
use fsreplay_trace::model::{Event, FileKind, Record, Spent, UNREADABLE_ARGUMENTS};

const CWD: u64 = -100_i64 as u64;
const ERESTARTSYS: i64 = -512;
const EINTR: i64 = -4;

fn at(moment: u64) -> Known {
    Known {
        moment,
        spent: Spent {
            think: 160,
            cpu: 80,
            ..Spent::default()
        },
    }
}

/// When events were entered, how long they took, and their results.
fn told(events: &[Event]) -> Vec<(u64, u64, i64)> {
    let told = |event: &Event| (event.entry, event.duration, event.result);
    events.iter().map(told).collect()
}

/// Opens, reads and closes a file, told at stops or after the fact.
fn read_a_file(after_the_fact: bool) -> fake::Written {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let path = Segments::text("a");
    let none = Segments::default();
    let calls = [
        (Call::openat, [CWD, TEXT, 0, 0, 0, 0], &path, 3),
        (Call::read, [3, 0x9000, 100, 0, 0, 0], &none, 12),
        (Call::close, [3, 0, 0, 0, 0, 0], &none, 0),
    ];
    for (turn, (call, registers, memory, result)) in (1..).zip(calls) {
        let (entry, exit) = (turn * 1600, turn * 1600 + 800);
        if after_the_fact {
            fake.call(&mut task, call, registers, memory, (entry, exit), result);
        } else {
            let next = fake.enter(&mut task, call, registers, memory, &mut at(entry));
            assert_eq!(next, Next::Exit);
            assert!(task.is_in_call());
            let clock = &mut at(exit);
            fake.session.exit(&mut task, result, &none, clock);
            assert!(!task.is_in_call());
        }
    }
    fake.session.ends(
        &mut task,
        &End {
            time: 9600,
            status: 0,
            cpu: 70,
            think: 1,
        },
    );
    fake.finish()
}

#[test]
fn a_file_is_read_and_told_alike_at_stops_and_after_the_fact() {
    let [stopped, delivered] = [false, true].map(read_a_file);
    assert_eq!(stopped.records, delivered.records);
    assert_eq!(stopped.footer.recorded_inside, 0);
    assert_eq!(delivered.footer.recorded_inside, 3);
    let events = delivered.events();
    let told = |event: &Event| (event.call, event.entry, event.duration, event.result);
    let told: Vec<_> = events.iter().map(told).collect();
    assert_eq!(
        told,
        [
            (Call::openat, 1600, 800, 3),
            (Call::read, 3200, 800, 12),
            (Call::close, 4800, 800, 0)
        ]
    );
    assert_eq!(delivered.text(events[0].args[1]), "a");
    let states = delivered.states();
    assert!(states.contains(&("/work/a".to_owned(), FileKind::File, 0)));
    assert!(matches!(
        delivered.records.last(),
        Some(Record::TaskExit(exit)) if exit.cpu == 70
    ));
}

#[test]
fn what_a_rename_moves_is_looked_at_before_it_and_not_again() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let names = Segments::texts("a", "b");
    let registers = [TEXT, OTHER_TEXT, 0, 0, 0, 0];
    fake.enter(&mut task, Call::rename, registers, &names, &mut at(100));
    fake.files.rename("/work/a", "/work/b");
    fake.leave(&mut task, 0, 200);
    let looks = fake.files.looks.borrow().len();
    for (turn, name) in (3..).zip(["b", "a"]) {
        let result = if name == "b" { 0 } else { -2 };
        let times = (turn * 100, turn * 100 + 50);
        let registers = [TEXT, 0, 0, 0, 0, 0];
        let memory = Segments::text(name);
        fake.call(&mut task, Call::stat, registers, &memory, times, result);
    }
    assert_eq!(fake.files.looks.borrow().len(), looks);
    let written = fake.finish();
    let states = written.states();
    for (path, kind) in [("/work/a", FileKind::File), ("/work/b", FileKind::Absent)] {
        let found: Vec<_> = states.iter().filter(|state| state.0 == path).collect();
        assert_eq!(found, [&(path.to_owned(), kind, 0)]);
    }
}

#[test]
fn attributes_of_a_file_are_taken_under_a_second_name_too() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let names = Segments::texts("a", "b");
    let both = [TEXT, OTHER_TEXT, 0, 0, 0, 0];
    fake.call(&mut task, Call::link, both, &names, (100, 190), 0);
    let name = Segments::text("b");
    let list = [TEXT, 0, 0, 0, 0, 0];
    fake.call(&mut task, Call::listxattr, list, &name, (200, 290), 0);
    let written = fake.finish();
    let is_taken = |record: &Record| matches!(record, Record::Xattrs(_));
    assert!(
        written.records.iter().any(is_taken),
        "the tool didn't make it"
    );
}

#[test]
fn how_many_events_overlapped_goes_by_their_times_however_late_they_are_told() {
    let mut fake = Fake::new(&["a", "b"]);
    let mut one = fake.session.first(50, 0);
    let new = NewTask {
        tid: 51,
        flags: 0,
        time: 50,
        think: 0,
    };
    let mut other = fake.session.starts(&one, &new);
    let path = [TEXT, 0, 0, 0, 0, 0];
    let [a, b] = ["a", "b"].map(Segments::text);
    // At a stop: entered before the calls of the other, and returns between them.
    fake.enter(&mut one, Call::stat, path, &a, &mut at(100));
    fake.call(&mut other, Call::stat, path, &b, (80, 160), 0);
    fake.call(&mut other, Call::stat, path, &b, (200, 300), 0);
    fake.leave(&mut one, 0, 400);
    // Told when the one before is written already: it began before that one returned.
    fake.call(&mut other, Call::stat, path, &b, (350, 500), 0);
    fake.call(&mut other, Call::stat, path, &b, (520, 600), 0);
    let written = fake.finish();
    let overlapped = written.events().into_iter().map(|event| event.overlapped);
    let overlapped: Vec<u32> = overlapped.collect();
    assert_eq!(overlapped, [0, 0, 2, 1, 0]);
}

#[test]
fn an_interrupted_call_that_is_made_again_is_one_event_and_else_the_tool_saw_it() {
    let mut fake = Fake::new(&[]);
    let mut task = fake.session.first(50, 0);
    let none = Segments::default();
    let read = [0, 0x9000, 100, 0, 0, 0];
    let other = [1, 0x9000, 1, 0, 0, 0];
    let mut turn = |registers, (entry, exit), result| {
        fake.enter(&mut task, Call::read, registers, &none, &mut at(entry));
        fake.session.exit(&mut task, result, &none, &mut at(exit));
    };
    turn(read, (160, 320), ERESTARTSYS);
    turn(read, (480, 640), 5);
    turn(read, (800, 960), ERESTARTSYS);
    turn(other, (1120, 1280), 1);
    let events = fake.finish().events();
    assert_eq!(
        told(&events),
        [(160, 480, 5), (800, 160, EINTR), (1120, 160, 1)]
    );
    assert_eq!((events[0].spent.think, events[0].spent.cpu), (320, 160));
}

#[test]
fn a_call_that_is_told_late_was_made_when_the_backend_says_so() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let (path, none) = (Segments::text("a"), Segments::default());
    let remove = [CWD, TEXT, 0, 0, 0, 0];
    let mut turn = |entry, (made, returned), result| {
        let call = Call::unlinkat;
        fake.enter(&mut task, call, remove, &path, &mut at(entry));
        assert!(fake.session.may_be_told_late(&task));
        let clock = &mut at(returned);
        (fake.session).late_exit(&mut task, made, result, &none, clock);
    };
    turn(160, (320, 480), 0);
    // One event from the first time on, however often it is made again.
    turn(640, (800, 800), ERESTARTSYS);
    turn(960, (1120, 1280), -2);
    let wait = [0, 0, 0, 0, 0, 0];
    fake.enter(&mut task, Call::wait4, wait, &none, &mut at(1440));
    assert!(!fake.session.may_be_told_late(&task));
    fake.session.exit(&mut task, 7, &none, &mut at(1600));
    let events = fake.finish().events();
    assert_eq!(
        told(&events),
        [(320, 160, 0), (800, 480, -2), (1440, 160, 7)]
    );
}

#[test]
fn of_a_call_that_was_not_made_there_is_no_event_and_its_time_is_the_next_ones() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let (path, none) = (Segments::text("a"), Segments::default());
    let remove = [CWD, TEXT, 0, 0, 0, 0];
    // A handler comes before it, which makes a call.
    fake.enter(&mut task, Call::unlinkat, remove, &path, &mut at(160));
    fake.session.not_made(&mut task, 200);
    let registers = [CWD, TEXT, 0, 0, 0, 0];
    fake.call(&mut task, Call::openat, registers, &path, (320, 480), 3);
    fake.enter(&mut task, Call::unlinkat, remove, &path, &mut at(640));
    let clock = &mut at(800);
    fake.session.late_exit(&mut task, 672, 0, &none, clock);
    let events = fake.finish().events();
    let told = |event: &Event| (event.call, event.entry, event.duration, event.result);
    let told: Vec<_> = events.iter().map(told).collect();
    let expected = [(Call::openat, 320, 160, 3), (Call::unlinkat, 672, 128, 0)];
    assert_eq!(told, expected);
    let thought: Vec<u32> = events
        .iter()
        .map(|event| event.spent.think as u32)
        .collect();
    assert_eq!(thought[0], thought[1] + 160);
}

#[test]
fn a_call_that_was_interrupted_and_then_not_made_again_was_interrupted() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let (path, none) = (Segments::text("a"), Segments::default());
    let remove = [CWD, TEXT, 0, 0, 0, 0];
    fake.enter(&mut task, Call::unlinkat, remove, &path, &mut at(160));
    let clock = &mut at(320);
    (fake.session).late_exit(&mut task, 160, ERESTARTSYS, &none, clock);
    fake.enter(&mut task, Call::unlinkat, remove, &path, &mut at(480));
    fake.session.not_made(&mut task, 640);
    let registers = [CWD, TEXT, 0, 0, 0, 0];
    fake.call(&mut task, Call::openat, registers, &path, (800, 960), 3);
    let events = fake.finish().events();
    let results: Vec<i64> = events.iter().map(|event| event.result).collect();
    assert_eq!(results, [EINTR, 3]);
}

#[test]
fn a_task_that_dies_in_a_call_leaves_an_event_without_a_return() {
    let mut fake = Fake::new(&[]);
    let mut task = fake.session.first(50, 0);
    let none = Segments::default();
    let read = [0, 0x9000, 100, 0, 0, 0];
    fake.enter(&mut task, Call::read, read, &none, &mut at(160));
    let end = End {
        time: 320,
        status: 9,
        cpu: 0,
        think: 0,
    };
    fake.session.ends(&mut task, &end);
    let events = fake.finish().events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].result, Event::NO_RETURN);
}

#[test]
fn a_task_that_is_let_go_has_not_returned_from_what_was_interrupted_for_it() {
    let mut fake = Fake::new(&[]);
    let mut task = fake.session.first(50, 0);
    let none = Segments::default();
    let read = [0, 0x9000, 100, 0, 0, 0];
    fake.session.attached(&task, &[(0x10000, 0x3000)]);
    // It was mapped before: what is done to it is an event.
    let unmap = [0x10000, 0x1000, 0, 0, 0, 0];
    fake.enter(&mut task, Call::munmap, unmap, &none, &mut at(160));
    fake.session.exit(&mut task, 0, &none, &mut at(320));
    fake.enter(&mut task, Call::read, read, &none, &mut at(480));
    fake.session
        .exit(&mut task, ERESTARTSYS, &none, &mut at(640));
    let end = End {
        time: 800,
        status: 0,
        cpu: 0,
        think: 0,
    };
    fake.session.let_go(&mut task, &end);
    let events = fake.finish().events();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.call, event.result))
        .collect();
    let expected = [(Call::munmap, 0), (Call::read, Event::NO_RETURN)];
    assert_eq!(told, expected);
}

#[test]
fn what_a_task_was_killed_in_was_done_if_the_tree_says_so() {
    let end = End {
        time: 320,
        status: 9,
        cpu: 0,
        think: 0,
    };
    let rename = [TEXT, OTHER_TEXT, 0, 0, 0, 0];
    let names = Segments::texts("a", "b");
    for (is_done, by_another, result) in [
        (true, false, 0),
        (false, false, Event::NO_RETURN),
        (true, true, Event::NO_RETURN),
    ] {
        let mut fake = Fake::new(&["a"]);
        let mut task = fake.session.first(50, 0);
        fake.enter(&mut task, Call::rename, rename, &names, &mut at(160));
        if by_another {
            let new = NewTask {
                tid: 51,
                flags: 0,
                time: 170,
                think: 0,
            };
            let mut other = fake.session.starts(&task, &new);
            fake.call(&mut other, Call::rename, rename, &names, (180, 190), 0);
        }
        if is_done {
            fake.files.rename("/work/a", "/work/b");
        }
        fake.session.ends(&mut task, &end);
        let events = fake.finish().events();
        let killed = events.iter().find(|event| event.entry == 160);
        assert_eq!(killed.map(|event| event.result), Some(result));
    }
}

#[test]
fn of_what_is_no_event_no_time_is_asked() {
    let mut fake = Fake::new(&[]);
    let mut task = fake.session.first(50, 0);
    let none = Segments::default();
    // Memory that maps no file.
    let unmap = [0x10000, 4096, 0, 0, 0, 0];
    let next = fake.enter(&mut task, Call::munmap, unmap, &none, &mut Unasked);
    assert_eq!(next, Next::Nothing);
    // It is counted, and its result decides what is known of the tree from now on.
    let namespace = [3, 0, 0, 0, 0, 0];
    let next = fake.enter(&mut task, Call::setns, namespace, &none, &mut Unasked);
    assert_eq!(next, Next::Result);
    fake.session.exit(&mut task, 0, &none, &mut Unasked);
    let written = fake.finish();
    assert!(written.events().is_empty());
    assert_eq!(written.footer.unrecorded.get("setns"), Some(&1));
}

#[test]
fn memory_that_may_not_be_read_is_counted_and_told_once() {
    let mut fake = Fake::new(&["a"]);
    let mut task = fake.session.first(50, 0);
    let denied = Segments {
        denied: true,
        ..Segments::default()
    };
    for turn in 1..3 {
        let times = (turn * 100, turn * 100 + 50);
        let registers = [TEXT, 0, 0, 0, 0, 0];
        fake.call(&mut task, Call::stat, registers, &denied, times, 0);
    }
    let written = fake.finish();
    let footer = &written.footer;
    assert_eq!(footer.unrecorded.get(UNREADABLE_ARGUMENTS), Some(&2));
    assert_eq!(footer.warnings.len(), 1);
    assert!(footer.warnings[0].starts_with("program-50 "));
    assert_eq!(written.events().len(), 2);
}

/// What must not be named in the core: other modules of the recorder, and the system.
#[test]
fn the_core_names_neither_a_backend_nor_the_system() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session");
    let mut files = 0;
    let mut left = vec![core];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).expect("listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).expect("a source");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                let line = line.replace("crate::session", "");
                let named = ["crate::", "std::fs", "std::process", "ptrace", "nix::"]
                    .into_iter()
                    .find(|name| line.contains(name));
                assert_eq!(named, None, "{}: {line}", path.display());
            }
        }
    }
    assert!(files > 15, "{files}");
}
