//! Requests to the whole daemon: whatever the line and the headers say, it is answered or closed, and nothing panics.
#![no_main]

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use daemon::clock::SystemClock;
use daemon::config::{Config, Environment};
use daemon::secrets::Secrets;
use daemon::wiring::{Daemon, Dependencies};
use daemon::http::edge::Listener;
use libfuzzer_sys::fuzz_target;
use schemas::{Clock as _, Entropy};
use shopify::{Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const CONFIG: &str = r#"
    [[server]]
    listen = "127.0.0.1:0"
    [auth]
    secret = "0123456789abcdef0123456789abcdef"
    [[shop]]
    domain = "a.myshopify.com"
    access_token = "shpat_x"
    webhook_secrets = ["hush"]
"#;

/// A network without wires.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

#[async_trait]
impl Listener for Pipes {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        let stream = self.0.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1))))
    }
}

/// A Shopify that cannot be reached.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        Err(TransportError::Timeout)
    }
}

/// A daemon that lives as long as the fuzzer, and the way to it.
fn world() -> &'static (Runtime, mpsc::UnboundedSender<DuplexStream>, Daemon) {
    static WORLD: OnceLock<(Runtime, mpsc::UnboundedSender<DuplexStream>, Daemon)> =
        OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let config =
            Config::read(CONFIG, "the fuzzer", &Environment::default()).expect("a configuration");
        let entropy = Arc::new(Entropy::seeded(1));
        // Left behind at the end: nothing tells a target that the fuzzer ends.
        let folder = tempfile::tempdir().expect("a folder").keep();
        let path = folder.join("stockd.db");
        let store::sqlite::Opened { store, writer, .. } = store::sqlite::open(&path, &entropy, SystemClock.now()).expect("a store");
        std::thread::spawn(move || writer.run());
        let (connect, pipes) = mpsc::unbounded_channel();
        let dependencies = Dependencies {
            secrets: Secrets::fetch(&config, &Environment::default()).expect("secrets"),
            config,
            clock: Arc::new(SystemClock),
            entropy,
            store,
            transport: Arc::new(Nowhere),
            listeners: vec![Pipes(pipes)],
        };
        let daemon = runtime
            .block_on(Daemon::start(dependencies))
            .expect("a daemon");
        (runtime, connect, daemon)
    })
}

fuzz_target!(|line: &[u8]| {
    let (runtime, connect, _) = world();
    runtime.block_on(async {
        let (mut near, far) = duplex(64 * 1024);
        let _ = connect.send(far);
        let _ = near
            .write_all(&[line, b"\r\nHost: a\r\nConnection: close\r\n\r\n"].concat())
            .await;
        // What would wait for more, such as a body, waits in vain.
        let _ = near.shutdown().await;
        let mut answer = Vec::new();
        let _ = near.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
    });
});
