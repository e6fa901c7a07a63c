//! What a release is made of.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What `scripts/sbom` writes, if it can run here.
fn bill() -> Option<Vec<u8>> {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/sbom"))
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .expect("scripts/sbom runs");
    let text = common::text(&output);
    if text.contains("No module named 'tomllib'") {
        println!("skipped: Python is older than 3.11");
        assert!(std::env::var_os("CI").is_none(), "{text}");
        return None;
    }
    assert!(output.status.success(), "{text}");
    Some(output.stdout)
}

/// Names, versions and checksums of the packages in Cargo.lock; those of the workspace have none.
fn locked() -> BTreeMap<(String, String), Option<String>> {
    let lock = read("Cargo.lock");
    let packages = lock.split("[[package]]\n").skip(1).map(|package| {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| rest.trim_start_matches(" = ").trim_matches('"').to_owned())
        };
        let name = field("name").expect("a name");
        (
            (name, field("version").expect("a version")),
            field("checksum"),
        )
    });
    packages.collect()
}

fn string<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[test]
fn the_bill_of_materials_lists_each_package_as_locked() {
    if !common::have("python3") {
        return;
    }
    let Some(bytes) = bill() else { return };
    assert_eq!(Some(&bytes), bill().as_ref(), "the same each time");
    let bill: Value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(string(&bill, "bomFormat"), "CycloneDX");
    let own = &bill["metadata"]["component"];
    assert_eq!(string(own, "version"), env!("CARGO_PKG_VERSION"));
    let others = bill["components"].as_array().expect("components");
    let mut listed = BTreeMap::new();
    let mut references = BTreeSet::new();
    for one in others.iter().chain([own]) {
        let key = (
            string(one, "name").to_owned(),
            string(one, "version").to_owned(),
        );
        let checksum = one["hashes"][0]["content"].as_str().map(str::to_owned);
        assert_eq!(one["purl"].is_string(), checksum.is_some(), "{one}");
        assert!(!string(&one["licenses"][0], "expression").contains('/'));
        assert_eq!(
            listed.insert(key, checksum),
            None,
            "{one} stands there twice"
        );
        references.insert(string(one, "bom-ref"));
    }
    assert_eq!(listed, locked());
    for one in bill["dependencies"].as_array().expect("dependencies") {
        assert!(references.contains(string(one, "ref")), "{one}");
        for need in one["dependsOn"].as_array().expect("a list") {
            assert!(references.contains(need.as_str().expect("text")), "{one}");
        }
    }
    let scope = |name: &str| {
        let found = others.iter().find(|one| string(one, "name") == name);
        found.map(|one| string(one, "scope"))
    };
    // In the binary, in tests, for benches.
    assert_eq!(scope("clap"), Some("required"));
    assert_eq!(scope("yaml-rust2"), Some("excluded"));
    assert_eq!(scope("fsreplay-bench"), Some("excluded"));
}

#[test]
fn workflows_take_others_actions_by_commit_and_write_only_where_said() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let mut actions = 0;
    for entry in std::fs::read_dir(dir).expect("workflows") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a workflow");
        let documents = yaml_rust2::YamlLoader::load_from_str(&text).expect("YAML");
        let permissions = &documents[0]["permissions"];
        assert!(
            !permissions.is_badvalue(),
            "{}: all there are",
            path.display()
        );
        let uses = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- uses: "));
        for action in uses {
            let (name, commit) = action.split_once('@').expect("a version");
            let commit = commit.split(' ').next().expect("a word");
            let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                is_commit,
                "{}: {name} is taken by a name that moves",
                path.display()
            );
            actions += 1;
        }
    }
    assert!(actions > 0);
}
