//! From what was measured to the advice.

use std::collections::BTreeSet;

use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::advise::{self, Advise, Baseline, Directory, Reason, Tried};
use fsreplay_results::{SCHEMA_VERSION, Verdict};

use super::anew::Seen;
use super::candidates::{Candidate, below};
use super::lines::{self, Part};
use super::placements::{Layout, Move};
use super::tried;
use crate::caveats::{self, Caveat};
use crate::compare::result::{Described, machine};
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
    /// Moves to a tmpfs that were not tried, as what is moved can't be made anew.
    pub kept: Vec<Move>,
    /// Moves to targets that can't hold the tree, and why; they are not among the others.
    pub refused: Vec<(Move, String)>,
    /// What was there while the trace was recorded.
    pub seen: &'a Seen,
}

/// Bytes as text, for people.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is moved, for people.
pub fn paths(one: &Move) -> String {
    let paths: Vec<String> = one.paths.iter().map(|path| text(path)).collect();
    paths.join(" and ")
}

/// The result of what was measured.
pub fn of(measured: Measured<'_>) -> Advise {
    let base = &measured.series[0];
    let now = base.time();
    let unrecorded = measured.described.unrecorded.caveat();
    let is_withheld = unrecorded.as_ref().is_some_and(|caveat| caveat.withholds);
    let (mut tried, mut gains) = (Vec::new(), Vec::new());
    for (number, one) in measured.moves.iter().enumerate() {
        let found = tried::played(&measured, number + 1, one, base);
        if found.verdict == Verdict::Faster {
            gains.push(gain(&measured, number + 1, one, &found, now.value));
        }
        tried.push(found);
    }
    gains.sort_by(|a, b| {
        let seconds = |gain: &Gain| gain.result.seconds.value;
        seconds(a).total_cmp(&seconds(b))
    });
    let advised = advised(&gains);
    let moves: Vec<advise::Move> = gains.into_iter().map(|gain| gain.result).collect();
    reasons(&mut tried, &moves, advised);
    let is_open = tried.iter().any(|one| tried::may_gain(one, now.value));
    tried.extend(tried::unplayed(&measured));
    tried::sort(&mut tried);
    let directories = measured.candidates.iter().map(|candidate| Directory {
        path: text(&candidate.path),
        share: candidate.share,
        seconds: candidate.seconds,
        count: candidate.count,
    });
    let caveats = told(&measured, unrecorded);
    let mut advice = Advise {
        schema_version: SCHEMA_VERSION,
        trace: measured.described.trace,
        machine: machine(),
        baseline: Baseline {
            name: measured.targets[measured.baseline].name.clone(),
            seconds: now,
        },
        workspace: text(&measured.layout.workspace),
        directories: directories.collect(),
        tried,
        advised,
        moves,
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

/// Says of each that gains something why it is the advice, or isn't.
fn reasons(tried: &mut [Tried], moves: &[advise::Move], advised: Option<usize>) {
    let most = moves.iter().map(|one| one.gain_seconds).fold(0.0, f64::max);
    for one in tried {
        let same = |other: &advise::Move| other.paths == one.paths && other.to == one.to;
        let Some(number) = moves.iter().position(same) else {
            continue;
        };
        let gain = moves[number].gain_seconds;
        one.reason = if advised == Some(number) {
            Reason::Advised
        } else if gain < LEAST_GAIN {
            Reason::TooLittle
        } else if gain < most * NEARLY_ALL {
            Reason::GainsLess
        } else {
            Reason::MoreTrouble
        };
    }
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
                 the rounds are too few or differ too much. Try again with a larger --budget."
            );
        }
        let found = match advice.moves.first() {
            Some(most) => format!("gains more than {}", term::seconds(most.gain_seconds)),
            None => "is faster".into(),
        };
        let mut text =
            format!("Nothing that was tried {found}: leave everything where it is ({now}).");
        let kept = |one: &Tried| one.reason == Reason::NotForTmpfs;
        if advice.tried.iter().any(kept) {
            text.push_str(
                " A tmpfs was not tried: it is empty after each start, and nothing in the trace \
                 shows that what lies there can be made anew.",
            );
        }
        return text;
    };
    let how = if best.paths == [advice.workspace.as_str()] && lines::is_volume(&best.class) {
        // The name under which people look for it.
        format!(
            "Clone the repository in a container volume (as {} here)",
            best.to
        )
    } else {
        format!("Move {} to {}", best.path, best.to)
    };
    format!(
        "{how}: {} instead of {now} ({:.1} times faster).",
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
    let unfit = measured.refused.iter().map(|(one, why)| {
        let name = &measured.targets[one.target].name;
        format!("{name} is left out: {why}.")
    });
    let unfit: BTreeSet<String> = unfit.collect();
    unfit.into_iter().chain(of_moves).chain(of_trace).collect()
}

/// What a tool would notice in the round with the most divergences.
pub fn outcomes(rounds: &[Played]) -> Vec<Caveat> {
    let worst = rounds.iter().max_by_key(|played| played.round.divergences);
    worst.map_or_else(Vec::new, |played| caveats::of_outcomes(&played.groups))
}

/// Moves that gain this share of what the best one gains are as good.
const NEARLY_ALL: f64 = 0.9;

/// What nobody notices in a tool that is run by hand, seconds: no mount is worth it.
pub const LEAST_GAIN: f64 = 0.005;

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

/// A move that gains something, with the lines to write.
fn gain(measured: &Measured<'_>, number: usize, one: &Move, found: &Tried, now: f64) -> Gain {
    let target = &measured.targets[one.target];
    let layout = measured.layout;
    let parts = one.paths.iter().map(|path| part(measured, path));
    let parts: Vec<Part> = parts.collect();
    let mut lines = lines::of(&parts, &text(&layout.workspace), target);
    let told = outcomes(&measured.rounds[number]).into_iter();
    lines.caveats.extend(told.map(|caveat| caveat.text));
    for (path, _) in layout.parts.iter().skip(1) {
        if one.paths.contains(path) {
            let path = text(path);
            let caveat =
                format!("{path} is a mount of its own now: take out the line that makes it");
            lines.caveats.push(caveat);
        }
    }
    let result = advise::Move {
        path: found.path.clone(),
        paths: found.paths.clone(),
        to: found.to.clone(),
        class: found.class.clone(),
        seconds: found.seconds,
        gain_seconds: now - found.seconds.value,
        ratio: found.ratio,
        divergences: found.divergences.unwrap_or(0),
        devcontainer: lines.devcontainer,
        compose: lines.compose,
        caveats: lines.caveats,
    };
    let trouble = trouble(one, &layout.workspace, target.class, lines.can_be_made);
    Gain { result, trouble }
}

/// A directory, for the lines.
fn part(measured: &Measured<'_>, path: &[u8]) -> Part {
    let workspace = &measured.layout.workspace;
    let below = below(workspace, path).map_or_else(String::new, text);
    Part {
        path: path.to_vec(),
        below: below.trim_start_matches('/').to_owned(),
        refill: measured.seen.refill(workspace, path),
    }
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
