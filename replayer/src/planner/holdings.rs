//! Who has what open: tasks and whom they ask as, descriptors and what they lead to, mappings.

use fsreplay_trace::model::Header;

use super::fds::Descriptors;
use super::inherited::Inherited;
use super::mappings::Mappings;
use super::pipes::Pipes;
use super::processes::Processes;
use super::users::Users;
use crate::plan::InitialFd;

/// What tasks have.
pub(crate) struct Holdings {
    pub(crate) procs: Processes,
    pub(crate) fds: Descriptors,
    pub(crate) pipes: Pipes,
    pub(crate) maps: Mappings,
    pub(crate) users: Users,
    pub(crate) inherited: Inherited,
    /// Descriptors of the replay that are open before its first op.
    pub(crate) initial_fds: Vec<InitialFd>,
}

impl Holdings {
    /// Nobody has anything. The first slots are those of the roots. `waits_are_told` is that of
    /// [`Pipes::new`].
    pub(crate) fn new(header: &Header, roots: usize, waits_are_told: bool) -> Holdings {
        Holdings {
            procs: Processes::default(),
            fds: Descriptors::new(roots),
            pipes: Pipes::new(waits_are_told),
            maps: Mappings::default(),
            users: Users::new(header),
            inherited: Inherited::default(),
            initial_fds: Vec::new(),
        }
    }
}
