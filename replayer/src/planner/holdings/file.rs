//! What a descriptor of a call leads to.

use crate::plan::Slot;

/// A descriptor argument that leads into the replayed tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) slot: Slot,
    pub(crate) handle: u32,
    /// Its description, [`NONE`](super::super::land::tree::NONE) for a descriptor that the call
    /// found bad.
    pub(crate) description: u32,
    pub(crate) ino: u32,
    pub(crate) mount: u16,
}
