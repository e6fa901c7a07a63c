//! An event on its way into the plan: what it stands in, and what it becomes.

use std::collections::BTreeMap;

use fsreplay_trace::abi::AT_EMPTY_PATH;
use fsreplay_trace::call::{ArgKind, NONE as NO_ARGUMENT};
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{Event, StringId};

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
    /// An event that keeps its place and is not issued.
    pub(crate) fn nothing(cx: &Cx, class: Class) -> Draft {
        Draft {
            action: Action::Nothing,
            check: Check::Nothing,
            expected: cx.event.result,
            class,
            mount: u16::MAX,
        }
    }

    /// An event that is issued and whose outcome must be the same.
    pub(crate) fn issue(cx: &Cx, action: Action) -> Draft {
        Draft {
            action,
            check: Check::Exact,
            expected: cx.event.result,
            class: Class::Issued,
            mount: u16::MAX,
        }
    }

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

    /// An argument that the call keeps, or 0.
    pub(crate) fn number(&self, kind: ArgKind) -> u64 {
        self.event.arg(kind).unwrap_or(0)
    }

    /// A length, offset or size as the kernel takes it.
    pub(crate) fn signed(&self, kind: ArgKind) -> i64 {
        self.number(kind) as i64
    }

    /// A numeric argument that may not have been given.
    pub(crate) fn given(&self, kind: ArgKind) -> Option<u64> {
        self.event.arg(kind).filter(|value| *value != NO_ARGUMENT)
    }

    /// Flags of the call: those that it was given and those that it stands for.
    pub(crate) fn flags(&self) -> u32 {
        self.event.flags()
    }

    /// Bytes that a transfer moved.
    pub(crate) fn moved(&self) -> u64 {
        u64::try_from(self.event.result).unwrap_or(0)
    }

    /// The string that an argument names, if the trace has it.
    pub(crate) fn string(&self, kind: ArgKind) -> Option<StringId> {
        let id = self.event.string(kind)?;
        ((id.0 as usize) < self.tables.string_count()).then_some(id)
    }

    /// Whether the call names its descriptor itself rather than a path (`AT_EMPTY_PATH`).
    pub(crate) fn is_empty_path(&self, bits: u32) -> bool {
        if bits & AT_EMPTY_PATH == 0 {
            return false;
        }
        match self.string(ArgKind::Path) {
            Some(path) => self.tables.string(path).is_empty(),
            None => true,
        }
    }
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
