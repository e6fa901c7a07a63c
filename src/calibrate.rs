//! The second half of `record --calibrate`: a replay where the command was recorded must take as long as the command did without
//! the recorder. What each event takes besides what was recorded is found by trying: the command and its replay in turn, so that
//! what the machine does meanwhile meets both.

mod estimate;
mod response;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_recorder::Again;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::quiet::{Look, Watch, least_rounds, slownesses, undisturbed};
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing, preflight, rest_before_run};
use fsreplay_trace::format;
use fsreplay_trace::model::{Header, Unobserved, is_pseudo};

use self::estimate::{Times, Try, estimate};
use self::response::Response;
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
    let rest = rests.max().unwrap_or_default();
    let options = planning::options(targets::neutral(None)?, place);
    let (plan, _) = planning::plan_as_recorded(trace, false, &options)?;
    let mut search = Search {
        plan: &plan,
        several,
        again,
        rest,
        unobserved,
        runs: Vec::new(),
        seen: Vec::new(),
        responses: [Response::default(); 2],
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
    /// How long to do nothing before each run.
    rest: Duration,
    /// A first run.
    unobserved: Unobserved,
    /// All that followed.
    runs: Vec<Unobserved>,
    /// What was seen beside each of them, and beside each replay.
    seen: Vec<Look>,
    /// How the command's time and that of its replay grow where the machine is slowed.
    responses: [Response; 2],
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
            tracing::debug!(last = ?tries.last(), ?found, responses = ?self.responses, "calibrating");
            let off = (found.each - each).abs() + found.noise;
            each = found.each;
            let tool = tries.iter().filter_map(|one| one.wall.as_ref());
            let tool = tool.map(|wall| wall.tool).fold(f64::INFINITY, f64::min);
            if off * found.slope < NEAR * tool || begin.elapsed() > WHOLE_BUDGET {
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
        let (mut replays, mut runs) = (Vec::new(), Vec::new());
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
                player.clear().map_err(planning::failure)?;
            }
            let useless = |reason| Failure::new(exit::FAILURE, reason);
            self.again.put_back().map_err(useless)?;
            let probes = self.watch.rest(self.rest, &never);
            let run = self.again.run().map_err(useless)?;
            runs.push((run, probes.end()));
            replays.push(played);
        }
        player.end().map_err(planning::failure)?;
        let (runs, looks): (Vec<Unobserved>, Vec<Look>) = runs.into_iter().unzip();
        let replayed = replays.iter().map(|played: &Played| played.look.clone());
        let series = [looks, replayed.collect(), self.seen.clone()];
        self.seen.extend(series[..2].iter().flatten().cloned());
        let (counts, slow) = (undisturbed(&series, least_rounds), slownesses(&series));
        let busy = runs.iter().map(|run| run.cpu as f64);
        self.responses[0].learn(busy.zip(slow[0].iter().copied()));
        let busy = replays.iter().map(|played| played.cpu_seconds);
        self.responses[1].learn(busy.zip(slow[1].iter().copied()));
        let runs = at_pace(runs, &counts[0], &slow[0]);
        let replays = at_pace(replays, &counts[1], &slow[1]);
        self.runs.extend(runs.iter().map(|(run, _)| run));
        Ok(tried(each, &runs, &replays, self.responses))
    }
}

/// Those that count, with how many times as long all took meanwhile.
fn at_pace<T>(each: Vec<T>, counts: &[bool], slow: &[f64]) -> Vec<(T, f64)> {
    let each = each.into_iter().zip(slow.iter().copied()).zip(counts);
    each.filter_map(|(one, counts)| counts.then_some(one))
        .collect()
}

/// What so many runs of the command and replays say, each with how slow the machine was: where most of the ones were disturbed and most of the others
/// weren't, they would else seem to differ.
fn tried(
    each: f64,
    runs: &[(Unobserved, f64)],
    replays: &[(Played, f64)],
    responses: [Response; 2],
) -> Try {
    let [command, replay] = responses;
    let tool = runs.iter().map(|(run, slow)| {
        let (wall, cpu) = (run.elapsed as f64, run.cpu as f64);
        (command.unslowed(wall, cpu, *slow), command.busy(cpu, *slow))
    });
    let replay = replays.iter().map(|(played, slow)| {
        let (wall, cpu) = (played.round.wall_seconds * 1e9, played.cpu_seconds * 1e9);
        (replay.unslowed(wall, cpu, *slow), replay.busy(cpu, *slow))
    });
    let (tool_wall, tool_cpu) = tool.unzip();
    let (replay_wall, replay_cpu) = replay.unzip();
    Try {
        each,
        wall: Times::of(tool_wall, replay_wall),
        cpu: Times::of(tool_cpu, replay_cpu),
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
}
