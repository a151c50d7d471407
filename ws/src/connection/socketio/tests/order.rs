//! Whatever a client joins, however slowly it reads: each wanted entry once, in order, none unwanted.

use std::sync::Arc;

use proptest::prelude::*;
use schemas::{LocationId, Offset, Room, Sequence};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client::Client;
use super::log::{Log, hub, is_wanted, other_shop, shop, stock_of};
use super::{PIPE, offset};
use crate::HubOptions;

#[derive(Debug, Clone)]
enum Act {
    Join {
        room: u64,
        since: Option<u8>,
        snapshot: bool,
    },
    Publish {
        location: u64,
        product: u64,
        elsewhere: bool,
        times: u8,
    },
    Read {
        events: u8,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let join = (
        0..7_u64,
        prop::option::of(0..100_u8),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(room, since, snapshot)| Act::Join {
            room,
            since,
            snapshot,
        });
    let publish = (1..4_u64, 1..4_u64, any::<bool>(), 1..40_u8).prop_map(
        |(location, product, elsewhere, times)| Act::Publish {
            location,
            product,
            elsewhere,
            times,
        },
    );
    prop_oneof![2 => join, 4 => publish, 2 => (1..30_u8).prop_map(|events| Act::Read { events })]
}

/// What a join of that number is on the stream, and the room it means.
fn target(room: u64) -> (Value, Room) {
    let id = 1 + (room + 2) % 3;
    match room {
        0 => (json!({}), Room::InventoryAll),
        1..=3 => (
            json!({ "locationIds": [id] }),
            Room::InventoryLocation(id.into()),
        ),
        _ => (
            json!({ "productIds": [id] }),
            Room::InventoryProduct(id.into()),
        ),
    }
}

async fn run(acts: Vec<Act>, limited: bool, pipe_bytes: usize, ring_entries: usize) {
    let log = Arc::new(Log::default());
    let hub = hub(
        &log,
        &Arc::default(),
        HubOptions {
            ring_entries,
            ..HubOptions::default()
        },
    );
    let locations: Option<Vec<LocationId>> =
        limited.then(|| vec![1_u64.try_into().unwrap(), 2_u64.try_into().unwrap()]);
    let mut token = json!({ "role": "staff" });
    if let Some(locations) = &locations {
        token["locations"] = json!(locations);
    }
    let mut client = Client::join(&hub, pipe_bytes, &token).await.0;
    let mut joined: Vec<(Room, u64)> = Vec::new();
    let mut live: u64 = 0;
    let mut stock_now = 0;

    for act in acts {
        let seen = client.sequences.len();
        match act {
            Act::Join {
                room,
                since,
                snapshot,
            } => {
                let (mut payload, room) = target(room);
                if limited && room == Room::InventoryLocation(3.into()) {
                    continue;
                }
                let since =
                    since.map(|back| log.entries().len().saturating_sub(back.into()) as u64);
                if let Some(since) = since {
                    payload["since"] = json!(offset(since));
                }
                payload["snapshot"] = json!(snapshot);
                let answer = client.ask("subscribe:inventory", &payload).await;
                let at = answer["offset"]
                    .as_str()
                    .unwrap()
                    .parse::<Offset>()
                    .unwrap()
                    .sequence;
                if snapshot {
                    let expected = log.levels_at(at);
                    let (_, room) = (&payload, &room);
                    let visible = expected.iter().filter(|level| {
                        locations
                            .as_ref()
                            .is_none_or(|mine| mine.contains(&level.location_id))
                            && match room {
                                Room::InventoryLocation(id) => *id == level.location_id.into(),
                                Room::InventoryProduct(id) => {
                                    Some(id.clone()) == level.product_id.map(Into::into)
                                }
                                _ => true,
                            }
                    });
                    assert_eq!(
                        answer["levels"],
                        json!(visible.collect::<Vec<_>>()),
                        "exact at the offset"
                    );
                    assert!(
                        client.sequences.iter().all(|sequence| *sequence <= at.0),
                        "nothing newer before the levels"
                    );
                    live = live.max(at.0);
                }
                // First what was due anyway, then at most one run of what these rooms had missed.
                let turns = client.sequences[seen..]
                    .windows(2)
                    .filter(|pair| pair[0] >= pair[1])
                    .count();
                assert!(
                    turns <= usize::from(since.is_some()),
                    "{:?}",
                    &client.sequences[seen..]
                );
                joined.push((room, since.unwrap_or(at.0)));
            }
            Act::Publish {
                location,
                product,
                elsewhere,
                times,
            } => {
                for _ in 0..times {
                    stock_now += 1;
                    let shop = if elsewhere { other_shop() } else { shop() };
                    hub.publish(
                        &[log.append(&shop, stock_of(&shop, location, product, stock_now))],
                    );
                }
            }
            Act::Read { events } => {
                let due = log
                    .entries()
                    .iter()
                    .filter(|entry| is_wanted(entry, &joined, locations.as_deref()))
                    .count();
                for _ in 0..usize::from(events).min(due.saturating_sub(client.sequences.len())) {
                    client.events.clear();
                    client.event().await;
                }
                let fresh = &client.sequences[seen..];
                assert!(
                    fresh.iter().all(|sequence| *sequence > live)
                        && fresh.is_sorted_by(|a, b| a < b)
                );
            }
        }
    }

    let mut expected: Vec<u64> = log
        .entries()
        .iter()
        .filter(|entry| is_wanted(entry, &joined, locations.as_deref()))
        .map(|entry| entry.sequence().0)
        .collect();
    client.events_so_far().await;
    while client.sequences.len() < expected.len() {
        client.event().await;
    }
    client.events_so_far().await;
    let mut came = client.sequences.clone();
    came.sort_unstable();
    expected.sort_unstable();
    assert_eq!(came, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn each_wanted_entry_comes_once(
        acts in prop::collection::vec(act(), 1..25),
        limited: bool,
        pipe_bytes in prop::sample::select(vec![300_usize, 5_000, PIPE]),
        ring_entries in prop::sample::select(vec![1_usize, 8, 64]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(acts, limited, pipe_bytes, ring_entries));
    }
}

/// The same with real threads: the publisher races every join and every read.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn joins_racing_the_publisher_lose_and_double_nothing() {
    const ENTRIES: u64 = 20_000;
    let log = Arc::new(Log::default());
    let hub = hub(
        &log,
        &Arc::default(),
        HubOptions {
            ring_entries: 256,
            ..HubOptions::default()
        },
    );
    let mut readers = JoinSet::new();
    for reader in 0..6_u64 {
        let (hub, pipe_bytes) = (Arc::clone(&hub), if reader % 2 == 0 { 2_000 } else { PIPE });
        readers.spawn(async move {
            let mut client = Client::join(&hub, pipe_bytes, &json!({ "role": "staff" }))
                .await
                .0;
            let first = client
                .ask("subscribe:inventory", &json!({ "locationIds": [1] }))
                .await;
            let first: Offset = first["offset"].as_str().unwrap().parse().unwrap();
            for round in 0..10 {
                client
                    .ask(
                        "subscribe:inventory",
                        &json!({ "productIds": [round], "snapshot": round % 2 == 0 }),
                    )
                    .await;
            }
            // From here on every product is wanted; what came before at other locations is not in question.
            client
                .ask("subscribe:inventory", &json!({ "since": first }))
                .await;
            while client.sequences.len() < usize::try_from(ENTRIES - first.sequence.0).unwrap() {
                client.events.clear();
                client.event().await;
            }
            client.sequences.sort_unstable();
            assert_eq!(
                client.sequences,
                (first.sequence.0 + 1..=ENTRIES).collect::<Vec<_>>()
            );
        });
    }
    let publisher = tokio::task::spawn_blocking({
        let hub = Arc::clone(&hub);
        move || {
            for n in 1..=ENTRIES {
                let entry = log.append(
                    &shop(),
                    stock_of(&shop(), 1 + n % 3, n % 10 + 1, n.cast_signed()),
                );
                assert_eq!(entry.sequence(), Sequence(n));
                hub.publish(&[entry]);
            }
        }
    });
    publisher.await.unwrap();
    while let Some(done) = readers.join_next().await {
        done.unwrap();
    }
}
