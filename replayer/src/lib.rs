//! Replays a trace on a target: plan, prepare, execute, measure, compare.
//!
//! Knows file systems and traces, not how traces come about.

mod below;
mod cache;
mod common;
pub mod compare;
mod contain;
pub mod contest;
mod error;
pub mod estimate;
pub mod execute;
mod fence;
pub mod fit;
mod folding;
pub mod forecast;
mod limits;
pub mod mounts;
mod options;
pub mod plan;
pub mod planner;
mod play;
mod player;
pub mod preflight;
pub mod prepare;
pub mod prices;
pub mod privilege;
mod put_back;
pub mod result;
pub mod sandbox;
pub mod share;
mod side_by_side;
pub mod simulate;
mod sys;
mod timing;
mod twin;

pub use cache::{Cache, expiry, rest_before_run};
pub use error::ReplayError;
pub use fence::Fence;
pub use options::{PlayOptions, Stage};
pub use play::{Replayed, play};
pub use player::{Ended, Played, Player};
pub use timing::Timing;
