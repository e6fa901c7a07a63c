//! A backend and a machine that are made up: calls with slices for memory, files in a map.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use fsreplay_recorder::session::world::{Descriptor, Inode, Link, Spot};
use fsreplay_recorder::session::{
    Clock, Delivered, Known, Memory, Next, RawCall, Session, States, Task, Trace, Within, World,
};
use fsreplay_trace::abi::Architecture;
use fsreplay_trace::call::Call;
use fsreplay_trace::format::TraceReader;
use fsreplay_trace::model::{Event, FileKind, Footer, Header, Mount, Record, Spent};

/// Where a text stands in a call's memory.
pub const TEXT: u64 = 0x7000;
/// Where another one does.
pub const OTHER_TEXT: u64 = 0x8000;

const ARCHITECTURE: Architecture = Architecture::X86_64;

/// Copies of some bytes of a task, each with its address.
#[derive(Default)]
pub struct Segments {
    pub segments: Vec<(u64, Vec<u8>)>,
    pub denied: bool,
}

impl Segments {
    /// One text.
    pub fn text(text: &str) -> Segments {
        Segments::texts(text, "")
    }

    /// Two texts.
    pub fn texts(one: &str, other: &str) -> Segments {
        let with_end = |text: &str| [text.as_bytes(), &[0]].concat();
        Segments {
            segments: vec![(TEXT, with_end(one)), (OTHER_TEXT, with_end(other))],
            denied: false,
        }
    }
}

impl Memory for Segments {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let found = self.segments.iter().find_map(|(base, bytes)| {
            let at = usize::try_from(address.checked_sub(*base)?).ok()?;
            bytes.get(at..).filter(|rest| !rest.is_empty())
        });
        let Some(rest) = found else { return 0 };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn is_denied(&self) -> bool {
        self.denied
    }
}

/// A clock that nobody may ask: of what is no event no time is kept.
pub struct Unasked;

impl Clock for Unasked {
    fn gap(&mut self) -> Spent {
        panic!("asked for the time before what is no event")
    }

    fn moment(&mut self) -> u64 {
        panic!("asked for the moment of what is no event")
    }

    fn within(&mut self, _duration: u64) -> Within {
        panic!("asked for the time in what is no event")
    }
}

/// Files by path, and how often each was looked at.
#[derive(Default)]
pub struct Files {
    pub files: RefCell<BTreeMap<String, FileKind>>,
    pub looks: RefCell<Vec<String>>,
}

impl Files {
    fn path(spot: &Spot) -> String {
        assert_eq!(spot.through, None);
        String::from_utf8_lossy(&spot.path).into_owned()
    }

    /// As the tool's own call does it.
    pub fn rename(&self, from: &str, to: &str) {
        let mut files = self.files.borrow_mut();
        let moved = files.remove(from).expect("it is there");
        files.insert(to.to_owned(), moved);
    }
}

impl World for Files {
    fn look(&self, spot: &Spot) -> io::Result<Inode> {
        let path = Files::path(spot);
        let kind = self.files.borrow().get(&path).copied();
        self.looks.borrow_mut().push(path);
        let kind = kind.ok_or_else(|| io::Error::from_raw_os_error(2))?;
        Ok(Inode {
            kind,
            size: 12,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 7,
            links: 1,
            id: (1, 1),
            target: None,
            allocated: None,
        })
    }

    fn list(&self, spot: &Spot, entry: &mut dyn FnMut(&[u8], FileKind)) -> io::Result<()> {
        let directory = format!("{}/", Files::path(spot));
        for (path, kind) in self.files.borrow().iter() {
            let name = path.strip_prefix(&directory);
            if let Some(name) = name.filter(|name| !name.contains('/')) {
                entry(name.as_bytes(), *kind);
            }
        }
        Ok(())
    }

    fn xattrs(&self, _spot: &Spot) -> Vec<(Vec<u8>, u32)> {
        Vec::new()
    }

    fn link(&self, _tid: i32, link: Link) -> Option<Vec<u8>> {
        match link {
            Link::WorkingDirectory => Some(b"/work".to_vec()),
            Link::Root => Some(b"/".to_vec()),
            Link::Descriptor(_) => None,
        }
    }

    fn descriptors(&self, _tid: i32) -> Vec<Descriptor> {
        Vec::new()
    }

    fn descriptor(&self, _tid: i32, _fd: i32) -> Option<Descriptor> {
        None
    }

    fn is_one_open_file(&self, _tid: i32, _one: i32, _other: i32) -> Option<bool> {
        None
    }

    fn program_name(&self, tid: i32) -> String {
        format!("program-{tid}")
    }

    fn has_own_mounts(&self, _tid: i32) -> bool {
        false
    }
}

/// Where the trace's bytes go.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A session with a backend that does what a test says.
pub struct Fake {
    pub session: Session,
    pub files: Rc<Files>,
    bytes: Bytes,
}

/// What was written.
pub struct Written {
    pub records: Vec<Record>,
    pub footer: Footer,
    reader: TraceReader,
}

impl Fake {
    /// A machine with a directory `/work` and files in it.
    pub fn new(names: &[&str]) -> Fake {
        let files = Rc::new(Files::default());
        let mut kinds: BTreeMap<_, _> = ["/", "/work"]
            .map(|path| (path.to_owned(), FileKind::Directory))
            .into();
        let paths = names.iter().map(|name| format!("/work/{name}"));
        kinds.extend(paths.map(|path| (path, FileKind::File)));
        *files.files.borrow_mut() = kinds;
        let header = Header {
            architecture: "x86_64".into(),
            cwd: b"/work".to_vec(),
            tells_waiting: true,
            mounts: vec![Mount {
                mount_point: b"/".to_vec(),
                fs_type: "ext4".into(),
                ..Mount::default()
            }],
            ..Header::default()
        };
        let bytes = Bytes::default();
        let mut trace = Trace::new(Box::new(bytes.clone()), &header).expect("a trace");
        let world: Rc<dyn World> = Rc::clone(&files) as _;
        let states = States::new(&header.mounts, Rc::clone(&world), &mut trace);
        Fake {
            session: Session::new(trace, states, world, ARCHITECTURE, true),
            files,
            bytes,
        }
    }

    /// A call is about to be made.
    pub fn enter(
        &mut self,
        task: &mut Task,
        call: Call,
        registers: [u64; 6],
        memory: &Segments,
        clock: &mut dyn Clock,
    ) -> Next {
        let raw = RawCall {
            number: number(call),
            registers,
            memory,
        };
        self.session.entry(task, &raw, clock)
    }

    /// A call returned.
    pub fn leave(&mut self, task: &mut Task, result: i64, moment: u64) {
        let mut clock = Known {
            moment,
            ..Known::default()
        };
        let memory = Segments::default();
        self.session.exit(task, result, &memory, &mut clock);
    }

    /// A call that is told after the fact.
    pub fn call(
        &mut self,
        task: &mut Task,
        call: Call,
        registers: [u64; 6],
        memory: &Segments,
        (entry, exit): (u64, u64),
        result: i64,
    ) {
        self.session.call(
            task,
            Delivered {
                number: number(call),
                registers,
                memory,
                entry,
                exit,
                result,
                told: None,
                spent: Spent {
                    think: 160,
                    cpu: 80,
                    ..Spent::default()
                },
            },
        );
    }

    /// Ends the recording and reads it.
    pub fn finish(mut self) -> Written {
        let footer = self.session.footer(9999, Some(0), 0);
        self.session.trace.take_error().expect("no error");
        self.session.trace.finish(&footer).expect("written");
        let bytes = self.bytes.0.lock().expect("bytes").clone();
        let mut reader = TraceReader::new(bytes).expect("a trace");
        let mut records = Vec::new();
        while let Some(record) = reader.next_record().expect("a record") {
            records.push(record);
        }
        Written {
            records,
            footer,
            reader,
        }
    }
}

impl Written {
    /// The events, in order.
    pub fn events(&self) -> Vec<Event> {
        let events = self.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(*event),
            _ => None,
        });
        events.collect()
    }

    /// Paths whose states were taken, with their types, and where among the events they stand.
    pub fn states(&self) -> Vec<(String, FileKind, usize)> {
        let mut events = 0;
        let mut states = Vec::new();
        for record in &self.records {
            match record {
                Record::Event(_) => events += 1,
                Record::PathState(state) => {
                    let path = self.reader.tables().path(state.node);
                    let path = String::from_utf8_lossy(&path).into_owned();
                    states.push((path, state.kind, events));
                }
                _ => {}
            }
        }
        states
    }

    /// The text of an argument.
    pub fn text(&self, id: u64) -> String {
        let id = fsreplay_trace::model::StringId(id as u32);
        String::from_utf8_lossy(self.reader.tables().string(id)).into_owned()
    }
}

fn number(call: Call) -> u64 {
    u64::from(call.number(ARCHITECTURE).expect("x86_64 has it"))
}
