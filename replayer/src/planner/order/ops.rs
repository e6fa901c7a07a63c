//! The ops of a plan, each once: a tool does the same again and again.

use std::hash::BuildHasher;

use super::super::hash::{RawIndex, Seed};
use crate::plan::{Op, Step};

/// Ops and where each stands.
#[derive(Default)]
pub(crate) struct OpTable {
    ops: Vec<Op>,
    index: RawIndex,
    seed: Seed,
    full: bool,
}

impl OpTable {
    /// Whether more ops came than steps can tell; the plan is refused then.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        // An index is between three eighths and three quarters full.
        self.ops.len().saturating_mul(size_of::<Op>() + 16)
    }

    /// An op that was interned.
    pub(crate) fn get(&self, op: usize) -> &Op {
        &self.ops[op]
    }

    /// The step that does an op; none if there are too many.
    #[inline]
    pub(crate) fn intern(&mut self, op: Op) -> Option<Step> {
        let hash = self.seed.hash_one(op) as u32;
        if let Some(found) = self.index.find(hash, |at| self.ops[at as usize] == op) {
            return Step::of(found as usize);
        }
        let Some(step) = Step::of(self.ops.len()) else {
            self.full = true;
            return None;
        };
        self.index.insert(hash, self.ops.len() as u32);
        self.ops.push(op);
        Some(step)
    }

    /// The ops, by index.
    pub(crate) fn into_ops(mut self) -> Vec<Op> {
        self.ops.shrink_to_fit();
        self.ops
    }
}
