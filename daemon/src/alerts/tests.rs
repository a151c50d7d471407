//! Channels over hours that pass at once, with a chat and a program that answer as they are told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Thresholds;
use http::{Request, Response};
use schemas::event::Notice;
use schemas::{EventData, Logged, ShopDomain};
use serde_json::Value;
use shopify::TransportError;
use store::{Retention, sqlite};
use tokio::time::Instant;

use super::*;
use crate::config::{QuietHours, Slack, Topic};

/// Answers in this order, then 200 for ever; keeps what it was sent and what of it was taken.
#[derive(Default)]
struct Receiver {
    answers: Mutex<VecDeque<(u16, Option<u64>)>>,
    taken: Mutex<Vec<(Duration, Value)>>,
    asked: Mutex<Vec<(Duration, String)>>,
    began: Mutex<Option<Instant>>,
}

#[async_trait]
impl Transport for Receiver {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let at = self.began.lock().unwrap().unwrap().elapsed();
        let id = request
            .headers()
            .get("webhook-id")
            .map_or("", |id| id.to_str().unwrap())
            .to_owned();
        self.asked.lock().unwrap().push((at, id));
        let (status, after) = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or((200, None));
        if status == 0 {
            return Err(TransportError::Timeout);
        }
        if status == 200 {
            self.taken
                .lock()
                .unwrap()
                .push((at, serde_json::from_slice(request.body()).unwrap()));
        }
        let mut answer = Response::builder().status(status);
        if let Some(after) = after {
            answer = answer.header("retry-after", after);
        }
        Ok(answer.body(Bytes::new()).unwrap())
    }
}

impl Receiver {
    fn answers(&self, answers: impl IntoIterator<Item = (u16, Option<u64>)>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Everything that it took, as minutes since the beginning and body.
    fn taken(&self) -> Vec<(u64, Value)> {
        self.taken
            .lock()
            .unwrap()
            .iter()
            .map(|(at, body)| (at.as_secs() / 60, body.clone()))
            .collect()
    }
}

/// A store with one shop, a clock that begins at 20:00, and a receiver.
struct World {
    store: Arc<dyn Store>,
    receiver: Arc<Receiver>,
    began: Instant,
    stop: CancellationToken,
    readers: tokio::task::JoinSet<()>,
    _writing: tokio::task::JoinSet<()>,
    _folder: tempfile::TempDir,
}

fn begins_at() -> Timestamp {
    "2026-11-20T20:00:00Z".parse().unwrap()
}

fn shop() -> ShopDomain {
    "a.myshopify.com".parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let (folder, entropy) = (tempfile::tempdir().unwrap(), Entropy::seeded(1));
        let path = folder.path().join("stockd.db");
        let sqlite::Opened {
            store, mut writer, ..
        } = sqlite::open(&path, &entropy, begins_at()).unwrap();
        let mut writing = tokio::task::JoinSet::new();
        // A thread of its own would not be waited for when the clock is turned.
        writing.spawn(async move {
            loop {
                writer.step().unwrap();
                sleep(Duration::from_millis(100)).await;
            }
        });
        let (receiver, began) = (Arc::new(Receiver::default()), Instant::now());
        *receiver.began.lock().unwrap() = Some(began);
        let world = Self {
            store,
            receiver,
            began,
            stop: CancellationToken::new(),
            readers: tokio::task::JoinSet::new(),
            _writing: writing,
            _folder: folder,
        };
        let (thresholds, at) = (Thresholds::default(), world.now());
        world
            .store
            .write(Operation::Register {
                shop: shop(),
                thresholds,
                at,
            })
            .await
            .unwrap();
        world
    }

    fn now(&self) -> Timestamp {
        begins_at() + jiff::SignedDuration::try_from(self.began.elapsed()).unwrap()
    }

    /// A channel at work, of all alerts, to a chat or to a program.
    async fn opens(&mut self, to_a_program: bool, digest_minutes: u64, quiet: Option<&str>) {
        let address: http::Uri = "http://receiver.example/".parse().unwrap();
        let outlet = if to_a_program {
            Outlet::Webhook {
                address,
                key: vec![7; 32],
            }
        } else {
            Outlet::Slack(address)
        };
        let quiet_hours = quiet.map(|text| QuietHours::try_from(text.to_owned()).unwrap());
        let digest = Duration::from_mins(digest_minutes);
        let (reader, events) = ("test".to_owned(), BTreeSet::from([Topic::Alert]));
        let terms = Terms {
            reader,
            events,
            digest,
            digest_urgent: digest,
            quiet_hours,
        };
        self.opens_with(terms, outlet).await;
    }

    async fn opens_with(&mut self, terms: Terms, outlet: Outlet) {
        let began = self.began;
        let reader = ChannelReader {
            store: Arc::clone(&self.store),
            clock: Arc::new(move || {
                begins_at() + jiff::SignedDuration::try_from(began.elapsed()).unwrap()
            }),
            entropy: Arc::new(Entropy::seeded(2)),
            transport: Arc::clone(&self.receiver) as _,
            zone: Tz::UTC,
            channel: Channel { terms, outlet },
        };
        let place = reader
            .place(&self.store.positions().await.unwrap())
            .await
            .unwrap();
        self.readers
            .spawn(reader.run(place, Heartbeat::unwatched(), self.stop.clone()));
    }

    /// Things happen.
    async fn tells(&self, titles: impl IntoIterator<Item = String>) {
        let tell = async |title| {
            let event = Logged::SystemAlert(EventData::Own(Notice {
                user_id: None,
                title,
                message: "look".to_owned(),
            }));
            let tell = Operation::Announce {
                shop: shop(),
                event: Box::new(event),
                at: self.now(),
            };
            self.store.write(tell).await.unwrap();
        };
        futures_util::future::join_all(titles.into_iter().map(tell)).await;
    }

    /// Somebody buys.
    async fn sells(&self) {
        let order = serde_json::json!({
            "orderId": "1", "name": "#1", "status": "created", "total": "5.00", "currency": "EUR", "itemCount": 1,
            "updatedAt": self.now(), "change": "created", "locations": [],
        });
        let event = Box::new(Logged::OrderCreated(EventData::Own(
            serde_json::from_value(order).unwrap(),
        )));
        self.store
            .write(Operation::Announce {
                shop: shop(),
                event,
                at: self.now(),
            })
            .await
            .unwrap();
    }

    async fn tell(&self, title: &str) {
        self.tells([title.to_owned()]).await;
    }

    async fn waits(&self, minutes: u64) {
        sleep(Duration::from_mins(minutes)).await;
    }

    async fn place(&self) -> Position {
        self.store
            .positions()
            .await
            .unwrap()
            .remove("test")
            .unwrap()
    }

    /// The reader is asked to end, and ends.
    async fn closes(&mut self) {
        self.stop.cancel();
        while self.readers.join_next().await.is_some() {}
        self.stop = CancellationToken::new();
    }
}

fn titles(body: &Value) -> Vec<&str> {
    let events = body["data"]["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["data"]["title"].as_str().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_for_an_hour_is_told_once_and_later() {
    let mut world = World::new().await;
    world.tell("before the channel was there").await;
    world.opens(true, 0, None).await;
    // Away: no answer, then a proxy's 502, until an hour has passed.
    world.receiver.answers([(0, None); 6]);
    world.receiver.answers([(502, None); 13]);
    world.tell("first").await;
    world.waits(30).await;
    world.tell("meanwhile").await;
    assert_eq!(world.receiver.taken(), []);
    assert_eq!(
        world.place().await.problem.as_deref(),
        Some("it answered 502")
    );
    world.waits(90).await;

    let taken = world.receiver.taken();
    assert_eq!(
        taken
            .iter()
            .map(|(_, body)| titles(body))
            .collect::<Vec<_>>(),
        [["first"], ["meanwhile"]]
    );
    assert!((40..80).contains(&taken[0].0), "minute {}", taken[0].0);
    let asked = world.receiver.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 21);
    assert!(
        asked[..20].iter().all(|(_, id)| *id == asked[0].1),
        "the same is sent again: {asked:?}"
    );
    assert_ne!(asked[20].1, asked[0].1);
    let place = world.place().await;
    assert_eq!((place.sent, place.given_up, place.problem), (2, 0, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_given_up_and_recorded_and_the_next_goes_out() {
    let mut world = World::new().await;
    world.opens(true, 0, None).await;
    world.receiver.answers([(410, None)]);
    world.tell("refused").await;
    world.waits(1).await;
    let place = world.place().await;
    assert_eq!(
        (place.sent, place.given_up, place.problem.as_deref()),
        (0, 1, Some("it answered 410"))
    );
    world.tell("taken").await;
    world.waits(1).await;
    assert_eq!(
        world
            .receiver
            .taken()
            .iter()
            .map(|(_, body)| titles(body))
            .collect::<Vec<_>>(),
        [["taken"]]
    );
    assert_eq!(world.place().await.problem, None);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_us_to_stay_away_is_left_alone_for_so_long() {
    let mut world = World::new().await;
    world.opens(false, 0, None).await;
    world.receiver.answers([(429, Some(600))]);
    world.tell("limited").await;
    world.waits(9).await;
    assert_eq!(world.receiver.asked.lock().unwrap().len(), 1);
    world.waits(2).await;
    assert_eq!(world.receiver.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_one_message_of_bounded_length() {
    let mut world = World::new().await;
    world.opens(false, 15, None).await;
    world
        .tells((0..5_000).map(|n| format!("item {n} with a <title> & more{}", "x".repeat(400))))
        .await;
    world.waits(20).await;
    let taken = world.receiver.taken();
    assert_eq!(taken.len(), 1, "a digest is one message");
    assert_eq!(taken[0].0, 15);
    let text = taken[0].1["text"].as_str().unwrap();
    assert!(
        text.contains("*Alerts: 5000; a.myshopify.com*") && text.contains("and 4990 more"),
        "{text}"
    );
    assert!(
        text.contains("&lt;title&gt; &amp; more") && text.len() < 5_000,
        "{} bytes",
        text.len()
    );
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_said_orders_are_gathered_for_people_and_failures_are_told_at_once() {
    let mut world = World::new().await;
    let channel: Slack =
        toml::from_str("events = [\"alert\", \"order_created\"]\nurl = \"x\"\n").unwrap();
    let address = "http://receiver.example/".parse().unwrap();
    world
        .opens_with(channel.terms(), Outlet::Slack(address))
        .await;
    for _ in 0..6 {
        world.sells().await;
        world.waits(7).await;
    }
    let minutes = |world: &World| {
        world
            .receiver
            .taken()
            .iter()
            .map(|(at, _)| *at)
            .collect::<Vec<_>>()
    };
    assert_eq!(minutes(&world), [15, 36]);
    world.sells().await;
    world.waits(1).await;
    world.tell("disk").await;
    world.waits(1).await;
    assert_eq!(minutes(&world), [15, 36, 43]);
    let last = world.receiver.taken()[2].1["text"].to_string();
    assert!(
        last.contains("Alerts: 1") && last.contains("New orders: 1;"),
        "{last}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_is_told_each_event_however_many() {
    let mut world = World::new().await;
    world.opens(true, 15, None).await;
    world.tells((0..250).map(|n| n.to_string())).await;
    world.waits(20).await;
    let taken = world.receiver.taken();
    let told = taken.iter().flat_map(|(_, body)| titles(body));
    let mut told: Vec<u32> = told.map(|title| title.parse().unwrap()).collect();
    // They were told at once, so in any order.
    told.sort_unstable();
    assert_eq!(told, (0..250).collect::<Vec<_>>());
    assert_eq!(
        taken.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [0, 0, 15],
        "what is full goes at once"
    );
}

#[tokio::test(start_paused = true)]
async fn in_quiet_hours_nothing_is_sent_and_what_gathered_is_one_message() {
    let mut world = World::new().await;
    world.opens(true, 0, Some("22:00-07:00")).await;
    world.tell("at eight").await;
    world.waits(3 * 60).await;
    world.tell("at eleven").await;
    world.waits(3 * 60).await;
    world.tell("at two").await;
    world.waits(6 * 60).await;
    let taken = world.receiver.taken();
    assert_eq!(titles(&taken[0].1), ["at eight"]);
    assert_eq!(titles(&taken[1].1), ["at eleven", "at two"]);
    assert_eq!((taken.len(), taken[0].0, taken[1].0), (2, 0, 11 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_message_under_way_is_the_same_after_a_restart_whatever_came_since() {
    let mut world = World::new().await;
    world.opens(true, 0, None).await;
    world.receiver.answers([(0, None); 3]);
    world.tell("under way").await;
    world.waits(0).await;
    sleep(Duration::from_secs(2)).await;
    world.closes().await;
    world.tell("since").await;
    world.receiver.answers.lock().unwrap().clear();
    world.opens(true, 0, None).await;
    world.waits(1).await;
    let taken = world.receiver.taken();
    assert_eq!(
        taken
            .iter()
            .map(|(_, body)| titles(body))
            .collect::<Vec<_>>(),
        [["under way"], ["since"]]
    );
    let asked = world.receiver.asked.lock().unwrap().clone();
    let (last, before) = asked.split_last().unwrap();
    assert!(
        before.iter().all(|(_, id)| *id == before[0].1) && last.1 != before[0].1,
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_log_forgot_meanwhile_is_owned_up_to_in_the_next_message() {
    let mut world = World::new().await;
    world.opens(true, 0, None).await;
    world.waits(2).await;
    world.closes().await;
    world.tell("lost").await;
    let now = world.now();
    let retention = Retention {
        deliveries_before: now,
        log_before: now + jiff::SignedDuration::from_secs(1),
        runs_before: now,
        revoked_until: now,
        sessions_before: now,
        unreadable_before: now,
    };
    world
        .store
        .write(Operation::Prune(retention))
        .await
        .unwrap();
    world.opens(true, 0, None).await;
    world.waits(2).await;
    assert_eq!(world.receiver.taken(), [], "nothing to tell it with");
    world.tell("kept").await;
    world.waits(1).await;
    world.tell("next").await;
    world.waits(1).await;
    let taken = world.receiver.taken();
    assert_eq!(
        taken
            .iter()
            .map(|(_, body)| titles(body))
            .collect::<Vec<_>>(),
        [["kept"], ["next"]]
    );
    let missing = taken
        .iter()
        .map(|(_, body)| body["data"]["missingSince"].is_string());
    assert_eq!(missing.collect::<Vec<_>>(), [true, false]);
}
