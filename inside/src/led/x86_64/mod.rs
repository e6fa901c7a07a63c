//! x86_64: by its `gs` base.

pub mod leads;
pub mod restore;
