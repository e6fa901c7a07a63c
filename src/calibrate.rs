//! The second half of `record --calibrate`: a replay where the command was recorded must take as long as the command did without
//! the recorder. What each event takes besides what was recorded is found by trying: the command and its replay in turn, so that
//! what the machine does meanwhile meets both.

mod estimate;
mod tries;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_recorder::Again;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::quiet::{
    Look, Timed, Watch, nanoseconds_per_unit, processors, slowness_by_unit,
};
use fsreplay_replayer::{Cache, PlayOptions, Player, Timing, preflight, rest_before_run};
use fsreplay_trace::format;
use fsreplay_trace::model::{Header, Unobserved, is_pseudo};

use self::estimate::{Try, are_around, estimate};
use self::tries::{Turns, judged};
use crate::args::TraceArgs;
use crate::compare::{moved, targets};
use crate::exit::{self, Failure};
use crate::planning;
use crate::progress::Progress;

/// Tries that go on as long as time is left for them.
const TRIES: usize = 5;
/// So many others may end early, as they are far off: more runs are better spent nearer to what is right. Not more of them: time on the clock is off for good
/// where a replay can't come near.
const SHORT_TRIES: usize = 3;
/// They have so many turns of the command and its replay; quartiles of fewer say little.
const FEW_TURNS: usize = 6;
/// In each of which the replay's time is at least that share of the command's away from it, on the same side.
const FAR: f64 = 0.15;
/// Turns in the other ones, if they are short.
const RUNS: u32 = 21;
/// Near enough: a share of the command's time.
const NEAR: f64 = 0.005;
/// So many times as far as what seems right, until there are tries on both sides of it: where threads overlap, a replay grows by less than what is added.
const BEYOND: f64 = 1.2;
/// For so long is looked before how short a unit of work can be: a busy core is left alone now and then.
const LOOKED_FOR: Duration = Duration::from_millis(400);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(4);

/// How long to go on.
#[derive(Clone, Copy)]
struct Budget {
    /// No longer than this, if there were so many turns,
    enough: Duration,
    turns: usize,
    /// or one, and no longer than this.
    most: Duration,
}

impl Budget {
    /// For all tries.
    fn of_all(asked: Duration) -> Budget {
        Budget {
            enough: asked.mul_f64(2.0 / 3.0),
            turns: 32,
            most: asked,
        }
    }

    /// For each of them: three fit in, of which each has half of its time at least.
    fn of_each(asked: Duration) -> Budget {
        Budget {
            enough: asked / 6,
            turns: 8,
            most: asked / 3,
        }
    }

    fn is_spent(&self, elapsed: Duration, turns: usize) -> bool {
        turns >= self.turns && elapsed > self.enough || turns > 0 && elapsed > self.most
    }

    /// Whether another try fits in: a replay that warms the caches and a turn, which took so long so far.
    fn has_room(&self, elapsed: Duration, turn: Duration) -> bool {
        elapsed + 2 * turn <= self.most
    }
}

/// What is asked for.
pub struct Asked<'a> {
    /// The trace.
    pub path: &'a Path,
    /// How the command is run again.
    pub again: &'a Again<'a>,
    /// What was seen of the processors while it was recorded.
    pub look: &'a Look,
    /// What all further runs may take.
    pub budget: Duration,
    /// Draw nothing.
    pub quiet: bool,
}

/// Finds it and adds it to the trace.
pub fn fit(asked: &Asked<'_>) -> Result<(), Failure> {
    let Asked {
        path, again, look, ..
    } = *asked;
    let trace = TraceArgs::usual(path.to_owned());
    let mut reader = planning::open(&trace)?;
    loop {
        match reader.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return Err(Failure::trace(path, &error)),
        }
    }
    let Some(mut footer) = reader.footer().cloned() else {
        return Ok(());
    };
    let Some(unobserved) = footer.unobserved else {
        return Ok(());
    };
    let place = as_recorded(&trace, reader.header())?;
    let several = place.len() > 1;
    // The command as a replay: both begin on a machine at rest.
    let rests = place.iter().filter_map(|(_, dir)| {
        let dir = File::open(dir).ok()?;
        Some(rest_before_run(dir))
    });
    let rest = rests.max().unwrap_or_default();
    let options = planning::options(targets::neutral(None)?, place);
    let (plan, _) = planning::plan_as_recorded(&trace, false, &options)?;
    let mut search = Search {
        plan: &plan,
        several,
        again,
        rest,
        unobserved,
        look,
        unit: shortest_unit(),
        watch: Watch::default(),
        all: Budget::of_all(asked.budget),
        each: Budget::of_each(asked.budget),
        progress: Progress::within(asked.quiet, vec!["calibrating".into()], asked.budget),
    };
    let found = search.run();
    search.progress.end();
    footer.unobserved = Some(found?);
    footer.processors = Some(processors(search.unit, search.slowness()));
    format::replace_footer(path, &footer).map_err(|error| Failure::trace(path, &error))
}

/// The workspace where it was recorded: it, and each mount in it that can be written to, on itself. Times of a mount that is slower than
/// the one around it would else be missing in the replay, and be taken for the recorder's doing.
fn as_recorded(trace: &TraceArgs, header: &Header) -> Result<Vec<(Vec<u8>, PathBuf)>, Failure> {
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
    /// A first run; then what the command typically takes where nothing slows it.
    unobserved: Unobserved,
    /// What was seen while it was recorded.
    look: &'a Look,
    /// What a unit of work takes where nothing slows it, nanoseconds, as far as is known.
    unit: f64,
    watch: Watch,
    /// How long all tries go on, and each.
    all: Budget,
    each: Budget,
    progress: Progress,
}

impl Search<'_> {
    /// Tries what the tries before it found, until that is precise enough or the time is over.
    fn run(&mut self) -> Result<Unobserved, Failure> {
        let events = self.events();
        self.unslow_first();
        let recorded = self.plan.timing.recorded_cpu / self.slowness();
        let mut each = (self.unobserved.cpu as f64 - recorded) / events;
        let mut last = each;
        let mut turns: Vec<Turns> = Vec::new();
        let mut short = 0;
        let begin = Instant::now();
        while turns.len() < TRIES + short {
            let began = Instant::now();
            let may_be_short = short < SHORT_TRIES;
            let tried = self.alternate(each, may_be_short, begin)?;
            let one_turn = began.elapsed() / (tried.command.len() as u32 + 1);
            short += usize::from(may_be_short && is_far(&tried));
            turns.push(tried);
            self.look_for_shorter(&mut turns);
            let tries = judged(&turns);
            let Some(found) = estimate(&tries, events) else {
                break;
            };
            tracing::debug!(last = ?tries.last(), ?found, slowness = self.slowness(), unit = self.unit, "calibrating");
            self.take_typical(&turns, &tries);
            let plan = self.unslowed();
            let right = found.computed.max(0.0);
            last = plan.each_for(right * events);
            let computed = tries.last().map_or(right, |one| one.computed);
            each = plan.each_for(next_to_compute(computed, right, are_around(&tries)) * events);
            let tool = tries.iter().filter_map(|one| one.wall.as_ref());
            let tool = tool.map(|wall| wall.tool).fold(f64::INFINITY, f64::min);
            let off = (right - computed).abs() + found.noise;
            // The same again would tell no more: there is nothing less than nothing.
            let is_least = right == 0.0 && computed == 0.0;
            let done = turns.iter().map(|one| one.command.len()).sum();
            let is_over = self.all.is_spent(begin.elapsed(), done)
                || !self.all.has_room(begin.elapsed(), one_turn);
            if is_least || off * found.slope < NEAR * tool || is_over {
                break;
            }
        }
        Ok(Unobserved {
            per_event: Some(last),
            ..self.unobserved
        })
    }

    /// A unit of work may have been seen that is shorter than the ones before. What was recorded is as many units as before, and what was added was.
    fn look_for_shorter(&mut self, turns: &mut [Turns]) {
        let shorter = nanoseconds_per_unit().min(self.unit) / self.unit;
        for one in turns {
            one.computed *= shorter;
        }
        self.unit *= shorter;
    }

    /// How many there are, one at least.
    fn events(&self) -> f64 {
        let lanes = self.plan.lanes.iter();
        lanes.map(|lane| lane.len()).sum::<usize>().max(1) as f64
    }

    /// The plan, with what was recorded as it is where nothing slows the processors.
    fn unslowed(&self) -> Plan {
        let mut plan = self.plan.clone();
        plan.unslow(self.slowness());
        plan
    }

    /// How slowed the recording was.
    fn slowness(&self) -> f64 {
        slowness_by_unit(self.look, self.unit)
    }

    /// Takes out of the first run what it was slowed by: as much as the recording, right before it.
    fn unslow_first(&mut self) {
        let Unobserved { elapsed, cpu, .. } = self.unobserved;
        let slowness = self.slowness();
        let unslowed = |time: u64| (time as f64 / slowness) as u64;
        let busy = cpu.min(elapsed);
        self.unobserved.elapsed = elapsed - busy + unslowed(busy);
        self.unobserved.cpu = unslowed(cpu);
    }

    /// What the command takes, by the last of the tries with most turns.
    fn take_typical(&mut self, turns: &[Turns], tries: &[Try]) {
        let most = turns
            .iter()
            .zip(tries)
            .max_by_key(|(turns, _)| turns.command.len());
        let Some((_, most)) = most else { return };
        if let Some(wall) = most.wall {
            self.unobserved.elapsed = wall.tool as u64;
        }
        if let Some(cpu) = most.cpu {
            self.unobserved.cpu = cpu.tool as u64;
        }
    }

    /// The command and its replay in turn; a few times only, if it may be short and they are far apart, and no longer than all tries may take since then.
    fn alternate(
        &mut self,
        each: f64,
        may_be_short: bool,
        since: Instant,
    ) -> Result<Turns, Failure> {
        let mut plan = self.unslowed();
        let computed = plan.computing(each) / self.events();
        plan.timing.unit = Some(self.unit);
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
        let mut turns = Turns {
            computed,
            command: Vec::new(),
            replay: Vec::new(),
        };
        let begin = Instant::now();
        for round in 0..=RUNS {
            let done = turns.command.len();
            let is_spent = self.each.is_spent(begin.elapsed(), done)
                || self.all.is_spent(since.elapsed(), done);
            if is_spent || may_be_short && is_far(&turns) {
                break;
            }
            // It may be seen how short one can be; in this try it stays as long as it was.
            nanoseconds_per_unit();
            let played = player
                .round(round, &never, &|stage| self.progress.show(0, stage))
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
            turns.command.push(Timed {
                wall_seconds: run.elapsed as f64 / 1e9,
                cpu_seconds: Some(run.cpu as f64 / 1e9),
                look: probes.end(),
            });
            turns.replay.push(played.timed());
        }
        planning::left(&player.end().left, exit::OK);
        Ok(turns)
    }
}

/// What to compute in the next try, if one that computed so much was made and so much seems right.
fn next_to_compute(computed: f64, right: f64, are_around: bool) -> f64 {
    match are_around {
        true => right,
        false => (computed + BEYOND * (right - computed)).max(right / 2.0),
    }
}

/// Whether a replay is so far off that a few turns tell it: all of them do, on the same side.
fn is_far(turns: &Turns) -> bool {
    let pairs = turns.command.iter().zip(&turns.replay);
    let mut ratios = pairs.map(|(command, replay)| replay.wall_seconds / command.wall_seconds);
    let few = turns.command.len() >= FEW_TURNS;
    few && (ratios.clone().all(|ratio| ratio < 1.0 - FAR) || ratios.all(|ratio| ratio > 1.0 + FAR))
}

/// What a unit of work takes where nothing slows it, nanoseconds: the shortest time seen in a while.
fn shortest_unit() -> f64 {
    let begin = Instant::now();
    let mut shortest = nanoseconds_per_unit();
    while begin.elapsed() < LOOKED_FOR {
        std::thread::sleep(PAUSE);
        shortest = nanoseconds_per_unit();
    }
    shortest
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
    fn a_try_is_far_off_if_each_of_some_turns_is() {
        let turns = |replays: &[f64]| {
            let timed = |seconds: f64| Timed {
                wall_seconds: seconds,
                cpu_seconds: None,
                look: Look::default(),
            };
            Turns {
                computed: 0.0,
                command: replays.iter().map(|_| timed(1.0)).collect(),
                replay: replays.iter().copied().map(timed).collect(),
            }
        };
        assert!(is_far(&turns(&[0.7, 0.8, 0.6, 0.8, 0.7, 0.7])));
        assert!(is_far(&turns(&[1.7, 1.2, 1.3, 1.4, 1.2, 1.9])));
        // Too few, on both sides, one that is near.
        assert!(!is_far(&turns(&[0.7, 0.8, 0.6, 0.8, 0.7])));
        assert!(!is_far(&turns(&[0.7, 0.8, 1.6, 1.5, 0.7, 0.7])));
        assert!(!is_far(&turns(&[0.7, 0.8, 0.9, 0.7, 0.7, 0.7])));
        assert!(!is_far(&turns(&[])));
    }

    #[test]
    fn the_next_try_goes_beyond_what_seems_right_until_there_are_some_on_both_sides() {
        assert_eq!(next_to_compute(10.0, 20.0, true), 20.0);
        assert_eq!(next_to_compute(10.0, 20.0, false), 22.0);
        assert_eq!(next_to_compute(20.0, 10.0, false), 8.0);
        // Something is left to compute if anything seems right.
        assert_eq!(next_to_compute(20.0, 1.0, false), 0.5);
        assert_eq!(next_to_compute(20.0, 0.0, false), 0.0);
    }

    #[test]
    fn what_takes_seconds_has_some_turns_before_the_time_is_over() {
        let seconds = Duration::from_secs;
        let (all, each) = (Budget::of_all(seconds(30)), Budget::of_each(seconds(30)));
        assert!(!each.is_spent(seconds(4), 20));
        assert!(each.is_spent(seconds(6), 8));
        assert!(!each.is_spent(seconds(6), 7));
        // What takes minutes is run once.
        assert!(each.is_spent(seconds(11), 1));
        assert!(!each.is_spent(seconds(600), 0));
        assert!(!all.is_spent(seconds(21), 31));
        assert!(all.is_spent(seconds(31), 1));
        assert!(all.has_room(seconds(20), seconds(5)));
        assert!(!all.has_room(seconds(20), seconds(6)));
    }

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
        let place = as_recorded(&TraceArgs::usual("no trace".into()), &header).expect("places");
        assert_eq!(place, [(bytes(&whole), whole), (bytes(&deps), deps)]);
    }
}
