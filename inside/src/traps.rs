//! What a breakpoint does to a task that blocks or ignores its signal.
//!
//! Where `SIGTRAP` is blocked or ignored, the kernel sends it all the same: it takes the signal
//! from the mask, and the process's handler away. The mask can be put back.

use crate::tracee::{Signals, Tracee};

/// `SIGTRAP` in a mask.
const TRAP: u64 = 1 << (libc::SIGTRAP - 1);
/// Masks with more signals mean all of them: libraries block all for a moment when they make a
/// thread or a process.
const MANY: u32 = 32;

/// What is to be done for a task that came by a breakpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterTrap {
    /// Nothing: it takes the signal, and if it blocks many others, then not this one.
    #[default]
    Nothing,
    /// It took the signal a moment ago, or blocked all. If it blocks all others now, it did so with
    /// this one.
    BlockIfAll,
    /// It blocked the signal.
    Block,
}

/// What a breakpoint would ask for; `None` if what the kernel changes can't be put back.
pub fn after_trap(signals: Signals) -> Option<AfterTrap> {
    let has = |mask: u64| mask & TRAP != 0;
    if has(signals.ignored) || (has(signals.blocked) && has(signals.caught)) {
        return None;
    }
    let blocks_many = signals.blocked.count_ones() > MANY;
    Some(if has(signals.blocked) == blocks_many {
        // It blocks all, which may be for a moment; or few others, and may block all soon.
        AfterTrap::BlockIfAll
    } else if blocks_many {
        AfterTrap::Nothing
    } else {
        AfterTrap::Block
    })
}

impl AfterTrap {
    /// The task may stand at a breakpoint that nothing was made of yet, and its mask lack the
    /// signal for that: only what was told `before` any counts then.
    pub fn unless_it_stands(self, before: Option<AfterTrap>) -> AfterTrap {
        match (self, before) {
            (AfterTrap::Nothing, Some(AfterTrap::Block | AfterTrap::BlockIfAll)) => {
                AfterTrap::BlockIfAll
            }
            _ => self,
        }
    }

    /// Puts the mask of a task back that came by a breakpoint.
    pub fn put_right(self, tracee: &mut impl Tracee) {
        // Fails only where the task is gone.
        let Ok(mask) = tracee.signal_mask() else {
            return;
        };
        let blocked = match self {
            AfterTrap::Nothing => false,
            AfterTrap::BlockIfAll => mask.count_ones() > MANY,
            AfterTrap::Block => true,
        };
        if blocked {
            let _ = tracee.set_signal_mask(mask | TRAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_t_be_put_back_is_left_alone() {
        let signals = |blocked, ignored, caught| Signals {
            blocked,
            ignored,
            caught,
        };
        assert_eq!(after_trap(signals(0, 0, 0)), Some(AfterTrap::BlockIfAll));
        assert_eq!(after_trap(signals(0, 0, TRAP)), Some(AfterTrap::BlockIfAll));
        assert_eq!(after_trap(signals(TRAP, 0, 0)), Some(AfterTrap::Block));
        assert_eq!(after_trap(signals(!TRAP, 0, 0)), Some(AfterTrap::Nothing));
        assert_eq!(after_trap(signals(!0, 0, 0)), Some(AfterTrap::BlockIfAll));
        assert_eq!(after_trap(signals(TRAP, 0, TRAP)), None);
        assert_eq!(after_trap(signals(0, TRAP, 0)), None);
    }
}
