//! Reads a trace, block by block.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use super::block::{Context, split};
use super::codec::{self, FileHeader};
use super::columns::{Cursor, NAMES, PER_CALL, call_stream, first_call};
use super::decode::{self, BlockReader};
use super::error::TraceError;
use super::frames::{self, Frames, MAX_BLOCK};
use super::limits::Limits;
use super::tables::Tables;
use crate::call::{Call, TABLE};
use crate::model::{Footer, Header, Record};

/// So many records are decoded at once: few, so that they take little memory, but more than what it
/// takes to find where each column goes on.
const BATCH: u64 = 4096;
/// A batch ends after so many entries of listings.
const BATCH_ENTRIES: u64 = 64 << 10;

/// Reads a trace. It holds strings and nodes, one block, and no more of the file.
pub struct TraceReader {
    frames: Frames,
    limits: Limits,
    version: u16,
    header: Header,
    /// This version's numbers of the file's calls, and how many arguments these keep there.
    calls: Vec<(usize, usize)>,
    tables: Tables,
    context: Context,
    block: Block,
    records: std::vec::IntoIter<Record>,
    footer: Option<Footer>,
    events: u64,
    /// Events and all other records, with what stands in them.
    things: u64,
}

/// A block that is being read.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    /// For each stream: what of the bytes is left of it.
    streams: Vec<Range<usize>>,
    /// Records that are left.
    records: u64,
    /// Entries of listings and attributes so far.
    entries: u64,
}

/// Opens a trace file, with the usual limits.
pub fn open(path: &Path) -> Result<TraceReader, TraceError> {
    open_within(path, &Limits::default())
}

/// Opens a trace file from which no more than that is taken.
pub fn open_within(path: &Path, limits: &Limits) -> Result<TraceReader, TraceError> {
    let file = File::open(path).map_err(|source| TraceError::Io {
        operation: "opening",
        source,
    })?;
    TraceReader::of(Box::new(file), limits)
}

impl TraceReader {
    /// From the bytes of a file, with the usual limits.
    pub fn new(file: Vec<u8>) -> Result<TraceReader, TraceError> {
        TraceReader::of(Box::new(std::io::Cursor::new(file)), &Limits::default())
    }

    /// From a file that is read as far as is needed.
    pub fn of(file: Box<dyn Read + Send>, limits: &Limits) -> Result<TraceReader, TraceError> {
        let mut frames = Frames::new(file);
        let version = frames.check_mark()?;
        let mut reader = TraceReader {
            frames,
            limits: *limits,
            version,
            header: Header::default(),
            calls: Vec::new(),
            tables: Tables::new(),
            context: Context::default(),
            block: Block::default(),
            records: Vec::new().into_iter(),
            footer: None,
            events: 0,
            things: 0,
        };
        match reader.next_frame()? {
            Some(frame) if frame.first() == Some(&frames::HEADER) => {
                let FileHeader { header, calls } = codec::decode_header(&frame[1..], version)?;
                reader.calls = calls.iter().map(known_call).collect::<Result<_, _>>()?;
                reader.header = header;
                Ok(reader)
            }
            _ => Err(TraceError::Corrupt("it has no header")),
        }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the file's column of that number is called, for those who look where its bytes go.
    pub fn column_name(&self, number: usize) -> Option<String> {
        let Some(at) = number.checked_sub(first_call(self.version)) else {
            return NAMES.get(number).map(|name| (*name).to_owned());
        };
        let (call, _) = self.calls.get(at / PER_CALL)?;
        let row = &TABLE[*call];
        Some(match row.args.get(at % PER_CALL) {
            Some((kind, _)) => format!("{} {kind:?}", row.name),
            None => format!("{} result", row.name),
        })
    }

    /// Strings and nodes of what was read so far.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The footer, after the last record of a whole trace.
    pub fn footer(&self) -> Option<&Footer> {
        self.footer.as_ref()
    }

    /// The next record; `None` after the last, [`TraceError::Truncated`] where the file breaks off.
    pub fn next_record(&mut self) -> Result<Option<Record>, TraceError> {
        loop {
            if let Some(record) = self.records.next() {
                return Ok(Some(record));
            }
            if self.block.records > 0 {
                self.decode_batch()?;
                continue;
            }
            if self.footer.is_some() {
                return Ok(None);
            }
            let Some(frame) = self.next_frame()? else {
                return Err(TraceError::Truncated {
                    events: self.events,
                });
            };
            match frame.first() {
                Some(&frames::BLOCK) => self.start_block(frame)?,
                Some(&frames::FOOTER) => {
                    let footer = codec::decode_footer(&frame[1..], self.version)?;
                    self.footer = Some(footer);
                }
                _ => return Err(TraceError::Corrupt("a frame of unknown kind")),
            }
        }
    }

    /// What the next frame unpacks to; `None` if there is no whole one left.
    fn next_frame(&mut self) -> Result<Option<Vec<u8>>, TraceError> {
        while let Some(frame) = self.frames.next()? {
            if frames::is_skippable(frame) {
                continue;
            }
            let damaged = || TraceError::Corrupt("a frame fails its checksum or is too large");
            let size = zstd::zstd_safe::get_frame_content_size(frame)
                .ok()
                .flatten()
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| *size <= MAX_BLOCK)
                .ok_or_else(damaged)?;
            return zstd::bulk::decompress(frame, size)
                .map(Some)
                .map_err(|_| damaged());
        }
        Ok(None)
    }

    /// Takes the strings and nodes of a block; its records are still to be decoded.
    fn start_block(&mut self, bytes: Vec<u8>) -> Result<(), TraceError> {
        let calls = &self.calls;
        let first_in_file = first_call(self.version);
        let own_number = |number: usize| match number.checked_sub(first_in_file) {
            None => Some(number),
            Some(at) => calls
                .get(at / PER_CALL)
                .map(|(call, _)| call_stream(*call, at % PER_CALL)),
        };
        let (records, streams) = split(&bytes, own_number)?;
        self.context.start_block(TABLE.len());
        let mut block = Block {
            bytes,
            streams,
            records: 0, // none, should there be a fault in the strings
            entries: 0,
        };
        let mut cursors = block.cursors();
        decode::tables(&mut cursors, &mut self.tables, &self.limits)?;
        let left = lengths(records, &cursors)?;
        block.go_on(&left);
        block.records = records;
        self.block = block;
        Ok(())
    }

    /// Decodes the next records of the block.
    fn decode_batch(&mut self) -> Result<(), TraceError> {
        let mut reader = BlockReader {
            streams: self.block.cursors(),
            calls: &self.calls,
            tables: &self.tables,
            times: self.version > 1,
            sleeps: self.version > 4,
            relative: self.version > 6 && self.header.tells_waiting,
            entries: self.block.entries,
        };
        let count = self.block.records.min(BATCH);
        let mut records = Vec::with_capacity(count as usize);
        let most_entries = self.block.entries + BATCH_ENTRIES;
        while (records.len() as u64) < count && reader.entries < most_entries {
            let record = reader.record(&mut self.context)?;
            self.events += u64::from(matches!(record, Record::Event(_)));
            records.push(record);
        }
        let entries = reader.entries.saturating_sub(self.block.entries);
        let things = (records.len() as u64).saturating_add(entries);
        self.things = self.things.saturating_add(things);
        let left = self.block.records - records.len() as u64;
        let lengths = lengths(left, &reader.streams)?;
        self.block.entries = reader.entries;
        self.block.go_on(&lengths);
        self.block.records = left;
        self.records = records.into_iter();
        // Any record takes time, an event or not, and each entry of a listing does.
        self.limits.check_events(self.things, self.frames.taken())
    }
}

impl Block {
    /// What is left of the streams.
    fn cursors(&self) -> Vec<Cursor<'_>> {
        let parts = self
            .streams
            .iter()
            .map(|range| self.bytes.get(range.clone()));
        parts.map(|part| Cursor::new(part.unwrap_or(&[]))).collect()
    }

    /// Leaves so many bytes of each stream.
    fn go_on(&mut self, lengths: &[usize]) {
        for (range, left) in self.streams.iter_mut().zip(lengths) {
            range.start = range.end - left;
        }
    }
}

/// How many bytes are left of each stream of a block with so many records left: none after the
/// last.
fn lengths(records: u64, streams: &[Cursor<'_>]) -> Result<Vec<usize>, TraceError> {
    if records == 0 && !streams.iter().all(Cursor::is_empty) {
        return Err(TraceError::Corrupt("a column is longer than its block"));
    }
    Ok(streams.iter().map(Cursor::left).collect())
}

/// This version's number of a call of the file, and how many arguments the file keeps of it. One
/// without any was counted by its writer and not recorded, and may be recorded by now.
fn known_call((name, args): &(String, u8)) -> Result<(usize, usize), TraceError> {
    let kept = usize::from(*args);
    match Call::from_name(name) {
        Some(call) if [0, call.row().args.len()].contains(&kept) => Ok((call as usize, kept)),
        _ => Err(TraceError::UnknownCall(name.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_counted_only_may_be_recorded_by_now() {
        let known = |name: &str, args| known_call(&(name.to_owned(), args)).ok();
        assert_eq!(known("bind", 0), Some((Call::bind as usize, 0)));
        assert_eq!(known("bind", 2), Some((Call::bind as usize, 2)));
        assert_eq!(known("bind", 1), None);
        assert_eq!(known("no_such_call", 0), None);
    }
}
