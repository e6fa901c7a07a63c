//! The advice, as documented in docs/result-json.md, and as text.

use std::collections::{BTreeMap, BTreeSet};

use fsreplay_measure::estimate::{hodges_lehmann, ratio};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{Played, unslowed_seconds};
use serde::Serialize;

use super::candidates::{Candidate, below};
use super::lines::{self, Part};
use super::placements::{Layout, Move};
use crate::caveats::{self, Caveat};
use crate::compare::result::{Described, LEAST_FIDELITY, Machine, Trace, machine};
use crate::compare::targets::Target;
use crate::term::{self, Text};
use crate::{say, text};

#[derive(Debug, Serialize)]
struct Baseline {
    name: String,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Directory {
    path: String,
    share: f64,
    seconds: f64,
    count: u64,
}

#[derive(Debug, Serialize)]
struct Gain {
    path: String,
    paths: Vec<String>,
    to: String,
    class: &'static str,
    predicted_seconds: f64,
    low: f64,
    high: f64,
    gain_seconds: f64,
    ratio: f64,
    divergences: u64,
    devcontainer: Vec<String>,
    compose: Vec<String>,
    caveats: Vec<String>,
    /// How much trouble it is; see [`trouble`].
    #[serde(skip)]
    trouble: u32,
}

/// The advice.
#[derive(Debug, Serialize)]
pub struct Advice {
    schema_version: u32,
    kind: &'static str,
    trace: Trace,
    machine: Machine,
    baseline: Baseline,
    directories: Vec<Directory>,
    moves: Vec<Gain>,
    /// Number of the move that is advised.
    advised: Option<usize>,
    sentence: String,
    /// Whether something that was tried may gain, but not for certain.
    #[serde(skip)]
    is_open: bool,
    /// What to know before believing it, in words.
    caveats: Vec<String>,
    /// Calls that were seen and not recorded, by name.
    unrecorded: BTreeMap<String, u64>,
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

impl Advice {
    /// From what was measured.
    pub fn new(measured: Measured<'_>) -> Advice {
        let base = unslowed_seconds(&measured.rounds[0]);
        let unrecorded = measured.described.unrecorded.caveat();
        let is_withheld = unrecorded.as_ref().is_some_and(|caveat| caveat.withholds);
        let mut moves: Vec<Gain> = measured
            .moves
            .iter()
            .enumerate()
            .filter(|_| !is_withheld)
            .filter_map(|(number, one)| gain(&measured, number + 1, one, &base))
            .collect();
        moves.sort_by(|a, b| a.predicted_seconds.total_cmp(&b.predicted_seconds));
        let directories = measured.candidates.iter().map(|candidate| Directory {
            path: text(&candidate.path),
            share: candidate.share,
            seconds: candidate.seconds,
            count: candidate.count,
        });
        let is_open = measured.rounds.iter().skip(1).any(|rounds| {
            let found = ratio(&unslowed_seconds(rounds), &base);
            may_gain(found.low, found.high, hodges_lehmann(&base))
        });
        let caveats = told(&measured, unrecorded);
        let mut advice = Advice {
            schema_version: 1,
            kind: "advise",
            trace: measured.described.trace,
            machine: machine(),
            baseline: Baseline {
                name: measured.targets[measured.baseline].name.clone(),
                seconds: hodges_lehmann(&base),
            },
            directories: directories.collect(),
            advised: advised(&moves),
            moves,
            sentence: String::new(),
            is_open,
            caveats,
            unrecorded: measured.described.unrecorded.calls,
        };
        advice.sentence = if is_withheld {
            format!("Nothing can be said: {}", advice.caveats.join(" "))
        } else {
            let mut whole = advice.caveats.clone();
            whole.push(advice.answer());
            whole.join(" ")
        };
        advice
    }

    fn best(&self) -> Option<&Gain> {
        self.advised.and_then(|number| self.moves.get(number))
    }

    fn answer(&self) -> String {
        let Some(best) = self.best() else {
            if self.is_open {
                return format!(
                    "It can't be told whether any of what was tried is faster than now ({}): \
                     the rounds differ too much. Try again with more --rounds.",
                    term::seconds(self.baseline.seconds)
                );
            }
            let found = match self.moves.first() {
                Some(most) => format!("gains more than {}", term::seconds(most.gain_seconds)),
                None => "is faster".into(),
            };
            return format!(
                "Nothing that was tried {found}: leave everything where it is ({}).",
                term::seconds(self.baseline.seconds)
            );
        };
        format!(
            "Move {} to {}: {} instead of {} ({:.1} times faster).",
            best.path,
            best.to,
            term::seconds(best.predicted_seconds),
            term::seconds(self.baseline.seconds),
            1.0 / best.ratio
        )
    }

    /// For the terminal.
    pub fn text(&self) -> Text {
        let mut out = text!(
            "{}\nas it lies now, on {}: {}\n\n",
            self.trace.command.join(" "),
            self.baseline.name,
            term::seconds(self.baseline.seconds),
        );
        let rows = self.directories.iter().map(|directory| {
            vec![
                term::shortened(&directory.path, 60),
                format!("{:.0} %", directory.share * 100.0),
                term::seconds(directory.seconds),
                term::count(directory.count),
            ]
        });
        if !self.directories.is_empty() {
            out.push(&term::table(
                &["where its calls are", "share", "time", "calls"],
                rows.collect(),
            ));
        }
        if !self.moves.is_empty() {
            out.push(&text!("\n\n{}", self.table()));
        }
        say!(out, "\n\n{}", term::strong(&self.sentence));
        if let Some(best) = self.best() {
            out.push(&self.instructions(best));
        }
        out
    }

    fn table(&self) -> Text {
        let rows = self.moves.iter().map(|gain| {
            vec![
                term::shortened(&gain.path, 60),
                gain.to.clone(),
                term::seconds(gain.predicted_seconds),
                format!("{}–{}", term::seconds(gain.low), term::seconds(gain.high)),
                term::seconds(gain.gain_seconds),
                term::count(gain.divergences),
            ]
        });
        let header = ["moved", "to", "it then takes", "95 %", "gain", "diverged"];
        term::aligned_table(&header, rows.collect(), |column| column > 1)
    }

    /// The lines to write, what each gains, and what to know.
    fn instructions(&self, best: &Gain) -> Text {
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
                0 => format!("  // {}", self.gains(best)),
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
    fn gains(&self, best: &Gain) -> String {
        let whole = format!("gains {}", term::seconds(best.gain_seconds));
        if best.paths.len() < 2 {
            return whole;
        }
        let alone = best.paths.iter().map(|path| {
            let single = self
                .moves
                .iter()
                .find(|gain| gain.to == best.to && gain.paths == [path.as_str()]);
            let gain = single.map_or("nothing certain".into(), |gain| {
                term::seconds(gain.gain_seconds)
            });
            format!("{path} {gain}")
        });
        let alone: Vec<String> = alone.collect();
        format!("{whole} (alone: {})", alone.join(", "))
    }
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
    let most = moves.iter().map(|gain| gain.gain_seconds);
    let most = most.fold(0.0, f64::max);
    if most < LEAST_GAIN {
        return None;
    }
    let enough = moves
        .iter()
        .enumerate()
        .filter(|(_, gain)| gain.gain_seconds >= most * NEARLY_ALL);
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
fn gain(measured: &Measured<'_>, number: usize, one: &Move, base: &[f64]) -> Option<Gain> {
    let rounds = &measured.rounds[number];
    let times = unslowed_seconds(rounds);
    let found = ratio(&times, base);
    let divergences = rounds.iter().map(|played| played.round.divergences).max();
    let divergences = divergences.unwrap_or(0);
    let events = measured.plans[number].coverage.events.max(1);
    if found.high >= 1.0 || 1.0 - divergences as f64 / (events as f64) < LEAST_FIDELITY {
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
    let (seconds, predicted) = (hodges_lehmann(base), hodges_lehmann(&times));
    Some(Gain {
        path: paths(one),
        paths: parts.into_iter().map(|part| part.path).collect(),
        to: target.name.clone(),
        class: target.class,
        predicted_seconds: predicted,
        low: found.low * seconds,
        high: found.high * seconds,
        gain_seconds: seconds - predicted,
        ratio: found.value,
        divergences,
        trouble: trouble(
            one,
            &layout.workspace,
            target.class,
            !lines.devcontainer.is_empty(),
        ),
        devcontainer: lines.devcontainer,
        compose: lines.compose,
        caveats: lines.caveats,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(path: &str, gain_seconds: f64, trouble: u32) -> Gain {
        Gain {
            path: path.into(),
            paths: vec![path.into()],
            to: "x".into(),
            class: "volume",
            predicted_seconds: 1.0,
            low: 0.9,
            high: 1.1,
            gain_seconds,
            ratio: 0.5,
            divergences: 0,
            devcontainer: Vec::new(),
            compose: Vec::new(),
            caveats: Vec::new(),
            trouble,
        }
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
