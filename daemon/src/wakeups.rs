//! Who wakes whom. A signal says that there may be something to do, never what: its receiver looks. So many signals may
//! become one, and every receiver has a timer as well.

use tokio::sync::watch;

/// A named reason to look for work. Signals that nobody has seen yet are one.
#[derive(Debug)]
pub(crate) struct Signal(watch::Sender<()>);

/// The receiving end of a [`Signal`].
#[derive(Debug, Clone)]
pub(crate) struct Wakeup(watch::Receiver<()>);

/// The signals of the whole daemon.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    /// A webhook was put into the inbox: wakes the intake.
    pub(crate) delivery_arrived: Signal,
    /// Records may have become dirty: wakes the refreshers.
    pub(crate) record_dirty: Signal,
    /// A command was given: wakes the outbox senders.
    pub(crate) command_given: Signal,
}

/// The signals of one shop.
#[derive(Debug, Default)]
pub(crate) struct ShopWakeups {
    /// Shopify says that a bulk operation has ended: wakes the full run that waits for it.
    pub(crate) bulk_ended: Signal,
    /// The app's scopes may have changed: wakes whoever compares scopes and subscriptions.
    pub(crate) scopes_changed: Signal,
}

impl Default for Signal {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Signal {
    pub(crate) fn send(&self) {
        self.0.send_replace(());
    }

    /// A receiver of every signal from now on.
    pub(crate) fn subscribe(&self) -> Wakeup {
        Wakeup(self.0.subscribe())
    }
}

impl Wakeup {
    /// Forgets signals up to now. Called before looking for work, so that what comes while looking is not slept over.
    pub(crate) fn clear(&mut self) {
        self.0.mark_unchanged();
    }

    /// Waits for a signal since the last [`Wakeup::clear`] or the last one received; for ever once nobody can send any.
    pub(crate) async fn received(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_comes_while_looking_is_not_slept_over_and_many_signals_are_one() {
        let signal = Signal::default();
        let mut wakeup = signal.subscribe();
        signal.send();
        wakeup.clear();
        assert!(wakeup.received().now_or_never().is_none());
        signal.send();
        signal.send();
        wakeup.received().await;
        assert!(wakeup.received().now_or_never().is_none());
        drop(signal);
        assert!(wakeup.received().now_or_never().is_none());
    }
}
