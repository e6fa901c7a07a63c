//! x86_64: by its `gs` base.

pub mod leads;
pub mod restore;

use super::Preparation;

/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE`: it says that the process will ask for
/// `membarrier`, which costs nothing as long as it has no threads.
pub fn preparation() -> Preparation {
    Preparation {
        name: "membarrier",
        number: libc::SYS_membarrier,
        arguments: [1 << 6, 0, 0, 0, 0, 0],
        is_needed: false,
    }
}
