//! Bars of time with their rounds and intervals, and ratios with theirs: one row for each target.

use super::{axis, grid, image, percent, scale::Scale};
use crate::html::Html;
use crate::units;
use fsreplay_results::compare::Target;
use fsreplay_results::{Estimate, LEVEL, Verdict};

/// Rounds shown as dots; more would run into each other.
const DOTS: usize = 60;

/// The scale that bars and intervals of these targets fit on.
pub fn scale_of<'a>(targets: impl Iterator<Item = &'a Target>) -> Scale {
    let most = targets
        .flat_map(|target| {
            let interval = target.seconds.interval().map(|(_, high)| high);
            let rounds = target.rounds.iter().copied();
            rounds.chain(interval).chain(target.seconds.known())
        })
        .filter(|seconds| seconds.is_finite())
        .fold(0.0, f64::max);
    Scale::seconds(most)
}

/// The class that colours a target by its verdict.
pub fn tone(target: &Target) -> &'static str {
    match target.ratio.verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Baseline => "baseline",
        Verdict::Same | Verdict::Within => "same",
        Verdict::CannotTell | Verdict::NotRanked => "unranked",
    }
}

/// Name, kind and file system of a target.
pub fn label(html: &mut Html, target: &Target) {
    html.element("div", &[("class", "label")], |html| {
        html.text_element("span", &[("class", "name")], &target.name);
        let mut about = vec![];
        for text in [&target.class, &target.fs_type] {
            if !text.is_empty() && *text != target.name && !about.contains(&text.as_str()) {
                about.push(text.as_str());
            }
        }
        html.text_element("span", &[("class", "about")], &about.join(" · "));
    });
}

/// The row of one target's time.
pub fn bar(html: &mut Html, target: &Target, scale: &Scale) {
    let seconds = target.seconds.known();
    let interval = target.seconds.interval();
    let shown = seconds.map_or("no round was finished".into(), units::seconds);
    let title = format!("{}: {shown}", target.name);
    image(html, "plot", &title, &spread(target), |html| {
        grid(html, scale);
        if let Some(seconds) = seconds {
            let class = format!("bar {}", tone(target));
            let width = percent(scale.position(seconds));
            html.empty(
                "rect",
                &[
                    ("class", &class),
                    ("y", "5"),
                    ("width", &width),
                    ("height", "15"),
                    ("rx", "2"),
                ],
            );
        }
        let step = target.rounds.len().div_ceil(DOTS).max(1);
        for round in target.rounds.iter().step_by(step).filter(|s| s.is_finite()) {
            let x = percent(scale.position(*round));
            html.empty(
                "circle",
                &[("class", "dot"), ("cx", &x), ("cy", "27"), ("r", "2")],
            );
        }
        if let Some((low, high)) = interval {
            whisker(html, scale, low, high, "12.5");
        }
    });
}

/// What there is to say of the spread of a target's rounds.
pub fn spread(target: &Target) -> String {
    let rounds = units::of(target.rounds.len() as u64, "round", "rounds");
    match target.seconds.interval() {
        Some((low, high)) => format!(
            "interval at {LEVEL}: {} to {}, {rounds}",
            units::seconds(low),
            units::seconds(high)
        ),
        None => format!("{rounds}: too few for an interval"),
    }
}

/// The row of one ratio.
pub fn ratio(html: &mut Html, target: &Target, scale: &Scale) {
    let ratio = &target.ratio.estimate;
    let title = format!(
        "{}: {} times the time on {}",
        target.name,
        units::ratio(ratio.value),
        target.ratio.to
    );
    image(html, "plot thin", &title, &interval_text(ratio), |html| {
        grid(html, scale);
        let one = percent(scale.position(1.0));
        html.empty(
            "line",
            &[
                ("class", "one"),
                ("x1", &one),
                ("x2", &one),
                ("y1", "0"),
                ("y2", "100%"),
            ],
        );
        if let (Some(low), Some(high)) = (ratio.low, ratio.high) {
            whisker(html, scale, low, high, "12");
        }
        let class = format!("point {}", tone(target));
        let x = percent(scale.position(ratio.value));
        html.empty(
            "circle",
            &[("class", &class), ("cx", &x), ("cy", "12"), ("r", "5")],
        );
    });
}

/// The interval of a ratio.
pub fn interval_text(ratio: &Estimate) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!(
            "interval at {LEVEL}: {} to {}",
            units::ratio(low),
            units::ratio(high)
        ),
        _ => "no interval".into(),
    }
}

/// The row of tick labels, under the plots.
pub fn axis_row(html: &mut Html, scale: &Scale, class: &'static str) {
    html.element(
        "div",
        &[("class", class), ("aria-hidden", "true")],
        |html| {
            html.empty_div("label");
            axis(html, scale);
            html.empty_div("value");
        },
    );
}

fn whisker(html: &mut Html, scale: &Scale, low: f64, high: f64, y: &str) {
    let (low, high) = (percent(scale.position(low)), percent(scale.position(high)));
    html.empty(
        "line",
        &[
            ("class", "whisker"),
            ("x1", &low),
            ("x2", &high),
            ("y1", y),
            ("y2", y),
        ],
    );
    for x in [&low, &high] {
        html.empty(
            "line",
            &[
                ("class", "whisker"),
                ("x1", x),
                ("x2", x),
                ("y1", "8"),
                ("y2", "17"),
            ],
        );
    }
}
