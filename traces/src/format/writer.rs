//! Writes a trace while it is recorded: columns here, compression and output in a thread of their
//! own.

use std::hash::BuildHasher;
use std::io::Write;
use std::thread::JoinHandle;

use crossbeam::channel::{Sender, bounded};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::block::{Context, assemble};
use super::codec;
use super::columns::{Stream, put, stream_count, zigzag};
use super::encode;
use super::error::TraceError;
use super::frames::{self, FrameLengths, Packer, Parts};
use super::recent::{RECENT, Recent};
use super::tables::Tables;
use crate::call::TABLE;
use crate::model::{Footer, Header, NodeId, Record, StringId};

/// How a trace is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// zstd's compression level.
    pub level: i32,
    /// Records in a block.
    pub block_records: u32,
    /// Bytes of strings after which known ones are forgotten, so that memory stays flat.
    pub string_budget: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            level: 12,
            block_records: 1 << 18,
            string_budget: 24 << 20,
        }
    }
}

/// Writes a trace.
pub struct TraceWriter<W: Write + Send + 'static> {
    options: WriterOptions,
    streams: Vec<Vec<u8>>,
    context: Context,
    records: u64,
    strings: Strings,
    nodes: Nodes,
    /// Tells when a writer is running ahead of the disk: the channel is full, and sending waits.
    blocks: Option<Sender<Parts>>,
    output: Option<JoinHandle<Result<W, TraceError>>>,
}

/// Known strings: ids, found by the bytes that they stand for.
#[derive(Default)]
struct Strings {
    hasher: DefaultHashBuilder,
    known: HashTable<u32>,
    tables: Tables,
    base: u32,
    bytes: usize,
    recent: Recent,
    last_node: i64,
}

/// Known nodes: ids, found by parent and name.
#[derive(Default)]
struct Nodes {
    hasher: DefaultHashBuilder,
    known: HashTable<u32>,
    tables: Tables,
    recent: Recent,
    last_parent: i64,
}

impl<W: Write + Send + 'static> TraceWriter<W> {
    /// Begins a trace; the header is written at once.
    pub fn new(out: W, header: &Header, options: WriterOptions) -> Result<Self, TraceError> {
        let mut first = vec![frames::HEADER];
        first.extend(codec::encode_header(header)?);
        let (blocks, receiver) = bounded::<Parts>(2);
        let level = options.level;
        let output = std::thread::Builder::new()
            .name("trace-output".into())
            .spawn(move || write_frames(out, level, receiver))
            .map_err(|source| TraceError::Io {
                operation: "starting to write",
                source,
            })?;
        let mut context = Context::default();
        context.start_block(TABLE.len());
        context.tells_waiting = header.tells_waiting;
        let mut writer = TraceWriter {
            options,
            streams: vec![Vec::new(); stream_count()],
            context,
            records: 0,
            strings: Strings::default(),
            nodes: Nodes::default(),
            blocks: Some(blocks),
            output: Some(output),
        };
        writer.send(Parts::one(first))?;
        Ok(writer)
    }

    /// The id of a string.
    pub fn string(&mut self, bytes: &[u8]) -> StringId {
        self.intern(bytes, None)
    }

    /// The id of a path whose last component is the name of `node`: that name isn't stored again.
    pub fn path_string(&mut self, bytes: &[u8], node: NodeId) -> StringId {
        self.intern(bytes, Some(node))
    }

    fn intern(&mut self, bytes: &[u8], node: Option<NodeId>) -> StringId {
        let strings = &mut self.strings;
        let hash = strings.hasher.hash_one(bytes);
        let is_it = |id: &u32| strings.tables.string(StringId(*id)) == bytes;
        if let Some(id) = strings.known.find(hash, is_it) {
            return StringId(strings.base + id);
        }
        if strings.bytes > self.options.string_budget {
            // Ids go on; what is seen again gets a second one.
            strings.base += strings.tables.string_count() as u32;
            strings.tables = Tables::new();
            strings.known.clear();
            strings.bytes = 0;
        }
        let id = strings.tables.add_string(bytes);
        let hash_of = |id: &u32| {
            strings
                .hasher
                .hash_one(strings.tables.string(StringId(*id)))
        };
        strings.known.insert_unique(hash, id.0, hash_of);
        strings.bytes += bytes.len() + 32;
        let (age, prefix) = strings.recent.best(bytes);
        let mut rest = &bytes[prefix..];
        let mut reference = 0;
        if let Some(node) = node {
            let name = self.nodes.tables.name(node);
            // A shared prefix that reaches into the name would leave only a part of it.
            if name.len() > 1 && rest.len() >= name.len() && rest.ends_with(name) {
                rest = &rest[..rest.len() - name.len()];
                reference = zigzag(i64::from(node.0) - strings.last_node) + 1;
                strings.last_node = i64::from(node.0) + 1;
            }
        }
        put(
            &mut self.streams[Stream::StringPrefix as usize],
            (prefix * RECENT + age) as u64,
        );
        put(
            &mut self.streams[Stream::StringLength as usize],
            rest.len() as u64,
        );
        self.streams[Stream::StringBytes as usize].extend_from_slice(rest);
        put(&mut self.streams[Stream::StringNode as usize], reference);
        strings.recent.push(bytes);
        StringId(strings.base + id.0)
    }

    /// The id of the node with that name below another.
    pub fn node(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        let nodes = &mut self.nodes;
        let hash = nodes.hasher.hash_one((parent, name));
        let is_it = |id: &u32| nodes.tables.key(NodeId(*id)) == (parent, name);
        if let Some(id) = nodes.known.find(hash, is_it) {
            return NodeId(*id);
        }
        let node = nodes.tables.add_node(parent, name);
        let hash_of = |id: &u32| nodes.hasher.hash_one(nodes.tables.key(NodeId(*id)));
        nodes.known.insert_unique(hash, node.0, hash_of);
        put(
            &mut self.streams[Stream::NodeParent as usize],
            zigzag(i64::from(parent.0) - nodes.last_parent),
        );
        nodes.last_parent = i64::from(parent.0);
        let (age, prefix) = nodes.recent.best(name);
        nodes.recent.push(name);
        let rest = &name[prefix..];
        put(
            &mut self.streams[Stream::NodePrefix as usize],
            (prefix * RECENT + age) as u64,
        );
        put(
            &mut self.streams[Stream::NodeLength as usize],
            rest.len() as u64,
        );
        self.streams[Stream::NodeBytes as usize].extend_from_slice(rest);
        node
    }

    /// The nodes so far.
    pub fn nodes(&self) -> &Tables {
        &self.nodes.tables
    }

    /// Adds a record.
    pub fn push(&mut self, record: &Record) -> Result<(), TraceError> {
        encode::record(&mut self.streams, &mut self.context, record);
        self.records += 1;
        if self.records >= u64::from(self.options.block_records) {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the block: what was pushed can be read even if the process is killed now.
    pub fn flush(&mut self) -> Result<(), TraceError> {
        if self.records == 0 && self.streams.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let block = assemble(self.records, &mut self.streams);
        self.records = 0;
        self.context.start_block(TABLE.len());
        self.strings.recent.clear();
        self.nodes.recent.clear();
        self.strings.last_node = 0;
        self.nodes.last_parent = 0;
        self.send(block)
    }

    fn send(&mut self, frame: Parts) -> Result<(), TraceError> {
        let sent = self
            .blocks
            .as_ref()
            .is_some_and(|blocks| blocks.send(frame).is_ok());
        if sent {
            Ok(())
        } else {
            self.join()
                .and(Err(TraceError::Corrupt("output ended early")))
        }
    }

    fn join(&mut self) -> Result<W, TraceError> {
        self.blocks = None;
        match self.output.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            _ => Err(TraceError::Io {
                operation: "writing",
                source: std::io::Error::other("the output thread is gone"),
            }),
        }
    }

    /// Writes what is left and no footer: a trace that breaks off, readable up to here. Waits until
    /// it is written.
    pub fn break_off(mut self) -> Result<W, TraceError> {
        self.flush()?;
        self.join()
    }

    /// Writes what is left, the footer and the seek table, and gives the output back.
    pub fn finish(mut self, footer: &Footer) -> Result<W, TraceError> {
        self.flush()?;
        let mut last = vec![frames::FOOTER];
        last.extend(codec::encode_footer(footer)?);
        self.send(Parts::one(last))?;
        self.join()
    }
}

/// The output thread: compresses each frame, writes it, and keeps the seek table.
fn write_frames<W: Write>(
    mut out: W,
    level: i32,
    frames_in: crossbeam::channel::Receiver<Parts>,
) -> Result<W, TraceError> {
    let io = |source| TraceError::Io {
        operation: "writing",
        source,
    };
    let mark = frames::mark();
    out.write_all(&mark).map_err(io)?;
    let mut lengths: Vec<FrameLengths> = vec![(mark.len() as u32, 0)];
    let mut packer = Packer::new(level).map_err(io)?;
    let mut ended = false;
    while let Ok(frame) = frames_in.recv() {
        ended = frame.bytes.first() == Some(&frames::FOOTER);
        let packed = packer.pack(&frame).map_err(io)?;
        let length = |n: usize| u32::try_from(n).map_err(|_| TraceError::TooLarge("a block"));
        lengths.push((length(packed.len())?, length(frame.bytes.len())?));
        out.write_all(&packed).map_err(io)?;
        out.flush().map_err(io)?;
    }
    if ended {
        out.write_all(&frames::seek_table(&lengths)).map_err(io)?;
        out.flush().map_err(io)?;
    }
    Ok(out)
}
