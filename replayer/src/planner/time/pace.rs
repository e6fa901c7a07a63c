//! The tool's own time: what a lane computes and sleeps between its calls.

use std::collections::VecDeque;

use fsreplay_trace::call::Op;
use fsreplay_trace::model::{Event, Header, StopCosts};

use super::super::order::{OpId, Order};
use super::super::{Class, Cx, Draft};
use crate::plan::{Action, Pace, Plan, Sleep, Slept, Took, WaitFor};

/// Waits for others within so many stops are put down to the recorder.
const SHORT_WAIT: u64 = 100;
/// Sleep in a call that is shorter is the recorder's, nanoseconds.
const LEAST_SLEEP: f64 = 30_000.0;
/// So many events are looked back to for the last one before a task woke.
const RECENT: usize = 4096;

/// An event.
#[derive(Clone, Copy)]
struct Returned {
    number: u32,
    id: OpId,
    /// Nanoseconds since the start of the recording.
    exit: u64,
}

/// Paces of events, in trace order.
pub(crate) struct Paces {
    /// Whether computing and waiting are told apart.
    told: bool,
    /// The recording was made from inside the tool, but for some calls.
    is_inside: bool,
    /// What stops add to times.
    costs: StopCosts,
    /// By task: when its last call returned.
    exits: Vec<u64>,
    /// By task: how many events had returned then.
    moments: Vec<u32>,
    /// Sleep as it was recorded.
    pub(crate) sleeps: Vec<Sleep>,
    /// The latest events.
    recent: VecDeque<Returned>,
    /// What the op being planned waited for is done by another lane.
    pub(crate) caused: bool,
    /// When that had returned, where waiting for it may be in the op's time on a processor;
    /// nanoseconds since the start of the recording.
    pub(crate) caused_at: Option<u64>,
}

impl Paces {
    pub(crate) fn new(header: &Header) -> Paces {
        Paces {
            told: header.tells_waiting,
            is_inside: header.backend == Header::INSIDE,
            costs: header.costs.unwrap_or_default(),
            exits: Vec::new(),
            moments: Vec::new(),
            sleeps: Vec::new(),
            recent: VecDeque::new(),
            caused: false,
            caused_at: None,
        }
    }

    /// Whether the kernel counted what a call worked that also waited, however short. A call
    /// inside counts as work as a whole.
    pub(crate) fn waits_are_told(&self) -> bool {
        !self.is_inside
    }

    pub(crate) fn told(&self) -> bool {
        self.told
    }

    /// Whether a wait is no longer than the stops of others may make it.
    pub(crate) fn is_short(&self, event: &Event) -> bool {
        event.duration < SHORT_WAIT.saturating_mul(self.costs.duration)
    }

    /// What stops add to the time of a recording, for each event, nanoseconds. Hardly any event of
    /// a tool that was recorded from inside had one.
    pub(crate) fn stop(&self) -> f64 {
        if self.is_inside {
            0.0
        } else {
            self.costs.think as f64 + self.costs.duration as f64
        }
    }

    /// A task begins when so many events have returned.
    pub(crate) fn begins(&mut self, task: u32, moment: u32) {
        let task = task as usize;
        if self.moments.len() <= task {
            self.moments.resize(task + 1, moment);
        }
        self.moments[task] = moment;
    }

    /// Keeps what an op slept, with what others did meanwhile: recording that made the sleep
    /// longer.
    pub(crate) fn slept(&mut self, cx: &Cx, id: OpId, pace: &Pace, order: &mut Order) {
        let task = cx.task as usize;
        if pace.asleep > 0.0 || pace.own_asleep > 0.0 {
            let since = self.moments.get(task).copied().unwrap_or(cx.horizon);
            let called = cx.event.entry.saturating_sub(cx.event.spent.think);
            let mut slept = |time: f32, from: u32, to: u32, end: u64| {
                let events = to.saturating_sub(from);
                let others = time > 0.0 && events > 0;
                let last = others
                    .then(|| self.recent(to - 1))
                    .flatten()
                    .filter(|last| last.id.lane != id.lane);
                last.iter().for_each(|last| order.publish(last.id));
                let after = last.map_or(0, |last| end.saturating_sub(last.exit));
                Slept {
                    time,
                    events,
                    last: last.map(|last| WaitFor {
                        lane: last.id.lane,
                        done: last.id.op + 1,
                    }),
                    after: (after as f32).min(time),
                }
            };
            self.sleeps.push(Sleep {
                lane: id.lane,
                op: id.op,
                before: slept(pace.asleep, since, cx.horizon, called),
                within: slept(pace.own_asleep, cx.horizon, cx.number, cx.event.exit()),
            });
        }
        self.begins(cx.task, cx.number.saturating_add(1));
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Returned {
            number: cx.number,
            id,
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
        let caused_at = self.caused_at.take();
        if !self.told {
            return self.by_the_clock(event);
        }
        let think = event.spent.think as f32;
        let since = caused_at.map_or(u64::MAX, |at| event.exit().saturating_sub(at));
        let cpu = event.spent.cpu.min(since) as f64;
        let issued = draft.class == Class::Issued;
        let slept = (event.duration.saturating_sub(self.costs.duration) as f64 - cpu)
            .min(event.spent.asleep as f64);
        // A terminal lies in a pseudo file system; a pipe from outside is none of the plan's.
        let outside = matches!(draft.class, Class::Other | Class::Pseudo);
        let sleeps = !issued && !caused && outside && waits(event);
        Pace {
            think,
            asleep: if caused {
                0.0
            } else {
                event.spent.blocked as f32
            },
            own: match (issued, draft.class) {
                (true, _) if !starts_program(event, draft) => 0.0,
                (_, Class::Unfinished) => 0.0,
                // The replay's own waiting takes as much.
                _ if caused && matches!(event.call.row().op, Op::Futex | Op::Poll) => 0.0,
                _ => cpu as f32,
            },
            own_asleep: if sleeps && slept > LEAST_SLEEP {
                slept as f32
            } else {
                0.0
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
            // The recorder took its stops out of this, and a call recorded inside has none.
            event.spent.cpu.min(event.duration) as f64
        } else {
            all
        };
        // Others that stopped meanwhile kept the recorder busy.
        let stops = self.stop() * f64::from(event.overlapped);
        let blocked = if self.caused {
            // It waited for what another lane did, as it does in the plan.
            0.0
        } else {
            ((all - on_cpu).min(event.spent.asleep as f64) - stops).max(0.0)
        };
        // What a program's start computes is part of the pace.
        let on_cpu = if starts_program(event, draft) {
            0.0
        } else {
            on_cpu
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

impl Plan {
    /// Takes out of all sleep what recording others added to it: while a task slept, they stopped
    /// so many times, each of which took `stop` nanoseconds. What nobody did anything in keeps
    /// its length: a timer, the network, a person.
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
}
