//! The heartbeat: when to ping, and when to give a client up.

use std::time::Duration;

/// The timer of one connection's heartbeat. Times are counted from the opening of the connection.
#[derive(Debug)]
pub struct HeartbeatTimer {
    interval: Duration,
    timeout: Duration,
    next: HeartbeatPhase,
}

#[derive(Debug)]
enum HeartbeatPhase {
    Ping(Duration),
    Death(Duration),
}

/// What the heartbeat asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatAction {
    /// The pong did not come in time: close the connection.
    Dead,
    /// Send a ping to the client.
    Ping,
}

impl HeartbeatTimer {
    /// The timer of a connection that opens now.
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        Self {
            interval,
            timeout,
            next: HeartbeatPhase::Ping(interval),
        }
    }

    /// When [`HeartbeatTimer::beat`] is to be called next.
    pub fn deadline(&self) -> Duration {
        match self.next {
            HeartbeatPhase::Ping(at) | HeartbeatPhase::Death(at) => at,
        }
    }

    /// What is due by now; each ping is returned once.
    pub fn beat(&mut self, now: Duration) -> Option<HeartbeatAction> {
        match self.next {
            HeartbeatPhase::Ping(at) if now >= at => {
                self.next = HeartbeatPhase::Death(now + self.timeout);
                Some(HeartbeatAction::Ping)
            }
            HeartbeatPhase::Death(at) if now >= at => Some(HeartbeatAction::Dead),
            _ => None,
        }
    }

    /// Takes a pong. One without a ping before it changes nothing.
    pub fn pong(&mut self, now: Duration) {
        if let HeartbeatPhase::Death(_) = self.next {
            self.next = HeartbeatPhase::Ping(now + self.interval);
        }
    }

    /// Gives the client its full time again, because it was not read from and so could not be
    /// heard.
    pub fn excuse(&mut self, now: Duration) {
        if let HeartbeatPhase::Death(at) = &mut self.next {
            *at = (*at).max(now + self.timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_answers_lives_and_one_that_does_not_dies() {
        let seconds = Duration::from_secs;
        let mut heart = HeartbeatTimer::new(seconds(25), seconds(60));
        assert_eq!(heart.beat(seconds(24)), None);
        assert_eq!(heart.beat(seconds(25)), Some(HeartbeatAction::Ping));
        assert_eq!(heart.beat(seconds(26)), None);
        heart.pong(seconds(30));
        assert_eq!(heart.deadline(), seconds(55));
        assert_eq!(heart.beat(seconds(55)), Some(HeartbeatAction::Ping));
        assert_eq!(heart.beat(seconds(114)), None);
        assert_eq!(heart.beat(seconds(115)), Some(HeartbeatAction::Dead));
    }

    #[test]
    fn an_unasked_pong_does_not_postpone_the_ping() {
        let mut heart = HeartbeatTimer::new(Duration::from_secs(25), Duration::from_mins(1));
        heart.pong(Duration::from_secs(24));
        assert_eq!(
            heart.beat(Duration::from_secs(25)),
            Some(HeartbeatAction::Ping)
        );
    }
}
