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
use fsreplay_replayer::quiet::{Look, Watch, keep_undisturbed};
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing};
use fsreplay_trace::format;
use fsreplay_trace::model::Unobserved;

use super::Options;
use super::table::Pair;
use crate::mounts::Mount;
use crate::timing::{median, run, run_at_rest};
use crate::workloads::{Masters, Tree, Workload};

/// At most as many times the rounds that were asked for,
const MORE: u32 = 5;
/// as long as they take no longer than this,
const ENOUGH: Duration = Duration::from_secs(15);
/// or than this where the tool or its replay varies by more
const ENOUGH_NOISY: Duration = Duration::from_secs(30);
/// than this: half the distance of the quartiles, as a share of the median.
const NOISY: f64 = 0.1;
/// No longer is waited before each for a machine that something else disturbs.
const PATIENCE: Duration = Duration::from_secs(1);

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
        let mut watch = Watch::default();
        let begin = Instant::now();
        for round in 0..=least * MORE {
            let several = runs.len() as u32;
            if round > least && begin.elapsed() > enough(&runs) * several {
                break;
            }
            for runs in &mut runs {
                runs.once(workload, round, &mut watch)?;
                if let Some(played) = &runs.last
                    && self.options.explain
                    && round == least
                {
                    explain(played);
                }
            }
        }
        runs.into_iter().map(Runs::end).collect()
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
            real: Times::default(),
            predicted: vec![Times::default(); site.plans.len()],
            divergences: 0,
            last: None,
        }
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

/// What was measured on a mount so far.
struct Runs<'s> {
    own: &'s Path,
    players: Vec<Player<'s>>,
    /// The tool's times.
    real: Times,
    /// The replay's, for each plan.
    predicted: Vec<Times>,
    divergences: u64,
    /// The last replay of the first plan.
    last: Option<Played>,
}

impl Runs<'_> {
    /// The tool and its replays, that of the first plan last.
    fn once(&mut self, workload: &Workload, round: u32, watch: &mut Watch) -> io::Result<()> {
        workload.reset(self.own)?;
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        watch.wait(PATIENCE);
        let before = Look::take();
        let seconds = run_at_rest(self.own, &command)?;
        if round > 0 {
            self.real.push(seconds, Look::take().and(&before));
        }
        for (player, times) in self.players.iter_mut().zip(&mut self.predicted).rev() {
            watch.wait(PATIENCE);
            let played = play(player, round)?;
            if round > 0 {
                times.push(played.round.wall_seconds, played.look.clone());
                self.divergences = self.divergences.max(played.round.divergences);
            }
            self.last = Some(played);
        }
        // What is written back later would meet another mount's turn.
        rustix::fs::sync();
        Ok(())
    }

    fn end(self) -> io::Result<Pair> {
        for player in self.players {
            player.end().map_err(io::Error::other)?;
        }
        let of_first = self.predicted.first().map(Times::quietest);
        let variation = of_first.and_then(|times| fsreplay_replayer::result::variation(&times));
        let mut predicted = self
            .predicted
            .iter()
            .map(|times| median(times.quietest()).0);
        let (real, real_spread) = median(self.real.quietest());
        Ok(Pair {
            real,
            real_spread: real_spread / real * 100.0,
            predicted: predicted.next().unwrap_or(0.0),
            variation: variation.unwrap_or(0.0) * 100.0,
            divergences: self.divergences,
            otherwise: predicted.collect(),
        })
    }

    /// Whether single runs vary much.
    fn is_noisy(&self) -> bool {
        let mut times = std::iter::once(&self.real).chain(self.predicted.first());
        times.any(|times| {
            let (middle, spread) = median(times.quietest());
            spread > NOISY * middle
        })
    }
}

/// Times of runs, milliseconds, each with what was seen of disturbances.
#[derive(Clone, Default)]
struct Times(Vec<(f64, Look)>);

impl Times {
    fn push(&mut self, seconds: f64, look: Look) {
        self.0.push((seconds * 1e3, look));
    }

    /// Those of runs that nothing disturbed.
    fn quietest(&self) -> Vec<f64> {
        let mut runs = self.0.clone();
        keep_undisturbed(&mut runs, |(_, look)| look);
        runs.into_iter().map(|(time, _)| time).collect()
    }
}

/// How long to go on for each mount.
fn enough(runs: &[Runs<'_>]) -> Duration {
    match runs.iter().any(Runs::is_noisy) {
        true => ENOUGH_NOISY,
        false => ENOUGH,
    }
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
