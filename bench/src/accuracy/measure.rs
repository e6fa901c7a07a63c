//! One workload: recorded once, then on each mount the tool and its replays in turn.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use fsreplay_compare::BUDGET;
use fsreplay_measure::estimate::median;
use fsreplay_recorder::children_cpu;
use fsreplay_replayer::fit;
use fsreplay_replayer::forecast::{own_seconds, timings};
use fsreplay_replayer::plan::Plan;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::prices::Rounds;
use fsreplay_replayer::simulate::Groups;
use fsreplay_replayer::{Cache, PlayOptions, Player, Timing};
use fsreplay_trace::format;

use super::log::{AT_REST, Single, TOOL, Writer};
use super::{Options, priced};
use crate::mounts::Mount;
use crate::timing::{run, settled};
use crate::workloads::{Masters, Tree, Workload};

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

/// Where the tool runs on a mount.
struct Site<'m> {
    mount: &'m Mount,
    /// A copy of the tree.
    own: Tree,
    plan: Plan,
    /// The same, with the tool's own time by its runs without the recorder.
    calibrated: Plan,
    /// What its runs without the recorder took by the clock, seconds.
    tool: f64,
}

/// What is measured on a site.
pub struct Runs<'s> {
    /// The mount's name.
    pub mount: &'s str,
    own: &'s Path,
    fast: Player<'s>,
    /// On a share, with the tool's own time, as `compare` does it there.
    at_pace: Option<Player<'s>>,
    /// With the tool's own timing, if that is asked for.
    paced: Vec<(&'static str, Player<'s>)>,
    /// The plan as it was recorded.
    pub plan: &'s Plan,
    /// And with the tool's own time by its runs without the recorder.
    pub calibrated: &'s Plan,
    /// Rounds so far that times on paper are told from.
    pub rounds: Rounds<'s>,
    /// Fast rounds so far.
    pub fast_rounds: Rounds<'s>,
    /// Wall times of those, seconds.
    pub walls: Vec<f64>,
}

impl Rig<'_> {
    /// Records a workload on the first mount and measures it on all.
    pub fn measure(&self, workload: &Workload, log: &mut Writer) -> io::Result<()> {
        let first = self
            .mounts
            .first()
            .ok_or_else(|| io::Error::other("no mount could be made"))?;
        let home = self.masters.copy(workload, &first.dir)?;
        let trace = self.dir.join("trace.zst");
        self.record(workload, &home.0, &trace)?;
        let recorded = home.0.clone();
        let mut sites = vec![self.site(first, &trace, &recorded, home)?];
        for mount in &self.mounts[1..] {
            let own = self.masters.copy(workload, &mount.dir)?;
            sites.push(self.site(mount, &trace, &recorded, own)?);
        }
        let is_paced = self.options.paced;
        let plans = sites.iter().map(|site| &site.plan);
        let own = own_seconds(&sites[0].plan, &Groups::one()).map_err(io::Error::other)?;
        let timings = timings(plans, own, BUDGET);
        let mut all: Vec<Runs<'_>> = sites
            .iter()
            .zip(timings)
            .map(|(site, timing)| site.runs(is_paced, timing))
            .collect();
        for round in 0..=self.options.rounds {
            for turn in 0..all.len() {
                // Each begins in turn, so that none always comes after the same one.
                let number = (turn + round as usize) % sites.len();
                self.turn(workload, &mut all[number], round, log)?;
            }
        }
        priced::predict(workload.name, &all, sites[0].tool, log)?;
        all.into_iter().try_for_each(Runs::end)
    }

    /// The tool at rest, as one who comes back to it finds it; once more at once, as recordings and
    /// comparisons are repeated; then its replays. The first turn only warms caches.
    fn turn(
        &self,
        workload: &Workload,
        runs: &mut Runs<'_>,
        round: u32,
        log: &mut Writer,
    ) -> io::Result<()> {
        let mut add = |what: &str, (wall, cpu): (f64, f64), run_queue: Option<f64>| {
            if round == 0 {
                return Ok(());
            }
            log.add(&Single {
                workload: workload.name,
                mount: runs.mount,
                what,
                round,
                wall,
                cpu,
                run_queue,
            })
        };
        workload.reset(runs.own)?;
        std::thread::sleep(settled(runs.own)?);
        add(AT_REST, tool(workload, runs.own)?, None)?;
        workload.reset(runs.own)?;
        add(TOOL, tool(workload, runs.own)?, None)?;
        let load = Load::begin(self.options.beside)?;
        let (played, lanes) = priced_round(&mut runs.fast, round)?;
        add(
            "fast",
            (played.round.wall_seconds, played.cpu_seconds),
            None,
        )?;
        for (what, player) in &mut runs.paced {
            let (played, _) = priced_round(player, round)?;
            add(what, (played.round.wall_seconds, played.cpu_seconds), None)?;
        }
        let at_pace = runs
            .at_pace
            .as_mut()
            .map(|player| priced_round(player, round))
            .transpose()?
            .map(|(_, lanes)| lanes);
        drop(load);
        if round > 0 {
            runs.walls.push(played.round.wall_seconds);
            match at_pace {
                Some(at_pace) => {
                    runs.rounds.add(at_pace);
                    runs.fast_rounds.add(lanes);
                }
                None => runs.rounds.add(lanes),
            }
        }
        Ok(())
    }

    fn record(&self, workload: &Workload, home: &Path, trace: &Path) -> io::Result<()> {
        workload.reset(home)?;
        // As the runs that are compared: not the first one.
        tool(workload, home)?;
        workload.reset(home)?;
        let mut recorder = Command::new(self.fsreplay);
        recorder.args(["record", "-q", "--force", "-o"]).arg(trace);
        recorder.args(["--calibrate", "--budget", &self.options.budget]);
        if !workload.reset.is_empty() {
            recorder.args(["--reset", workload.reset]);
        }
        let output = recorder
            .arg("--")
            .args(workload.command)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "recording: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )))
    }

    /// A mount with a copy of the tree, and the plans of a trace whose tree was recorded at `home`:
    /// that goes to the mount, all else to a common neutral place.
    fn site<'m>(
        &self,
        mount: &'m Mount,
        trace: &Path,
        home: &Path,
        own: Tree,
    ) -> io::Result<Site<'m>> {
        let options = PlanOptions {
            limits: Default::default(),
            target: self.dir.to_owned(),
            place: vec![(home.as_os_str().as_bytes().to_vec(), mount.dir.clone())],
            skip: Vec::new(),
            as_root: fsreplay_replayer::privilege::acts_as_root(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        let mut reader = format::open(trace).map_err(io::Error::other)?;
        let plan = plan(&mut reader, &options).map_err(io::Error::other)?;
        let mut calibrated = plan.clone();
        let footer = reader.footer().cloned().unwrap_or_default();
        fit::calibrate(&mut calibrated, &footer);
        if calibrated.timing.processor_seconds.is_none() {
            eprintln!("no runs without the recorder, or none that fit");
        }
        let runs = footer.samples.iter().flat_map(|samples| &samples.runs);
        let walls: Vec<f64> = runs.map(|run| run.elapsed as f64 / 1e9).collect();
        Ok(Site {
            mount,
            own,
            plan,
            calibrated,
            tool: median(&walls),
        })
    }
}

impl Site<'_> {
    fn runs(&self, is_paced: bool, timing: Timing) -> Runs<'_> {
        let player = |plan, timing| {
            let options = PlayOptions {
                rounds: 1,
                keep: false,
                timing,
                cache: Cache::Warm,
            };
            Player::new(plan, options)
        };
        let paced = [
            ("paced as recorded", &self.plan),
            ("paced calibrated", &self.calibrated),
        ];
        let paced = paced
            .into_iter()
            .filter(|_| is_paced)
            .map(|(what, plan)| (what, player(plan, Timing::Scaled(1.0))));
        Runs {
            mount: &self.mount.name,
            own: &self.own.0,
            fast: player(&self.plan, Timing::Fast),
            at_pace: (timing != Timing::Fast).then(|| player(&self.plan, timing)),
            paced: paced.collect(),
            calibrated: &self.calibrated,
            plan: &self.plan,
            rounds: Rounds::new(&self.plan),
            fast_rounds: Rounds::new(&self.plan),
            walls: Vec::new(),
        }
    }
}

impl Runs<'_> {
    fn end(self) -> io::Result<()> {
        let paced = self.paced.into_iter().map(|(_, player)| player);
        for player in paced.chain(self.at_pace).chain([self.fast]) {
            let left = player.end().left.into_iter().next();
            left.map_or(Ok(()), |left| Err(io::Error::other(left)))?;
        }
        Ok(())
    }
}

/// Wall and processor time of a run, seconds.
fn tool(workload: &Workload, home: &Path) -> io::Result<(f64, f64)> {
    let command: Vec<OsString> = workload.command.iter().map(OsString::from).collect();
    let before = children_cpu();
    let wall = run(home, &command)?;
    Ok((wall, (children_cpu() - before) as f64 / 1e9))
}

type Priced = (
    fsreplay_replayer::Played,
    Vec<fsreplay_replayer::execute::LaneRun>,
);

fn priced_round(player: &mut Player<'_>, round: u32) -> io::Result<Priced> {
    // Modes are folded at plan time.
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let played = player.priced_round(round, &AtomicBool::new(false), &|_| {});
    rustix::process::umask(before);
    played.map_err(io::Error::other)
}

/// Other processes that compute; they end when dropped.
struct Load(Vec<Child>);

impl Load {
    fn begin(count: u32) -> io::Result<Load> {
        let mut load = Load(Vec::new());
        for _ in 0..count {
            let mut command = Command::new("sh");
            load.0
                .push(command.args(["-c", "while :; do :; done"]).spawn()?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
