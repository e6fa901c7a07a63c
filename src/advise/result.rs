//! The advice, as documented in docs/result-json.md, and as text.

use fsreplay_replayer::Played;
use fsreplay_replayer::interval::ratio;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::result::median;
use serde::Serialize;

use super::candidates::Candidate;
use super::lines;
use super::{Move, Scene};
use crate::compare::result::{Described, Machine, Trace, machine};
use crate::term;

/// Below this share of outcomes as recorded a placement is not recommended.
const LEAST_FIDELITY: f64 = 0.98;

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
    sentence: String,
}

/// All that the advice is made of.
pub struct Measured<'a> {
    pub described: Described,
    pub scene: &'a Scene<'a>,
    pub candidates: Vec<Candidate>,
    pub moves: Vec<Move>,
    /// The baseline's, then one for each move.
    pub plans: &'a [Plan],
    pub rounds: Vec<Vec<Played>>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn walls(rounds: &[Played]) -> Vec<f64> {
    rounds
        .iter()
        .map(|played| played.round.wall_seconds)
        .collect()
}

impl Advice {
    /// From what was measured.
    pub fn new(measured: Measured<'_>) -> Advice {
        let base = walls(&measured.rounds[0]);
        let target = &measured.scene.targets[measured.scene.baseline];
        let mut moves: Vec<Gain> = measured
            .moves
            .iter()
            .enumerate()
            .filter_map(|(number, one)| gain(&measured, number + 1, one, &base))
            .collect();
        moves.sort_by(|a, b| a.predicted_seconds.total_cmp(&b.predicted_seconds));
        let directories = measured.candidates.iter().map(|candidate| Directory {
            path: text(&candidate.path),
            share: candidate.share,
            seconds: candidate.seconds,
            count: candidate.count,
        });
        let mut advice = Advice {
            schema_version: 1,
            kind: "advise",
            trace: measured.described.trace,
            machine: machine(),
            baseline: Baseline {
                name: target.name.clone(),
                seconds: median(&base),
            },
            directories: directories.collect(),
            moves,
            sentence: String::new(),
        };
        advice.sentence = advice.answer();
        advice
    }

    /// The smallest move that gives nearly all: a directory rather than the workspace.
    fn answer(&self) -> String {
        let Some(most) = self.moves.first() else {
            return format!(
                "No other mount here is faster: leave everything on {} ({}).",
                self.baseline.name,
                term::seconds(self.baseline.seconds)
            );
        };
        let enough = |gain: &&Gain| gain.gain_seconds > most.gain_seconds * 0.9;
        let best = self
            .moves
            .iter()
            .filter(enough)
            .max_by_key(|gain| gain.path.len());
        let best = best.unwrap_or(most);
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
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} takes {} on {}\n\n",
            self.trace.command.join(" "),
            term::seconds(self.baseline.seconds),
            self.baseline.name
        );
        let rows = self.directories.iter().map(|directory| {
            vec![
                term::shortened(&directory.path, 60),
                format!("{:.0} %", directory.share * 100.0),
                term::seconds(directory.seconds),
                term::count(directory.count),
            ]
        });
        out.push_str(&term::table(
            &["where its calls are", "share", "time", "calls"],
            rows.collect(),
        ));
        out.push_str("\n\n");
        let rows = self.moves.iter().map(|gain| {
            vec![
                term::shortened(&gain.path, 50),
                gain.to.clone(),
                term::seconds(gain.predicted_seconds),
                format!("{}–{}", term::seconds(gain.low), term::seconds(gain.high)),
                term::seconds(gain.gain_seconds),
                term::count(gain.divergences),
            ]
        });
        let header = ["moved", "to", "it then takes", "95 %", "gain", "diverged"];
        out.push_str(&term::aligned_table(&header, rows.collect(), |column| {
            column > 1
        }));
        out.push_str("\n\n");
        out.push_str(&self.sentence);
        out.push('\n');
        for gain in &self.moves {
            if self
                .sentence
                .starts_with(&format!("Move {} to {}:", gain.path, gain.to))
            {
                for line in &gain.devcontainer {
                    out.push_str(&format!("    {line}\n"));
                }
                for caveat in &gain.caveats {
                    out.push_str(&format!("  note: {caveat}\n"));
                }
            }
        }
        out
    }
}

/// What a move gains; `None` if it gains nothing that is certain, or can't be relied on.
fn gain(measured: &Measured<'_>, number: usize, one: &Move, base: &[f64]) -> Option<Gain> {
    let rounds = &measured.rounds[number];
    let times = walls(rounds);
    let found = ratio(&times, base);
    let divergences = rounds
        .iter()
        .map(|played| played.round.divergences)
        .max()
        .unwrap_or(0);
    let events = measured.plans[number].coverage.events.max(1);
    if found.high >= 1.0 || 1.0 - divergences as f64 / (events as f64) < LEAST_FIDELITY {
        return None;
    }
    let target = &measured.scene.targets[one.target];
    let path = text(&one.path);
    let workspace = text(&measured.scene.workspace);
    let below = path
        .strip_prefix(&workspace)
        .unwrap_or("")
        .trim_start_matches('/');
    let lines = lines::of(&path, below, target);
    let seconds = median(base);
    Some(Gain {
        to: target.name.clone(),
        class: target.class,
        predicted_seconds: median(&times),
        low: found.low * seconds,
        high: found.high * seconds,
        gain_seconds: seconds - median(&times),
        ratio: found.value,
        divergences,
        devcontainer: lines.devcontainer,
        compose: lines.compose,
        caveats: lines.caveats,
        path,
    })
}
