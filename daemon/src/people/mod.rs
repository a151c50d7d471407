//! The people and programs that use stockd, and the tokens by which they are known.

pub(crate) mod accounts;
pub mod auth;
pub(crate) mod password;
mod throttle;
