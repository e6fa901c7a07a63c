//! A trace that tells less: the same calls, times and outcomes, with other names.
//!
//! Names of files, directories and attributes are replaced by drawn ones of the same length,
//! wherever they stand: in paths, link texts, states, listings, the working directory, mount
//! points. What stands on every machine is kept (`known.txt`). Arguments of programs, users, and
//! where file systems were mounted from go. docs/privacy.md says what this hides and what it can't.

mod known;
mod names;
mod owners;
mod texts;

use std::collections::HashMap;
use std::io::Write;

use crate::call::ArgKind;
use crate::format::{TraceError, TraceReader, TraceWriter, WriterOptions};
use crate::model::{
    Event, FdState, Footer, Header, Listing, Metadata, Mount, NodeId, PathState, Record, StringId,
    Xattrs,
};
use known::Section;
use names::Names;
use owners::Owners;
use texts::Area;

/// Whether a name of a file or directory stands on every machine, and is kept.
pub fn is_kept(name: &[u8]) -> bool {
    known::is_known(Section::Names, name)
}

/// A trace that was written, and what was done to it.
#[derive(Debug)]
pub struct Anonymized<W> {
    /// Where it was written.
    pub out: W,
    /// Names that were replaced, each once.
    pub replaced: usize,
    /// Whether the trace was cut off, and what was whole of it was taken.
    pub truncated: bool,
}

/// Writes what a reader has left of a trace, from its first record on, with other names.
///
/// With `truncated`, what is whole of a trace that was cut off; else that is an error. It is one,
/// too, if there are more names of a length than can be told apart (nearly all 253 of one byte).
///
/// Memory: as much as the reader takes for strings and nodes, a few times over.
pub fn anonymize<W: Write + Send + 'static>(
    mut reader: TraceReader,
    out: W,
    truncated: bool,
) -> Result<Anonymized<W>, TraceError> {
    let mut names = Names::new();
    let mut users = Owners::default();
    let mut groups = Owners::default();
    let header = header(reader.header(), &mut names, &mut users, &mut groups)?;
    let mut anonymizer = Anonymizer {
        writer: TraceWriter::new(out, &header, WriterOptions::default())?,
        names,
        users,
        groups,
        nodes: vec![(NodeId::ROOT, Area::Root)],
        strings: HashMap::new(),
        named: HashMap::new(),
        events: 0,
        last: 0,
    };
    let mut is_cut_off = false;
    loop {
        let record = match reader.next_record() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(TraceError::Truncated { .. }) if truncated => {
                is_cut_off = true;
                break;
            }
            Err(error) => return Err(error),
        };
        anonymizer.record(&reader, record)?;
    }
    anonymizer.new_nodes(&reader)?;
    let footer = match reader.footer() {
        Some(footer) => anonymizer.footer(footer),
        None => anonymizer.footer_of_cut_off(),
    };
    Ok(Anonymized {
        replaced: anonymizer.names.count(),
        truncated: is_cut_off,
        out: anonymizer.writer.finish(&footer)?,
    })
}

fn header(
    header: &Header,
    names: &mut Names,
    users: &mut Owners,
    groups: &mut Owners,
) -> Result<Header, TraceError> {
    let command = match header.command.first() {
        Some(program) => vec![names.program(program)?],
        None => Vec::new(),
    };
    let mounts: Result<Vec<Mount>, _> = header.mounts.iter().map(|m| mount(m, names)).collect();
    Ok(Header {
        producer: Header::anonymized(&header.producer),
        command,
        cwd: names.path(&header.cwd)?,
        umask: header.umask,
        uid: users.replace(header.uid),
        gid: groups.replace(header.gid),
        groups: header.groups.iter().map(|g| groups.replace(*g)).collect(),
        architecture: header.architecture.clone(),
        kernel: version(&header.kernel),
        cpus: header.cpus,
        page_size: header.page_size,
        backend: header.backend.clone(),
        started: header.started,
        mounts: mounts?,
        costs: header.costs,
        tells_waiting: header.tells_waiting,
    })
}

/// A mount: where and of which type decides what is replayed; from where it came does not.
fn mount(mount: &Mount, names: &mut Names) -> Result<Mount, TraceError> {
    let options = mount
        .options
        .split(',')
        .filter(|word| known::is_known(Section::Optional, word.as_bytes()));
    let fs_type = match mount.fs_type.strip_prefix("fuse.") {
        Some(kind) if !known::is_known(Section::Fuse, kind.as_bytes()) => "fuse".to_owned(),
        _ => mount.fs_type.clone(),
    };
    Ok(Mount {
        id: mount.id,
        root: Vec::new(),
        mount_point: names.path(&mount.mount_point)?,
        options: options.collect::<Vec<_>>().join(","),
        optional: String::new(),
        fs_type,
        source: Vec::new(),
        super_options: String::new(),
    })
}

/// The numbers that a kernel's release begins with: what follows is a vendor's, or one's own.
fn version(release: &str) -> String {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.');
    release[..end.unwrap_or(release.len())].to_owned()
}

/// What a string is, which decides what is replaced in it. One string may be several of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Meaning {
    /// A path, or the text of a link.
    Path,
    /// Name of an extended attribute.
    Attribute,
    /// Arguments of a program.
    Arguments,
    /// Where a descriptor leads.
    Descriptor,
}

/// What an argument of a call tells of who and where.
enum Told {
    /// A string.
    String(Meaning),
    /// A user.
    User,
    /// A group.
    Group,
    /// Nothing: a number of the call.
    Nothing,
}

/// A new kind of argument is judged here.
fn told(kind: ArgKind) -> Told {
    use ArgKind::*;
    match kind {
        Path | NewPath | Target => Told::String(Meaning::Path),
        Name => Told::String(Meaning::Attribute),
        Argv => Told::String(Meaning::Arguments),
        Uid => Told::User,
        Gid => Told::Group,
        DirFd | NewDirFd | Fd | NewFd | FdIn | FdOut | OutFd0 | OutFd1 | Flags | Mode | Dev
        | Length | Count | Offset | OffsetIn | OffsetOut | Whence | Command | Argument | Mask
        | Atime | Mtime | LockStart | LockLength | Prot | Address | Pid => Told::Nothing,
    }
}

struct Anonymizer<W: Write + Send + 'static> {
    writer: TraceWriter<W>,
    names: Names,
    users: Owners,
    groups: Owners,
    /// For each node of the trace: that of the new one, and where names in it stand.
    nodes: Vec<(NodeId, Area)>,
    /// For each string of the trace, by what it is: that of the new one.
    strings: HashMap<(Meaning, StringId), StringId>,
    /// For new names: the last node of that name. Paths that end with it are stored shorter by it.
    named: HashMap<Box<[u8]>, NodeId>,
    events: u64,
    last: u64,
}

impl<W: Write + Send + 'static> Anonymizer<W> {
    fn record(&mut self, reader: &TraceReader, record: Record) -> Result<(), TraceError> {
        self.new_nodes(reader)?;
        let record = match record {
            Record::Event(event) => Record::Event(self.event(reader, event)?),
            Record::PathState(state) => Record::PathState(PathState {
                node: self.node(state.node),
                kind: state.kind,
                metadata: match state.metadata {
                    Some(metadata) => Some(self.metadata(reader, metadata)?),
                    None => None,
                },
            }),
            Record::Listing(listing) => Record::Listing(self.listing(&listing)),
            Record::Xattrs(xattrs) => Record::Xattrs(self.xattrs(reader, &xattrs)?),
            Record::FdState(state) => Record::FdState(FdState {
                target: self.string(reader, Meaning::Descriptor, state.target)?,
                ..state
            }),
            // Numbers of tasks and times.
            Record::TaskStart(_) | Record::TaskExit(_) => record,
        };
        self.writer.push(&record)
    }

    /// Adds the nodes that the trace has got since.
    fn new_nodes(&mut self, reader: &TraceReader) -> Result<(), TraceError> {
        let tables = reader.tables();
        for index in self.nodes.len()..tables.node_count() {
            let node = NodeId(index as u32);
            let (parent, area) = self.place(tables.parent(node));
            let old = tables.name(node);
            let name = self.names.replace_in(area, old)?;
            let new = self.writer.node(parent, &name);
            self.named.insert(name.into(), new);
            self.nodes.push((new, area.below(old)));
        }
        Ok(())
    }

    /// The new node, and where names in it stand.
    fn place(&self, node: NodeId) -> (NodeId, Area) {
        let known = self.nodes.get(node.0 as usize).copied();
        known.unwrap_or((NodeId::ROOT, Area::Root))
    }

    fn node(&self, node: NodeId) -> NodeId {
        self.place(node).0
    }

    fn string(
        &mut self,
        reader: &TraceReader,
        meaning: Meaning,
        id: StringId,
    ) -> Result<StringId, TraceError> {
        if let Some(known) = self.strings.get(&(meaning, id)) {
            return Ok(*known);
        }
        let old = reader.tables().string(id);
        let text = match meaning {
            Meaning::Path => self.names.path(old)?,
            Meaning::Attribute => self.names.attribute(old)?,
            Meaning::Arguments => self.names.program(old)?,
            Meaning::Descriptor => self.names.descriptor(old)?,
        };
        let last = text.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let new = match self.named.get(last) {
            Some(node) => self.writer.path_string(&text, *node),
            None => self.writer.string(&text),
        };
        self.strings.insert((meaning, id), new);
        Ok(new)
    }

    fn event(&mut self, reader: &TraceReader, mut event: Event) -> Result<Event, TraceError> {
        self.events += 1;
        self.last = self.last.max(event.exit());
        for (position, (kind, _)) in event.call.row().args.iter().enumerate() {
            let value = event.args[position];
            event.args[position] = match told(*kind) {
                Told::String(meaning) => match u32::try_from(value) {
                    Ok(id) => u64::from(self.string(reader, meaning, StringId(id))?.0),
                    Err(_) => value, // no string
                },
                Told::User => self.users.replace_argument(value),
                Told::Group => self.groups.replace_argument(value),
                Told::Nothing => value,
            };
        }
        Ok(event)
    }

    fn metadata(
        &mut self,
        reader: &TraceReader,
        metadata: Metadata,
    ) -> Result<Metadata, TraceError> {
        Ok(Metadata {
            uid: self.users.replace(metadata.uid),
            gid: self.groups.replace(metadata.gid),
            target: match metadata.target {
                Some(target) => Some(self.string(reader, Meaning::Path, target)?),
                None => None,
            },
            ..metadata
        })
    }

    fn listing(&self, listing: &Listing) -> Listing {
        let entries = listing.entries.iter();
        Listing {
            directory: self.node(listing.directory),
            entries: entries
                .map(|(node, kind)| (self.node(*node), *kind))
                .collect(),
        }
    }

    fn xattrs(&mut self, reader: &TraceReader, xattrs: &Xattrs) -> Result<Xattrs, TraceError> {
        let mut entries = Vec::with_capacity(xattrs.entries.len());
        for (name, size) in &xattrs.entries {
            entries.push((self.string(reader, Meaning::Attribute, *name)?, *size));
        }
        Ok(Xattrs {
            node: self.node(xattrs.node),
            entries,
        })
    }

    /// Warnings may name files: how many there were is kept.
    fn footer(&self, footer: &Footer) -> Footer {
        let warnings = footer.warnings.len();
        let unrecorded = footer.unrecorded.iter().filter(|(name, _)| is_call(name));
        Footer {
            unrecorded: unrecorded.map(|(n, count)| (n.clone(), *count)).collect(),
            warnings: (warnings > 0)
                .then(|| format!("{warnings} warnings of the recording were left out"))
                .into_iter()
                .collect(),
            processors: footer.processors.clone().map(|mut processors| {
                processors.boot.clear(); // it tells which traces are of one machine
                processors
            }),
            ..footer.clone()
        }
    }

    fn footer_of_cut_off(&self) -> Footer {
        Footer {
            elapsed: self.last,
            events: self.events,
            warnings: vec!["the recording was cut off: this is what was whole of it".to_owned()],
            ..Footer::default()
        }
    }
}

/// Whether a text is one by which recorders count calls: a call's name, or of all foreign ones.
fn is_call(name: &str) -> bool {
    crate::call::Call::from_name(name).is_some()
        || ["i386 calls", "32-bit ARM calls"].contains(&name)
}

#[cfg(test)]
mod tests;
