//! Which long poll is answered when, and with what.

use std::time::Duration;

use crate::limits::{NOOP_PAUSE, POLL_MAX};

/// The waiting GET of one session as a value; `P` is whatever it can be answered through.
///
/// Call [`Polling::wait`] for each GET, then, and whenever a packet was added or [`Polling::deadline`] has come,
/// [`Polling::reply`], and answer what it gives. Times are counted from the opening of the session.
#[derive(Debug)]
pub struct Polling<P> {
    waiting: Option<(P, Duration)>,
    probed: bool,
}

/// What a GET is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A noop: nothing to say, or a WebSocket is about to take over and polling is to rest.
    Noop,
    /// The packets there are.
    Packets,
}

/// Two GETs at a time. The first is to be told that the session is closed, the second that it was wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Overlap<P> {
    /// The one that waited.
    pub first: P,
    /// The one that came.
    pub second: P,
}

impl<P> Polling<P> {
    /// Without a GET.
    pub fn new() -> Self {
        Self {
            waiting: None,
            probed: false,
        }
    }

    /// A GET came.
    pub fn wait(&mut self, now: Duration, poll: P) -> Result<(), Overlap<P>> {
        if let Some((first, _)) = self.waiting.take() {
            return Err(Overlap {
                first,
                second: poll,
            });
        }
        self.waiting = Some((poll, now));
        Ok(())
    }

    /// The waiting GET, if it is to be answered now, and with what.
    pub fn reply(&mut self, now: Duration, packets: bool) -> Option<(P, Reply)> {
        let reply = if packets { Reply::Packets } else { Reply::Noop };
        if packets || self.deadline().is_some_and(|deadline| now >= deadline) {
            let (poll, _) = self.waiting.take()?;
            return Some((poll, reply));
        }
        None
    }

    /// When the waiting GET is answered even if there is nothing to say.
    pub fn deadline(&self) -> Option<Duration> {
        let (_, since) = self.waiting.as_ref()?;
        Some(*since + if self.probed { NOOP_PAUSE } else { POLL_MAX })
    }

    /// A WebSocket probes the session, or no longer. While it does, no GET waits for long, because the client
    /// does not change over before its GET is answered.
    pub fn probe(&mut self, probed: bool) {
        self.probed = probed;
    }

    /// The waiting GET.
    pub fn waiting(&mut self) -> Option<&mut P> {
        self.waiting.as_mut().map(|(poll, _)| poll)
    }

    /// Takes the waiting GET, to answer it otherwise.
    pub fn take(&mut self) -> Option<P> {
        self.waiting.take().map(|(poll, _)| poll)
    }
}

impl<P> Default for Polling<P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_poll_waits_for_packets_and_gets_them_once() {
        let mut polling = Polling::new();
        assert_eq!(polling.reply(SECOND, true), None);
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(polling.reply(SECOND, false), None);
        assert_eq!(polling.reply(SECOND * 2, true), Some(('a', Reply::Packets)));
        assert_eq!(polling.reply(SECOND * 2, true), None);
    }

    #[test]
    fn a_second_poll_at_a_time_is_an_overlap_and_none_waits_after_it() {
        let mut polling = Polling::new();
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(
            polling.wait(SECOND, 'b'),
            Err(Overlap {
                first: 'a',
                second: 'b'
            })
        );
        assert_eq!(polling.take(), None);
    }

    #[test]
    fn a_poll_is_answered_before_anything_on_the_way_loses_patience() {
        let mut polling = Polling::new();
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(polling.deadline(), Some(SECOND + POLL_MAX));
        assert_eq!(
            polling.reply(SECOND + POLL_MAX, false),
            Some(('a', Reply::Noop))
        );
        assert_eq!(polling.deadline(), None);
    }

    #[test]
    fn a_probe_ends_the_waiting_poll_and_later_ones_soon() {
        let mut polling = Polling::new();
        polling.wait(SECOND, 'a').unwrap();
        polling.probe(true);
        assert_eq!(polling.reply(SECOND * 2, false), Some(('a', Reply::Noop)));
        polling.wait(SECOND * 2, 'b').unwrap();
        assert_eq!(
            polling.reply(SECOND * 2, false),
            None,
            "or client and server would run in a circle"
        );
        assert_eq!(
            polling.reply(SECOND * 2 + NOOP_PAUSE, false),
            Some(('b', Reply::Noop))
        );
        polling.probe(false);
        polling.wait(SECOND * 3, 'c').unwrap();
        assert_eq!(polling.deadline(), Some(SECOND * 3 + POLL_MAX));
    }
}
