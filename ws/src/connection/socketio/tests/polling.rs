//! The native contract by polling, and by a client that changes over: the same as by WebSocket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client::{Client, Heard, handshake, upgrade};
use super::log::{stock, stock_of};
use super::{PIPE, World, available, limits, offset, other_shop};
use crate::Hub;
use crate::connection::HandshakeOutcome;
use crate::connection::socketio::SocketIoDriver;
use crate::connection::tests::pipe::Pipe;
use crate::protocol::engine;
use crate::protocol::socketio::{PacketContent, SocketIoPacket};

/// A client that polls.
struct Poller {
    hub: Arc<Hub>,
    sid: String,
    /// Heard and not yet looked at.
    heard: Vec<SocketIoPacket>,
    _served: JoinSet<()>,
}

impl Poller {
    fn open(hub: &Arc<Hub>) -> Self {
        let HandshakeOutcome::Open(response, task) = handshake(
            hub,
            &Method::GET,
            "EIO=4&transport=polling",
            &HeaderMap::new(),
        ) else {
            panic!("no session")
        };
        let mut served = JoinSet::new();
        served.spawn(task.run());
        let open = String::from_utf8(response.body().to_vec()).unwrap();
        let Ok(engine::EnginePacket::Open(open)) = engine::EnginePacket::parse(&open) else {
            panic!("{open}")
        };
        Self {
            hub: Arc::clone(hub),
            sid: open.sid,
            heard: Vec::new(),
            _served: served,
        }
    }

    /// In `/oda` as staff, past `connected`.
    async fn staff(hub: &Arc<Hub>) -> (Self, Value) {
        let mut client = Self::open(hub);
        let auth = json!({ "token": json!({ "role": "staff" }).to_string() });
        assert_eq!(client.post(&format!("40/oda,{auth}")).await, 200);
        let PacketContent::Connect(Some(greeting)) = client.packet().await.content else {
            panic!("not let in")
        };
        let PacketContent::Event { name, args, .. } = client.packet().await.content else {
            panic!("no event")
        };
        assert_eq!(
            (name.as_str(), &args[0]["socketId"]),
            ("connected", &greeting["sid"])
        );
        (client, greeting["sid"].clone())
    }

    fn handshake(&self, method: &Method) -> HandshakeOutcome<SocketIoDriver> {
        handshake(
            &self.hub,
            method,
            &format!("EIO=4&transport=polling&sid={}", self.sid),
            &HeaderMap::new(),
        )
    }

    async fn post(&self, body: &str) -> u16 {
        match self.handshake(&Method::POST) {
            HandshakeOutcome::Post(post) => post
                .answer(Bytes::copy_from_slice(body.as_bytes()))
                .await
                .status()
                .as_u16(),
            HandshakeOutcome::Answer(refusal) => refusal.status().as_u16(),
            _ => panic!("not a post"),
        }
    }

    async fn poll(&self) -> Result<String, StatusCode> {
        let response = match self.handshake(&Method::GET) {
            HandshakeOutcome::Poll(poll) => poll.answer().await,
            HandshakeOutcome::Answer(refusal) => refusal,
            _ => panic!("not a poll"),
        };
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        if response.status() == StatusCode::OK {
            Ok(body)
        } else {
            Err(response.status())
        }
    }

    /// The next packet of Socket.IO, pings answered on the way.
    async fn packet(&mut self) -> SocketIoPacket {
        while self.heard.is_empty() {
            let payload = self.poll().await.unwrap();
            for packet in payload.split('\x1e') {
                match engine::EnginePacket::parse(packet).unwrap() {
                    engine::EnginePacket::Message(text) => {
                        self.heard.push(SocketIoPacket::parse(text).unwrap());
                    }
                    engine::EnginePacket::Ping(_) => assert_eq!(self.post("3").await, 200),
                    engine::EnginePacket::Noop => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        self.heard.remove(0)
    }

    async fn ask(&mut self, name: &str, payload: &Value) -> Value {
        assert_eq!(
            self.post(&format!("42/oda,1{}", json!([name, payload])))
                .await,
            200
        );
        match self.packet().await.content {
            PacketContent::Ack {
                id: 1, mut args, ..
            } => args.remove(0),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    async fn events(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        for _ in 0..count {
            let PacketContent::Event { name, mut args, .. } = self.packet().await.content else {
                panic!("no event")
            };
            events.push((name, args.remove(0)));
        }
        events
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_hears_what_others_hear() {
    let world = World::new();
    let (mut client, _) = Poller::staff(&world.hub).await;
    let answer = client
        .ask("subscribe:inventory", &json!({ "locationIds": [1] }))
        .await;
    assert_eq!(
        answer,
        json!({ "ok": true, "rooms": ["inventory:location:1"], "offset": offset(0) })
    );
    for n in 1..=50 {
        world.happens(stock(1 + n % 2, 1, n.cast_signed()));
    }
    world.happens_in(&other_shop(), stock_of(&other_shop(), 1, 1, 51));
    let expected: Vec<_> = (2..=50).step_by(2).chain([51]).collect();
    assert_eq!(available(&client.events(expected.len()).await), expected);
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.happens(stock(1, 1, 52));
    assert_eq!(available(&client.events(1).await), [52]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_slowly_costs_its_position_and_misses_nothing() {
    let world = World::with(crate::HubOptions {
        ring_entries: 16,
        ..crate::HubOptions::default()
    });
    let (mut client, _) = Poller::staff(&world.hub).await;
    client.ask("subscribe:inventory", &json!({})).await;
    for n in 1..=3000 {
        world.happens(stock(1, 1, n));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        available(&client.events(3000).await),
        (1..=3000).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn subscriptions_and_what_waits_go_along_to_the_websocket() {
    let world = World::new();
    let (mut poller, _) = Poller::staff(&world.hub).await;
    poller.ask("subscribe:inventory", &json!({})).await;
    world.happens(stock(1, 1, 1));
    let mut pipe = Pipe::to(
        upgrade(&world.hub, &format!("&sid={}", poller.sid)).unwrap(),
        PIPE,
    );
    pipe.say("2probe").await;
    assert_eq!(pipe.text().await, "3probe");
    world.happens(stock(1, 1, 2));
    pipe.say("5").await;
    world.happens(stock(1, 1, 3));
    let mut client = Client::on(pipe);
    assert_eq!(available(&client.events_so_far().await), [1, 2, 3]);
    assert_eq!(poller.poll().await, Err(StatusCode::BAD_REQUEST));
    assert_eq!(
        (world.hub.figures().connections, world.hub.figures().sockets),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_is_told_by_the_next_poll() {
    let world = World::new();
    let mut client = Poller::open(&world.hub);
    let auth = json!({ "token": json!({ "role": "staff", "expires": 20 }).to_string() });
    client.post(&format!("40/oda,{auth}")).await;
    client.packet().await;
    client.packet().await;
    assert_eq!(client.events(1).await[0].1["code"], "TOKEN_EXPIRED");
    assert_eq!(client.packet().await.content, PacketContent::Disconnect);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanished_is_in_no_room_any_more() {
    let world = World::new();
    let (mut client, _) = Poller::staff(&world.hub).await;
    client.ask("subscribe:inventory", &json!({})).await;
    assert_eq!(world.hub.figures().sockets, 1);
    tokio::time::sleep(limits::PING_INTERVAL + limits::PING_TIMEOUT + Duration::from_millis(5))
        .await;
    assert_eq!(
        (world.hub.figures().connections, world.hub.figures().sockets),
        (0, 0)
    );
    assert_eq!(client.poll().await, Err(StatusCode::BAD_REQUEST));
}

#[tokio::test(start_paused = true)]
async fn the_public_socket_id_opens_no_session() {
    let world = World::new();
    let (client, socket_id) = Poller::staff(&world.hub).await;
    let socket_id = socket_id.as_str().unwrap();
    assert_ne!(client.sid, socket_id);
    let thief = Poller {
        sid: socket_id.to_owned(),
        hub: Arc::clone(&world.hub),
        heard: vec![],
        _served: JoinSet::new(),
    };
    assert_eq!(thief.poll().await, Err(StatusCode::BAD_REQUEST));
    assert_eq!(thief.post("41/oda,").await, 400);
    assert_eq!(
        upgrade(&world.hub, &format!("&sid={socket_id}"))
            .err()
            .unwrap(),
        400
    );
    assert_eq!(world.hub.figures().sockets, 1);
}

#[tokio::test(start_paused = true)]
async fn binary_arguments_are_refused_once_they_are_there_and_the_socket_goes_on() {
    let world = World::new();
    let mut client = world.staff().await;
    let request = r#"451-/oda,9["subscribe:inventory",{"_placeholder":true,"num":0}]"#;
    client.say(request).await;
    client.write(0x82, b"bytes").await;
    assert_eq!(client.answer(9).await["error"]["code"], "INVALID_PAYLOAD");
    client.ask("subscribe:inventory", &json!({})).await;

    let (mut poller, _) = Poller::staff(&world.hub).await;
    assert_eq!(poller.post(&format!("{request}\x1ebAQI=")).await, 200);
    let PacketContent::Ack { id: 9, args, .. } = poller.packet().await.content else {
        panic!("no answer")
    };
    assert_eq!(args[0]["error"]["code"], "INVALID_PAYLOAD");

    client.say(request).await;
    client.say(r#"42/oda,["subscribe:inventory"]"#).await;
    while !matches!(client.heard().await, Heard::Close(Some(1008))) {}
}

#[tokio::test(start_paused = true)]
async fn a_flood_by_post_is_answered_as_fast_as_it_is_read() {
    let world = World::new();
    let (mut client, _) = Poller::staff(&world.hub).await;
    let flood = vec![r#"42/oda,1["dance"]"#; 5000].join("\x1e");
    let HandshakeOutcome::Post(post) = client.handshake(&Method::POST) else {
        panic!("no post")
    };
    let mut posted = Box::pin(post.answer(flood.into()));
    assert!(
        tokio::time::timeout(Duration::from_secs(5), &mut posted)
            .await
            .is_err(),
        "it waits"
    );
    let all = async {
        let mut answers = 0;
        while answers < 5000 {
            answers += usize::from(matches!(
                client.packet().await.content,
                PacketContent::Ack { .. }
            ));
        }
    };
    let (response, ()) = tokio::join!(posted, all);
    assert_eq!(response.status(), 200);
}
