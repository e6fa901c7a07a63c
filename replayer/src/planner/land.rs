//! The recorded tree: what is where now, what of it was there at first, and how much room what the
//! replay makes takes.

use fsreplay_trace::model::Mount;

use super::hash::FastMap;
use super::initial::Initial;
use super::layers::Layers;
use super::mounts::Mounts;
use super::records::NodeCache;
use super::space::Room;
use super::tree::Tree;
use super::unmade::Unmade;

/// The recorded tree.
pub(crate) struct Land {
    pub(crate) tree: Tree,
    pub(crate) initial: Initial,
    pub(crate) room: Room,
    pub(crate) layers: Layers,
    pub(crate) mounts: Mounts,
    pub(crate) unmade: Unmade,
    /// Inodes of the recorded link groups.
    pub(super) groups: FastMap<u64, u32>,
    pub(super) nodes: NodeCache,
}

impl Land {
    /// With a tree in which areas are marked, for the mounts of the recorded machine.
    pub(crate) fn new(tree: Tree, mounts: &[Mount]) -> Land {
        Land {
            tree,
            initial: Initial::default(),
            room: Room::default(),
            layers: Layers::new(mounts),
            mounts: Mounts::default(),
            unmade: Unmade::default(),
            groups: FastMap::default(),
            nodes: NodeCache::default(),
        }
    }
}
