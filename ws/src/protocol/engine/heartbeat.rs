//! When to ping and when to give up.

use std::time::Duration;

/// When to ping and when to give up. Times are counted from the opening of the connection.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Ping(Duration),
    Death(Duration),
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// The pong did not come in time.
    Dead,
    /// Send a ping.
    Ping,
}

impl Heartbeat {
    /// Of a connection that opens now.
    pub fn new(interval: Duration, timeout: Duration) -> Self {
        Self {
            interval,
            timeout,
            next: Next::Ping(interval),
        }
    }

    /// When [`Heartbeat::beat`] has something to say.
    pub fn deadline(&self) -> Duration {
        match self.next {
            Next::Ping(at) | Next::Death(at) => at,
        }
    }

    /// What is due by now; a ping is told once.
    pub fn beat(&mut self, now: Duration) -> Option<Beat> {
        match self.next {
            Next::Ping(at) if now >= at => {
                self.next = Next::Death(now + self.timeout);
                Some(Beat::Ping)
            }
            Next::Death(at) if now >= at => Some(Beat::Dead),
            _ => None,
        }
    }

    /// A pong came. An unasked one changes nothing.
    pub fn pong(&mut self, now: Duration) {
        if let Next::Death(_) = self.next {
            self.next = Next::Ping(now + self.interval);
        }
    }

    /// The client was not listened to, so its silence means nothing.
    pub fn excuse(&mut self, now: Duration) {
        if let Next::Death(at) = &mut self.next {
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
        let mut heart = Heartbeat::new(seconds(25), seconds(60));
        assert_eq!(heart.beat(seconds(24)), None);
        assert_eq!(heart.beat(seconds(25)), Some(Beat::Ping));
        assert_eq!(heart.beat(seconds(26)), None);
        heart.pong(seconds(30));
        assert_eq!(heart.deadline(), seconds(55));
        assert_eq!(heart.beat(seconds(55)), Some(Beat::Ping));
        assert_eq!(heart.beat(seconds(114)), None);
        assert_eq!(heart.beat(seconds(115)), Some(Beat::Dead));
    }

    #[test]
    fn an_unasked_pong_does_not_postpone_the_ping() {
        let mut heart = Heartbeat::new(Duration::from_secs(25), Duration::from_mins(1));
        heart.pong(Duration::from_secs(24));
        assert_eq!(heart.beat(Duration::from_secs(25)), Some(Beat::Ping));
    }
}
