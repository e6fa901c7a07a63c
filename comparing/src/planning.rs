//! From a trace to a plan.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use fsreplay_replayer::fit;
use fsreplay_replayer::plan::{self, Plan};
use fsreplay_replayer::planner::{PlanError, PlanOptions, Planner};
use fsreplay_replayer::preflight::is_one_mount;
use fsreplay_replayer::{Cache, Timing};
use fsreplay_trace::format::{Limits, TraceError, TraceReader};
use fsreplay_trace::model::{Footer, Header};

use crate::error::Error;
use crate::source::Source;

/// Of plans whose maker is ended by a signal itself: nothing of theirs has to be removed.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Options of this user for a target and placed directories.
pub fn options(target: PathBuf, place: Vec<(Vec<u8>, PathBuf)>) -> PlanOptions {
    PlanOptions {
        target,
        place,
        skip: Vec::new(),
        as_root: fsreplay_replayer::privilege::acts_as_root(),
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        limits: Limits::default(),
    }
}

/// The same where all else goes to a neutral place. What would go to the mount of that place isn't
/// parted from it: links and renames between both go well there, as they did when recorded, and the
/// replay keeps its directories apart as mounts are. All of it goes to the first such directory
/// then.
pub(crate) fn apart(neutral: PathBuf, place: Vec<(Vec<u8>, PathBuf)>) -> PlanOptions {
    let home = place
        .iter()
        .map(|(_, dir)| dir)
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

/// Plans a trace, with what is known of the tool's own time besides ([`tool_time`]).
///
/// # Errors
/// As [`plan_as_recorded`]; and [`Error::Stopped`] when `cancelled` becomes true meanwhile.
pub(crate) fn plan(
    trace: &Source,
    options: &PlanOptions,
    time: Option<plan::OwnTime>,
    cancelled: &AtomicBool,
) -> Result<Plan, Error> {
    let (mut plan, _) = unless_stopped(trace, false, options, cancelled)?;
    plan.timing = time.unwrap_or(plan.timing);
    Ok(plan)
}

/// The tool's own time by its runs without the recorder; none where the trace holds none.
///
/// # Errors
/// [`Error::Trace`] and [`Error::Plan`].
pub fn tool_time(trace: &Source, footer: Option<&Footer>) -> Result<Option<plan::OwnTime>, Error> {
    if footer.and_then(fit::processor_seconds).is_none() {
        return Ok(None);
    }
    let (plan, _) = plan_on_paper(trace, false)?;
    Ok(Some(plan.timing))
}

/// Plans a trace with its times as recorded, with `truncated` also one that was cut off; also gives
/// what was known when the recording ended, if it did.
///
/// # Errors
/// [`Error::Trace`], [`Error::Plan`], and a target that can't be used.
pub fn plan_as_recorded(
    trace: &Source,
    truncated: bool,
    options: &PlanOptions,
) -> Result<(Plan, Option<Footer>), Error> {
    unless_stopped(trace, truncated, options, &NEVER)
}

/// The same, until `cancelled` becomes true.
fn unless_stopped(
    trace: &Source,
    truncated: bool,
    options: &PlanOptions,
    cancelled: &AtomicBool,
) -> Result<(Plan, Option<Footer>), Error> {
    let mut reader = trace.reader()?;
    // A target that can't be used is said before a long trace is planned.
    for target in std::iter::once(&options.target).chain(options.place.iter().map(|(_, dir)| dir)) {
        fsreplay_replayer::preflight::usable(target)?;
    }
    let plan = planned(&mut reader, trace, truncated, options, cancelled)?;
    Ok((plan, reader.footer().cloned()))
}

/// Plans a trace that is not to be replayed, only played on paper; also gives its header. No target
/// is looked at. Its computing is that of runs without the recorder if the trace holds such.
pub(crate) fn plan_on_paper(trace: &Source, truncated: bool) -> Result<(Plan, Header), Error> {
    let mut reader = trace.reader()?;
    let options = options(PathBuf::from("/"), Vec::new());
    let mut plan = planned(&mut reader, trace, truncated, &options, &NEVER)?;
    if let Some(footer) = reader.footer() {
        fit::calibrate(&mut plan, footer);
    }
    Ok((plan, reader.header().clone()))
}

fn planned(
    reader: &mut TraceReader,
    trace: &Source,
    truncated: bool,
    options: &PlanOptions,
    cancelled: &AtomicBool,
) -> Result<Plan, Error> {
    let of_plan = |source: PlanError| Error::Plan {
        trace: trace.name().to_owned(),
        source,
    };
    let options = PlanOptions {
        limits: trace.limits(),
        ..options.clone()
    };
    let mut planner = Planner::new(reader.header(), options);
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        match reader.next_record() {
            Ok(Some(record)) => planner.record(&record, reader.tables()).map_err(of_plan)?,
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if truncated => break,
            Err(error) => return Err(trace.failed(error)),
        }
    }
    planner.finish(reader.tables()).map_err(of_plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_to_stop_plans_no_long_trace() {
        let recorded = fsreplay_library::find("sqlite3").expect("a workload");
        let trace = Source::held(recorded.name(), recorded.trace);
        let dir = tempfile::tempdir().expect("a directory");
        let options = options(dir.path().to_owned(), Vec::new());
        let asked = |stop| plan(&trace, &options, None, &AtomicBool::new(stop));
        assert!(matches!(asked(true), Err(Error::Stopped)));
        assert!(asked(false).is_ok());
    }
}
