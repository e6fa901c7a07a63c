//! The second half of `record --calibrate`: a replay where the command was recorded must take as long as the command did without
//! the recorder. What each event takes besides what was recorded is found by trying.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::result::median;
use fsreplay_replayer::{Cache, PlayOptions, Player, Timing};
use fsreplay_trace::format;
use fsreplay_trace::model::Unobserved;

use crate::compare::{moved, targets};
use crate::exit::{self, Failure};
use crate::planning;

/// Tries after the first.
const TRIES: usize = 3;
/// All replays together shall not take much longer than this, seconds.
const BUDGET: f64 = 30.0;
/// Near enough: a share of the command's time.
const NEAR: f64 = 0.01;

/// Finds it and adds it to the trace.
pub fn fit(trace: &Path) -> Result<(), Failure> {
    let mut reader = format::open(trace).map_err(|error| Failure::trace(trace, &error))?;
    loop {
        match reader.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(Failure::trace(trace, &error)),
        }
    }
    let Some(mut footer) = reader.footer().cloned() else {
        return Ok(());
    };
    let Some(unobserved) = footer.unobserved else {
        return Ok(());
    };
    let workspace = moved::resolve("workspace", trace, reader.header())?;
    let place = workspace.iter().map(|path| {
        use std::os::unix::ffi::OsStrExt;
        let here = Path::new(std::ffi::OsStr::from_bytes(path));
        (path.clone(), here.to_owned())
    });
    let options = planning::options(targets::neutral(None)?, place.collect());
    let (plan, _) = planning::plan_as_recorded(trace, false, &options)?;
    let per_event = search(&plan, unobserved)?;
    footer.unobserved = Some(Unobserved {
        per_event: Some(per_event),
        ..unobserved
    });
    format::replace_footer(trace, &footer).map_err(|error| Failure::trace(trace, &error))
}

/// Secants: the time of a replay grows nearly in proportion.
fn search(plan: &Plan, unobserved: Unobserved) -> Result<f64, Failure> {
    let wanted = unobserved.elapsed as f64;
    let events: usize = plan.lanes.iter().map(|lane| lane.ops.len()).sum();
    let rounds = (BUDGET * 1e9 / wanted / (TRIES + 1) as f64 - 1.0).clamp(1.0, 7.0) as u32;
    let by_cpu = (unobserved.cpu as f64 - plan.timing.recorded_cpu) / events.max(1) as f64;
    let mut last = (by_cpu, time(plan, unobserved, by_cpu, rounds)?);
    let mut best = last;
    let mut slope = events.max(1) as f64;
    for _ in 0..TRIES {
        if (best.1 / wanted - 1.0).abs() < NEAR {
            break;
        }
        let next = best.0 + (wanted - best.1) / slope;
        let taken = time(plan, unobserved, next, rounds)?;
        let measured = (taken - last.1) / (next - last.0);
        // Threads overlap, so that a part of the events counts; less than a tenth of them is noise.
        if measured.is_finite() && measured > events as f64 / 10.0 {
            slope = measured;
        }
        last = (next, taken);
        if (taken - wanted).abs() < (best.1 - wanted).abs() {
            best = last;
        }
    }
    Ok(best.0)
}

/// Median time of a replay with so much added to each event, nanoseconds.
fn time(plan: &Plan, unobserved: Unobserved, each: f64, rounds: u32) -> Result<f64, Failure> {
    let mut plan = plan.clone();
    plan.anchor(Unobserved {
        per_event: Some(each),
        ..unobserved
    });
    let options = PlayOptions {
        rounds,
        keep: false,
        timing: Timing::Scaled(1.0),
        cache: Cache::Warm,
    };
    let never = AtomicBool::new(false);
    let mut player = Player::new(&plan, options);
    let mut times = Vec::new();
    for round in 0..=rounds {
        let played = player
            .round(round, &never, &|_| {})
            .map_err(planning::failure)?;
        if round > 0 {
            times.push(played.round.wall_seconds * 1e9);
        }
    }
    player.end().map_err(planning::failure)?;
    Ok(median(&times))
}

/// What the user is told if it could not be done.
pub fn explain(failure: &Failure) -> String {
    let code = failure.code;
    let advice = match code {
        exit::TARGET => {
            " (make the recorded directory writable, or leave it: predictions go by processor time then)"
        }
        _ => "",
    };
    format!("the replay for calibration: {}{advice}", failure.message)
}
