//! WebSockets without Engine.IO: messages as they are, RFC 6455's pings, and the bounds they share with all others.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;

use super::pipe::{Pipe, websocket};
use super::{Answer, PIPE, World, goodbyes, read};
use crate::connection::{ConnectionRefusal, HandshakeOutcome, PeerInfo, ProtocolDriver, SendQueue};
use crate::protocol::engine::TransportMessage;
use crate::protocol::frame;
use crate::{AuthError, CloseReason, HubOptions};

/// Says what it hears, as it is.
struct Parrot;

impl ProtocolDriver for Parrot {
    fn receive(
        &mut self,
        _now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        out.push(match message {
            TransportMessage::Binary(bytes) => frame::binary(&bytes),
            TransportMessage::Text(text) => frame::text(text),
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

/// Lets in who brings a token.
fn bearer(peer_info: PeerInfo, _: &mut SendQueue) -> Result<Parrot, ConnectionRefusal> {
    peer_info
        .bearer
        .map(|_| Parrot)
        .ok_or(ConnectionRefusal::Token(AuthError::Required))
}

fn connect(
    world: &World,
    method: &Method,
    headers: &HeaderMap,
    driver: impl FnOnce(PeerInfo, &mut SendQueue) -> Result<Parrot, ConnectionRefusal>,
) -> Result<Pipe, Answer> {
    match world.acceptor.handshake_plain(
        method,
        headers,
        ([127, 0, 0, 1], 9).into(),
        &world.policy,
        driver,
    ) {
        HandshakeOutcome::Upgrade(response, upgrade) => {
            assert_eq!(response.status(), 101);
            Ok(Pipe::to(upgrade, PIPE))
        }
        HandshakeOutcome::Answer(response) => Err(read(&response)),
        _ => panic!("no WebSocket"),
    }
}

fn socket(world: &World) -> Result<Pipe, Answer> {
    connect(world, &Method::GET, &websocket(), |_, _| Ok(Parrot))
}

#[tokio::test(start_paused = true)]
async fn messages_come_and_go_as_they_are() {
    let world = World::new();
    let mut socket = socket(&world).unwrap();
    for text in ["2", "1", "hello", "", "{\"type\":\"ping\"}"] {
        socket.say(text).await;
        assert_eq!(socket.text().await, text);
    }
    socket.write(0x82, &[1, 2]).await;
    assert_eq!(socket.frame().await, Some((0x2, vec![1, 2])));
    // A fragmented one is one message; a ping between its parts is answered.
    socket.write(0x01, b"he").await;
    socket.write(0x89, b"?").await;
    socket.write(0x80, b"llo").await;
    assert_eq!(socket.frame().await, Some((0xA, b"?".to_vec())));
    assert_eq!(socket.text().await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_ping_every_thirty_seconds_is_answered_within_five_or_the_connection_is_gone() {
    let world = World::new();
    let (mut socket, began) = (socket(&world).unwrap(), Instant::now());
    for round in 1..=3 {
        assert_eq!(socket.frame().await, Some((0x9, Vec::new())));
        assert_eq!(began.elapsed().as_secs(), 30 * round);
        socket.write(0x8A, b"").await;
    }
    assert_eq!(socket.frame().await, Some((0x9, Vec::new())));
    // What else it says is no pong.
    socket.say("2").await;
    assert_eq!(socket.text().await, "2");
    assert_eq!(socket.frame().await, None);
    assert_eq!(began.elapsed().as_secs(), 125);
    assert_eq!(world.acceptor.connections(), 0);
    assert_eq!(world.acceptor.endings()["silent"], 1);
}

#[tokio::test(start_paused = true)]
async fn who_brings_no_token_where_one_is_asked_for_is_answered_401() {
    let world = World::new();
    let mut headers = websocket();
    let refused = connect(&world, &Method::GET, &headers, bearer)
        .err()
        .unwrap();
    assert_eq!(
        (refused.0, refused.1.contains("Authentication required")),
        (401, true)
    );
    assert_eq!(world.acceptor.connections(), 0, "its place is free again");
    headers.insert("authorization", HeaderValue::from_static("Bearer abc"));
    assert!(connect(&world, &Method::GET, &headers, bearer).is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_websocket_or_of_a_foreign_page_is_refused() {
    let world = World::new();
    let handshake = |method, headers: &HeaderMap| {
        connect(&world, &method, headers, |_, _| Ok(Parrot))
            .err()
            .map(|(status, _)| status)
    };
    assert_eq!(handshake(Method::GET, &HeaderMap::new()), Some(400));
    assert_eq!(handshake(Method::POST, &websocket()), Some(400));
    let mut foreign = websocket();
    foreign.insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(handshake(Method::GET, &foreign), Some(403));
    assert_eq!(handshake(Method::GET, &websocket()), None);
}

#[tokio::test(start_paused = true)]
async fn they_count_among_all_connections() {
    let mut world = World::with(HubOptions {
        connections_max: 2,
        ..HubOptions::default()
    });
    world.session().await;
    let plain = socket(&world).unwrap();
    assert_eq!(world.websocket("").err().unwrap().0, 503);
    assert_eq!(socket(&world).err().unwrap().0, 503);
    drop(plain);
    goodbyes().await;
    let mut plain = socket(&world).unwrap();
    world.acceptor.close();
    assert_eq!(plain.closed().await, Some(1001));
    assert_eq!(socket(&world).err().unwrap().0, 503);
}
