//! `fsreplay play`: replay a trace on a target.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::PlanOptions;
use fsreplay_replayer::{PlayOptions, Replayed, Stage, Timing};
use fsreplay_results::Document;
use fsreplay_results::play::{Coverage, Play, Round};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::PlayArgs;
use crate::caveats::{self, Unrecorded};
use crate::exit::{self, Failure};
use crate::places;
use crate::planning;
use crate::term::{self, Text};
use crate::{say, text};

/// Runs the command and gives the status to exit with.
pub fn run(args: &PlayArgs) -> Result<i32, Failure> {
    let options = plan_options(args)?;
    let (mut plan, footer) = planning::plan_as_recorded(&args.trace, args.truncated, &options)?;
    if args.timing != Timing::Fast
        && let Some(time) = planning::tool_time(&args.trace, footer.as_ref())?
    {
        plan.timing = time;
    }
    if args.dry_run {
        fsreplay_replayer::preflight::preflight(&plan).map_err(planning::failure)?;
        return term::print(&describe(&plan)).map(|()| exit::OK);
    }
    let cancelled = planning::cancelled_by_signals()?;
    let bar = progress_bar(args.quiet);
    let play = PlayOptions {
        rounds: args.rounds,
        keep: args.keep,
        timing: args.timing,
        cache: planning::cache(args.cache, args.timing),
    };
    let outcome = fsreplay_replayer::play(&plan, play, &cancelled, &|stage| show(&bar, stage));
    bar.finish_and_clear();
    let Replayed { mut result, left } = outcome.map_err(planning::failure)?;
    let unrecorded = Unrecorded {
        calls: footer.map_or_else(BTreeMap::new, |footer| footer.unrecorded),
        events: result.events,
    };
    let told = caveats::of_outcomes(&result.divergence_groups).into_iter();
    let told = told.chain(unrecorded.caveat());
    result.caveats = told
        .map(|caveat| caveats::sentence(None, &caveat.text))
        .collect();
    result.unrecorded = unrecorded.calls;
    if let Some(path) = &args.json {
        term::write_json(path, &Document::Play(result.clone()))?;
    }
    if !args.quiet && args.json.as_deref() != Some("-".as_ref()) {
        term::print(&report(&result, args.verbose > 0))?;
    }
    let status = if args.strict && result.divergences > 0 {
        exit::DIVERGED
    } else {
        exit::OK
    };
    Ok(planning::left(&left, status))
}

fn plan_options(args: &PlayArgs) -> Result<PlanOptions, Failure> {
    let place = args
        .place
        .iter()
        .map(placement)
        .collect::<Result<Vec<_>, _>>()?;
    let (moved, dirs): (Vec<&[u8]>, Vec<PathBuf>) = place.into_iter().unzip();
    let moved = places::recorded("--place", &moved, &args.trace)?;
    let skip: Vec<&[u8]> = args.skip.iter().map(|path| path.as_bytes()).collect();
    Ok(PlanOptions {
        skip: places::recorded("--skip", &skip, &args.trace)?,
        ..planning::options(args.target.clone(), moved.into_iter().zip(dirs).collect())
    })
}

/// `RECORDED=DIR`, both parts there.
fn placement(text: &OsString) -> Result<(&[u8], PathBuf), Failure> {
    let bytes = text.as_bytes();
    let parts = bytes
        .iter()
        .position(|byte| *byte == b'=')
        .map(|at| (&bytes[..at], &bytes[at + 1..]));
    match parts {
        Some((recorded, dir)) if !recorded.is_empty() && !dir.is_empty() => {
            Ok((recorded, PathBuf::from(std::ffi::OsStr::from_bytes(dir))))
        }
        _ => Err(Failure::new(
            exit::USAGE,
            format!(
                "--place {}: give it as RECORDED=DIR, with an absolute recorded path",
                text.to_string_lossy()
            ),
        )),
    }
}

fn progress_bar(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, stage: Stage) {
    match stage {
        Stage::Preparing(round, made, of) if made % 64 == 0 || made == of => {
            bar.set_length(of as u64);
            bar.set_position(made as u64);
            if made <= 64 {
                bar.set_message(format!("round {round}: making the tree"));
            }
        }
        Stage::Preparing(..) => {}
        Stage::Executing(round) => bar.set_message(format!("round {round}: replaying")),
    }
}

/// What a plan would do.
fn describe(plan: &Plan) -> Text {
    let c = &plan.coverage;
    text!(
        "{} events: {} would be issued by {} threads, {}\ntree: {} entries, up to {} in {} inodes\n{}nothing was written\n",
        term::count(c.events),
        term::count(c.issued),
        plan.lanes.len(),
        untouched(c),
        term::count(plan.tree.len() as u64),
        term::bytes(plan.peak_bytes),
        term::count(plan.peak_inodes),
        notes(&plan.notes),
    )
}

fn untouched(c: &Coverage) -> String {
    let mut parts = vec![format!(
        "{} on pseudo file systems and {} on pipes, sockets and the like are tracked only",
        term::count(c.pseudo),
        term::count(c.other)
    )];
    for (count, what) in [
        (c.skipped, "skipped"),
        (c.unresolved, "could not be resolved"),
        (c.unfinished, "never returned"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", term::count(count)));
        }
    }
    parts.join(", ")
}

fn notes(notes: &[(String, u64)]) -> Text {
    let mut out = Text::default();
    for (note, count) in notes {
        say!(out, "note: {} ({})", note, term::count(*count));
    }
    out
}

fn report(result: &Play, verbose: bool) -> Text {
    let mut out = Text::default();
    let Some(last) = result.rounds.last() else {
        return out;
    };
    for caveat in &result.caveats {
        say!(out, "{}", term::strong(caveat));
    }
    let most = if verbose { usize::MAX } else { 12 };
    let rows = last
        .calls
        .iter()
        .take(most)
        .map(|call| {
            vec![
                call.name.to_string(),
                term::count(call.count),
                term::count(call.errors),
                term::seconds(call.total_seconds),
                term::nanoseconds(call.p50_ns),
                term::nanoseconds(call.p99_ns),
                term::nanoseconds(call.max_ns),
            ]
        })
        .collect();
    say!(
        out,
        "{}",
        term::table(
            &["call", "events", "failed", "time", "median", "99 %", "max"],
            rows
        )
    );
    if last.calls.len() > most {
        say!(out, "  … and {} more calls (-v)", last.calls.len() - most);
    }
    say!(out);
    for target in &result.targets {
        say!(out, "{} on {}", target.recorded, target.path);
    }
    out.push(&time(result, last));
    let c = &result.coverage;
    say!(
        out,
        "{} of {} events issued ({}); {}",
        term::count(c.issued),
        term::count(c.events),
        term::percent(c.issued, c.events),
        untouched(c)
    );
    say!(
        out,
        "{} outcomes as recorded, {}",
        term::percent(c.events.saturating_sub(result.divergences), c.events),
        term::counted(result.divergences, "divergence", "divergences")
    );
    for group in &result.divergence_groups {
        say!(
            out,
            "  {} × {}: {}",
            term::count(group.count),
            group.call,
            group.cause
        );
        for example in group.examples.iter().take(if verbose { 5 } else { 1 }) {
            say!(
                out,
                "      event {} {}: recorded {}, replayed {}",
                example.event,
                example.path,
                outcome(example.expected),
                outcome(example.got)
            );
        }
    }
    if last.left_out > 0 {
        say!(
            out,
            "{} calls left out: this file system clones files, so that the tool would not have copied them",
            term::count(last.left_out)
        );
    }
    out.push(&notes(&result.notes));
    for path in &result.kept {
        say!(out, "the tree is kept in {}", path);
    }
    out
}

/// What the rounds took, and what that stands for.
fn time(result: &Play, last: &Round) -> Text {
    let what = match (&result.prediction, result.timing.as_str()) {
        (Some(_), _) => "prediction: the tool would take".to_owned(),
        (None, "fast") => "file-system time only:".to_owned(),
        (None, timing) => format!("time with the tool's own ({timing}):"),
    };
    let mut out = text!("{} {}", what, term::seconds(result.seconds.value));
    let rounds: Vec<String> = result
        .wall_seconds
        .iter()
        .map(|s| term::seconds(*s))
        .collect();
    if rounds.len() > 1 {
        out.push(&text!(" (of rounds of {})", rounds.join(", ")));
    }
    say!(
        out,
        ", {}; making the tree took {}",
        term::counted(result.threads, "thread", "threads"),
        term::seconds(last.prepare_seconds)
    );
    match result
        .prediction
        .as_ref()
        .map(|prediction| prediction.basis.as_str())
    {
        None | Some("calibrated") => {}
        Some(basis) => {
            let why = match basis {
                "clock" => "the recorder could not tell computing from waiting",
                _ => "recording itself slows a tool down a little more than is taken out",
            };
            say!(
                out,
                "a rough prediction ({}); record --calibrate makes it better",
                why
            );
        }
    }
    out
}

fn outcome(value: i64) -> String {
    if (-4095..0).contains(&value) {
        crate::dump::errno_name(-value as i32)
    } else {
        value.to_string()
    }
}
