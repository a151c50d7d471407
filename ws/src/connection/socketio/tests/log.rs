//! An in-memory log behind a hub, and events to put into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemas::command::CommandKind;
use schemas::event::{LevelChange, Notice, OrderChange, OrderChanged, Source as Way};
use schemas::shape::{
    CommandShape, CommandState, LevelShape, OrderShape, OrderStatus, ReservationShape,
    ReservationState, ReservedItem, StockStatus,
};
use schemas::{
    AnyId, Entropy, Epoch, ErrorBody, EventData, Identity, Kind, LevelSelection, LocationId,
    LogEntry, Logged, Money, Offset, OrderId, Posted, ProductId, Quantities, Resource, Room,
    RunKind, RunState, Sequence, ShopDomain, ShopScope, Subject, SyncRun, Timestamp,
};
use serde_json::{Value, json};

use super::fake_commands::FakeCommands;
use crate::{
    AuthError, EventSource, Hub, HubOptions, KeptRooms, LevelsSnapshot, OrderOwner, SourceError,
    TokenVerifier,
};

pub(crate) const EPOCH: Epoch = Epoch(0xbeef);

pub(crate) fn shop() -> ShopDomain {
    "pretend.myshopify.com".parse().unwrap()
}

pub(crate) fn other_shop() -> ShopDomain {
    "other.myshopify.com".parse().unwrap()
}

/// A reservation of that user on one of something at each of those locations.
pub(crate) fn reservation(by: &str, locations: &[u64]) -> Logged {
    let held = |location: &u64| ReservedItem {
        inventory_item_id: 3_u64.try_into().unwrap(),
        location_id: (*location).try_into().unwrap(),
        quantity: 1,
    };
    Logged::InventoryReservation(EventData::Own(ReservationShape {
        reservation_id: "r1".to_owned(),
        state: ReservationState::Held,
        items: locations.iter().map(held).collect(),
        reference: None,
        reason: "a test".to_owned(),
        expires_at: Timestamp::UNIX_EPOCH,
        created_by: by.parse().unwrap(),
    }))
}

/// A command of that user, at its end.
pub(crate) fn command(by: &str, error: Option<ErrorBody>) -> Logged {
    Logged::CommandUpdated(CommandShape {
        command_id: "c1".to_owned(),
        kind: CommandKind::Reserve,
        state: if error.is_some() {
            CommandState::Failed
        } else {
            CommandState::Confirmed
        },
        error,
        by: by.parse().unwrap(),
        reason: "a test".to_owned(),
        before: None,
        after: None,
        at: Timestamp::UNIX_EPOCH,
    })
}

/// A full run of products.
pub(crate) fn run(state: RunState) -> SyncRun {
    SyncRun {
        run_id: "r".parse().unwrap(),
        resource: Resource::Products,
        kind: RunKind::Full,
        dry_run: false,
        state,
        processed: 25,
        total: Some(100),
        bulk_objects: None,
        changed: 0,
        deleted: 0,
        drift: 0,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: None,
        error: None,
    }
}

/// The log's writer and its source in one.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<LogEntry>>,
    /// How often a backup was put back.
    pub(crate) life: AtomicU32,
    /// Entries up to here are no longer kept.
    pub(crate) floor: Mutex<u64>,
    /// The rooms of sessions, and how often some were written.
    pub(crate) sessions: Mutex<BTreeMap<String, String>>,
    pub(crate) kept: AtomicUsize,
    /// Up to when such made room for others.
    pub(crate) evicted_at: Mutex<Option<Timestamp>>,
    /// How often the rooms of a session were looked up.
    pub(crate) looked_up: AtomicUsize,
    /// Whether the store does not answer.
    pub(crate) broken: AtomicBool,
}

impl Log {
    pub(crate) fn append(&self, shop: &ShopDomain, event: Logged) -> LogEntry {
        let mut entries = self.entries.lock().unwrap();
        let sequence = Sequence(entries.len() as u64 + 1);
        let offset = Offset {
            epoch: self.epoch(),
            sequence,
        };
        let entry = LogEntry::new(offset, shop.clone(), Timestamp::UNIX_EPOCH, event);
        entries.push(entry.clone());
        entry
    }

    fn epoch(&self) -> Epoch {
        Epoch(EPOCH.0 + self.life.load(Ordering::Relaxed))
    }

    /// Nothing says any more whose the orders are.
    pub(crate) fn redact(&self) {
        for entry in &mut *self.entries.lock().unwrap() {
            if let Logged::OrderCreated(EventData::Own(changed)) = &mut entry.event {
                changed.order.customer_id = None;
            }
        }
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// The last `available` of each location and product up to there.
    pub(crate) fn levels_at(&self, until: Sequence) -> Vec<LevelShape> {
        let mut levels: Vec<LevelShape> = Vec::new();
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.sequence() <= until)
        {
            if let Logged::InventoryUpdated(EventData::Own(LevelChange { level, .. })) =
                &entry.event
            {
                let key =
                    |level: &LevelShape| (level.shop.clone(), level.location_id, level.product_id);
                levels.retain(|known| key(known) != key(level));
                levels.push(level.clone());
            }
        }
        levels
    }
}

#[async_trait]
impl EventSource for Log {
    fn shops(&self) -> Vec<ShopDomain> {
        vec![shop(), other_shop()]
    }

    fn company(&self, _shop: &ShopDomain) -> Option<AnyId> {
        Some("c1".parse().unwrap())
    }

    async fn order(
        &self,
        _shops: &[ShopDomain],
        order: OrderId,
    ) -> Result<Option<OrderOwner>, SourceError> {
        let known = self
            .entries()
            .into_iter()
            .find_map(|entry| match entry.event {
                Logged::OrderCreated(EventData::Own(changed))
                    if changed.order.order_id == order =>
                {
                    Some((changed.order.customer_id, changed.locations))
                }
                _ => None,
            });
        Ok(known)
    }

    fn head(&self) -> Offset {
        Offset {
            epoch: self.epoch(),
            sequence: Sequence(self.entries.lock().unwrap().len() as u64),
        }
    }

    async fn replay(
        &self,
        shop: &ShopDomain,
        rooms: &BTreeSet<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, SourceError> {
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        if after.0 < *self.floor.lock().unwrap() {
            return Err(SourceError::TooOld);
        }
        let entries = self.entries.lock().unwrap();
        let range = entries
            .iter()
            .skip(after.0.try_into().unwrap())
            .take_while(|entry| entry.sequence() <= until);
        let concerned =
            range.filter(|entry| entry.shop == *shop && !entry.event.rooms().is_disjoint(rooms));
        Ok(concerned.take(limit).cloned().collect())
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }

    async fn keep_session(
        &self,
        id: String,
        _owner: String,
        rooms: String,
        _at: Timestamp,
    ) -> Result<(), SourceError> {
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.sessions.lock().unwrap().insert(id, rooms);
        Ok(())
    }

    async fn session(&self, id: &str, _owner: &str) -> Result<KeptRooms, SourceError> {
        self.looked_up.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        let rooms = self.sessions.lock().unwrap().get(id).cloned();
        Ok(KeptRooms {
            rooms,
            evicted_at: *self.evicted_at.lock().unwrap(),
        })
    }

    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError> {
        let at = self.head().sequence;
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        let mut levels = self.levels_at(at);
        levels.retain(|level| {
            let location = selection
                .location_ids
                .iter()
                .flatten()
                .any(|id| *id == level.location_id);
            let product = selection
                .product_ids
                .iter()
                .flatten()
                .any(|id| Some(*id) == level.product_id);
            let mine = selection
                .within
                .as_ref()
                .is_none_or(|mine| mine.contains(&level.location_id));
            mine && shops.contains(&level.shop)
                && (selection.is_everything() || location || product)
        });
        if levels.len() > limit {
            Err(SourceError::TooMany)
        } else {
            Ok(Arc::new(LevelsSnapshot::new(&levels, at, ())))
        }
    }
}

/// Tokens are JSON: `{role, user?, locations?, shops?, customer?, expires?, jti?, key?}`; those whose `jti` is listed
/// first are revoked, and those with a `key` are signed with one that is still to be fetched, unless it is listed second.
#[derive(Default)]
pub(crate) struct Tokens(
    pub(crate) Mutex<BTreeSet<String>>,
    pub(crate) Mutex<BTreeSet<String>>,
);

impl TokenVerifier for Tokens {
    fn identify(&self, token: &str, _now: Timestamp) -> Result<Identity, AuthError> {
        let claims: Value = serde_json::from_str(token).map_err(|_| AuthError::Invalid)?;
        let take = |key: &str| claims.get(key).cloned();
        if claims["key"]
            .as_str()
            .is_some_and(|key| !self.1.lock().unwrap().contains(key))
        {
            return Err(AuthError::NotYet);
        }
        let read = |value: Value| serde_json::from_value(value).map_err(|_| AuthError::Invalid);
        Ok(Identity {
            user_id: read(take("user").unwrap_or_else(|| json!("7")))?,
            role: serde_json::from_value(claims["role"].clone()).map_err(|_| AuthError::Invalid)?,
            customer_id: take("customer").map(|id| serde_json::from_value(id).unwrap()),
            locations: take("locations").map(|ids| serde_json::from_value(ids).unwrap()),
            shops: take("shops").map_or(ShopScope::All, |ids| {
                ShopScope::Only(serde_json::from_value(ids).unwrap())
            }),
            companies: take("companies")
                .map(|ids| serde_json::from_value(ids).unwrap())
                .unwrap_or_default(),
            expires_at: Timestamp::from_second(
                take("expires")
                    .and_then(|at| at.as_i64())
                    .unwrap_or(4_000_000_000),
            )
            .unwrap(),
            issued_at: None,
            token_id: take("jti").map(|id| id.as_str().unwrap().into()),
        })
    }

    fn is_revoked(&self, identity: &Identity) -> bool {
        identity
            .token_id
            .as_ref()
            .is_some_and(|id| self.0.lock().unwrap().contains(&**id))
    }
}

pub(crate) fn hub(log: &Arc<Log>, tokens: &Arc<Tokens>, options: HubOptions) -> Arc<Hub> {
    let started = tokio::time::Instant::now();
    let clock = move || Timestamp::UNIX_EPOCH + started.elapsed();
    let (log, entropy) = (Arc::<Log>::clone(log), Arc::new(Entropy::seeded(1)));
    Hub::new(
        log,
        Arc::clone(tokens) as _,
        Arc::new(FakeCommands),
        Arc::new(clock),
        entropy,
        options,
    )
}

pub(crate) fn level(shop: &ShopDomain, location: u64, product: u64, available: i64) -> LevelShape {
    LevelShape {
        shop: shop.clone(),
        inventory_item_id: product.try_into().unwrap(),
        product_id: ProductId::try_from(product).ok(),
        variant_id: None,
        sku: None,
        title: None,
        location_id: LocationId::try_from(location).unwrap(),
        location_name: None,
        tracked: true,
        active: true,
        available,
        quantities: Quantities::default().into(),
        pending: 0,
        threshold: 10,
        status: StockStatus::InStock,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn stock(location: u64, product: u64, available: i64) -> Logged {
    stock_of(&shop(), location, product, available)
}

pub(crate) fn stock_of(shop: &ShopDomain, location: u64, product: u64, available: i64) -> Logged {
    let level = level(shop, location, product, available);
    Logged::InventoryUpdated(EventData::Own(LevelChange {
        product: Vec::new(),
        level,
        previous_available: None,
        source: Way::Webhook,
        command_id: None,
    }))
}

pub(crate) fn order(customer: u64, locations: &[u64]) -> Logged {
    let order = OrderShape {
        order_id: 1_u64.try_into().unwrap(),
        name: "#1".to_owned(),
        customer_id: customer.try_into().ok(),
        status: OrderStatus::Created,
        previous_status: None,
        financial_status: None,
        fulfillment_status: None,
        total: "1.00".parse::<Money>().unwrap(),
        currency: "EUR".to_owned(),
        channel: None,
        item_count: 1,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let locations = locations
        .iter()
        .map(|id| (*id).try_into().unwrap())
        .collect();
    Logged::OrderCreated(EventData::Own(OrderChanged {
        order,
        change: OrderChange::Created,
        customer_name: None,
        locations,
    }))
}

pub(crate) fn notice(title: &str) -> Notice {
    Notice {
        user_id: None,
        title: title.to_owned(),
        message: "x".to_owned(),
    }
}

/// What another program says, of a kind that the log keeps.
pub(crate) fn posted(kind: Kind, data: Value) -> Logged {
    let Value::Object(data) = data else {
        panic!("not an object")
    };
    Posted::read(kind, "erp".to_owned(), None, data)
        .unwrap()
        .logged()
        .unwrap()
}

/// The same of a notice.
pub(crate) fn announced(kind: Kind, notice: &Notice) -> Logged {
    posted(kind, serde_json::json!(notice))
}

/// Whether that reader, in those rooms from those places on, is to get that entry.
pub(crate) fn is_wanted(
    entry: &LogEntry,
    rooms: &[(Room, u64)],
    locations: Option<&[LocationId]>,
) -> bool {
    let visible = match entry.event.subject() {
        Subject::Inventory {
            location: Some(location),
        } => locations.is_none_or(|mine| mine.contains(&location)),
        _ => true,
    };
    let heard = entry.event.rooms();
    visible
        && rooms
            .iter()
            .any(|(room, after)| heard.contains(room) && entry.sequence().0 > *after)
}
