//! The advice on the terminal: where the time goes, what gains something, and the lines to write.

use fsreplay_results::advise::{Advise, Move};

use super::result::best;
use crate::term::{self, Text};
use crate::{say, text};

/// For the terminal.
pub fn text(advice: &Advise) -> Text {
    let mut out = text!(
        "{}\nas it lies now, on {}: {}\n\n",
        advice.trace.command.join(" "),
        advice.baseline.name,
        term::seconds(advice.baseline.seconds.value),
    );
    let rows = advice.directories.iter().map(|directory| {
        vec![
            term::shortened(&directory.path, 60),
            format!("{:.0} %", directory.share * 100.0),
            term::seconds(directory.seconds),
            term::count(directory.count),
        ]
    });
    if !advice.directories.is_empty() {
        out.push(&term::table(
            &["where its calls are", "share", "time", "calls"],
            rows.collect(),
        ));
    }
    if !advice.moves.is_empty() {
        out.push(&text!("\n\n{}", table(advice)));
    }
    say!(out, "\n\n{}", term::strong(&advice.sentence));
    if let Some(best) = best(advice) {
        out.push(&instructions(advice, best));
    }
    out
}

fn table(advice: &Advise) -> Text {
    let rows = advice.moves.iter().map(|gain| {
        vec![
            term::shortened(&gain.path, 60),
            gain.to.clone(),
            term::seconds(gain.seconds.value),
            gain.seconds.interval().map_or("–".into(), |(low, high)| {
                format!("{}–{}", term::seconds(low), term::seconds(high))
            }),
            term::seconds(gain.gain_seconds),
            term::count(gain.divergences),
        ]
    });
    let header = ["moved", "to", "it then takes", "95 %", "gain", "diverged"];
    term::aligned_table(&header, rows.collect(), |column| column > 1)
}

/// The lines to write, what each gains, and what to know.
pub fn instructions(advice: &Advise, best: &Move) -> Text {
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
            0 => format!("  // {}", gains(advice, best)),
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
fn gains(advice: &Advise, best: &Move) -> String {
    let whole = format!("gains {}", term::seconds(best.gain_seconds));
    if best.paths.len() < 2 {
        return whole;
    }
    let alone = best.paths.iter().map(|path| {
        let single = advice
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
