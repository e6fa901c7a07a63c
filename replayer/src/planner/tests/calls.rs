//! A call made by hand, for tests of the planner's parts.

use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, Spent, TaskId};

use super::super::Cx;

/// A call of a task. What isn't given is 0.
pub(crate) fn event(task: u32, call: Call, args: &[(ArgKind, u64)], result: i64) -> Event {
    let mut values = [0; MAX_ARGS];
    for (kind, value) in args {
        let at = call.row().position(*kind).expect("an argument of the call");
        values[at] = *value;
    }
    Event {
        task: TaskId(task),
        call,
        entry: 0,
        duration: 0,
        overlapped: 0,
        spent: Spent::default(),
        result,
        args: values,
    }
}

/// What a call stands in that nothing overlapped. Each task has the lane of its number.
pub(crate) fn alone<'t>(event: &'t Event, tables: &'t Tables, number: u32) -> Cx<'t> {
    Cx {
        event,
        tables,
        task: event.task.0,
        lane: event.task.0,
        number,
        horizon: number,
    }
}
