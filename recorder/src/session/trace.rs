//! The trace being written: the writer, counts, and the first error.

use std::io::Write;

use fsreplay_trace::format::{TraceError, TraceWriter, WriterOptions};
use fsreplay_trace::model::{Event, Footer, Header, NodeId, Record, StringId};
use fsreplay_trace::returned::Returned;

/// zstd's level while the tool runs, and its user waits for what is left at its end. Level 12 takes
/// three times as long, for 7 % less.
const LEVEL: i32 = 3;

/// Where the bytes go.
pub type Sink = Box<dyn Write + Send>;

/// A trace being written.
///
/// An error of the writer is kept and shows at the end of a turn of the event loop: the tool must
/// not be left standing in the middle of a call because of it.
pub struct Trace {
    writer: TraceWriter<Sink>,
    error: Option<TraceError>,
    returned: Returned,
    unflushed: bool,
}

impl Trace {
    /// Writes the header.
    pub fn new(sink: Sink, header: &Header) -> Result<Trace, TraceError> {
        let options = WriterOptions {
            level: LEVEL,
            ..WriterOptions::default()
        };
        Ok(Trace {
            writer: TraceWriter::new(sink, header, options)?,
            error: None,
            returned: Returned::default(),
            unflushed: false,
        })
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.returned.events()
    }

    /// Events that had returned by a moment, nanoseconds since the start of the recording.
    pub fn returned_before(&self, moment: u64) -> u64 {
        self.returned.before(moment)
    }

    /// Appends a record.
    pub fn push(&mut self, record: Record) {
        if let Err(error) = self.writer.push(&record) {
            self.error.get_or_insert(error);
        }
        self.unflushed = true;
    }

    /// Appends an event; `events_at_entry` tells how many had returned when it was entered.
    pub fn event(&mut self, mut event: Event, events_at_entry: u64) {
        let overlapped = self.events().saturating_sub(events_at_entry);
        event.overlapped = u32::try_from(overlapped).unwrap_or(u32::MAX);
        self.returned.push(event.exit());
        self.push(Record::Event(event));
    }

    /// Interns a string.
    pub fn string(&mut self, bytes: &[u8]) -> StringId {
        self.writer.string(bytes)
    }

    /// Interns a path whose last name is that of `node`.
    pub fn path_string(&mut self, bytes: &[u8], node: NodeId) -> StringId {
        self.writer.path_string(bytes, node)
    }

    /// Interns a name in a directory.
    pub fn node(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        self.writer.node(parent, name)
    }

    /// Interns all names of an absolute path.
    pub fn node_of(&mut self, path: &[u8]) -> NodeId {
        path.split(|b| *b == b'/')
            .filter(|name| !name.is_empty())
            .fold(NodeId::ROOT, |at, name| self.writer.node(at, name))
    }

    /// The directory of a node; the root is its own.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.writer.nodes().parent(node)
    }

    /// The path of a node.
    pub fn path(&self, node: NodeId) -> Vec<u8> {
        self.writer.nodes().path(node)
    }

    /// Makes what was pushed readable even if the recorder is killed now.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.unflushed)
            && let Err(error) = self.writer.flush()
        {
            self.error.get_or_insert(error);
        }
    }

    /// The first error, once.
    pub fn take_error(&mut self) -> Result<(), TraceError> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// Writes what was pushed so far and no more, if that still works. Waits until it is written.
    pub fn break_off(self) {
        if let Err(error) = self.writer.break_off() {
            // Most often the error that the recording breaks off for.
            tracing::debug!(%error, "the last of the trace was not written");
        }
    }

    /// Writes the footer.
    pub fn finish(self, footer: &Footer) -> Result<Sink, TraceError> {
        self.writer.finish(footer)
    }
}
