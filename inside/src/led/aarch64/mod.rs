//! aarch64: by its thread pointer.

pub mod leads;
pub mod restore;

use std::io;

use super::Preparation;
use crate::layout::{OWNERS, PAGE};
use crate::tracee::Tracee;

/// A forked process has its parent's thread pointer: of the table of owners it gets none, so that
/// it is led nowhere until it is seen.
pub fn preparation() -> Preparation {
    Preparation {
        name: "madvise",
        number: libc::SYS_madvise,
        arguments: [OWNERS, PAGE, libc::MADV_WIPEONFORK as u64, 0, 0, 0],
        is_needed: true,
    }
}

/// Words of a task's memory; `None` if they are not all there.
fn words<const N: usize>(tracee: &mut impl Tracee, at: u64) -> io::Result<Option<[u64; N]>> {
    let mut bytes = [[0; 8]; N];
    let got = tracee.read(at, bytes.as_flattened_mut())?;
    Ok((got == 8 * N).then(|| bytes.map(u64::from_le_bytes)))
}
