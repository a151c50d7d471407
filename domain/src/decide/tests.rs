//! Random histories of a small shop: decided in batches they end as they do decided one by one, and what must always
//! hold holds after every operation.

mod disk;
mod histories;
