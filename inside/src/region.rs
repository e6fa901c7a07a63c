//! Areas of one memory, and the events in them.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::rc::Rc;

use crate::arch::{self, Found, Marks};
use crate::away::{Away, Here, Later, Off};
use crate::class::{self, may_tell_of_end};
use crate::layout::{AREA, AREAS, EVENT, EVENTS, PAGE, REGION, REGION_SIZE, area, event};
use crate::sys::Segment;
use crate::tracee::Tracee;

/// The areas of one memory, one for each task that is recorded from inside.
#[derive(Debug)]
pub struct Region {
    segment: Segment,
    /// What [`area::MARK`] holds.
    mark: u64,
    taken: RefCell<[bool; AREAS]>,
}

impl Region {
    /// A new one, which is still to be mapped in the tool.
    pub fn new() -> io::Result<Rc<Region>> {
        let segment = Segment::new(REGION_SIZE as usize)?;
        let mark = RandomState::new().build_hasher().finish() | 1;
        segment.set_word(area::MARK, mark);
        Ok(Rc::new(Region {
            segment,
            mark,
            taken: RefCell::new([false; AREAS]),
        }))
    }

    /// Whether it is what a task has mapped: in another namespace its number may be that of a
    /// segment of the tool's own.
    pub fn is_mapped(&self, tracee: &mut impl Tracee) -> bool {
        let mut mark = [0; 8];
        let read = tracee.read(REGION + area::MARK, &mut mark);
        read.is_ok_and(|length| length == mark.len()) && u64::from_le_bytes(mark) == self.mark
    }

    /// The number by which the tool maps it.
    pub fn id(&self) -> i32 {
        self.segment.id()
    }

    /// Whether an area is free.
    pub fn has_room(&self) -> bool {
        self.taken.borrow().contains(&false)
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
        area.set(area::ASK_BOUND, bounds.ask);
        area.set(area::LONG_BOUND, bounds.long);
        area.set(area::IDLE, bounds.idle);
        area.set(area::RATE, bounds.rate);
        area.set(area::ASKS, 1);
        area.set(area::EXECS, u64::from(!bounds.execs));
        area.set(area::CPU, 0);
        area.set(area::CPU_AT, NEVER);
        area.set(area::SLEEPS, 0);
        Some(area)
    }
}

/// Regions that are kept: so many programs run at a time, most often.
const SPARE: usize = 8;

/// Regions of processes that come and go: to make one takes longer than to use one again.
#[derive(Debug, Default)]
pub struct Regions(Vec<Rc<Region>>);

impl Regions {
    /// One that no process has mapped.
    pub fn unused(&mut self) -> io::Result<Rc<Region>> {
        let is_unused =
            |region: &&Rc<Region>| Rc::strong_count(region) == 1 && region.segment.is_own();
        if let Some(region) = self.0.iter().find(is_unused) {
            return Ok(Rc::clone(region));
        }
        let region = Region::new()?;
        if self.0.len() == SPARE {
            self.0.remove(0);
        }
        self.0.push(Rc::clone(&region));
        Ok(region)
    }
}

/// What is looked at by the recorder. All are compared as signed numbers, of which the difference
/// is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// After longer times between two calls, and longer calls, a task asks its clock, ticks. A gap
    /// in which it slept is looked at.
    pub ask: u64,
    /// Where it can't ask, all longer ones are, ticks.
    pub long: u64,
    /// It was not off if that was no longer, nanoseconds.
    pub idle: u64,
    /// Nanoseconds of a tick, times 2^32.
    pub rate: u64,
    /// `execve` is: all of a program's arguments are recorded.
    pub execs: bool,
}

/// What one task writes to. Given back when dropped, which must not be before the task is
/// led elsewhere, or gone.
#[derive(Debug)]
pub struct Area {
    region: Rc<Region>,
    index: usize,
}

/// The task's processor time is not known.
const NEVER: u64 = 0;

const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;

/// What became of a call that the recorder has seen at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The stub made it, and it returned.
    Returned,
    /// It was not made: a signal came before. If the tool still wants to make it, it stops again.
    Dropped,
}

/// A call that the stub made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Where its path stood, if it has one.
    pub path_at: Option<u64>,
    /// Its path, without the zero.
    pub path: Vec<u8>,
    /// Where the name of an attribute stood, if it has one.
    pub name_at: Option<u64>,
    /// That name, without the zero.
    pub name: Vec<u8>,
    /// The vectors (`struct iovec`) that its second argument points to, if it has such.
    pub vectors: Vec<u8>,
    /// The recorder has seen it at a stop, before it was made.
    pub seen: Option<Seen>,
    /// It doesn't follow a link at the end of its path.
    pub is_lstat: bool,
    /// What stood at the end of its path, which is not followed if it is a link.
    pub found: Option<Found>,
    /// How long the task was off its processor.
    pub off: Off,
}

impl Area {
    /// The task is not to ask its clock any more: after long gaps its calls go the traced way.
    pub(crate) fn stop_asking(&self) {
        self.set(area::ASKS, 0);
    }

    /// The arguments of the current event.
    pub(crate) fn current_arguments(&self) -> [u64; 6] {
        let head = self.get(area::HEAD);
        std::array::from_fn(|index| self.word_of(head, event::ARGUMENTS + index as u64 * 8))
    }

    /// The number of the current event's call.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn current_number(&self) -> u64 {
        self.word_of(self.get(area::HEAD), event::NUMBER)
    }

    /// Where it is in the tool's memory.
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

    /// A word of an event.
    pub(crate) fn word_of(&self, number: u64, word: u64) -> u64 {
        self.region.segment.word(self.event_offset(number) + word)
    }

    /// What was written and not read up to now.
    pub fn unread(&self) -> Unread<'_> {
        Unread {
            area: self,
            next: self.get(area::TAIL),
            end: self.get(area::HEAD),
        }
    }

    /// When the last call returned that was not read yet, ticks.
    pub(crate) fn last_unread(&self) -> Option<u64> {
        let head = self.get(area::HEAD);
        let is_read = head == self.get(area::TAIL);
        (!is_read).then(|| self.word_of(head.wrapping_sub(1), event::EXIT))
    }

    /// The call that the task is in, if the stub is making one. Only of a task that stands still,
    /// or is gone: otherwise it may be another by now.
    pub fn in_progress(&self) -> Option<Event> {
        let head = self.get(area::HEAD);
        // Once it counts, the task leaves that state: what stands at the head is older then.
        let earlier = self.word_of(head.wrapping_sub(1), event::EXIT);
        let is_in_call =
            self.get(area::STATE) == area::IN_CALL && self.word_of(head, event::ENTRY) >= earlier;
        is_in_call.then(|| {
            let mut event = Event::default();
            self.read(head, &mut event);
            event
        })
    }

    /// Lets the current event count if its call has returned, of a task that is gone: it may have
    /// been killed while it asked how long it was away. Gives whether it counts now.
    pub(crate) fn count_returned(&self) -> bool {
        let head = self.get(area::HEAD);
        let entry = self.word_of(head, event::ENTRY);
        // What stands there of an older event is older.
        let has_returned = self.in_progress().is_some_and(|event| event.exit >= entry);
        if has_returned {
            self.set(area::STATE, 0);
            self.set(area::HEAD, head.wrapping_add(1));
        }
        has_returned
    }

    /// Whether a task so far in the stub asks its clock behind its call. Only of one that stands
    /// still.
    pub(crate) fn asks_behind(&self, offset: u64, marks: &Marks) -> bool {
        offset >= marks.asks && self.get(area::STATE) == area::IN_CALL
    }

    /// Whether the task is in a call that was seen at a stop. Only of one that stands still.
    pub(crate) fn is_seen(&self) -> bool {
        let class = self.word_of(self.get(area::HEAD), event::CLASS);
        self.get(area::STATE) == area::IN_CALL && class == u64::from(class::SEEN)
    }

    /// The task goes on at these ticks: the time until the next call counts from there.
    pub fn goes_on(&self, ticks: u64, here: Here) {
        self.set(area::LAST_EXIT, ticks);
        self.set(area::CPU, here.cpu.unwrap_or(0));
        self.set(area::CPU_AT, here.cpu.map_or(NEVER, |_| ticks));
        if let Some(sleeps) = here.sleeps {
            self.set(area::SLEEPS, sleeps);
        }
    }

    /// The task has left its processor once for a stop, and is about to go on.
    pub(crate) fn stopped(&self) {
        self.set(area::SLEEPS, self.get(area::SLEEPS).wrapping_add(1));
    }

    /// Begins the event of a call that was seen at a stop, as the stub would, but for what it
    /// points to. Gives the event's address; `None` where there is no room for one.
    pub(crate) fn begin(&self, number: u64, arguments: &[u64; 6], ticks: u64) -> Option<u64> {
        let head = self.get(area::HEAD);
        if head.wrapping_sub(self.get(area::TAIL)) >= EVENTS {
            return None;
        }
        let offset = self.event_offset(head);
        let set = |word: u64, value: u64| self.region.segment.set_word(offset + word, value);
        set(event::NUMBER, number);
        set(event::CLASS, u64::from(class::SEEN));
        set(event::HAS_STAT, 0);
        set(event::OFF, event::NOT_ASKED);
        set(event::OFF_IN_CALL, event::NOT_ASKED);
        set(event::SLEEPS, 0);
        set(event::SLEEPS_IN_CALL, 0);
        set(event::ENTRY, ticks);
        for (index, argument) in arguments.iter().enumerate() {
            set(event::ARGUMENTS + index as u64 * 8, *argument);
        }
        self.set(area::CURRENT, REGION + offset);
        self.set(area::STATE, area::IN_CALL);
        Some(REGION + offset)
    }

    /// The call that was begun is none of the stub's.
    pub(crate) fn drop_call(&self) {
        self.set(area::STATE, 0);
    }

    /// Ends the current event, whose call was seen at a stop and is not made.
    pub(crate) fn drop_seen(&self, ticks: u64) {
        let offset = self.event_offset(self.get(area::HEAD));
        let dropped = u64::from(class::DROPPED);
        self.region.segment.set_word(offset + event::CLASS, dropped);
        self.finish(0, ticks);
    }

    /// The program was started that the task is about to start by way of the stub, if that is what
    /// it is doing. Gives whether it is.
    pub(crate) fn has_started_program(&self, ticks: u64) -> bool {
        let number = self
            .word_of(self.get(area::HEAD), event::NUMBER)
            .cast_signed();
        let is_it = self.get(area::STATE) == area::IN_CALL && number == libc::SYS_execve;
        if is_it {
            self.set(area::STATE, 0);
            self.finish(0, ticks);
        }
        is_it
    }

    /// Ends the current event, of which the stub itself doesn't see the return.
    pub(crate) fn finish(&self, result: i64, ticks: u64) {
        let head = self.get(area::HEAD);
        let offset = self.event_offset(head);
        self.region
            .segment
            .set_word(offset + event::RESULT, result.cast_unsigned());
        self.region.segment.set_word(offset + event::EXIT, ticks);
        self.set(area::LAST_EXIT, ticks);
        self.set(area::HEAD, head.wrapping_add(1));
    }

    /// Where the task told to have been before a call, and in it.
    fn away(&self, number: u64) -> [Option<Away>; 2] {
        let places = [
            (event::OFF, event::SLEEPS),
            (event::OFF_IN_CALL, event::SLEEPS_IN_CALL),
        ];
        places.map(|(off, sleeps)| {
            let time = Some(self.word_of(number, off)).filter(|off| *off != event::NOT_ASKED)?;
            let sleeps = Some(self.word_of(number, sleeps)).filter(|sleeps| *sleeps != 0);
            Some(Away { time, sleeps })
        })
    }

    /// Reads an event into the place of another.
    fn read(&self, number: u64, event: &mut Event) {
        let offset = self.event_offset(number);
        let word = |at: u64| self.region.segment.word(offset + at);
        for (index, argument) in event.arguments.iter_mut().enumerate() {
            *argument = word(event::ARGUMENTS + index as u64 * 8);
        }
        let class = u8::try_from(word(event::CLASS)).unwrap_or(class::TRACED);
        let path_at = class::path_argument(class).map(|argument| event.arguments[argument]);
        event.path_at = path_at.filter(|address| *address != 0);
        event.path.clear();
        if event.path_at.is_some() {
            let segment = &self.region.segment;
            segment.text(offset + event::PATH, event::PATH_MAX, &mut event.path);
        }
        event.name_at = None;
        event.name.clear();
        if matches!(class, class::NAMED | class::EXEC) && event.path_at.is_some() {
            event.name_at = Some(event.arguments[1]);
            let behind = (event.path.len() as u64 + 1).next_multiple_of(event::WORD);
            let left = event::PATH_MAX.saturating_sub(behind);
            let at = offset + event::PATH + behind;
            self.region.segment.text(at, left, &mut event.name);
        }
        event.vectors.clear();
        if class == class::VECTOR {
            // As the stub has written it, and no more than an event holds.
            let vectors = event.arguments[2].min(class::VECTORS);
            for at in (0..vectors * class::VECTOR_SIZE).step_by(8) {
                event.vectors.extend(word(event::PATH + at).to_le_bytes());
            }
        }
        event.entry = word(event::ENTRY);
        event.exit = word(event::EXIT);
        event.result = word(event::RESULT).cast_signed();
        event.number = word(event::NUMBER);
        event.seen = match class {
            class::SEEN => Some(Seen::Returned),
            class::DROPPED => Some(Seen::Dropped),
            _ => None,
        };
        let nofollow = event.arguments[3] & NOFOLLOW != 0;
        event.is_lstat = class == class::LSTAT || class == class::STAT_AT && nofollow;
        let has_stat = word(event::HAS_STAT) == 1;
        event.found = has_stat.then(|| arch::found(|at| word(event::STAT + at)));
        let [before, within] = self.away(number);
        event.off = Off {
            before,
            within,
            later: Later::default(),
        };
    }
}

/// Events of an area that are being read. How many there are is asked once, and the task is told
/// now and then how many were read: each such question takes a cache line from it.
#[derive(Debug)]
pub struct Unread<'a> {
    area: &'a Area,
    next: u64,
    end: u64,
}

/// Events after which the task is told that there is room again.
const TOLD: u64 = EVENTS / 8;

impl Unread<'_> {
    /// Numbers of those that are not read yet.
    fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        let next = self.next;
        let count = self.end.wrapping_sub(next);
        (0..count).map(move |at| next.wrapping_add(at))
    }

    /// What is told by those that are not read yet.
    fn later(&self) -> Later {
        let away = self
            .numbers()
            .flat_map(|number| self.area.away(number).into_iter().flatten());
        away.fold(Later::default(), Later::and)
    }

    /// When the first call returned that may have found the end of a task, ticks.
    pub fn first_wait(&self) -> Option<u64> {
        let word = |number, at| self.area.word_of(number, at);
        let mut numbers = self.numbers();
        let found = numbers.find(|at| {
            let result = word(*at, event::RESULT).cast_signed();
            may_tell_of_end(word(*at, event::NUMBER), result)
        });
        found.map(|at| word(at, event::EXIT))
    }

    /// When the next one returned, ticks.
    pub fn exit(&self) -> Option<u64> {
        (self.next != self.end).then(|| self.area.word_of(self.next, event::EXIT))
    }

    /// Reads it into the place of another.
    pub fn take(&mut self, event: &mut Event) {
        self.area.read(self.next, event);
        self.next = self.next.wrapping_add(1);
        let slept = |away: &Option<Away>| away.is_some_and(|away| away.sleeps.is_some());
        if slept(&event.off.before) || slept(&event.off.within) {
            event.off.later = self.later();
        }
        if self.next.is_multiple_of(TOLD) {
            self.area.set(area::TAIL, self.next);
        }
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if self.area.get(area::TAIL) != self.next {
            self.area.set(area::TAIL, self.next);
        }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        self.region.taken.borrow_mut()[self.index] = false;
    }
}
