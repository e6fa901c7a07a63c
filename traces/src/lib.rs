//! The model of a trace and its file format.
//!
//! This crate knows what was recorded and how it is stored; it knows no kernel, issues no
//! system call beyond reading and writing the trace file, and decides nothing: a better
//! planner must be able to re-plan an old trace.
#![forbid(unsafe_code)]

pub mod abi;
pub mod anonymize;
pub mod build;
pub mod call;
pub mod format;
pub mod imported;
pub mod maps;
pub mod model;
pub mod returned;
