//! Hostile traces: made by hand or by thousands, and played beside a directory of canaries.
//!
//! - `script`, `text`: traces as a text that people can write and read
//! - `assemble`: from a script to the bytes of a trace file
//! - `choices`, `generate`: from a number to a script that tries to get out
//! - `texts`: those that were made by hand
//! - `inputs`: all that fsreplay reads from elsewhere, for fuzzers
//! - `field`: replays in the process of a fuzzer
//! - `seeds`: where fuzzers begin
//! - `arena`: the target, and the canaries beside it
//! - `cage`: a mount namespace in which a breach can't do harm
//! - `worker`: plays scripts in a process of its own, through the replayer's library
//! - `supervisor`: gives scripts to workers, and looks at the canaries after each
//!
//! Touches nothing but its arena; needs no network.

#![forbid(unsafe_code)]

pub mod arena;
pub mod assemble;
pub mod cage;
pub mod choices;
pub mod field;
pub mod generate;
pub mod inputs;
pub mod script;
pub mod seeds;
pub mod supervisor;
pub mod text;
pub mod texts;
pub mod worker;
