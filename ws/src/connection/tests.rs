//! Engine.IO from outside: requests and WebSockets in, an echo behind. States what the official suite states, and more.

mod hostile;
mod order;
pub(crate) mod pipe;
mod plain;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response};
use schemas::Entropy;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::pipe::{Pipe, websocket};
use super::{ConnectionAcceptor, HandshakeOutcome, ProtocolDriver, SendQueue};
use crate::protocol::engine::{self, TransportMessage};
use crate::protocol::frame;
use crate::{CloseReason, HubOptions, ListenerPolicy, limits};

const PIPE: usize = 64 * 1024;

/// A driver that sends back what it receives.
struct Echo;

impl ProtocolDriver for Echo {
    fn receive(
        &mut self,
        _now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        out.push(match message {
            TransportMessage::Binary(bytes) => frame::binary(&bytes),
            TransportMessage::Text(text) => {
                frame::text(&engine::EnginePacket::Message(text).encode())
            }
        });
        Ok(())
    }

    fn may_receive(&self) -> bool {
        true
    }

    fn work(&mut self, _now: Duration, _out: &mut SendQueue) -> Result<(), CloseReason> {
        Ok(())
    }

    fn deadline(&self, _now: Duration) -> Option<Duration> {
        None
    }
}

/// An acceptor with an echo behind.
struct World {
    acceptor: ConnectionAcceptor<Echo>,
    policy: ListenerPolicy,
    tasks: JoinSet<()>,
}

/// The status and the body of a response.
type Answer = (u16, String);

impl World {
    fn new() -> Self {
        Self::with(HubOptions::default())
    }

    fn with(options: HubOptions) -> Self {
        let acceptor = ConnectionAcceptor::new(options, Arc::new(Entropy::seeded(1)));
        Self {
            acceptor,
            policy: ListenerPolicy::default(),
            tasks: JoinSet::new(),
        }
    }

    fn handshake(
        &self,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
    ) -> HandshakeOutcome<Echo> {
        let uri = format!("/engine.io/?{query}").parse().unwrap();
        self.acceptor.handshake(
            method,
            &uri,
            headers,
            ([127, 0, 0, 1], 9).into(),
            &self.policy,
            |_| Echo,
        )
    }

    async fn request(&mut self, method: Method, query: &str, body: &[u8]) -> Answer {
        match self.handshake(&method, query, &HeaderMap::new()) {
            HandshakeOutcome::Answer(response) => read(&response),
            HandshakeOutcome::Open(response, task) => {
                self.tasks.spawn(task.run());
                read(&response)
            }
            HandshakeOutcome::Poll(poll) => read(&poll.answer().await),
            HandshakeOutcome::Post(post) => read(&post.answer(Bytes::copy_from_slice(body)).await),
            HandshakeOutcome::Upgrade(..) => panic!("an upgrade"),
        }
    }

    /// A new session; its id.
    async fn session(&mut self) -> String {
        let (status, open) = self
            .request(Method::GET, "EIO=4&transport=polling", b"")
            .await;
        assert_eq!(status, 200);
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    async fn poll(&mut self, sid: &str) -> Answer {
        self.request(Method::GET, &session(sid), b"").await
    }

    /// A poll that waits by itself.
    async fn poll_later(&self, sid: &str) -> tokio::task::JoinHandle<Answer> {
        let HandshakeOutcome::Poll(poll) =
            self.handshake(&Method::GET, &session(sid), &HeaderMap::new())
        else {
            panic!("no poll")
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the handle is awaited by the test"
        )]
        let waiting = tokio::spawn(async move { read(&poll.answer().await) });
        tokio::time::sleep(Duration::from_millis(1)).await;
        waiting
    }

    async fn post(&mut self, sid: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request(Method::POST, &session(sid), body.as_ref())
            .await
    }

    fn websocket(&self, more: &str) -> Result<Pipe, Answer> {
        match self.handshake(
            &Method::GET,
            &format!("EIO=4&transport=websocket{more}"),
            &websocket(),
        ) {
            HandshakeOutcome::Upgrade(response, upgrade) => {
                assert_eq!(response.status(), 101);
                Ok(Pipe::to(upgrade, PIPE))
            }
            HandshakeOutcome::Answer(response) => Err(read(&response)),
            _ => panic!("no WebSocket"),
        }
    }
}

/// Time for goodbyes to be said.
async fn goodbyes() {
    tokio::time::sleep(limits::CLOSE_LINGER * 2).await;
}

fn session(sid: &str) -> String {
    format!("EIO=4&transport=polling&sid={sid}")
}

fn read(response: &Response<Bytes>) -> Answer {
    (
        response.status().as_u16(),
        String::from_utf8(response.body().to_vec()).unwrap(),
    )
}

fn ok(body: &str) -> Answer {
    (200, body.to_owned())
}

fn refused(code: u8, message: &str) -> Answer {
    (400, json!({ "code": code, "message": message }).to_string())
}

fn unknown() -> Answer {
    refused(1, "Session ID unknown")
}

#[tokio::test(start_paused = true)]
async fn a_session_opens_and_says_what_it_offers() {
    let mut world = World::new();
    let (status, polling) = world
        .request(Method::GET, "EIO=4&transport=polling&t=x", b"")
        .await;
    let polling: Value = serde_json::from_str(polling.strip_prefix('0').unwrap()).unwrap();
    let expected = |open: &Value, upgrades: Value| {
        json!({
            "sid": open["sid"], "upgrades": upgrades,
            "pingInterval": 25_000, "pingTimeout": 60_000, "maxPayload": 1_000_000,
        })
    };
    assert_eq!(
        (status, &polling),
        (200, &expected(&polling, json!(["websocket"])))
    );

    let websocket = world.websocket("").unwrap().text().await;
    let websocket: Value = serde_json::from_str(websocket.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(websocket, expected(&websocket, json!([])));
    assert_ne!(polling["sid"], websocket["sid"]);
    assert_eq!(polling["sid"].as_str().unwrap().len(), 20, "120 bits");
}

#[tokio::test(start_paused = true)]
async fn requests_that_open_nothing_are_refused_in_the_words_of_node() {
    let mut world = World::new();
    let sid = world.session().await;
    let polling = format!("EIO=4&transport=polling&sid={sid}");
    let cases = [
        (Method::GET, "EIO=4", refused(0, "Transport unknown")),
        (
            Method::GET,
            "EIO=4&transport=abc",
            refused(0, "Transport unknown"),
        ),
        (
            Method::GET,
            "EIO=4&transport=__proto__",
            refused(0, "Transport unknown"),
        ),
        (Method::GET, "", refused(0, "Transport unknown")),
        (
            Method::GET,
            "transport=polling",
            refused(5, "Unsupported protocol version"),
        ),
        (
            Method::GET,
            "EIO=3&transport=polling",
            refused(5, "Unsupported protocol version"),
        ),
        (
            Method::GET,
            "EIO=abc&transport=websocket",
            refused(5, "Unsupported protocol version"),
        ),
        (
            Method::POST,
            "EIO=4&transport=polling",
            refused(2, "Bad handshake method"),
        ),
        (
            Method::PUT,
            "EIO=4&transport=polling",
            refused(2, "Bad handshake method"),
        ),
        (
            Method::POST,
            "EIO=4&transport=websocket",
            refused(2, "Bad handshake method"),
        ),
        (
            Method::OPTIONS,
            "EIO=4&transport=polling",
            refused(2, "Bad handshake method"),
        ),
        (
            Method::GET,
            "EIO=4&transport=websocket",
            refused(3, "Bad request"),
        ),
        (Method::PUT, &polling, refused(3, "Bad request")),
        (Method::GET, "EIO=4&transport=polling&sid=", unknown()),
        (Method::GET, "EIO=4&transport=polling&sid=abc", unknown()),
        (
            Method::POST,
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
            unknown(),
        ),
        (Method::GET, "EIO=4&transport=polling&sid=%00%ff", unknown()),
        (Method::GET, "EIO=4&transport=websocket&sid=abc", unknown()),
    ];
    for (method, query, answer) in cases {
        assert_eq!(
            world.request(method.clone(), query, b"").await,
            answer,
            "{method} {query}"
        );
    }
    assert_eq!(
        world.acceptor.connections(),
        1,
        "only the one that opened counts"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_comes_back_with_the_next_poll() {
    let mut world = World::new();
    let sid = world.session().await;
    for body in [
        "4hello",
        "4test1\x1e4test2\x1e4test3",
        "4hello\x1ebAQIDBA==",
        "4€",
    ] {
        assert_eq!(world.post(&sid, body).await, ok("ok"));
        assert_eq!(world.poll(&sid).await, ok(body));
    }
    let poll = world.poll_later(&sid).await;
    assert_eq!(world.post(&sid, "3\x1e6\x1e4late").await, ok("ok"));
    assert_eq!(poll.await.unwrap(), ok("4late"));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_says_what_it_hears() {
    let world = World::new();
    let mut socket = world.websocket("").unwrap();
    socket.text().await;
    socket.say("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    socket.write(0x82, &[1, 2, 3, 4]).await;
    assert_eq!(socket.frame().await, Some((0x2, vec![1, 2, 3, 4])));
}

#[tokio::test(start_paused = true)]
async fn the_announced_bytes_hold_both_ways() {
    let mut world = World::with(HubOptions {
        max_payload: 20,
        ..HubOptions::default()
    });
    let sid = world.session().await;
    assert_eq!(world.post(&sid, "4one\x1e4two").await, ok("ok"));
    assert_eq!(world.post(&sid, "4three\x1e4four").await, ok("ok"));
    assert_eq!(world.poll(&sid).await, ok("4one\x1e4two\x1e4three"));
    assert_eq!(world.poll(&sid).await, ok("4four"));
    assert_eq!(world.post(&sid, [b'4'; 21]).await.0, 413);
    assert_eq!(world.poll(&sid).await, unknown());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_polls_is_pinged_and_lives_while_it_answers() {
    let mut world = World::new();
    let (sid, began) = (world.session().await, tokio::time::Instant::now());
    for round in 1..=5 {
        let mut heard = world.poll(&sid).await;
        if heard == ok("6") {
            heard = world.poll(&sid).await;
        }
        assert_eq!(heard, ok("2"), "{round}");
        assert_eq!(began.elapsed().as_secs(), 25 * round);
        assert_eq!(world.post(&sid, "3").await, ok("ok"));
    }
    let silent = world.session().await;
    tokio::time::sleep(limits::PING_INTERVAL + limits::PING_TIMEOUT + Duration::from_millis(5))
        .await;
    assert_eq!(world.poll(&silent).await, unknown());
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_pinged_and_closed_when_it_is_silent() {
    let world = World::new();
    let mut socket = world.websocket("").unwrap();
    socket.text().await;
    for _ in 0..3 {
        assert_eq!(socket.text().await, "2");
        socket.say("3").await;
    }
    assert_eq!(socket.text().await, "2");
    assert_eq!(
        socket.frame().await,
        None,
        "dropped: nobody would read a goodbye"
    );
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_says_goodbye() {
    let mut world = World::new();
    let sid = world.session().await;
    let poll = world.poll_later(&sid).await;
    assert_eq!(world.post(&sid, "1").await, ok("ok"));
    assert_eq!(poll.await.unwrap(), ok("6"));
    assert_eq!(world.poll(&sid).await, unknown());

    let mut socket = world.websocket("").unwrap();
    socket.text().await;
    socket.say("1").await;
    assert_eq!(socket.closed().await, None);
    goodbyes().await;
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_waiting_polls_and_lets_nobody_in() {
    let mut world = World::new();
    let sid = world.session().await;
    let poll = world.poll_later(&sid).await;
    let mut socket = world.websocket("").unwrap();
    socket.text().await;
    world.acceptor.close();
    assert_eq!(poll.await.unwrap(), ok("1"));
    assert_eq!(socket.closed().await, Some(1001));
    assert_eq!(
        world
            .request(Method::GET, "EIO=4&transport=polling", b"")
            .await
            .0,
        503
    );
    assert_eq!(world.websocket("").err().unwrap().0, 503);
    assert_eq!(world.poll(&sid).await, unknown());
    goodbyes().await;
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_origin_is_checked_on_every_transport_and_named_in_every_answer() {
    let policy = ListenerPolicy {
        origins: vec!["https://shop.example".into()],
        ..ListenerPolicy::default()
    };
    let mut world = World {
        policy,
        ..World::new()
    };
    let sid = world.session().await;
    let with = |mut headers: HeaderMap, origin: &'static str| {
        headers.insert("origin", HeaderValue::from_static(origin));
        headers
    };
    let requests = [
        (
            Method::GET,
            "EIO=4&transport=polling".to_owned(),
            HeaderMap::new(),
        ),
        (Method::POST, session(&sid), HeaderMap::new()),
        (Method::GET, session(&sid), HeaderMap::new()),
        (Method::OPTIONS, session(&sid), HeaderMap::new()),
        (
            Method::GET,
            "EIO=4&transport=websocket".to_owned(),
            websocket(),
        ),
        (
            Method::GET,
            format!("EIO=4&transport=websocket&sid={sid}"),
            websocket(),
        ),
    ];
    for (method, query, headers) in &requests {
        for foreign in [
            "null",
            "https://shop.example.evil",
            "http://shop.example",
            "",
        ] {
            let HandshakeOutcome::Answer(answer) =
                world.handshake(method, query, &with(headers.clone(), foreign))
            else {
                panic!("{foreign} came in by {method} {query}");
            };
            assert_eq!(answer.status(), 403);
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
        let answer = match world.handshake(
            method,
            query,
            &with(headers.clone(), "https://shop.example"),
        ) {
            HandshakeOutcome::Open(answer, task) => {
                world.tasks.spawn(task.run());
                answer
            }
            HandshakeOutcome::Post(post) => post.answer(Bytes::from_static(b"4x")).await,
            HandshakeOutcome::Poll(poll) => poll.answer().await,
            // A browser asks no leave of a WebSocket.
            HandshakeOutcome::Upgrade(..) => continue,
            HandshakeOutcome::Answer(preflight) => preflight,
        };
        assert!(answer.status().is_success(), "{method} {query}");
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "https://shop.example"
        );
        assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
    }
    let refusal = world.handshake(
        &Method::GET,
        "EIO=4",
        &with(HeaderMap::new(), "https://shop.example"),
    );
    let HandshakeOutcome::Answer(refusal) = refusal else {
        panic!("not refused")
    };
    assert_eq!(
        refusal.headers()["access-control-allow-origin"],
        "https://shop.example",
        "a page may read why"
    );
}
