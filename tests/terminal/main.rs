//! Names that would write to the terminal themselves, planted wherever one can come from: whatever
//! a command prints for people shows them, and what it prints for programs holds them.

#[path = "../common/mod.rs"]
mod common;
mod trace;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use common::{answers, fsreplay, workspace};
use trace::NASTY;

/// A line that no program of ours begins.
const FORGED: &str = "FORGED";

/// What must not reach a terminal. Written down here apart from what decides it in the program.
fn is_forbidden(character: char) -> bool {
    (character.is_control() && character != '\n')
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0000}'..='\u{e0fff}')
}

fn check(text: &[u8], what: &str) -> String {
    let text = String::from_utf8(text.to_vec())
        .unwrap_or_else(|error| panic!("{what}: not UTF-8: {error}"));
    let found: Vec<char> = text.chars().filter(|c| is_forbidden(*c)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
    text
}

/// Runs a command and looks at both of its outputs. Gives standard output and both together.
fn looked_at(what: &str, output: &Output) -> (String, String) {
    let out = check(&output.stdout, &format!("{what}: standard output"));
    let err = check(&output.stderr, &format!("{what}: standard error"));
    for line in out.lines().chain(err.lines()) {
        let begins = line.trim_start().starts_with(FORGED);
        assert!(!begins, "{what}: a name made a line: {out}{err}");
    }
    let both = format!("{out}{err}");
    (out, both)
}

/// Directories and files of such names, and a trace full of them.
struct Place {
    dir: tempfile::TempDir,
    trace: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = workspace();
        let trace = dir.path().join(OsStr::from_bytes(&trace::name(b"t.zst")));
        trace::write(&trace);
        Place { dir, trace }
    }

    /// A directory of such a name.
    fn directory(&self, end: &[u8]) -> PathBuf {
        let path = self.missing(end);
        std::fs::create_dir(&path).expect("a directory");
        path
    }

    /// A path of such a name where nothing is.
    fn missing(&self, end: &[u8]) -> PathBuf {
        self.dir.path().join(OsStr::from_bytes(&trace::name(end)))
    }

    fn run(&self, arguments: &[&OsStr]) -> Output {
        fsreplay()
            .args(arguments)
            .env("FSREPLAY_LOG", "debug")
            .env("TMPDIR", self.dir.path())
            .output()
            .expect("fsreplay runs")
    }
}

/// Arguments of several kinds.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { [$(AsRef::<OsStr>::as_ref(&$argument)),*] };
}

/// `NAME=DIR`.
fn named(name: &[u8], dir: &Path) -> OsString {
    let mut text = name.to_vec();
    text.push(b'=');
    text.extend_from_slice(dir.as_os_str().as_bytes());
    OsString::from(OsStr::from_bytes(&text))
}

#[test]
fn commands_that_read_a_trace_show_its_names() {
    let place = Place::new();
    let trace = &place.trace;
    for (command, holds) in [
        (vec!["info"], "\\u{202e}"),
        (vec!["inspect"], "\\u{202e}"),
        (vec!["inspect", "--folded", "-"], "\\u{202e}"),
        (vec!["inspect", "--flamegraph", "-"], "\\u{202e}"),
        (vec!["dump"], "\\x1b"),
        (vec!["dump", "--all"], "\\x1b"),
    ] {
        let mut arguments: Vec<&OsStr> = command.iter().map(OsStr::new).collect();
        arguments.push(trace.as_os_str());
        let output = place.run(&arguments);
        let (out, both) = looked_at(&command.join(" "), &output);
        assert!(output.status.success(), "{command:?}: {both}");
        assert!(out.contains(holds), "{command:?} shows none: {out}");
    }
}

#[test]
fn json_holds_the_names_themselves_and_nothing_that_acts() {
    let place = Place::new();
    let trace = &place.trace;
    let target = place.directory(b"target");
    let volume = named(b"one", &target);
    for arguments in [
        &arguments!["info", "--json", "-", trace][..],
        &arguments!["inspect", "--json", "-", trace],
        &arguments!["play", "-q", "--json", "-", "--target", target, trace],
        &arguments![
            "compare", "-q", "--rounds", "2", "--json", "-", "--target", volume, trace
        ],
    ] {
        let output = place.run(arguments);
        let (out, both) = looked_at(&format!("{arguments:?}"), &output);
        assert!(answers(output.status), "{arguments:?}: {both}");
        let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let name = std::str::from_utf8(NASTY).expect("text");
        assert!(holds(&value, name), "{arguments:?} lost a name: {out}");
    }
    let output = place.run(&arguments!["dump", "--all", "--json", trace]);
    let (out, both) = looked_at("dump --json", &output);
    assert!(output.status.success(), "{both}");
    let mut lines = out.lines().map(serde_json::from_str::<serde_json::Value>);
    assert!(lines.all(|line| line.is_ok()), "{out}");
}

/// Whether a text somewhere in a value holds another.
fn holds(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(string) => string.contains(text),
        serde_json::Value::Array(items) => items.iter().any(|item| holds(item, text)),
        serde_json::Value::Object(fields) => fields.values().any(|field| holds(field, text)),
        _ => false,
    }
}

#[test]
fn commands_that_replay_show_names_of_trace_and_targets() {
    let place = Place::new();
    let trace = &place.trace;
    let (one, two) = (place.directory(b"one"), place.directory(b"two"));
    let page = place.missing(b"page.html");
    let result = place.missing(b"result.json");
    let (first, second) = (named(NASTY, &one), named(b"plain", &two));
    for arguments in [
        &arguments!["play", "--dry-run", "--target", one, trace][..],
        &arguments!["play", "-v", "--target", one, trace],
        &arguments!["play", "--keep", "--target", one, trace],
        &arguments!["play", "--timing", "recorded", "--target", one, trace],
        &arguments![
            "compare",
            "-v",
            "--rounds",
            "2",
            "--target",
            first,
            "--target",
            second,
            "--json",
            result,
            "--fail-if",
            "time(plain) >= 0",
            trace
        ],
        &arguments![
            "compare", "--rounds", "2", "--target", one, "--target", two, trace
        ],
        &arguments![
            "advise", "--rounds", "2", "--target", first, "--target", second, "--html", page, trace
        ],
    ] {
        let output = place.run(arguments);
        let (out, both) = looked_at(&format!("{arguments:?}"), &output);
        let is_failed_condition = output.status.code() == Some(1);
        let is_told = answers(output.status) || is_failed_condition;
        assert!(is_told, "{arguments:?}: {both}");
        let shows = out.contains("\\u{202e}");
        assert!(shows || out.contains("nothing was written"), "{out}");
    }
    let page = std::fs::read(page).expect("a page");
    check(&page, "advise --html");
    let output = place.run(&arguments!["report", "--html", "-", result]);
    check(&output.stdout, "report --html -");
    assert!(output.status.success());
}

#[test]
fn failures_show_the_names_that_they_name() {
    let place = Place::new();
    let trace = &place.trace;
    let (dir, missing) = (place.directory(b"dir"), place.missing(b"missing"));
    let text = place.missing(b"text");
    std::fs::write(
        &text,
        "{\"schema_version\":1,\"kind\":\"\\u001b[2J\\nFORGED\"}",
    )
    .expect("written");
    let below = dir.join("not/there");
    let condition = OsStr::from_bytes(NASTY);
    let name = named(NASTY, &dir);
    let unknown = std::str::from_utf8(NASTY).expect("text").replace(',', "");
    let unknown = format!("time({unknown}x) > 1");
    for arguments in [
        &arguments!["info", missing][..],
        &arguments!["info", text],
        &arguments!["info", "--json", below, trace],
        &arguments!["dump", missing],
        &arguments!["inspect", text],
        &arguments!["inspect", "--folded", below, trace],
        &arguments!["play", "--target", missing, trace],
        &arguments!["play", "--target", text, trace],
        &arguments!["play", "--target", dir, missing],
        &arguments!["play", "--target", dir, "--place", condition, trace],
        &arguments!["compare", "--target", missing, trace],
        &arguments!["compare", "--target", name, "--target", name, trace],
        &arguments!["compare", "--target", name, "--baseline", missing, trace],
        &arguments!["compare", "--target", name, "--move", condition, trace],
        &arguments!["compare", "--target", name, "--fail-if", condition, trace],
        &arguments!["compare", "--target", name, "--fail-if", unknown, trace],
        &arguments!["compare", "--target", name, "--neutral", missing, trace],
        &arguments!["advise", "--target", name, trace],
        &arguments!["report", "--html", below, missing],
        &arguments!["report", "--html", "-", text],
        &arguments!["clean", missing, text],
        &arguments!["man", text],
        &arguments!["record", "-o", below, "true"],
        &arguments!["record", missing],
        &arguments!["record", text],
    ] {
        let output = place.run(arguments);
        let (_, both) = looked_at(&format!("{arguments:?}"), &output);
        assert!(!output.status.success(), "{arguments:?}: {both}");
    }
}

#[test]
fn recording_shows_where_the_trace_lies() {
    let place = Place::new();
    let output = place.run(&arguments!["record", "-v", "-o", place.trace, "true"]);
    let (_, both) = looked_at("record", &output);
    assert!(output.status.success(), "{both}");
    assert_eq!(both.matches("\\u{202e}").count(), 2, "{both}");
}

#[test]
fn leftovers_are_shown() {
    let place = Place::new();
    let target = place.directory(b"target");
    let output = place.run(&arguments!["clean", target]);
    let (out, _) = looked_at("clean", &output);
    assert!(out.contains("no leftovers"), "{out}");
    let own = target.join(".fsreplay-0123456789ab");
    std::fs::create_dir(&own).expect("made");
    for arguments in [
        &arguments!["clean", target][..],
        &arguments!["clean", "--dry-run", target],
    ] {
        let (out, _) = looked_at("clean", &place.run(arguments));
        assert!(
            out.contains("left alone") && out.contains("\\u{202e}"),
            "{out}"
        );
    }
}

/// A mount whose point and source are such names, in a mount namespace of the command's own.
#[test]
fn mounts_are_shown() {
    if !common::is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let place = Place::new();
    let point = place.directory(b"mount");
    let script = "mount -t tmpfs \"$3\" \"$2\" || exit 77; \
                  \"$1\" mounts && \"$1\" mounts --json - && \
                  \"$1\" record -q -o \"$2/t.zst\" true && \"$1\" info \"$2/t.zst\"";
    let output = std::process::Command::new("unshare")
        .args([
            "-m",
            "sh",
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_fsreplay"),
        ])
        .args([point.as_os_str(), OsStr::from_bytes(NASTY)])
        .output()
        .expect("unshare runs");
    if !output.status.success() && output.stdout.is_empty() {
        // Containers don't allow it, as root either.
        eprintln!("skipped: no mounting here: {}", common::text(&output));
        return;
    }
    let (out, both) = looked_at("mounts", &output);
    assert!(output.status.success(), "{both}");
    assert!(out.matches("\\u{202e}").count() >= 3, "{out}");
}

/// What a command writes to a terminal, without the styles and the progress bar of the program.
fn on_a_terminal(place: &Place, command: &str, directory: &Path) -> String {
    // script(1) gives its command a terminal, and a shell the names.
    let output = std::process::Command::new("script")
        .args(["-qec", command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env("FSREPLAY", env!("CARGO_BIN_EXE_fsreplay"))
        .env("TRACE", &place.trace)
        .env("DIR", directory)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script runs");
    assert!(output.status.success(), "{}", common::text(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().expect("a part").to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        let (parameters, rest) = part.split_at(end.expect("an end"));
        let is_own = match rest.as_bytes()[0] {
            b'm' | b'A' | b'B' => true, // a style, a line up, a line down
            b'K' => parameters == "2",  // a line emptied
            _ => false,
        };
        assert!(is_own, "{command}: {part:?}");
        plain.push_str(&rest[1..]);
    }
    plain.replace('\r', "")
}

#[test]
fn on_a_terminal_styles_and_progress_are_all_that_is_added() {
    if !common::have("script") {
        return;
    }
    let place = Place::new();
    let directory = place.directory(b"target");
    let mut shown = 0;
    for command in [
        "\"$FSREPLAY\" info \"$TRACE\"",
        "\"$FSREPLAY\" inspect \"$TRACE\"",
        "\"$FSREPLAY\" play --rounds 2 --target \"$DIR\" \"$TRACE\"",
        "\"$FSREPLAY\" compare -v --rounds 2 --target \"$DIR\" --target b=/dev/shm \"$TRACE\"",
    ] {
        let text = on_a_terminal(&place, command, &directory);
        let found: Vec<char> = text.chars().filter(|c| is_forbidden(*c)).collect();
        assert!(found.is_empty(), "{command}: {found:?} in {text:?}");
        shown += text.matches("\\x1b").count();
    }
    assert!(shown > 0, "no name was shown");
}
