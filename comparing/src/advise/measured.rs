//! All that advice is made of, and how it is called.

use fsreplay_replayer::Played;
use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::plan::Plan;

use super::anew::Seen;
use super::candidates::Candidate;
use super::placements::{Layout, Move};
use crate::caveats::{self, Caveat};
use crate::described::Described;
use crate::targets::Target;

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

/// What a tool would notice in the round with the most divergences.
pub fn outcomes(rounds: &[Played]) -> Vec<Caveat> {
    let worst = rounds.iter().max_by_key(|played| played.round.divergences);
    worst.map_or_else(Vec::new, |played| caveats::of_outcomes(&played.groups))
}
