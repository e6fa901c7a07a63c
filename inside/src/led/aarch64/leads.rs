//! What leads a task to its area: its thread pointer (`tpidr_el0`), which each thread has another
//! one of. A page behind the stub's has a word for each area, with the thread pointer of the task
//! whose it is.
//!
//! A program of no C library, as Go's, has none, and doesn't look for one: it gets the address of
//! its area for that. A new task that shares its parent's memory and thread pointer, as `vfork`
//! makes it, would be led to its parent's area: so neither is led anywhere meanwhile.

use std::io;

use super::words;
use crate::arch::Registers;
use crate::layout::{AREA, AREAS, OWNERS, REGION, REGION_SIZE};
use crate::led::{Newborn, Shares};
use crate::tracee::Tracee;

/// Bytes of all owners.
const ALL: usize = 8 * AREAS;

/// The table of owners stands there.
pub const NEEDS_MEMORY: bool = true;

/// Whether a task that has no area can be led to one.
pub fn may_be(_registers: &Registers) -> bool {
    true
}

/// Leads a task to the area at an address.
pub fn to(tracee: &mut impl Tracee, _registers: &mut Registers, address: u64) -> io::Result<()> {
    let pointer = tracee.thread_pointer()?;
    forget(tracee, pointer)?;
    own(tracee, pointer, address)
}

/// Leads a task that stands still nowhere, and all that share its memory: what one that is gone has
/// left in the table would lead a thread there that nobody sees begin.
pub fn nowhere(tracee: &mut impl Tracee) -> io::Result<()> {
    let pointer = tracee.thread_pointer()?;
    if owners(tracee)?.iter().any(|owner| *owner != 0) {
        tracee.write(OWNERS, &[0; ALL])?;
    }
    if is_ours(pointer) {
        tracee.set_thread_pointer(0)?;
    }
    Ok(())
}

/// Leads a new task, which may have been led to its parent's area, to that at an address, or
/// nowhere with 0. A forked process has a table without owners (`MADV_WIPEONFORK`).
pub fn newborn(tracee: &mut impl Tracee, address: u64, shares: Shares) -> io::Result<Newborn> {
    let pointer = tracee.thread_pointer()?;
    if shares == Shares::Pointer && pointer != 0 && !is_ours(pointer) {
        forget(tracee, pointer)?;
        return Ok(Newborn::Borrows);
    }
    if shares == Shares::Memory && !is_ours(pointer) {
        // It may be that of a thread that is gone.
        forget(tracee, pointer)?;
    }
    if address != 0 {
        own(tracee, pointer, address)?;
    } else if is_ours(pointer) {
        tracee.set_thread_pointer(0)?;
    }
    Ok(Newborn::Led)
}

/// Whether a task that was led to an area is still: its C library may have given it its thread
/// pointer since.
pub fn still_to(tracee: &mut impl Tracee, address: u64) -> bool {
    let index = index(address);
    let owner = owners(tracee).map(|owners| owners.get(index).copied());
    let pointer = tracee.thread_pointer();
    matches!((owner, pointer), (Ok(Some(owner)), Ok(pointer)) if owner == pointer && pointer != 0)
}

/// Whether a thread pointer is one that was made here.
fn is_ours(pointer: u64) -> bool {
    (REGION..REGION + REGION_SIZE).contains(&pointer)
}

fn index(address: u64) -> usize {
    (address.wrapping_sub(REGION) / AREA) as usize
}

fn word(index: usize) -> u64 {
    OWNERS + 8 * index as u64
}

/// Makes the area at an address a task's own. `pointer`: its thread pointer.
fn own(tracee: &mut impl Tracee, pointer: u64, address: u64) -> io::Result<()> {
    let owner = if pointer == 0 || is_ours(pointer) {
        tracee.set_thread_pointer(address)?;
        address
    } else {
        pointer
    };
    tracee.write(word(index(address)), &owner.to_le_bytes())
}

/// All owners; zero where the stub is not mapped.
fn owners(tracee: &mut impl Tracee) -> io::Result<[u64; AREAS]> {
    Ok(words(tracee, OWNERS)?.unwrap_or([0; AREAS]))
}

/// No area is of a task with that thread pointer any more.
fn forget(tracee: &mut impl Tracee, pointer: u64) -> io::Result<()> {
    for (index, owner) in owners(tracee)?.into_iter().enumerate() {
        if owner == pointer && pointer != 0 {
            tracee.write(word(index), &[0; 8])?;
        }
    }
    Ok(())
}
