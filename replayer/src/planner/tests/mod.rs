//! The planner against records made by hand.

mod borders;
mod builder;
mod descriptors;
mod hostile;
mod layers;
mod locks;
mod mounts;
mod order;
mod paths;
mod placed;
mod sequence;
mod users;
