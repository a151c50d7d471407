//! The store as the realtime side reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use schemas::record::Order;
use schemas::shape::LevelShape;
use schemas::{AnyId, LevelSelection, LogEntry, Offset, OrderId, Room, Sequence, ShopDomain, Timestamp};
use store::{Collection, Operation, Store, StoreError};
use ws::{OrderOwner, SourceError};

/// The store and the shops that are configured.
pub(crate) struct LogSource {
    /// Where the log is.
    pub(crate) store: Arc<dyn Store>,
    /// Which shops there are.
    pub(crate) shops: Vec<ShopDomain>,
    /// The companies of those that belong to one.
    pub(crate) companies: BTreeMap<ShopDomain, AnyId>,
}

fn refusal(error: &StoreError) -> SourceError {
    match error {
        StoreError::TooOld(_) => SourceError::TooOld,
        StoreError::Closed | StoreError::Failed(_) | StoreError::UnknownShop(_) => {
            SourceError::Unavailable(error.to_string())
        }
    }
}

#[async_trait]
impl ws::Source for LogSource {
    fn shops(&self) -> Vec<ShopDomain> {
        self.shops.clone()
    }

    fn company(&self, shop: &ShopDomain) -> Option<AnyId> {
        self.companies.get(shop).cloned()
    }

    async fn order(&self, shops: &[ShopDomain], order: OrderId) -> Result<Option<OrderOwner>, SourceError> {
        for shop in shops {
            let before = order.to_i64().cast_unsigned() - 1;
            let found = self
                .store
                .list(shop, Collection::Orders, before, 1)
                .await
                .map_err(|error| refusal(&error))?;
            let found = found.into_iter().filter_map(|found| serde_json::from_value::<Order>(found).ok());
            if let Some(found) = found.into_iter().find(|found| found.id == order) {
                return Ok(Some((found.customer_id, found.locations)));
            }
        }
        Ok(None)
    }

    fn head(&self) -> Offset {
        self.store.head()
    }

    async fn replay(
        &self,
        shop: &ShopDomain,
        rooms: &BTreeSet<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, SourceError> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let rooms = rooms.iter().cloned().collect();
        self.store.replay(shop, rooms, after, until, limit).await.map_err(|error| refusal(&error))
    }

    fn secret(&self) -> [u8; 32] {
        self.store.secret()
    }

    async fn keep_session(&self, id: String, rooms: String, at: Timestamp) -> Result<(), SourceError> {
        let kept = self.store.write(Operation::KeepSession { id, rooms, at }).await;
        kept.map(|_| ()).map_err(|error| refusal(&error))
    }

    async fn session(&self, id: &str) -> Result<Option<String>, SourceError> {
        self.store.session(id).await.map_err(|error| refusal(&error))
    }

    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence), SourceError> {
        let read = self.store.levels(shops.to_vec(), selection.clone(), None, limit.saturating_add(1)).await;
        let (levels, sequence) = read.map_err(|error| refusal(&error))?;
        if levels.len() > limit { Err(SourceError::TooMany) } else { Ok((levels, sequence)) }
    }
}
