//! Under a shell's job control a recorded command stops, goes on and dies as it would without a
//! recorder.

mod common;
mod faults;

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use faults::{Lab, await_true, first_line, kill, kill_group};
use nix::sys::signal::Signal;

/// How long things are stopped: longer than what a recorder takes for its own delay.
const STOPPED: Duration = Duration::from_secs(3);

/// A terminal with a program in it; dropped, it hangs up.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Runs a shell command in a terminal of its own; `None` where script(1) is missing.
    fn new(lab: &Lab, command: &str) -> Option<Terminal> {
        if !common::have("script") {
            return None;
        }
        let mut script = Command::new("script");
        script.args(["-q", "-c", command, "/dev/null"]);
        let mut child = lab
            .here(&mut script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        let keys = child.stdin.take().expect("piped");
        let mut out = child.stdout.take().expect("piped");
        let shown = Arc::new(Mutex::new(String::new()));
        let to = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                to.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
            }
        });
        Some(Terminal { child, keys, shown })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("typed");
    }

    /// Waits until the terminal shows that.
    fn shows(&self, text: &str) {
        await_true(text, || {
            self.shown
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(text)
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_tools_own_handler_of_ctrl_z_runs_at_once() {
    let Some(lab) = Lab::new() else {
        return;
    };
    // The shell is told of the key, too, and must go on to say the status.
    let number = Signal::SIGTSTP as i32;
    let command = format!(
        r#"trap : TSTP; "$F" record -q -o t.zst -- "$LAB/tool" count {number}; echo status $?"#
    );
    let Some(mut terminal) = Terminal::new(&lab, &command) else {
        return;
    };
    terminal.shows("ready");
    terminal.press("\x1a");
    terminal.shows("status 1");
}

/// A terminal with the prompt of a shell.
fn prompt(lab: &Lab) -> Option<Terminal> {
    common::have("bash").then(|| Terminal::new(lab, "exec bash --norc --noprofile -i"))?
}

#[test]
fn a_shell_that_suspends_itself_gives_the_prompt_back() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let Some(mut terminal) = prompt(&lab) else {
        return;
    };
    // What is shown differs from what is typed, which is shown as well.
    terminal.press(
        "\"$F\" record -q -o t.zst -- bash --norc --noprofile -ic \
         'suspend; read -p \"asks-$((1+1)) \" x; echo \"got $x\"'\n",
    );
    terminal.shows("Stopped");
    terminal.press("echo prompt-$((40+2))\n");
    terminal.shows("prompt-42");
    terminal.press("fg\n");
    terminal.shows("asks-2");
    terminal.press("this\n");
    terminal.shows("got this");
    terminal.press("exit\n");
}

#[test]
fn ctrl_z_stops_and_fg_goes_on() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let Some(mut terminal) = prompt(&lab) else {
        return;
    };
    terminal.press("\"$F\" record -q -o t.zst -- \"$LAB/tool\" count 15; echo status-$?\n");
    terminal.shows("ready");
    terminal.press("\x1a");
    terminal.shows("Stopped");
    terminal.press("kill -TERM %1; fg; echo ended-$?\n");
    terminal.shows("ended-1");
    terminal.press("exit\n");
}

/// How long the tool ran, as its trace says.
fn recorded_time(lab: &Lab) -> Duration {
    let mut reader = fsreplay_trace::format::open(&lab.path("t.zst")).expect("a trace");
    while reader.next_record().expect("a record").is_some() {}
    Duration::from_nanos(reader.footer().expect("whole").elapsed)
}

#[test]
fn time_in_which_all_is_stopped_is_not_the_tools() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let begin = Instant::now();
    let mut recorder = lab.record(&["count", "15"]);
    let (line, _rest) = first_line(&mut recorder);
    assert_eq!(line, "ready");
    kill_group(Signal::SIGSTOP, &recorder);
    std::thread::sleep(STOPPED);
    kill_group(Signal::SIGCONT, &recorder);
    kill(Signal::SIGTERM, &recorder);
    assert_eq!(recorder.wait().expect("reaped").code(), Some(1));
    let (all, recorded) = (begin.elapsed(), recorded_time(&lab));
    assert!(recorded + STOPPED <= all, "{recorded:?} of {all:?}");
}

#[test]
fn time_in_which_the_tool_is_stopped_is_not_its_own() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let begin = Instant::now();
    let mut recorder = lab.record(&["count", "15"]);
    let (line, _rest) = first_line(&mut recorder);
    assert_eq!(line, "ready");
    let id = recorder.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.expect("children");
    let tool: i32 = children.trim().parse().expect("one child");
    let tool = nix::unistd::Pid::from_raw(tool);
    nix::sys::signal::kill(tool, Signal::SIGSTOP).expect("stopped");
    std::thread::sleep(STOPPED);
    // Where there is a terminal, the recorder stops with it.
    kill_group(Signal::SIGCONT, &recorder);
    kill(Signal::SIGTERM, &recorder);
    assert_eq!(recorder.wait().expect("reaped").code(), Some(1));
    let (all, recorded) = (begin.elapsed(), recorded_time(&lab));
    // The stop itself takes the kernel a moment.
    let stopped = STOPPED - Duration::from_secs(1);
    assert!(recorded + stopped <= all, "{recorded:?} of {all:?}");
}

#[test]
fn the_recorder_dies_of_the_tools_signal_without_a_core() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let signals = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGABRT,
        Signal::SIGPIPE,
        Signal::SIGKILL,
    ];
    for signal in signals {
        let mut record = common::fsreplay_heeding();
        record
            .args(["record", "-q", "--force", "-o"])
            .arg(lab.path("t.zst"));
        let die = format!("ulimit -c unlimited; kill -{} $$", signal as i32);
        let status = lab
            .here(record.args(["--", "sh", "-c", &die]))
            .status()
            .expect("fsreplay runs");
        assert_eq!(status.signal(), Some(signal as i32), "{signal}: {status}");
        assert!(!status.core_dumped(), "{signal}");
        assert!(lab.events(&lab.path("t.zst")).is_some(), "{signal}");
    }
}
