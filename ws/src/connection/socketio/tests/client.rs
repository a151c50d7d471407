//! A client over a pair of pipes, as small as the protocol allows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use schemas::Offset;
use serde_json::{Value, json};

use crate::connection::socketio::SocketIoDriver;
use crate::connection::tests::pipe::{Pipe, websocket};
use crate::connection::{HandshakeOutcome, PendingUpgrade};
use crate::protocol::engine;
use crate::protocol::socketio::{PacketContent, SocketIoPacket};
use crate::{Hub, ListenerPolicy};

/// A test that waits longer waits for what will not come.
const PATIENCE: Duration = Duration::from_secs(100);

pub(super) struct Client {
    pipe: Pipe,
    namespace: &'static str,
    next_id: u64,
    /// Events that came while something else was waited for.
    pub(super) events: VecDeque<(String, Value)>,
    /// The sequences of all log events that came, in order.
    pub(super) sequences: Vec<u64>,
    /// What it would bring back: as socket.io-client keeps it.
    pub(super) pid: Option<String>,
    pub(super) offset: Option<String>,
}

/// Something that a server sends.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Close(Option<u16>),
    End,
    Packet(SocketIoPacket),
}

/// A request to `/socket.io/` with that query and those headers.
pub(super) fn handshake(
    hub: &Arc<Hub>,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
) -> HandshakeOutcome<SocketIoDriver> {
    let uri = format!("/socket.io/?{query}").parse().unwrap();
    hub.handshake(
        method,
        &uri,
        headers,
        ([127, 0, 0, 1], 9).into(),
        &ListenerPolicy::default(),
    )
}

/// A WebSocket's request, with that added to the query.
pub(super) fn upgrade(
    hub: &Arc<Hub>,
    more: &str,
) -> Result<PendingUpgrade<SocketIoDriver>, StatusCode> {
    match handshake(
        hub,
        &Method::GET,
        &format!("EIO=4&transport=websocket{more}"),
        &websocket(),
    ) {
        HandshakeOutcome::Upgrade(response, upgrade) => {
            assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            Ok(upgrade)
        }
        HandshakeOutcome::Answer(response) => Err(response.status()),
        _ => panic!("not a WebSocket"),
    }
}

impl Client {
    /// An open transport in no namespace yet.
    pub(super) async fn open(hub: &Arc<Hub>, pipe_bytes: usize) -> Self {
        let mut client = Self::on(Pipe::to(upgrade(hub, "").unwrap(), pipe_bytes));
        let (opcode, open) = client.frame().await.unwrap();
        assert!(opcode == 0x1 && open.starts_with(b"0{"));
        client
    }

    /// A transport as it is, in no namespace yet.
    pub(super) fn on(pipe: Pipe) -> Self {
        let (events, sequences, pid, offset) = Default::default();
        Self {
            pipe,
            namespace: "/oda",
            next_id: 0,
            events,
            sequences,
            pid,
            offset,
        }
    }

    /// In `/oda` with that token, and its `connected` event.
    pub(super) async fn join(hub: &Arc<Hub>, pipe_bytes: usize, token: &Value) -> (Self, Value) {
        let mut client = Self::open(hub, pipe_bytes).await;
        client.connect(token).await;
        let connected = client.let_in().await.1;
        (client, connected)
    }

    /// In that namespace with that token, and its `connected` event.
    pub(super) async fn join_in(
        hub: &Arc<Hub>,
        namespace: &'static str,
        token: &Value,
    ) -> (Self, Value) {
        let mut client = Self {
            namespace,
            ..Self::open(hub, 1024 * 1024).await
        };
        client.connect(token).await;
        let connected = client.let_in().await.1;
        (client, connected)
    }

    /// Comes back on a new transport with what it has, as socket.io-client does; whether it is recovered in that
    /// client's sense, and its `connected` event.
    pub(super) async fn join_again(&mut self, hub: &Arc<Hub>, token: &Value) -> (bool, Value) {
        let new = Self::open(hub, 64 * 1024).await;
        drop(self.change_pipe(new));
        self.join_as_before(token).await
    }

    /// Speaks by another client's transport from now on; the old one as it was left.
    pub(super) fn change_pipe(&mut self, other: Self) -> Pipe {
        std::mem::replace(&mut self.pipe, other.pipe)
    }

    /// The same on the transport that it has.
    pub(super) async fn join_as_before(&mut self, token: &Value) -> (bool, Value) {
        self.events.clear();
        let mut auth = json!({ "pid": self.pid, "token": token.to_string() });
        if let Some(offset) = &self.offset {
            auth["offset"] = json!(offset);
        }
        let before = self.pid.clone();
        self.say(&format!("40{},{auth}", self.namespace)).await;
        let connected = self.let_in().await.1;
        (self.pid.is_some() && self.pid == before, connected)
    }

    /// Waits for the answer to CONNECT, and for what follows it.
    pub(super) async fn let_in(&mut self) -> (Value, Value) {
        let heard = self.heard().await;
        let Heard::Packet(SocketIoPacket {
            content: PacketContent::Connect(Some(greeting)),
            ..
        }) = heard
        else {
            panic!("not let in: {heard:?}");
        };
        self.pid = greeting
            .get("pid")
            .map(|pid| pid.as_str().unwrap().to_owned());
        let (name, connected) = self.event().await;
        assert_eq!(name, "connected");
        (greeting.into(), connected)
    }

    pub(super) async fn connect(&mut self, token: &Value) {
        let auth = json!({ "token": token.to_string() });
        self.say(&format!("40{},{auth}", self.namespace)).await;
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.write(0x81, text.as_bytes()).await;
    }

    pub(super) async fn write(&mut self, first: u8, payload: &[u8]) {
        self.pipe.write(first, payload).await;
    }

    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        self.pipe.raw(bytes).await;
    }

    /// Sends an event and gives its acknowledgement; events that come first are kept.
    pub(super) async fn ask(&mut self, name: &str, payload: &Value) -> Value {
        let id = self.ask_later(name, payload).await;
        self.answer(id).await
    }

    pub(super) async fn ask_later(&mut self, name: &str, payload: &Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.say(&format!(
            "42{},{id}{}",
            self.namespace,
            json!([name, payload])
        ))
        .await;
        id
    }

    pub(super) async fn answer(&mut self, id: u64) -> Value {
        loop {
            match self.heard().await {
                Heard::Packet(SocketIoPacket {
                    content:
                        PacketContent::Ack {
                            id: answered,
                            mut args,
                            ..
                        },
                    ..
                }) if answered == id => {
                    return args.remove(0);
                }
                Heard::Packet(packet) => self.keep(packet),
                other => panic!("{other:?} instead of an answer"),
            }
        }
    }

    /// The name and payload of the next event.
    pub(super) async fn event(&mut self) -> (String, Value) {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.heard().await {
                Heard::Packet(packet) => self.keep(packet),
                other => panic!("{other:?} instead of an event"),
            }
        }
    }

    /// The events up to the answer of an unsubscribe from nothing, which everything published before precedes.
    pub(super) async fn events_so_far(&mut self) -> Vec<(String, Value)> {
        self.ask("unsubscribe:orders", &json!({ "customerId": "nobody" }))
            .await;
        // The log is read once more after an answer, so what was published by then comes before a second one.
        self.ask("unsubscribe:orders", &json!({ "customerId": "nobody" }))
            .await;
        self.events.drain(..).collect()
    }

    pub(super) fn keep(&mut self, packet: SocketIoPacket) {
        let (name, mut args) = match packet.content {
            PacketContent::Event { name, args, .. } => (name, args),
            // An answer that is not waited for.
            PacketContent::Ack { .. } => return,
            other => panic!("{other:?} instead of an event"),
        };
        let payload = args.remove(0);
        if self.pid.is_some()
            && let Some(Value::String(offset)) = args.last()
        {
            self.offset = Some(offset.clone());
        }
        if let Some(offset) = payload["id"].as_str() {
            self.sequences
                .push(offset.parse::<Offset>().unwrap().sequence.0);
        }
        self.events.push_back((name, payload));
    }

    /// The next packet of Socket.IO, pings answered on the way.
    pub(super) async fn heard(&mut self) -> Heard {
        tokio::time::timeout(PATIENCE, self.hear())
            .await
            .expect("something to hear")
    }

    async fn hear(&mut self) -> Heard {
        loop {
            let Some((opcode, payload)) = self.frame().await else {
                return Heard::End;
            };
            if opcode == 0x8 {
                return Heard::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
            }
            let text = String::from_utf8(payload).unwrap();
            match engine::EnginePacket::parse(&text).unwrap() {
                engine::EnginePacket::Ping(_) => self.say("3").await,
                engine::EnginePacket::Message(text) => {
                    return Heard::Packet(SocketIoPacket::parse(text).unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        self.pipe.frame().await
    }

    /// Whether nothing comes for that long.
    pub(super) async fn hears_nothing(&mut self, time: Duration) -> bool {
        self.events.is_empty() && tokio::time::timeout(time, self.hear()).await.is_err()
    }
}
