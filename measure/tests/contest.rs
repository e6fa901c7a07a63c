//! The loop: who plays when, who is left out, and when it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fsreplay_measure::contest::{End, Failure, Outcome, Rig, Rule, contest};

const SECOND: Duration = Duration::from_secs(1);

/// Each round takes a second; notes who played when.
struct Scripted<'c> {
    contestants: usize,
    played: Vec<(usize, u32)>,
    clock: Duration,
    /// Refuses in this round.
    refuses: Vec<(usize, u32)>,
    breaks: Option<(usize, u32)>,
    /// Raises the flag in this round, or ends the round itself.
    cancels: Option<(usize, u32, &'c AtomicBool)>,
    interrupts: Option<(usize, u32)>,
    /// What each contestant's first round takes longer.
    making: Duration,
}

impl Scripted<'_> {
    fn of(contestants: usize) -> Self {
        Scripted {
            contestants,
            played: Vec::new(),
            clock: Duration::ZERO,
            refuses: Vec::new(),
            breaks: None,
            cancels: None,
            interrupts: None,
            making: Duration::ZERO,
        }
    }
}

impl Rig for Scripted<'_> {
    type Round = u32;
    type Error = String;

    fn contestants(&self) -> usize {
        self.contestants
    }

    fn round(&mut self, contestant: usize, number: u32) -> Result<u32, Failure<String>> {
        let this = (contestant, number);
        let is_first = self.played.iter().all(|(other, _)| *other != contestant);
        self.played.push(this);
        self.clock += SECOND;
        if is_first {
            self.clock += self.making;
        }
        if self.refuses.contains(&this) {
            return Err(Failure::Refused(format!("{contestant} is no target")));
        }
        if self.breaks == Some(this) {
            return Err(Failure::Broken("broken".into()));
        }
        if self.interrupts == Some(this) {
            return Err(Failure::Interrupted);
        }
        if let Some((who, when, flag)) = self.cancels
            && this == (who, when)
        {
            flag.store(true, Ordering::Relaxed);
        }
        Ok(number)
    }

    fn now(&self) -> Duration {
        self.clock
    }
}

fn rule(rounds: std::ops::RangeInclusive<u32>) -> Rule {
    Rule {
        budget: None,
        rounds,
        warm_up: false,
        needed: Vec::new(),
    }
}

/// Without any verdict.
fn play(rig: &mut Scripted<'_>, rule: &Rule) -> Result<Outcome<u32, String>, String> {
    let flag = AtomicBool::new(false);
    let flag = rig.cancels.map_or(&flag, |(_, _, flag)| flag);
    contest(rig, rule, flag, |_| false, |_| ())
}

#[test]
fn each_begins_in_turn_and_the_first_round_may_be_to_warm_up() {
    let mut rig = Scripted::of(3);
    let warm = Rule {
        warm_up: true,
        ..rule(1..=2)
    };
    let outcome = play(&mut rig, &warm).unwrap();
    assert_eq!(outcome.rounds, [[1, 2]; 3]);
    assert_eq!(outcome.end, End::Rounds);
    let order: Vec<usize> = rig
        .played
        .iter()
        .map(|(contestant, _)| *contestant)
        .collect();
    assert_eq!(order, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
    assert_eq!(rig.played[0].1, 0);
}

#[test]
fn it_ends_when_all_verdicts_stand_but_not_before_the_fewest_rounds() {
    let mut rig = Scripted::of(2);
    let flag = AtomicBool::new(false);
    let mut seen = Vec::new();
    let outcome = contest(
        &mut rig,
        &rule(3..=9),
        &flag,
        |rounds: &[Vec<u32>]| rounds[1].len() >= 5,
        |told| seen.push((told.rounds[0].len(), told.stands, told.left)),
    );
    let outcome = outcome.unwrap();
    assert_eq!(outcome.end, End::Decided);
    // Nobody sits out.
    assert_eq!([outcome.rounds[0].len(), outcome.rounds[1].len()], [5, 5]);
    let left = |rounds: u32| Some(SECOND * 2 * rounds);
    assert_eq!(seen[1], (2, false, left(7)));
    assert_eq!(seen[4], (5, true, left(4)));
    assert_eq!(seen.len(), 5);
}

#[test]
fn what_the_first_round_takes_for_all_is_not_expected_of_others() {
    let mut rig = Scripted::of(2);
    rig.making = SECOND * 5;
    let bounded = Rule {
        budget: Some(SECOND * 18),
        warm_up: true,
        ..rule(1..=u32::MAX)
    };
    let outcome = play(&mut rig, &bounded).unwrap();
    // 12 seconds for the first one, two for each of the others.
    assert_eq!(outcome.rounds[0].len(), 3);
}

#[test]
fn another_round_that_would_go_over_the_budget_is_not_begun() {
    for (seconds, rounds) in [(1, 1), (4, 2), (5, 2), (6, 3)] {
        let mut rig = Scripted::of(2);
        let bounded = Rule {
            budget: Some(SECOND * seconds),
            ..rule(1..=u32::MAX)
        };
        let outcome = play(&mut rig, &bounded).unwrap();
        assert_eq!(outcome.end, End::Budget);
        assert_eq!(outcome.rounds[0].len(), rounds, "in {seconds} s");
    }
    // One whole round is played after the one to warm up.
    let mut rig = Scripted::of(2);
    let warm = Rule {
        budget: Some(SECOND),
        warm_up: true,
        ..rule(3..=9)
    };
    assert_eq!(play(&mut rig, &warm).unwrap().rounds, [[1], [1]]);
}

#[test]
fn who_is_refused_is_left_out_and_the_others_go_on() {
    let mut rig = Scripted::of(3);
    rig.refuses = vec![(1, 2)];
    let outcome = play(&mut rig, &rule(1..=3)).unwrap();
    assert_eq!(outcome.rounds, [vec![1, 2, 3], vec![], vec![1, 2, 3]]);
    assert_eq!(outcome.refused, [(1, "1 is no target".to_owned())]);
    assert_eq!(rig.played.iter().filter(|(who, _)| *who == 1).count(), 2);
}

#[test]
fn one_that_is_needed_is_refused_before_anyone_else_has_played() {
    for warm_up in [false, true] {
        let mut rig = Scripted::of(3);
        let first = u32::from(!warm_up);
        rig.refuses = vec![(2, first)];
        let needed = Rule {
            warm_up,
            needed: vec![2],
            ..rule(1..=3)
        };
        assert_eq!(play(&mut rig, &needed).unwrap_err(), "2 is no target");
        assert_eq!(rig.played, [(2, first)]);
    }
    // Else it takes its turns as all others do.
    let mut rig = Scripted::of(3);
    let needed = Rule {
        needed: vec![2],
        ..rule(1..=2)
    };
    assert_eq!(play(&mut rig, &needed).unwrap().rounds, [[1, 2]; 3]);
    let order: Vec<usize> = rig.played.iter().map(|(who, _)| *who).collect();
    assert_eq!(order, [2, 1, 0, 2, 0, 1]);
}

#[test]
fn the_last_one_that_is_refused_is_an_error_and_so_is_what_breaks() {
    let mut rig = Scripted::of(2);
    rig.refuses = vec![(0, 1), (1, 1)];
    assert_eq!(play(&mut rig, &rule(1..=3)).unwrap_err(), "0 is no target");
    let mut rig = Scripted::of(2);
    rig.breaks = Some((1, 2));
    assert_eq!(play(&mut rig, &rule(1..=3)).unwrap_err(), "broken");
}

#[test]
fn what_was_whole_is_kept_when_it_is_interrupted() {
    let mut rig = Scripted::of(2);
    rig.interrupts = Some((1, 3));
    let outcome = play(&mut rig, &rule(1..=5)).unwrap();
    assert_eq!(outcome.end, End::Interrupted);
    assert_eq!(outcome.rounds, [[1, 2], [1, 2]]);
    // The flag counts between two contestants as well.
    let flag = AtomicBool::new(false);
    let mut rig = Scripted::of(2);
    rig.cancels = Some((0, 2, &flag));
    let outcome = play(&mut rig, &rule(1..=5)).unwrap();
    assert_eq!(outcome.end, End::Interrupted);
    assert_eq!(outcome.rounds, [[1], [1]]);
    // Before the first whole round there is nothing to keep, and that is for the caller to judge.
    let mut rig = Scripted::of(2);
    rig.interrupts = Some((0, 1));
    let outcome = play(&mut rig, &rule(1..=5)).unwrap();
    assert!(outcome.rounds.iter().all(Vec::is_empty));
}
