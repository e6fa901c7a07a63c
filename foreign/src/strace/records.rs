//! What is to be written, and what isn't known of it.

use std::collections::BTreeMap;

use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;

use super::decode::Args;

/// A record to be written, in order.
pub enum Out {
    /// A task begins.
    Start {
        /// Its number.
        task: u32,
        /// Its parent's number.
        parent: Option<u32>,
        /// `CLONE_*`.
        flags: u64,
        /// Its id.
        pid: u32,
        /// When.
        time: u64,
    },
    /// A call.
    Event {
        /// Whose.
        task: u32,
        /// Which.
        call: Call,
        /// Its arguments.
        args: Args,
        /// When it was entered.
        entry: u64,
        /// When it returned.
        exit: u64,
        /// A value, `-errno` or [`fsreplay_trace::model::Event::NO_RETURN`].
        result: i64,
        /// Log and line.
        at: (u16, u64),
    },
    /// A task ends.
    End {
        /// Its number.
        task: u32,
        /// When.
        time: u64,
        /// Its status.
        status: i32,
    },
    /// A descriptor that no call of the log opened.
    Descriptor {
        /// In whose table.
        task: u32,
        /// Its number.
        fd: i32,
        /// Where it leads.
        target: Vec<u8>,
        /// What that is.
        kind: FileKind,
    },
}

/// What isn't known, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Calls of the table that a trace can't hold, by name.
    pub unrecorded: BTreeMap<String, u64>,
    /// Calls on descriptors that no call of the log opened.
    pub unknown_descriptors: u64,
    /// Descriptors that were given out again without having been closed.
    pub not_closed: u64,
    /// Tasks whose parent the log doesn't tell, besides the first.
    pub orphans: u64,
    /// Tasks whose end the log doesn't tell.
    pub endless: u64,
}
