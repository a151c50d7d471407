//! The store as the realtime side reads it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use schemas::record::Order;
use schemas::{
    AnyId, LevelSelection, LogEntry, Offset, OrderId, Room, Sequence, ShopDomain, Timestamp,
};
use store::{Operation, OrderView, Store, StoreError};
use tokio::sync::{OnceCell, Semaphore};
use ws::{KeptRooms, LevelsSnapshot, OrderOwner, SourceError};

use crate::limits;

/// The store and the shops that are configured.
pub(crate) struct LogSource {
    /// Where the log is.
    pub(crate) store: Arc<dyn Store>,
    /// The same for what is asked from outside and may take long.
    pub(crate) requested: Arc<dyn Store>,
    /// The snapshots that are being made.
    pub(crate) snapshots: Snapshots,
    /// Which shops there are.
    pub(crate) shops: Vec<ShopDomain>,
    /// The companies of those that belong to one.
    pub(crate) companies: BTreeMap<ShopDomain, AnyId>,
}

/// Makes snapshots one after the other: a hundred clients who come at once cost as much as one, where they are shown the
/// same. Others wait for their turn.
pub(crate) struct Snapshots {
    /// Those that wait for their turn. Whoever asks for the same before it began has the same answer; whoever asks later
    /// may have been sent something newer already, and waits for the next.
    waiting: Mutex<HashMap<SnapshotRequest, Arc<SnapshotCell>>>,
    turn: tokio::sync::Mutex<()>,
    /// Room for those that are made or sent: each is held until the last of its readers has been sent it.
    room: Arc<Semaphore>,
}

impl Default for Snapshots {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(limits::SNAPSHOTS_MAX));
        Self {
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            room,
        }
    }
}

/// What is to be in a snapshot: of these shops, by this selection, at most so many levels.
type SnapshotRequest = (Vec<ShopDomain>, LevelSelection, usize);
type SnapshotCell = OnceCell<Result<Arc<LevelsSnapshot>, SourceError>>;

impl Snapshots {
    async fn take(
        &self,
        store: &dyn Store,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError> {
        let place = SnapshotWaiter::of(self, (shops.to_vec(), selection.clone(), limit));
        let make = async {
            let _turn = self.turn.lock().await;
            // Never closed, so there is always one to come.
            let room = Arc::clone(&self.room).acquire_owned().await;
            // Whoever asks from now on may know of something newer.
            place.leave();
            let (shops, selection, limit) = &place.wanted;
            let read = store
                .levels(
                    shops.clone(),
                    selection.clone(),
                    None,
                    limit.saturating_add(1),
                )
                .await;
            let (levels, at) = read.map_err(|error| refusal(&error))?;
            if levels.len() > *limit {
                return Err(SourceError::TooMany);
            }
            let made = tokio::task::spawn_blocking(move || {
                Arc::new(LevelsSnapshot::new(&levels, at, room))
            })
            .await;
            made.map_err(|problem| SourceError::Unavailable(problem.to_string()))
        };
        place.answer.get_or_init(|| make).await.clone()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<SnapshotRequest, Arc<SnapshotCell>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a snapshot.
struct SnapshotWaiter<'s> {
    snapshots: &'s Snapshots,
    wanted: SnapshotRequest,
    answer: Arc<SnapshotCell>,
}

impl<'s> SnapshotWaiter<'s> {
    /// With those who wait for the same, if somebody does.
    fn of(snapshots: &'s Snapshots, wanted: SnapshotRequest) -> Self {
        let answer = Arc::clone(snapshots.waiting().entry(wanted.clone()).or_default());
        Self {
            snapshots,
            wanted,
            answer,
        }
    }

    /// Nobody joins those who wait here any more.
    fn leave(&self) {
        self.remove(&mut self.snapshots.waiting(), &self.answer);
    }

    fn remove(
        &self,
        waiting: &mut HashMap<SnapshotRequest, Arc<SnapshotCell>>,
        answer: &Arc<SnapshotCell>,
    ) {
        // Others may wait for the same again by now.
        if waiting
            .get(&self.wanted)
            .is_some_and(|other| Arc::ptr_eq(other, answer))
        {
            waiting.remove(&self.wanted);
        }
    }
}

impl Drop for SnapshotWaiter<'_> {
    /// Whoever gives up last leaves nothing behind: the list keeps one reference, and this is the other. Under the lock,
    /// so that of two who give up at once one is the last.
    fn drop(&mut self) {
        let answer = std::mem::take(&mut self.answer);
        let mut waiting = self.snapshots.waiting();
        if Arc::strong_count(&answer) <= 2 {
            self.remove(&mut waiting, &answer);
        }
        // Before the lock is free.
        drop(answer);
    }
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
impl ws::EventSource for LogSource {
    fn shops(&self) -> Vec<ShopDomain> {
        self.shops.clone()
    }

    fn company(&self, shop: &ShopDomain) -> Option<AnyId> {
        self.companies.get(shop).cloned()
    }

    async fn order(
        &self,
        shops: &[ShopDomain],
        order: OrderId,
    ) -> Result<Option<OrderOwner>, SourceError> {
        for shop in shops {
            let before = order.to_i64().cast_unsigned() - 1;
            let found = self
                .store
                .orders(shop, OrderView::All, before, 1)
                .await
                .map_err(|error| refusal(&error))?;
            let found = found
                .into_iter()
                .filter_map(|found| serde_json::from_value::<Order>(found).ok());
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
        self.store
            .replay(shop, rooms, after, until, limit)
            .await
            .map_err(|error| refusal(&error))
    }

    fn secret(&self) -> [u8; 32] {
        self.store.secret()
    }

    async fn keep_session(
        &self,
        id: String,
        owner: String,
        rooms: String,
        at: Timestamp,
    ) -> Result<(), SourceError> {
        let quota = limits::SESSION_QUOTA;
        let kept = self
            .store
            .write(Operation::KeepSession {
                id,
                owner,
                quota,
                rooms,
                at,
            })
            .await;
        kept.map(|_| ()).map_err(|error| refusal(&error))
    }

    async fn session(&self, id: &str, owner: &str) -> Result<KeptRooms, SourceError> {
        let kept = self
            .store
            .session(id, owner)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(KeptRooms {
            rooms: kept.rooms,
            evicted_at: kept.evicted_at,
        })
    }

    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError> {
        self.snapshots
            .take(&*self.requested, shops, selection, limit)
            .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use schemas::Entropy;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_for_the_same_snapshot_at_once_share_it_and_others_do_not() {
        let (folder, entropy) = (tempfile::tempdir().unwrap(), Entropy::seeded(1));
        let path = folder.path().join("stockd.db");
        let store::sqlite::Opened {
            store, mut writer, ..
        } = store::sqlite::open(&path, &entropy, Timestamp::UNIX_EPOCH).unwrap();
        let shop: ShopDomain = "a.myshopify.com".parse().unwrap();
        let (thresholds, at) = (domain::Thresholds::default(), Timestamp::UNIX_EPOCH);
        let known = store.write(Operation::Register {
            shop: shop.clone(),
            thresholds,
            at,
        });
        let (known, ()) = tokio::join!(known, async {
            while !writer.step().unwrap() {
                tokio::task::yield_now().await;
            }
        });
        known.unwrap();
        let (snapshots, shops) = (Snapshots::default(), [shop]);
        let limited = LevelSelection {
            within: Some(Vec::new()),
            ..LevelSelection::default()
        };
        let all = LevelSelection::default();
        let taken = |selection| snapshots.take(&*store, &shops, selection, 9);
        let many =
            join_all((0..60).map(|number| taken(if number % 2 == 0 { &all } else { &limited })))
                .await;
        let mut made: Vec<_> = many
            .into_iter()
            .map(|taken| Arc::as_ptr(&taken.unwrap()))
            .collect();
        assert_ne!(made[2], made[3], "other rights, another snapshot");
        made.sort_unstable();
        made.dedup();
        // The first of each has begun when the others ask; they share the next.
        assert!(made.len() <= 4, "{}", made.len());
        assert!(snapshots.waiting.lock().unwrap().is_empty());
    }
}
