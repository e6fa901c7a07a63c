//! One workload: recorded once, then on each mount the tool and its replay in turn.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::quiet::{Look, Watch, slownesses, undisturbed};
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing};
use fsreplay_trace::format;
use fsreplay_trace::model::Unobserved;

use super::Options;
use super::table::{Pair, Series};
use crate::mounts::Mount;
use crate::timing::{median, run, settled};
use crate::workloads::{Masters, Tree, Workload};

/// At most as many times the rounds that were asked for,
const MORE: u32 = 5;
/// as long as they take no longer than asked for, or this many times as long where the tool or its replay varies by more
const PATIENT: f64 = 1.5;
/// than this: half the distance of the quartiles, as a share of the median.
const NOISY: f64 = 0.1;
/// At least so many rounds count on each mount, however disturbed they are.
const LEAST: usize = 5;

/// All that measuring needs.
pub struct Rig<'a> {
    /// Where the tool runs and its replay goes; the first is recorded on.
    pub mounts: &'a [Mount],
    /// Trees to copy from.
    pub masters: &'a Masters,
    /// The fsreplay binary, for recording.
    pub fsreplay: &'a Path,
    /// A neutral place.
    pub dir: &'a Path,
    /// What was asked for.
    pub options: &'a Options,
}

impl Rig<'_> {
    /// Records a workload on the first mount and measures it on all.
    pub fn measure(&self, workload: &Workload) -> io::Result<Vec<Pair>> {
        let first = self.mounts.first();
        let first = first.ok_or_else(|| io::Error::other("no mount could be made"))?;
        let home = self.masters.copy(workload, &first.dir)?;
        let trace = self.dir.join("trace.zst");
        self.record(workload, &home.0, &trace)?;
        let mut sites = Vec::new();
        for mount in self.mounts {
            let copy = match mount.dir == first.dir {
                true => None,
                false => Some(self.masters.copy(workload, &mount.dir)?),
            };
            sites.push(Site {
                copy,
                plans: self.plans(&trace, &home.0, &mount.dir)?,
            });
        }
        self.alternate(workload, &home.0, &sites)
    }

    /// On each mount in turn the tool and its replay; then all again, because the machine drifts and mounts are compared with each other. The first
    /// round only warms caches. Where a round takes little time, there are more: single runs of a few milliseconds vary too much; and where
    /// times vary, on FUSE by which processors a request happens to run on.
    fn alternate(&self, workload: &Workload, home: &Path, sites: &[Site]) -> io::Result<Vec<Pair>> {
        let mut runs: Vec<Runs<'_>> = sites.iter().map(|site| self.runs(site, home)).collect();
        let least = self.options.rounds;
        let begin = Instant::now();
        for round in 0..=least * MORE {
            let several = runs.len() as u32;
            if round > least && begin.elapsed() > self.enough(&runs) * several {
                break;
            }
            for turn in 0..runs.len() {
                // Each begins in turn, so that none always comes after the same one.
                let number = (turn + round as usize) % runs.len();
                let runs = &mut runs[number];
                runs.once(workload, round)?;
                if let Some(played) = &runs.last
                    && self.options.explain
                    && round == least
                {
                    explain(played);
                }
            }
        }
        let counts = counting(&runs);
        let slow = by_series(&runs, slownesses);
        let ended = runs.into_iter().zip(counts).zip(slow);
        let ended = ended.map(|((runs, counts), slow)| runs.end(&counts, &slow));
        ended.collect()
    }

    fn runs<'s>(&self, site: &'s Site, home: &'s Path) -> Runs<'s> {
        let options = PlayOptions {
            rounds: self.options.rounds,
            keep: false,
            timing: Timing::Scaled(1.0),
            cache: Cache::Warm,
        };
        let plans = site.plans.iter();
        Runs {
            own: site.copy.as_ref().map_or(home, |copy| &copy.0),
            players: plans.map(|plan| Player::new(plan, options)).collect(),
            watch: Watch::default(),
            times: vec![Times::default(); site.plans.len() + 1],
            divergences: 0,
            last: None,
        }
    }

    /// How long to go on for each mount.
    fn enough(&self, runs: &[Runs<'_>]) -> Duration {
        let counts = counting(runs);
        let mut series = runs.iter().zip(&counts).flat_map(|(runs, counts)| {
            let times = runs.times.iter().zip(counts);
            times.map(|(times, counts)| times.counting(counts))
        });
        let noisy = series.any(|times| {
            let count = times.len();
            let (middle, spread) = median(times);
            count <= LEAST || spread > NOISY * middle
        });
        let seconds = match noisy {
            true => self.options.seconds * PATIENT,
            false => self.options.seconds,
        };
        Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))
    }

    fn record(&self, workload: &Workload, home: &Path, trace: &Path) -> io::Result<()> {
        workload.reset(home)?;
        // As the runs that are compared: not the first one.
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        run(home, &command)?;
        workload.reset(home)?;
        let load = self.options.loaded.then(Load::begin).transpose()?;
        let mut recorder = Command::new(self.fsreplay);
        recorder.args(["record", "-q", "--force", "-o"]).arg(trace);
        if !self.options.uncalibrated {
            recorder.arg("--calibrate");
            if !workload.reset.is_empty() {
                recorder.args(["--reset", workload.reset]);
            }
        }
        let output = recorder
            .arg("--")
            .args(workload.command)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()?;
        drop(load);
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "recording: {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }

    /// The workload's own tree goes to the mount, all else to a common neutral place. The first plan is what a user gets;
    /// the others, if asked for, know less of what the tool takes besides its calls: its processor time, and nothing.
    fn plans(&self, trace: &Path, home: &Path, mount: &Path) -> io::Result<Vec<Plan>> {
        let options = PlanOptions {
            target: self.dir.to_owned(),
            place: vec![(home.as_os_str().as_bytes().to_vec(), mount.to_owned())],
            skip: Vec::new(),
            as_root: rustix::process::geteuid().is_root(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        let mut reader = format::open(trace).map_err(io::Error::other)?;
        let recorded = plan(&mut reader, &options).map_err(io::Error::other)?;
        let Some(unobserved) = reader.footer().and_then(|footer| footer.unobserved) else {
            return Ok(vec![recorded]);
        };
        let anchored = |unobserved| {
            let mut plan = recorded.clone();
            plan.anchor(unobserved);
            plan
        };
        let mut plans = vec![anchored(unobserved)];
        if self.options.bases {
            plans.push(anchored(Unobserved {
                per_event: None,
                ..unobserved
            }));
            plans.push(recorded);
        }
        Ok(plans)
    }
}

/// Where the tool runs on a mount, and what is replayed there.
struct Site {
    /// A copy of the tree; none where it was recorded.
    copy: Option<Tree>,
    plans: Vec<Plan>,
}

/// Times of runs, milliseconds, each with what was seen of disturbances.
#[derive(Clone, Default)]
struct Times(Vec<(f64, Look)>);

impl Times {
    fn push(&mut self, seconds: f64, look: Look) {
        self.0.push((seconds * 1e3, look));
    }

    fn all(&self) -> Vec<f64> {
        self.0.iter().map(|(time, _)| *time).collect()
    }

    /// Those of runs that count.
    fn counting(&self, counts: &[bool]) -> Vec<f64> {
        let counting = self.0.iter().zip(counts).filter(|(_, counts)| **counts);
        counting.map(|((time, _), _)| *time).collect()
    }
}

/// What was measured on a mount so far.
struct Runs<'s> {
    own: &'s Path,
    players: Vec<Player<'s>>,
    watch: Watch,
    /// The tool's times, and those of the replay of each plan.
    times: Vec<Times>,
    divergences: u64,
    /// The last replay of the first plan.
    last: Option<Played>,
}

impl Runs<'_> {
    /// The tool and its replays, which begin in turn.
    fn once(&mut self, workload: &Workload, round: u32) -> io::Result<()> {
        if round.is_multiple_of(2) {
            self.tool(workload, round)?;
        }
        for number in 0..self.players.len() {
            let played = play(&mut self.players[number], round)?;
            if round > 0 {
                self.times[number + 1].push(played.round.wall_seconds, played.look.clone());
                self.divergences = self.divergences.max(played.round.divergences);
            }
            if number == 0 {
                self.last = Some(played);
            }
        }
        if !round.is_multiple_of(2) {
            self.tool(workload, round)?;
        }
        // What is written back later would meet another mount's turn.
        rustix::fs::sync();
        Ok(())
    }

    fn tool(&mut self, workload: &Workload, round: u32) -> io::Result<()> {
        workload.reset(self.own)?;
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        let rest = settled(self.own)?;
        let probes = self.watch.rest(rest, &AtomicBool::new(false));
        let seconds = run(self.own, &command)?;
        let look = probes.end();
        if round > 0 {
            self.times[0].push(seconds, look);
        }
        Ok(())
    }

    /// `counts` says of each run of the tool and of each replay whether it counts, `slow` how slow the machine was.
    fn end(self, counts: &[Vec<bool>], slow: &[Vec<f64>]) -> io::Result<Pair> {
        for player in self.players {
            player.end().map_err(io::Error::other)?;
        }
        let paced = self.times.iter().zip(slow).map(|(times, slow)| {
            let paced = times.all().into_iter().zip(slow);
            median(paced.map(|(time, slow)| time / slow).collect()).0
        });
        let paced: Vec<f64> = paced.collect();
        let times = self.times.iter().zip(counts);
        let series = times.clone().map(|(times, counts)| Series {
            times: times.all(),
            counts: counts.clone(),
            looks: times.0.iter().map(|(_, look)| look.clone()).collect(),
        });
        let series = series.collect();
        let mut counting = times.map(|(times, counts)| times.counting(counts));
        let tool = counting.next().unwrap_or_default();
        let counted = tool.len();
        let (real, real_spread) = median(tool.clone());
        let first = counting.next().unwrap_or_default();
        Ok(Pair {
            real,
            real_spread: real_spread / real * 100.0,
            counted: (counted, first.len()),
            variation: fsreplay_replayer::result::variation(&first).unwrap_or(0.0) * 100.0,
            predicted: median(first).0,
            divergences: self.divergences,
            rounds: self.times[0].0.len(),
            runs: tool,
            series,
            of_all: (median(self.times[0].all()).0, median(self.times[1].all()).0),
            at_pace: (paced[0], paced[1]),
            otherwise: counting.map(|times| median(times).0).collect(),
        })
    }
}

/// Which runs count, by mount, for the tool and each replay.
fn counting(runs: &[Runs<'_>]) -> Vec<Vec<Vec<bool>>> {
    by_series(runs, |series| undisturbed(series, |_| LEAST))
}

/// What looks tell of all series, by mount, for the tool and each replay.
fn by_series<T>(
    runs: &[Runs<'_>],
    told: impl FnOnce(&[Vec<Look>]) -> Vec<Vec<T>>,
) -> Vec<Vec<Vec<T>>> {
    let series = runs.iter().flat_map(|runs| &runs.times);
    let looks = |times: &Times| times.0.iter().map(|(_, look)| look.clone()).collect();
    let looks: Vec<Vec<Look>> = series.map(looks).collect();
    let mut told = told(&looks).into_iter();
    let of_one = |runs: &Runs<'_>| told.by_ref().take(runs.times.len()).collect();
    runs.iter().map(of_one).collect()
}

fn play(player: &mut Player<'_>, round: u32) -> io::Result<Played> {
    // Modes are folded at plan time.
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let played = player.round(round, &AtomicBool::new(false), &|_| {});
    rustix::process::umask(before);
    played.map_err(io::Error::other)
}

/// Where a round's time went.
fn explain(played: &Played) {
    let round = &played.round;
    eprintln!(
        "  wall {:.1} ms: in calls {:.1}, waiting {:.1}, own {:.1} (sums over threads)",
        round.wall_seconds * 1e3,
        round.call_seconds * 1e3,
        round.wait_seconds * 1e3,
        round.own_seconds * 1e3
    );
    for call in round.calls.iter().take(8) {
        eprintln!(
            "    {:<16} {:>7} x {:>9.2} us = {:>8.2} ms",
            call.name,
            call.count,
            call.total_seconds * 1e6 / call.count.max(1) as f64,
            call.total_seconds * 1e3
        );
    }
}

/// Another process that computes; ends when dropped.
struct Load(Child);

impl Load {
    fn begin() -> io::Result<Load> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]);
        Ok(Load(command.spawn()?))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
