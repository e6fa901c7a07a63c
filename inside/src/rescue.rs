//! A task that is stopped by a signal in the stub or a trampoline.
//!
//! No handler of the tool may see that it was there, nor run in the middle of it: another call
//! would write over its event. A traced task stops before any signal is delivered to it, so there
//! it is put to where it would be without the stub: before the call with all registers as they
//! were, or behind it with its result. In a call that waits this is what makes a restart right,
//! too: the kernel steps back two bytes, and there is the site.

use crate::arch::{Marks, Registers, TRACED};
use crate::layout::{PAGE, STUB, area, event};
use crate::region::Area;
use crate::space::Space;

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
    area: Option<&Area>,
    registers: &mut Registers,
    why: Why,
    ticks: u64,
) -> bool {
    let next = registers.next();
    if let Some((site, offset)) = space.site(next) {
        let behind = offset > TRACED;
        registers.set_next(if behind { site + 2 } else { site });
        return true;
    }
    let Some(offset) = in_stub(next) else {
        return false;
    };
    let marks = space.marks();
    let area = area.filter(|area| area.address() == registers.area());
    let traced = match area {
        Some(area) if offset > marks.flags => area.get(area::TRACED),
        _ => registers.link(),
    };
    let Some((site, _)) = space.site(traced) else {
        return false; // It jumped here by itself.
    };
    let behind = area.is_some_and(|area| leave(area, &marks, offset, registers, why, ticks));
    registers.set_next(match (behind, why) {
        (true, _) => site + 2,
        (false, Why::Signal | Why::Trap | Why::Filter) => site,
        (false, Why::Fault) => traced,
    });
    true
}

/// Puts registers back; gives whether the call was made.
fn leave(
    area: &Area,
    marks: &Marks,
    offset: u64,
    registers: &mut Registers,
    why: Why,
    ticks: u64,
) -> bool {
    let made = (marks.called..marks.refused).contains(&offset);
    if offset >= marks.flags {
        registers.set_flags(area.get(area::FLAGS));
    }
    if offset >= marks.saved {
        registers.set_third(area.get(area::RDX));
    }
    if offset >= marks.woken {
        if offset > marks.woken {
            registers.set_result(area.get(area::RAX));
        }
        area.set(area::STATE, 0);
        return true;
    }
    if !made {
        // A wake whose event counts already is made by the site, and stands twice.
        if offset >= marks.saved {
            registers.set_result(area.get(area::RAX));
        }
        area.set(area::STATE, 0);
        return false;
    }
    let is_refused = offset == marks.called && why == Why::Filter;
    if is_refused || area.get(area::STATE) == area::WAKING {
        // There is no event to be ended.
        area.set(area::STATE, 0);
        return true;
    }
    if offset >= marks.written {
        registers.set_result(area.last_word(event::RESULT));
        return true;
    }
    if offset >= marks.result {
        registers.set_result(area.current_word(event::RESULT));
    }
    area.finish(registers.result().cast_signed(), ticks);
    true
}
