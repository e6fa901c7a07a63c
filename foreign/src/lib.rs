//! Traces from what other tools have recorded, and for what other tools read.
//!
//! [`strace`] makes a trace of a log that `strace` wrote. It knows no kernel and opens no file but
//! what it is given: all comes from the log's text. [`export`] writes a trace in other forms.
#![forbid(unsafe_code)]

pub mod export;
pub mod strace;
