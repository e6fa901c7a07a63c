//! A task that is stopped by a signal in the stub or a trampoline.
//!
//! No handler of the tool may see that it was there, nor run in the middle of it: another call
//! would write over its event. A traced task stops before any signal is delivered to it, so there
//! it is put to where it would be without the stub: before the call with all registers as they
//! were, or behind it with its result. In a call that waits this is what makes a restart right,
//! too: the kernel steps back by an instruction, and there is the site.

use crate::arch::sites::SITE;
use crate::arch::{Marks, Registers, TRACED};
use crate::layout::{PAGE, STUB, area};
use crate::led;
use crate::region::Area;
use crate::space::Space;
use crate::tracee::Tracee;

/// Why a task is to leave the stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A signal is about to be delivered.
    Signal,
    /// An instruction of the stub itself failed: a path that can't be read, memory that is short.
    /// The call is made the traced way, and the signal must not be delivered.
    Fault,
    /// It came by a breakpoint.
    Trap,
    /// A filter of its own refused the call that it has made, by a signal: its result is none.
    Filter,
}

fn in_stub(next: u64) -> Option<u64> {
    next.checked_sub(STUB).filter(|offset| *offset < PAGE)
}

/// Puts a stopped task outside; gives whether that changed its registers. An event that the stub
/// could not end is ended at these `ticks`.
pub fn rescue(
    space: &Space,
    tracee: &mut impl Tracee,
    area: Option<&Area>,
    registers: &mut Registers,
    why: Why,
    ticks: u64,
) -> bool {
    let next = registers.next();
    if let Some((site, offset)) = space.site(next) {
        let put_back = led::put_back_outside(tracee, registers, area, offset);
        registers.set_next(match why {
            _ if led::is_behind(offset) => site + SITE,
            Why::Fault => next - offset + TRACED,
            _ => site,
        });
        return put_back.is_ok();
    }
    let Some(offset) = in_stub(next) else {
        return false;
    };
    let marks = space.marks();
    let own = led::area_of(registers, offset, &marks);
    let area = area.filter(|area| area.address() == own);
    let traced = led::traced_way(registers, area, offset, &marks);
    let Some((site, _)) = space.site(traced) else {
        return false; // It jumped here by itself.
    };
    if led::put_back(tracee, registers, area, offset, &marks).is_err() {
        return false; // It is gone.
    }
    let behind = area.is_some_and(|area| leave(area, &marks, offset, registers, why, ticks));
    let fails = why == Why::Fault || why == Why::Filter && offset >= marks.asks;
    registers.set_next(if behind {
        site + SITE
    } else if fails {
        traced
    } else {
        site
    });
    true
}

/// Ends what the stub was about; gives whether the call was made.
fn leave(
    area: &Area,
    marks: &Marks,
    offset: u64,
    registers: &Registers,
    why: Why,
    ticks: u64,
) -> bool {
    let asks_behind = area.asks_behind(offset, marks);
    let has_result = asks_behind || (marks.called..marks.refused).contains(&offset);
    let is_refused = offset == marks.called && why == Why::Filter;
    let is_wake = area.get(area::STATE) == area::WAKING;
    // A wake whose event counts already, and which is not made yet, is made by the site, and stands
    // twice.
    let is_made = has_result && !is_refused;
    let is_counted = (marks.written..marks.refused).contains(&offset);
    if is_made && !is_counted && !is_wake {
        area.finish(registers.result().cast_signed(), ticks);
    } else if !is_made && area.is_seen() {
        area.drop_seen(ticks); // The recorder waits for its end.
    }
    area.set(area::STATE, 0);
    has_result || (marks.woken..marks.asks).contains(&offset)
}
