//! An in-memory log behind a hub, and events to put into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemas::event::{LevelChange, Notice, OrderChange, OrderChanged, Source as Way};
use schemas::shape::{LevelShape, OrderShape, OrderStatus, StockStatus};
use schemas::{
    Entropy, Epoch, Event, Identity, LevelSelection, LocationId, LogEntry, Money, Offset, ProductId,
    Quantities, Room, Sequence, ShopDomain, ShopScope, Subject, Timestamp,
};
use serde_json::{Value, json};

use super::desk::Desk;
use crate::{AuthError, Authenticate, Hub, Options, Source, SourceError};

pub(super) const EPOCH: Epoch = Epoch(0xbeef);

pub(super) fn shop() -> ShopDomain {
    "pretend.myshopify.com".parse().unwrap()
}

pub(super) fn other_shop() -> ShopDomain {
    "other.myshopify.com".parse().unwrap()
}

/// The log's writer and its source in one.
#[derive(Default)]
pub(super) struct Log {
    entries: Mutex<Vec<LogEntry>>,
    /// How often a backup was put back.
    pub(super) life: AtomicU32,
    /// Entries up to here are no longer kept.
    pub(super) floor: Mutex<u64>,
    /// The rooms of sessions, and how often some were written.
    pub(super) sessions: Mutex<BTreeMap<String, String>>,
    pub(super) kept: AtomicUsize,
    /// Whether the store does not answer.
    pub(super) broken: AtomicBool,
}

impl Log {
    pub(super) fn append(&self, shop: &ShopDomain, event: Event) -> LogEntry {
        let mut entries = self.entries.lock().unwrap();
        let sequence = Sequence(entries.len() as u64 + 1);
        let offset = Offset { epoch: self.epoch(), sequence };
        let entry = LogEntry { offset, shop: shop.clone(), at: Timestamp::UNIX_EPOCH, event };
        entries.push(entry.clone());
        entry
    }

    fn epoch(&self) -> Epoch {
        Epoch(EPOCH.0 + self.life.load(Ordering::Relaxed))
    }

    pub(super) fn entries(&self) -> Vec<LogEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// The last `available` of each location and product up to there.
    pub(super) fn levels_at(&self, until: Sequence) -> Vec<LevelShape> {
        let mut levels: Vec<LevelShape> = Vec::new();
        for entry in self.entries().iter().filter(|entry| entry.sequence() <= until) {
            if let Event::InventoryUpdated(LevelChange { level, .. }) = &entry.event {
                let key = |level: &LevelShape| (level.shop.clone(), level.location_id, level.product_id);
                levels.retain(|known| key(known) != key(level));
                levels.push(level.clone());
            }
        }
        levels
    }
}

#[async_trait]
impl Source for Log {
    fn shops(&self) -> Vec<ShopDomain> {
        vec![shop(), other_shop()]
    }

    fn head(&self) -> Offset {
        Offset { epoch: self.epoch(), sequence: Sequence(self.entries.lock().unwrap().len() as u64) }
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
        let range =
            entries.iter().skip(after.0.try_into().unwrap()).take_while(|entry| entry.sequence() <= until);
        let concerned = range.filter(|entry| entry.shop == *shop && !entry.event.rooms().is_disjoint(rooms));
        Ok(concerned.take(limit).cloned().collect())
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }

    async fn keep_session(&self, id: String, rooms: String, _at: Timestamp) -> Result<(), SourceError> {
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.sessions.lock().unwrap().insert(id, rooms);
        Ok(())
    }

    async fn session(&self, id: &str) -> Result<Option<String>, SourceError> {
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        Ok(self.sessions.lock().unwrap().get(id).cloned())
    }

    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence), SourceError> {
        let at = self.head().sequence;
        tokio::task::yield_now().await;
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Unavailable("broken".to_owned()));
        }
        let mut levels = self.levels_at(at);
        levels.retain(|level| {
            let location = selection.location_ids.iter().flatten().any(|id| *id == level.location_id);
            let product = selection.product_ids.iter().flatten().any(|id| Some(*id) == level.product_id);
            shops.contains(&level.shop) && (selection.is_everything() || location || product)
        });
        if levels.len() > limit { Err(SourceError::TooMany) } else { Ok((levels, at)) }
    }
}

/// Tokens are JSON: `{role, user?, locations?, shops?, customer?, expires?, jti?}`; those whose `jti` is listed are
/// revoked.
#[derive(Default)]
pub(super) struct Tokens(pub(super) Mutex<BTreeSet<String>>);

impl Authenticate for Tokens {
    fn identify(&self, token: &str, _now: Timestamp) -> Result<Identity, AuthError> {
        let claims: Value = serde_json::from_str(token).map_err(|_| AuthError::Invalid)?;
        let take = |key: &str| claims.get(key).cloned();
        let read = |value: Value| serde_json::from_value(value).map_err(|_| AuthError::Invalid);
        Ok(Identity {
            user_id: read(take("user").unwrap_or_else(|| json!("7")))?,
            role: serde_json::from_value(claims["role"].clone()).map_err(|_| AuthError::Invalid)?,
            customer_id: take("customer").map(|id| serde_json::from_value(id).unwrap()),
            locations: take("locations").map(|ids| serde_json::from_value(ids).unwrap()),
            shops: take("shops")
                .map_or(ShopScope::All, |ids| ShopScope::Only(serde_json::from_value(ids).unwrap())),
            expires_at: Timestamp::from_second(
                take("expires").and_then(|at| at.as_i64()).unwrap_or(4_000_000_000),
            )
            .unwrap(),
            issued_at: None,
            token_id: take("jti").map(|id| id.as_str().unwrap().into()),
        })
    }

    fn is_revoked(&self, identity: &Identity) -> bool {
        identity.token_id.as_ref().is_some_and(|id| self.0.lock().unwrap().contains(&**id))
    }
}

pub(super) fn hub(log: &Arc<Log>, tokens: &Arc<Tokens>, options: Options) -> Arc<Hub> {
    let started = tokio::time::Instant::now();
    let clock = move || Timestamp::UNIX_EPOCH + started.elapsed();
    let (log, entropy) = (Arc::<Log>::clone(log), Arc::new(Entropy::seeded(1)));
    Hub::new(log, Arc::clone(tokens) as _, Arc::new(Desk), Arc::new(clock), entropy, options)
}

pub(super) fn level(shop: &ShopDomain, location: u64, product: u64, available: i64) -> LevelShape {
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

pub(super) fn stock(location: u64, product: u64, available: i64) -> Event {
    stock_of(&shop(), location, product, available)
}

pub(super) fn stock_of(shop: &ShopDomain, location: u64, product: u64, available: i64) -> Event {
    let level = level(shop, location, product, available);
    Event::InventoryUpdated(LevelChange {
        level,
        previous_available: None,
        source: Way::Webhook,
        command_id: None,
    })
}

pub(super) fn order(customer: u64, locations: &[u64]) -> Event {
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
    let locations = locations.iter().map(|id| (*id).try_into().unwrap()).collect();
    Event::OrderCreated(OrderChanged { order, change: OrderChange::Created, locations })
}

pub(super) fn notice(title: &str) -> Notice {
    Notice { user_id: None, title: title.to_owned(), message: "x".to_owned() }
}

/// Whether that reader, in those rooms from those places on, is to get that entry.
pub(super) fn is_wanted(entry: &LogEntry, rooms: &[(Room, u64)], locations: Option<&[LocationId]>) -> bool {
    let visible = match entry.event.subject() {
        Subject::Inventory { location: Some(location) } => {
            locations.is_none_or(|mine| mine.contains(&location))
        }
        _ => true,
    };
    let heard = entry.event.rooms();
    visible && rooms.iter().any(|(room, after)| heard.contains(room) && entry.sequence().0 > *after)
}
