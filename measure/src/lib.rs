//! A room for measuring: who is faster, how sure is that, and when may one stop looking?
//!
//! Knows neither file systems nor replays. Someone who has several contestants implements
//! [`contest::Rig`], and [`contest::contest`] plays them in turn until every verdict stands or the
//! budget is spent. A busy machine is the normal case: estimates bear rounds that took three times
//! as long, and what can't be told is called that.
#![forbid(unsafe_code)]

pub mod contest;
pub mod estimate;
pub mod machine;
pub mod sample;
pub mod simulated;
pub mod verdict;
