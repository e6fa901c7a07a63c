//! The whole loop on a simulated machine, where the truth is known.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_measure::contest::{End, Outcome, Rig, Rule, contest};
use fsreplay_measure::estimate::ratio;
use fsreplay_measure::sample::Sample;
use fsreplay_measure::simulated::{Conditions, Contestant, Machine};
use fsreplay_measure::verdict::{Doubt, Verdict};
use proptest::prelude::*;

const BUDGET: Duration = Duration::from_secs(30);

/// What `compare` would do with the first one as the baseline.
fn verdicts(rounds: &[Vec<Sample>]) -> Vec<Verdict> {
    let seconds = |series: &Vec<Sample>| -> Vec<f64> {
        series.iter().map(Sample::undelayed_seconds).collect()
    };
    let times: Vec<Vec<f64>> = rounds.iter().map(seconds).collect();
    let beside =
        |other: &Vec<f64>| Verdict::of(&ratio(other, &times[0]), Doubt::of(other, &times[0]));
    let mut all = vec![Verdict::Baseline];
    all.extend(times[1..].iter().map(beside));
    all
}

fn judge(rounds: &[Vec<Sample>]) -> bool {
    verdicts(rounds).iter().all(Verdict::stands)
}

/// The same tool on a baseline and on one that takes `truth` times as long.
fn machine(truth: f64, seconds: f64, neighbours: u32, seed: u64) -> Machine {
    let contestants = [seconds, seconds * truth].map(|seconds| Contestant {
        seconds,
        computing: 0.9,
    });
    Machine::new(contestants.to_vec(), Conditions::beside(neighbours), seed)
}

fn play(machine: &mut Machine) -> Outcome<Sample, std::convert::Infallible> {
    let rule = Rule {
        budget: Some(BUDGET),
        rounds: 3..=1000,
        warm_up: true,
        needed: Vec::new(),
    };
    let never = AtomicBool::new(false);
    let Ok(outcome) = contest(machine, &rule, &never, judge, |_| ());
    outcome
}

fn is_wrong(verdict: &Verdict, truth: f64) -> bool {
    match verdict {
        Verdict::Faster => truth >= 1.0,
        Verdict::Slower => truth <= 1.0,
        Verdict::Same => (truth - 1.0).abs() > 0.1,
        Verdict::Baseline | Verdict::CantTell(_) => false,
    }
}

/// The seeds are fixed: this can't fail by chance.
#[test]
fn no_verdict_is_wrong_and_few_cant_be_told_beside_busy_neighbours() {
    const SEEDS: u64 = 200;
    for neighbours in [0, 4, 8] {
        let (mut wrong, mut open, mut all) = (0, 0, 0);
        for truth in [0.3, 0.7, 1.0, 1.15, 1.5, 4.0] {
            for seed in 0..SEEDS {
                let mut machine = machine(truth, 0.2, neighbours, seed);
                let verdict = verdicts(&play(&mut machine).rounds).remove(1);
                wrong += u32::from(is_wrong(&verdict, truth));
                open += u32::from(!verdict.stands());
                all += 1;
            }
        }
        println!("beside {neighbours}: of {all} {wrong} wrong, {open} can't be told");
        assert_eq!(wrong, 0, "beside {neighbours}, of {all}");
        if neighbours <= 4 {
            assert!(open * 5 <= all, "beside {neighbours}: {open} of {all}");
        }
    }
}

#[test]
fn on_a_quiet_machine_three_rounds_decide_what_is_clear() {
    let mut conditions = Conditions::beside(0);
    conditions.outliers = 0.0;
    let contestants = [0.2, 0.8].map(|seconds| Contestant {
        seconds,
        computing: 0.9,
    });
    let mut machine = Machine::new(contestants.to_vec(), conditions, 1);
    let outcome = play(&mut machine);
    assert_eq!(outcome.end, End::Decided);
    assert!(outcome.rounds[0].len() <= 5, "{}", outcome.rounds[0].len());
}

proptest! {
    // Regressions become tests with a name.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the machine does, a contest ends, within its budget and one round.
    #[test]
    fn it_ends_within_the_budget_and_one_round(
        truth in 0.1..10.0f64,
        seconds in 0.01..20.0f64,
        neighbours in 0u32..16,
        outliers in 0.0..0.5f64,
        seed: u64,
    ) {
        let contestants = [seconds, seconds * truth].map(|seconds| Contestant {
            seconds,
            computing: 0.9,
        });
        let mut conditions = Conditions::beside(neighbours);
        conditions.outliers = outliers;
        let mut machine = Machine::new(contestants.to_vec(), conditions, seed);
        let outcome = play(&mut machine);
        prop_assert!(outcome.rounds.iter().all(|rounds| !rounds.is_empty()));
        prop_assert_eq!(outcome.rounds[0].len(), outcome.rounds[1].len());
        let longest = |rounds: &[Sample]| rounds.iter().map(|sample| sample.wall).max();
        let round: Duration = outcome.rounds.iter().filter_map(|rounds| longest(rounds)).sum();
        // The round to warm up isn't told of; only where there are others is it no matter.
        if outcome.rounds[0].len() > 1 {
            prop_assert!(machine.now() <= BUDGET + round.mul_f64(1.3));
        }
    }

    /// The same seed gives the same verdicts: nothing depends on the real clock.
    #[test]
    fn the_same_machine_gives_the_same(truth in 0.5..2.0f64, seed: u64) {
        let twice = [(); 2].map(|()| verdicts(&play(&mut machine(truth, 0.5, 4, seed)).rounds));
        prop_assert_eq!(&twice[0], &twice[1]);
    }
}
