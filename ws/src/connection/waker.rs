//! Wakes the task of a connection when there is something to do for it, or does it at once from the
//! caller's thread.

use std::sync::{OnceLock, Weak};

use tokio::sync::Notify;

/// The waker of one connection.
#[derive(Debug, Default)]
pub struct ConnectionWaker {
    task: Notify,
    /// The WebSocket that can be written to without its task; empty while the session polls. Weak,
    /// because the WebSocket owns this waker through its session.
    direct_write: OnceLock<Weak<dyn DirectWrite>>,
}

/// A WebSocket to which others than its task may write.
pub(super) trait DirectWrite: Send + Sync {
    /// Writes what there is for the client, unless somebody else is just doing so. Returns whether
    /// nothing is left for the task.
    fn try_write(&self) -> bool;
}

impl ConnectionWaker {
    /// Wakes the connection's task.
    pub fn wake(&self) {
        self.task.notify_one();
    }

    /// Writes at once what there is for the client, and wakes the task for what cannot be done at
    /// once.
    ///
    /// Never waits. It is to be called inside [`tokio::task::unconstrained`]; otherwise tokio
    /// answers `Pending` once the caller's budget is used up, and the rest is left to the tasks.
    pub fn write_now(&self) {
        if !self
            .direct_write
            .get()
            .and_then(Weak::upgrade)
            .is_some_and(|direct_write| direct_write.try_write())
        {
            self.wake();
        }
    }

    /// Waits until the task is woken.
    pub(super) async fn woken(&self) {
        self.task.notified().await;
    }

    /// Names the WebSocket that carries the session from now on.
    pub(super) fn attach(&self, direct_write: Weak<dyn DirectWrite>) {
        // A session changes to a WebSocket once and never back, so the cell is still empty.
        let _ = self.direct_write.set(direct_write);
    }
}
