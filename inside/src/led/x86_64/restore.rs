//! The registers of a task that is taken out of the stub, or put into it.

use std::io;

use crate::arch::x86_64::kept::{FLAGS, RAX, RDX};
use crate::arch::{Marks, Registers, TRACED};
use crate::layout::{STUB, area, event};
use crate::region::Area;
use crate::tracee::Tracee;

/// Address of the area that a task in the stub goes by; 0 if it goes by none.
pub fn area_of(registers: &Registers, _offset: u64, _marks: &Marks) -> u64 {
    registers.segment()
}

/// Where a task in the stub would make its call the traced way.
pub fn traced_way(registers: &Registers, area: Option<&Area>, offset: u64, marks: &Marks) -> u64 {
    match area {
        Some(area) if offset > marks.flags => area.get(area::TRACED),
        _ => registers.link(),
    }
}

/// Whether a task so far in a trampoline has made its call.
pub fn is_behind(offset: u64) -> bool {
    offset > TRACED
}

/// Whether a call that is made at that instruction may wait, and the kernel has put a task that a
/// signal reaches there before the call already. It puts it there after that.
pub fn may_wait_at(_next: u64, _in_trampoline: Option<u64>, _marks: &Marks) -> bool {
    false
}

/// Has the stub make a call that a task stands at the entry of: it is the current one of its area,
/// and `traced` is where it came from. `false` if the task is led elsewhere.
pub fn put_in(
    tracee: &mut impl Tracee,
    area: &Area,
    _event: u64,
    traced: u64,
    marks: &Marks,
) -> io::Result<bool> {
    let mut registers = tracee.registers()?;
    if registers.segment() != area.address() {
        return Ok(false);
    }
    area.set(RAX, registers.call());
    area.set(RDX, registers.third());
    area.set(FLAGS, registers.kept_flags());
    area.set(area::TRACED, traced);
    registers.set_next(STUB + marks.seen);
    registers.forget_call();
    tracee.set_registers(&registers)?;
    Ok(true)
}

/// Puts registers back that a trampoline has used: none but `r11`, which a call destroys.
pub fn put_back_outside(
    _tracee: &mut impl Tracee,
    _registers: &mut Registers,
    _area: Option<&Area>,
    _offset: u64,
) -> io::Result<()> {
    Ok(())
}

/// Puts registers back as they were before the call, or as they are behind it.
pub fn put_back(
    _tracee: &mut impl Tracee,
    registers: &mut Registers,
    area: Option<&Area>,
    offset: u64,
    marks: &Marks,
) -> io::Result<()> {
    let Some(area) = area else { return Ok(()) };
    if offset >= marks.flags {
        registers.set_flags(area.get(FLAGS));
    }
    if offset >= marks.saved {
        registers.set_third(area.get(RDX));
    }
    if offset >= marks.asks {
        let [first, second, ..] = area.current_arguments();
        registers.set_first_two(first, second);
    }
    // A wake puts its result away one instruction later than its mark.
    let asks_behind = area.asks_behind(offset, marks);
    let is_kept = (marks.saved..marks.called).contains(&offset)
        || (marks.refused..marks.woken).contains(&offset)
        || offset > marks.woken && !asks_behind;
    let head = area.get(area::HEAD);
    if is_kept {
        registers.set_result(area.get(RAX));
    } else if (marks.written..marks.refused).contains(&offset) {
        registers.set_result(area.word_of(head.wrapping_sub(1), event::RESULT));
    } else if asks_behind || (marks.result..marks.written).contains(&offset) {
        registers.set_result(area.word_of(head, event::RESULT));
    }
    Ok(())
}

/// Lets a task that stands before a call not make it.
pub fn drop_call(_tracee: &mut impl Tracee, registers: &mut Registers) -> io::Result<()> {
    registers.forget_call();
    Ok(())
}

/// What a handler comes back to, of a task that stands at its first instruction. Of no use here
/// ([`may_wait_at`]).
pub fn kept_by_handler(tracee: &mut impl Tracee) -> io::Result<Registers> {
    tracee.registers()
}

/// Lets it come back to something else.
pub fn keep_by_handler(_tracee: &mut impl Tracee, _kept: &Registers) -> io::Result<()> {
    Ok(())
}
