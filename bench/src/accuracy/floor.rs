//! What noise alone leaves of accuracy: how often a tool whose runs are drawn from its own, as many as were measured, would be predicted by as many
//! others of its own. No prediction can be expected to do better on a machine while it is as noisy as that.

use fsreplay_measure::estimate::{hodges_lehmann, median};

use super::table::{Medians, Pair, near};

/// Draws.
const DRAWS: usize = 1000;

/// A sentence.
pub fn line(all: &[Vec<Pair>]) -> String {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut within, mut of, mut errors) = (0, 0, Vec::new());
    for _ in 0..DRAWS {
        let drawn: Vec<Medians> = all.iter().map(|pairs| draw(pairs, &mut random)).collect();
        let (one, ratios) = near(&drawn);
        within += one;
        of = ratios;
        let pairs = drawn.iter().flatten();
        errors.extend(pairs.map(|(real, other)| (other / real - 1.0).abs() * 100.0));
    }
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let middle = match errors.is_empty() {
        true => 0.0,
        false => median(&errors),
    };
    format!(
        "the tool as a prediction of itself, as noisy as it was: error median {middle:.1} %, mean {mean:.1} %; \
         ratio to the first mount within 10 %: {:.0} of {of}",
        within as f64 / DRAWS as f64
    )
}

/// What two draws of a tool's runs typically take on each mount.
fn draw(pairs: &[Pair], random: &mut Random) -> Medians {
    let mut one = |runs: &[f64]| {
        let drawn = runs.iter().map(|_| runs[random.below(runs.len())]);
        hodges_lehmann(&drawn.collect::<Vec<f64>>())
    };
    let measured = pairs.iter().filter_map(|pair| pair.series.first());
    let runs = measured.map(|series| series.alike());
    let runs = runs.filter(|runs| !runs.is_empty());
    runs.map(|runs| (one(&runs), one(&runs))).collect()
}

/// Numbers that look random: xorshift64 (Marsaglia, 2003), the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Series, Single};
    use super::*;
    use fsreplay_replayer::quiet::Look;

    fn pair(runs: &[f64]) -> Pair {
        let single = |time: &f64| Single {
            measured: *time,
            look: Look::default(),
            slowness: 1.0,
            alike: *time,
            unslowed: *time,
        };
        Pair {
            series: vec![Series(runs.iter().map(single).collect())],
            divergences: 0,
        }
    }

    #[test]
    fn a_tool_that_always_takes_the_same_time_is_predicted_by_itself() {
        let line = line(&[vec![pair(&[10.0; 5]), pair(&[20.0; 5])]]);
        assert!(line.contains("median 0.0 %, mean 0.0 %"), "{line}");
        assert!(line.ends_with("1 of 1"), "{line}");
    }

    #[test]
    fn a_noisy_one_is_not() {
        let noisy = [10.0, 12.0, 14.0, 16.0, 18.0];
        let line = line(&vec![vec![pair(&noisy), pair(&noisy)]; 10]);
        assert!(!line.contains("mean 0.0 %"), "{line}");
        assert!(!line.ends_with("10 of 10"), "{line}");
    }
}
