//! aarch64: by its thread pointer.

pub mod leads;
pub mod restore;
