//! Executes a plan: one thread per lane, released at once; the loop waits, issues, takes the time, and stores.

mod clock;
mod initial;
mod issue;
mod pace;
mod progress;

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Instant;

use crate::error::ReplayError;
use crate::plan::{Action, Plan};
use crate::sandbox::Sandbox;
use crate::sys::{self, Texts};
use clock::Clock;
use initial::open_initial;
use issue::Issuer;
use pace::Pacer;
use progress::{Gate, Progress, Stopped};

/// What one op gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Value or `-errno`; [`Sample::NOT_ISSUED`] where nothing was issued.
    pub result: i64,
    /// Nanoseconds.
    pub duration: u64,
}

impl Sample {
    /// The result of an op that issues nothing.
    pub const NOT_ISSUED: i64 = i64::MAX;
}

/// What one lane did.
#[derive(Debug, Default)]
pub struct LaneRun {
    /// One for each op.
    pub samples: Vec<Sample>,
    /// Nanoseconds spent waiting for other lanes.
    pub waited: u64,
    /// Nanoseconds spent computing and sleeping for the tool.
    pub paced: u64,
    /// Processor time, nanoseconds.
    pub cpu: u64,
}

/// What one execution gave.
#[derive(Debug)]
pub struct Run {
    /// Seconds from the release of the lanes to the end of the last.
    pub wall_seconds: f64,
    /// One for each lane.
    pub lanes: Vec<LaneRun>,
}

/// What lanes share.
pub(crate) struct Shared<'a> {
    pub plan: &'a Plan,
    pub clock: Clock,
    pub texts: Texts,
    /// Link texts of ops, by lane and op, where they had to be prefixed.
    pub slots: Vec<AtomicI32>,
    pub maps: Vec<std::sync::Mutex<sys::Mapping>>,
    pub null: i32,
    pub inotify: i32,
    pub roots: Vec<Vec<u8>>,
}

/// Executes the plan in its prepared sandboxes, as fast as possible or with the tool's own time multiplied by `scale`.
/// `cancelled` is looked at while waiting.
pub fn execute(
    plan: &Plan,
    sandboxes: &[Sandbox],
    scale: Option<f64>,
    cancelled: &AtomicBool,
) -> Result<Run, ReplayError> {
    raise_descriptor_limit(plan)?;
    let mut shared = shared(plan, sandboxes)?;
    let rewritten = shared.rewrite_links();
    open_initial(&shared)?;
    let progress = Progress::new(plan.lanes.len(), patience(plan, scale), cancelled);
    let gate = Gate::new();
    let clock = Clock::start();
    shared.clock = clock;
    let pacer = scale.map(|scale| Pacer::new(clock, scale, cancelled));
    let run = |number: usize| {
        let mut samples = vec![
            Sample {
                result: 1,
                duration: 1
            };
            plan.lanes[number].ops.len()
        ];
        let mut issuer = Issuer::new(&shared, &rewritten[number]);
        let open = gate.wait();
        let cpu = thread_cpu();
        let begin = Instant::now();
        let waited = match open {
            true => match &pacer {
                None => run_lane(number, &shared, &progress, &mut issuer, &mut samples),
                Some(pacer) => run_paced(
                    number,
                    &shared,
                    &progress,
                    pacer.clone(),
                    &mut issuer,
                    &mut samples,
                ),
            },
            false => Err(Stopped::Cancelled),
        };
        Ended {
            begin,
            end: Instant::now(),
            cpu: thread_cpu().saturating_sub(cpu),
            waited,
            samples,
        }
    };
    let outcome = if plan.lanes.len() == 1 {
        // A process with one thread has cheaper descriptors (no reference counting in the kernel), as the tool had.
        gate.open(true);
        Ok(vec![Ok(run(0))])
    } else {
        run_threads(plan.lanes.len(), &gate, &run)
    };
    close_all(&shared);
    let ended = outcome.map_err(|(lane, source)| {
        ReplayError::Plan(format!(
            "thread {lane} of {} can't be started: {source}",
            plan.lanes.len()
        ))
    })?;
    let tick = clock.nanoseconds_per_tick();
    let (mut first, mut last) = (None::<Instant>, None::<Instant>);
    let mut lanes = Vec::with_capacity(ended.len());
    for lane in ended {
        let Ended {
            begin,
            end,
            cpu,
            waited,
            mut samples,
        } = lane.map_err(|_| ReplayError::Plan("a lane panicked".into()))?;
        let (waited, paced) = waited.map_err(|stopped| match stopped {
            Stopped::Cancelled => ReplayError::Cancelled,
            Stopped::Stalled { lane, other, done } => ReplayError::Stalled { lane, other, done },
        })?;
        first = Some(first.map_or(begin, |at| at.min(begin)));
        last = Some(last.map_or(end, |at| at.max(end)));
        for sample in &mut samples {
            sample.duration = (sample.duration as f64 * tick) as u64;
        }
        lanes.push(LaneRun {
            samples,
            waited: (waited as f64 * tick) as u64,
            paced: (paced as f64 * tick) as u64,
            cpu,
        });
    }
    let wall = first
        .zip(last)
        .map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    Ok(Run {
        wall_seconds: wall,
        lanes,
    })
}

/// Processor time of this thread so far, nanoseconds.
fn thread_cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How a lane ended.
struct Ended {
    begin: Instant,
    end: Instant,
    cpu: u64,
    /// Ticks spent waiting, and in the tool's own time.
    waited: Result<(u64, u64), Stopped>,
    samples: Vec<Sample>,
}

/// One thread for each lane. An error says how many threads could be started, and why no more.
fn run_threads(
    lanes: usize,
    gate: &Gate,
    run: &(impl Fn(usize) -> Ended + Sync),
) -> Result<Vec<std::thread::Result<Ended>>, (usize, std::io::Error)> {
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(lanes);
        for number in 0..lanes {
            let thread = std::thread::Builder::new()
                .name(format!("lane-{number}"))
                .stack_size(256 << 10)
                .spawn_scoped(scope, move || run(number));
            match thread {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    gate.open(false);
                    return Err((threads.len(), source));
                }
            }
        }
        gate.wait_for(threads.len());
        gate.open(true);
        Ok(threads.into_iter().map(|thread| thread.join()).collect())
    })
}

/// How many ops ahead the loop asks for memory.
const AHEAD: usize = 8;

/// The loop, as fast as possible. Gives the ticks spent waiting (and none in the tool's own time).
fn run_lane(
    number: usize,
    shared: &Shared<'_>,
    progress: &Progress<'_>,
    issuer: &mut Issuer<'_>,
    samples: &mut [Sample],
) -> Result<(u64, u64), Stopped> {
    let lane = &shared.plan.lanes[number];
    let clock = shared.clock;
    let mut waited = 0;
    // One stamp a boundary: where nothing lies between two calls, the end of one is the beginning of the next.
    let mut now = clock.ticks();
    for (index, (op, sample)) in lane.ops.iter().zip(samples).enumerate() {
        sys::prefetch(std::ptr::from_ref(op).wrapping_add(AHEAD));
        sys::prefetch(std::ptr::from_ref(sample).wrapping_add(AHEAD));
        if op.wait_count > 0 {
            for wait in shared.plan.waits_of(op) {
                progress.wait(number, wait.lane, wait.done)?;
            }
            let begin = now;
            now = clock.ticks();
            waited += now - begin;
        }
        if matches!(op.action, Action::Nothing) {
            *sample = Sample {
                result: Sample::NOT_ISSUED,
                duration: 0,
            };
        } else {
            let mut begin = now;
            let result = issuer.issue(index, &op.action, op.expected, &mut begin);
            now = clock.ticks();
            *sample = Sample {
                result,
                duration: now.saturating_sub(begin),
            };
        }
        progress.done(number, index as u32 + 1, op.published);
    }
    progress.done(number, lane.ops.len() as u32, true);
    Ok((waited, 0))
}

/// The loop with the tool's own time. Gives the ticks spent waiting and in the tool's own time.
fn run_paced(
    number: usize,
    shared: &Shared<'_>,
    progress: &Progress<'_>,
    mut pacer: Pacer<'_>,
    issuer: &mut Issuer<'_>,
    samples: &mut [Sample],
) -> Result<(u64, u64), Stopped> {
    let lane = &shared.plan.lanes[number];
    let clock = shared.clock;
    let (mut waited, mut paced) = (0, 0);
    let mut now = clock.ticks();
    let steps = lane.ops.iter().zip(&lane.paces).zip(samples);
    for (index, ((op, pace), sample)) in steps.enumerate() {
        let begin = now;
        now = pacer.burn(now, pace.think);
        if pace.asleep > 0.0 {
            now = pacer.sleep(pace.asleep);
        }
        paced += now - begin;
        if op.wait_count > 0 {
            for wait in shared.plan.waits_of(op) {
                progress.wait(number, wait.lane, wait.done)?;
            }
            let begin = now;
            now = clock.ticks();
            waited += now - begin;
        }
        let begin = now;
        if pace.own_asleep > 0.0 {
            now = pacer.sleep(pace.own_asleep);
        }
        if pace.own > 0.0 {
            now = pacer.burn(now, pace.own);
        }
        paced += now - begin;
        if matches!(op.action, Action::Nothing) {
            *sample = Sample {
                result: Sample::NOT_ISSUED,
                duration: 0,
            };
        } else {
            let mut begin = now;
            let result = issuer.issue(index, &op.action, op.expected, &mut begin);
            now = clock.ticks();
            *sample = Sample {
                result,
                duration: now.saturating_sub(begin),
            };
        }
        progress.done(number, index as u32 + 1, op.published);
    }
    progress.done(number, lane.ops.len() as u32, true);
    Ok((waited, paced))
}

/// How long all lanes may stand still: beyond the longest time that one computes or sleeps for the tool.
fn patience(plan: &Plan, scale: Option<f64>) -> std::time::Duration {
    let paces = plan.lanes.iter().flat_map(|lane| &lane.paces);
    let longest = paces
        .map(|pace| pace.think + pace.asleep + pace.own + pace.own_asleep)
        .fold(0.0, f32::max);
    // Twice: lanes share processors.
    let own = f64::from(longest) / 1e9 * scale.unwrap_or(0.0) * 2.0;
    progress::PATIENCE + std::time::Duration::try_from_secs_f64(own).unwrap_or_default()
}

fn shared<'a>(plan: &'a Plan, sandboxes: &[Sandbox]) -> Result<Shared<'a>, ReplayError> {
    let process = |operation| {
        move |source: rustix::io::Errno| ReplayError::Process {
            operation,
            source: source.into(),
        }
    };
    use std::os::fd::IntoRawFd;
    let slots: Vec<AtomicI32> = (0..plan.slots.max(sandboxes.len() as u32))
        .map(|_| AtomicI32::new(-1))
        .collect();
    for (slot, sandbox) in slots.iter().zip(sandboxes) {
        let root = sandbox
            .root()
            .try_clone()
            .map_err(|source| ReplayError::Process {
                operation: "duplicating the descriptor of the replay directory",
                source,
            })?;
        slot.store(root.into_raw_fd(), Ordering::Relaxed);
    }
    use rustix::fs::{Mode, OFlags, inotify};
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(process("opening /dev/null"))?;
    let watches = plan
        .lanes
        .iter()
        .flat_map(|lane| &lane.ops)
        .any(|op| matches!(op.action, Action::Watch { .. }));
    let inotify = if watches {
        inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
            .map_err(process("making an inotify descriptor"))?
            .into_raw_fd()
    } else {
        -1
    };
    Ok(Shared {
        plan,
        clock: Clock::start(),
        texts: Texts::new(plan.text.clone()),
        slots,
        maps: (0..plan.maps).map(|_| Default::default()).collect(),
        null: null.into_raw_fd(),
        inotify,
        roots: sandboxes
            .iter()
            .map(|sandbox| sandbox.path_bytes())
            .collect(),
    })
}

impl Shared<'_> {
    /// Adds the texts of links that lead into a root to the texts; for each lane the op and the offset.
    fn rewrite_links(&mut self) -> Vec<Vec<(u32, u32)>> {
        let mut text = self.plan.text.clone();
        let mut all = Vec::new();
        for lane in &self.plan.lanes {
            let mut own = Vec::new();
            for (index, op) in lane.ops.iter().enumerate() {
                if let Action::Symlink {
                    target,
                    target_root: Some(root),
                    ..
                } = op.action
                {
                    own.push((index as u32, text.len() as u32));
                    text.extend(link_text(&self.roots, root.into(), self.plan.bytes(target)));
                    text.push(0);
                }
            }
            all.push(own);
        }
        self.texts = Texts::new(text);
        all
    }
}

/// The text of a link to a path inside a root.
pub(crate) fn link_text(roots: &[Vec<u8>], root: u32, path: &[u8]) -> Vec<u8> {
    let mut text = roots.get(root as usize).cloned().unwrap_or_default();
    if !path.is_empty() && !path.starts_with(b"/") {
        text.push(b'/');
    }
    text.extend_from_slice(path);
    text
}

fn close_all(shared: &Shared<'_>) {
    for slot in &shared.slots {
        let fd = slot.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            sys::close(fd);
        }
    }
    sys::close(shared.null);
    if shared.inotify >= 0 {
        sys::close(shared.inotify);
    }
}

/// All lanes share one table of descriptors: the limit is raised as far as it goes.
fn raise_descriptor_limit(plan: &Plan) -> Result<(), ReplayError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    match limit.maximum {
        Some(most) if u64::from(plan.slots) + 64 > most => Err(ReplayError::Plan(format!(
            "it needs {} open files at once and the hard limit is {most} (raise it: ulimit -Hn, or Docker's --ulimit nofile=…)",
            plan.slots
        ))),
        _ => Ok(()),
    }
}
