//! Locks on files, and what they are issued on.

use super::carriers::Carriers;
use super::locks::Locks;

/// Who holds which lock, and which descriptor carries it.
#[derive(Default)]
pub(crate) struct Locking {
    pub(crate) locks: Locks,
    pub(crate) carriers: Carriers,
}
