//! Who uses what: an op, and whether it looks or changes.

/// An op: lane and index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpId {
    pub(crate) lane: u32,
    pub(crate) op: u32,
}

/// Which side of a resource an access is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It looks, or is one of the accesses that don't order each other.
    Read,
    /// It changes.
    Write,
    /// It changes something together with others that don't mind each other: entries of one
    /// directory.
    Join,
}

/// A lane's access.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) id: OpId,
    pub(crate) side: Side,
}
