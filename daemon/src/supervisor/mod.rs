//! The health of the daemon's parts: what stands still, and what a person should know of.

pub(crate) mod problems;
pub(crate) mod stall;
