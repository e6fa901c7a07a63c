//! Whether the replaying user may do what only root may.

use rustix::thread::{CapabilitySet, capabilities};

/// What a replay makes use of as root: it gives files to the users that had them, and passes by
/// permissions as they could (capabilities(7)).
const NEEDED: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID);

/// Whether this thread is root's, and has not been deprived of root's capabilities, as in a
/// container that was started with `--cap-drop ALL`.
pub fn acts_as_root() -> bool {
    let may = capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED));
    rustix::process::geteuid().is_root() && may
}
