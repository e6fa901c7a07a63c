//! The GitHub Action: its inputs and outputs are those that it uses, and its steps do what they
//! say, run here with the binary under test and files in place of GitHub's.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::http::Server;
use common::{have, sh, text};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

fn action() -> Yaml {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml");
    let text = fs::read_to_string(path).expect("the action");
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

fn names(map: &Yaml) -> BTreeSet<String> {
    let map = map.as_hash().expect("a map");
    map.keys()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect()
}

fn steps(action: &Yaml) -> &Vec<Yaml> {
    action["runs"]["steps"].as_vec().expect("steps")
}

/// What stands in `${{ … }}` anywhere in a value.
fn expressions(value: &Yaml, found: &mut Vec<String>) {
    match value {
        Yaml::Hash(fields) => fields.values().for_each(|value| expressions(value, found)),
        Yaml::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Yaml::String(text) => {
            for part in text.split("${{").skip(1) {
                let (inner, _) = part.split_once("}}").expect("an end");
                found.push(inner.trim().to_owned());
            }
        }
        _ => {}
    }
}

#[test]
fn inputs_and_outputs_are_those_that_are_used() {
    let action = action();
    let mut used = Vec::new();
    expressions(&action["runs"], &mut used);
    let inputs: BTreeSet<String> = used
        .iter()
        .filter_map(|one| one.strip_prefix("inputs."))
        .map(|one| one.split(' ').next().expect("a word").to_owned())
        .collect();
    assert_eq!(inputs, names(&action["inputs"]));
    let mut outputs = Vec::new();
    expressions(&action["outputs"], &mut outputs);
    let ids: BTreeSet<&str> = steps(&action)
        .iter()
        .filter_map(|step| step["id"].as_str())
        .collect();
    let script = include_str!("../scripts/action");
    for output in used.iter().chain(&outputs) {
        let Some(output) = output.strip_prefix("steps.") else {
            continue;
        };
        let (id, name) = output.split_once(".outputs.").expect("an output");
        assert!(ids.contains(id), "there is no step {id}");
        assert!(
            script.contains(&format!("output {name} ")),
            "{name} is never set"
        );
    }
}

#[test]
fn no_input_is_part_of_a_script() {
    for step in steps(&action()) {
        let mut found = Vec::new();
        expressions(&step["run"], &mut found);
        assert_eq!(found, Vec::<String>::new(), "{:?}", step["name"]);
        assert_eq!(step["shell"].as_str(), Some("bash"), "{:?}", step["name"]);
    }
}

/// A runner: what GitHub keeps for a job.
struct Runner {
    dir: tempfile::TempDir,
    api: String,
    inputs: BTreeMap<String, String>,
}

impl Runner {
    /// With these inputs, and releases whose program is the binary under test.
    fn new(inputs: &[(&str, &str)]) -> Runner {
        let dir = common::workspace();
        let version = env!("CARGO_PKG_VERSION");
        let arch = std::env::consts::ARCH;
        let name = format!("fsreplay-{version}-linux-{arch}");
        let binary = env!("CARGO_BIN_EXE_fsreplay");
        sh(
            dir.path(),
            &format!(
                "mkdir work temp releases && cd releases && mkdir {name}
                printf '#!/bin/sh\\nexec \"{binary}\" \"$@\"\\n' >{name}/fsreplay
                chmod 755 {name}/fsreplay
                tar -czf {name}.tar.gz {name} && sha256sum *.tar.gz >SHA256SUMS
                cd .. && touch output path summary work/file && mkdir a b"
            ),
        );
        fs::write(dir.path().join("event"), r#"{"pull_request":{"number":7}}"#).expect("a file");
        let releases = format!("file://{}", dir.path().join("releases").display());
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let action = action();
        for (name, input) in action["inputs"].as_hash().expect("inputs") {
            let default = input["default"].as_str().unwrap_or_default();
            all.insert(
                name.as_str().expect("a name").to_owned(),
                default.to_owned(),
            );
        }
        all.insert("token".into(), "secret".into());
        all.insert("releases".into(), releases);
        for (name, value) in inputs {
            let known = all.insert((*name).to_owned(), (*value).to_owned());
            assert!(known.is_some(), "there is no input {name}");
        }
        Runner {
            dir,
            api: "http://127.0.0.1:9".into(),
            inputs: all,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// What the steps have set.
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = self.read("output");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn value(&self, expression: &str) -> String {
        if let Some(input) = expression.strip_prefix("inputs.") {
            self.inputs[input].clone()
        } else {
            let (_, name) = expression.split_once(".outputs.").expect("an output");
            self.outputs().remove(name).unwrap_or_default()
        }
    }

    fn substituted(&self, text: &str) -> String {
        match text
            .strip_prefix("${{ ")
            .and_then(|rest| rest.strip_suffix(" }}"))
        {
            Some(expression) => self.value(expression),
            None => text.to_owned(),
        }
    }

    /// Whether a step is for these inputs.
    fn is_wanted(&self, step: &Yaml) -> bool {
        let Some(condition) = step["if"].as_str() else {
            return true;
        };
        let inner = condition.trim_start_matches("${{ ").trim_end_matches(" }}");
        let (input, value) = inner.split_once(" == ").expect("a comparison");
        self.value(input) == value.trim_matches('\'')
    }

    /// Runs the steps, until one fails.
    fn run(&self) -> Output {
        let action = action();
        let mut last = None;
        for step in steps(&action).iter().filter(|step| self.is_wanted(step)) {
            let output = self.step(step);
            let is_ok = output.status.success();
            last = Some(output);
            if !is_ok {
                break;
            }
        }
        last.expect("steps")
    }

    fn step(&self, step: &Yaml) -> Output {
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c"])
            .arg(step["run"].as_str().expect("a script"))
            .current_dir(self.path("work"))
            .env("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GITHUB_PATH", self.path("path"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .env("GITHUB_EVENT_PATH", self.path("event"))
            .env("GITHUB_API_URL", &self.api)
            .env("GITHUB_REPOSITORY", "some/where")
            .env("RUNNER_TEMP", self.path("temp"))
            .env("XDG_STATE_HOME", self.path("temp/state"));
        if let Some(variables) = step["env"].as_hash() {
            for (name, value) in variables {
                let value = self.substituted(value.as_str().expect("text"));
                command.env(name.as_str().expect("a name"), value);
            }
        }
        command.output().expect("bash runs")
    }
}

/// Two directories of one file system, and a budget that is over soon: what is told of them is not
/// looked at.
fn quick<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut inputs = vec![
        ("command", "cat file; ls | wc -l >lines"),
        ("targets", "one=../a\ntwo=../b\n"),
        ("budget", "1s"),
    ];
    inputs.extend_from_slice(more);
    inputs
}

fn tools() -> bool {
    ["bash", "jq", "curl"].into_iter().all(have)
}

#[test]
fn a_command_is_recorded_compared_and_put_into_the_summary() {
    if !tools() {
        return;
    }
    let runner = Runner::new(&quick(&[("title", "Sources & sinks")]));
    let output = runner.run();
    assert!(output.status.success(), "{}", text(&output));
    assert!(runner.path("work/lines").exists(), "the command was run");
    let outputs = runner.outputs();
    assert!(
        ["0", "5"].contains(&outputs["status"].as_str()),
        "{outputs:?}"
    );
    for name in ["trace", "result", "table"] {
        assert!(Path::new(&outputs[name]).is_file(), "{name}: {outputs:?}");
    }
    let summary = runner.read("summary");
    assert!(summary.starts_with("### Sources & sinks\n\n"), "{summary}");
    for target in ["| one |", "| two |"] {
        assert!(summary.contains(target), "{summary}");
    }
    assert!(runner.read("path").trim().ends_with("temp/fsreplay/bin"));
}

#[test]
fn a_condition_that_holds_fails_the_job_when_all_is_told() {
    if !tools() {
        return;
    }
    let conditions = "time(one) > 1000000\n\ntime(two) >= 0\n";
    let runner = Runner::new(&quick(&[("fail-if", conditions)]));
    let output = runner.run();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("::error::fsreplay: a condition of fail-if holds"),
        "{told}"
    );
    assert_eq!(runner.outputs()["status"], "1");
    assert!(runner.read("summary").contains("| two |"));
}

#[test]
fn a_command_that_fails_and_inputs_that_are_wrong_fail_the_job() {
    if !tools() {
        return;
    }
    for (inputs, wanted) in [
        (vec![("command", "exit 3")], ""),
        (
            vec![("command", "true"), ("trace", "t.zst")],
            "either command or trace",
        ),
        (vec![], "give a command to record, or a trace"),
        (vec![("trace", "missing.zst")], "missing.zst"),
        (
            vec![("version", "9.9.9"), ("command", "true")],
            "not version 9.9.9",
        ),
        (quick(&[("undecided", "perhaps")]), "give pass or fail"),
        (quick(&[("fail-if", "rubbish")]), "--fail-if rubbish"),
    ] {
        let output = Runner::new(&inputs).run();
        let told = text(&output);
        assert!(!output.status.success(), "{inputs:?}: {told}");
        assert!(told.contains(wanted), "{inputs:?}: {told}");
    }
}

/// Only the last step, with what the comparison is said to have ended with.
#[test]
fn what_cannot_be_told_is_a_warning_or_a_failure_as_asked() {
    let action = action();
    let verdict = steps(&action).last().expect("a step");
    for (status, undecided, code, wanted) in [
        ("0", "fail", 0, ""),
        ("5", "pass", 0, "::warning::"),
        ("5", "fail", 1, "::error::"),
        ("1", "pass", 1, "::error::"),
    ] {
        let runner = Runner::new(&[("undecided", undecided)]);
        fs::write(runner.path("output"), format!("status={status}\n")).expect("written");
        let output = runner.step(verdict);
        let told = text(&output);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{status} {undecided}: {told}"
        );
        assert_eq!(told.is_empty(), wanted.is_empty(), "{told}");
        assert!(told.contains(wanted), "{status} {undecided}: {told}");
    }
}

/// The step that comments, of a runner whose comparison has left a table; its API answers a
/// question for comments with what is given.
fn comment(runner: &mut Runner, comments: Option<&'static str>) -> (Output, Server) {
    let server = Server::start(move |request| {
        if request.method == "GET" {
            comments.map(|text| text.as_bytes().to_vec())
        } else {
            Some(b"{}".to_vec())
        }
    });
    runner.api = server.url.clone();
    sh(
        runner.dir.path(),
        "mkdir temp/fsreplay && printf 'a \"table\"\n' >temp/fsreplay/table.md",
    );
    let table = runner.path("temp/fsreplay/table.md");
    fs::write(
        runner.path("output"),
        format!("table={}\n", table.display()),
    )
    .expect("written");
    let action = action();
    let step = steps(&action).iter().find(|step| !step["if"].is_badvalue());
    let output = runner.step(step.expect("the step"));
    (output, server)
}

fn with_comment() -> Runner {
    Runner::new(&[("comment", "true"), ("title", "a -- b")])
}

#[test]
fn the_table_is_a_comment_that_the_next_run_replaces() {
    if !tools() {
        return;
    }
    let marker = "<!-- fsreplay: a - - b -->";
    let others = r#"[{"id":1,"body":"hello"},{"id":2,"body":"<!-- fsreplay: other -->"}]"#;
    let own = r#"[{"id":1,"body":"hello"},{"id":42,"body":"<!-- fsreplay: a - - b -->\nold"}]"#;
    for (comments, method, address) in [
        (others, "POST", "/repos/some/where/issues/7/comments"),
        (own, "PATCH", "/repos/some/where/issues/comments/42"),
    ] {
        let (output, server) = comment(&mut with_comment(), Some(comments));
        assert!(output.status.success(), "{}", text(&output));
        let requests = server.requests();
        let last = requests.last().expect("a request");
        assert_eq!(
            (last.method.as_str(), last.address.as_str()),
            (method, address)
        );
        let body: Value = serde_json::from_slice(&last.body).expect("JSON");
        assert_eq!(body["body"], format!("{marker}\na \"table\"\n"));
    }
}

#[test]
fn what_may_not_comment_or_is_no_pull_request_does_not_fail() {
    if !tools() {
        return;
    }
    let (output, _server) = comment(&mut with_comment(), None);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("::warning::"), "{}", text(&output));
    let mut pushed = with_comment();
    fs::write(pushed.path("event"), r#"{"ref":"refs/heads/main"}"#).expect("written");
    let (output, server) = comment(&mut pushed, Some("[]"));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(server.requests(), []);
}
