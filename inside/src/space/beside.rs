//! Sites that are written while others may be executing them.

use super::{Space, prepare};
use crate::arch::sites::{AT_ONCE, BREAKPOINT, Patch};
use crate::layout::STUB;
use crate::led::{self, Preparation};
use crate::refused::Refused;
use crate::tracee::Tracee;

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE`.
const SYNC_CORE: u64 = 1 << 5;

impl Space {
    /// Whether text that others may be executing can be changed without much ado.
    pub fn may_change_beside_others(&self) -> bool {
        AT_ONCE || self.may_synchronize
    }

    /// Writes instructions that others may be executing, as the kernel does with its own text: the
    /// first byte apart from the others, and each processor that runs this memory has forgotten
    /// what it fetched before the next step. The first is a breakpoint: who comes by stops there,
    /// and is sent back once it is done.
    pub(super) fn write_beside_others(
        &mut self,
        tracee: &mut impl Tracee,
        patch: &Patch,
    ) -> Result<(), Refused> {
        if !self.may_synchronize {
            self.may_synchronize_now(tracee)?;
            self.may_synchronize = true;
        }
        let Patch {
            at, before, after, ..
        } = patch;
        self.breakpoints.insert(*at, patch.clone());
        tracee.write(*at, &[BREAKPOINT])?;
        let synchronized = self.synchronize(tracee);
        if let Err(error) = synchronized {
            tracee.write(*at, &before[..1])?;
            return Err(error);
        }
        tracee.write(at + 1, &after[1..])?;
        // It worked once; and where it doesn't, the breakpoint has to go all the same.
        let synchronized = self.synchronize(tracee);
        tracee.write(*at, &after[..1])?;
        synchronized
    }

    /// Tells the kernel that this memory will ask for `membarrier`.
    pub(super) fn may_synchronize_now(&self, tracee: &mut impl Tracee) -> Result<(), Refused> {
        self.prepared(tracee, led::preparation())
    }

    /// Lets all processors that run this memory fetch its instructions anew.
    fn synchronize(&self, tracee: &mut impl Tracee) -> Result<(), Refused> {
        let barrier = Preparation {
            name: "membarrier",
            number: libc::SYS_membarrier,
            arguments: [SYNC_CORE, 0, 0, 0, 0, 0],
            is_needed: true,
        };
        self.prepared(tracee, barrier)
    }

    fn prepared(&self, tracee: &mut impl Tracee, wanted: Preparation) -> Result<(), Refused> {
        let before = tracee.registers()?;
        prepare(tracee, &before, STUB + self.marks.call, wanted)
    }

    /// The instruction that had a breakpoint while it was written, if a task came by that: `next`
    /// is behind it. A breakpoint that is still there was left by a task that was killed in the
    /// middle.
    pub fn came_by(&self, tracee: &mut impl Tracee, next: u64) -> Option<u64> {
        let at = next.checked_sub(1).filter(|_| !AT_ONCE)?;
        let Patch { before, after, .. } = self.breakpoints.get(&at)?;
        let mut bytes = vec![0; before.len()];
        let length = tracee.read(at, &mut bytes).ok()?;
        if length == bytes.len() && bytes[0] == BREAKPOINT {
            let is_old = bytes[1..] == before[1..];
            let first = if is_old { before[0] } else { after[0] };
            tracee.write(at, &[first]).ok()?;
        }
        Some(at)
    }
}
