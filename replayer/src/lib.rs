//! Replays a trace on a target: plan, prepare, execute, measure, compare.
//!
//! Knows file systems and traces, not how traces come about.

pub mod plan;
