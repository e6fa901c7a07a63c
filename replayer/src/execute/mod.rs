//! Executes a plan: one thread per task, started by its parent's; the loop waits, issues, takes the
//! time, and stores.

mod bell;
mod clock;
mod cold;
mod crew;
mod initial;
mod issue;
mod lane;
pub(crate) mod pace;
pub(crate) mod parts;
mod progress;
mod samples;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::contain;
use crate::error::ReplayError;
use crate::fence::{self, Fence};
use crate::limits;
use crate::plan::{Action, Plan, Text};
use crate::sandbox::Sandbox;
use crate::sys::{self, Texts};
use clock::Clock;
use crew::Crew;
use initial::open_initial;
use pace::Pacer;
use parts::Parts;
use progress::Progress;
pub use samples::{Sample, Samples};

/// When ops are issued.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// With the tool's own time multiplied by this; none: as fast as possible.
    pub scale: Option<f64>,
    /// How long to do nothing between preparing and the first op.
    pub rest: Duration,
}

/// What one lane did.
#[derive(Debug, Default)]
pub struct LaneRun {
    /// What its ops gave.
    pub samples: Samples,
    /// Nanoseconds spent waiting for other lanes.
    pub waited: u64,
    /// Nanoseconds spent computing and sleeping for the tool.
    pub paced: u64,
    /// Of that, processor time spent computing.
    pub computed: u64,
    /// Processor time of all, nanoseconds.
    pub cpu: u64,
}

impl LaneRun {
    /// Processor time of its calls and of what the loop does for them, nanoseconds.
    pub fn calls_cpu(&self) -> u64 {
        self.cpu.saturating_sub(self.computed)
    }
}

/// What one execution gave.
#[derive(Debug)]
pub struct Run {
    /// Seconds from the first op to the end of the last.
    pub wall_seconds: f64,
    /// One for each lane.
    pub lanes: Vec<LaneRun>,
    /// What the kernel kept the lanes within.
    pub fence: Fence,
}

/// What lanes share.
pub(crate) struct Shared<'a> {
    pub plan: &'a Plan,
    pub clock: Clock,
    pub texts: Texts,
    /// Descriptors by slot, -1 where none is open.
    pub slots: Vec<AtomicI32>,
    pub maps: Vec<std::sync::Mutex<sys::Mapping>>,
    /// What all lanes write.
    pub pattern: sys::Pattern,
    pub null: i32,
    pub inotify: i32,
    pub roots: Vec<Vec<u8>>,
    /// By recorded text and root: the texts of links that lead into a root.
    pub rewritten: HashMap<(Text, u16), Text>,
    /// Files in place of those without a name.
    pub unnamed: issue::Unnamed,
    /// Whether the lanes are in a mount namespace of their own.
    walled: AtomicBool,
}

/// Executes the plan in its prepared sandboxes. `cancelled` is looked at while waiting.
///
/// All is prepared in a new thread with a table of descriptors of its own, so that a replay's never
/// mix with the caller's.
pub fn execute(
    plan: &Plan,
    sandboxes: &[Sandbox],
    tempo: Tempo,
    cancelled: &AtomicBool,
) -> Result<Run, ReplayError> {
    std::thread::scope(|scope| {
        let named = std::thread::Builder::new().name("replay".into());
        let started = named.spawn_scoped(scope, || {
            sys::unshare_files();
            execute_here(plan, sandboxes, tempo, cancelled)
        });
        let thread = started.map_err(|source| ReplayError::Process {
            operation: "starting a thread",
            source,
        })?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(ReplayError::Plan("the replay panicked".into())))
    })
}

fn execute_here(
    plan: &Plan,
    sandboxes: &[Sandbox],
    tempo: Tempo,
    cancelled: &AtomicBool,
) -> Result<Run, ReplayError> {
    contain::check(plan)?;
    limits::descriptors(plan)?;
    let mut shared = shared(plan, sandboxes)?;
    shared.rewrite_links();
    let parts = Parts::of(plan);
    let progress = Progress::new(plan, patience(plan, tempo.scale), cancelled);
    let clock = Clock::start();
    shared.clock = clock;
    let pacer = tempo.scale.map(|scale| {
        Pacer::new(
            clock,
            scale,
            plan.timing.computing,
            [cancelled, progress.failed()],
        )
    });
    let crew = Crew::new(&shared, &parts, &progress, pacer);
    let done = fenced_in(&shared, sandboxes, crew, || {
        pace::sleep(tempo.rest, || cancelled.load(Ordering::Relaxed));
    });
    close_all(&shared);
    let (fence, done) = done?;
    if cancelled.load(Ordering::Relaxed) {
        // What it slept and computed was cut short.
        return Err(ReplayError::Cancelled);
    }
    let begin = done.iter().filter_map(|lane| lane.begin).min();
    let end = done.iter().filter_map(|lane| lane.end).max();
    let wall = begin.zip(end);
    let tick = clock.nanoseconds_per_tick();
    let lanes = done.into_iter().map(|lane| lane_run(lane, tick));
    Ok(Run {
        lanes: lanes.collect(),
        fence,
        wall_seconds: wall.map_or(0.0, |(begin, end): (Instant, _)| {
            (end - begin).as_secs_f64()
        }),
    })
}

/// Lets the lanes run in a thread that the kernel keeps within the sandboxes. What was open at the
/// start is opened there; then comes `rest`, out here.
fn fenced_in(
    shared: &Shared<'_>,
    sandboxes: &[Sandbox],
    crew: Crew<'_>,
    rest: impl FnOnce(),
) -> Result<(Fence, Vec<crew::Done>), ReplayError> {
    std::thread::scope(|scope| {
        let (told, opened) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let named = std::thread::Builder::new().name("replay".into());
        let started = named.spawn_scoped(scope, move || {
            let is_open = told.send(shared.open(sandboxes)).is_ok();
            if is_open && gone.recv().is_ok() {
                crew.run()
            } else {
                Err(ReplayError::Cancelled)
            }
        });
        let thread = started.map_err(|source| ReplayError::Process {
            operation: "starting a thread",
            source,
        })?;
        let panicked = || ReplayError::Plan("the replay panicked".into());
        let fence = opened.recv();
        if matches!(fence, Ok(Ok(_))) {
            rest();
            // One that has ended is told of below.
            let _ = go.send(());
        }
        drop(go);
        // Also where nothing could be opened: what it has of its own is gone with it.
        let done = thread.join();
        let fence = fence.map_err(|_| panicked())??;
        Ok((fence, done.map_err(|_| panicked())??))
    })
}

/// From ticks to nanoseconds.
fn lane_run(done: crew::Done, tick: f64) -> LaneRun {
    let nanoseconds = |ticks: u64| (ticks as f64 * tick) as u64;
    LaneRun {
        samples: done.samples.in_ticks_of(tick),
        waited: nanoseconds(done.spent.waited),
        paced: nanoseconds(done.spent.paced),
        computed: nanoseconds(done.spent.computed),
        cpu: done.cpu,
    }
}

/// How long all lanes may stand still: beyond the longest time that one computes or sleeps for the
/// tool.
fn patience(plan: &Plan, scale: Option<f64>) -> Duration {
    let paces = plan.lanes.iter().flat_map(|lane| lane.paces());
    let longest = paces
        .map(|pace| pace.think + pace.asleep + pace.own + pace.own_asleep)
        .fold(0.0, f32::max);
    // Lanes share processors, and what shares these slows them.
    let scale = scale.unwrap_or(0.0) * plan.timing.computing.max(1.0);
    let own = f64::from(longest) / 1e9 * scale * 4.0;
    progress::PATIENCE + Duration::try_from_secs_f64(own).unwrap_or_default()
}

fn shared<'a>(plan: &'a Plan, sandboxes: &[Sandbox]) -> Result<Shared<'a>, ReplayError> {
    let process = |operation| {
        move |source: rustix::io::Errno| ReplayError::Process {
            operation,
            source: source.into(),
        }
    };
    let planned = plan.slots.max(sandboxes.len() as u32);
    let slots: Vec<AtomicI32> = (0..planned as usize + issue::STEPS * plan.lanes.len())
        .map(|_| AtomicI32::new(-1))
        .collect();
    use rustix::fs::{Mode, OFlags, inotify};
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(process("opening /dev/null"))?;
    let mut actions = plan.ops.iter().map(|op| op.action);
    let watches = actions.any(|action| matches!(action, Action::Watch { .. }));
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
        pattern: sys::Pattern::new(plan.longest_transfer),
        null: null.into_raw_fd(),
        inotify,
        roots: sandboxes
            .iter()
            .map(|sandbox| sandbox.path_bytes())
            .collect(),
        rewritten: HashMap::new(),
        unnamed: issue::Unnamed::default(),
        walled: AtomicBool::new(false),
    })
}

impl Shared<'_> {
    /// Fences the calling thread in, and opens the roots and what was open at the start.
    fn open(&self, sandboxes: &[Sandbox]) -> Result<Fence, ReplayError> {
        let (fence, roots) = fence::enter(sandboxes)?;
        self.walled
            .store(fence == Fence::Namespace, Ordering::Relaxed);
        for (slot, root) in self.slots.iter().zip(roots) {
            slot.store(root.into_raw_fd(), Ordering::Relaxed);
        }
        open_initial(self)?;
        Ok(fence)
    }

    /// Whether there is nothing but the replay's directories for the lanes.
    #[inline]
    pub(crate) fn is_walled(&self) -> bool {
        self.walled.load(Ordering::Relaxed)
    }

    /// Adds the texts of links that lead into a root to the texts.
    fn rewrite_links(&mut self) {
        let mut text = self.plan.text.clone();
        for op in &self.plan.ops {
            if let Action::Symlink {
                target,
                target_root: Some(root),
                ..
            } = op.action
            {
                // Several links may lead to one place: its text stands once.
                let Entry::Vacant(place) = self.rewritten.entry((target, root)) else {
                    continue;
                };
                place.insert(Text(text.len() as u32));
                text.extend(link_text(&self.roots, root.into(), self.plan.bytes(target)));
                text.push(0);
            }
        }
        self.texts = Texts::new(text);
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

/// Processor time of this thread so far, nanoseconds.
pub(crate) fn thread_cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
