//! Random histories of a small shop: decided in batches they end as they do decided one by one, and what must always
//! hold holds after every operation.

#[expect(dead_code, reason = "the tests of store ask it for more")]
mod disk;
mod histories;
mod history;

/// Records that are loaded of a long set at a time: fewer than a real store loads, so that more passes are needed.
const CHUNK: usize = 2;
