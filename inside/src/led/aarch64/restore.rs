//! The registers of a task that is taken out of the stub or a trampoline, or put into the stub.

use std::io;

use super::words;
use crate::arch::aarch64::{BACK, REFUSED, below, kept};
use crate::arch::{Marks, Registers, TRACED};
use crate::layout::{STUB, area, event};
use crate::region::Area;
use crate::tracee::Tracee;

/// Address of the area that a task in the stub goes by; 0 if it goes by none yet.
pub fn area_of(registers: &Registers, offset: u64, marks: &Marks) -> u64 {
    if offset < marks.saved {
        return 0;
    }
    registers.0[16]
}

/// Where a task in the stub would make its call the traced way.
pub fn traced_way(registers: &Registers, area: Option<&Area>, _offset: u64, _marks: &Marks) -> u64 {
    match area {
        Some(area) => area.get(area::TRACED),
        // Or a little before, in the same trampoline.
        None => registers.0[17],
    }
}

/// Whether a task so far in a trampoline has made its call.
pub fn is_behind(offset: u64) -> bool {
    (BACK..REFUSED).contains(&offset) || offset > TRACED
}

/// Whether a call that is made at that instruction may wait, and the kernel has put a task that a
/// signal reaches there before the call already. (arch/arm64/kernel/signal.c: it does so before a
/// tracer is told, and puts the task behind the call again where it is not to be restarted, if it
/// stands where it was put to.)
pub fn may_wait_at(next: u64, in_trampoline: Option<u64>, marks: &Marks) -> bool {
    next == STUB + marks.call || in_trampoline == Some(TRACED)
}

/// Has the stub make a call that a task stands at the entry of: it is the current one of its area,
/// and `traced` is where it came from.
pub fn put_in(
    tracee: &mut impl Tracee,
    area: &Area,
    event: u64,
    traced: u64,
    marks: &Marks,
) -> io::Result<bool> {
    let mut registers = tracee.registers()?;
    to_area(&registers, area, 12, kept::X12);
    to_area(&registers, area, 14, kept::X14);
    to_area(&registers, area, 16, kept::X16);
    area.set(area::TRACED, traced);
    (registers.0[15], registers.0[16]) = (event, area.address());
    registers.set_next(STUB + marks.seen);
    tracee.set_registers(&registers)?;
    drop_call(tracee, &mut registers)?;
    Ok(true)
}

/// Puts registers back that a trampoline has used.
pub fn put_back_outside(
    tracee: &mut impl Tracee,
    registers: &mut Registers,
    area: Option<&Area>,
    offset: u64,
) -> io::Result<()> {
    match (offset, area) {
        (BACK, Some(area)) => from_area(registers, area, 16, kept::X16),
        (4..BACK | REFUSED, _) => from_stack(tracee, registers, 16, below::X16)?,
        _ => {}
    }
    Ok(())
}

/// Puts registers back as they were before the call, which doesn't change them. The first
/// argument's becomes the result's, and the stub changes neither but where it asks the clock.
pub fn put_back(
    tracee: &mut impl Tracee,
    registers: &mut Registers,
    area: Option<&Area>,
    offset: u64,
    marks: &Marks,
) -> io::Result<()> {
    let Some(area) = area else {
        // The first instruction puts two of them away.
        if offset > 0 {
            from_stack(tracee, registers, 14, below::X14)?;
        }
        return from_stack(tracee, registers, 16, below::X16);
    };
    if offset >= marks.asks {
        let [first, second, ..] = area.current_arguments();
        let result = || area.word_of(area.get(area::HEAD), event::RESULT);
        let is_behind = area.asks_behind(offset, marks);
        registers.0[0] = if is_behind { result() } else { first };
        registers.0[1] = second;
        registers.0[8] = area.current_number();
    }
    from_area(registers, area, 12, kept::X12);
    from_area(registers, area, 14, kept::X14);
    from_area(registers, area, 16, kept::X16);
    Ok(())
}

/// Two registers, from the one of that number on.
fn from_area(registers: &mut Registers, area: &Area, first: usize, at: u64) {
    registers.0[first] = area.get(at);
    registers.0[first + 1] = area.get(at + 8);
}

fn to_area(registers: &Registers, area: &Area, first: usize, at: u64) {
    area.set(at, registers.0[first]);
    area.set(at + 8, registers.0[first + 1]);
}

fn from_stack(
    tracee: &mut impl Tracee,
    registers: &mut Registers,
    first: usize,
    below: u64,
) -> io::Result<()> {
    let at = registers.stack().wrapping_sub(below);
    let pair: [u64; 2] = words(tracee, at)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    registers.0[first..first + 2].copy_from_slice(&pair);
    Ok(())
}

/// Where above the stack pointer of a handler the registers stand that it comes back to: behind
/// `struct siginfo`, and in the context (`struct rt_sigframe`, `struct sigcontext`). They stand
/// there as in [`Registers`].
const IN_FRAME: u64 = 128 + 176 + 8;

/// What a handler comes back to, of a task that stands at its first instruction.
pub fn kept_by_handler(tracee: &mut impl Tracee) -> io::Result<Registers> {
    let at = tracee.registers()?.stack().wrapping_add(IN_FRAME);
    let kept = words(tracee, at)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(Registers(kept))
}

/// Lets it come back to something else.
pub fn keep_by_handler(tracee: &mut impl Tracee, kept: &Registers) -> io::Result<()> {
    let at = tracee.registers()?.stack().wrapping_add(IN_FRAME);
    tracee.write(at, kept.0.map(u64::to_le_bytes).as_flattened())
}

/// Lets a task that stands before a call not make it.
pub fn drop_call(tracee: &mut impl Tracee, _registers: &mut Registers) -> io::Result<()> {
    tracee.set_number(-1)
}
