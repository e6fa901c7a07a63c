//! From what was measured to the advice.

use std::collections::BTreeSet;

use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::SCHEMA_VERSION;
use fsreplay_results::advise::{self, Advise, Baseline, Directory};

use super::candidates::{Candidate, below};
use super::lines::{self, Part};
use super::placements::{Layout, Move};
use crate::caveats::{self, Caveat};
use crate::compare::result::{Described, LEAST_FIDELITY, machine};
use crate::compare::targets::Target;
use crate::term;

/// A move that gains something for certain, and how much trouble it is; see [`trouble`].
struct Gain {
    result: advise::Move,
    trouble: u32,
}

/// All that the advice is made of.
pub struct Measured<'a> {
    pub described: Described,
    pub targets: &'a [Target],
    pub baseline: usize,
    pub layout: &'a Layout,
    pub candidates: Vec<Candidate>,
    pub moves: Vec<Move>,
    /// The one of the layout as it is, then one for each move.
    pub plans: &'a [Plan],
    pub rounds: Vec<Vec<Played>>,
    /// What the tool takes with each of them.
    pub series: Vec<Series>,
    /// What is said of targets that can't hold the tree; moves to them are not among the others.
    pub unfit: BTreeSet<String>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Why something wasn't tried on a tmpfs, in a sentence.
pub fn kept(path: &[u8]) -> String {
    format!(
        "{} is not tried on a tmpfs, which is empty after each start: \
         nothing in the trace shows that it can be made anew.",
        text(path)
    )
}

/// What is moved, for people.
pub fn paths(one: &Move) -> String {
    let paths: Vec<String> = one.paths.iter().map(|path| text(path)).collect();
    paths.join(" and ")
}

/// The result of what was measured.
pub fn of(measured: Measured<'_>) -> Advise {
    let base = &measured.series[0];
    let unrecorded = measured.described.unrecorded.caveat();
    let is_withheld = unrecorded.as_ref().is_some_and(|caveat| caveat.withholds);
    let mut moves: Vec<Gain> = measured
        .moves
        .iter()
        .enumerate()
        .filter(|_| !is_withheld)
        .filter_map(|(number, one)| gain(&measured, number + 1, one, base))
        .collect();
    moves.sort_by(|a, b| {
        let seconds = |gain: &Gain| gain.result.seconds.value;
        seconds(a).total_cmp(&seconds(b))
    });
    let directories = measured.candidates.iter().map(|candidate| Directory {
        path: text(&candidate.path),
        share: candidate.share,
        seconds: candidate.seconds,
        count: candidate.count,
    });
    let is_open = measured.series.iter().skip(1).any(|series| {
        let (_, found) = series.beside(base);
        let interval = found.interval();
        interval.is_none_or(|(low, high)| may_gain(low, high, base.time().value))
    });
    let caveats = told(&measured, unrecorded);
    let mut advice = Advise {
        schema_version: SCHEMA_VERSION,
        trace: measured.described.trace,
        machine: machine(),
        baseline: Baseline {
            name: measured.targets[measured.baseline].name.clone(),
            seconds: base.time(),
        },
        directories: directories.collect(),
        advised: advised(&moves),
        moves: moves.into_iter().map(|gain| gain.result).collect(),
        caveats,
        unrecorded: measured.described.unrecorded.calls,
        ..Advise::default()
    };
    advice.sentence = if is_withheld {
        format!("Nothing can be said: {}", advice.caveats.join(" "))
    } else {
        let mut whole = advice.caveats.clone();
        whole.push(answer(&advice, is_open));
        whole.join(" ")
    };
    advice
}

/// The move that is advised.
pub fn best(advice: &Advise) -> Option<&advise::Move> {
    advice.advised.and_then(|number| advice.moves.get(number))
}

fn answer(advice: &Advise, is_open: bool) -> String {
    let now = term::seconds(advice.baseline.seconds.value);
    let Some(best) = best(advice) else {
        if is_open {
            return format!(
                "It can't be told whether any of what was tried is faster than now ({now}): \
                 the rounds differ too much. Try again with more --rounds."
            );
        }
        let found = match advice.moves.first() {
            Some(most) => format!("gains more than {}", term::seconds(most.gain_seconds)),
            None => "is faster".into(),
        };
        return format!("Nothing that was tried {found}: leave everything where it is ({now}).");
    };
    format!(
        "Move {} to {}: {} instead of {now} ({:.1} times faster).",
        best.path,
        best.to,
        term::seconds(best.seconds.value),
        1.0 / best.ratio.value
    )
}

/// What keeps moves from being advised, and what the trace doesn't hold, in sentences.
fn told(measured: &Measured<'_>, unrecorded: Option<Caveat>) -> Vec<String> {
    let moves = measured.moves.iter().enumerate();
    let of_moves = moves.flat_map(|(number, one)| {
        let place = format!("{} with {}", measured.targets[one.target].name, paths(one));
        let told = outcomes(&measured.rounds[number + 1]).into_iter();
        let told = told.filter(|caveat| caveat.withholds);
        told.map(move |caveat| caveats::sentence(Some(&place), &caveat.text))
    });
    let of_trace = unrecorded.map(|caveat| caveats::sentence(None, &caveat.text));
    let unfit = measured.unfit.iter().cloned();
    unfit.chain(of_moves).chain(of_trace).collect()
}

/// What a tool would notice in the round with the most divergences.
fn outcomes(rounds: &[Played]) -> Vec<Caveat> {
    let worst = rounds.iter().max_by_key(|played| played.round.divergences);
    worst.map_or_else(Vec::new, |played| caveats::of_outcomes(&played.groups))
}

/// Moves that gain this share of what the best one gains are as good.
const NEARLY_ALL: f64 = 0.9;

/// What nobody notices in a tool that is run by hand, seconds: no mount is worth it.
const LEAST_GAIN: f64 = 0.005;

/// A ratio from here on is as good as none gained.
const THE_SAME: f64 = 0.95;

/// Whether an interval of ratios holds both no gain and one that is worth a mount.
fn may_gain(low: f64, high: f64, base_seconds: f64) -> bool {
    low < THE_SAME && high >= 1.0 && (1.0 - low) * base_seconds >= LEAST_GAIN
}

/// Of the moves that gain nearly all, that with the least trouble.
fn advised(moves: &[Gain]) -> Option<usize> {
    let most = moves.iter().map(|gain| gain.result.gain_seconds);
    let most = most.fold(0.0, f64::max);
    if most < LEAST_GAIN {
        return None;
    }
    let enough = moves
        .iter()
        .enumerate()
        .filter(|(_, gain)| gain.result.gain_seconds >= most * NEARLY_ALL);
    enough
        .min_by_key(|(_, gain)| gain.trouble)
        .map(|(number, _)| number)
}

/// How much trouble a move is: a directory is less than several, these less than the whole workspace; what outlives the container is
/// less than what doesn't; and what can't be written into devcontainer.json comes last.
fn trouble(one: &Move, workspace: &[u8], class: &str, can_be_written: bool) -> u32 {
    let size = match one.paths.as_slice() {
        [path] if path == workspace => 2,
        [_] => 0,
        _ => 1,
    };
    size * 2 + u32::from(class == "tmpfs") + if can_be_written { 0 } else { 10 }
}

/// What a move gains; `None` if it gains nothing that is certain, or can't be relied on.
fn gain(measured: &Measured<'_>, number: usize, one: &Move, base: &Series) -> Option<Gain> {
    let rounds = &measured.rounds[number];
    let (then, found) = measured.series[number].beside(base);
    let divergences = rounds.iter().map(|played| played.round.divergences).max();
    let divergences = divergences.unwrap_or(0);
    let events = measured.plans[number].coverage.events.max(1);
    // Without an interval nothing is certain.
    if found.high.is_none_or(|high| high >= 1.0)
        || 1.0 - divergences as f64 / (events as f64) < LEAST_FIDELITY
    {
        return None;
    }
    let told = outcomes(rounds);
    if told.iter().any(|caveat| caveat.withholds) {
        return None;
    }
    let target = &measured.targets[one.target];
    let layout = measured.layout;
    let parts: Vec<Part> = one
        .paths
        .iter()
        .map(|path| Part {
            path: text(path),
            below: below(&layout.workspace, path)
                .map_or_else(String::new, text)
                .trim_start_matches('/')
                .to_owned(),
        })
        .collect();
    let mut lines = lines::of(&parts, target);
    lines
        .caveats
        .extend(told.into_iter().map(|caveat| caveat.text));
    for (path, _) in layout.parts.iter().skip(1) {
        if one.paths.contains(path) {
            let path = text(path);
            let caveat =
                format!("{path} is a mount of its own now: take out the line that makes it");
            lines.caveats.push(caveat);
        }
    }
    let now = base.time().value;
    let trouble = trouble(
        one,
        &layout.workspace,
        target.class,
        !lines.devcontainer.is_empty(),
    );
    let result = advise::Move {
        path: paths(one),
        paths: parts.into_iter().map(|part| part.path).collect(),
        to: target.name.clone(),
        class: target.class.to_owned(),
        seconds: then,
        gain_seconds: now - then.value,
        ratio: found,
        divergences,
        devcontainer: lines.devcontainer,
        compose: lines.compose,
        caveats: lines.caveats,
    };
    Some(Gain { result, trouble })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(path: &str, gain_seconds: f64, trouble: u32) -> Gain {
        let result = advise::Move {
            path: path.into(),
            gain_seconds,
            ..advise::Move::default()
        };
        Gain { result, trouble }
    }

    #[test]
    fn a_little_more_is_not_worth_more_trouble() {
        let moves = [moved("/w", 10.0, 4), moved("/w/deps", 9.5, 0)];
        assert_eq!(advised(&moves), Some(1));
        let moves = [moved("/w", 10.0, 4), moved("/w/deps", 5.0, 0)];
        assert_eq!(advised(&moves), Some(0));
        assert_eq!(advised(&[]), None);
        assert_eq!(advised(&[moved("/w", 0.000_15, 0)]), None);
    }

    #[test]
    fn what_may_gain_is_not_said_to_gain_nothing() {
        assert!(may_gain(0.6, 1.3, 1.0));
        assert!(!may_gain(0.97, 1.3, 1.0), "the same or slower");
        assert!(!may_gain(0.6, 0.9, 1.0), "a gain for certain");
        assert!(!may_gain(0.6, 1.3, 0.001), "too little to be noticed");
    }

    #[test]
    fn one_directory_on_a_volume_is_the_least_trouble() {
        let one = |paths: &[&str]| Move {
            paths: paths.iter().map(|path| path.as_bytes().to_vec()).collect(),
            target: 0,
        };
        let order = [
            trouble(&one(&["/w/a"]), b"/w", "volume", true),
            trouble(&one(&["/w/a"]), b"/w", "tmpfs", true),
            trouble(&one(&["/w/a", "/w/b"]), b"/w", "volume", true),
            trouble(&one(&["/w"]), b"/w", "volume", true),
            trouble(&one(&["/w/a"]), b"/w", "other", false),
        ];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    }
}
