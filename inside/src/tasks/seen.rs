//! Calls that the recorder has seen at a stop, and that the stub makes: that saves the stop at
//! their exit.

use std::io;

use super::Tasks;
use crate::arch::sites::SITE;
use crate::arch::{self, TRACED};
use crate::led::{self, leads};
use crate::tracee::Tracee;

impl Tasks {
    /// A task stands at the entry of a call, at an instruction that ends at `behind`. Has the stub
    /// make that call; gives whether it will. Then an event tells of it
    /// ([`Event::seen`](crate::Event::seen)), after whatever befalls the task but its end.
    ///
    /// Only of a task that has an area, and makes the call the traced way: a signal finds it in
    /// the stub, and has to know the way out.
    pub fn makes_inside(
        &mut self,
        tid: i32,
        tracee: &mut impl Tracee,
        number: u64,
        arguments: &[u64; 6],
        behind: u64,
    ) -> io::Result<bool> {
        let Some(task) = self.tasks.get(&tid) else {
            return Ok(false);
        };
        let memory = task.memory.borrow();
        let traced = behind.wrapping_sub(SITE);
        let is_traced_way = (memory.space.site(traced)).is_some_and(|(_, offset)| offset == TRACED);
        let Some(area) = task.area.as_ref().filter(|_| is_traced_way) else {
            return Ok(false);
        };
        if !leads::still_to(tracee, area.address()) {
            return Ok(false); // It is led there again at the call's exit.
        }
        let Some(event) = area.begin(number, arguments, arch::ticks()) else {
            return Ok(false);
        };
        let put_in = led::put_in(tracee, area, event, traced, &memory.space.marks());
        if !matches!(put_in, Ok(true)) {
            area.drop_call();
        }
        put_in
    }
}
