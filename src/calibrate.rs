//! The second half of `record --calibrate`: a replay where the command was recorded must take as long as the command did without
//! the recorder. What each event takes besides what was recorded is found by trying: the command and its replay in turn, so that
//! what the machine does meanwhile meets both.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_recorder::Again;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::quiet::{Look, PATIENCE, Watch, keep_undisturbed};
use fsreplay_replayer::result::median;
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing, preflight, rest_before_run};
use fsreplay_trace::format;
use fsreplay_trace::model::{Header, Unobserved, is_pseudo};

use crate::compare::{moved, targets};
use crate::exit::{self, Failure};
use crate::planning;

/// Tries.
const TRIES: usize = 3;
/// Runs of the command, and of its replay, in each, if they are short.
const RUNS: u32 = 21;
/// No more of them in a try after this, once there is one,
const BUDGET: Duration = Duration::from_secs(10);
/// and no more tries after this.
const WHOLE_BUDGET: Duration = Duration::from_secs(40);
/// Near enough: a share of the command's time.
const NEAR: f64 = 0.005;
/// What no number of runs makes more precise: that part of the time that a tool waited for a disk, and that part of its
/// processor time, is another in a replay.
const VAGUE: f64 = 0.05;
/// How well it is known how a replay's time grows with what is added: the error of a step, as a share of its length.
const VAGUE_SLOPE: f64 = 0.3;
/// The standard error of a median is larger than that of a mean by this, for values that are normally distributed.
const MEDIAN_ERROR: f64 = 1.25;
/// Standard deviations between the quartiles, likewise.
const QUARTILES: f64 = 1.349;

/// Finds it and adds it to the trace.
pub fn fit(trace: &Path, again: &Again<'_>) -> Result<(), Failure> {
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
    let place = as_recorded(trace, reader.header())?;
    let several = place.len() > 1;
    // The command as a replay: both begin on a machine at rest.
    let rests = place.iter().filter_map(|(_, dir)| {
        let dir = File::open(dir).ok()?;
        Some(rest_before_run(dir))
    });
    let again = Again {
        rest: rests.max().unwrap_or_default(),
        ..*again
    };
    let options = planning::options(targets::neutral(None)?, place);
    let (plan, _) = planning::plan_as_recorded(trace, false, &options)?;
    let mut search = Search {
        plan: &plan,
        several,
        again: &again,
        unobserved,
        runs: Vec::new(),
        watch: Watch::default(),
    };
    footer.unobserved = Some(search.run()?);
    format::replace_footer(trace, &footer).map_err(|error| Failure::trace(trace, &error))
}

/// The workspace where it was recorded: it, and each mount in it that can be written to, on itself. Times of a mount that is slower than
/// the one around it would else be missing in the replay, and be taken for the recorder's doing.
fn as_recorded(trace: &Path, header: &Header) -> Result<Vec<(Vec<u8>, PathBuf)>, Failure> {
    let here = |path: &[u8]| PathBuf::from(OsStr::from_bytes(path));
    let workspace = moved::resolve("workspace", trace, header)?;
    let mut place = Vec::new();
    for whole in workspace {
        let inside = moved::mounts_in(&header.mounts, &whole).into_iter();
        let inside = inside.filter(|mount| {
            let device = mount.mount_point.starts_with(b"/dev") && mount.mount_point != b"/dev/shm";
            !device && !is_pseudo(&mount.fs_type)
        });
        let inside = inside.map(|mount| (mount.mount_point.clone(), here(&mount.mount_point)));
        let inside: Vec<_> = inside
            .filter(|(_, dir)| preflight::usable(dir).is_ok())
            .collect();
        place.push((whole.clone(), here(&whole)));
        place.extend(inside);
    }
    Ok(place)
}

/// The search for what each event takes besides.
struct Search<'a> {
    plan: &'a Plan,
    /// The workspace is on several mounts.
    several: bool,
    again: &'a Again<'a>,
    /// A first run.
    unobserved: Unobserved,
    /// All that followed.
    runs: Vec<Unobserved>,
    watch: Watch,
}

impl Search<'_> {
    /// The time of a replay grows nearly in proportion to what is added to each event: each try tells what would have been right, the more
    /// precisely the nearer it was, and all of them count.
    ///
    /// Time on the clock and processor time both tell what is missing. Where the tool mostly waits for a disk, the first is vague; where
    /// many tasks wait for each other, the second is: each counts as much as it is precise.
    fn run(&mut self) -> Result<Unobserved, Failure> {
        let lanes = self.plan.lanes.iter();
        let events = lanes.map(|lane| lane.ops.len()).sum::<usize>().max(1) as f64;
        let missing = self.unobserved.cpu as f64 - self.plan.timing.recorded_cpu;
        let mut each = missing / events;
        let mut slope = events;
        let mut found: Option<Estimate> = None;
        let mut last: Option<(f64, f64)> = None;
        let begin = Instant::now();
        for _ in 0..TRIES {
            let Try { wall, cpu } = self.alternate(each)?;
            if let Some((before, taken)) = last {
                let measured = (wall.replay() - taken) / (each - before);
                // Threads overlap, so that a part of the events counts; less than a tenth of them is noise.
                if measured.is_finite() && measured > events / 10.0 {
                    slope = measured.min(events);
                }
            }
            last = Some((each, wall.replay()));
            let (by_wall, by_cpu) = (wall.missing(slope), cpu.missing(events));
            let step = by_wall.and(by_cpu);
            let right = Estimate {
                value: each + step.value,
                error: step.error.hypot(VAGUE_SLOPE * step.value),
            };
            let all = found.map_or(right, |found| found.and(right));
            tracing::debug!(
                each,
                slope,
                ?wall,
                ?cpu,
                ?by_wall,
                ?by_cpu,
                ?right,
                ?all,
                "calibrating"
            );
            found = Some(all);
            let off = (all.value - each).abs();
            each = all.value;
            let is_near = (off + all.error) * slope < NEAR * wall.tool;
            if is_near || begin.elapsed() > WHOLE_BUDGET {
                break;
            }
        }
        self.runs.sort_by_key(|run| run.elapsed);
        let typical = self.runs.get(self.runs.len() / 2).copied();
        Ok(Unobserved {
            per_event: Some(each),
            ..typical.unwrap_or(self.unobserved)
        })
    }

    /// The command and its replay in turn.
    fn alternate(&mut self, each: f64) -> Result<Try, Failure> {
        let mut plan = self.plan.clone();
        plan.anchor(Unobserved {
            per_event: Some(each),
            ..self.unobserved
        });
        let options = PlayOptions {
            rounds: RUNS,
            keep: false,
            timing: Timing::Scaled(1.0),
            cache: Cache::Warm,
        };
        let never = AtomicBool::new(false);
        let mut player = Player::new(&plan, options);
        let mut pairs = Vec::new();
        let begin = Instant::now();
        for round in 0..=RUNS {
            if round > 1 && begin.elapsed() > BUDGET {
                break;
            }
            self.watch.wait(PATIENCE);
            let played = player
                .round(round, &never, &|_| {})
                .map_err(planning::failure)?;
            if round == 0 {
                continue; // it warms the caches
            }
            if self.several {
                // A tool that empties a mount of its own (npm its packages) would remove what stands there, and take time for it.
                player.end().map_err(planning::failure)?;
                player = Player::new(&plan, options);
            }
            self.watch.wait(PATIENCE);
            let run = self.again.run();
            let run = run.map_err(|reason| Failure::new(exit::FAILURE, reason))?;
            // The look after the replay is one before the command.
            let look = Look::take().and(&played.look);
            pairs.push(Pair { played, run, look });
            self.runs.push(run);
        }
        player.end().map_err(planning::failure)?;
        keep_undisturbed(&mut pairs, |pair| &pair.look);
        Ok(Try::of(&pairs))
    }
}

/// A replay, a run of the command after it, and what was seen of disturbances of both.
struct Pair {
    played: Played,
    run: Unobserved,
    look: Look,
}

/// What a try gave.
struct Try {
    wall: Times,
    cpu: Times,
}

impl Try {
    fn of(pairs: &[Pair]) -> Try {
        let tool = |time: fn(&Unobserved) -> u64| -> Vec<f64> {
            pairs.iter().map(|pair| time(&pair.run) as f64).collect()
        };
        let replay = |seconds: fn(&Played) -> f64| -> Vec<f64> {
            let played = pairs.iter().map(|pair| seconds(&pair.played));
            played.map(|seconds| seconds * 1e9).collect()
        };
        let (elapsed, cpu) = (tool(|run| run.elapsed), tool(|run| run.cpu));
        let busy = median(&cpu);
        let waiting = (median(&elapsed) - busy).max(0.0);
        Try {
            wall: Times::of(
                &elapsed,
                &replay(|played| played.round.wall_seconds),
                VAGUE * waiting,
            ),
            cpu: Times::of(&cpu, &replay(|played| played.cpu_seconds), VAGUE * busy),
        }
    }
}

/// The tool's time, and how its replay's compares.
#[derive(Debug)]
struct Times {
    /// Median, nanoseconds.
    tool: f64,
    /// Median of the replay's time divided by that of the tool's run next to it: a machine that gets slower meanwhile is so for both.
    ratio: f64,
    /// Standard error of what the replay takes less than the tool, nanoseconds.
    error: f64,
}

impl Times {
    /// Of runs and replays in turn.
    fn of(tool: &[f64], replay: &[f64], vague: f64) -> Times {
        let pairs = tool.iter().zip(replay).filter(|(tool, _)| **tool > 0.0);
        let mut ratios: Vec<f64> = pairs.map(|(tool, replay)| replay / tool).collect();
        ratios.sort_by(f64::total_cmp);
        let (tool, ratio) = (median(tool), median(&ratios));
        let error = match ratios.len() {
            count @ 2.. => MEDIAN_ERROR * deviation(&ratios) / (count as f64).sqrt(),
            _ => VAGUE,
        };
        Times {
            tool,
            ratio,
            error: (error * tool).hypot(vague),
        }
    }

    /// What the replay takes where the tool takes its median, nanoseconds.
    fn replay(&self) -> f64 {
        self.ratio * self.tool
    }

    /// What is missing in each event, if the replay grows by `slope` for each nanosecond that each gets.
    fn missing(&self, slope: f64) -> Estimate {
        Estimate {
            value: (self.tool - self.replay()) / slope,
            error: self.error / slope,
        }
    }
}

/// Standard deviation of sorted values, by their quartiles: single runs that something disturbed don't count.
fn deviation(sorted: &[f64]) -> f64 {
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    (at(0.75) - at(0.25)) / QUARTILES
}

/// Nanoseconds for each event, and their standard error.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    value: f64,
    error: f64,
}

impl Estimate {
    /// Both together, each by its precision.
    fn and(self, other: Estimate) -> Estimate {
        let weight = |estimate: Estimate| 1.0 / estimate.error.powi(2).max(f64::MIN_POSITIVE);
        let (mine, theirs) = (weight(self), weight(other));
        Estimate {
            value: (self.value * mine + other.value * theirs) / (mine + theirs),
            error: (mine + theirs).sqrt().recip(),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use fsreplay_trace::model::Mount;

    #[test]
    fn each_mount_of_the_workspace_stands_for_itself() {
        let dir = tempfile::tempdir().expect("a directory");
        let whole = dir.path().to_owned();
        let deps = whole.join("deps");
        let kernel = whole.join("proc");
        for dir in [&deps, &kernel] {
            std::fs::create_dir(dir).expect("a directory");
        }
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let mount = |path: &Path| Mount {
            mount_point: bytes(path),
            ..Mount::default()
        };
        let header = Header {
            cwd: bytes(&whole),
            mounts: vec![
                mount(Path::new("/")),
                mount(&whole),
                mount(&deps),
                mount(&whole.join("gone")),
                Mount {
                    fs_type: "proc".into(),
                    ..mount(&kernel)
                },
            ],
            ..Header::default()
        };
        let place = as_recorded(Path::new("no trace"), &header).expect("places");
        assert_eq!(place, [(bytes(&whole), whole), (bytes(&deps), deps)]);
    }

    #[test]
    fn the_more_precise_of_two_estimates_counts_more() {
        let by_wall = Times::of(&[90e6, 110e6, 100e6], &[95e6, 105e6, 100e6], 4e6).missing(1000.0);
        let by_cpu = Times::of(&[8.0e6, 8.1e6, 8.05e6], &[7e6, 7.1e6, 7.05e6], 4e5).missing(1000.0);
        let both = by_wall.and(by_cpu);
        assert!(
            (both.value - by_cpu.value).abs() < 50.0,
            "{both:?} {by_cpu:?}"
        );
        assert!(by_wall.value.abs() < 1.0 && (by_cpu.value - 1000.0).abs() < 10.0);
        assert!(both.error < by_cpu.error);
    }

    #[test]
    fn a_machine_that_gets_slower_meanwhile_is_so_for_both() {
        let tool = [10e6, 20e6, 30e6, 40e6];
        let times = Times::of(&tool, &tool.map(|time| time * 1.1), 0.0);
        assert!(
            (times.ratio - 1.1).abs() < 1e-9 && times.error < 1.0,
            "{times:?}"
        );
    }
}
