//! The upgrade from polling to WebSocket, as the WebSocket sees it: a probe, its echo, and the
//! packet that takes over.

use super::EnginePacket;
use crate::protocol::close_reason::CloseReason;

/// The exchange on a WebSocket that wants to take a session over, as a value.
///
/// ClientCall [`UpgradeProbe::receive`] for each text until it returns [`ProbeStep::TakeOver`]; what
/// follows belongs to the session. The caller enforces [`crate::limits::UPGRADE_TIMEOUT`].
#[derive(Debug, Default)]
pub struct UpgradeProbe {
    probed: bool,
}

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeStep {
    /// Send this packet, and let the waiting poll end.
    Echo(EnginePacket<'static>),
    /// Hand the session over: its packets go through this WebSocket from now on.
    TakeOver,
}

impl UpgradeProbe {
    /// Takes one text message. Binary messages are not allowed before the session is taken over.
    pub fn receive(&mut self, text: &str) -> Result<ProbeStep, CloseReason> {
        match EnginePacket::parse(text) {
            Ok(EnginePacket::Ping("probe")) if !self.probed => {
                self.probed = true;
                Ok(ProbeStep::Echo(EnginePacket::Pong("probe")))
            }
            Ok(EnginePacket::Upgrade) if self.probed => Ok(ProbeStep::TakeOver),
            _ => Err(CloseReason::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_echoed_and_then_takes_over() {
        let mut probe = UpgradeProbe::default();
        assert_eq!(
            probe.receive("2probe"),
            Ok(ProbeStep::Echo(EnginePacket::Pong("probe")))
        );
        assert_eq!(probe.receive("5"), Ok(ProbeStep::TakeOver));
    }

    #[test]
    fn nothing_else_is_said_before_the_change() {
        for text in ["5", "2", "2other", "3probe", "4hello", "1", "", "x"] {
            assert_eq!(
                UpgradeProbe::default().receive(text),
                Err(CloseReason::Malformed),
                "{text}"
            );
        }
        let mut twice = UpgradeProbe::default();
        twice.receive("2probe").unwrap();
        assert_eq!(twice.receive("2probe"), Err(CloseReason::Malformed));
    }
}
