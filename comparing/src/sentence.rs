//! The answer of a comparison to "what should I change?", in a sentence.

use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::{PAPER_ERROR, Verdict};
use fsreplay_shown::figures::{self, beginning};

use crate::caveats::LEAST_FIDELITY;

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
    let unranked = comparison
        .targets
        .iter()
        .filter(|target| target.is_unranked() && !is_told(target));
    whole.extend(unranked.map(why_unranked));
    whole.join(" ")
}

fn answer(comparison: &Compare, base: &Target) -> String {
    let words = Words::of(comparison, base);
    let others = |which: &dyn Fn(&Target) -> bool| -> Vec<&Target> {
        let others = comparison.targets.iter();
        others.filter(|target| which(target)).collect()
    };
    let best = fastest(&others(&|_| true));
    match best {
        Some(best) if best.keeps_files() => words.gain(best),
        Some(best) => {
            let kept = others(&|target| target.keeps_files() && target.name != base.name);
            let next = if let Some(next) = fastest(&kept) {
                words.gain(next)
            } else if kept.is_empty() {
                format!(
                    "No other mount here keeps files: leave it on {}.",
                    base.name
                )
            } else {
                words.without_gain(&kept, "Of mounts that keep files, none is")
            };
            let gain = words.gain(best);
            format!("{gain} But what lies there is gone after a restart. {next}")
        }
        None => words.without_gain(&others(&|_| true), "Nothing here is"),
    }
}

/// The one that is faster and takes least.
fn fastest<'t>(targets: &[&'t Target]) -> Option<&'t Target> {
    let faster = targets
        .iter()
        .copied()
        .filter(|target| target.ratio.verdict == Verdict::Faster);
    faster.min_by(|a, b| a.seconds.value.total_cmp(&b.seconds.value))
}

/// How things are called in the answer.
struct Words<'c> {
    /// The command, or what of it the times are of.
    what: String,
    /// Whether that time is what it works, and it waits besides.
    is_of_work: bool,
    base: &'c Target,
    now: String,
}

impl<'c> Words<'c> {
    fn of(comparison: &Compare, base: &'c Target) -> Words<'c> {
        let command = comparison.trace.command.join(" ");
        let what = match comparison.timing.as_str() {
            "recorded" => match &comparison.phase {
                Some(phase) => format!("{phase} of {command}"),
                None => command,
            },
            _ => format!("the file-system part of {command}"),
        };
        Words {
            what: beginning(&what, 60),
            is_of_work: comparison.is_of_work(),
            base,
            now: figures::seconds(base.seconds.value),
        }
    }

    /// What it does in that time.
    fn verb(&self) -> &'static str {
        if self.is_of_work { "work" } else { "take" }
    }

    /// The baseline's time, where no verb says what it is.
    fn now(&self) -> String {
        let of_work = if self.is_of_work { " of work" } else { "" };
        format!("{}{of_work}", self.now)
    }

    fn gain(&self, best: &Target) -> String {
        let not_counted = if self.is_of_work {
            ", waiting for the outside not counted"
        } else {
            ""
        };
        format!(
            "On {} {} would {} {} instead of {} on {} ({:.1} times faster){not_counted}.",
            best.name,
            self.what,
            self.verb(),
            figures::seconds(best.seconds.value),
            self.now,
            self.base.name,
            1.0 / best.ratio.estimate.value
        )
    }

    /// Where none of those is faster for certain; `none` is the beginning of the sentence that says
    /// so.
    fn without_gain(&self, targets: &[&Target], none: &str) -> String {
        let with = |is: &dyn Fn(Verdict) -> bool| -> Vec<&Target> {
            let with = targets.iter().filter(|target| is(target.ratio.verdict));
            with.copied().collect()
        };
        let (what, now, base) = (&self.what, self.now(), &self.base.name);
        // Nobody is told to leave it where it is while something may be faster.
        let open = with(&|verdict| verdict == Verdict::CannotTell);
        if let Some(first) = open.first() {
            return self.open(&open, first);
        }
        if !with(&|verdict| verdict == Verdict::Within).is_empty() {
            let error = 100.0 * PAPER_ERROR;
            return format!(
                "{none} faster than {base} ({now}) for {what} by more than the {error} % below \
                 which times on paper tell nothing: leave it where it is, or let compare \
                 --precise measure."
            );
        }
        let is_told = |verdict: Verdict| verdict.is_even() || verdict == Verdict::Slower;
        if with(&is_told).is_empty() {
            // Of those without a rank nothing can be said, not even that they are no faster.
            format!("On {base} {what} would {} {}.", self.verb(), self.now)
        } else {
            format!("{none} faster than {base} ({now}) for {what}: leave it where it is.")
        }
    }

    fn open(&self, open: &[&Target], first: &Target) -> String {
        let names: Vec<&str> = open.iter().map(|target| target.name.as_str()).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let reason = first.ratio.reason.as_deref().unwrap_or_default();
        let whose = if open.len() == 1 {
            String::new()
        } else {
            format!("on {} ", first.name)
        };
        format!(
            "Whether {} {verb} faster than {} ({}) for {} can't be told: {whose}{reason}.",
            names.join(", "),
            self.base.name,
            self.now(),
            self.what
        )
    }
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
    use fsreplay_results::compare::{Method, Ratio};
    use fsreplay_results::timeline::Phase;
    use fsreplay_results::{Estimate, FileShare, Trace};

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

    fn comparison(targets: &[Target]) -> Compare {
        let mut all = vec![target("disk", 2.0, Verdict::Baseline)];
        all.extend_from_slice(targets);
        Compare {
            trace: Trace {
                command: vec!["tool".into()],
                ..Trace::default()
            },
            timing: "recorded".into(),
            baseline: "disk".into(),
            targets: all,
            ..Compare::default()
        }
    }

    fn said(targets: &[Target]) -> String {
        sentence(&comparison(targets), false)
    }

    #[test]
    fn memory_is_told_with_what_it_loses_and_before_what_keeps_files() {
        let memory = Target {
            fs_type: "tmpfs".into(),
            ..target("tmpfs", 0.25, Verdict::Faster)
        };
        let begins = "On tmpfs tool would take 250 ms instead of 2.00 s on disk (8.0 times \
            faster). \
                      But what lies there is gone after a restart. ";
        let slower = target("share", 9.0, Verdict::Slower);
        let told = said(&[slower, memory.clone()]);
        assert_eq!(
            told.strip_prefix(begins),
            Some(
                "Of mounts that keep files, none is faster than disk (2.00 s) for tool: leave it \
                 where it is."
            ),
            "{told}"
        );
        let told = said(&[memory.clone(), target("volume", 0.5, Verdict::Faster)]);
        let next = "On volume tool would take 500 ms instead of 2.00 s on disk (4.0 times faster).";
        assert_eq!(told.strip_prefix(begins), Some(next), "{told}");
        let told = said(std::slice::from_ref(&memory));
        let alone = "No other mount here keeps files: leave it on disk.";
        assert_eq!(told.strip_prefix(begins), Some(alone), "{told}");
        let told = said(&[memory, target("share", 1.0, Verdict::CannotTell)]);
        assert!(
            told.starts_with(begins) && told.contains("can't be told: why."),
            "{told}"
        );
    }

    #[test]
    fn on_paper_nothing_is_called_the_same() {
        let told = said(&[
            target("a", 2.0, Verdict::Within),
            target("b", 9.0, Verdict::Slower),
        ]);
        assert_eq!(
            told,
            "Nothing here is faster than disk (2.00 s) for tool by more than the 10 % below which \
             times on paper tell nothing: leave it where it is, or let compare --precise measure."
        );
    }

    #[test]
    fn what_is_work_is_called_work() {
        let mut phased = comparison(&[target("volume", 0.5, Verdict::Faster)]);
        phased.method = Method::Paper;
        phased.phases = vec![Phase::default(), Phase::default()];
        assert_eq!(
            sentence(&phased, false),
            "On volume tool would work 500 ms instead of 2.00 s on disk (4.0 times faster), \
             waiting \
             for the outside not counted."
        );
        phased.targets[1].ratio.verdict = Verdict::Slower;
        let told = sentence(&phased, false);
        assert!(
            told.contains("faster than disk (2.00 s of work) for tool"),
            "{told}"
        );
        phased.targets[1].ratio.verdict = Verdict::Faster;
        // So also where it waits, and there is one phase only.
        phased.phases.clear();
        assert!(!sentence(&phased, false).contains("work"));
        phased.share = Some(FileShare {
            seconds: 3.0,
            outside_seconds: 1.0,
            ..FileShare::default()
        });
        assert!(sentence(&phased, false).contains("would work 500 ms"));
        // By the clock it is what it takes.
        phased.method = Method::Paced;
        assert!(sentence(&phased, false).contains("would take 500 ms"));
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
