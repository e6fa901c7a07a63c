//! Progress of several plans that are played in turn, with the time left, on standard error. It draws only when a stage begins: a
//! clock of its own would take time from what is measured.

use fsreplay_replayer::Stage;
use indicatif::{ProgressBar, ProgressStyle};

use crate::term::Text;

/// A line that says what is done at the moment; silent where standard error is no terminal.
pub struct Progress {
    bar: ProgressBar,
    names: Vec<String>,
}

impl Progress {
    /// For plans with these names, `rounds` of each after one that warms up.
    pub fn new(quiet: bool, names: Vec<String>, rounds: u32) -> Progress {
        let bar = match quiet {
            true => ProgressBar::hidden(),
            false => ProgressBar::new((u64::from(rounds) + 1) * names.len() as u64),
        };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left")
        {
            bar.set_style(style);
        }
        // They are drawn on a terminal.
        let shown = names.iter().map(|name| Text::of(name).as_str().to_owned());
        Progress {
            bar,
            names: shown.collect(),
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
                self.bar.inc(1);
            }
        }
    }

    /// All is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
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
