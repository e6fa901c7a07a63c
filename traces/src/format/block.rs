//! A block's streams as bytes and back, and the predictors that coding and decoding share.

use std::ops::Range;

use hashbrown::HashMap;

use super::columns::{Cursor, put, stream_count};
use super::error::TraceError;
use super::frames::{self, Parts};

/// The most records of a block.
pub const MAX_RECORDS: u64 = 1 << 20;
/// The most tasks that a kernel has at once (`PID_MAX_LIMIT`).
pub const MAX_TASKS: usize = 4 << 20;
/// The most entries of listings, and extended attributes, of a block.
pub const MAX_ENTRIES: u64 = 1 << 24;

/// What coding a record depends on besides the record; it is reset at the start of each block but
/// for `exits`, `tells_waiting` and the `known` strings, so that damage stays local to what follows
/// it.
#[derive(Default)]
pub struct Context {
    /// When each task's last event ended.
    pub exits: HashMap<u32, Exit>,
    /// Whether the trace tells processor time ([`Header::tells_waiting`]).
    ///
    /// [`Header::tells_waiting`]: crate::model::Header::tells_waiting
    pub tells_waiting: bool,
    /// The last task that had an event.
    pub task: u32,
    /// One more than the highest string id that a record referred to.
    pub known: u64,
    /// The last address.
    pub address: u64,
    /// For each call: where its last transfer ended.
    pub offsets: Vec<u64>,
    /// The last state's values.
    pub state: StateContext,
    /// The last listed node.
    pub listed: u64,
}

/// When an event ended, nanoseconds.
#[derive(Clone, Copy, Default)]
pub struct Exit {
    /// As a reader reconstructs it.
    pub told: u64,
    /// As it was; a reader doesn't know it, and doesn't need to.
    pub seen: u64,
}

impl Exit {
    /// Where both are the same.
    pub fn exact(time: u64) -> Exit {
        Exit {
            told: time,
            seen: time,
        }
    }
}

/// The last values of the columns of states.
#[derive(Default)]
pub struct StateContext {
    /// Node.
    pub node: u64,
    /// Mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: i64,
    /// Mount.
    pub mount: u32,
}

impl Context {
    /// At the start of a block.
    pub fn start_block(&mut self, calls: usize) {
        self.task = 0;
        self.address = 0;
        self.offsets = vec![0; calls];
        self.state = StateContext::default();
        self.listed = 0;
    }
}

/// A stream of so many bytes is compressed with statistics of its own: that saves more than they
/// take.
const LONG_STREAM: usize = 1 << 10;

/// The streams of a block as what a frame is made of: number of records, then number, length and
/// bytes of each stream that isn't empty. Parts end where another kind of numbers begins.
pub fn assemble(records: u64, streams: &mut [Vec<u8>]) -> Parts {
    let mut bytes = Vec::with_capacity(streams.iter().map(Vec::len).sum::<usize>() + 1024);
    let mut ends = Vec::new();
    bytes.push(frames::BLOCK);
    put(&mut bytes, records);
    for (number, stream) in streams.iter_mut().enumerate() {
        if stream.is_empty() {
            continue;
        }
        put(&mut bytes, number as u64);
        put(&mut bytes, stream.len() as u64);
        let is_long = stream.len() >= LONG_STREAM;
        if is_long {
            ends.push(bytes.len());
        }
        bytes.append(stream);
        if is_long {
            ends.push(bytes.len());
        }
    }
    Parts { bytes, ends }
}

/// The number of records of a block, and where in its frame each stream is. `map` gives this
/// version's number of a stream.
pub fn split(
    frame: &[u8],
    map: impl Fn(usize) -> Option<usize>,
) -> Result<(u64, Vec<Range<usize>>), TraceError> {
    let mut cursor = Cursor::new(frame);
    cursor.byte()?; // that the frame is a block
    let records = cursor.get()?;
    if records > MAX_RECORDS {
        return Err(TraceError::Corrupt("a block has too many records"));
    }
    let mut streams = vec![0..0; stream_count()];
    while !cursor.is_empty() {
        let number = cursor.get()?;
        let length = cursor.get()?;
        let start = frame.len() - cursor.left();
        let stream = cursor.take(length)?;
        let number = usize::try_from(number)
            .ok()
            .and_then(&map)
            .filter(|number| *number < streams.len())
            .ok_or(TraceError::Corrupt("a block has an unknown column"))?;
        streams[number] = start..start + stream.len();
    }
    Ok((records, streams))
}
