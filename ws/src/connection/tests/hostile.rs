//! What no well-behaved client does: it ends its own session and no other.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{World, goodbyes, ok, refused, session, unknown};
use crate::connection::HandshakeOutcome;
use crate::{HubOptions, limits};

fn bad_request() -> super::Answer {
    refused(3, "Bad request")
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_packet_closes_its_session() {
    let mut world = World::new();
    let bystander = world.session().await;
    let bodies: [&[u8]; 14] = [
        b"abc",
        b"",
        b"\x1e",
        b"4a\x1e",
        b"4a\x1eabc",
        b"2",
        b"2probe",
        b"5",
        b"0{}",
        b"b*",
        b"bAQI",
        b"\xff",
        b"\x00",
        &[0x1e; 10_000],
    ];
    for body in bodies {
        let sid = world.session().await;
        let poll = world.poll_later(&sid).await;
        assert_eq!(world.post(&sid, body).await, bad_request(), "{body:?}");
        assert_eq!(poll.await.unwrap().0, 200);
        assert_eq!(world.poll(&sid).await, unknown());
    }
    assert_eq!(world.post(&bystander, "4hello").await, ok("ok"));
    assert_eq!(world.poll(&bystander).await, ok("4hello"));
    assert_eq!(world.acceptor.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_polls_at_a_time_close_the_session() {
    let mut world = World::new();
    let sid = world.session().await;
    let first = world.poll_later(&sid).await;
    assert_eq!(world.poll(&sid).await, bad_request());
    assert_eq!(first.await.unwrap(), ok("1"));
    assert_eq!(world.poll(&sid).await, unknown());
}

#[tokio::test(start_paused = true)]
async fn two_posts_at_a_time_close_the_session() {
    let mut world = World::new();
    let sid = world.session().await;
    let HandshakeOutcome::Post(first) =
        world.handshake(&Method::POST, &session(&sid), &HeaderMap::new())
    else {
        panic!("no post")
    };
    assert_eq!(world.post(&sid, "4second").await, bad_request());
    assert_eq!(
        first.answer(Bytes::from_static(b"4first")).await.status(),
        400
    );
    assert_eq!(world.poll(&sid).await, unknown());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_off_closes_the_session() {
    let mut world = World::new();
    let sid = world.session().await;
    let poll = world.poll_later(&sid).await;
    poll.abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.post(&sid, "4hello").await, unknown());

    let sid = world.session().await;
    drop(world.handshake(&Method::POST, &session(&sid), &HeaderMap::new()));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.poll(&sid).await, unknown());

    // One whose body was handed over and is not yet taken.
    let sid = world.session().await;
    assert_eq!(
        world
            .post(&sid, format!("4{}", "x".repeat(limits::OUT_BYTES_MAX)))
            .await,
        ok("ok")
    );
    let post = world.post(&sid, "4waits");
    assert!(
        tokio::time::timeout(Duration::from_millis(1), post)
            .await
            .is_err()
    );
    assert_eq!(world.poll(&sid).await, unknown());
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_nobody_uses_are_bounded_and_given_up() {
    let mut world = World::with(HubOptions {
        connections_max: 100,
        ..HubOptions::default()
    });
    for _ in 0..100 {
        world.session().await;
    }
    assert_eq!(
        world
            .request(Method::GET, "EIO=4&transport=polling", b"")
            .await
            .0,
        503
    );
    assert_eq!(world.websocket("").err().unwrap().0, 503);
    tokio::time::sleep(limits::PING_INTERVAL + limits::PING_TIMEOUT + Duration::from_millis(5))
        .await;
    assert_eq!(world.acceptor.connections(), 0);
    assert_eq!(world.acceptor.sessions(), 0);
    world.session().await;
}

#[tokio::test(start_paused = true)]
async fn who_posts_and_never_polls_is_not_listened_to_for_ever() {
    let mut world = World::new();
    let sid = world.session().await;
    let packet = format!("4{}", "x".repeat(1000));
    let flood = async { while world.post(&sid, &packet).await == ok("ok") {} };
    assert!(
        tokio::time::timeout(Duration::from_mins(3), flood)
            .await
            .is_ok(),
        "it ends"
    );
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn tiny_fragments_cost_no_more_than_they_weigh() {
    let world = World::new();
    let mut bystander = world.websocket("").unwrap();
    bystander.text().await;
    let mut socket = world.websocket("").unwrap();
    socket.text().await;
    let fragments: Vec<u8> = [0x00, 0x81, 0, 0, 0, 0, b'x'].repeat(500);
    socket.write(0x01, b"4").await;
    for _ in 0..100 {
        socket.raw(&fragments).await;
    }
    socket.write(0x89, b"").await;
    assert_eq!(socket.frame().await, Some((0xA, vec![])));
    socket.write(0x80, b"").await;
    assert_eq!(socket.text().await.len(), 50_001);
    // Empty ones, which never come to an end, are a message like any other: it ends with the heartbeat.
    socket.write(0x01, b"4").await;
    socket.raw(&[0x00, 0x80, 0, 0, 0, 0].repeat(1000)).await;
    bystander.say("4hello").await;
    assert_eq!(bystander.text().await, "4hello");
}

#[tokio::test(start_paused = true)]
async fn nonsense_on_a_websocket_closes_it_with_a_reason() {
    let world = World::new();
    let cases: [(&[u8], u16); 6] = [
        (b"\x81\x83\0\0\0\0abc", 1008),
        (b"\x81\x80\0\0\0\0", 1008),
        (b"\x81\x03abc", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x82\xff\0\0\0\0\0\x20\0\0\0\0\0\0", 1009),
    ];
    for (bytes, code) in cases {
        let mut socket = world.websocket("").unwrap();
        socket.text().await;
        socket.raw(bytes).await;
        assert_eq!(socket.closed().await, Some(code), "{bytes:?}");
    }
    goodbyes().await;
    assert_eq!(world.acceptor.connections(), 0);
}
