//! What `why` found, on one screen: the answer last, with the lines to write.

use fsreplay_results::inspect::Inspect;
use fsreplay_results::why::Why;

use super::{BY_SIGNAL, FINDINGS};
use crate::args::trace::TraceArgs;
use crate::inspect::findings;
use crate::term::{self, Text};
use crate::{advise, compare, say, text};

/// Pollers that have a line.
const POLLERS: usize = 2;

/// The screen.
pub fn screen(why: &Why, trace: &TraceArgs) -> Text {
    let mut out = heading(why);
    out.push(&waste(&why.inspect));
    if let Some(compared) = &why.compare {
        out.push(&text!(
            "\nthe workspace on other mounts\n\n{}\n{}",
            compare::view::table(compared),
            compare::view::legend(compared)
        ));
    }
    let advised = why
        .advise
        .as_ref()
        .and_then(|advice| Some((advice, advice.best()?)));
    if let Some((advice, _)) = advised {
        out.push(&text!(
            "\nwhat to move, in rounds of its own\n\n{}\n",
            advise::view::table_of_advised(advice)
        ));
    }
    say!(out, "\n{}", term::strong(&why.sentence));
    if why.interrupted {
        say!(
            out,
            "ended early: the rounds so far count, and not all may have been looked for"
        );
    }
    if let Some((advice, best)) = advised {
        out.push(&advise::view::instructions(advice, best));
    }
    say!(
        out,
        "\nmore: fsreplay inspect, compare --precise or advise {}",
        trace.path.display().to_string()
    );
    out
}

fn heading(why: &Why) -> Text {
    let mut out = text!(
        "{}\n{} events, recorded in {}\n",
        term::shortened(&why.trace.command.join(" "), 78),
        term::count(why.inspect.events),
        term::seconds(why.inspect.elapsed_seconds)
    );
    if (why.inspect.share.as_ref()).is_some_and(|share| share.recorded_elsewhere) {
        say!(
            out,
            "not known to be of this machine and kernel: what it computed where it was recorded \
             is taken for what it computes here"
        );
    }
    for caveat in &why.inspect.caveats {
        say!(out, "{}", term::strong(caveat));
    }
    if let Some(status) = why.status.filter(|status| *status != 0) {
        let meaning = if status > BY_SIGNAL {
            format!(" (signal {})", status - BY_SIGNAL)
        } else {
            String::new()
        };
        say!(
            out,
            "it ended with status {}{}: this is what it did until then",
            status,
            meaning
        );
    }
    let timeline = &why.inspect.timeline;
    if timeline.phases.len() > 1 {
        let phases: Vec<String> = timeline
            .phases
            .iter()
            .take(4)
            .map(|phase| format!("{} {}", phase.name, term::seconds(phase.busy_seconds)))
            .collect();
        say!(
            out,
            "worked {} ({}), waited {} for the outside",
            term::seconds(timeline.busy_seconds),
            phases.join(", "),
            term::seconds(timeline.waiting_seconds)
        );
    }
    out
}

/// What the tool does without need.
fn waste(inspection: &Inspect) -> Text {
    let mut out = Text::default();
    let all = inspection.totals.file_system.seconds;
    for finding in inspection.findings.iter().take(FINDINGS) {
        out.push(&findings::brief(finding, all));
    }
    for polling in inspection.timeline.polling.iter().take(POLLERS) {
        say!(
            out,
            "• {} polls {}, {:.0} calls a second, {:.1} % of a processor: {}",
            polling.program,
            polling.directory.as_deref().unwrap_or("for nothing"),
            polling.calls_per_second,
            polling.processor_share * 100.0,
            polling.note
        );
    }
    if out.as_str().is_empty() {
        return out;
    }
    text!("\nwhat it does without need, by the time it took\n{}", out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::advise::{Advise, Baseline, Move, Reason, Tried};
    use fsreplay_results::compare::Compare;
    use fsreplay_results::{Estimate, Verdict};

    #[test]
    fn times_of_the_answer_stand_in_a_table_above_it() {
        let advised = Tried {
            paths: vec!["/w/deps".into()],
            to: "memory".into(),
            seconds: Estimate::within(0.0627, 0.06, 0.065),
            ratio: Estimate::within(0.323, 0.31, 0.34),
            verdict: Verdict::Faster,
            reason: Reason::Advised,
            ..Tried::default()
        };
        let other = Tried {
            reason: Reason::MoreTrouble,
            to: "volume".into(),
            ..advised.clone()
        };
        let advice = Advise {
            baseline: Baseline {
                name: "root".into(),
                seconds: Estimate::within(0.194, 0.19, 0.2),
            },
            workspace: "/w".into(),
            tried: vec![other, advised],
            moves: vec![Move::default()],
            advised: Some(0),
            ..Advise::default()
        };
        let why = Why {
            compare: Some(Compare::default()),
            advise: Some(advice),
            sentence: "the answer".into(),
            ..Why::default()
        };
        let shown = screen(&why, &TraceArgs::usual("t".into()));
        let (above, _) = shown.as_str().split_once("the answer").expect("an answer");
        let (_, above) = above.split_once("what to move").expect("a table of it");
        for part in [
            "as it lies now",
            "194 ms",
            "deps",
            "memory",
            "62.7 ms",
            "0.32",
        ] {
            assert!(above.contains(part), "{part}: {above}");
        }
        assert!(!above.contains("volume"), "{above}");
    }
}
