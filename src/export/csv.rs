//! Results as CSV (RFC 4180): numbers in full, times in seconds.

use fsreplay_results::Estimate;
use fsreplay_results::advise::{Advise, Reason};
use fsreplay_results::compare::Compare;
use fsreplay_shown::shown;

/// One row for each target and round.
pub fn compare(result: &Compare) -> String {
    let header = [
        "trace",
        "command",
        "host",
        "target",
        "path",
        "class",
        "fs_type",
        "verdict",
        "round",
        "seconds",
        "wall_seconds",
    ];
    let mut out = line(header.map(str::to_owned));
    let command = name(&result.trace.command.join(" "));
    for target in &result.targets {
        for (index, seconds) in target.rounds.iter().enumerate() {
            let at = |values: &[f64]| number(values.get(index).copied());
            out.push_str(&line([
                name(&result.trace.id),
                command.clone(),
                name(&result.machine.host),
                name(&target.name),
                name(&target.path),
                name(&target.class),
                name(&target.fs_type),
                target.ratio.verdict.to_string(),
                (index + 1).to_string(),
                number(Some(*seconds)),
                at(&target.wall_seconds),
            ]));
        }
    }
    out
}

/// One row for each directory and mount that was tried, or was not and why.
pub fn advise(result: &Advise) -> String {
    let header = [
        "trace",
        "command",
        "host",
        "moved",
        "to",
        "class",
        "seconds",
        "seconds_low",
        "seconds_high",
        "gain_seconds",
        "ratio",
        "ratio_low",
        "ratio_high",
        "divergences",
        "advised",
        "verdict",
        "reason",
        "detail",
    ];
    let mut out = line(header.map(str::to_owned));
    let command = name(&result.trace.command.join(" "));
    for one in &result.tried {
        let [seconds, low, high] = estimate(&one.seconds);
        let [ratio, ratio_low, ratio_high] = estimate(&one.ratio);
        let gain = result.baseline.seconds.value - one.seconds.value;
        out.push_str(&line([
            name(&result.trace.id),
            command.clone(),
            name(&result.machine.host),
            name(&one.path),
            name(&one.to),
            name(&one.class),
            seconds,
            low,
            high,
            number(Some(gain)),
            ratio,
            ratio_low,
            ratio_high,
            one.divergences.map_or_else(String::new, |n| n.to_string()),
            (one.reason == Reason::Advised).to_string(),
            one.verdict.to_string(),
            one.reason.text().to_owned(),
            name(one.detail.as_deref().unwrap_or_default()),
        ]));
    }
    out
}

fn estimate(estimate: &Estimate) -> [String; 3] {
    [Some(estimate.value), estimate.low, estimate.high].map(number)
}

/// A number in full; nothing where there is none.
fn number(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(String::new, |value| value.to_string())
}

/// A name, shown. One that a spreadsheet would compute gets an apostrophe, which makes it a text.
fn name(text: &str) -> String {
    let text = shown(text.as_bytes());
    if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.into_owned()
    }
}

fn line<const N: usize>(cells: [String; N]) -> String {
    let quoted = cells.map(|cell| {
        if cell.contains([',', '"', ' ']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    });
    quoted.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::Verdict;
    use fsreplay_results::advise::{Baseline, Tried};
    use fsreplay_results::compare::Target;

    #[test]
    fn each_round_of_each_target_has_a_row() {
        let target = |name: &str| Target {
            name: name.into(),
            rounds: vec![1.5, 2.0],
            wall_seconds: vec![1.6],
            ..Target::default()
        };
        let result = Compare {
            targets: vec![target("disk"), target("=cmd|'/c x'!A1,\"\r\n\u{1b}[2J")],
            ..Compare::default()
        };
        let text = compare(&result);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(lines[1], ",,,disk,,,,\"not ranked\",1,1.5,1.6");
        assert_eq!(lines[2], ",,,disk,,,,\"not ranked\",2,2,");
        let evil = r#",,,"'=cmd|'/c x'!A1,""\r\n\x1b[2J",,,,"not ranked",1,1.5,1.6"#;
        assert_eq!(lines[3], evil);
    }

    #[test]
    fn all_that_was_tried_has_a_row() {
        let kept = Tried {
            path: "@a".into(),
            reason: Reason::NotForTmpfs,
            detail: Some("a, b".into()),
            ..Tried::default()
        };
        let played = Tried {
            seconds: Estimate::within(1.0, 0.5, 2.0),
            verdict: Verdict::Faster,
            reason: Reason::Advised,
            divergences: Some(0),
            ..Tried::default()
        };
        let result = Advise {
            baseline: Baseline {
                seconds: Estimate::within(3.0, 3.0, 3.0),
                ..Baseline::default()
            },
            tried: vec![played, kept],
            ..Advise::default()
        };
        let text = advise(&result);
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[1], ",,,,,,1,0.5,2,2,,,,0,true,faster,advised,");
        let expected = ",,,'@a,,,,,,,,,,,false,\"not ranked\",\"not for a tmpfs\",\"a, b\"";
        assert_eq!(lines[2], expected);
    }
}
