//! Columns of a block: streams of varints, numbered; what is alike stands together and compresses
//! well.

use super::error::TraceError;
use crate::call::{MAX_ARGS, TABLE};

/// Streams that are not of one call.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Stream {
    /// Parent of each new node.
    NodeParent,
    /// Bytes of each new node's name that it shares with a recent one, and which.
    NodePrefix,
    /// Literal bytes after that.
    NodeLength,
    /// Bytes of the names.
    NodeBytes,
    /// For each new string: bytes shared with a recent one, and which.
    StringPrefix,
    /// Literal bytes after that.
    StringLength,
    /// The bytes.
    StringBytes,
    /// Node whose name ends the string.
    StringNode,
    /// What each record is.
    Ops,
    /// Task of each event.
    Task,
    /// Code of the time since the task's last event.
    Gap,
    /// Code of the duration.
    Duration,
    /// Times too long for a code.
    Long,
    /// Events that returned meanwhile.
    Overlapped,
    /// Columns of path states.
    StateNode,
    /// Kind, and whether there is metadata.
    StateKind,
    /// Size.
    StateSize,
    /// Mode.
    StateMode,
    /// User and group.
    StateOwner,
    /// Modification time.
    StateTime,
    /// Link group.
    StateLink,
    /// Link target.
    StateTarget,
    /// Mount.
    StateMount,
    /// Listings: directory, count, entries.
    ListNode,
    /// Kinds of listed entries.
    ListKind,
    /// Everything of the rare records.
    Rare,
    /// Code of the processor time before each event (from version 2 on, as the next two).
    Think,
    /// Code of the processor time in each event.
    Cpu,
    /// Code of the time asleep before each event.
    Blocked,
    /// Code of the time asleep in each event (from version 5 on).
    Asleep,
    /// First of the streams of calls.
    FirstCall,
}

/// What the streams that are not of one call are called: as many as there are.
pub const NAMES: [&str; Stream::FirstCall as usize] = [
    "node parent",
    "node prefix",
    "node length",
    "node bytes",
    "string prefix",
    "string length",
    "string bytes",
    "string node",
    "ops",
    "task",
    "gap",
    "duration",
    "long",
    "overlapped",
    "state node",
    "state kind",
    "state size",
    "state mode",
    "state owner",
    "state time",
    "state link",
    "state target",
    "state mount",
    "listed node",
    "listed kind",
    "rare",
    "think",
    "cpu",
    "blocked",
    "asleep",
];

/// Streams of one call: its arguments and its result.
pub const PER_CALL: usize = MAX_ARGS + 1;

/// First of the streams of calls in version 1.
const FIRST_CALL_V1: usize = Stream::Think as usize;
/// First of them in versions 2 to 4.
const FIRST_CALL_V2: usize = Stream::Asleep as usize;

/// First of the streams of calls in a version.
pub fn first_call(version: u16) -> usize {
    match version {
        0 | 1 => FIRST_CALL_V1,
        2..=4 => FIRST_CALL_V2,
        _ => Stream::FirstCall as usize,
    }
}

/// How many streams a block may have.
pub fn stream_count() -> usize {
    Stream::FirstCall as usize + TABLE.len() * PER_CALL
}

/// Number of a stream of a call; `MAX_ARGS` is the result's.
pub fn call_stream(call: usize, column: usize) -> usize {
    Stream::FirstCall as usize + call * PER_CALL + column
}

/// Appends a varint (7 bits a byte, least significant first).
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number as an unsigned one, small if near zero.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A place in a stream that is being read.
#[derive(Clone, Copy, Default)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

const ENDED: TraceError = TraceError::Corrupt("a column ends too early");

impl<'a> Cursor<'a> {
    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// From the start of some bytes.
    pub fn new(rest: &'a [u8]) -> Cursor<'a> {
        Cursor { rest }
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, TraceError> {
        let (first, rest) = self.rest.split_first().ok_or(ENDED)?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next varint.
    #[inline]
    pub fn get(&mut self) -> Result<u64, TraceError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(TraceError::Corrupt("a number is too long"))
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], TraceError> {
        let length = usize::try_from(length).map_err(|_| ENDED)?;
        if length > self.rest.len() {
            return Err(ENDED);
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }
}
