//! Reads a trace, block by block.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::block::{Context, MAX_BLOCK, split};
use super::codec::{self, FileHeader};
use super::columns::{Cursor, FIRST_CALL_V1, PER_CALL, Stream};
use super::decode::{self, BlockReader};
use super::error::TraceError;
use super::frames::{self, Frames};
use super::limits::Limits;
use super::tables::Tables;
use crate::call::{Call, TABLE};
use crate::model::{Footer, Header, Record};

/// Reads a trace.
pub struct TraceReader {
    frames: Frames,
    limits: Limits,
    version: u16,
    header: Header,
    /// This version's numbers of the file's calls, and how many arguments these keep there.
    calls: Vec<(usize, usize)>,
    tables: Tables,
    context: Context,
    records: std::vec::IntoIter<Record>,
    footer: Option<Footer>,
    events: u64,
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
            records: Vec::new().into_iter(),
            footer: None,
            events: 0,
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
            if self.footer.is_some() {
                return Ok(None);
            }
            let Some(frame) = self.next_frame()? else {
                return Err(TraceError::Truncated {
                    events: self.events,
                });
            };
            match frame.split_first() {
                Some((&frames::BLOCK, block)) => self.read_block(block)?,
                Some((&frames::FOOTER, footer)) => {
                    self.footer = Some(codec::decode_footer(footer, self.version)?);
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
                .flatten();
            let size = size
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| *size <= MAX_BLOCK)
                .ok_or_else(damaged)?;
            return zstd::bulk::decompress(frame, size)
                .map(Some)
                .map_err(|_| damaged());
        }
        Ok(None)
    }

    fn read_block(&mut self, block: &[u8]) -> Result<(), TraceError> {
        let calls = &self.calls;
        let first_call = Stream::FirstCall as usize;
        let first_in_file = match self.version {
            1 => FIRST_CALL_V1,
            _ => first_call,
        };
        let (count, mut streams) =
            split(block, |number| match number.checked_sub(first_in_file) {
                None => Some(number),
                Some(at) => calls
                    .get(at / PER_CALL)
                    .map(|(call, _)| first_call + call * PER_CALL + at % PER_CALL),
            })?;
        self.context.start_block(TABLE.len());
        decode::tables(&mut streams, &mut self.tables, &self.limits)?;
        let mut reader = BlockReader {
            streams,
            calls: &self.calls,
            tables: &self.tables,
            times: self.version > 1,
            entries: 0,
        };
        let mut records = Vec::new();
        for _ in 0..count {
            let record = reader.record(&mut self.context)?;
            self.events += u64::from(matches!(record, Record::Event(_)));
            records.push(record);
        }
        if !reader.streams.iter().all(Cursor::is_empty) {
            return Err(TraceError::Corrupt("a column is longer than its block"));
        }
        self.records = records.into_iter();
        self.limits.check_events(self.events, self.frames.taken())
    }
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
