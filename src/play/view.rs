//! A plan and a replay on the terminal.

use fsreplay_compare::caveats::errno_name;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::play::{Coverage, Play, Round};

use crate::term::{self, Text};
use crate::{say, text};

/// What a plan would do.
pub fn plan(plan: &Plan) -> Text {
    let c = &plan.coverage;
    text!(
        "{} events: {} would be issued by {} threads, {}\ntree: {} entries, up to {} in {} \
         inodes\n{}nothing was written\n",
        term::count(c.events),
        term::count(c.issued),
        plan.lanes.len(),
        untouched(c),
        term::count(plan.tree.len() as u64),
        term::bytes(plan.peak_bytes),
        term::count(plan.peak_inodes),
        notes(&plan.notes),
    )
}

fn untouched(c: &Coverage) -> String {
    let mut parts = vec![format!(
        "{} on pseudo file systems and {} on pipes, sockets and the like are tracked only",
        term::count(c.pseudo),
        term::count(c.other)
    )];
    for (count, what) in [
        (c.skipped, "skipped"),
        (c.unresolved, "could not be resolved"),
        (c.unfinished, "never returned"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", term::count(count)));
        }
    }
    parts.join(", ")
}

fn notes(notes: &[(String, u64)]) -> Text {
    let mut out = Text::default();
    for (note, count) in notes {
        say!(out, "note: {} ({})", note, term::count(*count));
    }
    out
}

/// What came of a replay.
pub fn text(result: &Play, verbose: bool) -> Text {
    let mut out = Text::default();
    let Some(last) = result.rounds.last() else {
        return out;
    };
    for caveat in &result.caveats {
        say!(out, "{}", term::strong(caveat));
    }
    out.push(&calls(last, verbose));
    say!(out);
    for target in &result.targets {
        say!(out, "{} on {}", target.recorded, target.path);
    }
    out.push(&time(result, last));
    out.push(&outcomes(result, verbose));
    if last.left_out > 0 {
        say!(
            out,
            "{} calls left out: this file system clones files, so that the tool would not have \
             copied them",
            term::count(last.left_out)
        );
    }
    out.push(&notes(&result.notes));
    for path in &result.kept {
        say!(out, "the tree is kept in {}", path);
    }
    out
}

/// The calls of a round, those that took the longest first.
fn calls(round: &Round, verbose: bool) -> Text {
    let mut out = Text::default();
    let most = if verbose { usize::MAX } else { 12 };
    let rows = round
        .calls
        .iter()
        .take(most)
        .map(|call| {
            vec![
                call.name.to_string(),
                term::count(call.count),
                term::count(call.errors),
                term::seconds(call.total_seconds),
                term::nanoseconds(call.p50_ns),
                term::nanoseconds(call.p99_ns),
                term::nanoseconds(call.max_ns),
            ]
        })
        .collect();
    say!(
        out,
        "{}",
        term::table(
            &["call", "events", "failed", "time", "median", "99 %", "max"],
            rows
        )
    );
    if round.calls.len() > most {
        say!(out, "  … and {} more calls (-v)", round.calls.len() - most);
    }
    out
}

/// How many events were issued, and what came out differently.
fn outcomes(result: &Play, verbose: bool) -> Text {
    let mut out = Text::default();
    let c = &result.coverage;
    say!(
        out,
        "{} of {} events issued ({}); {}",
        term::count(c.issued),
        term::count(c.events),
        term::percent(c.issued, c.events),
        untouched(c)
    );
    say!(
        out,
        "{} outcomes as recorded, {}",
        term::percent(c.events.saturating_sub(result.divergences), c.events),
        term::counted(result.divergences, "divergence", "divergences")
    );
    for group in &result.divergence_groups {
        say!(
            out,
            "  {} × {}: {}",
            term::count(group.count),
            group.call,
            group.cause
        );
        for example in group.examples.iter().take(if verbose { 5 } else { 1 }) {
            say!(
                out,
                "      event {} {}: recorded {}, replayed {}",
                example.event,
                example.path,
                outcome(example.expected),
                outcome(example.got)
            );
        }
    }
    out
}

/// What the rounds took, and what that stands for.
fn time(result: &Play, last: &Round) -> Text {
    let what = match (&result.prediction, result.timing.as_str()) {
        (Some(_), _) => "prediction: the tool would take".to_owned(),
        (None, "fast") => "file-system time only:".to_owned(),
        (None, timing) => format!("time with the tool's own ({timing}):"),
    };
    let mut out = text!("{} {}", what, term::seconds(result.seconds.value));
    let rounds: Vec<String> = result
        .wall_seconds
        .iter()
        .map(|s| term::seconds(*s))
        .collect();
    if rounds.len() > 1 {
        out.push(&text!(" (of rounds of {})", rounds.join(", ")));
    }
    say!(
        out,
        ", {}; making the tree took {}",
        term::counted(result.threads, "thread", "threads"),
        term::seconds(last.prepare_seconds)
    );
    match result
        .prediction
        .as_ref()
        .map(|prediction| prediction.basis.as_str())
    {
        None | Some("calibrated") => {}
        Some(basis) => {
            let why = match basis {
                "clock" => "the recorder could not tell computing from waiting",
                _ => "recording itself slows a tool down a little more than is taken out",
            };
            say!(
                out,
                "a rough prediction ({}); record --calibrate makes it better",
                why
            );
        }
    }
    out
}

fn outcome(value: i64) -> String {
    if (-4095..0).contains(&value) {
        errno_name(-value as i32)
    } else {
        value.to_string()
    }
}
