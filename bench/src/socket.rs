//! A reader of the live stream: a Socket.IO client that hears of stock and keeps what it needs of it.

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A socket of the namespace `/oda`.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to `host:port` and subscribes to inventory, as that payload has it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn follow(address: &str, token: &str, payload: &Value) -> anyhow::Result<Self> {
        let mut socket = Self::over(TcpStream::connect(address).await?, address, token).await?;
        let answer = socket.ask("subscribe:inventory", payload).await?;
        anyhow::ensure!(answer.contains(r#""ok":true"#), "{answer}");
        Ok(socket)
    }

    /// Connects over a connection to `host:port` that is there.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn over(stream: TcpStream, address: &str, token: &str) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let mut socket = Self(client_async(url, stream).await?.0);
        socket.hear(|text| text.starts_with('0')).await?;
        socket
            .say(format!("40/oda,{}", json!({ "token": token })))
            .await?;
        socket.hear(|text| text.starts_with("40/oda")).await?;
        Ok(socket)
    }

    /// Emits an event and waits for its acknowledgement, as JSON.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn ask(&mut self, event: &str, payload: &Value) -> anyhow::Result<String> {
        self.say(format!("42/oda,1{}", json!([event, payload])))
            .await?;
        self.hear(|text| text.starts_with("43/oda,1")).await
    }

    /// The next change of a level, and when it was heard.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn level(&mut self) -> anyhow::Result<(Value, Instant)> {
        let text = self
            .hear(|text| text.starts_with(r#"42/oda,["inventory:updated""#))
            .await?;
        let heard = Instant::now();
        let mut event: Value = serde_json::from_str(&text["42/oda,".len()..])?;
        Ok((event[1]["data"].take(), heard))
    }

    async fn hear(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        loop {
            let message = self.0.next().await.context("the socket was closed")??;
            let Message::Text(text) = message else {
                continue;
            };
            anyhow::ensure!(!text.starts_with("44"), "refused: {text}");
            if text.as_str() == "2" {
                self.say("3".to_owned()).await?;
            } else if wanted(&text) {
                return Ok(text.to_string());
            }
        }
    }

    async fn say(&mut self, text: String) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}
