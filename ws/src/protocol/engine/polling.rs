//! When a long poll is answered, and with what.

use std::time::Duration;

use crate::limits::{NOOP_PAUSE, POLL_MAX};

/// The GET of one session that waits for packets, as a value. `P` is what it can be answered
/// through.
///
/// ClientCall [`PendingPoll::wait`] for each GET. After that, after packets were added, and at
/// [`PendingPoll::deadline`], call [`PendingPoll::reply`] and send the answer that it returns.
/// Times are counted from the opening of the session.
#[derive(Debug)]
pub struct PendingPoll<P> {
    waiting: Option<(P, Duration)>,
    probed: bool,
}

/// What a GET is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollAnswer {
    /// A noop: there are no packets, or polling has to rest because a WebSocket takes over.
    Noop,
    /// The packets that wait.
    Packets,
}

/// Two GETs at a time, which breaks Engine.IO. The first is answered with a close packet, the
/// second with an error.
#[derive(Debug, PartialEq, Eq)]
pub struct OverlappingPolls<P> {
    /// The GET that was already waiting.
    pub first: P,
    /// The GET that came second.
    pub second: P,
}

impl<P> PendingPoll<P> {
    /// A session without a waiting GET.
    pub fn new() -> Self {
        Self {
            waiting: None,
            probed: false,
        }
    }

    /// Takes a GET that waits from now on.
    pub fn wait(&mut self, now: Duration, poll: P) -> Result<(), OverlappingPolls<P>> {
        if let Some((first, _)) = self.waiting.take() {
            return Err(OverlappingPolls {
                first,
                second: poll,
            });
        }
        self.waiting = Some((poll, now));
        Ok(())
    }

    /// The waiting GET and its answer, if it is to be answered now. `packets` says whether there
    /// are any.
    pub fn reply(&mut self, now: Duration, packets: bool) -> Option<(P, PollAnswer)> {
        let reply = if packets {
            PollAnswer::Packets
        } else {
            PollAnswer::Noop
        };
        if packets || self.deadline().is_some_and(|deadline| now >= deadline) {
            let (poll, _) = self.waiting.take()?;
            return Some((poll, reply));
        }
        None
    }

    /// When the waiting GET is answered even without packets; `None` when none waits.
    pub fn deadline(&self) -> Option<Duration> {
        let (_, since) = self.waiting.as_ref()?;
        Some(*since + if self.probed { NOOP_PAUSE } else { POLL_MAX })
    }

    /// Notes that a WebSocket probes the session, or no longer does. Meanwhile no GET waits for
    /// long, because the client changes over only after its GET was answered.
    pub fn probe(&mut self, probed: bool) {
        self.probed = probed;
    }

    /// The waiting GET, if there is one.
    pub fn waiting(&mut self) -> Option<&mut P> {
        self.waiting.as_mut().map(|(poll, _)| poll)
    }

    /// Takes the waiting GET out, to be answered by the caller.
    pub fn take(&mut self) -> Option<P> {
        self.waiting.take().map(|(poll, _)| poll)
    }
}

impl<P> Default for PendingPoll<P> {
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
        let mut polling = PendingPoll::new();
        assert_eq!(polling.reply(SECOND, true), None);
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(polling.reply(SECOND, false), None);
        assert_eq!(
            polling.reply(SECOND * 2, true),
            Some(('a', PollAnswer::Packets))
        );
        assert_eq!(polling.reply(SECOND * 2, true), None);
    }

    #[test]
    fn a_second_poll_at_a_time_is_an_overlap_and_none_waits_after_it() {
        let mut polling = PendingPoll::new();
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(
            polling.wait(SECOND, 'b'),
            Err(OverlappingPolls {
                first: 'a',
                second: 'b'
            })
        );
        assert_eq!(polling.take(), None);
    }

    #[test]
    fn a_poll_is_answered_before_anything_on_the_way_loses_patience() {
        let mut polling = PendingPoll::new();
        polling.wait(SECOND, 'a').unwrap();
        assert_eq!(polling.deadline(), Some(SECOND + POLL_MAX));
        assert_eq!(
            polling.reply(SECOND + POLL_MAX, false),
            Some(('a', PollAnswer::Noop))
        );
        assert_eq!(polling.deadline(), None);
    }

    #[test]
    fn a_probe_ends_the_waiting_poll_and_later_ones_soon() {
        let mut polling = PendingPoll::new();
        polling.wait(SECOND, 'a').unwrap();
        polling.probe(true);
        assert_eq!(
            polling.reply(SECOND * 2, false),
            Some(('a', PollAnswer::Noop))
        );
        polling.wait(SECOND * 2, 'b').unwrap();
        assert_eq!(
            polling.reply(SECOND * 2, false),
            None,
            "or client and server would run in a circle"
        );
        assert_eq!(
            polling.reply(SECOND * 2 + NOOP_PAUSE, false),
            Some(('b', PollAnswer::Noop))
        );
        polling.probe(false);
        polling.wait(SECOND * 3, 'c').unwrap();
        assert_eq!(polling.deadline(), Some(SECOND * 3 + POLL_MAX));
    }
}
