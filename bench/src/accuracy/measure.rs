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
use fsreplay_replayer::{Cache, PlayOptions, Played, Player, Timing};
use fsreplay_trace::format;
use fsreplay_trace::model::Unobserved;

use super::Options;
use super::table::Pair;
use crate::mounts::Mount;
use crate::timing::{median, run, run_at_rest};
use crate::workloads::{Masters, Workload};

/// At most as many times the rounds that were asked for,
const MORE: u32 = 5;
/// as long as they take no longer than this,
const ENOUGH: Duration = Duration::from_secs(15);
/// or than this where the tool or its replay varies by more
const ENOUGH_NOISY: Duration = Duration::from_secs(60);
/// than this: half the distance of the quartiles, as a share of the median.
const NOISY: f64 = 0.1;

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
        let mut pairs = Vec::new();
        for mount in self.mounts {
            let copy = match mount.dir == first.dir {
                true => None,
                false => Some(self.masters.copy(workload, &mount.dir)?),
            };
            let plans = self.plans(&trace, &home.0, &mount.dir)?;
            let own = copy.as_ref().unwrap_or(&home);
            pairs.push(self.alternate(workload, &own.0, &plans)?);
        }
        Ok(pairs)
    }

    /// The tool, its replay, the tool, its replay; the first of each only warms caches. Where a round takes little time, there are more: single
    /// runs of a few milliseconds vary too much; and where times vary, on FUSE by which processors a request happens to run on.
    fn alternate(&self, workload: &Workload, own: &Path, plans: &[Plan]) -> io::Result<Pair> {
        let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
        let options = PlayOptions {
            rounds: self.options.rounds,
            keep: false,
            timing: Timing::Scaled(1.0),
            cache: Cache::Warm,
        };
        let mut players: Vec<_> = plans.iter().map(|p| Player::new(p, options)).collect();
        let mut predicted = vec![Vec::new(); plans.len()];
        let mut real = Vec::new();
        let mut divergences = 0;
        let least = self.options.rounds;
        let begin = Instant::now();
        for round in 0..=least * MORE {
            if round > least && begin.elapsed() > enough(&real, &predicted[0]) {
                break;
            }
            workload.reset(own)?;
            let seconds = run_at_rest(own, &command)?;
            if round > 0 {
                real.push(seconds * 1e3);
            }
            for (player, times) in players.iter_mut().zip(&mut predicted) {
                let played = play(player, round)?;
                if round > 0 {
                    times.push(played.round.wall_seconds * 1e3);
                    divergences = divergences.max(played.round.divergences);
                }
                if self.options.explain && round == least {
                    explain(&played);
                }
            }
        }
        for player in players {
            player.end().map_err(io::Error::other)?;
        }
        let variation = fsreplay_replayer::result::variation(&predicted[0]).unwrap_or(0.0) * 100.0;
        let mut predicted = predicted.into_iter().map(|times| median(times).0);
        let (real, real_spread) = median(real);
        Ok(Pair {
            real,
            real_spread: real_spread / real * 100.0,
            predicted: predicted.next().unwrap_or(0.0),
            variation,
            divergences,
            otherwise: predicted.collect(),
        })
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

/// How long to go on.
fn enough(real: &[f64], predicted: &[f64]) -> Duration {
    let varies = |times: &[f64]| {
        let (middle, spread) = median(times.to_vec());
        spread > NOISY * middle
    };
    match varies(real) || varies(predicted) {
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
