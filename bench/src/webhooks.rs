//! Webhooks as a store would send them: signed, over connections that are kept open, each at its time whether the
//! ones before it were answered or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 4_096;

/// Webhooks to send, and where to.
pub struct Webhooks<'a> {
    /// Where, as `host:port`.
    pub address: &'a str,
    /// Path of the requests.
    pub path: &'a str,
    /// Domain of the shop that sends them.
    pub shop: &'a str,
    /// Topic of the webhooks.
    pub topic: &'a str,
    /// What goes before their numbers in their ids.
    pub series: &'a str,
    /// The secret they are signed with.
    pub secret: &'a str,
    /// Over how many connections at the most. Where all of them wait for an answer, the next webhook is late, and that
    /// counts.
    pub connections: usize,
    /// Requests per second.
    pub rate: u32,
    /// Time for which they are sent.
    pub time: Duration,
}

/// The outcome of the requests.
#[derive(Debug, Default)]
pub struct Sent {
    /// From the time each was due until it was answered 200, sorted.
    pub latencies: Vec<Duration>,
    /// When each was sent, by its number.
    pub begun: Vec<(usize, Instant)>,
    /// How long it took until the last was answered.
    pub took: Duration,
}

impl Webhooks<'_> {
    /// Sends the bodies by their numbers, from 0 on.
    ///
    /// # Errors
    /// When one is not answered 200.
    pub async fn send(
        &self,
        body: impl Fn(usize) -> String + Clone + Send + 'static,
    ) -> anyhow::Result<Sent> {
        let count = usize::try_from(u64::from(self.rate) * self.time.as_secs())?;
        let connections = self.connections.min(count);
        let (next, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Shopify-Topic: {}\r\n\
             X-Shopify-Shop-Domain: {}\r\nX-Shopify-API-Version: 2026-10\r\nX-Shopify-Webhook-Id: {}-",
            self.path, self.address, self.topic, self.shop, self.series
        );
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())?;
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let (first, apart) = (Instant::now(), Duration::from_secs(1) / self.rate);
        for mut stream in streams {
            let (next, head, mac, body) =
                (Arc::clone(&next), head.clone(), mac.clone(), body.clone());
            tasks.spawn(async move {
                let mut sent = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(sent);
                    }
                    let body = body(number);
                    let signature = STANDARD.encode(mac.clone().chain_update(&body).finalize().into_bytes());
                    let length = body.len();
                    let request = format!(
                        "{head}{number}\r\nX-Shopify-Hmac-Sha256: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
                    );
                    let mut due = first + apart * u32::try_from(number)?;
                    if due > Instant::now() {
                        sleep_until(due).await;
                        // Timers are coarse, which is no fault of whoever answers.
                        due = Instant::now();
                    }
                    stream.write_all(request.as_bytes()).await?;
                    answered(&mut stream).await?;
                    sent.push((number, due, due.elapsed()));
                }
            });
        }
        let mut all = Sent::default();
        while let Some(sent) = tasks.join_next().await {
            for (number, begun, latency) in sent?? {
                all.begun.push((number, begun));
                all.latencies.push(latency);
            }
        }
        all.took = first.elapsed();
        all.latencies.sort_unstable();
        Ok(all)
    }
}

/// Reads an answer, which must be 200 and without a body.
async fn answered(stream: &mut TcpStream) -> anyhow::Result<()> {
    let (mut head, mut read) = ([0; HEAD_BYTES_MAX], 0);
    while !head[..read].ends_with(b"\r\n\r\n") {
        let more = stream.read(&mut head[read..]).await?;
        anyhow::ensure!(more > 0, "the connection was closed");
        read += more;
    }
    let text = std::str::from_utf8(&head[..read])?.to_ascii_lowercase();
    let status = text.split(' ').nth(1).context("no status")?;
    anyhow::ensure!(
        status == "200" && text.contains("content-length: 0\r\n"),
        "answered {text}"
    );
    Ok(())
}

/// A percentile of times in ascending order.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(last * percent / 100)
        .copied()
        .unwrap_or_default()
}
