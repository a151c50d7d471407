//! The change from polling to WebSocket: nothing is lost by it, and nothing is left of one that fails.

use std::time::Duration;

use super::{Answer, World, ok, refused};
use crate::connection::tests::pipe::Pipe;
use crate::limits;

/// A WebSocket that has probed that session.
async fn probed(world: &World, sid: &str) -> Pipe {
    let mut socket = world.websocket(&format!("&sid={sid}")).unwrap();
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket
}

async fn upgraded(world: &World, sid: &str) -> Pipe {
    let mut socket = probed(world, sid).await;
    socket.say("5").await;
    socket
}

/// What a session answers that a WebSocket has.
fn taken() -> Answer {
    refused(3, "Bad request")
}

#[tokio::test(start_paused = true)]
async fn a_probe_ends_the_waiting_poll_and_the_websocket_takes_over() {
    let mut world = World::new();
    let sid = world.session().await;
    let poll = world.poll_later(&sid).await;
    let mut socket = probed(&world, &sid).await;
    assert_eq!(poll.await.unwrap(), ok("6"));
    assert_eq!(
        world.poll(&sid).await,
        ok("6"),
        "a later one does not wait long either"
    );
    socket.say("5").await;
    socket.say("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    assert_eq!(world.acceptor.connections(), 1);
    assert_eq!(socket.text().await, "2", "and is pinged there");
}

#[tokio::test(start_paused = true)]
async fn everything_said_at_once_is_heard_in_order() {
    let mut world = World::new();
    let sid = world.session().await;
    assert_eq!(world.post(&sid, "4first\x1e4second").await, ok("ok"));
    let mut socket = world.websocket(&format!("&sid={sid}")).unwrap();
    for text in ["2probe", "5", "4third"] {
        socket.say(text).await;
    }
    for text in ["3probe", "4first", "4second", "4third"] {
        assert_eq!(socket.text().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn after_it_requests_with_the_same_sid_are_refused_and_harm_nobody() {
    let mut world = World::new();
    let sid = world.session().await;
    let mut socket = upgraded(&world, &sid).await;
    socket.say("4hello").await;
    assert_eq!(socket.text().await, "4hello");
    assert_eq!(world.poll(&sid).await, taken());
    assert_eq!(world.post(&sid, "4evil").await, taken());
    let mut second = world.websocket(&format!("&sid={sid}")).unwrap();
    assert_eq!(second.closed().await, Some(1008));
    socket.say("4still here").await;
    assert_eq!(socket.text().await, "4still here");
    drop(socket);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.poll(&sid).await, super::unknown());
    assert_eq!(world.acceptor.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_websocket_probes_at_a_time() {
    let mut world = World::new();
    let sid = world.session().await;
    let first = probed(&world, &sid).await;
    let mut second = world.websocket(&format!("&sid={sid}")).unwrap();
    assert_eq!(second.closed().await, Some(1008));
    drop(first);
    tokio::time::sleep(Duration::from_millis(1)).await;
    upgraded(&world, &sid).await.say("1").await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_comes_to_nothing_is_closed_and_the_session_polls_on() {
    let mut world = World::new();
    let sid = world.session().await;
    let began = tokio::time::Instant::now();
    let mut socket = probed(&world, &sid).await;
    assert_eq!(socket.closed().await, Some(1008));
    assert_eq!(began.elapsed().as_secs(), limits::UPGRADE_TIMEOUT.as_secs());
    for nonsense in ["5", "4hello", "2", "x"] {
        let mut socket = world.websocket(&format!("&sid={sid}")).unwrap();
        socket.say(nonsense).await;
        assert_eq!(socket.closed().await, Some(1008), "{nonsense}");
    }
    let mut silent = world.websocket(&format!("&sid={sid}")).unwrap();
    silent.write(0x82, b"bytes").await;
    assert_eq!(silent.closed().await, Some(1008));
    assert_eq!(world.post(&sid, "4hello").await, ok("ok"));
    assert_eq!(world.poll(&sid).await, ok("4hello"));
    let poll = world.poll_later(&sid).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!poll.is_finished(), "polls wait again");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_takes_its_probe_with_it() {
    let mut world = World::new();
    let sid = world.session().await;
    let mut socket = probed(&world, &sid).await;
    assert_eq!(world.post(&sid, "1").await, ok("ok"));
    assert_eq!(socket.closed().await, None);
    assert_eq!(world.acceptor.connections(), 0);
}
