//! Logs in the forms of several versions.

use super::*;
use crate::strace::token;

fn log(path: &str, text: &str) -> Log {
    Log {
        path: path.into(),
        text: Box::new(std::io::Cursor::new(text.as_bytes().to_vec())),
    }
}

fn items(text: &str) -> (Vec<Item>, About) {
    read(vec![log("log", text)]).expect("a log")
}

fn call(item: &Item) -> (&str, String, &Outcome) {
    match &item.what {
        What::Call {
            name,
            args,
            outcome,
        } => (name, String::from_utf8_lossy(args).into_owned(), outcome),
        other => panic!("no call: {other:?}"),
    }
}

#[test]
fn halves_are_joined_and_stand_where_they_ended() {
    let text = "\
7 1700000000.000100 wait4(-1,  <unfinished ...>
8 1700000000.000200 close(3) = 0 <0.000010>
8 1700000000.000300 +++ exited with 0 +++
7 1700000000.000400 <... wait4 resumed> [{WIFEXITED(s)}], 0, NULL) = 8 <0.000350>
";
    let (items, about) = items(text);
    let [close, end, wait] = &items[..] else {
        panic!("{items:?}")
    };
    assert_eq!((close.entry, close.exit), (100_000, 110_000));
    assert_eq!(end.what, What::Ended(0));
    assert_eq!((wait.entry, wait.exit), (0, 350_000));
    let (name, args, outcome) = call(wait);
    assert_eq!((name, outcome.value), ("wait4", Some(8)));
    assert_eq!(token::split(args.as_bytes()).len(), 4);
    assert_eq!(about.started, Some(1_700_000_000));
    assert_eq!((about.untimed, about.undated), (0, 0));
}

#[test]
fn outcomes_are_values_errors_descriptors_and_none() {
    let text = "\
openat(AT_FDCWD, \"a\", O_RDONLY) = 3</w/a b>
openat(AT_FDCWD, \"b\", O_RDONLY) = -1 ENOENT (No such file or directory)
read(0, 0x7ffe, 1024) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
fcntl(1, F_GETFL) = 0x8001 (flags O_WRONLY|O_LARGEFILE)
umask(077) = 022
clone(child_stack=NULL, flags=SIGCHLD) = 5 /* 4711 in strace's PID NS */
mmap(NULL, 8, PROT_READ, MAP_SHARED, 3, 0) = 0x7f0000000000
lseek(3, -1, SEEK_SET) = -1 EINVAL (Invalid argument)
poll([{fd=3, events=POLLIN}], 1, 100) = 0 (Timeout)
exit_group(0) = ?
";
    let (items, about) = items(text);
    let values: Vec<Option<i64>> = items.iter().map(|item| call(item).2.value).collect();
    let expected = [
        Some(3),
        Some(-2),
        Some(-512),
        Some(0x8001),
        Some(0o22),
        Some(4711),
        Some(0x7f00_0000_0000),
        Some(-22),
        Some(0),
        None,
    ];
    assert_eq!(values, expected);
    assert!(call(&items[2]).2.interrupted && !call(&items[1]).2.interrupted);
    let leads = call(&items[0])
        .2
        .leads_to
        .as_ref()
        .and_then(token::Fd::path);
    assert_eq!(leads, Some(&b"/w/a b"[..]));
    assert_eq!((about.untimed, about.undated), (9, 10));
}

#[test]
fn what_waits_without_its_time_is_over_at_the_next_line() {
    let text = "\
1700000000.000000 poll([{fd=3, events=POLLIN}], 1, -1) = 1
1700000000.500000 close(3) = 0
";
    let (items, _) = items(text);
    assert_eq!((items[0].entry, items[0].exit), (0, 500_000_000));
}

#[test]
fn several_logs_are_merged_by_their_times() {
    let first = "1700000000.000100 close(3) = 0 <0.000900>\n";
    let second = "1700000000.000200 close(4) = 0 <0.000100>\n";
    let logs = vec![log("log.11", first), log("log.12", second)];
    let (items, _) = read(logs).expect("logs");
    let order: Vec<(u32, u64, u64)> = items.iter().map(|i| (i.pid, i.entry, i.exit)).collect();
    assert_eq!(order, [(12, 100_000, 200_000), (11, 0, 900_000)]);
    for text in ["close(3) = 0\n", "     0.000001 close(3) = 0\n"] {
        let logs = vec![log("log.11", text), log("log.12", text)];
        let error = read(logs).expect_err("no order");
        assert!(error.to_string().contains("-ttt"), "{error}");
    }
}

#[test]
fn a_program_that_a_thread_starts_goes_on_under_its_process_s_id() {
    let text = "\
7 futex(0x1, FUTEX_WAIT, 0, NULL <unfinished ...>
8 execve(\"/bin/true\", [\"true\"], 0x1 /* 3 vars */ <unfinished ...>
7 +++ superseded by execve in pid 8 +++
7 <... execve resumed>) = 0
";
    let (items, about) = items(text);
    assert_eq!(about.halves, 0);
    assert_eq!(call(&items[0]).2.value, None);
    assert_eq!(items[1].what, What::Superseded(8));
    assert_eq!((items[2].pid, call(&items[2]).0), (7, "execve"));
}

#[test]
fn what_is_no_log_is_refused_with_its_line() {
    let error = read(vec![log("notes.txt", "hello\nworld\n")]).expect_err("no log");
    let text = error.to_string();
    assert!(
        text.contains("notes.txt") && text.contains("line 1"),
        "{text}"
    );
    // One strange line among others is counted: strace's output and the tool's may be one file.
    let (_, about) = items("close(3) = 0\nhello\n7 <... read resumed>, 5) = 5\n");
    assert_eq!((about.strange, about.halves), (1, 1));
}

/// What strace writes into a terminal or a pipe (without -o).
const UNNAMED: &str = "\
1700000000.000100 access(\"a\", F_OK) = 0 <0.000010>
1700000000.000200 vfork(strace: Process 8 attached
 <unfinished ...>
[pid     8] 1700000000.000300 close(3) = 0 <0.000010>
[pid     8] 1700000000.000400 execve(\"/bin/b\", [\"b\"], 0x1 /* 1 var */ <unfinished ...>
[pid     7] 1700000000.000500 <... vfork resumed>) = 8 <0.000300>
[pid     7] 1700000000.000600 wait4(-1,  <unfinished ...>
[pid     8] 1700000000.000700 <... execve resumed>) = 0 <0.000300>
[pid     8] 1700000000.000800 +++ exited with 0 +++
1700000000.000900 <... wait4 resumed>NULL, 0, NULL) = 8 <0.000300>
1700000000.001000 clone(child_stack=NULL, flags=SIGCHLDstrace: Process 9 attached
) = 9 <0.000100>
[pid     7] 1700000000.001200 +++ exited with 0 +++
1700000000.001300 close(4) = 0 <0.000010>
1700000000.001400 +++ exited with 3 +++
";

fn told(items: &[Item]) -> Vec<(u32, String)> {
    let what = |item: &Item| match &item.what {
        What::Call { name, outcome, .. } => format!("{name} {:?}", outcome.value),
        other => format!("{other:?}"),
    };
    items.iter().map(|item| (item.pid, what(item))).collect()
}

#[test]
fn lines_that_name_no_task_are_the_only_ones_that_is_left() {
    let (items, about) = items(UNNAMED);
    let expected = [
        (7, "access Some(0)"),
        (8, "close Some(0)"),
        (7, "vfork Some(8)"),
        (8, "execve Some(0)"),
        (8, "Ended(0)"),
        (7, "wait4 Some(8)"),
        (7, "clone Some(9)"),
        (7, "Ended(0)"),
        (9, "close Some(0)"),
        (9, "Ended(768)"),
    ];
    let expected = expected.map(|(pid, what)| (pid, what.to_owned()));
    assert_eq!(told(&items), expected);
    assert_eq!((about.strange, about.halves), (0, 0));
}

#[test]
fn who_goes_on_with_what_an_unnamed_task_began_is_that_task() {
    // Without the words on new tasks (-q), and a child's lines come first.
    let (first, _) = UNNAMED.split_once("1700000000.001000").expect("two parts");
    let (told_of, _) = items(first);
    let (quiet, about) = items(&first.replace("strace: Process 8 attached\n", ""));
    assert_eq!(told(&quiet), told(&told_of));
    assert_eq!((about.strange, about.halves), (0, 0));
}

#[test]
fn an_unnamed_line_of_a_task_that_was_attached_to_is_its_own() {
    let text = "\
strace: Process 7 attached
1700000000.000100 close(3) = 0 <0.000010>
1700000000.000200 clone(child_stack=NULL, flags=SIGCHLDstrace: Process 8 attached
) = 8 <0.000100>
[pid     8] 1700000000.000300 close(3) = 0 <0.000010>
";
    let (items, about) = items(text);
    let pids: Vec<u32> = items.iter().map(|item| item.pid).collect();
    assert_eq!(pids, [7, 7, 8]);
    assert_eq!(about.strange, 0);
}
