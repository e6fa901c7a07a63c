//! What a program has that calls this crate: the example, its observer, and errors.

// The code that people copy is the code that is tried.
#[allow(dead_code)]
#[path = "../examples/compare.rs"]
mod example;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fsreplay_compare::{
    Advice, AdviceOptions, Described, Error, Extent, Given, Moved, Observer, Options, Source,
    Stage, Timing, Verdict, advise, compare,
};

/// Replays change the process's umask: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recorded(workload: &str) -> Source {
    let recorded = fsreplay_library::find(workload).expect("a workload");
    Source::held(workload, recorded.trace)
}

fn described() -> Described {
    Described::read(&recorded("cargo-noop")).expect("a trace")
}

fn directories() -> (tempfile::TempDir, tempfile::TempDir) {
    let dir = || tempfile::tempdir().expect("a directory");
    (dir(), dir())
}

fn targets(one: &Path, other: &Path) -> Vec<Given> {
    vec![Given::named("one", one), Given::named("other", other)]
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir)
        .expect("a directory")
        .next()
        .is_none()
}

#[test]
fn the_example_compares_two_directories_and_leaves_nothing() {
    let _alone = alone();
    let (one, other) = directories();
    let compared =
        example::on(&recorded("git-status"), one.path(), other.path()).expect("compared");
    let [base, beside] = compared.result.targets.as_slice() else {
        panic!("not two targets: {:?}", compared.result.targets);
    };
    assert_eq!(base.ratio.verdict, Verdict::Baseline);
    assert_ne!(beside.ratio.verdict, Verdict::Baseline);
    assert_eq!(beside.ratio.to, "one");
    let ratio = beside.ratio.estimate.known().expect("a ratio");
    let times = beside.seconds.value / base.seconds.value;
    assert!((ratio - times).abs() < 1e-6, "{ratio} is not {times}");
    assert!(compared.left.is_empty(), "{:?}", compared.left);
    assert!(is_empty(one.path()) && is_empty(other.path()));
}

/// Writes down what it is told.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    /// Becomes true with the first round that counts.
    enough: AtomicBool,
}

impl Told {
    fn add(&self, line: String) {
        self.lines.lock().expect("no panic").push(line);
    }
}

impl Observer for Told {
    fn begins(&self, names: &[String], extent: Extent) {
        self.add(format!("begins {} {extent:?}", names.join(" ")));
    }

    fn stage(&self, number: usize, stage: Stage) {
        if let Stage::Executing(round) = stage {
            self.add(format!("{number} plays {round}"));
            self.enough.store(round > 1, Ordering::Relaxed);
        }
    }

    fn ends(&self) {
        self.add("ends".into());
    }
}

#[test]
fn an_observer_is_told_and_can_end_it() {
    let _alone = alone();
    let (one, other) = directories();
    let options = Options {
        targets: targets(one.path(), other.path()),
        timing: Timing::Fast,
        rounds: Some(9),
        ..Options::default()
    };
    let told = Told::default();
    let compared = compare(described(), &options, &told, &told.enough).expect("compared");
    let result = compared.result;
    assert!(result.interrupted);
    let rounds: Vec<usize> = result.targets.iter().map(|one| one.rounds.len()).collect();
    assert_eq!(rounds, [1, 1]);
    let mut lines = told.lines.into_inner().expect("no panic");
    // Another one begins each round.
    lines[1..3].sort();
    let wanted = ["begins one other Rounds(9)", "0 plays 1", "1 plays 1"];
    assert_eq!(lines[..3], wanted, "{lines:?}");
    let [between @ .., last] = &lines[3..] else {
        panic!("no end: {lines:?}");
    };
    assert_eq!(last, "ends");
    assert!(
        between.iter().all(|line| line.ends_with("plays 2")),
        "{lines:?}"
    );
}

#[test]
fn advice_is_one_call() {
    let _alone = alone();
    let (one, other) = directories();
    let options = AdviceOptions {
        targets: targets(one.path(), other.path()),
        baseline: Some("one".into()),
        budget: Duration::from_secs(1),
        ..AdviceOptions::default()
    };
    let never = AtomicBool::new(false);
    let Advice { result, left, .. } = advise(described(), &options, &(), &never).expect("advice");
    assert_eq!(result.baseline.name, "one");
    assert!(result.baseline.seconds.known().is_some());
    assert!(!result.tried.is_empty() && !result.sentence.is_empty());
    assert_eq!(result.best().is_some(), result.advised.is_some());
    assert!(left.is_empty(), "{left:?}");
    assert!(is_empty(one.path()) && is_empty(other.path()));
}

#[test]
fn what_can_not_be_done_is_an_error_of_its_own_before_anything_is_played() {
    let (one, other) = directories();
    let never = AtomicBool::new(false);
    let failed = |change: &dyn Fn(&mut Options)| {
        let mut options = Options {
            targets: targets(one.path(), other.path()),
            ..Options::default()
        };
        change(&mut options);
        compare(described(), &options, &(), &never).expect_err("an error")
    };
    let unknown = failed(&|options| options.needed = vec!["third".into()]);
    assert_eq!(
        unknown.to_string(),
        "third: no such target; there are one, other"
    );
    assert!(matches!(unknown, Error::NoSuchTarget { .. }));
    let same = failed(&|options| options.targets.push(Given::named("one", other.path())));
    assert!(matches!(same, Error::SameName { name } if name == "one"));
    let phase = failed(&|options| options.phase = Some("start".into()));
    assert!(matches!(phase, Error::NoSuchPhase { .. }));
    let by_clock = failed(&|options| {
        options.phase = Some("start".into());
        options.precise = true;
    });
    assert!(matches!(by_clock, Error::PhaseByClock));
    let gone = failed(&|options| options.targets[0].dir = one.path().join("gone"));
    assert!(matches!(gone, Error::Replay(error) if error.is_target()));
    let none = failed(&|options| options.rounds = Some(0));
    assert!(matches!(none, Error::NoRounds), "{none}");
    let none = AdviceOptions {
        rounds: Some(0),
        ..AdviceOptions::default()
    };
    let none = advise(described(), &none, &(), &never).expect_err("an error");
    assert!(matches!(none, Error::NoRounds), "{none}");
    let alone = AdviceOptions {
        targets: vec![Given::named("one", one.path())],
        ..AdviceOptions::default()
    };
    let alone = advise(described(), &alone, &(), &never).expect_err("an error");
    assert!(matches!(alone, Error::OneMount));
    let named = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check_with(&described())
    };
    assert!(named(&|_| ()).is_ok());
    let phase = named(&|options| options.phase = Some("start".into()));
    assert!(matches!(phase, Err(Error::NoSuchPhase { .. })));
    let nowhere = Moved::Directories(vec![b"/nope".to_vec()]);
    let nowhere = named(&|options| options.moved = nowhere.clone());
    assert!(matches!(nowhere, Err(Error::Directory(_))));
    let baseline = named(&|options| options.baseline = Some("nobody".into()));
    assert!(matches!(baseline, Err(Error::NoSuchTarget { .. })));
    let missing = Described::read(&Source::file(one.path().join("none.zst")));
    assert!(missing.is_err_and(|error| error.is_of_trace()));
}
