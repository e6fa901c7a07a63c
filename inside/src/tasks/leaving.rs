//! Tasks at the exit of a traced call: where sites are patched and areas given.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Memory, Policy, Task, Tasks, UNFIT};
use crate::led::leads;
use crate::refused::Refused;
use crate::region::Area;
use crate::space::Standing;
use crate::tracee::Tracee;
use crate::traps::after_trap;

impl Tasks {
    /// Whether [`Tasks::leaves`] of the call that a task has entered may be of use: its site may be
    /// patched there.
    pub fn wants_exit(&mut self, tid: i32) -> bool {
        let task = self.tasks.get(&tid);
        let entered = task.and_then(|task| Some((task.behind?, task.memory.borrow_mut())));
        entered.is_some_and(|(behind, mut memory)| {
            if memory.refused || !memory.space.may_hit(behind) {
                return false;
            }
            let is_in_vain = memory.patience.waits(memory.stops);
            // Its exit is not seen, and so not counted there.
            memory.stops = memory.stops.saturating_add(u32::from(is_in_vain));
            !is_in_vain
        })
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
        let own_area = task.area.as_ref().map(Area::address);
        let has_area = task.area.is_some() || task.refused;
        let shared = Rc::clone(&task.memory);
        let mut memory = shared.borrow_mut();
        memory.stops = memory.stops.saturating_add(1);
        if memory.refused {
            return false;
        }
        // To lead it may lead another one there as well.
        let is_lent = memory.borrowers > 0;
        if let Some(address) = own_area
            && !is_lent
            && !leads::still_to(tracee, address)
        {
            lead_again(tracee, address);
        }
        let is_worth_it = memory.stops >= policy.stops;
        let looked = is_worth_it && memory.space.is_elsewhere(behind);
        if looked {
            memory.space.look_at_maps(tracee);
        }
        let site = (memory.space).hit(tracee, behind, policy.hits, &mut self.known);
        let site = site.filter(|_| !memory.is_too_early(policy));
        if !is_worth_it {
            return false;
        }
        let wants_area = !has_area && !is_lent && own_stops >= policy.task_stops;
        if site.is_none() && !(wants_area && memory.patched > 0) {
            return false;
        }
        if !std::mem::replace(&mut memory.asked, true) && !tracee.may_be_changed() {
            self.refuse(&mut memory, UNFIT.to_owned());
            return false;
        }
        let was_patched =
            site.is_none_or(|site| self.patch(tid, tracee, &mut memory, (site, looked)));
        if was_patched && wants_area && memory.patched > 0 {
            self.give_area(tid, tracee, &mut memory);
        }
        true
    }

    fn refuse(&mut self, memory: &mut Memory, why: String) {
        *self.refusals.entry(why).or_default() += 1;
        memory.refused = true;
    }

    /// Patches a site, if that can be done now. Gives whether the memory may be changed any more.
    fn patch(
        &mut self,
        tid: i32,
        tracee: &mut impl Tracee,
        memory: &mut Memory,
        (site, looked): (u64, bool),
    ) -> bool {
        let alone = memory.is_alone();
        let stops = memory.stops;
        let others_bear = || others_bear_traps(&mut self.tasks, tid, tracee);
        if !alone && !memory.patience.is_over(stops, others_bear) {
            return true;
        }
        let found = (&mut self.known, &mut self.ways);
        let hits = self.policy.hits;
        match memory
            .space
            .patch(tracee, site, Standing { alone, looked }, hits, found)
        {
            Ok(count) => memory.patched += count,
            Err(Refused::Site) => {}
            Err(error) => self.refuse(memory, error.to_string()),
        }
        !memory.refused
    }

    fn give_area(&mut self, tid: i32, tracee: &mut impl Tracee, memory: &mut Memory) {
        let alone = memory.tasks == 1;
        let regions = &mut self.regions;
        let given = (memory.space).give_area(tracee, alone, self.policy.bounds, regions);
        match &given {
            Ok(area) => memory.takes(area),
            Err(error) => *self.refusals.entry(error.to_string()).or_default() += 1,
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            self.given |= given.is_ok();
            task.refused = given.is_err();
            task.area = given.ok();
        }
    }
}

impl Memory {
    /// Whether to patch now would cost more than it saves: where there are threads and nobody told
    /// the kernel before them, it begins with waiting for it.
    fn is_too_early(&self, policy: Policy) -> bool {
        let is_late = !self.is_alone() && !self.space.may_change_beside_others();
        is_late && self.stops < policy.late_stops
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

/// Leads a task to its area again.
fn lead_again(tracee: &mut impl Tracee, address: u64) {
    let led = tracee.registers().and_then(|mut registers| {
        leads::to(tracee, &mut registers, address)?;
        tracee.set_registers(&registers)
    });
    // Fails only where it is gone.
    let _ = led;
}
