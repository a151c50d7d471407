//! How somebody outside tells a client's task that there is something to do, or has it done at once.

use std::sync::{OnceLock, Weak};

use tokio::sync::Notify;

/// One client's waker.
#[derive(Debug, Default)]
pub struct ConnectionWaker {
    task: Notify,
    /// Where a WebSocket can be served without its task. A session that polls has none.
    direct_write: OnceLock<Weak<dyn DirectWrite>>,
}

/// A WebSocket that may be served by others than its task.
pub(super) trait DirectWrite: Send + Sync {
    /// Sends what there is for the client, if nobody else is at it. Whether nothing is left for its task.
    fn try_write(&self) -> bool;
}

impl ConnectionWaker {
    /// Tells the task.
    pub fn wake(&self) {
        self.task.notify_one();
    }

    /// Sends at once what there is for the client, and leaves to the task what cannot be done at once.
    ///
    /// Never waits. To be called where [`tokio::task::unconstrained`] holds, or what is beyond the caller's budget
    /// is left to the tasks.
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

    /// Waits until it rings.
    pub(super) async fn woken(&self) {
        self.task.notified().await;
    }

    /// A WebSocket carries the session from now on.
    pub(super) fn attach(&self, direct_write: Weak<dyn DirectWrite>) {
        // Once there is one, there is never another.
        let _ = self.direct_write.set(direct_write);
    }
}
