//! One workload: recorded once, then on each mount the tool and its replay in turn.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use fsreplay_measure::estimate::{median, spread};
use fsreplay_recorder::children_cpu;
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::quiet::{Timed, Watch, slowed_alike, unslowed};
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing};
use fsreplay_trace::format;
use fsreplay_trace::model::{Footer, Unobserved};

use super::Options;
use super::table::{Pair, Series, Single};
use crate::mounts::Mount;
use crate::timing::{run, settled};
use crate::workloads::{Masters, Tree, Workload};

/// Runs of the tool, and of each replay, one after the other on a mount: at least so many, the first of which doesn't count,
const IN_TURN: u32 = 4;
/// and more, up to so many,
const MOST_IN_TURN: u32 = 9;
/// while that takes no longer than this. On shares, which are left alone for more than a second before each, it does.
const TURN: Duration = Duration::from_secs(5);
/// Turns of each mount, at least.
const LEAST_ROUNDS: u32 = 2;
/// At most as many times the runs that were asked for,
const MORE: u32 = 5;
/// as long as they take no longer than asked for, or this many times as long where the tool or its replay varies by more
const PATIENT: f64 = 1.5;
/// than this: half the distance of the quartiles, as a share of the median.
const NOISY: f64 = 0.1;
/// Of fewer runs it can't be told whether they vary.
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

    /// On each mount in turn the tool and its replay, some times; then all again, because the machine drifts and mounts are compared with each other. The first
    /// of each turn only warms caches: what six other mounts left there isn't what a calibration met, nor one who runs a tool twice. Where that takes little time, there are more: single runs of a few milliseconds vary too much; and where
    /// times vary, on FUSE by which processors a request happens to run on.
    fn alternate(&self, workload: &Workload, home: &Path, sites: &[Site]) -> io::Result<Vec<Pair>> {
        let mut runs: Vec<Runs<'_>> = sites.iter().map(|site| self.runs(site, home)).collect();
        let begin = Instant::now();
        for round in 0.. {
            if self.is_enough(round, &runs, begin.elapsed()) {
                break;
            }
            for turn in 0..runs.len() {
                // Each begins in turn, so that none always comes after the same one.
                let number = (turn + round as usize) % runs.len();
                let runs = &mut runs[number];
                runs.turn(workload, round)?;
                if let Some(played) = &runs.last
                    && self.options.explain
                    && round == 1
                {
                    explain(played);
                }
            }
        }
        let series = by_mount(&runs);
        let ended = runs.into_iter().zip(series);
        ended.map(|(runs, series)| runs.end(series)).collect()
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
            times: vec![Vec::new(); site.plans.len() + 1],
            divergences: 0,
            last: None,
        }
    }

    /// Whether there were enough rounds, the first of which doesn't count. In as many of them the tool began as its replay.
    fn is_enough(&self, rounds: u32, runs: &[Runs<'_>], elapsed: Duration) -> bool {
        let counted = rounds.saturating_sub(1);
        if counted < LEAST_ROUNDS || !counted.is_multiple_of(2) {
            return false;
        }
        let least = self.options.rounds;
        let done = runs.iter().map(Runs::counted).min().unwrap_or(u32::MAX);
        done >= least.saturating_mul(MORE)
            || done >= least && elapsed > self.enough(runs) * runs.len() as u32
    }

    /// How long to go on for each mount.
    fn enough(&self, runs: &[Runs<'_>]) -> Duration {
        let noisy = by_mount(runs).iter().flatten().any(|series| {
            let times = series.alike();
            let count = times.len();
            count <= LEAST || { spread(&times) > NOISY * median(&times) }
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
            limits: Default::default(),
            keep_durations: false,
            target: self.dir.to_owned(),
            place: vec![(home.as_os_str().as_bytes().to_vec(), mount.to_owned())],
            skip: Vec::new(),
            as_root: rustix::process::geteuid().is_root(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        let mut reader = format::open(trace).map_err(io::Error::other)?;
        let recorded = plan(&mut reader, &options).map_err(io::Error::other)?;
        let footer = reader.footer().cloned().unwrap_or_default();
        let calibrated = |footer: &Footer| {
            let mut plan = recorded.clone();
            plan.calibrate(footer);
            plan
        };
        let mut plans = vec![calibrated(&footer)];
        if self.options.bases {
            let by_cpu = footer.unobserved.map(|unobserved| Unobserved {
                per_event: None,
                ..unobserved
            });
            plans.push(calibrated(&Footer {
                unobserved: by_cpu,
                ..footer
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

/// What was measured on a mount so far.
struct Runs<'s> {
    own: &'s Path,
    players: Vec<Player<'s>>,
    watch: Watch,
    /// The tool's, and those of the replay of each plan.
    times: Vec<Vec<Timed>>,
    divergences: u64,
    /// The last replay of the first plan.
    last: Option<Played>,
}

impl Runs<'_> {
    /// Runs that count.
    fn counted(&self) -> u32 {
        self.times.first().map_or(0, |runs| runs.len() as u32)
    }

    /// Some runs one after the other. The first doesn't count; none of the first round does.
    fn turn(&mut self, workload: &Workload, round: u32) -> io::Result<()> {
        let begin = Instant::now();
        self.once(workload, round, false)?;
        for one in 1..MOST_IN_TURN {
            if round == 0 || one >= IN_TURN && begin.elapsed() > TURN {
                break;
            }
            self.once(workload, round, true)?;
        }
        Ok(())
    }

    /// The tool and its replays, which begin by turns; within a turn each comes after the others, since what shares keep of one's files is no more than two
    /// seconds old (`sshfs` counts whole ones).
    fn once(&mut self, workload: &Workload, round: u32, counts: bool) -> io::Result<()> {
        if round.is_multiple_of(2) {
            self.tool(workload, counts)?;
        }
        for number in 0..self.players.len() {
            let played = play(&mut self.players[number], round)?;
            if counts {
                self.times[number + 1].push(played.timed());
                self.divergences = self.divergences.max(played.round.divergences);
            }
            if number == 0 {
                self.last = Some(played);
            }
        }
        if !round.is_multiple_of(2) {
            self.tool(workload, counts)?;
        }
        // What is written back later would meet another mount's turn.
        rustix::fs::sync();
        Ok(())
    }

    fn tool(&mut self, workload: &Workload, counts: bool) -> io::Result<()> {
        workload.reset(self.own)?;
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        let rest = settled(self.own)?;
        let probes = self.watch.rest(rest, &AtomicBool::new(false));
        let before = children_cpu();
        let wall_seconds = run(self.own, &command)?;
        let look = probes.end();
        if counts {
            self.times[0].push(Timed {
                wall_seconds,
                cpu_seconds: Some((children_cpu() - before) as f64 / 1e9),
                look,
            });
        }
        Ok(())
    }

    fn end(self, series: Vec<Series>) -> io::Result<Pair> {
        for player in self.players {
            let left = player.end().left.into_iter().next();
            left.map_or(Ok(()), |left| Err(io::Error::other(left)))?;
        }
        Ok(Pair {
            series,
            divergences: self.divergences,
        })
    }
}

/// What was measured by mount, for the tool and each replay.
fn by_mount(runs: &[Runs<'_>]) -> Vec<Vec<Series>> {
    let all: Vec<Vec<Timed>> = runs.iter().flat_map(|runs| runs.times.clone()).collect();
    let kinds = runs.first().map_or(1, |runs| runs.times.len());
    let alike = slowed_alike(&all, kinds);
    let found = alike.into_iter().zip(unslowed(&all, kinds));
    let mut series = all.into_iter().zip(found).map(|(runs, (alike, unslowed))| {
        let each = runs.into_iter().zip(alike).zip(unslowed);
        let each = each.map(|((run, (slowness, alike)), (_, unslowed))| Single {
            measured: run.wall_seconds * 1e3,
            look: run.look,
            slowness,
            alike: alike * 1e3,
            unslowed: unslowed * 1e3,
        });
        Series(each.collect())
    });
    let of_one = |runs: &Runs<'_>| series.by_ref().take(runs.times.len()).collect();
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
