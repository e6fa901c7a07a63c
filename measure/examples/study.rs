//! Which interval for the ratio of two contestants? How often each holds the truth, and how wide it
//! is, on the simulated machine. `cargo run -p fsreplay-measure --example study`

use std::sync::atomic::AtomicBool;

use fsreplay_measure::contest::{Rule, contest};
use fsreplay_measure::estimate::{Estimate, median, ratio};
use fsreplay_measure::sample::Sample;
use fsreplay_measure::simulated::{Chance, Conditions, Contestant, Machine};
use fsreplay_measure::verdict::{Doubt, Verdict};

const SEEDS: u64 = 1000;
const COUNTS: [usize; 5] = [3, 5, 8, 15, 30];
const TRUTH: f64 = 1.3;
const MOST: u32 = 60;

/// Times of both, round by round.
type Series = [Vec<f64>; 2];
type Interval = fn(&Series) -> [f64; 2];
type Estimator = fn(&Series) -> f64;

fn main() {
    let candidates: [(&str, Interval); 3] = [
        ("bootstrap of medians, x root 2", bootstrap),
        ("ranks of pairs", ranks),
        ("signs of pairs (taken)", taken),
    ];
    println!("Held of {SEEDS} (median width, as a factor from bound to bound):\n");
    println!("| neighbours, times | interval | 3 | 5 | 8 | 15 | 30 | all looks |");
    println!("|---|---|---|---|---|---|---|---|");
    for neighbours in [0, 4, 8] {
        for (of, time) in [
            ("wall", wall as fn(&Sample) -> f64),
            ("undelayed", Sample::undelayed_seconds),
        ] {
            let all: Vec<Series> = (0..SEEDS)
                .map(|seed| series(neighbours, seed, TRUTH, time))
                .collect();
            for (name, interval) in candidates {
                print!("| {neighbours}, {of} | {name} |");
                for count in COUNTS {
                    print!(" {} |", held(&all, interval, count));
                }
                println!(" {} |", at_all_looks(&all, interval));
            }
            errors(&all);
        }
    }
    println!("\nRounds until the verdict stands, median and 90th percentile; wrong of {SEEDS}:\n");
    println!("| neighbours, times | interval | 1.0 | 1.1 | 1.3 | 3.0 |\n|---|---|---|---|---|---|");
    for neighbours in [0, 4, 8] {
        for (of, time) in [
            ("wall", wall as fn(&Sample) -> f64),
            ("undelayed", Sample::undelayed_seconds),
        ] {
            for (name, interval) in &candidates[1..] {
                print!("| {neighbours}, {of} | {name} |");
                for truth in [1.0, 1.1, 1.3, 3.0] {
                    print!(" {} |", decided(neighbours, truth, *interval, time));
                }
                println!();
            }
        }
    }
}

fn decided(neighbours: u32, truth: f64, interval: Interval, time: fn(&Sample) -> f64) -> String {
    let mut wrong = 0;
    let mut rounds: Vec<usize> = Vec::new();
    for seed in 0..SEEDS {
        let all = series(neighbours, seed, truth, time);
        let verdict = |count: usize| {
            let [low, high] = interval(&first(&all, count));
            let value = median(&quotients(&first(&all, count)));
            Verdict::of(&Estimate { value, low, high }, Doubt::default())
        };
        let mut counts = 3..=MOST as usize;
        let stood = counts.find(|count| verdict(*count).stands());
        wrong += u32::from(stood.is_some_and(|count| match verdict(count) {
            Verdict::Faster => true,
            Verdict::Slower => truth == 1.0,
            _ => truth > 1.1,
        }));
        rounds.push(stood.unwrap_or(MOST as usize + 1));
    }
    rounds.sort_unstable();
    let (half, most) = (rounds[rounds.len() / 2], rounds[rounds.len() * 9 / 10]);
    format!("{half}, {most} ({wrong})")
}

fn wall(sample: &Sample) -> f64 {
    sample.wall.as_secs_f64()
}

fn series(neighbours: u32, seed: u64, truth: f64, time: fn(&Sample) -> f64) -> Series {
    let [one, other] = [0.3 * truth, 0.3].map(|seconds| Contestant {
        seconds,
        computing: 0.9,
    });
    let conditions = Conditions::beside(neighbours);
    let mut machine = Machine::new(vec![one, other], conditions, seed);
    let rule = Rule {
        budget: None,
        rounds: 1..=MOST,
        warm_up: false,
        needed: Vec::new(),
    };
    let never = AtomicBool::new(false);
    let judge = |_: &[Vec<Sample>]| false;
    let Ok(outcome) = contest(&mut machine, &rule, &never, judge, |_| ());
    let times = |number: usize| outcome.rounds[number].iter().map(time).collect();
    [times(0), times(1)]
}

fn first(series: &Series, count: usize) -> Series {
    [0, 1].map(|number: usize| series[number][..count].to_vec())
}

fn held(all: &[Series], interval: Interval, count: usize) -> String {
    let bounds: Vec<[f64; 2]> = all.iter().map(|one| interval(&first(one, count))).collect();
    let held = bounds.iter().filter(|bounds| holds(bounds)).count();
    let widths: Vec<f64> = bounds.iter().map(|[low, high]| high / low).collect();
    format!("{held} ({:.2})", median(&widths))
}

/// In how many series each interval of 3, 4, ... 30 rounds holds the truth.
fn at_all_looks(all: &[Series], interval: Interval) -> usize {
    let always = |one: &&Series| (3..=30).all(|count| holds(&interval(&first(one, count))));
    all.iter().filter(always).count()
}

fn holds([low, high]: &[f64; 2]) -> bool {
    *low <= TRUTH && TRUTH <= *high
}

/// Root of the mean square of the logarithm of estimate by truth, in percent.
fn errors(all: &[Series]) {
    let estimators: [(&str, Estimator); 4] = [
        ("quotient of medians", |[one, other]| {
            median(one) / median(other)
        }),
        ("quotient of minima", |[one, other]| {
            least(one) / least(other)
        }),
        ("Hodges-Lehmann of quotients", hodges_lehmann),
        ("median of quotients (taken)", |[one, other]| {
            ratio(one, other).value
        }),
    ];
    for (name, estimate) in estimators {
        print!("| | error, %: {name} |");
        for count in COUNTS {
            let squares = all
                .iter()
                .map(|one| (estimate(&first(one, count)) / TRUTH).ln().powi(2));
            let mean = squares.sum::<f64>() / all.len() as f64;
            print!(" {:.1} |", mean.sqrt() * 100.0);
        }
        println!(" |");
    }
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn quotients([one, other]: &Series) -> Vec<f64> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one / other)
        .collect()
}

fn taken([one, other]: &Series) -> [f64; 2] {
    let found = ratio(one, other);
    [found.low, found.high]
}

/// Means of all pairs of logarithms, sorted, and Wilcoxon's signed ranks at 99.5 %.
fn ranks(both: &Series) -> [f64; 2] {
    let logs: Vec<f64> = quotients(both)
        .iter()
        .map(|quotient| quotient.ln())
        .collect();
    let means = walsh(&logs);
    let count = logs.len();
    let sums = means.len();
    let mut chances = vec![0.0; sums + 1];
    chances[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..=sums).rev() {
            let with = sum.checked_sub(rank).map_or(0.0, |rest| chances[rest]);
            chances[sum] = (chances[sum] + with) / 2.0;
        }
    }
    let mut beyond = 0.0;
    let within = chances.iter().take_while(|chance| {
        beyond += **chance;
        beyond <= 0.0025
    });
    let outside = within.count().saturating_sub(1);
    const STUDENT: [f64; 6] = [8.786, 3.527, 2.185, 1.609, 1.293, 1.094];
    let middle = median(&means);
    let widening = STUDENT.get(count - 3).unwrap_or(&1.0);
    [means[outside], means[sums - 1 - outside]]
        .map(|bound| (middle + (bound - middle) * widening).exp())
}

fn walsh(values: &[f64]) -> Vec<f64> {
    let mut means: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(at, one)| values[at..].iter().map(move |two| (one + two) / 2.0))
        .collect();
    means.sort_by(f64::total_cmp);
    means
}

fn hodges_lehmann(both: &Series) -> f64 {
    let logs: Vec<f64> = quotients(both)
        .iter()
        .map(|quotient| quotient.ln())
        .collect();
    median(&walsh(&logs)).exp()
}

/// Both lists drawn anew, each by itself, 95 %, and widened by the root of two.
fn bootstrap([one, other]: &Series) -> [f64; 2] {
    const DRAWS: usize = 200;
    let mut chance = Chance::new(1);
    let mut drawn = |times: &[f64]| {
        let at = |_| times[(chance.even() * times.len() as f64) as usize];
        let drawn: Vec<f64> = (0..times.len()).map(at).collect();
        median(&drawn)
    };
    let mut found: Vec<f64> = (0..DRAWS).map(|_| drawn(one) / drawn(other)).collect();
    found.sort_by(f64::total_cmp);
    let value = median(one) / median(other);
    [DRAWS / 40, DRAWS - 1 - DRAWS / 40]
        .map(|at| value * (found[at] / value).powf(std::f64::consts::SQRT_2))
}
