//! The change to another transport, as the new one sees it: a probe, its echo, and the word to take over.

use super::Packet;
use crate::protocol::ending::Ending;

/// What is said on a transport that wants to take over a session, as a value.
///
/// Call [`Probe::receive`] for each text until it gives [`ProbeStep::TakeOver`]; what follows belongs to the session.
/// Whoever carries it sees to [`crate::limits::UPGRADE_TIMEOUT`].
#[derive(Debug, Default)]
pub struct Probe {
    probed: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeStep {
    /// Send this, and let the old transport rest.
    Echo(Packet<'static>),
    /// The session's packets go this way from now on.
    TakeOver,
}

impl Probe {
    /// Takes one text. Bytes have no place here.
    pub fn receive(&mut self, text: &str) -> Result<ProbeStep, Ending> {
        match Packet::parse(text) {
            Ok(Packet::Ping("probe")) if !self.probed => {
                self.probed = true;
                Ok(ProbeStep::Echo(Packet::Pong("probe")))
            }
            Ok(Packet::Upgrade) if self.probed => Ok(ProbeStep::TakeOver),
            _ => Err(Ending::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_echoed_and_then_takes_over() {
        let mut probe = Probe::default();
        assert_eq!(
            probe.receive("2probe"),
            Ok(ProbeStep::Echo(Packet::Pong("probe")))
        );
        assert_eq!(probe.receive("5"), Ok(ProbeStep::TakeOver));
    }

    #[test]
    fn nothing_else_is_said_before_the_change() {
        for text in ["5", "2", "2other", "3probe", "4hello", "1", "", "x"] {
            assert_eq!(
                Probe::default().receive(text),
                Err(Ending::Malformed),
                "{text}"
            );
        }
        let mut twice = Probe::default();
        twice.receive("2probe").unwrap();
        assert_eq!(twice.receive("2probe"), Err(Ending::Malformed));
    }
}
