//! Whatever a client does by turns, and whenever it changes over: what it says comes back once and in order.

use std::time::Duration;

use proptest::prelude::*;

use super::pipe::Pipe;
use super::{Answer, World};
use crate::HubOptions;

#[derive(Debug, Clone)]
enum Act {
    Poll,
    Post { messages: u8 },
    Probe,
    TakeOver,
    Wait { seconds: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Poll),
        3 => (1..20_u8).prop_map(|messages| Act::Post { messages }),
        1 => Just(Act::Probe),
        1 => Just(Act::TakeOver),
        // All of them together less than the patience of a heartbeat.
        2 => (0..3_u8).prop_map(|seconds| Act::Wait { seconds }),
    ]
}

/// A client that keeps the rules.
struct Client {
    world: World,
    sid: String,
    poll: Option<tokio::task::JoinHandle<Answer>>,
    socket: Option<Pipe>,
    said: usize,
    heard: usize,
}

impl Client {
    async fn say(&mut self, messages: u8) {
        let texts = (0..messages).map(|n| format!("4{}", self.said + usize::from(n)));
        let texts: Vec<_> = texts.collect();
        self.said += texts.len();
        let answer = self.world.post(&self.sid, texts.join("\x1e")).await;
        assert_eq!(answer, super::ok("ok"));
    }

    /// Takes an answer, if there is one by now.
    async fn look(&mut self) {
        if self
            .poll
            .as_ref()
            .is_some_and(tokio::task::JoinHandle::is_finished)
        {
            self.take_poll().await;
        }
    }

    async fn take_poll(&mut self) {
        let Some(poll) = self.poll.take() else { return };
        let (status, payload) = poll.await.unwrap();
        assert_eq!(status, 200);
        for packet in payload.split('\x1e') {
            self.hear(packet).await;
        }
    }

    async fn hear(&mut self, packet: &str) {
        match packet {
            "2" => assert_eq!(self.world.post(&self.sid, "3").await, super::ok("ok")),
            "6" => {}
            echo => {
                assert_eq!(echo, format!("4{}", self.heard));
                self.heard += 1;
            }
        }
    }

    async fn act(&mut self, act: Act) {
        self.look().await;
        match act {
            Act::Poll if self.poll.is_none() => {
                self.poll = Some(self.world.poll_later(&self.sid).await);
            }
            Act::Post { messages } => self.say(messages).await,
            Act::Probe => {
                // A second one at a time is closed, which is another test's.
                self.socket = None;
                tokio::time::sleep(Duration::from_millis(1)).await;
                let mut socket = self.world.websocket(&format!("&sid={}", self.sid)).unwrap();
                socket.say("2probe").await;
                assert_eq!(socket.text().await, "3probe");
                self.socket = Some(socket);
            }
            Act::Wait { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                // A probe is given up before long.
                self.socket = None;
            }
            Act::Poll | Act::TakeOver => {}
        }
    }

    async fn change_over(mut self, mut socket: Pipe) {
        // Only once its poll is answered.
        self.take_poll().await;
        socket.say("5").await;
        socket.say(&format!("4{}", self.said)).await;
        self.said += 1;
        while self.heard < self.said {
            match socket.text().await.as_str() {
                "2" => socket.say("3").await,
                echo => self.hear(echo).await,
            }
        }
    }
}

async fn run(acts: Vec<Act>, max_payload: usize) {
    let mut world = World::with(HubOptions {
        max_payload,
        ..HubOptions::default()
    });
    let sid = world.session().await;
    let mut client = Client {
        world,
        sid,
        poll: None,
        socket: None,
        said: 0,
        heard: 0,
    };
    for act in acts {
        if matches!(act, Act::TakeOver)
            && let Some(socket) = client.socket.take()
        {
            return client.change_over(socket).await;
        }
        client.act(act).await;
    }
    while client.heard < client.said {
        if client.poll.is_none() {
            client.poll = Some(client.world.poll_later(&client.sid).await);
        }
        client.take_poll().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_back_once_and_in_order(
        acts in prop::collection::vec(act(), 1..30),
        max_payload in prop::sample::select(vec![200_usize, 1_000_000]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(acts, max_payload));
    }
}
