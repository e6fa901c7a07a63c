//! From what was measured to the advice.

use std::collections::BTreeSet;

use fsreplay_results::advise::{self, Advise, Baseline, Directory, Reason, Tried};
use fsreplay_results::{FileShare, PAPER_ERROR, SCHEMA_VERSION, Verdict};
use fsreplay_shown::figures;

use super::candidates::below;
use super::lines::{self, Part};
use super::measured::{Measured, outcomes, paths, text};
use super::placements::Move;
use super::tried::{self, LEAST_GAIN};
use crate::caveats::{self, Caveat};
use crate::machine::machine;
use crate::origin;
use crate::targets::is_bind;

/// A move that gains something for certain, and how much trouble it is; see [`trouble`].
struct Gain {
    result: advise::Move,
    trouble: u32,
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
        share: measured.described.share,
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
        whole.push(answer(&advice));
        whole.join(" ")
    };
    // Behind the answer, as the answer stands for all that.
    let of_origin = origin::sentences(&measured.described.header);
    advice.caveats.extend(of_origin);
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

/// Whether nothing is advised and something that was tried may be worth it: rounds don't tell.
pub fn is_open(advice: &Advise) -> bool {
    let now = advice.baseline.seconds.value;
    let may_gain = |one| tried::may_gain(one, now);
    advice.best().is_none() && advice.tried.iter().any(may_gain)
}

fn answer(advice: &Advise) -> String {
    match advice.best() {
        Some(best) => advised_move(advice, best),
        None => without_advice(advice),
    }
}

/// What the tool takes as everything lies now; of one that also waits, what it works.
fn now(advice: &Advise) -> String {
    let now = figures::seconds(advice.baseline.seconds.value);
    let waits = advice.share.as_ref().is_some_and(FileShare::waits);
    let of_work = if waits { " of work" } else { "" };
    format!("{now}{of_work}")
}

fn advised_move(advice: &Advise, best: &advise::Move) -> String {
    let now = now(advice);
    let how = if best.paths == [advice.workspace.as_str()] && lines::is_volume(&best.class) {
        // The name under which people look for it.
        format!(
            "Clone the repository in a container volume (measured on {})",
            best.to
        )
    } else if is_bind(&best.class) {
        format!(
            "Move {} to another bind mount (measured on {})",
            best.path, best.to
        )
    } else {
        format!("Move {} to {}", best.path, best.to)
    };
    let gain = format!(
        "{how}: {} instead of {now} ({:.1} times faster).",
        figures::seconds(best.seconds.value),
        1.0 / best.ratio.value
    );
    // People ask for memory first.
    [Some(gain), not_for_memory(advice)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is lost on a restart may be faster than all else: that comes first, with the reason why it
/// isn't advised.
fn without_advice(advice: &Advise) -> String {
    let now = now(advice);
    let lost = not_for_memory(advice);
    let subject = if lost.is_some() {
        "Of what keeps files, nothing that was tried"
    } else {
        "Nothing that was tried"
    };
    let is_lost = lost.is_some();
    let mut text = lost.map_or_else(String::new, |lost| lost + " ");
    let is_played = |one: &Tried| one.seconds.known().is_some();
    text.push_str(&if is_open(advice) {
        format!(
            "It can't be told whether any of what was tried is faster than now ({now}): \
             the rounds are too few or differ too much. Try again with a larger --budget."
        )
    } else if is_lost && !advice.tried.iter().any(is_played) {
        format!("There is no other mount that keeps files: leave everything where it is ({now}).")
    } else {
        let found = match advice.moves.first() {
            Some(most) => format!("gains more than {}", figures::seconds(most.gain_seconds)),
            None => "is faster".into(),
        };
        let within = advice
            .tried
            .iter()
            .any(|one| one.verdict == Verdict::Within);
        let by = if within && advice.moves.is_empty() {
            format!(
                " by more than the {} % below which times on paper tell nothing",
                100.0 * PAPER_ERROR
            )
        } else {
            String::new()
        };
        format!("{subject} {found}{by}: leave everything where it is ({now}).")
    });
    text
}

/// What is not tried in memory, and why, if that is so.
fn not_for_memory(advice: &Advise) -> Option<String> {
    let kept = advice
        .tried
        .iter()
        .filter(|one| one.reason == Reason::NotForTmpfs);
    let mounts: BTreeSet<&str> = kept.clone().map(|one| one.to.as_str()).collect();
    let what: BTreeSet<&str> = kept.map(|one| one.path.as_str()).collect();
    let holds = if mounts.len() == 1 { "holds" } else { "hold" };
    let joined = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(" and ");
    // What lies in the workspace is of it.
    let what = if what.contains(advice.workspace.as_str()) {
        "the whole workspace".to_owned()
    } else {
        joined(what)
    };
    (!mounts.is_empty()).then(|| {
        format!(
            "{} {holds} nothing over a restart, and nothing in the trace shows that {what} can be \
             made anew: not advised for that, however fast.",
            joined(mounts)
        )
    })
}

/// What keeps moves from being advised, and what the trace doesn't hold, in sentences.
fn told(measured: &Measured<'_>, unrecorded: Option<Caveat>) -> Vec<String> {
    let moves = measured.moves.iter().enumerate();
    let of_moves = moves.flat_map(|(number, one)| {
        let place = format!("{} with {}", measured.targets[one.target].name, paths(one));
        let told = outcomes(&measured.rounds[number + 1])
            .into_iter()
            .filter(|caveat| caveat.withholds);
        told.map(move |caveat| caveats::sentence(Some(&place), &caveat.text))
    });
    let of_trace = unrecorded.map(|caveat| caveats::sentence(None, &caveat.text));
    let unfit: BTreeSet<String> = measured
        .refused
        .iter()
        .map(|(one, why)| {
            let name = &measured.targets[one.target].name;
            format!("{name} is left out: {why}.")
        })
        .collect();
    unfit.into_iter().chain(of_moves).chain(of_trace).collect()
}

/// Moves that gain this share of what the best one gains are as good.
const NEARLY_ALL: f64 = 0.9;

/// Of the moves that gain nearly all, that with the least trouble.
fn advised(moves: &[Gain]) -> Option<usize> {
    let most = moves
        .iter()
        .map(|gain| gain.result.gain_seconds)
        .fold(0.0, f64::max);
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

/// How much trouble a move is: a directory is less than several, these less than the whole
/// workspace; what outlives the container is less than what doesn't; and what can't be written into
/// devcontainer.json comes last.
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
    let parts: Vec<Part> = one.paths.iter().map(|path| part(measured, path)).collect();
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
    use fsreplay_results::Estimate;

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
    fn what_is_not_advised_though_it_is_fast_comes_before_what_is_no_faster() {
        let seconds = |value: f64| Estimate::within(value, value, value);
        let tried = |to: &str, reason, verdict, seconds| Tried {
            to: to.into(),
            path: "/w".into(),
            reason,
            verdict,
            seconds,
            ..Tried::default()
        };
        let kept = tried(
            "tmpfs",
            Reason::NotForTmpfs,
            Verdict::NotRanked,
            Estimate::default(),
        );
        let slower = tried("share", Reason::NoGain, Verdict::Slower, seconds(3.0));
        let told = |tried: &[Tried]| {
            let advice = Advise {
                baseline: Baseline {
                    name: "disk".into(),
                    seconds: seconds(1.0),
                },
                workspace: "/w".into(),
                tried: tried.to_vec(),
                ..Advise::default()
            };
            answer(&advice)
        };
        let memory = "tmpfs holds nothing over a restart, and nothing in the trace shows that the \
                      whole workspace can be made anew: not advised for that, however fast. ";
        let both = told(&[slower.clone(), kept.clone()]);
        assert_eq!(
            both.strip_prefix(memory),
            Some(
                "Of what keeps files, nothing that was tried is faster: leave everything where it \
                 is (1.00 s)."
            ),
            "{both}"
        );
        let alone = told(std::slice::from_ref(&kept));
        assert!(
            alone.ends_with(
                "no other mount that keeps files: leave everything where it is (1.00 s)."
            )
        );
        let wide = Tried {
            ratio: Estimate::within(0.9, 0.5, 1.3),
            ..tried(
                "share",
                Reason::CannotTell,
                Verdict::CannotTell,
                seconds(0.9),
            )
        };
        let open = told(&[wide, kept]);
        assert!(
            open.starts_with(memory) && open.contains("can't be told"),
            "{open}"
        );
        let plain = told(&[slower]);
        assert_eq!(
            plain,
            "Nothing that was tried is faster: leave everything where it is (1.00 s)."
        );
        let advice = Advise {
            workspace: "/w".into(),
            tried: vec![tried(
                "tmpfs",
                Reason::NotForTmpfs,
                Verdict::NotRanked,
                seconds(f64::NAN),
            )],
            moves: vec![advise::Move {
                path: "/w/deps".into(),
                to: "volume".into(),
                seconds: seconds(0.5),
                ratio: seconds(0.5),
                ..advise::Move::default()
            }],
            advised: Some(0),
            ..Advise::default()
        };
        let advised = answer(&advice);
        assert!(
            advised.starts_with("Move /w/deps to volume: 500 ms instead of"),
            "{advised}"
        );
        assert!(advised.ends_with(memory.trim_end()), "{advised}");
        let mut bound = advice;
        bound.moves[0].class = "native-bind".into();
        bound.moves[0].to = "bind".into();
        let bound = answer(&bound);
        assert!(
            bound.starts_with("Move /w/deps to another bind mount (measured on bind): 500 ms"),
            "{bound}"
        );
        let within = tried("volume", Reason::NoGain, Verdict::Within, seconds(1.0));
        assert!(told(&[within]).contains("by more than the 10 %"));
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
