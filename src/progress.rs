//! Progress of several plans that are played in turn, with the time left, on standard error. It draws
//! only when a stage begins: a clock of its own would take time from what is measured.

use std::time::{Duration, Instant};

use fsreplay_replayer::estimate::Series;
use fsreplay_replayer::{Played, Stage};
use indicatif::{ProgressBar, ProgressStyle};

use crate::term::{self, Text};

/// A line that says what is done at the moment; silent where standard error is no terminal.
pub struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
    /// Since when, if it goes by time and not by rounds.
    since: Option<Instant>,
}

impl Progress {
    /// For plans with these names, `rounds` of each after one that warms up.
    pub fn new(quiet: bool, names: Vec<String>, rounds: u32) -> Progress {
        let all = (u64::from(rounds) + 1) * names.len() as u64;
        Progress::of(
            quiet,
            names,
            all,
            "{msg} {wide_bar} {pos}/{len}, {eta} left",
        )
    }

    /// For plans with these names, for as long as a budget lasts.
    pub fn within(quiet: bool, names: Vec<String>, budget: Duration) -> Progress {
        let all = milliseconds(budget);
        Progress {
            since: Some(Instant::now()),
            ..Progress::of(
                quiet,
                names,
                all,
                "{prefix}{msg} {wide_bar} at most {eta} left",
            )
        }
    }

    fn of(quiet: bool, names: Vec<String>, all: u64, template: &str) -> Progress {
        let bar = drawn(quiet, all, template);
        // They are drawn on a terminal.
        let shown = names.iter().map(|name| Text::of(name).as_str().to_owned());
        Progress {
            bar,
            names: shown.collect(),
            since: None,
        }
    }

    /// Something happens to the plan of that number.
    pub fn show(&self, number: usize, stage: Stage) {
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

    /// What the tool takes so far, before the rest of the line; plans without rounds are left out.
    pub fn so_far(&self, series: &[Series], baseline: usize, rounds: &[Vec<Played>]) {
        let Some(base) = series.get(baseline).filter(|base| !base.is_empty()) else {
            return;
        };
        let takes_part = |number: usize| rounds.get(number).is_some_and(|all| !all.is_empty());
        let each = series.iter().enumerate().zip(&self.names);
        let each = each.filter(|((number, _), _)| takes_part(*number));
        let texts = each.map(|((number, one), name)| {
            let time = term::seconds(one.beside(base).0.value);
            let ratio = one.ratio(base);
            if number == baseline {
                format!("{name} {time}")
            } else {
                format!("{name} {time} ({:.2}–{:.2})", ratio.low, ratio.high)
            }
        });
        let text = texts.collect::<Vec<_>>().join(", ");
        self.bar.set_prefix(format!("so far: {text} | "));
    }

    /// All is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
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
        let progress = Progress::new(true, vec!["a\u{1b}[2J\nb".into()], 1);
        progress.show(0, Stage::Executing(0));
        assert_eq!(progress.bar.message(), "a\\x1b[2J\\nb: warming up");
    }
}
