//! What stands where: the row of each command, the contents, the baseline, and the pictures.

mod common;

use common::{ADVISE, COMPARE, INSPECT, INTERRUPTED, PLAY, checked, page, parsed, text};
use roxmltree::Node;
use serde_json::{Value, json};

fn has_class(node: &Node, class: &str) -> bool {
    let classes = node.attribute("class").unwrap_or("");
    classes.split(' ').any(|one| one == class)
}

fn with_class<'a>(document: &'a roxmltree::Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    let all = document.descendants();
    all.filter(|node| has_class(node, class)).collect()
}

/// Cells of the rows of the first table, as text.
fn summary(page: &str) -> Vec<Vec<String>> {
    let document = parsed(page);
    let of_summary = with_class(&document, "summary");
    of_summary[0]
        .descendants()
        .filter(|n| n.has_tag_name("tbody"))
        .flat_map(|body| body.children())
        .map(|row| row.children().map(text).collect())
        .collect()
}

fn inspect(command: &str, seconds: f64, share: f64) -> Value {
    json!({"schema_version": 2, "kind": "inspect", "command": [command], "events": 7,
        "share": {"file_share": share, "gain_seconds": share * seconds, "seconds": seconds,
            "call_seconds": share * seconds, "computing_seconds": (1.0 - share) * seconds,
            "sentence": "A share of `it`."}})
}

fn compare(command: &str, verdict: &str, ratio: f64) -> Value {
    json!({"schema_version": 2, "kind": "compare", "baseline": "disk", "timing": "recorded",
        "trace": {"command": [command], "events": 7}, "sentence": "So it is.",
        "targets": [
            {"name": "disk", "seconds": {"value": 2.0},
                "ratio": {"value": 1.0, "verdict": "baseline"}},
            {"name": "volume", "seconds": {"value": 2.0 * ratio},
                "ratio": {"value": ratio, "verdict": verdict}}]})
}

/// The page of JSON values.
fn page_of(results: &[Value]) -> String {
    let texts: Vec<String> = results.iter().map(Value::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let page = page(&texts);
    checked(&page);
    page
}

#[test]
fn each_command_has_one_row_that_says_whether_a_mount_helps() {
    let tried = |paths: &str| {
        json!({"schema_version": 2, "kind": "advise", "trace": {"command": ["moved"], "events": 7},
            "advised": 0, "moves": [{"path": paths, "to": "volume", "seconds": {"value": 0.5}}]})
    };
    let rows = summary(&page_of(&[
        inspect("small", 0.8, 0.02),
        inspect("large", 2.0, 0.5),
        inspect("faster", 2.0, 0.5),
        compare("faster", "faster", 0.5),
        compare("same", "the same", 1.0),
        compare("unknown", "can't be told", 0.9),
        compare("other", "not ranked", 0.9),
        compare("moved", "faster", 0.9),
        tried("/w/node_modules"),
    ]));
    let of = |command: &str| {
        let mut found = rows.iter().filter(|row| row[0] == command);
        let row = found.next().expect(command);
        assert!(found.next().is_none(), "{command} has two rows");
        [row[1].as_str(), &row[2], &row[3]].map(|cell| cell.replace('\u{a0}', " "))
    };
    assert_eq!(rows.len(), 7);
    assert_eq!(of("small"), ["800 ms", "2.0 %", "no mount helps"]);
    assert_eq!(of("large"), ["2.00 s", "50.0 %", "not compared"]);
    assert_eq!(of("faster"), ["2.00 s", "50.0 %", "volume: 2.00× faster"]);
    assert_eq!(of("same"), ["–", "–", "no mount helps"]);
    assert_eq!(of("unknown"), ["–", "–", "can't be told"]);
    assert_eq!(of("other"), ["–", "–", "can't be told"]);
    assert_eq!(of("moved")[2], "/w/node_modules on volume: 500 ms");
}

#[test]
fn rows_and_contents_lead_to_each_part_of_the_page() {
    for results in [
        &[COMPARE, ADVISE, INSPECT][..],
        &[COMPARE, INTERRUPTED, PLAY],
    ] {
        let page = page(results);
        let document = parsed(&page);
        let links = |node: Node| -> Vec<String> {
            let links = node.descendants().filter_map(|link| link.attribute("href"));
            links
                .map(|href| href.trim_start_matches('#').to_owned())
                .collect()
        };
        let articles: Vec<&str> = document
            .descendants()
            .filter(|n| n.has_tag_name("article"))
            .filter_map(|node| node.attribute("id"))
            .collect();
        assert_eq!(links(with_class(&document, "summary")[0]), articles);
        let nav = document.descendants().find(|node| node.has_tag_name("nav"));
        let listed = links(nav.expect("contents"));
        let sections = document.descendants().filter(|n| n.has_tag_name("section"));
        for section in sections.filter(|section| section.attribute("id").is_some()) {
            let id = section.attribute("id").unwrap_or_default();
            assert!(
                listed.iter().any(|link| link == id),
                "{id} isn't in {listed:?}"
            );
        }
    }
}

#[test]
fn what_matters_most_comes_first_and_details_are_folded() {
    let page = page(&[COMPARE, ADVISE, INSPECT]);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}"));
    let order = [
        "At a glance",
        "On the volume npm ci would take",
        "<section id=\"t0-comparison\"",
        "<section id=\"t0-advice\"",
        "<section id=\"t0-waste\"",
        "<div id=\"t0-calls\"",
        "<div id=\"t0-method\"",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    let document = parsed(&page);
    for section in with_class(&document, "section") {
        assert!(section.has_tag_name("details") && section.attribute("open").is_none());
    }
}

#[test]
fn the_baseline_is_named_once() {
    let page = page_of(&[compare("tool", "slower", 1.5), inspect("tool", 2.0, 0.5)]);
    let document = parsed(&page);
    let badges = with_class(&document, "badge");
    let named = badges
        .into_iter()
        .filter(|badge| text(*badge) == "baseline");
    assert_eq!(named.count(), 1);
    let text = text(document.root_element());
    assert_eq!(text.matches("ratios are to “disk”").count(), 1);
}

#[test]
fn a_result_without_figures_has_no_pictures() {
    let mut result = compare("tool", "not ranked", 1.0);
    for target in result["targets"].as_array_mut().expect("targets") {
        target["seconds"] = Value::Null;
        target["ratio"] = Value::Null;
        target["calls"] = json!([{"name": "read", "count": 1}]);
    }
    let page = page_of(&[result]);
    assert!(
        !page.contains("<figure") && !page.contains("Time by call"),
        "{page}"
    );
}

#[test]
fn an_answer_of_why_is_shown_as_its_own() {
    let mut compared = compare("tool", "faster", 0.5);
    compared["sentence"] = json!("It is what is said anyway.");
    let why = json!({"schema_version": 2, "kind": "why",
        "trace": {"command": ["tool"], "events": 7}, "status": 3, "file_share": 0.5,
        "sentence": "Half of it. On volume it is faster.",
        "inspect": inspect("tool", 2.0, 0.5), "compare": compared});
    let page = page_of(&[why]);
    assert!(page.contains("Half of it. On volume it is faster."));
    assert!(page.contains("it ended with status 3"));
    assert!(!page.contains("is said anyway") && !page.contains("no conclusion"));
    assert!(page.contains("volume: 2.00× faster") && page.contains("t0-comparison"));
}

#[test]
fn all_that_was_tried_is_listed_with_what_came_of_it() {
    let evil = "</td><script>alert(1)</script>";
    let advise = json!({"schema_version": 2, "kind": "advise", "baseline": {"name": "disk"},
        "tried": [
            {"path": "/w/target", "to": "volume", "seconds": {"value": 1.5}, "verdict": "the same",
                "ratio": {"value": 0.98, "low": 0.97, "high": 1.01}, "reason": "no gain",
                "divergences": 2},
            {"path": evil, "to": evil, "reason": "not for a tmpfs", "detail": evil}]});
    let page = page_of(&[advise]);
    let document = parsed(&page);
    let text = text(document.root_element()).replace('\u{a0}', " ");
    for told in [
        "/w/target",
        "1.50 s",
        "0.97–1.01",
        "no gain",
        "2 divergences",
        "not for a tmpfs",
    ] {
        assert!(text.contains(told), "no {told} in {text}");
    }
    assert!(!page.contains("<script"));
}

fn tree(name: &str) -> Value {
    let work = |kind: &str, seconds: f64| json!({"kind": kind, "seconds": seconds});
    json!([
        {"name": "/", "seconds": 1.0, "work": [work("missing", 0.6), work("read", 0.4)]},
        {"name": name, "above": 0, "seconds": 0.6, "work": [work("missing", 0.6)]},
        {"name": "lib", "above": 0, "seconds": 0.4, "work": [work("read", 0.4)]},
        {"name": "lost", "above": 900, "seconds": 0.4, "work": [work("of a later version", 0.4)]}])
}

#[test]
fn the_flame_graph_has_a_frame_for_each_path_and_a_colour_for_each_kind_of_work() {
    let mut result = inspect("tool", 2.0, 0.5);
    result["tree"] = tree("</svg><script>");
    let page = page_of(&[result]);
    let document = parsed(&page);
    let flames = with_class(&document, "flames")[0];
    let frames = flames.children().filter(|node| node.has_tag_name("svg"));
    assert_eq!(frames.count(), 3);
    let titles: Vec<String> = flames
        .descendants()
        .filter(|node| node.has_tag_name("title"))
        .map(text)
        .collect();
    let path = "/</svg><script>: 600\u{a0}ms (looking for what isn’t there 600\u{a0}ms)";
    assert!(titles.iter().any(|title| title == path), "{titles:?}");
    for class in ["k-missing", "k-read"] {
        assert!(
            with_class(&document, class).len() > 2,
            "{class} has no legend or no frame"
        );
    }
    assert!(
        with_class(&document, "k-write").is_empty(),
        "a colour of nothing"
    );
}

#[test]
fn phases_are_drawn_and_told_by_mount() {
    let phase = |name: &str, begin: f64| {
        let end = begin + 1.0;
        json!({"name": name, "begin_seconds": begin, "end_seconds": end, "busy_seconds": 1.0})
    };
    let phases = json!([phase("start", 0.0), phase("rebuild", 5.0)]);
    let mut inspected = inspect("tool", 2.0, 0.5);
    inspected["phases"] = phases.clone();
    inspected["elapsed_seconds"] = json!(9.0);
    let mut compared = compare("tool", "faster", 0.5);
    compared["phases"] = phases;
    compared["targets"][1]["phases"] = json!([{"name": "rebuild", "seconds": {"value": 0.25}}]);
    let page = page_of(&[inspected, compared]);
    let document = parsed(&page);
    let mut plots = document
        .descendants()
        .filter(|node| has_class(node, "plot"));
    assert!(plots.any(|plot| text(plot).contains("rebuild: 1.00\u{a0}s busy")));
    let text = text(document.root_element());
    assert!(text.contains("Busy time of each phase, by mount") && text.contains("250\u{a0}ms"));
}

/// Relative luminance of a colour such as `#fff` or `#1d2126`, as WCAG defines it.
fn luminance(colour: &str) -> f64 {
    let digits = colour.trim_start_matches('#');
    let part = |index: usize| {
        let text = match digits.len() {
            3 => digits[index..=index].repeat(2),
            _ => digits[2 * index..2 * index + 2].to_owned(),
        };
        let value = f64::from(u8::from_str_radix(&text, 16).expect("a colour")) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(0) + 0.7152 * part(1) + 0.0722 * part(2)
}

fn contrast(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_can_be_read_and_colours_told_from_their_ground_in_both_themes() {
    let style = include_str!("../src/style.css");
    let themes = style.split(":root{").skip(1).take(2).map(|theme| {
        let variables = theme
            .split(['}', ';'])
            .filter_map(|one| one.split_once(':'));
        let variables =
            variables.filter(|(name, value)| name.starts_with("--") && value.starts_with('#'));
        variables.collect::<std::collections::HashMap<_, _>>()
    });
    for theme in themes {
        assert!(theme.len() > 30, "{theme:?}");
        for ground in ["--bg", "--panel"] {
            for text in ["--ink", "--soft", "--link"] {
                let found = contrast(theme[text], theme[ground]);
                assert!(found >= 4.5, "{text} on {ground}: {found:.2}");
            }
        }
        for ground in ["--faster-bg", "--slower-bg", "--plain-bg", "--note-bg"] {
            let found = contrast(theme["--ink"], theme[ground]);
            assert!(found >= 4.5, "--ink on {ground}: {found:.2}");
        }
        let kinds = [
            "missing", "again", "lookup", "list", "read", "write", "change", "sync", "other",
        ];
        let parts = (0..8).map(|part| format!("--c{part}"));
        for part in parts.chain(kinds.iter().map(|kind| format!("--{kind}"))) {
            // What WCAG asks of graphics.
            let found = contrast(theme[part.as_str()], theme["--panel"]);
            assert!(found >= 3.0, "{part}: {found:.2}");
        }
    }
}
