//! Socketioxide with the same rooms, tokens and events as ours, by the library's own means, for `realtime`.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;

use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// `42["event",{"text":"…"}]` and the frame's header.
const AROUND: usize = 26;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (service, io) = SocketIo::builder()
        .ping_timeout(std::time::Duration::from_mins(1))
        .build_svc();
    // Before the client is let in, because what it says at once would not be heard otherwise.
    let let_in = async |socket: SocketRef, Data(auth): Data<Value>| {
        let user = auth["token"].as_str().ok_or("Authentication required")?;
        socket.join([format!("user:{user}"), "shopify:sync".to_owned()]);
        socket.on(
            "join",
            async |socket: SocketRef, Data(rooms): Data<String>, ack: AckSender| {
                socket.join(rooms.split(' ').map(str::to_owned).collect::<Vec<_>>());
                let _ = ack.send(&json!({ "ok": true }));
            },
        );
        Ok::<_, &str>(())
    };
    io.ns("/", (async || ()).with(let_in));
    let clients = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(
        io::stdout(),
        "{} {}",
        clients.local_addr()?.port(),
        control.local_addr()?.port()
    )?;
    let mut tasks = JoinSet::new();
    tasks.spawn(obey(io, control));
    loop {
        let (stream, _) = clients.accept().await?;
        stream.set_nodelay(true)?;
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone())
            .with_upgrades();
        tasks.spawn(async move { Ok(connection.await?) });
    }
}

/// Emits what it is told to.
async fn obey(io: SocketIo, control: TcpListener) -> anyhow::Result<()> {
    let (stream, _) = control.accept().await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        let mut words = line.split(' ');
        let room = words.next().unwrap_or_default().to_owned();
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse::<usize>().ok())
                .unwrap_or(0)
        };
        let (events, bytes, first) = (number(), number(), number());
        for number in first..first + events {
            let text = format!(
                "{:x<width$}",
                format!("n={number};"),
                width = bytes.saturating_sub(AROUND)
            );
            // It fails for those whose queue is full, and names nobody.
            let _ = io
                .to(room.replace("each", &(1 + number % 100).to_string()))
                .emit("event", &json!({ "text": text }))
                .await;
        }
    }
    Ok(())
}
