//! How much what ten rounds say differs from the next ten, of the same trace on the same mount, and beside it how much the tool's own runs do. All are judged together:
//! each by itself, as `play` knows it, tells less well what slowed it.

use fsreplay_measure::estimate::{hodges_lehmann, median, variation};

use super::table::{Pair, Series};

/// As many as a user who wants it precise asks for (`play --rounds 10`).
const ROUNDS: usize = 10;
/// Of fewer tens it can't be told how much they vary.
const LEAST: usize = 3;

/// No more is asked for where the machine is that quiet, as a share.
const QUIET: f64 = 0.03;

/// A sentence; none if there were too few rounds.
pub fn line(all: &[Vec<Pair>]) -> Option<String> {
    let pairs = all.iter().flatten();
    let both = pairs.filter_map(|pair| match pair.series.as_slice() {
        [tool, replay, ..] => varies(tool).zip(varies(replay)),
        _ => None,
    });
    let both: Vec<(f64, f64)> = both.collect();
    if both.is_empty() {
        return None;
    }
    let (tool, predicted): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
    let quiet = both.iter().filter(|(tool, _)| *tool <= QUIET);
    let steady = quiet.clone().filter(|(_, predicted)| *predicted <= QUIET);
    Some(format!(
        "{ROUNDS} rounds and the next {ROUNDS}, judged together, vary by {:.1} % (median of {} pairs), as many runs of the tool by {:.1} %; \
         where the tool's vary by no more than {:.0} %, rounds do in {} of {}",
        median(&predicted) * 100.0,
        both.len(),
        median(&tool) * 100.0,
        QUIET * 100.0,
        steady.count(),
        quiet.count(),
    ))
}

/// Coefficient of variation of what some runs after each other typically take, had nothing slowed them, as a share.
fn varies(series: &Series) -> Option<f64> {
    let times = series.each(|run| run.unslowed);
    let typical: Vec<f64> = times.chunks_exact(ROUNDS).map(hodges_lehmann).collect();
    match typical.len() >= LEAST {
        true => variation(&typical),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Single;
    use super::*;
    use fsreplay_replayer::quiet::Look;

    fn series(times: impl Iterator<Item = f64>) -> Series {
        let single = |time: f64| Single {
            measured: 2.0 * time,
            look: Look::default(),
            slowness: 2.0,
            alike: 2.0 * time,
            unslowed: time,
        };
        Series(times.map(single).collect())
    }

    #[test]
    fn only_what_differs_between_tens_counts() {
        // Rounds that differ by a half, the same in each ten; and runs that grow.
        let rounds = series((0..40).map(|round| [10.0, 15.0][round % 2]));
        let runs = series((0..40).map(|run| 10.0 + (run / 10) as f64));
        let pair = |tool: &Series, replay: &Series| Pair {
            series: vec![tool.clone(), replay.clone()],
            divergences: 0,
        };
        let told = line(&[vec![pair(&runs, &rounds)]]).expect("a line");
        assert!(told.contains("vary by 0.0 % (median of 1 pairs)"), "{told}");
        assert!(told.contains("of the tool by 11.2 %"), "{told}");
        assert!(told.ends_with("in 0 of 0"), "{told}");
        let told = line(&[vec![pair(&rounds, &rounds), pair(&rounds, &runs)]]).expect("a line");
        assert!(told.ends_with("in 1 of 2"), "{told}");
    }

    #[test]
    fn of_two_tens_nothing_is_told() {
        let few = || series((0..29).map(f64::from));
        let pair = Pair {
            series: vec![few(), few()],
            divergences: 0,
        };
        assert_eq!(line(&[vec![pair]]), None);
    }
}
