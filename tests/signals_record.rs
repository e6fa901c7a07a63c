//! Signals to `fsreplay record` at any moment: the tool gets what it would get without a recorder,
//! nothing is left running, and what was recorded is there.
//!
//! `FSREPLAY_FAULTS=N` tries each signal at N moments instead of a few: by hand, some hundreds.

mod common;
mod faults;
#[path = "faults/moments.rs"]
mod moments;

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use faults::{Lab, await_true, first_line, kill, kill_group};
use moments::{moments, times};
use nix::sys::signal::Signal;

/// What a signal at some moment led to.
fn strike(lab: &Lab, signal: Signal, after: Duration) {
    let started = lab.path("started");
    for file in [&started, &lab.path("t.zst")] {
        let _ = std::fs::remove_file(file);
    }
    let mut recorder = lab.record(&["loop", started.to_str().expect("text")]);
    std::thread::sleep(after);
    kill(signal, &recorder);
    let status = recorder.wait().expect("reaped");
    let told = format!("{signal} after {after:?}: {status}");
    assert_eq!(status.signal(), Some(signal as i32), "{told}");
    lab.nothing_left();
    let incomplete = lab.incomplete();
    let trace = lab.path("t.zst");
    if signal != Signal::SIGKILL {
        assert!(incomplete.is_empty(), "{told}: {incomplete:?}");
        assert!(trace.exists() || !started.exists(), "{told}: no trace");
        if trace.exists() {
            lab.plays(&trace, false);
        }
        return;
    }
    assert!(!trace.exists(), "{told}");
    for part in incomplete {
        if lab.events(&part).is_some() {
            lab.plays(&part, true);
        } else {
            // Killed before the header was written, of which the first second is not assured.
            let bytes = std::fs::metadata(&part).expect("there").len();
            assert!(bytes < 4096 || after < Duration::from_secs(1), "{told}");
        }
        std::fs::remove_file(part).expect("removed");
    }
}

#[test]
fn at_any_moment_the_tool_ends_of_it_and_the_trace_is_whole() {
    let Some(lab) = Lab::new() else {
        return;
    };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for moment in moments(times(6), 300) {
            strike(&lab, signal, moment);
        }
    }
}

#[test]
fn what_a_killed_recorder_had_written_plays() {
    let Some(lab) = Lab::new() else {
        return;
    };
    for moment in moments(times(6), 2500) {
        strike(&lab, Signal::SIGKILL, moment);
    }
}

/// How often the tool got a signal that somebody sends.
fn counted(lab: &Lab, signal: Signal, send: impl FnOnce(&std::process::Child)) -> Option<i32> {
    let number = (signal as i32).to_string();
    let mut recorder = lab.record(&["count", &number]);
    let (line, _rest) = first_line(&mut recorder);
    assert_eq!(line, "ready");
    send(&recorder);
    recorder.wait().expect("reaped").code()
}

#[test]
fn the_tool_gets_each_signal_once() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let signals = [
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGHUP,
    ];
    for signal in signals {
        for _ in 0..times(2) {
            let alone = counted(&lab, signal, |recorder| kill(signal, recorder));
            assert_eq!(alone, Some(1), "{signal} to the recorder");
            let both = counted(&lab, signal, |recorder| kill_group(signal, recorder));
            assert_eq!(both, Some(1), "{signal} to the group");
        }
    }
}

#[test]
fn asked_again_and_again_the_recorder_ends_a_tool_that_ignores_it() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let mut recorder = lab.record(&["ignore"]);
    let (line, _rest) = first_line(&mut recorder);
    assert_eq!(line, "ready");
    let mut ended = None;
    await_true("the end", || {
        ended = recorder.try_wait().expect("asked");
        if ended.is_none() {
            kill(Signal::SIGINT, &recorder);
        }
        ended.is_some()
    });
    let status = ended.expect("ended");
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
    lab.nothing_left();
    lab.plays(&lab.path("t.zst"), false);
}

#[test]
fn a_terminal_that_hangs_up_ends_the_tool_and_the_trace_is_whole() {
    let Some(lab) = Lab::new() else {
        return;
    };
    if !common::have("script") {
        return;
    }
    let started = lab.path("started");
    // The recorder leads the terminal's session, so that it alone is told.
    let command = format!(
        "exec env --default-signal {} record -o {} -- {} loop {}",
        env!("CARGO_BIN_EXE_fsreplay"),
        lab.path("t.zst").display(),
        lab.path("tool").display(),
        started.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-c", &command, "/dev/null"]);
    let mut terminal = lab
        .here(&mut terminal)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("script runs");
    await_true("the tool", || started.exists());
    kill(Signal::SIGKILL, &terminal);
    terminal.wait().expect("reaped");
    lab.nothing_left();
    await_true("the trace", || lab.path("t.zst").exists());
    lab.plays(&lab.path("t.zst"), false);
}

#[test]
fn an_interrupt_from_the_terminal_reaches_the_tool_once() {
    let Some(lab) = Lab::new() else {
        return;
    };
    if !common::have("script") {
        return;
    }
    // The shell is told of the key, too, and must live to say the status: some end at once.
    let command = format!(
        "trap : INT; {} record -q -o {} -- {} count 2; echo status $?",
        env!("CARGO_BIN_EXE_fsreplay"),
        lab.path("t.zst").display(),
        lab.path("tool").display(),
    );
    let mut terminal = Command::new("script");
    terminal.args(["-q", "-e", "-c", &command, "/dev/null"]);
    let mut terminal = lab
        .here(&mut terminal)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("script runs");
    let (line, mut rest) = first_line(&mut terminal);
    assert_eq!(line, "ready");
    use std::io::Write;
    let mut keys = terminal.stdin.take().expect("piped");
    keys.write_all(b"\x03").expect("Ctrl-C");
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("text");
    drop(keys);
    terminal.wait().expect("reaped");
    assert!(said.contains("status 1"), "{said}");
}

#[test]
fn a_signal_during_the_second_run_ends_that_run_and_the_trace_is_whole() {
    let Some(lab) = Lab::new() else {
        return;
    };
    // The first run ends at once, the second would take for ever.
    let script = r#"
        "$F" record -q --calibrate -o "$LAB/t.zst" -- sh -c '
            test -e second || { : >second; exit 7; }
            : >runs; exec sleep 1000' &
        until test -e runs; do sleep 0.05; done
        kill -TERM $!
        wait $!
        echo "status $?""#;
    let said = common::text(&lab.sh(script));
    assert!(said.contains("status 7"), "{said}");
    lab.plays(&lab.path("t.zst"), false);
}
