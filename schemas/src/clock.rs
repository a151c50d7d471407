//! Time as a parameter: production reads the system's clock in one place, a simulation turns its own.

pub use jiff::Timestamp;

/// Tells the wall-clock time, UTC.
///
/// Durations and deadlines are not measured with it but with `tokio::time`, which a simulation steers too.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}
