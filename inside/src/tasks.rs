//! The tool's tasks, as far as the stub goes: when a process gets it, which site is patched, who
//! has an area, and what was written there.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

use crate::arch;
use crate::layout::{REGION, REGION_SIZE};
use crate::maps::InFile;
use crate::region::{Area, Bounds, Event, Unread};
use crate::rescue::{self, Why};
use crate::space::{Refused, Space};
use crate::tracee::Tracee;
use crate::traps::{AfterTrap, after_trap};
use crate::ways::Ways;

/// When the stub is worth its cost.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Stops of a process at calls of the stub's before it gets the stub: shorter ones would only
    /// pay for it.
    pub stops: u32,
    /// Hits of a site before it is patched.
    pub hits: u32,
    /// Such stops of a task before it gets an area.
    pub task_stops: u32,
    /// What takes longer is looked at by the recorder.
    pub bounds: Bounds,
}

/// Why a process is not changed, where that is its own doing.
const UNFIT: &str = "it has filters of its own or limits on memory, or is no 64-bit program";

/// What one memory has to do with the stub.
#[derive(Debug, Default)]
struct Memory {
    space: Space,
    /// Traced calls that its tasks returned from, and that the stub would have made.
    stops: u32,
    /// Tasks that have it.
    tasks: u32,
    /// Sites that lead to the stub.
    patched: u32,
    /// It stays on ptrace.
    refused: bool,
    /// It was asked whether it may be changed.
    asked: bool,
    /// Its mappings were looked at.
    looked: bool,
}

#[derive(Debug)]
struct Task {
    memory: Rc<RefCell<Memory>>,
    area: Option<Area>,
    stops: u32,
    refused: bool,
    /// It may have been made by a task with an area, whose address it has in its registers then.
    newborn: bool,
    /// What is to be done when it came by a breakpoint.
    after_trap: Option<AfterTrap>,
    /// Behind the `syscall` of the traced call that it is in, if the stub would have made that.
    behind: Option<u64>,
}

impl Task {
    fn new(memory: Rc<RefCell<Memory>>, newborn: bool) -> Task {
        memory.borrow_mut().tasks += 1;
        Task {
            memory,
            area: None,
            stops: 0,
            refused: false,
            newborn,
            after_trap: None,
            behind: None,
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.memory.borrow_mut().tasks -= 1;
    }
}

/// All tasks of the tool.
#[derive(Debug)]
pub struct Tasks {
    policy: Policy,
    tasks: HashMap<i32, Task>,
    /// Sites that were patched, in any process.
    known: HashSet<InFile>,
    /// Ways that were looked for, in any process.
    ways: Ways,
    /// Some task was given an area.
    given: bool,
    /// Why memories stayed on ptrace, each with how many.
    refusals: HashMap<String, u64>,
    /// The event that is being told; kept for its memory.
    event: Event,
}

impl Tasks {
    /// None yet.
    pub fn new(policy: Policy) -> Tasks {
        Tasks {
            policy,
            tasks: HashMap::new(),
            known: HashSet::new(),
            ways: Ways::default(),
            given: false,
            refusals: HashMap::new(),
            event: Event::default(),
        }
    }

    /// A task that none of the known ones made.
    pub fn first(&mut self, tid: i32) {
        self.tasks.insert(tid, Task::new(Rc::default(), false));
    }

    /// A task made another one. Told before the new one goes on from its first stop.
    pub fn child(&mut self, parent: i32, tid: i32, shares_memory: bool) {
        let Some(from) = self.tasks.get(&parent) else {
            let task = Task::new(Rc::default(), self.given);
            self.tasks.insert(tid, task);
            return;
        };
        let memory = if shares_memory {
            Rc::clone(&from.memory)
        } else {
            Rc::new(RefCell::new(from.memory.borrow().forked()))
        };
        // Whose child it is may not be known for sure: all are looked at.
        self.tasks.insert(tid, Task::new(memory, self.given));
    }

    /// A task started a program. `earlier` is its id before.
    pub fn program(&mut self, earlier: i32, tid: i32) {
        self.tasks.remove(&earlier);
        self.first(tid);
    }

    /// A task is let go: nobody stops it any more. So text that it may be executing is not changed
    /// from now on.
    pub fn let_go(&mut self, tid: i32) {
        if let Some(task) = self.tasks.remove(&tid) {
            task.memory.borrow_mut().refused = true;
        }
    }

    /// A task is gone.
    pub fn ended(&mut self, tid: i32) {
        self.tasks.remove(&tid);
    }

    /// A new task is about to go on from its first stop: it must not write to its parent's area.
    /// Where it shares its parent's memory, it gets one of its own, which costs nothing more.
    pub fn begins(&mut self, tid: i32, tracee: &mut impl Tracee) {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return;
        };
        if !std::mem::take(&mut task.newborn) {
            return;
        }
        let area = task.memory.borrow().space.spare_area(self.policy.bounds);
        let address = area.as_ref().map_or(0, Area::address);
        if set_area(tracee, address) {
            task.area = area;
        }
    }

    /// A task stands at the entry of a traced call of that number, at an instruction that ends
    /// there.
    pub fn enters(&mut self, tid: i32, number: u64, behind: u64) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.behind = arch::takes(number).then_some(behind);
        }
    }

    /// A task stands at the exit of a traced call, which is not to be made again. Here sites are
    /// patched and areas given. Gives whether the task was made to do anything.
    pub fn leaves(&mut self, tid: i32, tracee: &mut impl Tracee) -> bool {
        let policy = self.policy;
        let Some(task) = self.tasks.get_mut(&tid) else {
            return false;
        };
        // Others stop with the stub as without it.
        let Some(behind) = task.behind.take() else {
            return false;
        };
        task.stops = task.stops.saturating_add(1);
        let own_stops = task.stops;
        let has_area = task.area.is_some() || task.refused;
        let shared = Rc::clone(&task.memory);
        let mut memory = shared.borrow_mut();
        memory.stops = memory.stops.saturating_add(1);
        if memory.refused || memory.stops < policy.stops {
            return false;
        }
        if !std::mem::replace(&mut memory.looked, true) {
            memory.space.look_at_maps(tracee);
        }
        let site = memory.space.hit(behind, policy.hits, &self.known);
        let wants_area = !has_area && own_stops >= policy.task_stops;
        if site.is_none() && !(wants_area && memory.patched > 0) {
            return false;
        }
        if !std::mem::replace(&mut memory.asked, true) && !tracee.may_be_changed() {
            *self.refusals.entry(UNFIT.to_owned()).or_default() += 1;
            memory.refused = true;
            return false;
        }
        let alone = memory.tasks == 1;
        if let Some(site) = site
            && (alone || others_bear_traps(&mut self.tasks, tid, tracee))
        {
            match memory.space.patch(tracee, site, alone, &mut self.ways) {
                Ok(byte) => {
                    memory.patched += 1;
                    self.known.extend(byte);
                }
                Err(Refused::Site) => {}
                Err(error) => {
                    *self.refusals.entry(error.to_string()).or_default() += 1;
                    memory.refused = true;
                    return true;
                }
            }
        }
        if wants_area && memory.patched > 0 {
            let given = memory.space.give_area(tracee, policy.bounds);
            if let Err(error) = &given {
                *self.refusals.entry(error.to_string()).or_default() += 1;
            }
            if let Some(task) = self.tasks.get_mut(&tid) {
                self.given |= given.is_ok();
                task.refused = given.is_err();
                task.area = given.ok();
            }
        }
        true
    }

    /// A task that was at a stop goes on: until its next call counts as its own time.
    pub fn goes_on(&self, tid: i32) {
        if let Some(area) = self.tasks.get(&tid).and_then(|task| task.area.as_ref()) {
            area.left_call(arch::ticks());
        }
    }

    /// A signal is about to be delivered to a task. Gives whether it is one that the stub itself
    /// caused: then it must not be.
    pub fn signal(&mut self, tid: i32, tracee: &mut impl Tracee, why: Why) -> bool {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return false;
        };
        let memory = task.memory.borrow();
        if !memory.space.has_stub() {
            return false;
        }
        let Ok(mut registers) = tracee.registers() else {
            return false;
        };
        if why == Why::Trap {
            let site = memory.space.came_by(tracee, registers.next());
            if let Some(site) = site {
                registers.set_next(site);
                // Fails only where it is gone.
                let _ = tracee.set_registers(&registers);
                task.after_trap.unwrap_or_default().put_right(tracee);
            }
            return site.is_some();
        }
        let area = task.area.as_ref();
        let moved = rescue::rescue(&memory.space, area, &mut registers, why, arch::ticks());
        if moved {
            // Fails only where it is gone.
            let _ = tracee.set_registers(&registers);
        }
        moved && why == Why::Fault
    }

    /// Whether any task has an area.
    pub fn any_inside(&self) -> bool {
        self.tasks.values().any(|task| task.area.is_some())
    }

    /// Tells all events that returned up to `now`, of all tasks, in the order of their returns;
    /// gives how many.
    pub fn drain(&mut self, now: u64, mut tell: impl FnMut(i32, &Event)) -> usize {
        let areas = (self.tasks.iter()).filter_map(|(tid, task)| Some((*tid, task.area.as_ref()?)));
        let mut unread: Vec<(i32, Unread<'_>)> =
            areas.map(|(tid, area)| (tid, area.unread())).collect();
        let next = |unread: &Unread<'_>| unread.exit().filter(|exit| *exit <= now);
        let mut waiting: BinaryHeap<Reverse<(u64, usize)>> = unread
            .iter()
            .enumerate()
            .filter_map(|(index, (_, unread))| Some(Reverse((next(unread)?, index))))
            .collect();
        let mut count = 0;
        while let Some(Reverse((_, index))) = waiting.pop() {
            let (tid, unread) = &mut unread[index];
            let others = waiting.peek().map_or(u64::MAX, |Reverse((exit, _))| *exit);
            // Most often a task has many in a row.
            let left = loop {
                unread.take(&mut self.event);
                tell(*tid, &self.event);
                count += 1;
                let exit = next(unread);
                if exit.is_none_or(|exit| exit > others) {
                    break exit;
                }
            };
            waiting.extend(left.map(|exit| Reverse((exit, index))));
        }
        count
    }

    /// The call that a task is in by way of the stub. Only of one that stands still or is gone.
    pub fn in_progress(&self, tid: i32) -> Option<Event> {
        self.tasks.get(&tid)?.area.as_ref()?.in_progress()
    }

    /// Why tasks or memories stayed on ptrace, and how many.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, u64)> {
        self.refusals
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
    }
}

/// Whether a breakpoint would do no harm to the other tasks of that memory; notes what that takes.
fn others_bear_traps(tasks: &mut HashMap<i32, Task>, tid: i32, tracee: &mut impl Tracee) -> bool {
    let Some(own) = tasks.get(&tid) else {
        return false;
    };
    let memory = Rc::clone(&own.memory);
    let mut others = tasks
        .iter_mut()
        .filter(|(other, task)| **other != tid && Rc::ptr_eq(&task.memory, &memory));
    others.all(|(other, task)| {
        let after = tracee.signals_of(*other).and_then(after_trap);
        if let Some(after) = after {
            let before = task.after_trap.replace(after);
            task.after_trap = Some(after.unless_it_stands(before));
        }
        after.is_some()
    })
}

/// Takes the area of another task from one that has its address.
pub fn take_area(tracee: &mut impl Tracee) {
    // Fails only where it is gone.
    set_area(tracee, 0);
}

/// Gives a task an area of its own, or none with 0, in place of its parent's. Gives whether it did.
fn set_area(tracee: &mut impl Tracee, address: u64) -> bool {
    let region = REGION..REGION + REGION_SIZE;
    let Ok(mut registers) = tracee.registers() else {
        return false;
    };
    if !region.contains(&registers.area()) {
        return false;
    }
    registers.set_area(address);
    tracee.set_registers(&registers).is_ok()
}

impl Memory {
    fn forked(&self) -> Memory {
        Memory {
            space: self.space.forked(),
            stops: 0,
            tasks: 0,
            patched: self.patched,
            refused: self.refused,
            asked: self.asked,
            looked: self.looked,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::arch::Registers;
    use crate::tracee::Signals;

    /// A task that may not be changed; whether that was asked.
    #[derive(Default)]
    struct Unfit {
        asked: bool,
    }

    impl Tracee for Unfit {
        fn registers(&mut self) -> io::Result<Registers> {
            Err(io::ErrorKind::Other.into())
        }

        fn set_registers(&mut self, _registers: &Registers) -> io::Result<()> {
            Err(io::ErrorKind::Other.into())
        }

        fn read(&mut self, _address: u64, _buffer: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn write(&mut self, _address: u64, _bytes: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::Other.into())
        }

        fn make_call(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::Other.into())
        }

        fn maps(&mut self) -> io::Result<String> {
            Ok(String::new())
        }

        fn may_be_changed(&mut self) -> bool {
            self.asked = true;
            false
        }

        fn signals_of(&mut self, _other: i32) -> Option<Signals> {
            None
        }

        fn signal_mask(&mut self) -> io::Result<u64> {
            Ok(0)
        }

        fn set_signal_mask(&mut self, _mask: u64) -> io::Result<()> {
            Ok(())
        }
    }

    /// Whether a process is looked into that makes a call of that number again and again.
    fn is_looked_into(number: i64) -> bool {
        let mut tasks = Tasks::new(Policy {
            stops: 4,
            hits: 2,
            task_stops: 2,
            bounds: Bounds { gap: 0, call: 0 },
        });
        tasks.first(1);
        let mut tracee = Unfit::default();
        for _ in 0..8 {
            tasks.enters(1, number.cast_unsigned(), 0x40_1002);
            tasks.leaves(1, &mut tracee);
        }
        tracee.asked
    }

    #[test]
    fn calls_that_stop_in_any_case_get_no_stub() {
        assert!(!is_looked_into(libc::SYS_mmap));
        assert!(!is_looked_into(libc::SYS_wait4));
        let read = libc::SYS_read;
        assert_eq!(is_looked_into(read), arch::takes(read.cast_unsigned()));
    }
}
