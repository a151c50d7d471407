//! Several clients at a time, some quick and some slow, who come and go in rooms while things happen one by one and in
//! bursts: each hears exactly what its rooms and rights bring it, in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use schemas::event::Notice;
use schemas::{Kind, LocationId, LogEntry, Room};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::PIPE;
use super::client::Client;
use super::log::{Log, announced, hub, is_wanted, notice, shop, stock};
use crate::HubOptions;

#[derive(Debug, Clone)]
enum Act {
    Join {
        who: usize,
        room: u64,
    },
    Leave {
        who: usize,
        room: u64,
    },
    Happen {
        location: u64,
        product: u64,
        times: u8,
        to: usize,
    },
    Read {
        who: usize,
        events: u8,
    },
}

/// What each client's pipe holds, and whether it is limited to location 1.
const CLIENTS: [(usize, bool); 5] = [
    (PIPE, false),
    (PIPE, false),
    (700, false),
    (64, true),
    (PIPE, true),
];

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..CLIENTS.len();
    prop_oneof![
        3 => (who(), 0..5_u64).prop_map(|(who, room)| Act::Join { who, room }),
        1 => (who(), 0..5_u64).prop_map(|(who, room)| Act::Leave { who, room }),
        4 => (1..4_u64, 1..3_u64, prop_oneof![Just(1_u8), 2..60_u8], who())
            .prop_map(|(location, product, times, to)| Act::Happen { location, product, times, to }),
        2 => (who(), 1..40_u8).prop_map(|(who, events)| Act::Read { who, events }),
    ]
}

/// A room as it is asked for, and what it is.
fn room(number: u64, limited: bool) -> (Value, Room) {
    match number {
        0 => (json!({}), Room::InventoryAll),
        1 | 2 if limited => (
            json!({ "locationIds": [1] }),
            Room::InventoryLocation(1.into()),
        ),
        1 | 2 => (
            json!({ "locationIds": [number] }),
            Room::InventoryLocation(number.into()),
        ),
        _ => (
            json!({ "productIds": [number - 2] }),
            Room::InventoryProduct((number - 2).into()),
        ),
    }
}

struct Listener {
    client: Client,
    limited: Option<Vec<LocationId>>,
    /// Its rooms, and the sequence after which each counts.
    rooms: Vec<(Room, u64)>,
    /// What it has heard or is still to hear.
    due: BTreeSet<u64>,
}

impl Listener {
    fn wants(&self, entry: &LogEntry) -> bool {
        is_wanted(entry, &self.rooms, self.limited.as_deref())
    }

    async fn join(&mut self, number: u64, head: u64) {
        let (payload, room) = room(number, self.limited.is_some());
        self.client.ask("subscribe:inventory", &payload).await;
        if self.rooms.iter().all(|(joined, _)| *joined != room) {
            self.rooms.push((room, head));
        }
    }

    /// What was not handed out by then is heard only if another room brings it.
    async fn leave(&mut self, number: u64, log: &Log) {
        let (payload, room) = room(number, self.limited.is_some());
        if room == Room::InventoryAll {
            // An empty unsubscribe means all of them.
            return;
        }
        self.client.ask("unsubscribe:inventory", &payload).await;
        self.rooms.retain(|(joined, _)| *joined != room);
        let entries = log.entries();
        let heard: BTreeSet<u64> = self.client.sequences.iter().copied().collect();
        let wanted: BTreeSet<u64> = entries
            .iter()
            .filter(|entry| self.wants(entry))
            .map(|entry| entry.sequence().0)
            .collect();
        self.due
            .retain(|sequence| heard.contains(sequence) || wanted.contains(sequence));
    }

    async fn read(&mut self, events: usize) {
        for _ in 0..events.min(self.due.len() - self.client.sequences.len()) {
            self.client.events.clear();
            self.client.event().await;
        }
    }
}

async fn run(acts: Vec<Act>, ring_entries: usize) {
    let begun = Instant::now();
    let log = Arc::new(Log::default());
    let hub = hub(
        &log,
        &Arc::default(),
        HubOptions {
            ring_entries,
            ..HubOptions::default()
        },
    );
    let mut listeners = Vec::new();
    for (index, (pipe_bytes, limited)) in CLIENTS.into_iter().enumerate() {
        let mut token = json!({ "role": "staff", "user": index.to_string() });
        if limited {
            token["locations"] = json!(["1"]);
        }
        let client = Client::join(&hub, pipe_bytes, &token).await.0;
        let limited = limited.then(|| vec![1_u64.try_into().unwrap()]);
        let rooms = vec![(Room::User(index.to_string().parse().unwrap()), 0)];
        listeners.push(Listener {
            client,
            limited,
            rooms,
            due: BTreeSet::new(),
        });
    }
    for act in acts {
        match act {
            Act::Join { who, room } => listeners[who].join(room, log.entries().len() as u64).await,
            Act::Leave { who, room } => listeners[who].leave(room, &log).await,
            Act::Happen {
                location,
                product,
                times,
                to,
            } => {
                let mut entries = Vec::new();
                for n in 0..u64::from(times) {
                    // Every fifth concerns one of them alone.
                    let user_id = to.to_string().parse().ok();
                    entries.push(log.append(
                        &shop(),
                        match n % 5 {
                            4 => announced(
                                Kind::UserNotification,
                                &Notice {
                                    user_id,
                                    ..notice("personal")
                                },
                            ),
                            _ => stock(1 + (location + n) % 3, product, n.cast_signed()),
                        },
                    ));
                }
                hub.publish(&entries);
                for listener in &mut listeners {
                    let wanted: Vec<u64> = entries
                        .iter()
                        .filter(|entry| listener.wants(entry))
                        .map(|entry| entry.sequence().0)
                        .collect();
                    listener.due.extend(wanted);
                }
            }
            Act::Read { who, events } => listeners[who].read(events.into()).await,
        }
    }
    for listener in &mut listeners {
        listener.read(usize::MAX).await;
        listener.client.events_so_far().await;
        assert!(
            listener.client.sequences.iter().eq(&listener.due),
            "{:?}",
            listener.rooms
        );
    }
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "a task was not told, and found out by its clock"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_exactly_what_concerns_them(
        acts in prop::collection::vec(act(), 1..40),
        ring_entries in prop::sample::select(vec![1_usize, 16, 1024]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(acts, ring_entries));
    }
}
