//! Several targets in turn, of which one is none.

mod common;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::Builder;
use fsreplay_replayer::contest::{Judged, Outcome, contest_until};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::{PlayOptions, ReplayError};

fn plan(target: &Path) -> Plan {
    let mut builder = Builder::new(target);
    builder.lane();
    builder.plan
}

fn contest(plans: &[Plan], needed: &[usize]) -> Result<Outcome, ReplayError> {
    let options = PlayOptions {
        rounds: 2,
        keep: false,
        timing: Default::default(),
        cache: Default::default(),
    };
    let judged = Judged {
        budget: None,
        least: 2,
        needed,
        judge: &mut |_| false,
        told: &mut |_| (),
    };
    contest_until(plans, options, judged, &AtomicBool::new(false), &|_, _| {})
}

#[test]
fn a_target_that_has_gone_is_left_out_and_the_others_go_on() {
    let here = tempfile::tempdir().expect("a directory");
    let gone = here.path().join("gone");
    let plans = [plan(&gone), plan(here.path())];
    let outcome = contest(&plans, &[]).expect("one is there");
    assert_eq!(outcome.rounds.len(), 1);
    assert_eq!(outcome.rounds[0].len(), 2);
    let [(0, error)] = outcome.refused.as_slice() else {
        panic!("{:?}", outcome.refused);
    };
    assert!(error.is_target(), "{error}");
    // Nobody wants the others without it, and without any there is nothing to tell.
    assert!(contest(&plans, &[0]).is_err_and(|error| error.is_target()));
    assert!(contest(&plans[..1], &[]).is_err_and(|error| error.is_target()));
}
