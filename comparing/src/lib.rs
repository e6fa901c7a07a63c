//! Compares mounts by what a recorded tool would take on each, and finds what to move: what the
//! commands `compare` and `advise` of fsreplay do, without arguments and terminal.
//!
//! A [`Source`] says where a trace is, and [`Described`] what it says of itself. [`compare`] plays
//! it on several targets in turn, and [`advise`] tries where its directories could go. Both give a
//! result ([`Compare`], [`Advise`]), which [`Document`] writes as JSON. What options, observers and
//! errors are made of is exported here, so that a caller needs no other crate of fsreplay.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use fsreplay_compare::{Described, Given, Options, Source, compare};
//!
//! let described = Described::read(&Source::file("trace.zst"))?;
//! let options = Options {
//!     targets: vec![Given::named("disk", "/var/tmp"), Given::named("memory", "/dev/shm")],
//!     ..Options::default()
//! };
//! let found = compare(described, &options, &(), &AtomicBool::new(false))?;
//! for target in &found.result.targets {
//!     let ratio = &target.ratio;
//!     println!("{}: {:.2} times as long, {}", target.name, ratio.estimate.value, ratio.verdict);
//! }
//! # Ok::<(), fsreplay_compare::Error>(())
//! ```
//!
//! # What a program has to know
//!
//! - A replay makes a tree in a directory of its own in each target, and removes it. What can't be
//!   removed is in `left` of what is found. Where nothing is found ([`Error::Stopped`]), it is told
//!   by a warning of `tracing`.
//! - It clears the umask of the whole process meanwhile: one comparison at a time, and nothing
//!   beside it that makes files.
//! - Under a limit on file sizes the kernel sends SIGXFSZ, which ends a process that doesn't ignore
//!   or handle it.
//! - Texts in results (a sentence, caveats, reasons) and errors of a trace name options of the
//!   program, such as `--precise` and `--limit`.
#![forbid(unsafe_code)]

mod advise;
pub mod caveats;
mod comparison;
mod described;
mod error;
mod machine;
mod measured;
mod measuring;
mod moved;
mod observer;
mod options;
mod origin;
pub mod places;
pub mod planning;
mod rank;
mod result;
mod sentence;
pub mod share;
mod source;
mod targets;

pub use advise::{Advice, advise};
pub use comparison::{Compared, compare};
pub use described::{Described, Read, read};
pub use error::{DirectoryError, Error};
pub use fsreplay_replayer::mounts::SurveyError;
pub use fsreplay_replayer::planner::PlanError;
pub use fsreplay_replayer::{Cache, ReplayError, Stage, Timing};
pub use fsreplay_results::advise::Advise;
pub use fsreplay_results::compare::Compare;
pub use fsreplay_results::{Document, Verdict};
pub use fsreplay_trace::format::TraceError;
pub use machine::machine;
pub use measuring::BUDGET;
pub use observer::{Extent, Observer, SoFar};
pub use options::{AdviceOptions, Given, Moved, Options};
pub use source::Source;
