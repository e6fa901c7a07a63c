//! Progress of several plans that are played in turn, with the time left, on standard error. It
//! draws only when a stage begins: a clock of its own would take time from what is measured.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fsreplay_compare::{Extent, Observer, SoFar};
use fsreplay_replayer::{ReplayError, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::chain;
use crate::term::{self, Text};
use crate::text;

/// Tells of what is played: a line that says what is done at the moment; silent where standard
/// error is no terminal.
pub struct Progress {
    quiet: bool,
    line: Mutex<Option<Line>>,
}

impl Progress {
    /// Draws nothing if `quiet`.
    pub fn new(quiet: bool) -> Progress {
        Progress {
            quiet,
            line: Mutex::new(None),
        }
    }

    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn left_out(&self, target: &str, why: &ReplayError) {
        term::tell(&text!("{} is left out: {}", target, chain(why)));
    }

    fn begins(&self, names: &[String], extent: Extent) {
        *self.line() = Some(Line::new(self.quiet, names, extent));
    }

    fn stage(&self, number: usize, stage: Stage) {
        if let Some(line) = self.line().as_ref() {
            line.show(number, stage);
        }
    }

    fn so_far(&self, standing: &[SoFar]) {
        if let Some(line) = self.line().as_ref() {
            line.so_far(standing);
        }
    }

    fn ends(&self) {
        if let Some(line) = self.line().take() {
            line.bar.finish_and_clear();
        }
    }
}

/// What is drawn of one stretch of rounds.
struct Line {
    bar: ProgressBar,
    names: Vec<String>,
    /// Since when, if it goes by time and not by rounds.
    since: Option<Instant>,
}

impl Line {
    /// For what has these names.
    fn new(quiet: bool, names: &[String], extent: Extent) -> Line {
        let (all, template, since) = match extent {
            Extent::Rounds(rounds) => (
                (u64::from(rounds) + 1) * names.len() as u64,
                "{msg} {wide_bar} {pos}/{len}, {eta} left",
                None,
            ),
            Extent::Budget(budget) => (
                milliseconds(budget),
                "{prefix}{msg} {wide_bar} at most {eta} left",
                Some(Instant::now()),
            ),
        };
        // They are drawn on a terminal.
        let shown = names.iter().map(|name| Text::of(name).as_str().to_owned());
        Line {
            bar: drawn(quiet, all, template),
            names: shown.collect(),
            since,
        }
    }

    /// Something happens to the plan of that number.
    fn show(&self, number: usize, stage: Stage) {
        let name = self.names.get(number).map_or("", String::as_str);
        match stage {
            Stage::Preparing(_, made, of) if made % 512 == 0 => {
                let text = format!("{name}: making the tree, {made} of {of}");
                self.bar.set_message(text);
            }
            Stage::Preparing(..) => {}
            Stage::Executing(round) => {
                self.bar.set_message(match round {
                    0 => format!("{name}: warming up"),
                    round => format!("{name}: round {round}"),
                });
                match self.since {
                    Some(since) => self.bar.set_position(milliseconds(since.elapsed())),
                    None => self.bar.inc(1),
                }
            }
        }
    }

    /// What the tool takes so far, before the rest of the line.
    fn so_far(&self, standing: &[SoFar]) {
        if standing.is_empty() {
            return;
        }
        let texts = standing.iter().map(|one| {
            let name = self.names.get(one.number).map_or("", String::as_str);
            let time = term::seconds(one.seconds);
            match one.ratio {
                None => format!("{name} {time}"),
                Some((low, high)) => format!("{name} {time} ({low:.2}–{high:.2})"),
            }
        });
        let text = texts.collect::<Vec<_>>().join(", ");
        self.bar.set_prefix(format!("so far: {text} | "));
    }
}

/// A line for what may take so long, whose position is in milliseconds.
pub fn bar(quiet: bool, budget: Duration, template: &str) -> ProgressBar {
    drawn(quiet, milliseconds(budget), template)
}

fn drawn(quiet: bool, all: u64, template: &str) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(all)
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// As positions are counted.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_drawn_as_they_are_shown() {
        let line = Line::new(true, &["a\u{1b}[2J\nb".into()], Extent::Rounds(1));
        line.show(0, Stage::Executing(0));
        assert_eq!(line.bar.message(), "a\\x1b[2J\\nb: warming up");
    }
}
