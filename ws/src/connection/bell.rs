//! How somebody outside tells a client's task that there is something to do, or has it done at once.

use std::sync::{OnceLock, Weak};

use tokio::sync::Notify;

/// One client's bell.
#[derive(Debug, Default)]
pub struct Bell {
    task: Notify,
    /// Where a WebSocket can be served without its task. A session that polls has none.
    line: OnceLock<Weak<dyn Line>>,
}

/// A WebSocket that may be served by others than its task.
pub(super) trait Line: Send + Sync {
    /// Sends what there is for the client, if nobody else is at it. Whether nothing is left for its task.
    fn serve(&self) -> bool;
}

impl Bell {
    /// Tells the task.
    pub fn ring(&self) {
        self.task.notify_one();
    }

    /// Sends at once what there is for the client, and leaves to the task what cannot be done at once.
    ///
    /// Never waits. To be called where [`tokio::task::unconstrained`] holds, or what is beyond the caller's budget
    /// is left to the tasks.
    pub fn serve(&self) {
        if !self
            .line
            .get()
            .and_then(Weak::upgrade)
            .is_some_and(|line| line.serve())
        {
            self.ring();
        }
    }

    /// Waits until it rings.
    pub(super) async fn rung(&self) {
        self.task.notified().await;
    }

    /// A WebSocket carries the session from now on.
    pub(super) fn connect(&self, line: Weak<dyn Line>) {
        // Once there is one, there is never another.
        let _ = self.line.set(line);
    }
}
