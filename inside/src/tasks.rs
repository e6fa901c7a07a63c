//! The tool's tasks, as far as the stub goes: when a process gets it, which site is patched, who
//! has an area, and what was written there.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

use crate::arch;
use crate::away::Here;
use crate::known::Known;
use crate::led::{Newborn, Shares, leads};
use crate::region::{Area, Bounds, Event, Regions, Unread};
use crate::space::Space;
use crate::start::Start;
use crate::tracee::Tracee;
use crate::traps::AfterTrap;
use crate::ways::Ways;
use patience::Patience;

/// When the stub is worth its cost.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Stops of a process at calls of the stub's before it gets the stub: shorter ones would only
    /// pay for it.
    pub stops: u32,
    /// Such stops before its sites are patched, where it has threads by then and the kernel has to
    /// wait for them.
    pub late_stops: u32,
    /// Hits of a site before it is patched.
    pub hits: u32,
    /// Such stops of a task before it gets an area.
    pub task_stops: u32,
    /// What is looked at by the recorder.
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
    /// Those of them that wait until another one starts a program or ends.
    suspended: u32,
    /// Those of them that would be led to another's area.
    borrowers: u32,
    /// Sites that lead to the stub.
    patched: u32,
    /// It stays on ptrace.
    refused: bool,
    /// It was asked whether it may be changed.
    asked: bool,
    /// When to patch it beside tasks that did not bear that.
    patience: Patience,
    /// Its tasks are not to ask their clocks.
    is_silent: bool,
}

#[derive(Debug)]
struct Task {
    memory: Rc<RefCell<Memory>>,
    area: Option<Area>,
    stops: u32,
    refused: bool,
    /// It may have been made by a task with an area, whose address it has in its registers then.
    newborn: Option<Shares>,
    /// The task that made it had an area.
    parent_had_area: bool,
    /// The task that made it waits until it starts a program or ends.
    suspends: bool,
    /// What leads to an area would lead it to another task's, which has none meanwhile.
    borrows: bool,
    /// What is to be done when it came by a breakpoint.
    after_trap: Option<AfterTrap>,
    /// Behind the `syscall` of the traced call that it is in, if that is worth a patched site.
    behind: Option<u64>,
    /// What its program is to run first.
    start: Option<Start>,
}

impl Task {
    fn new(memory: Rc<RefCell<Memory>>, newborn: Option<Shares>) -> Task {
        memory.borrow_mut().tasks += 1;
        Task {
            memory,
            area: None,
            stops: 0,
            refused: false,
            newborn,
            parent_had_area: false,
            suspends: false,
            borrows: false,
            after_trap: None,
            behind: None,
            start: None,
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut memory = self.memory.borrow_mut();
        memory.tasks -= 1;
        memory.suspended -= u32::from(self.suspends);
        memory.borrowers -= u32::from(self.borrows);
    }
}

/// All tasks of the tool.
#[derive(Debug)]
pub struct Tasks {
    policy: Policy,
    tasks: HashMap<i32, Task>,
    /// Sites that were met, in any process.
    known: Known,
    /// Ways that were looked for, in any process.
    ways: Ways,
    /// Some task was given an area.
    given: bool,
    /// Regions, to be used again.
    regions: Regions,
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
            known: Known::default(),
            ways: Ways::default(),
            given: false,
            regions: Regions::default(),
            refusals: HashMap::new(),
            event: Event::default(),
        }
    }

    /// A task that none of the known ones made.
    pub fn first(&mut self, tid: i32) {
        self.tasks.insert(tid, Task::new(Rc::default(), None));
    }

    /// A task made another one. Told before the new one goes on from its first stop.
    pub fn child(&mut self, parent: i32, tid: i32, shares: Shares) {
        // What two tasks share may matter once one of them has an area.
        let newborn = (self.given || shares == Shares::Pointer).then_some(shares);
        let Some(from) = self.tasks.get(&parent) else {
            let task = Task::new(Rc::default(), newborn);
            self.tasks.insert(tid, task);
            return;
        };
        let memory = if shares == Shares::Nothing {
            Rc::new(RefCell::new(from.memory.borrow().forked()))
        } else {
            Rc::clone(&from.memory)
        };
        let parent_had_area = from.area.is_some();
        // Whose child it is may not be known for sure: all are looked at.
        let mut task = Task::new(memory, newborn);
        task.parent_had_area = parent_had_area;
        self.tasks.insert(tid, task);
    }

    /// A task started a program. `earlier` is its id before.
    pub fn program(&mut self, earlier: i32, tid: i32) {
        self.tasks.remove(&earlier);
        self.first(tid);
    }

    /// The task stands in the `execve` that started its program. Where that is known to be worth
    /// it, it will have the stub before its first instruction.
    pub fn starts(&mut self, tid: i32, tracee: &mut impl Tracee) {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return;
        };
        let mut memory = task.memory.borrow_mut();
        // Otherwise it may still get it later.
        let often = self.policy.hits;
        let begun = (memory.space).begin_start(tracee, often, &self.known, &mut self.regions);
        task.start = begun.ok().flatten();
    }

    /// A task stands at the entry of a call, at an instruction that ends there. Gives whether that
    /// was the end of what it was to run before its program: the call is none of the tool's.
    pub fn has_started(&mut self, tid: i32, behind: u64, tracee: &mut impl Tracee) -> bool {
        let Some(task) = self.tasks.get_mut(&tid) else {
            return false;
        };
        let Some(start) = task.start.take_if(|start| start.ends_before(behind)) else {
            return false;
        };
        let mut memory = task.memory.borrow_mut();
        memory.asked = true;
        memory.stops = self.policy.stops;
        let found = (&mut self.known, &mut self.ways);
        match memory
            .space
            .end_start(tracee, start, self.policy.bounds, found)
        {
            Ok((area, count)) => {
                memory.patched += count;
                self.given = true;
                drop(memory);
                task.area = Some(area);
            }
            Err(error) => {
                *self.refusals.entry(error.to_string()).or_default() += 1;
                memory.refused = true;
            }
        }
        true
    }

    /// A task that stands still must not go on with what it was to run before its program.
    pub fn give_up_start(&mut self, tid: i32, tracee: &mut impl Tracee) {
        let task = self.tasks.get_mut(&tid);
        if let Some(start) = task.and_then(|task| task.start.take()) {
            // Fails only where it is gone.
            let registers = start.undo(tracee);
            let _ = registers.map(|registers| tracee.set_registers(&registers));
        }
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
        let Some(shares) = task.newborn.take() else {
            return;
        };
        let memory = task.memory.borrow();
        let area = (task.parent_had_area).then(|| memory.space.spare_area(self.policy.bounds));
        let area = area.flatten().inspect(|area| memory.takes(area));
        let address = area.as_ref().map_or(0, Area::address);
        drop(memory);
        // Fails only where it is gone.
        match leads::newborn(tracee, address, shares) {
            Ok(Newborn::Led) => task.area = area,
            // Nor is it given one later.
            Ok(Newborn::Borrows) => {
                (task.borrows, task.refused) = (true, true);
                task.memory.borrow_mut().borrowers += 1;
            }
            Ok(Newborn::Stays) | Err(_) => {}
        }
    }

    /// A task stands at the entry of a traced call, at an instruction that ends at `behind`;
    /// `is_ours` if the stub could have made that call ([`arch::takes`]), or will make it once it
    /// was seen.
    pub fn enters(&mut self, tid: i32, behind: u64, is_ours: bool) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.behind = is_ours.then_some(behind);
        }
    }

    /// A task that was at a stop goes on. `here`: until its next call counts as its own time.
    pub fn goes_on(&self, tid: i32, here: Option<Here>) {
        if let Some(area) = self.tasks.get(&tid).and_then(|task| task.area.as_ref()) {
            area.stopped();
            if let Some(here) = here {
                area.goes_on(arch::ticks(), here);
            }
        }
    }

    /// Whether a task has an area.
    pub fn has_area(&self, tid: i32) -> bool {
        self.tasks.get(&tid).is_some_and(|task| task.area.is_some())
    }

    /// Whether a task has to run something before its program.
    pub fn is_starting(&self, tid: i32) -> bool {
        (self.tasks.get(&tid)).is_some_and(|task| task.start.is_some())
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

    /// Up to which ticks calls are to be told of before the end of a task: to before the first that
    /// may have waited for it. Those of its own come first in any case.
    pub fn until_waits(&self, ended: i32, now: u64) -> u64 {
        let areas = self.tasks.values().filter_map(|task| task.area.as_ref());
        let waits = areas.filter_map(|area| area.unread().first_wait());
        let own = self.tasks.get(&ended).and_then(|task| task.area.as_ref());
        let own = own.and_then(Area::last_unread).unwrap_or(0);
        let first = waits.min();
        first.map_or(now, |first| first.saturating_sub(1).max(own).min(now))
    }

    /// When the last call returned that was not read yet, ticks.
    pub fn last_return(&self) -> Option<u64> {
        let areas = self.tasks.values().filter_map(|task| task.area.as_ref());
        areas.filter_map(Area::last_unread).max()
    }

    /// The call that a task is in by way of the stub. Only of one that stands still or is gone.
    pub fn in_progress(&self, tid: i32) -> Option<Event> {
        self.tasks.get(&tid)?.area.as_ref()?.in_progress()
    }

    /// A task is about to end. Gives whether the call that it was in has returned, and is to be
    /// told.
    pub fn counts_last(&self, tid: i32) -> bool {
        let area = self.tasks.get(&tid).and_then(|task| task.area.as_ref());
        area.is_some_and(Area::count_returned)
    }

    /// Why tasks or memories stayed on ptrace, and how many.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, u64)> {
        self.refusals
            .iter()
            .map(|(reason, count)| (reason.as_str(), *count))
    }
}

/// Takes the area of another task from one that has its address.
pub fn take_area(tracee: &mut impl Tracee) {
    // Fails only where it is gone.
    let _ = leads::nowhere(tracee);
}

impl Memory {
    fn forked(&self) -> Memory {
        Memory {
            space: self.space.forked(),
            stops: self.stops,
            tasks: 0,
            suspended: 0,
            borrowers: 0,
            patched: self.patched,
            refused: self.refused,
            asked: self.asked,
            patience: Patience::default(),
            is_silent: self.is_silent,
        }
    }
}

mod leaving;
mod patience;
mod programs;
mod seen;
mod signals;
mod silent;
#[cfg(test)]
mod tests;
