//! Fixtures, and what holds for every page.

// Each test program uses some of it.
#![allow(dead_code)]

use fsreplay_report::render;
use fsreplay_results::Document;
use roxmltree::{Node, ParsingOptions};
use serde_json::Value;

/// A comparison of five targets.
pub const COMPARE: &str = include_str!("../../fixtures/compare-npm-ci.json");
/// The same on another machine, ended early.
pub const INTERRUPTED: &str = include_str!("../../fixtures/compare-npm-ci-interrupted.json");
/// Advice about it.
pub const ADVISE: &str = include_str!("../../fixtures/advise-npm-ci.json");
/// The inspection of its trace.
pub const INSPECT: &str = include_str!("../../fixtures/inspect-npm-ci.json");
/// A replay of another trace.
pub const PLAY: &str = include_str!("../../fixtures/play-git-status.json");

/// The page of some results.
pub fn page(results: &[&str]) -> String {
    let parse = |text: &&str| Document::parse("result.json", text.as_bytes()).expect("a result");
    render(results.iter().map(parse).collect())
}

/// A fixture, to change it.
pub fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The page as a tree.
pub fn parsed(page: &str) -> roxmltree::Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    roxmltree::Document::parse_with_options(page, options).expect("well-formed")
}

/// All text in an element.
pub fn text(node: Node) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|node| node.text()).collect()
}

/// Parses the page and checks what holds for every page.
pub fn checked(page: &str) -> String {
    let document = parsed(page);
    let mut ids = std::collections::HashSet::new();
    for node in document.descendants().filter(Node::is_element) {
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id), "{id} stands twice");
        }
    }
    for node in document.descendants().filter(Node::is_element) {
        self_contained(node);
        accessible(node, &ids);
        nested(node);
        drawn(node);
    }
    headings(&document);
    let text: String = document
        .descendants()
        .filter(|node| node.is_text() && node.parent().is_some_and(|p| !p.has_tag_name("style")))
        .filter_map(|node| node.text())
        .collect();
    for wrong in ["NaN", "inf\u{a0}", "Some(", "None"] {
        assert!(!text.contains(wrong), "the page says {wrong}");
    }
    text
}

/// Nothing that fetches or runs.
fn self_contained(node: Node) {
    let name = node.tag_name().name();
    let refused = [
        "script", "link", "iframe", "object", "embed", "img", "base", "form", "use", "image",
    ];
    assert!(!refused.contains(&name), "<{name}> in the page");
    for attribute in node.attributes() {
        let (key, value) = (attribute.name(), attribute.value());
        assert!(
            !key.starts_with("on") && key != "src" && key != "srcset",
            "{key} in <{name}>"
        );
        assert!(key != "href" || value.starts_with('#'), "a link to {value}");
        assert!(!value.contains("url("), "url() in {key}");
        // Numbers of SVG are numbers.
        if ["x", "x1", "x2", "cx", "width", "d"].contains(&key) {
            assert!(
                !value.contains("NaN") && !value.contains("inf"),
                "{key}={value}"
            );
        }
    }
    if name == "style" {
        let style = node.text().unwrap_or("");
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
}

/// What a screen reader or a keyboard needs.
fn accessible(node: Node, ids: &std::collections::HashSet<&str>) {
    for reference in ["aria-labelledby", "aria-describedby"] {
        if let Some(id) = node.attribute(reference) {
            assert!(ids.contains(id), "{reference} names {id}");
        }
    }
    let child = |name: &str| node.children().any(|child| child.has_tag_name(name));
    match node.tag_name().name() {
        "a" => {
            let target = node
                .attribute("href")
                .unwrap_or("#")
                .trim_start_matches('#');
            assert!(ids.contains(target), "a link to #{target}");
        }
        "table" => assert!(
            child("caption") && child("thead"),
            "a table without a caption"
        ),
        "th" => assert!(
            node.attribute("scope").is_some(),
            "a header without a scope"
        ),
        "svg" if node.attribute("role") == Some("img") => assert!(child("title")),
        "svg" => assert!(
            node.attribute("aria-hidden").is_some() || node.attribute("viewBox").is_some(),
            "a chart that says nothing"
        ),
        _ => {}
    }
}

/// What a browser would mend by closing elements, and lists that hold something else.
fn nested(node: Node) {
    let name = node.tag_name().name();
    let is = |node: &Node, names: &[&str]| names.contains(&node.tag_name().name());
    let blocks = [
        "p", "div", "ul", "dl", "pre", "table", "section", "figure", "details", "h1", "h2", "h3",
        "h4",
    ];
    if is(&node, &["p", "h1", "h2", "h3", "h4", "a", "span"]) {
        let inner = node.descendants().skip(1).find(|inner| is(inner, &blocks));
        assert!(inner.is_none(), "{inner:?} in <{name}>");
    }
    let children = || node.children().filter(Node::is_element);
    let only = |names: &[&str]| children().all(|child| is(&child, names));
    match name {
        "ul" => assert!(only(&["li"]), "something else than items in a list"),
        "tr" => assert!(only(&["th", "td"])),
        "details" => assert!(children().next().is_some_and(|one| is(&one, &["summary"]))),
        "a" => assert!(node.descendants().skip(1).all(|inner| !is(&inner, &["a"]))),
        _ => {}
    }
}

/// No picture without anything in it, no table without rows, no section without content.
fn drawn(node: Node) {
    let marks = |node: &Node| {
        let is_mark = ["rect", "circle", "path"].contains(&node.tag_name().name());
        is_mark || node.attribute("class") == Some("whisker")
    };
    let name = node.tag_name().name();
    if name == "svg" && node.attribute("role") == Some("img") {
        assert!(
            node.descendants().any(|inner| marks(&inner)),
            "an empty {node:?}"
        );
    }
    if name == "tbody" || name == "section" || name == "figure" {
        let inner = node.children().filter(Node::is_element).count();
        // A figure has its caption.
        assert!(inner > usize::from(name == "figure"), "an empty {node:?}");
    }
    if name == "section" {
        let shown = ["p", "table", "svg", "dl", "li"];
        let is_shown = |inner: Node| shown.contains(&inner.tag_name().name());
        assert!(
            node.descendants().any(is_shown),
            "nothing in {}",
            text(node)
        );
    }
}

/// One heading of the page, and none that skips a level.
fn headings(document: &roxmltree::Document) {
    let level = |node: Node| match node.tag_name().name().as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    };
    let levels: Vec<u8> = document.descendants().filter_map(level).collect();
    assert_eq!(levels.first(), Some(&1));
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    let is_ordered = levels.windows(2).all(|pair| pair[1] <= pair[0] + 1);
    assert!(is_ordered, "headings {levels:?}");
}
