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
use fsreplay_replayer::quiet::{Look, Watch, least_rounds, undisturbed};
use fsreplay_replayer::result::median;
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing, preflight, rest_before_run};
use fsreplay_trace::format;
use fsreplay_trace::model::{Header, Unobserved, is_pseudo};

use crate::compare::{moved, targets};
use crate::exit::{self, Failure};
use crate::planning;

/// Tries.
const TRIES: usize = 5;
/// Runs of the command, and of its replay, in each, if they are short.
const RUNS: u32 = 21;
/// No more of them in a try after this, once there is one,
const BUDGET: Duration = Duration::from_secs(10);
/// and no more tries after this.
const WHOLE_BUDGET: Duration = Duration::from_secs(40);
/// Near enough: a share of the command's time.
const NEAR: f64 = 0.005;
/// What no number of runs makes more precise: that part of the time that a tool waited for a disk is another in a replay.
const VAGUE: f64 = 0.05;
/// Likewise, of processor time: a replay's is another one where threads wait for each other (measured: 2 to 15 % more, `make -j2` 30 %).
const VAGUE_BUSY: f64 = 0.15;
/// How well it is known how a replay's time grows with what is added to each event, as a share.
const VAGUE_GROWTH: f64 = 0.5;
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
    /// Tries what the tries before it found, until that is precise enough or the time is over.
    fn run(&mut self) -> Result<Unobserved, Failure> {
        let lanes = self.plan.lanes.iter();
        let events = lanes.map(|lane| lane.ops.len()).sum::<usize>().max(1) as f64;
        let missing = self.unobserved.cpu as f64 - self.plan.timing.recorded_cpu;
        let mut each = missing / events;
        let mut tries = Vec::new();
        let begin = Instant::now();
        for _ in 0..TRIES {
            tries.push(self.alternate(each)?);
            let Some(found) = estimate(&tries, events) else {
                break;
            };
            tracing::debug!(last = ?tries.last(), ?found, "calibrating");
            let off = (found.value - each).abs() + found.error;
            each = found.value;
            let tool = tries.iter().filter_map(|one| one.wall.as_ref());
            let tool = tool.map(|wall| wall.tool).fold(f64::INFINITY, f64::min);
            if off * events < NEAR * tool || begin.elapsed() > WHOLE_BUDGET {
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
            let before = self.watch.wait(&never);
            let run = self.again.run();
            let run = run.map_err(|reason| Failure::new(exit::FAILURE, reason))?;
            let look = Look::take().and(&before).and(&played.look);
            pairs.push(Pair { played, run, look });
        }
        player.end().map_err(planning::failure)?;
        let looks = pairs.iter().map(|pair| pair.look.clone()).collect();
        let counts = undisturbed(&[looks], least_rounds);
        let mut counts = counts.into_iter().flatten();
        pairs.retain(|_| counts.next().unwrap_or(true));
        self.runs.extend(pairs.iter().map(|pair| pair.run));
        Ok(Try::of(each, &pairs))
    }
}

/// A replay, a run of the command after it, and what was seen of disturbances of both.
struct Pair {
    played: Played,
    run: Unobserved,
    look: Look,
}

/// What a try gave.
#[derive(Debug)]
struct Try {
    /// Added to each event, nanoseconds.
    each: f64,
    wall: Option<Times>,
    cpu: Option<Times>,
}

impl Try {
    fn of(each: f64, pairs: &[Pair]) -> Try {
        let nanoseconds = |seconds: f64| seconds * 1e9;
        let wall: Vec<(f64, f64)> = pairs
            .iter()
            .map(|pair| {
                let replay = nanoseconds(pair.played.round.wall_seconds);
                (pair.run.elapsed as f64, replay)
            })
            .collect();
        let cpu: Vec<(f64, f64)> = pairs
            .iter()
            .map(|pair| (pair.run.cpu as f64, nanoseconds(pair.played.cpu_seconds)))
            .collect();
        let (wall, cpu) = (Times::of(&wall), Times::of(&cpu));
        Try { each, wall, cpu }
    }
}

/// The tool's time, and how its replay's compares.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Median, nanoseconds.
    tool: f64,
    /// Median of the replay's time divided by that of the tool's run next to it: a machine that gets slower meanwhile is so for both.
    ratio: f64,
    /// Its standard error.
    error: f64,
}

impl Times {
    /// Of runs of the tool and of the replay next to each, nanoseconds. None if the tool's time is not known.
    fn of(pairs: &[(f64, f64)]) -> Option<Times> {
        let known: Vec<_> = pairs.iter().filter(|(tool, _)| *tool > 0.0).collect();
        let count = known.len() as f64;
        let mut ratios: Vec<f64> = known.iter().map(|(tool, replay)| replay / tool).collect();
        ratios.sort_by(f64::total_cmp);
        let tool: Vec<f64> = known.iter().map(|(tool, _)| *tool).collect();
        (!ratios.is_empty()).then(|| Times {
            tool: median(&tool),
            ratio: median(&ratios),
            // A few that agree may do so by chance.
            error: (MEDIAN_ERROR * deviation(&ratios) / count.sqrt()).max(VAGUE / count),
        })
    }

    /// What the replay takes where the tool takes its median, nanoseconds.
    fn replay(&self) -> f64 {
        self.ratio * self.tool
    }
}

/// What is right for each event, by all tries.
///
/// The time of a replay grows in proportion to what is added to each event, as far as threads don't overlap. So each try tells what would have been
/// right, the more precisely the nearer it was.
///
/// Time on the clock and processor time both tell what is missing. Where the tool mostly waits for a disk, the first is vague; where
/// many tasks wait for each other, the second is: each counts as much as it is precise.
fn estimate(tries: &[Try], events: f64) -> Option<Estimate> {
    let by = |times: fn(&Try) -> Option<Times>, growth: (f64, f64)| {
        let (slope, vague) = growth;
        let each = tries.iter().filter_map(|one| {
            let times = times(one)?;
            let step = (times.tool - times.replay()) / slope;
            Some(Estimate {
                value: one.each + step,
                error: (times.error * times.tool / slope).hypot(vague * step),
            })
        });
        each.reduce(Estimate::and)
    };
    let last = |times: fn(&Try) -> Option<Times>| tries.iter().rev().find_map(times);
    let busy = last(|one| one.cpu).map_or(0.0, |cpu| cpu.tool);
    let waiting = last(|one| one.wall).map_or(0.0, |wall| (wall.tool - busy).max(0.0));
    let growth = growth(tries, events);
    let by_wall = by(|one| one.wall, growth).map(|found| Estimate {
        error: found.error.hypot(VAGUE * waiting / growth.0),
        ..found
    });
    let by_cpu = by(|one| one.cpu, (events, 0.0)).map(|found| Estimate {
        error: found.error.hypot(VAGUE_BUSY * busy / events),
        ..found
    });
    [by_wall, by_cpu]
        .into_iter()
        .flatten()
        .reduce(Estimate::and)
}

/// How the time of a replay grows with what is added to each event, and how vague that is, as a share: by the two tries that lie furthest apart if that
/// tells, else by how many threads are busy at a time.
fn growth(tries: &[Try], events: f64) -> (f64, f64) {
    let known = || tries.iter().filter_map(|one| Some((one.each, one.wall?)));
    let least = known().min_by(|a, b| a.0.total_cmp(&b.0));
    let most = known().max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some(((from, low), (to, high))) = least.zip(most)
        && to > from
    {
        // At the same pace of the machine.
        let slope = (high.ratio - low.ratio) * low.tool / (to - from);
        let error = high.error.hypot(low.error) * low.tool / (to - from);
        if error < VAGUE_GROWTH * slope {
            // Threads overlap, so that a part of the events counts; less than a tenth of them is noise.
            return (slope.clamp(events / 10.0, events), error / slope);
        }
    }
    let threads = tries.iter().rev().find_map(|one| {
        let (wall, cpu) = (one.wall?, one.cpu?);
        Some(cpu.replay() / wall.replay())
    });
    let threads = threads.filter(|threads| threads.is_finite());
    (
        events / threads.unwrap_or(1.0).clamp(1.0, 10.0),
        VAGUE_GROWTH,
    )
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

    /// Ratios and times of runs that all agree, with what each try added.
    fn tries(tool: f64, cpu: f64, replays: &[(f64, f64, f64)]) -> Vec<Try> {
        let of = |tool: f64, replay: f64| Times::of(&vec![(tool, replay); 20]);
        replays
            .iter()
            .map(|(each, wall, busy)| Try {
                each: *each,
                wall: of(tool, *wall),
                cpu: of(cpu, *busy),
            })
            .collect()
    }

    #[test]
    fn what_is_missing_is_found_whatever_overlaps() {
        // A thousand events; 5 us are missing in each. The clock sees one thread of so many.
        for threads in [1.0, 2.0, 4.0] {
            let replay = |each: f64| (each, (15e6 + 1000.0 * each) / threads, 15e6 + 1000.0 * each);
            let mut found = 0.0;
            let mut all = Vec::new();
            for _ in 0..3 {
                all.push(replay(found));
                let tries = tries(20e6 / threads, 20e6, &all);
                found = estimate(&tries, 1000.0).expect("an estimate").value;
            }
            assert!((found - 5000.0).abs() < 100.0, "{threads}: {found}");
        }
    }

    #[test]
    fn where_a_tool_waits_for_a_disk_its_processor_time_counts() {
        // 80 ms, of which 8 on a processor; the clock says that nothing is missing, the processor 1 us each.
        let tries = tries(80e6, 8e6, &[(0.0, 80e6, 7e6)]);
        let found = estimate(&tries, 1000.0).expect("an estimate");
        assert!((found.value - 1000.0).abs() < 150.0, "{found:?}");
    }

    #[test]
    fn unknown_times_count_for_nothing() {
        let one = Try {
            each: 0.0,
            wall: Times::of(&[(10e6, 9e6); 8]),
            cpu: Times::of(&[(0.0, 9e6); 8]),
        };
        assert!(one.cpu.is_none());
        let found = estimate(&[one], 1000.0).expect("an estimate");
        assert!((found.value - 1000.0).abs() < 1.0, "{found:?}");
        assert!(estimate(&[], 1000.0).is_none());
    }

    #[test]
    fn a_machine_that_gets_slower_meanwhile_is_so_for_both() {
        let pairs = [10e6, 20e6, 30e6, 40e6].map(|tool| (tool, tool * 1.1));
        let times = Times::of(&pairs).expect("times");
        assert!((times.ratio - 1.1).abs() < 1e-9, "{times:?}");
        assert_eq!(times.error, VAGUE / 4.0);
    }
}
