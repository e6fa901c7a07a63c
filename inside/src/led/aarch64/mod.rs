//! aarch64: by its thread pointer.

pub mod leads;
pub mod restore;

use super::Preparation;
use crate::layout::{OWNERS, PAGE};

/// A forked process has its parent's thread pointer: of the table of owners it gets none, so that
/// it is led nowhere until it is seen.
pub fn preparation() -> Preparation {
    Preparation {
        number: libc::SYS_madvise,
        arguments: [OWNERS, PAGE, libc::MADV_WIPEONFORK as u64, 0, 0, 0],
        is_needed: true,
    }
}
