//! An event on its way into the plan: what it stands in, and what it becomes.

use std::collections::BTreeMap;

use fsreplay_trace::format::Tables;
use fsreplay_trace::model::Event;

use super::uses::Resource;
use crate::plan::{Action, Check};

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Issued,
    Pseudo,
    Other,
    Skipped,
    Unresolved,
    Unfinished,
}

/// An op in the making.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) action: Action,
    pub(crate) check: Check,
    pub(crate) expected: i64,
    pub(crate) class: Class,
    pub(crate) mount: u16,
}

impl Draft {
    pub(crate) fn check(mut self, check: Check) -> Draft {
        self.check = check;
        self
    }

    pub(crate) fn mount(mut self, mount: u16) -> Draft {
        self.mount = mount;
        self
    }
}

/// The event being planned.
#[derive(Clone, Copy)]
pub(crate) struct Cx<'t> {
    pub(crate) event: &'t Event,
    pub(crate) tables: &'t Tables,
    pub(crate) task: u32,
    pub(crate) lane: u32,
    /// Number of the event.
    pub(crate) number: u32,
    /// How many events had returned when it was called.
    pub(crate) horizon: u32,
}

impl Cx<'_> {
    /// Whether the call succeeded.
    pub(crate) fn ok(&self) -> bool {
        self.event.errno().is_none()
    }
}

/// An op without a recorded counterpart, after the one being made.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub(super) action: Action,
    pub(super) resource: Resource,
}

/// What was changed to fit, or could not be told, counted.
#[derive(Default)]
pub(crate) struct Notes {
    pub(super) counts: BTreeMap<&'static str, u64>,
}

impl Notes {
    pub(crate) fn add(&mut self, note: &'static str) {
        *self.counts.entry(note).or_default() += 1;
    }
}
