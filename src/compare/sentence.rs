//! The answer of a comparison to "what should I change?", in a sentence.

use fsreplay_results::Verdict;
use fsreplay_results::compare::{Compare, Target};

use super::result::LEAST_FIDELITY;
use crate::term;

/// The sentence; `is_withheld` if the trace lacks so much that nothing is ranked.
pub fn sentence(comparison: &Compare, is_withheld: bool) -> String {
    let Some(base) = comparison.target(&comparison.baseline) else {
        return String::new();
    };
    if is_withheld {
        return format!("Nothing can be said: {}", comparison.caveats.join(" "));
    }
    let fidelity = base.fidelity.unwrap_or(0.0);
    if fidelity < LEAST_FIDELITY {
        return format!("Nothing can be said: {}", why_unfaithful(base, fidelity));
    }
    let mut whole = comparison.caveats.clone();
    whole.push(answer(comparison, base));
    // What keeps a target from its rank may have been said already.
    let unranked = comparison.targets.iter();
    let unranked = unranked.filter(|target| target.is_unranked() && !is_told(target));
    whole.extend(unranked.map(why_unranked));
    whole.join(" ")
}

fn answer(comparison: &Compare, base: &Target) -> String {
    let command = comparison.trace.command.join(" ");
    let what = match comparison.timing.as_str() {
        "recorded" => match &comparison.phase {
            Some(phase) => format!("{phase} of {command}"),
            None => command,
        },
        _ => format!("the file-system part of {command}"),
    };
    let what = beginning(&what, 60);
    let with = |verdict: Verdict| {
        let targets = comparison.targets.iter();
        targets.filter(move |target| target.ratio.verdict == verdict)
    };
    let best = with(Verdict::Faster).min_by(|a, b| a.seconds.value.total_cmp(&b.seconds.value));
    let now = term::seconds(base.seconds.value);
    if let Some(best) = best {
        return format!(
            "On {} {what} would take {} instead of {now} on {} ({:.1} times faster).",
            best.name,
            term::seconds(best.seconds.value),
            base.name,
            1.0 / best.ratio.estimate.value
        );
    }
    // Nobody is told to leave it where it is while something may be faster.
    let open: Vec<&Target> = with(Verdict::CannotTell).collect();
    if let Some(first) = open.first() {
        let names: Vec<&str> = open.iter().map(|target| target.name.as_str()).collect();
        let (names, verb) = (
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" },
        );
        let reason = first.ratio.reason.as_deref().unwrap_or_default();
        let whose = if open.len() == 1 {
            String::new()
        } else {
            format!("on {} ", first.name)
        };
        return format!(
            "Whether {names} {verb} faster than {} ({now}) for {what} can't be told: {whose}{reason}.",
            base.name
        );
    }
    let is_one = with(Verdict::Same).chain(with(Verdict::Slower)).next();
    if is_one.is_some() {
        format!(
            "Nothing here is faster than {} ({now}) for {what}: leave it where it is.",
            base.name
        )
    } else {
        // Of those without a rank nothing can be said, not even that they are no faster.
        format!("On {} {what} would take {now}.", base.name)
    }
}

/// A command cut to a width: its beginning tells more.
pub fn beginning(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= width && line.len() == text.len() {
        return text.to_owned();
    }
    let kept: String = line.chars().take(width).collect();
    format!("{kept}…")
}

/// Whether the reason why a target has no rank is one of its caveats.
fn is_told(target: &Target) -> bool {
    let reason = target.ratio.reason.as_ref();
    reason.is_some_and(|reason| target.caveats.contains(reason))
}

/// Why a target has no rank.
fn why_unranked(target: &Target) -> String {
    let reason = target.ratio.reason.as_deref().unwrap_or_default();
    format!("{} is not ranked: {reason}.", target.name)
}

/// Why nothing can be compared with a target.
fn why_unfaithful(target: &Target, fidelity: f64) -> String {
    let cause = target.causes.first();
    let mostly = cause.map_or_else(String::new, |cause| {
        format!(" (most of the others: {}, {})", cause.call, cause.cause)
    });
    format!(
        "only {:.1} % of the outcomes on {} were as recorded{mostly}.",
        fidelity * 100.0,
        target.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_results::compare::Ratio;
    use fsreplay_results::{Estimate, Trace};

    fn target(name: &str, seconds: f64, verdict: Verdict) -> Target {
        Target {
            name: name.into(),
            seconds: Estimate::within(seconds, seconds, seconds),
            ratio: Ratio {
                estimate: Estimate::within(seconds / 2.0, 0.1, 3.0),
                verdict,
                reason: Some("why".into()),
                ..Ratio::default()
            },
            fidelity: Some(1.0),
            ..Target::default()
        }
    }

    fn said(targets: &[Target]) -> String {
        let mut all = vec![target("disk", 2.0, Verdict::Baseline)];
        all.extend_from_slice(targets);
        let comparison = Compare {
            trace: Trace {
                command: vec!["tool".into()],
                ..Trace::default()
            },
            timing: "recorded".into(),
            baseline: "disk".into(),
            targets: all,
            ..Compare::default()
        };
        sentence(&comparison, false)
    }

    #[test]
    fn only_what_is_certain_is_said() {
        let faster = target("volume", 0.5, Verdict::Faster);
        let (same, slower) = (
            target("a", 2.0, Verdict::Same),
            target("b", 9.0, Verdict::Slower),
        );
        let open = target("share", 1.5, Verdict::CannotTell);
        assert_eq!(
            said(&[faster, open.clone()]),
            "On volume tool would take 500 ms instead of 2.00 s on disk (4.0 times faster)."
        );
        assert_eq!(
            said(&[same.clone(), slower.clone()]),
            "Nothing here is faster than disk (2.00 s) for tool: leave it where it is."
        );
        assert_eq!(
            said(&[same, slower, open]),
            "Whether share is faster than disk (2.00 s) for tool can't be told: why."
        );
        assert_eq!(
            said(&[target("x", 1.0, Verdict::NotRanked)]),
            "On disk tool would take 2.00 s. x is not ranked: why."
        );
    }
}
