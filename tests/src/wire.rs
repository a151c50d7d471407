//! A bare connection, for saying what no well-behaved client would say.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// A TCP connection to a daemon.
pub struct Wire(TcpStream);

impl Wire {
    /// Connects to that address.
    pub async fn to(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends bytes; `false` when the other side no longer takes any.
    pub async fn sends(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Reads up to the next pause of the other side, at least a byte unless it closed.
    pub async fn hears(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        let read = timeout(PATIENCE, self.0.read(&mut bytes))
            .await
            .unwrap()
            .unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    /// Reads until the other side closes; what it said, as far as it is text.
    pub async fn hears_all(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is a way of closing, too.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut bytes))
            .await
            .unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
