//! What the documentation tells users to copy: it parses, and its commands are commands that fsreplay takes.

mod common;

use std::path::Path;

use common::{fsreplay, text};
use yaml_rust2::{Yaml, YamlLoader};

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of a language in a page.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for part in page.split(&format!("```{language}\n")).skip(1) {
        blocks.push(part.split("```").next().unwrap_or_default().to_owned());
    }
    blocks
}

/// The command lines of fsreplay in a document: `command` of a container, `run` of a step.
fn commands(yaml: &Yaml, found: &mut Vec<Vec<String>>) {
    match yaml {
        Yaml::Hash(fields) => {
            for (name, value) in fields {
                let words: Vec<String> = match (name.as_str(), value) {
                    (Some("command"), Yaml::Array(words)) => words
                        .iter()
                        .filter_map(Yaml::as_str)
                        .map(String::from)
                        .collect(),
                    (Some("run"), Yaml::String(line)) => words(line),
                    _ => Vec::new(),
                };
                if words.first().is_some_and(|word| word == "fsreplay") {
                    found.push(words[1..].to_vec());
                }
                commands(value, found);
            }
        }
        Yaml::Array(items) => items.iter().for_each(|item| commands(item, found)),
        _ => {}
    }
}

/// Words of a shell's line that quotes with `"` only; `${{ … }}` is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line.replace("${{ ", "${{").replace(" }}", "}}").chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' | '\n' if !is_quoted => words.push(String::new()),
            c => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_examples_for_ci_parse_and_call_fsreplay_as_it_is() {
    let page = read("docs/ci.md");
    let mut kinds = Vec::new();
    let mut found = Vec::new();
    for block in blocks(&page, "yaml") {
        for document in YamlLoader::load_from_str(&block).expect("YAML") {
            let kind = document["kind"].as_str().unwrap_or("workflow");
            kinds.push(kind.to_owned());
            if kind == "Job" {
                let pod = &document["spec"]["template"]["spec"];
                assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
                mounts_have_volumes(pod);
            }
            commands(&document, &mut found);
        }
    }
    for kind in ["workflow", "PersistentVolumeClaim", "Job"] {
        assert!(kinds.iter().any(|known| known == kind), "no {kind}");
    }
    assert!(found.len() >= 4, "{found:?}");
    for command in found {
        // None of the files is there: what is said then is that, and nothing about usage.
        let output = fsreplay()
            .args(&command)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .output()
            .expect("fsreplay runs");
        assert_eq!(
            output.status.code(),
            Some(3),
            "{command:?}: {}",
            text(&output)
        );
    }
}

fn mounts_have_volumes(pod: &Yaml) {
    let names = |list: &Yaml| -> Vec<String> {
        let items = list.as_vec().expect("a list");
        items
            .iter()
            .map(|item| item["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    let volumes = names(&pod["volumes"]);
    for container in pod["containers"].as_vec().expect("containers") {
        for mount in names(&container["volumeMounts"]) {
            assert!(volumes.contains(&mount), "{mount} is no volume");
        }
    }
}

#[test]
fn every_command_is_in_the_readme_once_and_every_page_is_there() {
    let readme = read("README.md");
    let list = readme.split("\n## ").next().expect("a first part");
    for command in [
        "record",
        "play",
        "compare",
        "advise",
        "inspect",
        "report",
        "info",
        "dump",
        "anonymize",
        "mounts",
        "clean",
    ] {
        let line = format!("    fsreplay {command} ");
        let bare = format!("    fsreplay {command}\n");
        let count = list.matches(&line).count() + list.matches(&bare).count();
        assert_eq!(count, 1, "fsreplay {command}");
    }
    for link in readme.split("](").skip(1) {
        let target = link.split([')', '#']).next().unwrap_or_default();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
        assert!(path.exists(), "the README names {target}");
    }
}
