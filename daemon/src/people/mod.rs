//! The people and programs that use stockd, and the tokens by which they are known.

pub mod auth;
