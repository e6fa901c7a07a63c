//! `fsreplay compare`: what the tool would take on each of several mounts.

pub mod condition;
pub mod view;

use std::sync::atomic::AtomicBool;

use fsreplay_compare::{Compared, Described, Error, Options, compare};
use fsreplay_replayer::ReplayError;
use fsreplay_results::compare::{Compare, Target};
use fsreplay_results::{Document, FileShare, Verdict};

use crate::args::{CompareArgs, given, moved};
use crate::exit::{self, Failure};
use crate::export;
use crate::progress::Progress;
use crate::report;
use crate::signals;
use crate::term;
use crate::text;
use condition::Condition;

/// Runs the command and gives the status to exit with.
pub fn run(args: &CompareArgs) -> Result<i32, Failure> {
    let conditions = args
        .fail_if
        .iter()
        .map(|text| Condition::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let asked = options(args, &conditions);
    asked.check()?;
    let trace = args.trace.source()?;
    let described = Described::read(&trace)?;
    let told = asked.check_with(&described);
    told.map_err(|error| failure(error, args, &conditions))?;
    let share = described.share.as_ref();
    if let Some(share) = share.filter(|share| is_enough(args, share)) {
        let answer = format!("{} Compare all the same with --anyway.", share.sentence);
        if !args.quiet {
            term::print(&text!("{}\n", answer))?;
        }
        return Ok(exit::OK);
    }
    let cancelled = signals::cancelled()?;
    let (comparison, left) = find(args, described, &conditions, &cancelled)?;
    if let Some(path) = &args.files.json {
        term::write_json(path, &Document::Compare(comparison.clone()))?;
    }
    if let Some(path) = &args.files.html {
        report::write_page(path, vec![Document::Compare(comparison.clone())])?;
    }
    export::write(args.files.csv.as_ref(), || export::compare_csv(&comparison))?;
    export::write(args.files.markdown.as_ref(), || {
        export::compare_markdown(&comparison)
    })?;
    if !args.quiet && !term::is_taken(&args.files.all()) {
        term::print(&view::text(&comparison, args.verbose > 0))?;
    }
    let failed: Vec<&Condition> = conditions.iter().filter(|c| c.holds(&comparison)).collect();
    for condition in &failed {
        term::tell(&term::Text::of(&condition.explain(&comparison)));
    }
    let can_not_tell = |target: &Target| target.ratio.verdict == Verdict::CannotTell;
    let status = if !failed.is_empty() {
        exit::DIVERGED
    } else if comparison.targets.iter().any(can_not_tell) {
        exit::CANNOT_TELL
    } else {
        exit::OK
    };
    Ok(exit::left(&left, status))
}

/// Measures, and gives what was found and the directories that could not be removed.
pub fn find(
    args: &CompareArgs,
    described: Described,
    conditions: &[Condition],
    cancelled: &AtomicBool,
) -> Result<(Compare, Vec<ReplayError>), Failure> {
    let options = options(args, conditions);
    let found = compare(described, &options, &Progress::new(args.quiet), cancelled);
    let Compared { result, left } = found.map_err(|error| failure(error, args, conditions))?;
    Ok((result, left))
}

/// What is asked for, as the library has it.
fn options(args: &CompareArgs, conditions: &[Condition]) -> Options {
    let names = conditions.iter().flat_map(Condition::names);
    Options {
        targets: args.target.iter().map(given).collect(),
        baseline: args.baseline.clone(),
        needed: names.map(str::to_owned).collect(),
        moved: moved(&args.moved),
        neutral: args.neutral.clone(),
        timing: args.timing,
        precise: args.precise,
        phase: args.phase.clone(),
        rounds: args.rounds,
        budget: args.budget,
        cache: args.cache,
    }
}

/// A name that no target has comes from one of two options.
fn failure(error: Error, args: &CompareArgs, conditions: &[Condition]) -> Failure {
    let Error::NoSuchTarget { name, .. } = &error else {
        return error.into();
    };
    let mut conditions = conditions.iter();
    let condition = conditions.find(|condition| condition.names().contains(&name.as_str()));
    match condition.filter(|_| args.baseline.as_ref() != Some(name)) {
        Some(condition) => Failure::new(exit::USAGE, format!("{}: {error}", condition.option())),
        None => error.into(),
    }
}

/// Whether the share of file access answers all that was asked for.
fn is_enough(args: &CompareArgs, share: &FileShare) -> bool {
    let files = args.files.all();
    let is_told_to_go_on = args.anyway
        || args.precise
        || !args.target.is_empty()
        || !args.fail_if.is_empty()
        || files.iter().any(|file| file.is_some());
    !is_told_to_go_on && share.is_small()
}
