//! What commands that replay have in common: from a trace to a plan, signals, failures.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::fit;
use fsreplay_replayer::plan::{self, Plan};
use fsreplay_replayer::planner::{PlanError, PlanOptions, Planner};
use fsreplay_replayer::preflight::is_one_mount;
use fsreplay_replayer::{Cache, ReplayError, Timing};
use fsreplay_trace::format::{Limits, TraceError, TraceReader};
use fsreplay_trace::model::{Footer, Header};

use crate::args::TraceArgs;
use crate::exit::{self, Failure};
use crate::term::{self, Text};

/// Options of this user for a target and placed directories.
pub fn options(target: PathBuf, place: Vec<(Vec<u8>, PathBuf)>) -> PlanOptions {
    let uid = nix::unistd::geteuid();
    PlanOptions {
        target,
        place,
        skip: Vec::new(),
        as_root: uid.is_root(),
        uid: uid.as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        limits: Limits::default(),
        keep_durations: false,
    }
}

/// The same where all else goes to a neutral place. What would go to the mount of that place isn't
/// parted from it: links and renames between both go well there, as they did when recorded, and the
/// replay keeps its directories apart as mounts are. All of it goes to the first such directory then.
pub fn apart(neutral: PathBuf, place: Vec<(Vec<u8>, PathBuf)>) -> PlanOptions {
    let home = place.iter().map(|(_, dir)| dir);
    let home = home
        .clone()
        .find(|dir| is_one_mount(dir, &neutral))
        .cloned();
    let Some(home) = home else {
        return options(neutral, place);
    };
    let stays = |(path, dir): &(Vec<u8>, PathBuf)| {
        let within = |above: &[u8]| {
            let rest = path.strip_prefix(above);
            rest.is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        let mut around = place.iter();
        // Below another mount it is a border.
        !is_one_mount(dir, &neutral)
            || around.any(|(above, dir)| within(above) && !is_one_mount(dir, &neutral))
    };
    let parted = place.iter().filter(|one| stays(one)).cloned().collect();
    options(home, parted)
}

/// What caches are like if nothing was asked for.
pub fn cache(asked: Option<Cache>, timing: Timing) -> Cache {
    asked.unwrap_or(match timing {
        Timing::Fast => Cache::Made,
        Timing::Scaled(_) => Cache::Warm,
    })
}

/// Opens a trace, from which no more is taken than its user said.
pub fn open(trace: &TraceArgs) -> Result<TraceReader, Failure> {
    let reader = fsreplay_trace::format::open_within(&trace.path, &trace.limits());
    reader.map_err(|error| Failure::trace(&trace.path, &error))
}

/// Plans a trace, with what is known of the tool's own time besides ([`tool_time`]).
pub fn plan(
    trace: &TraceArgs,
    options: &PlanOptions,
    time: Option<plan::Timing>,
) -> Result<Plan, Failure> {
    let (mut plan, _) = plan_as_recorded(trace, false, options)?;
    plan.timing = time.unwrap_or(plan.timing);
    Ok(plan)
}

/// The tool's own time by its runs without the recorder; none where the trace holds none.
pub fn tool_time(
    trace: &TraceArgs,
    footer: Option<&Footer>,
) -> Result<Option<plan::Timing>, Failure> {
    if footer.and_then(fit::processor_seconds).is_none() {
        return Ok(None);
    }
    let (plan, _) = plan_on_paper(trace, false)?;
    Ok(Some(plan.timing))
}

/// Plans a trace with its times as recorded; also gives what was known when the recording ended, if it did.
pub fn plan_as_recorded(
    trace: &TraceArgs,
    truncated: bool,
    options: &PlanOptions,
) -> Result<(Plan, Option<Footer>), Failure> {
    let mut reader = open(trace)?;
    // A target that can't be used is said before a long trace is planned.
    for target in std::iter::once(&options.target).chain(options.place.iter().map(|(_, dir)| dir)) {
        fsreplay_replayer::preflight::usable(target).map_err(failure)?;
    }
    let plan = planned(&mut reader, trace, truncated, options)?;
    Ok((plan, reader.footer().cloned()))
}

/// Plans a trace that is not to be replayed, only played on paper; also gives its header. No target
/// is looked at. Its computing is that of runs without the recorder if the trace holds such.
pub fn plan_on_paper(trace: &TraceArgs, truncated: bool) -> Result<(Plan, Header), Failure> {
    let mut reader = open(trace)?;
    let options = PlanOptions {
        keep_durations: true,
        ..options(PathBuf::from("/"), Vec::new())
    };
    let mut plan = planned(&mut reader, trace, truncated, &options)?;
    if let Some(footer) = reader.footer() {
        fit::calibrate(&mut plan, footer);
    }
    Ok((plan, reader.header().clone()))
}

fn planned(
    reader: &mut TraceReader,
    trace: &TraceArgs,
    truncated: bool,
    options: &PlanOptions,
) -> Result<Plan, Failure> {
    let of_trace = |error: TraceError| Failure::trace(&trace.path, &error);
    let of_plan = |error: PlanError| {
        Failure::new(
            exit::TRACE,
            format!("{}: {}", trace.path.display(), exit::chain(&error)),
        )
    };
    let options = PlanOptions {
        limits: trace.limits(),
        ..options.clone()
    };
    let mut planner = Planner::new(reader.header(), options);
    loop {
        match reader.next_record() {
            Ok(Some(record)) => planner.record(&record, reader.tables()).map_err(of_plan)?,
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if truncated => break,
            Err(error) => return Err(of_trace(error)),
        }
    }
    planner.finish(reader.tables()).map_err(of_plan)
}

/// Becomes true at the first signal that asks for an end; the second one ends the process in the usual way.
pub fn cancelled_by_signals() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    let cancelled = Arc::new(AtomicBool::new(false));
    let handling = |error| Failure::new(exit::FAILURE, format!("handling signals: {error}"));
    // A limit on file sizes is told by the call that meets it; the signal would end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(handling)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let registered =
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&cancelled))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancelled)));
        registered.map_err(handling)?;
    }
    Ok(cancelled)
}

/// A replay's failure with its exit code.
pub fn failure(error: ReplayError) -> Failure {
    let code = match error.is_target() {
        true => exit::TARGET,
        false => exit::FAILURE,
    };
    Failure::new(code, explained(&error))
}

/// With its causes and what to do.
fn explained(error: &ReplayError) -> String {
    let mut text = exit::chain(error);
    if let Some(advice) = error.advice() {
        text.push_str("; ");
        text.push_str(advice);
    }
    text
}

/// Tells of directories that could not be removed. With any, the status to exit with isn't `status`
/// but that of a failure.
pub fn left(left: &[ReplayError], status: i32) -> i32 {
    for error in left {
        term::tell(&Text::of(&explained(error)));
    }
    if left.is_empty() {
        status
    } else {
        exit::FAILURE
    }
}
