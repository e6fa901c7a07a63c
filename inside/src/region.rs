//! Areas of one memory, and the events in them.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::class;
use crate::layout::{AREA, AREAS, EVENT, EVENTS, PAGE, REGION, REGION_SIZE, area, event};
use crate::sys::Segment;

/// The areas of one memory, one for each task that is recorded from inside.
#[derive(Debug)]
pub struct Region {
    segment: Segment,
    taken: RefCell<[bool; AREAS]>,
}

impl Region {
    /// A new one, which is still to be mapped in the tool.
    pub fn new() -> io::Result<Rc<Region>> {
        Ok(Rc::new(Region {
            segment: Segment::new(REGION_SIZE as usize)?,
            taken: RefCell::new([false; AREAS]),
        }))
    }

    /// The number by which the tool maps it.
    pub fn id(&self) -> i32 {
        self.segment.id()
    }

    /// An area that no task has; `None` if all are taken.
    pub fn area(self: &Rc<Region>, bounds: Bounds) -> Option<Area> {
        let mut taken = self.taken.borrow_mut();
        let index = taken.iter().position(|taken| !taken)?;
        taken[index] = true;
        let area = Area {
            region: Rc::clone(self),
            index,
        };
        area.set(area::STATE, 0);
        area.set(area::LAST_EXIT, 0);
        area.set(area::TAIL, area.get(area::HEAD));
        area.set(area::BASE, area.address() + PAGE);
        area.set(area::GAP_BOUND, bounds.gap);
        area.set(area::CALL_BOUND, bounds.call);
        Some(area)
    }
}

/// What takes longer is looked at by the recorder, ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Between two calls.
    pub gap: u64,
    /// In a call: at the call that follows it.
    pub call: u64,
}

/// What one task writes to. Given back when dropped, which must not be before the task's `gs` base
/// is another, or the task is gone.
#[derive(Debug)]
pub struct Area {
    region: Rc<Region>,
    index: usize,
}

const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;

/// What `struct stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Number of its names.
    pub links: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
}

/// From the words of a `struct stat` of x86_64, by their offsets.
fn found(word: impl Fn(u64) -> u64) -> Found {
    let halves = |at| {
        let word = word(at);
        (word as u32, (word >> 32) as u32)
    };
    let (mode, uid) = halves(24);
    let (gid, _) = halves(32);
    Found {
        device: word(0),
        inode: word(8),
        links: word(16),
        mode,
        uid,
        gid,
        size: word(48),
        mtime: word(88).cast_signed(),
    }
}

/// A call that the stub made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was entered, ticks.
    pub entry: u64,
    /// When it returned, ticks.
    pub exit: u64,
    /// Its result, or `-errno`.
    pub result: i64,
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// Its path, with the address at which it stood, without the zero.
    pub path: Option<(u64, Vec<u8>)>,
    /// It doesn't follow a link at the end of its path.
    pub is_lstat: bool,
    /// What stood at the end of its path, which is not followed if it is a link.
    pub found: Option<Found>,
}

impl Area {
    /// Where it is in the tool's memory: the task's `gs` base.
    pub fn address(&self) -> u64 {
        REGION + self.offset()
    }

    fn offset(&self) -> u64 {
        self.index as u64 * AREA
    }

    pub(crate) fn get(&self, word: u64) -> u64 {
        self.region.segment.word(self.offset() + word)
    }

    pub(crate) fn set(&self, word: u64, value: u64) {
        self.region.segment.set_word(self.offset() + word, value);
    }

    fn event_offset(&self, number: u64) -> u64 {
        self.offset() + PAGE + (number % EVENTS) * EVENT
    }

    pub(crate) fn current_word(&self, word: u64) -> u64 {
        self.region
            .segment
            .word(self.event_offset(self.get(area::HEAD)) + word)
    }

    pub(crate) fn last_word(&self, word: u64) -> u64 {
        let last = self.get(area::HEAD).wrapping_sub(1);
        self.region.segment.word(self.event_offset(last) + word)
    }

    /// The oldest event that was not read yet, if it returned at these ticks or before; takes it
    /// off.
    pub fn next_until(&self, ticks: u64) -> Option<Event> {
        let tail = self.get(area::TAIL);
        if self.get(area::HEAD) == tail {
            return None;
        }
        let event = self.read(tail);
        if event.exit > ticks {
            return None;
        }
        self.set(area::TAIL, tail.wrapping_add(1));
        Some(event)
    }

    /// The call that the task is in, if the stub is making one. Only of a task that stands still,
    /// or is gone: otherwise it may be another by now.
    pub fn in_progress(&self) -> Option<Event> {
        (self.get(area::STATE) != 0).then(|| self.read(self.get(area::HEAD)))
    }

    /// The recorder has seen the task leave a call, at these ticks: the time until the next call
    /// counts from there.
    pub fn left_call(&self, ticks: u64) {
        self.set(area::LAST_EXIT, ticks);
    }

    /// Ends the current event, of which the stub itself doesn't see the return.
    pub(crate) fn finish(&self, result: i64, ticks: u64) {
        let head = self.get(area::HEAD);
        let offset = self.event_offset(head);
        self.region
            .segment
            .set_word(offset + event::RESULT, result.cast_unsigned());
        self.region.segment.set_word(offset + event::EXIT, ticks);
        self.set(area::STATE, 0);
        self.set(area::LAST_EXIT, 0);
        self.set(area::HEAD, head.wrapping_add(1));
    }

    fn read(&self, number: u64) -> Event {
        let offset = self.event_offset(number);
        let word = |at: u64| self.region.segment.word(offset + at);
        let mut arguments = [0; 6];
        for (index, argument) in arguments.iter_mut().enumerate() {
            *argument = word(event::ARGUMENTS + index as u64 * 8);
        }
        let class = u8::try_from(word(event::CLASS)).unwrap_or(class::TRACED);
        let path = class::path_argument(class).and_then(|argument| {
            let address = arguments[argument];
            if address == 0 {
                return None;
            }
            let text = (self.region.segment).text(offset + event::PATH, event::PATH_MAX);
            Some((address, text))
        });
        Event {
            entry: word(event::ENTRY),
            exit: word(event::EXIT),
            result: word(event::RESULT).cast_signed(),
            number: word(event::NUMBER),
            arguments,
            path,
            is_lstat: class == class::LSTAT
                || class == class::STAT_AT && arguments[3] & NOFOLLOW != 0,
            found: (word(event::HAS_STAT) == 1).then(|| found(|at| word(event::STAT + at))),
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        self.region.taken.borrow_mut()[self.index] = false;
    }
}
