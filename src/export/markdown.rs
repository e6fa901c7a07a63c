//! Results as a table in Markdown, for pull requests.

use fsreplay_results::advise::Advise;
use fsreplay_results::compare::Compare;
use fsreplay_results::{Estimate, LEVEL, Verdict};
use fsreplay_shown::shown;

use crate::term;

/// The sentence, and a row for each target.
pub fn compare(result: &Compare) -> String {
    let time = match result.timing.as_str() {
        "recorded" if result.is_of_work() => "the tool works",
        "recorded" => "the tool takes",
        _ => "the replay takes",
    };
    let mut out = answer(&result.sentence);
    out.push_str(&head(&["target", time, LEVEL, "ratio", LEVEL, "verdict"]));
    for target in &result.targets {
        let ratio = &target.ratio;
        out.push_str(&row(&[
            name(&target.name),
            seconds(target.seconds.value),
            interval(&target.seconds, term::seconds),
            plain(ratio.estimate.value),
            if ratio.verdict == Verdict::Baseline {
                String::new()
            } else {
                interval(&ratio.estimate, plain)
            },
            ratio.verdict.to_string(),
        ]));
    }
    out
}

/// The sentence, and a row for each directory and mount that was tried, or was not and why.
pub fn advise(result: &Advise) -> String {
    let mut out = answer(&result.sentence);
    if result.tried.is_empty() {
        return out;
    }
    let header = [
        "tried",
        "on",
        "it then takes",
        "ratio",
        LEVEL,
        "verdict",
        "why",
    ];
    out.push_str(&head(&header));
    for one in &result.tried {
        let reason = one.reason.text();
        let why = match &one.detail {
            Some(detail) => format!("{reason}: {detail}"),
            None => reason.to_owned(),
        };
        out.push_str(&row(&[
            name(&one.path),
            name(&one.to),
            seconds(one.seconds.value),
            plain(one.ratio.value),
            interval(&one.ratio, plain),
            one.verdict.to_string(),
            name(&why),
        ]));
    }
    out
}

fn answer(sentence: &str) -> String {
    format!("**{}**\n\n", name(sentence))
}

fn head(titles: &[&str]) -> String {
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let lines = vec!["---".to_owned(); titles.len()];
    row(&titles) + &row(&lines)
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn seconds(value: f64) -> String {
    if value.is_finite() {
        term::seconds(value)
    } else {
        "–".into()
    }
}

fn plain(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.2}")
    } else {
        "–".into()
    }
}

fn interval(estimate: &Estimate, text: impl Fn(f64) -> String) -> String {
    let found = estimate.interval();
    found.map_or_else(String::new, |(low, high)| {
        format!("{}–{}", text(low), text(high))
    })
}

/// A text from outside, shown, with nothing in it that Markdown, HTML or a forge acts on: what
/// could is written as the number of the character, which has no meaning but itself.
fn name(text: &str) -> String {
    let text = shown(text.as_bytes());
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$'
            | '!' | ':' => out.push_str(&format!("&#{};", character as u32)),
            // The space of no width after it keeps a forge from calling the person of that name.
            '@' => out.push_str("&#64;&#8203;"),
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::advise::{Reason, Tried};
    use fsreplay_results::compare::{Ratio, Target};

    fn target(name: &str) -> Target {
        Target {
            name: name.into(),
            seconds: Estimate::within(1.0, 0.9, 1.25),
            ratio: Ratio {
                estimate: Estimate::within(0.5, 0.4, 0.6),
                verdict: Verdict::Faster,
                ..Ratio::default()
            },
            ..Target::default()
        }
    }

    #[test]
    fn a_comparison_is_a_sentence_and_a_table() {
        let result = Compare {
            timing: "recorded".into(),
            sentence: "On disk it is faster.".into(),
            targets: vec![target("disk")],
            ..Compare::default()
        };
        let expected = "**On disk it is faster.**\n\n\
            | target | the tool takes | 99.5 % | ratio | 99.5 % | verdict |\n\
            | --- | --- | --- | --- | --- | --- |\n\
            | disk | 1.00 s | 900 ms–1.25 s | 0.50 | 0.40–0.60 | faster |\n";
        assert_eq!(compare(&result), expected);
    }

    #[test]
    fn what_was_tried_is_a_row_with_its_reason() {
        let kept = Tried {
            path: "/w".into(),
            to: "memory".into(),
            reason: Reason::NotForTmpfs,
            detail: Some("a|b".into()),
            ..Tried::default()
        };
        let text = advise(&Advise {
            tried: vec![kept],
            ..Advise::default()
        });
        let last = text.lines().last();
        let row = "| /w | memory | – | – |  | not ranked | not for a tmpfs&#58; a&#124;b |";
        assert_eq!(last, Some(row));
    }

    #[test]
    fn names_do_nothing_on_a_page() {
        let evil =
            "a|b\n<script>x</script>`*_[l](http://x)![i](y) @someone #1 &lt; \u{1b}[2J\u{202e}";
        let result = Compare {
            sentence: evil.into(),
            targets: vec![target(evil)],
            ..Compare::default()
        };
        let text = compare(&result);
        assert_eq!(text.lines().count(), 5, "{text}");
        let of_target = text.lines().last().expect("a row");
        assert_eq!(of_target.matches('|').count(), 7, "{of_target}");
        let cell = of_target
            .trim_start_matches("| ")
            .split(" | ")
            .next()
            .expect("a cell");
        for wrong in [
            '<', '>', '`', '*', '_', '[', ']', '\\', '!', ':', '@', '\u{1b}', '\u{202e}',
        ] {
            assert!(!cell.contains(wrong), "{wrong:?} in {cell}");
        }
    }
}
