//! What leads a task to its area: its `gs` base. A new task has its parent's.

use std::io;

use crate::arch::Registers;
use crate::layout::{REGION, REGION_SIZE};
use crate::led::{Newborn, Shares};
use crate::tracee::Tracee;

/// Registers are enough.
pub const NEEDS_MEMORY: bool = false;

/// Whether a task that has no area can be led to one.
pub fn may_be(registers: &Registers) -> bool {
    !registers.uses_segment()
}

/// Leads a task to the area at an address, by registers that are still to be set.
pub fn to(_tracee: &mut impl Tracee, registers: &mut Registers, address: u64) -> io::Result<()> {
    registers.set_segment(address);
    Ok(())
}

/// Leads a task that stands still nowhere.
pub fn nowhere(tracee: &mut impl Tracee) -> io::Result<()> {
    newborn(tracee, 0, Shares::Nothing).map(drop)
}

/// Leads a new task, which may have been led to its parent's area, to that at an address, or
/// nowhere with 0. One whose parent had no area gets none.
pub fn newborn(tracee: &mut impl Tracee, address: u64, _shares: Shares) -> io::Result<Newborn> {
    let mut registers = tracee.registers()?;
    if !(REGION..REGION + REGION_SIZE).contains(&registers.segment()) {
        return Ok(Newborn::Stays);
    }
    registers.set_segment(address);
    tracee.set_registers(&registers)?;
    Ok(Newborn::Led)
}

/// Whether a task that was led to an area is still.
pub fn still_to(_tracee: &mut impl Tracee, _address: u64) -> bool {
    // Nothing takes it from the task but the task itself.
    true
}
