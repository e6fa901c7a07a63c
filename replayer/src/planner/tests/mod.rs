//! The planner against records made by hand.

mod borders;
mod builder;
pub(super) mod calls;
mod descriptors;
mod fallbacks;
mod hostile;
mod layers;
mod limits;
mod locks;
mod mounts;
mod order;
mod paths;
mod placed;
mod refused;
mod sequence;
mod users;
