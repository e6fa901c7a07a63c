//! The JSON Schema files: made of the types, and kept true by a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::advise::Advise;
use crate::compare::Compare;
use crate::diff::Diff;
use crate::info::Info;
use crate::inspect::Inspect;
use crate::library::Library;
use crate::mounts::Mounts;
use crate::play::Play;
use crate::scorecard::Scorecard;
use crate::why::Why;
use crate::{LEVEL, PAPER_ERROR, SCHEMA_VERSION, Verdict};

/// The schema of what is written, with `kind` and the version.
fn schema<T: JsonSchema>(kind: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema: Schema = settings.into_generator().into_root_schema_for::<T>();
    let mut value = schema.to_value();
    remove_defaults(&mut value);
    value["properties"]["kind"] = json!({"const": kind});
    value["properties"]["schema_version"]["const"] = json!(SCHEMA_VERSION);
    if let Some(required) = value["required"].as_array_mut() {
        required.push(json!("kind"));
    }
    value
}

/// What a reader takes for a missing field is no matter of the file, which has all of them.
fn remove_defaults(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("default");
            fields.values_mut().for_each(remove_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_defaults),
        _ => {}
    }
}

fn schemas() -> [(&'static str, Value); 10] {
    [
        ("compare", schema::<Compare>("compare")),
        ("advise", schema::<Advise>("advise")),
        ("inspect", schema::<Inspect>("inspect")),
        ("play", schema::<Play>("play")),
        ("info", schema::<Info>("info")),
        ("library", schema::<Library>("library")),
        ("scorecard", schema::<Scorecard>("scorecard")),
        ("mounts", schema::<Mounts>("mounts")),
        ("why", schema::<Why>("why")),
        ("diff", schema::<Diff>("diff")),
    ]
}

fn file(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{kind}.json"))
}

#[test]
fn schema_files_are_those_of_the_types() {
    for (kind, schema) in schemas() {
        let pretty = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        // A docstring names the constant; who reads a schema wants what it is.
        let text = pretty.replace("[`LEVEL`]", LEVEL);
        if std::env::var_os("FSREPLAY_WRITE_DOCS").is_some() {
            std::fs::write(file(kind), text).expect("written");
            continue;
        }
        let written = std::fs::read_to_string(file(kind)).expect("the schema file");
        assert!(
            written == text,
            "results/schema/{kind}.json is out of date: run this test with FSREPLAY_WRITE_DOCS=1"
        );
    }
}

/// Names of all fields in a schema.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            for (name, part) in parts {
                if let ("properties", Value::Object(named)) = (name.as_str(), part) {
                    found.extend(named.keys().cloned());
                }
                fields(part, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// docs/result-json.md.
fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/result-json.md");
    std::fs::read_to_string(page).expect("the page")
}

#[test]
fn the_level_of_intervals_and_the_error_of_paper_are_documented_as_they_are() {
    let level = format!("interval at {LEVEL}");
    assert!(page().contains(&level), "docs/result-json.md: {level}");
    let within = format!("within {} %", 100.0 * PAPER_ERROR);
    assert_eq!(Verdict::Within.text(), within);
    assert!(page().contains(&format!("`{within}`")));
}

#[test]
fn each_field_is_documented() {
    let page = page();
    // A field stands in backticks, alone or at the end of a path such as `targets[].name`.
    let words: BTreeSet<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|code| code.rsplit('.').next().unwrap_or(code))
        .map(|name| name.trim_end_matches("[]"))
        .collect();
    let mut all = BTreeSet::new();
    for (_, schema) in schemas() {
        fields(&schema, &mut all);
    }
    assert!(all.len() > 100, "hardly any field was found: {all:?}");
    let missing: Vec<&String> = all
        .iter()
        .filter(|name| !words.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/result-json.md doesn't name {missing:?}"
    );
}
