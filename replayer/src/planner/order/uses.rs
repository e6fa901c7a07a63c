//! What ops use: that is what orders them.

use super::{OrderRule, Side};

/// No inode, no entry, no name.
pub(crate) const NONE: u32 = u32::MAX;

/// Something that orders calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Contents and metadata of an inode.
    Inode(u32),
    /// A name in a directory.
    Dent(u32),
    /// A directory's place in the tree.
    Place(u32),
    /// What a directory holds.
    Members(u32),
    /// A descriptor of the replay.
    Slot(u32),
    /// The offset of an open file description, by handle.
    Offset(u32),
    /// A memory map.
    Map(u32),
}

impl Resource {
    /// Which of the ops that use it are put in order.
    pub(crate) fn timing(self) -> OrderRule {
        match self {
            // Names are taken in an order that explains what the calls found; so it is kept even
            // where they overlapped.
            Resource::Dent(_) | Resource::Place(_) => OrderRule::Always,
            // The replay's own: it must be there while it is used.
            Resource::Slot(_) | Resource::Map(_) => OrderRule::Always,
            Resource::Inode(_) | Resource::Members(_) | Resource::Offset(_) => OrderRule::Returned,
        }
    }
}

/// A resource, and how it is used.
pub(crate) type Use = (Resource, Side);

/// All that the event being planned uses, in the order in which that was found.
#[derive(Default)]
pub(crate) struct Uses {
    all: Vec<Use>,
    /// Events that had returned when the one being planned had.
    pub(crate) now: u32,
}

impl Uses {
    /// The event that returned as the `now`th is planned.
    pub(crate) fn begin(&mut self, now: u32) {
        self.clear();
        self.now = now;
    }

    #[inline]
    pub(crate) fn add(&mut self, resource: Resource, side: Side) {
        self.all.push((resource, side));
    }

    /// It looks at or changes an inode, if it found one.
    pub(crate) fn inode(&mut self, ino: u32, side: Side) {
        if ino != NONE {
            self.add(Resource::Inode(ino), side);
        }
    }

    /// It uses a slot.
    #[inline]
    pub(crate) fn slot(&mut self, slot: u32, side: Side) {
        self.add(Resource::Slot(slot), side);
    }

    /// It moves the offset of an open file description, or depends on it.
    pub(crate) fn offset(&mut self, description: u32) {
        if description != NONE {
            self.add(Resource::Offset(description), Side::Write);
        }
    }

    /// It uses nothing, after all.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    pub(crate) fn all(&self) -> &[Use] {
        &self.all
    }

    /// What it uses, whichever way.
    pub(crate) fn resources(&self) -> impl Iterator<Item = Resource> + use<'_> {
        self.all.iter().map(|(resource, _)| *resource)
    }

    /// What it doesn't only look at.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Resource> + use<'_> {
        let changing = self.all.iter().filter(|(_, side)| *side != Side::Read);
        changing.map(|(resource, _)| *resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_the_replays_own_keep_their_order_where_calls_overlapped() {
        for resource in [
            Resource::Dent(1),
            Resource::Place(1),
            Resource::Slot(1),
            Resource::Map(1),
        ] {
            assert_eq!(resource.timing(), OrderRule::Always, "{resource:?}");
        }
        for resource in [
            Resource::Inode(1),
            Resource::Members(1),
            Resource::Offset(1),
        ] {
            assert_eq!(resource.timing(), OrderRule::Returned, "{resource:?}");
        }
    }

    #[test]
    fn what_is_looked_at_is_used_and_not_changed() {
        let mut uses = Uses::default();
        uses.add(Resource::Dent(1), Side::Read);
        uses.add(Resource::Inode(2), Side::Write);
        uses.add(Resource::Members(3), Side::Join);
        assert_eq!(uses.resources().count(), 3);
        let changed: Vec<Resource> = uses.changed().collect();
        assert_eq!(changed, [Resource::Inode(2), Resource::Members(3)]);
        uses.clear();
        assert!(uses.all().is_empty());
    }
}
