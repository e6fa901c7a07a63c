//! The tool's own time: what a lane computes and sleeps between its calls.

use std::collections::VecDeque;

use fsreplay_trace::call::Op;
use fsreplay_trace::model::{Event, Footer, Header, StopCosts, Unobserved};

use super::order::{Order, Place};
use super::{Class, Cx, Draft};
use crate::execute::work;
use crate::plan::{Action, Lane, Pace, Plan, Sleep, Slept, Took, WaitFor};

/// The most that is added to an event or taken away, nanoseconds.
const MOST_EACH: f64 = 1e8;
/// So often that much is halved until nothing is left that a number of 64 bits could tell.
const HALVINGS: u32 = 80;
/// Waits for others within so many stops are put down to the recorder.
const SHORT_WAIT: u64 = 100;
/// Sleep in a call that is shorter is the recorder's, nanoseconds.
const LEAST_SLEEP: f64 = 30_000.0;

/// How slowed a recording may have been, so that it can be taken out.
const SLOWNESSES: std::ops::RangeInclusive<f64> = 1.0..=work::MOST_SLOWED;
/// So many events are looked back to for the last one before a task woke.
const RECENT: usize = 4096;

/// An event.
#[derive(Clone, Copy)]
struct Returned {
    number: u32,
    place: Place,
    /// Nanoseconds since the start of the recording.
    exit: u64,
}

/// Paces of events, in trace order.
pub(crate) struct Pacer {
    /// Whether computing and waiting are told apart.
    told: bool,
    /// What stops add to times.
    costs: StopCosts,
    /// By task: when its last call returned.
    exits: Vec<u64>,
    /// By task: how many events had returned then.
    moments: Vec<u32>,
    /// When the last of all calls returned.
    pub(crate) end: u64,
    /// Sleep as it was recorded.
    pub(crate) sleeps: Vec<Sleep>,
    /// The latest events.
    recent: VecDeque<Returned>,
    /// Processor time so far, nanoseconds.
    pub(crate) cpu: f64,
    /// What the op being planned waited for is done by another lane.
    pub(crate) caused: bool,
}

impl Pacer {
    pub(crate) fn new(header: &Header) -> Pacer {
        Pacer {
            told: header.tells_waiting,
            costs: header.costs.unwrap_or_default(),
            exits: Vec::new(),
            moments: Vec::new(),
            end: 0,
            sleeps: Vec::new(),
            recent: VecDeque::new(),
            cpu: 0.0,
            caused: false,
        }
    }

    pub(crate) fn told(&self) -> bool {
        self.told
    }

    /// Whether a wait is no longer than the stops of others may make it.
    pub(crate) fn is_short(&self, event: &Event) -> bool {
        event.duration < SHORT_WAIT.saturating_mul(self.costs.duration)
    }

    /// Computing that no event stands for.
    pub(crate) fn think(&mut self, think: u64) -> f32 {
        self.cpu += think as f64;
        think as f32
    }

    /// What stops add to the time of a recording, for each event, nanoseconds.
    pub(crate) fn stop(&self) -> f64 {
        self.costs.think as f64 + self.costs.duration as f64
    }

    /// A task begins when so many events have returned.
    pub(crate) fn begins(&mut self, task: u32, moment: u32) {
        let task = task as usize;
        if self.moments.len() <= task {
            self.moments.resize(task + 1, moment);
        }
        self.moments[task] = moment;
    }

    /// Keeps what an op slept, with what others did meanwhile: recording that made the sleep longer.
    pub(crate) fn slept(&mut self, cx: &Cx, place: Place, pace: &Pace, order: &mut Order) {
        let task = cx.task as usize;
        if pace.asleep > 0.0 || pace.own_asleep > 0.0 {
            let since = self.moments.get(task).copied().unwrap_or(cx.horizon);
            let called = cx.event.entry.saturating_sub(cx.event.spent.think);
            let mut slept = |time: f32, from: u32, to: u32, end: u64| {
                let events = to.saturating_sub(from);
                let others = time > 0.0 && events > 0;
                let last = others.then(|| self.recent(to - 1)).flatten();
                let last = last.filter(|last| last.place.lane != place.lane);
                last.iter().for_each(|last| order.publish(last.place));
                let after = last.map_or(0, |last| end.saturating_sub(last.exit));
                Slept {
                    time,
                    events,
                    last: last.map(|last| WaitFor {
                        lane: last.place.lane,
                        done: last.place.op + 1,
                    }),
                    after: (after as f32).min(time),
                }
            };
            self.sleeps.push(Sleep {
                lane: place.lane,
                op: place.op,
                before: slept(pace.asleep, since, cx.horizon, called),
                within: slept(pace.own_asleep, cx.horizon, cx.number, cx.event.exit()),
            });
        }
        self.begins(cx.task, cx.number.saturating_add(1));
        self.end = self.end.max(cx.event.exit());
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Returned {
            number: cx.number,
            place,
            exit: cx.event.exit(),
        });
    }

    /// The op of a recent event.
    fn recent(&self, number: u32) -> Option<Returned> {
        let ago = self.recent.back()?.number.checked_sub(number)? as usize;
        let index = self.recent.len().checked_sub(ago + 1)?;
        let found = *self.recent.get(index)?;
        (found.number == number).then_some(found)
    }

    /// The pace of an event's op.
    pub(crate) fn event(&mut self, event: &Event, draft: &Draft) -> Pace {
        let caused = std::mem::take(&mut self.caused);
        if !self.told {
            return self.by_the_clock(event);
        }
        let think = self.think(event.spent.think);
        let cpu = event.spent.cpu as f64;
        self.cpu += cpu;
        let issued = draft.class == Class::Issued;
        let slept = (event.duration.saturating_sub(self.costs.duration) as f64 - cpu)
            .min(event.spent.asleep as f64);
        // A terminal lies in a pseudo file system; a pipe from outside is none of the plan's.
        let outside = matches!(draft.class, Class::Other | Class::Pseudo);
        let sleeps = !issued && !caused && outside && waits(event);
        Pace {
            think,
            asleep: match caused {
                true => 0.0,
                false => event.spent.blocked as f32,
            },
            own: match (issued, draft.class) {
                (true, _) if !starts_program(event, draft) => 0.0,
                (_, Class::Unfinished) => 0.0,
                // The replay's own waiting takes as much.
                _ if caused && matches!(event.call.row().op, Op::Futex | Op::Poll) => 0.0,
                _ => cpu as f32,
            },
            own_asleep: match sleeps && slept > LEAST_SLEEP {
                true => slept as f32,
                false => 0.0,
            },
        }
    }

    /// What the call of an event's op took, to be asked before its pace.
    pub(crate) fn took(&self, cx: &Cx, draft: &Draft) -> Took {
        if draft.class != Class::Issued {
            return Took::default();
        }
        let event = cx.event;
        let all = event.duration.saturating_sub(self.costs.duration) as f64;
        let on_cpu = if self.told {
            (event.spent.cpu as f64).min(all)
        } else {
            all
        };
        // Others that stopped meanwhile kept the recorder busy.
        let stops = self.stop() * f64::from(event.overlapped);
        let blocked = match self.caused {
            // It waited for what another lane did, as it does in the plan.
            true => 0.0,
            false => ((all - on_cpu).min(event.spent.asleep as f64) - stops).max(0.0),
        };
        // What a program's start computes is part of the pace.
        let on_cpu = match starts_program(event, draft) {
            true => 0.0,
            false => on_cpu,
        };
        Took::of(on_cpu as f32, blocked as f32)
    }

    /// Without the kernel's counts, all time between calls counts as computing.
    fn by_the_clock(&mut self, event: &Event) -> Pace {
        let task = event.task.0 as usize;
        if self.exits.len() <= task {
            self.exits.resize(task + 1, event.entry);
        }
        let gap = event.entry.saturating_sub(self.exits[task]);
        self.exits[task] = event.exit();
        Pace {
            think: gap as f32,
            ..Pace::default()
        }
    }
}

fn starts_program(event: &Event, draft: &Draft) -> bool {
    matches!(draft.action, Action::Exec { .. }) && event.errno().is_none()
}

/// Whether a call may sleep until something outside of the tool happens.
fn waits(event: &Event) -> bool {
    // The value had changed already: what it took was the recorder's.
    if event.call.row().op == Op::Futex && event.errno() == Some(libc::EAGAIN) {
        return false;
    }
    event.call.row().waits
}

/// What lanes compute together of which each computes so much and has so many events, if that is added to each event.
fn with_each(lanes: &[(f64, f64)], each: f64) -> f64 {
    let each = within_reason(each);
    let lanes = lanes.iter();
    lanes
        .map(|(computed, events)| (computed + each * events).max(0.0))
        .sum()
}

fn within_reason(each: f64) -> f64 {
    each.clamp(-MOST_EACH, MOST_EACH)
}

impl Plan {
    /// Takes out of all sleep what recording others added to it: while a task slept, they stopped so many times, each of which took
    /// `stop` nanoseconds. What nobody did anything in keeps its length: a timer, the network, a person.
    pub(crate) fn wake_earlier(&mut self, stop: f64) {
        let left =
            |slept: Slept| (f64::from(slept.time) - stop * f64::from(slept.events)).max(0.0) as f32;
        for sleep in &self.sleeps {
            let Some(lane) = self.lanes.get_mut(sleep.lane as usize) else {
                continue;
            };
            let op = sleep.op as usize;
            if op < lane.len() {
                let asleep = left(sleep.before);
                let own_asleep = left(sleep.within);
                let pace = lane.pace(op);
                lane.set_pace(
                    op,
                    Pace {
                        asleep,
                        own_asleep,
                        ..pace
                    },
                );
            }
        }
    }

    /// What was computed while it was recorded, as it is where nothing slows the processors: they took so many times as long. What is no such number says
    /// nothing.
    pub fn unslow(&mut self, slowness: f64) {
        if !SLOWNESSES.contains(&slowness) {
            return;
        }
        let unslowed = |time: &mut f32| *time = (f64::from(*time) / slowness) as f32;
        for lane in &mut self.lanes {
            lane.for_each_think(unslowed);
            lane.for_each_own(unslowed);
            lane.for_each_took(unslowed);
        }
        let recorded = self.timing.recorded_cpu;
        self.timing.recorded_cpu = recorded / slowness;
        // What was on several processors at a time made the whole no longer than once.
        let busy = recorded.min(self.timing.recorded_elapsed as f64);
        let longer = busy - busy / slowness;
        self.timing.recorded_elapsed -= longer as u64;
    }

    /// Makes times those of a run without the recorder, if a trace's footer knows one.
    pub fn calibrate(&mut self, footer: &Footer) {
        if let Some(processors) = &footer.processors {
            self.unslow(processors.slowness);
            self.timing.unit = work::unit_here(processors);
        }
        if let Some(unobserved) = footer.unobserved {
            self.anchor(unobserved);
        }
    }

    /// What all tasks compute, nanoseconds, if so much is added to each event as [`Plan::anchor`] adds it: a task that has nothing left computes no less.
    pub fn computing(&self, each: f64) -> f64 {
        let lanes: Vec<_> = self.computed().collect();
        with_each(&lanes, each)
    }

    /// What is to be added to each event so that all tasks compute that long together, nanoseconds; of what makes it as little as possible, the most.
    pub fn each_for(&self, computing: f64) -> f64 {
        let lanes: Vec<_> = self
            .computed()
            .filter(|(_, events)| *events > 0.0)
            .collect();
        let nothing = lanes.iter().map(|(computed, events)| -computed / events);
        let mut least = nothing.fold(MOST_EACH, f64::min).max(-MOST_EACH);
        let mut most = MOST_EACH;
        if lanes.is_empty() || with_each(&lanes, least) >= computing {
            return if lanes.is_empty() { 0.0 } else { least };
        }
        for _ in 0..HALVINGS {
            let middle = (least + most) / 2.0;
            match with_each(&lanes, middle) < computing {
                true => least = middle,
                false => most = middle,
            }
        }
        most
    }

    /// What each lane computes, nanoseconds, and how many events it has.
    fn computed(&self) -> impl Iterator<Item = (f64, f64)> {
        let lanes = self.lanes.iter();
        lanes.map(|lane| (lane.computed(), lane.len() as f64))
    }

    /// Adds the same processor time to each event (or takes it away): what it takes for a replay on the recorded mount to be as
    /// long as the run without the recorder if that is known, else what makes the processor time that of that run. A stop
    /// costs more than its own time, since the caches are not as the tool left them after it; and in the tool, calls find
    /// caches that its own work has used, and take longer than one after the other in a replay.
    pub fn anchor(&mut self, unobserved: Unobserved) {
        let events: usize = self.lanes.iter().map(Lane::len).sum();
        let missing = unobserved.cpu as f64 - self.timing.recorded_cpu;
        let by_cpu = missing / events.max(1) as f64;
        let each = unobserved.per_event.filter(|each| each.is_finite());
        let each = within_reason(each.unwrap_or(by_cpu));
        for lane in &mut self.lanes {
            let mut debt = 0.0;
            lane.for_each_think(|think| {
                let left = f64::from(*think) + each - debt;
                debt = (-left).max(0.0);
                *think = left.max(0.0) as f32;
            });
            // What is left to be taken away at the end was there before: a program's start, of a tool that computes nothing after it.
            let all = lane.computed();
            if debt > 0.0 && all > 0.0 {
                let kept = (1.0 - debt / all).max(0.0) as f32;
                lane.for_each_think(|think| *think *= kept);
                lane.for_each_own(|own| *own *= kept);
            }
        }
        let longer = self.timing.recorded_elapsed as f64 - unobserved.elapsed as f64;
        self.wake_earlier((longer / self.coverage.events.max(1) as f64).max(0.0));
        self.timing.unobserved = Some(unobserved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Lane;

    #[test]
    fn what_was_recorded_on_a_slowed_machine_is_less_work() {
        let mut plan = Plan::default();
        plan.timing.recorded_cpu = 30.0;
        plan.timing.recorded_elapsed = 40;
        plan.lanes.push(Lane::of([Pace {
            think: 12.0,
            own: 6.0,
            asleep: 5.0,
            ..Pace::default()
        }]));
        for nothing in [f64::NAN, 0.0, -1.0, 1e9] {
            plan.unslow(nothing);
        }
        plan.unslow(1.5);
        let pace = plan.lanes[0].pace(0);
        assert_eq!((pace.think, pace.own, pace.asleep), (8.0, 4.0, 5.0));
        assert_eq!(plan.timing.recorded_cpu, 20.0);
        assert_eq!(plan.timing.recorded_elapsed, 30);
    }

    #[test]
    fn a_calibrated_trace_is_unslowed_before_each_event_gets_its_own() {
        let pace = Pace {
            think: 3000.0,
            ..Pace::default()
        };
        let mut plan = Plan::default();
        plan.lanes.push(Lane::of([pace; 10]));
        let footer = Footer {
            unobserved: Some(Unobserved {
                per_event: Some(-500.0),
                ..Unobserved::default()
            }),
            processors: Some(work::processors(work::nanoseconds_per_unit(), 1.5)),
            ..Footer::default()
        };
        plan.calibrate(&footer);
        assert!(plan.lanes[0].paces().all(|pace| pace.think == 1500.0));
        assert_eq!(
            plan.timing.unit.is_some(),
            footer
                .processors
                .is_some_and(|known| !known.boot.is_empty())
        );
    }

    #[test]
    fn what_is_computed_after_adding_to_each_event_is_known_before() {
        let lane = |thinks: &[f32]| {
            Lane::of(thinks.iter().map(|think| Pace {
                think: *think,
                own: 50.0,
                ..Pace::default()
            }))
        };
        let mut plan = Plan::default();
        assert_eq!((plan.computing(10.0), plan.each_for(10.0)), (0.0, 0.0));
        plan.lanes = vec![lane(&[100.0, 900.0, 0.0]), lane(&[200.0; 5]), lane(&[])];
        for each in [-1000.0, -300.0, -150.0, 0.0, 700.0] {
            let mut anchored = plan.clone();
            anchored.anchor(Unobserved {
                per_event: Some(each),
                ..Unobserved::default()
            });
            let known = plan.computing(each);
            assert!((anchored.computing(0.0) - known).abs() < 0.1, "{each}");
            if known > 0.0 {
                assert!((plan.each_for(known) - each).abs() < 1e-6, "{each}");
            }
        }
        let nothing = plan.each_for(0.0);
        assert_eq!(nothing, plan.each_for(-5.0));
        assert_eq!(plan.computing(nothing), 0.0);
        assert!(plan.computing(nothing + 1.0) > 0.0);
        // A program that computes for seconds in one event keeps what can't be taken away.
        plan.lanes = vec![lane(&[2e9])];
        let least = plan.each_for(0.0);
        let mut anchored = plan.clone();
        anchored.anchor(Unobserved {
            per_event: Some(least),
            ..Unobserved::default()
        });
        assert!(anchored.computing(0.0) > 1e9);
        assert!((anchored.computing(0.0) - plan.computing(least)).abs() < 1e3);
    }

    #[test]
    fn what_a_program_computed_at_its_start_pays_for_calls_that_take_longer_here() {
        let pace = |think: f32, own: f32| Pace {
            think,
            own,
            ..Pace::default()
        };
        let paces = [
            pace(0.0, 600.0),
            pace(400.0, 0.0),
            pace(10.0, 0.0),
            pace(10.0, 0.0),
        ];
        let mut plan = Plan::default();
        plan.lanes.push(Lane::of(paces));
        plan.anchor(Unobserved {
            elapsed: 0,
            cpu: 0,
            per_event: Some(-110.0),
        });
        let left = |plan: &Plan| -> f32 {
            let paces = plan.lanes[0].paces();
            paces.map(|pace| pace.think + pace.own).sum()
        };
        assert!(
            (left(&plan) - (1020.0 - 440.0)).abs() < 0.1,
            "{:?}",
            plan.lanes[0]
        );
        plan.anchor(Unobserved {
            elapsed: 0,
            cpu: 0,
            per_event: Some(-1000.0),
        });
        assert_eq!(left(&plan), 0.0);
    }
}
