//! The page as a whole: well-formed, self-contained, accessible, small, and right where the results
//! are unusual.

mod common;

use common::{ADVISE, COMPARE, INSPECT, INTERRUPTED, PLAY, checked, page, value};
use serde_json::{Value, json};

#[test]
fn a_page_of_everything_is_well_formed_and_holds_what_it_should() {
    let text = checked(&page(&[COMPARE, INTERRUPTED, ADVISE, INSPECT, PLAY]));
    for told in [
        "On the volume npm ci would take 1.2 s instead of 3.1 s (2.6 times faster).",
        "2.54× faster",
        "“cifs” is not ranked: only 81.9\u{a0}% of the outcomes were as recorded",
        "win-laptop, 2026-09-22 15:13\u{a0}UTC",
        "Machines and days side by side",
        "node_modules,target=${containerWorkspaceFolder}/node_modules,type=volume",
        "Lookups of names that aren’t there",
        "length of a rewritten link",
        "docker-desktop-mac",
        "/var/tmp (container-root)",
        "The measurement was interrupted after at least 6\u{a0}samples",
    ] {
        assert!(text.contains(told), "the page doesn't say {told:?}");
    }
}

#[test]
fn what_the_command_itself_took_stands_beside_the_advice() {
    let mut advise = value(ADVISE);
    let seconds = |value: f64| json!({"value": value, "low": value, "high": value});
    // What this version writes; the fixture is older.
    advise["tried"] = json!([{"path": "/w", "to": "volume"}]);
    advise["advised"] = json!(0);
    advise["verified"] = json!({
        "command": ["npm", "ci"], "runs": 5, "status": 3,
        "before_seconds": seconds(4.0), "after_seconds": seconds(2.0),
        "ratio": seconds(0.5), "verdict": "faster",
    });
    let told = |advise: &Value| checked(&page(&[&advise.to_string()])).replace('\u{a0}', " ");
    let text = told(&advise);
    assert!(text.contains("Tried with the command itself, 5 runs each on copies"));
    assert!(text.contains("confirmed: ratio 0.50"), "{text}");
    assert!(text.contains("npm ci ended with status 3"), "{text}");
    advise["verified"]["verdict"] = json!("the same");
    let text = told(&advise);
    assert!(text.contains("not confirmed"), "{text}");
}

#[test]
fn text_from_outside_is_never_markup() {
    let evil = "</title></style></script><script>alert(1)</script><img src=x \
        onerror=alert(1)>\"'&\u{202e}\0";
    for fixture in [COMPARE, ADVISE, INSPECT, PLAY] {
        let mut result = value(fixture);
        replace_strings(&mut result, evil);
        let page = page(&[&result.to_string()]);
        checked(&page);
        assert!(!page.contains("<script") && !page.contains('\0') && !page.contains('\u{202e}'));
    }
}

/// Fields whose texts are given: another one is an error.
fn is_fixed(name: &str) -> bool {
    matches!(name, "kind" | "verdict")
}

fn replace_strings(value: &mut Value, with: &str) {
    match value {
        Value::String(text) => *text = format!("{text}{with}"),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| replace_strings(item, with)),
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| !is_fixed(name))
            .for_each(|(_, field)| replace_strings(field, with)),
        _ => {}
    }
}

#[test]
fn results_without_anything_make_a_page() {
    for kind in ["compare", "advise", "inspect", "play"] {
        let empty = json!({"schema_version": 1, "kind": kind}).to_string();
        checked(&page(&[&empty]));
        checked(&page(&[&empty, &empty]));
    }
    checked(&page(&[]));
    let without_numbers =
        json!({"schema_version": 1, "kind": "compare", "targets": [{}, {"calls": [{}]}]});
    checked(&page(&[&without_numbers.to_string()]));
}

#[test]
fn one_target_is_shown_without_comparing_it() {
    let mut result = value(COMPARE);
    let targets = result["targets"].as_array_mut().expect("targets");
    targets.truncate(1);
    let text = checked(&page(&[&result.to_string()]));
    assert!(text.contains("baseline"));
    assert!(!text.contains("left of 1×"));
}

#[test]
fn targets_of_low_fidelity_come_last_whatever_their_time() {
    let mut result = value(COMPARE);
    result["targets"][4]["prediction_seconds"] = json!(0.1);
    let text = checked(&page(&[&result.to_string()]));
    let (cifs, bind) = (text.find("cifs"), text.find("bind"));
    assert!(cifs > bind && bind.is_some());
}

#[test]
fn few_rounds_have_no_interval() {
    let mut result = value(COMPARE);
    for target in result["targets"].as_array_mut().expect("targets") {
        target["rounds"] = json!([1.0, 1.1, 0.9]);
    }
    let text = checked(&page(&[&result.to_string()]));
    assert!(text.contains("3\u{a0}rounds: too few for an interval"));
}

#[test]
fn absurd_numbers_make_no_absurd_page() {
    let mut result = value(COMPARE);
    result["targets"][0]["rounds"] = json!([1e308, -5.0, 0.0]);
    result["targets"][0]["prediction_seconds"] = json!(-1.0);
    result["targets"][1]["ratio"] =
        json!({"value": 0.0, "low": -1.0, "high": 1e300, "verdict": "faster"});
    result["targets"][1]["calls"][0]["histogram"] = json!([[0, u64::MAX], [u64::MAX, u64::MAX]]);
    result["machine"]["time"] = json!(1e300);
    checked(&page(&[&result.to_string()]));
}

#[test]
fn five_targets_of_forty_calls_stay_below_a_megabyte() {
    let mut result = value(COMPARE);
    for target in result["targets"].as_array_mut().expect("targets") {
        let histogram: Vec<[u64; 2]> = (0..2_000).map(|i| [1_000 + i * i, 3]).collect();
        let calls = (0..40).map(|number| {
            json!({"name": format!("system_call_{number}"), "count": 6_000, "errors": 7,
                "total_seconds": 0.3 / (1 + number) as f64, "p50_ns": 9_000, "p90_ns": 20_000,
                "p99_ns": 1_000_000, "max_ns": 4_000_000, "histogram": histogram})
        });
        target["calls"] = calls.collect();
        let directories = (0..500).map(|number| {
            let path = format!("/w/node_modules/some/rather/deep/directory/{number}");
            json!({"path": path, "count": 9, "seconds": 0.01})
        });
        target["directories"] = directories.collect();
    }
    let page = page(&[&result.to_string(), ADVISE, INSPECT]);
    checked(&page);
    println!("{} bytes", page.len());
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn phases_and_polling_are_told_where_there_are_several() {
    let phase = |name: &str, busy: f64| json!({"name": name, "busy_seconds": busy, "events": 1234});
    let mut inspect = value(INSPECT);
    inspect["phases"] = json!([phase("start", 2.0)]);
    assert!(!checked(&page(&[&inspect.to_string()])).contains("Phases between waits"));
    inspect["phases"] = json!([phase("start", 2.0), phase("rebuild <1>", 0.0)]);
    inspect["polling"] = json!([{
        "program": "node", "directory": "/w/src", "questions": 31,
        "calls_per_second": 283.4, "processor_share": 0.068, "note": "watch"
    }]);
    inspect["watches"] = json!([
        {"mount_point": "/w", "fs_type": "ext4", "watches": 7},
        {"mount_point": "/host", "fs_type": "virtiofs", "watches": 1, "note": "may not arrive"}
    ]);
    let text = checked(&page(&[&inspect.to_string()]));
    let told = [
        "Phases between waits",
        "rebuild <1>",
        "1,234",
        "node polls 31\u{a0}paths in /w/src: 283 calls a second, 6.8\u{a0}% of a processor; watch.",
        "1\u{a0}watch on /host (virtiofs): may not arrive.",
    ];
    for expected in told {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(!text.contains("ext4): "), "a watch without a note is told");
}
