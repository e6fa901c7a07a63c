//! What the documentation tells users to copy parses, and its commands are commands that fsreplay
//! takes; its pages are all to be found, and its links lead somewhere.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

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

/// Words of a shell's line that quotes with `"` or `'` only; `${{ … }}` is one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.replace("${{ ", "${{").replace(" }}", "}}").chars() {
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (' ' | '\n', None) => words.push(String::new()),
            (_, _) => words.last_mut().expect("a word").push(c),
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
        // None of the files is there, nor the directories of results: what is said then is that,
        // and nothing about usage.
        let words = command.iter().map(|word| {
            if word.starts_with("library:") {
                "missing.zst"
            } else {
                word.as_str()
            }
        });
        let output = fsreplay()
            .args(words)
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .output()
            .expect("fsreplay runs");
        assert!(
            matches!(output.status.code(), Some(3 | 6)),
            "{command:?}: {}",
            text(&output)
        );
        let told = text(&output);
        assert!(
            told.contains("No such file or directory"),
            "{command:?}: {told}"
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
        "why",
        "record",
        "play",
        "compare",
        "advise",
        "inspect",
        "report",
        "library",
        "diff",
        "import",
        "export",
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

#[test]
fn the_example_of_the_action_gives_inputs_that_it_has() {
    let action = YamlLoader::load_from_str(&read("action.yml")).expect("YAML");
    let page = read("docs/ci.md");
    let inputs = action[0]["inputs"].as_hash().expect("inputs");
    for name in inputs.keys() {
        let name = name.as_str().expect("a name");
        assert!(
            page.contains(&format!("\n| `{name}` |")),
            "docs/ci.md lacks {name}"
        );
    }
    let mut given = 0;
    for block in blocks(&page, "yaml") {
        let workflow = YamlLoader::load_from_str(&block).expect("YAML");
        let steps = workflow[0]["jobs"]["compare"]["steps"].as_vec();
        for step in steps.into_iter().flatten().filter(|step| is_own(step)) {
            for name in step["with"].as_hash().expect("inputs").keys() {
                assert!(
                    inputs.contains_key(name),
                    "the Action has no input {name:?}"
                );
                given += 1;
            }
        }
    }
    assert!(given > 0, "no example of the Action");
}

/// Whether a step uses this repository's Action.
fn is_own(step: &Yaml) -> bool {
    let uses = step["uses"].as_str().and_then(|uses| uses.split_once('@'));
    let url = read("Cargo.toml");
    uses.is_some_and(|(name, _)| {
        url.contains(&format!("repository = \"https://github.com/{name}\""))
    })
}

/// Pages whose links are looked at: those of `docs/` and those beside it, by their path.
fn pages() -> BTreeMap<PathBuf, String> {
    let beside = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(PathBuf::from);
    let paths = in_docs().into_iter().chain(beside);
    paths
        .map(|path| {
            let text = read(&path.to_string_lossy());
            (path, text)
        })
        .collect()
}

/// All pages of `docs/`.
fn in_docs() -> BTreeSet<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(root.join(&directory)).expect("a directory of docs") {
            let entry = entry.expect("an entry");
            let path = directory.join(entry.file_name());
            if entry.file_type().expect("a type").is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.insert(path);
            }
        }
    }
    found
}

/// The lines of a page that are not in a fenced block.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    })
}

/// What links of a page lead to, but for addresses; text in backquotes is none.
fn links(page: &str) -> Vec<String> {
    let prose: Vec<&str> = prose(page).collect();
    let prose = prose.join("\n");
    let bare: String = prose.split('`').step_by(2).collect();
    let links = bare
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| link.to_owned());
    links.filter(|link| !link.contains("://")).collect()
}

/// What headings of a page are called in links, as GitHub and mdBook make it of them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let headings = prose(page)
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
                _ => None,
            });
            let name: String = kept.flat_map(char::to_lowercase).collect();
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            match *count {
                1 => name,
                more => format!("{name}-{}", more - 1),
            }
        })
        .collect()
}

/// A path without `.` and `..`, as a link means it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with a link of a page: nothing, if it leads somewhere. A page of `docs/` may not
/// link to what is beside `docs/`, which the book doesn't have.
fn fault(pages: &BTreeMap<PathBuf, String>, from: &Path, link: &str) -> Option<&'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let beside = from.parent().unwrap_or(Path::new(""));
    let to = if path.is_empty() {
        from.to_owned()
    } else {
        plain(&beside.join(path))
    };
    if from.starts_with("docs") && !to.starts_with("docs") {
        return Some("leaves docs/");
    }
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(&to).exists() {
        return Some("leads nowhere");
    }
    let is_there = anchor.is_empty()
        || pages
            .get(&to)
            .is_some_and(|page| anchors(page).contains(anchor));
    if is_there {
        None
    } else {
        Some("no such heading")
    }
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let pages = pages();
    let mut faults = Vec::new();
    for (from, page) in &pages {
        for link in links(page) {
            let fault = fault(&pages, from, &link);
            faults.extend(fault.map(|fault| format!("{}: {link} {fault}", from.display())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = "# What it can't\n[a](b.md)\n```\n[in a block](c.md)\n```\n`[in code](d.md)`\n\
                ## Twice\n## Twice\n[site](https://example.org)";
    assert_eq!(links(page), ["b.md"]);
    let names = ["twice", "twice-1", "what-it-cant"].map(String::from);
    assert_eq!(anchors(page), BTreeSet::from(names));
    let pages = pages();
    let from = Path::new("docs/architecture/trace.md");
    let of = |link: &str| fault(&pages, from, link);
    assert_eq!(of("../glossary.md#glossary"), None);
    assert_eq!(of("#the-trace"), None);
    assert_eq!(of("../glossary.md#no-such-word"), Some("no such heading"));
    assert_eq!(of("glossary.md"), Some("leads nowhere"));
    assert_eq!(of("../../README.md"), Some("leaves docs/"));
}

#[test]
fn every_page_is_in_the_book_once() {
    let summary = Path::new("docs/SUMMARY.md");
    let listed = links(&read("docs/SUMMARY.md"));
    let mut seen = BTreeSet::from([summary.to_owned()]);
    for link in listed {
        let page = plain(&Path::new("docs").join(&link));
        assert!(seen.insert(page), "{link} stands in docs/SUMMARY.md twice");
    }
    let pages = in_docs();
    let differ: Vec<&PathBuf> = seen.symmetric_difference(&pages).collect();
    assert!(
        differ.is_empty(),
        "in docs/SUMMARY.md or in docs/, and not in both: {differ:?}"
    );
}

/// Whether the program's own parser takes a command line. It is asked for help last, which it gives
/// only if it understood all that stands before; what follows `--` is another program's.
fn is_taken(words: &[String]) -> bool {
    let own = words.iter().take_while(|word| *word != "--");
    let output = fsreplay()
        .args(own)
        .arg("--help")
        .output()
        .expect("fsreplay runs");
    output.status.success()
}

#[test]
fn every_command_of_a_page_is_one_that_fsreplay_takes() {
    let mut taken = 0;
    for path in in_docs() {
        for block in blocks(&read(&path.to_string_lossy()), "sh") {
            let lines = block.lines().map(words);
            for line in lines.filter(|words| words.first().is_some_and(|word| word == "fsreplay")) {
                assert!(is_taken(&line[1..]), "{}: {line:?}", path.display());
                taken += 1;
            }
        }
    }
    assert!(taken >= 8, "the guide has more commands than {taken}");
    let wrong = [
        "compare trace.zst --no-such-option",
        "no-such-command",
        "compare --budget soon",
    ];
    for line in wrong {
        assert!(!is_taken(&words(line)), "{line}");
    }
}
