//! The advice on the terminal: where the time goes, what gains something, and the lines to write.

use std::path::Path;

use fsreplay_results::advise::{Advise, Move, Reason, Tried};
use fsreplay_results::{LEVEL, Verdict};

use crate::term::{self, Text};
use crate::{say, text};

/// For the terminal. The trace is where the user has it.
pub fn text(advice: &Advise, trace: &Path) -> Text {
    let mut out = text!(
        "{}\nas it lies now, on {}: {}\n",
        advice.trace.command.join(" "),
        advice.baseline.name,
        term::seconds(advice.baseline.seconds.value),
    );
    if let Some(share) = &advice.share {
        say!(out, "\n{}", share.sentence);
    }
    let rows = advice.directories.iter().map(|directory| {
        vec![
            term::shortened(&directory.path, 60),
            format!("{:.0} %", directory.share * 100.0),
            term::seconds(directory.seconds),
            term::count(directory.count),
        ]
    });
    if !advice.directories.is_empty() {
        let header = ["where its calls are", "share", "time", "calls"];
        say!(out, "\n{}", term::table(&header, rows.collect()));
    }
    if !advice.tried.is_empty() {
        say!(out, "\n{}", table(advice, advice.tried.iter()));
    }
    say!(out, "\n{}", term::strong(&advice.sentence));
    if let Some(best) = advice.best() {
        out.push(&instructions(advice, best));
    }
    if let Some(command) = command(advice, trace) {
        say!(out, "to see it: {}", command);
    }
    out
}

/// What shows the difference that the advice makes, call by call.
fn command(advice: &Advise, trace: &Path) -> Option<String> {
    let paths = &advice.best()?.paths;
    // A comma divides what `--move` takes.
    if paths.iter().any(|path| path.contains(',')) {
        return None;
    }
    let trace = trace.to_string_lossy();
    let trace = if trace.starts_with('-') {
        format!("./{trace}")
    } else {
        trace.into_owned()
    };
    Some(format!(
        "fsreplay compare {} --move {}",
        quoted(&trace),
        quoted(&paths.join(","))
    ))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@,=:".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What everything takes as it lies now, and with each of those that were tried. Paths are told
/// below the workspace, so that the table fits a terminal.
fn table<'t>(advice: &'t Advise, tried: impl Iterator<Item = &'t Tried>) -> Text {
    let now = vec![
        "as it lies now".to_owned(),
        advice.baseline.name.clone(),
        term::seconds(advice.baseline.seconds.value),
        "1.00".to_owned(),
        String::new(),
        Verdict::Baseline.text().to_owned(),
    ];
    let rows = tried.map(|tried| {
        let seconds = tried.seconds.known().map(term::seconds);
        let ratio = tried.ratio.known().map(|ratio| format!("{ratio:.2}"));
        let interval = tried.ratio.interval();
        vec![
            below(advice, tried),
            tried.to.clone(),
            seconds.unwrap_or_default(),
            ratio.unwrap_or_default(),
            interval.map_or_else(String::new, |(low, high)| format!("{low:.2}–{high:.2}")),
            outcome(tried),
        ]
    });
    let rows = std::iter::once(now).chain(rows).collect();
    let header = ["tried", "on", "takes", "ratio", LEVEL, ""];
    term::aligned_table(&header, rows, |column| (2..5).contains(&column))
}

/// What the advice is made of, for a screen that also shows another measurement.
pub fn table_of_advised(advice: &Advise) -> Text {
    let advised = advice
        .tried
        .iter()
        .filter(|one| one.reason == Reason::Advised);
    table(advice, advised)
}

/// What came of it, in a few words.
fn outcome(tried: &Tried) -> String {
    match (tried.verdict, tried.reason) {
        (Verdict::Faster, reason) => format!("faster: {}", reason.text()),
        (Verdict::NotRanked, reason) => reason.text().into(),
        (verdict, _) => verdict.text().into(),
    }
}

/// What is moved, below the workspace.
fn below(advice: &Advise, tried: &Tried) -> String {
    let workspace = advice.workspace.as_str();
    let names: Vec<&str> = tried
        .paths
        .iter()
        .map(|path| {
            let rest = path.strip_prefix(workspace);
            match rest.and_then(|rest| rest.strip_prefix('/')) {
                Some(rest) => rest,
                None if path == workspace => "the workspace",
                None => path,
            }
        })
        .collect();
    names.join(" and ")
}

/// The lines to write, what each gains, and what to know.
pub fn instructions(advice: &Advise, best: &Move) -> Text {
    let mut out = Text::default();
    if !best.devcontainer.is_empty() {
        say!(out, "\nin devcontainer.json:");
    }
    for (number, line) in best.devcontainer.iter().enumerate() {
        let end = if number + 1 < best.devcontainer.len() {
            ","
        } else {
            ""
        };
        let gains = match number {
            0 => format!("  // {}", gains(advice, best)),
            _ => String::new(),
        };
        say!(out, "    {}{}{}", line, end, gains);
    }
    if !best.compose.is_empty() {
        say!(out, "or in compose.yaml:");
    }
    for line in &best.compose {
        say!(out, "    {}", line);
    }
    for caveat in &best.caveats {
        say!(out, "note: {}", caveat);
    }
    out
}

/// What a move gains; of several directories, also what each gains by itself.
fn gains(advice: &Advise, best: &Move) -> String {
    let whole = format!("gains {}", term::seconds(best.gain_seconds));
    if best.paths.len() < 2 {
        return whole;
    }
    let alone: Vec<String> = best
        .paths
        .iter()
        .map(|path| {
            let single = advice
                .moves
                .iter()
                .find(|gain| gain.to == best.to && gain.paths == [path.as_str()]);
            let gain = single.map_or("nothing certain".into(), |gain| {
                term::seconds(gain.gain_seconds)
            });
            format!("{path} {gain}")
        })
        .collect();
    format!("{whole} (alone: {})", alone.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_of_what_is_advised_only() {
        let path = "/w/deps".to_owned();
        let mut advice = Advise {
            tried: vec![Tried {
                paths: vec![path.clone()],
                ..Tried::default()
            }],
            moves: vec![Move {
                paths: vec![path],
                ..Move::default()
            }],
            ..Advise::default()
        };
        let shown = |advice: &Advise| text(advice, Path::new("t.zst")).as_str().to_owned();
        assert!(!shown(&advice).contains("to see it"), "{}", shown(&advice));
        advice.advised = Some(0);
        let command = "to see it: fsreplay compare t.zst --move /w/deps\n";
        assert!(shown(&advice).ends_with(command), "{}", shown(&advice));
    }
}
