//! A WebSocket's other end, as small as RFC 6455 allows: it masks with zeros and checks what it hears.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;

use crate::connection::{PendingUpgrade, ProtocolDriver};

/// The headers of a WebSocket's request.
pub(crate) fn websocket() -> HeaderMap {
    let usual = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    usual
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect()
}

/// A WebSocket's other end; the server's ends with it.
pub(crate) struct Pipe {
    io: DuplexStream,
    _served: JoinSet<()>,
}

impl Pipe {
    /// The connection that was upgraded, with room for so many bytes in between.
    pub(crate) fn to<T: ProtocolDriver>(upgrade: PendingUpgrade<T>, bytes: usize) -> Self {
        let (io, far) = tokio::io::duplex(bytes);
        let mut served = JoinSet::new();
        served.spawn(upgrade.run(far, Bytes::new()));
        Self {
            io,
            _served: served,
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.write(0x81, text.as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, 0xFE];
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        if payload.len() < 126 {
            frame.truncate(1);
            frame.push(0x80 | u8::try_from(payload.len()).unwrap());
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.raw(&frame).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // A server that has hung up is noticed when reading.
        let _ = self.io.write_all(bytes).await;
    }

    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.io.read_u8().await.ok()?;
        let length = match self.io.read_u8().await.ok()? {
            126 => self.io.read_u16().await.ok()?.into(),
            127 => self.io.read_u64().await.ok()?,
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.io.read_exact(&mut payload).await.ok()?;
        assert_eq!(
            first & 0xF0,
            0x80,
            "a server frame is whole and without reserved bits"
        );
        Some((first & 0x0F, payload))
    }

    /// The next text message.
    pub(crate) async fn text(&mut self) -> String {
        let (opcode, payload) = self.frame().await.expect("a frame");
        assert_eq!(opcode, 0x1);
        String::from_utf8(payload).unwrap()
    }

    /// The code of the close frame that is next, and nothing after it.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        let (opcode, payload) = self.frame().await.expect("a close frame");
        assert_eq!(opcode, 0x8, "{payload:?}");
        assert!(self.frame().await.is_none());
        payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}
