//! A store in this process: the writer's queue, and readers beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::people::People;
use schemas::record::Location;
use schemas::shape::{LevelShape, ReservationShape};
use schemas::{
    Epoch, InventoryItemId, LevelSelection, LocationId, LogEntry, Offset, Resource, Room, RunId,
    Sequence, ShopDomain, Timestamp,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::backend::Backend;
use crate::writer::{Request, WAITING_MAX, Writer, WriterSignals};
use crate::{
    Backlog, Collection, CommandFilter, Delivery, DeliverySummary, Drifted, Held, KeptSession,
    LastRuns, Marked, Operation, OrderView, OutboxMessage, Outcome, Position, ReservationFilter,
    Result, Revocation, RunRecord, Store, StoreError,
};

/// Reads at a time of what the daemon does by itself; the next one waits.
const READERS_MAX: usize = 4;
/// Reads at a time of the live path: the tail of the log, sessions that come back, readiness. They are short.
const LIVE_READERS_MAX: usize = 2;
/// Reads at a time of what is asked from outside: REST, snapshots, figures. They may be long.
const REQUEST_READERS_MAX: usize = 3;
/// Connections that read, in all.
pub(crate) const CONNECTIONS_MAX: usize = READERS_MAX + LIVE_READERS_MAX + REQUEST_READERS_MAX;

/// Answers reads, each from one consistent view.
pub(crate) trait Reader: Send + Sync + 'static {
    fn entries(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>>;
    fn replay(
        &self,
        shop: &ShopDomain,
        rooms: &[Room],
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>>;
    fn unknown_entries(&self) -> u64;
    fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        after: Option<(InventoryItemId, LocationId)>,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence)>;
    fn inbox(&self, limit: usize) -> Result<Vec<Delivery>>;
    fn deliveries(
        &self,
        shop: &ShopDomain,
        state: &'static str,
        limit: usize,
    ) -> Result<Vec<DeliverySummary>>;
    fn delivery_counts(&self, shop: &ShopDomain) -> Result<Vec<(String, &'static str, u64)>>;
    fn marked(&self, shop: &ShopDomain, now: Timestamp, limit: usize) -> Result<Vec<Marked>>;
    fn backlog(&self, shop: &ShopDomain) -> Result<Backlog>;
    fn outbox_messages(&self, shop: &ShopDomain) -> Result<Vec<OutboxMessage>>;
    fn commands(&self, shop: &ShopDomain, filter: &CommandFilter)
    -> Result<Vec<serde_json::Value>>;
    fn reservations(
        &self,
        shop: &ShopDomain,
        filter: &ReservationFilter,
    ) -> Result<Vec<ReservationShape>>;
    fn runs(&self, shop: &ShopDomain, limit: usize) -> Result<Vec<RunRecord>>;
    fn last_runs(&self, shop: &ShopDomain, resource: Resource) -> Result<LastRuns>;
    fn doubts(&self, run: &RunId) -> Result<u64>;
    fn drift(&self, shop: &ShopDomain, run: Option<&RunId>, limit: usize) -> Result<Vec<Drifted>>;
    fn held(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        orders_since: Timestamp,
    ) -> Result<Vec<Held>>;
    fn watermark(&self, shop: &ShopDomain, resource: Resource) -> Result<Option<Timestamp>>;
    fn locations(&self, shop: &ShopDomain) -> Result<Vec<Location>>;
    fn session(&self, id: &str, owner: &str) -> Result<KeptSession>;
    fn positions(&self) -> Result<BTreeMap<String, Position>>;
    fn floor(&self) -> Result<Sequence>;
    fn revocations(&self) -> Result<Vec<Revocation>>;
    fn people(&self) -> Result<People>;
    fn orders(
        &self,
        shop: &ShopDomain,
        view: &OrderView,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>>;
    fn list(
        &self,
        shop: &ShopDomain,
        collection: Collection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>>;
}

/// A store whose writer and readers are in this process.
pub(crate) struct Local<R> {
    epoch: Epoch,
    secret: [u8; 32],
    requests: mpsc::Sender<Request>,
    committed: watch::Receiver<Sequence>,
    failing: watch::Receiver<Option<String>>,
    erasures: watch::Receiver<u64>,
    /// For the first who asks.
    handed: Arc<Mutex<Option<mpsc::Receiver<Vec<LogEntry>>>>>,
    reader: Arc<R>,
    /// Places for reads of the live path, of everything else, and of what is asked from outside.
    live: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    requested: Arc<Semaphore>,
}

impl<R: Reader> Local<R> {
    pub(crate) fn open(
        epoch: Epoch,
        secret: [u8; 32],
        backend: impl Backend,
        head: Sequence,
        reader: R,
    ) -> (Arc<dyn Store>, Writer) {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let end = Offset {
            epoch,
            sequence: head,
        };
        let (writer, signals) = Writer::new(backend, waiting, end);
        let WriterSignals {
            committed,
            failing,
            erasures,
            handed,
        } = signals;
        let [live, reads, requested] = [LIVE_READERS_MAX, READERS_MAX, REQUEST_READERS_MAX]
            .map(|places| Arc::new(Semaphore::new(places)));
        let reader = Arc::new(reader);
        let store = Self {
            epoch,
            secret,
            requests,
            committed,
            failing,
            erasures,
            handed: Arc::new(Mutex::new(Some(handed))),
            reader,
            live,
            reads,
            requested,
        };
        (Arc::new(store), writer)
    }
}

impl<R: Send + Sync + 'static> Local<R> {
    /// The same for whoever asks from outside.
    fn requested(&self) -> Self {
        Self {
            epoch: self.epoch,
            secret: self.secret,
            requests: self.requests.clone(),
            committed: self.committed.clone(),
            failing: self.failing.clone(),
            erasures: self.erasures.clone(),
            handed: Arc::clone(&self.handed),
            reader: Arc::clone(&self.reader),
            live: Arc::clone(&self.live),
            reads: Arc::clone(&self.requested),
            requested: Arc::clone(&self.requested),
        }
    }

    /// A read of the live path.
    async fn live_read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&R) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_in(&self.live, read).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&R) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_in(&self.reads, read).await
    }

    async fn read_in<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        read: impl FnOnce(&R) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Kept until the read has ended, also where nobody waits for it any more: it uses a connection all the same.
        let place = Arc::clone(places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let reader = Arc::clone(&self.reader);
        let read = move || {
            let answer = read(&reader);
            drop(place);
            answer
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl<R: Reader> Store for Local<R> {
    async fn write(&self, operation: Operation) -> Result<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.requests
            .send(Request::new(operation, answer))
            .await
            .map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn committed(&self) -> watch::Receiver<Sequence> {
        self.committed.clone()
    }

    fn failing(&self) -> watch::Receiver<Option<String>> {
        self.failing.clone()
    }

    fn erasures(&self) -> watch::Receiver<u64> {
        self.erasures.clone()
    }

    fn handed(&self) -> Option<mpsc::Receiver<Vec<LogEntry>>> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        handed.take()
    }

    fn for_requests(&self) -> Arc<dyn Store> {
        Arc::new(self.requested())
    }

    fn unknown_entries(&self) -> u64 {
        self.reader.unknown_entries()
    }

    async fn entries(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        self.live_read(move |reader| reader.entries(after, limit))
            .await
    }

    async fn replay(
        &self,
        shop: &ShopDomain,
        rooms: Vec<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>> {
        let shop = shop.clone();
        self.read(move |reader| reader.replay(&shop, &rooms, after, until, limit))
            .await
    }

    async fn levels(
        &self,
        shops: Vec<ShopDomain>,
        selection: LevelSelection,
        after: Option<(InventoryItemId, LocationId)>,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence)> {
        self.read(move |reader| reader.levels(&shops, &selection, after, limit))
            .await
    }

    async fn inbox(&self, limit: usize) -> Result<Vec<Delivery>> {
        self.read(move |reader| reader.inbox(limit)).await
    }

    async fn deliveries(
        &self,
        shop: &ShopDomain,
        state: &'static str,
        limit: usize,
    ) -> Result<Vec<DeliverySummary>> {
        let shop = shop.clone();
        self.read(move |reader| reader.deliveries(&shop, state, limit))
            .await
    }

    async fn delivery_counts(&self, shop: &ShopDomain) -> Result<Vec<(String, &'static str, u64)>> {
        let shop = shop.clone();
        self.read(move |reader| reader.delivery_counts(&shop)).await
    }

    async fn marked(&self, shop: &ShopDomain, now: Timestamp, limit: usize) -> Result<Vec<Marked>> {
        let shop = shop.clone();
        self.read(move |reader| reader.marked(&shop, now, limit))
            .await
    }

    async fn backlog(&self, shop: &ShopDomain) -> Result<Backlog> {
        let shop = shop.clone();
        self.read(move |reader| reader.backlog(&shop)).await
    }

    async fn outbox_messages(&self, shop: &ShopDomain) -> Result<Vec<OutboxMessage>> {
        let shop = shop.clone();
        self.read(move |reader| reader.outbox_messages(&shop)).await
    }

    async fn commands(
        &self,
        shop: &ShopDomain,
        filter: CommandFilter,
    ) -> Result<Vec<serde_json::Value>> {
        let shop = shop.clone();
        self.read(move |reader| reader.commands(&shop, &filter))
            .await
    }

    async fn reservations(
        &self,
        shop: &ShopDomain,
        filter: ReservationFilter,
    ) -> Result<Vec<ReservationShape>> {
        let shop = shop.clone();
        self.read(move |reader| reader.reservations(&shop, &filter))
            .await
    }

    async fn runs(&self, shop: &ShopDomain, limit: usize) -> Result<Vec<RunRecord>> {
        let shop = shop.clone();
        self.read(move |reader| reader.runs(&shop, limit)).await
    }

    async fn last_runs(&self, shop: &ShopDomain, resource: Resource) -> Result<LastRuns> {
        let shop = shop.clone();
        self.read(move |reader| reader.last_runs(&shop, resource))
            .await
    }

    async fn doubts(&self, run: &RunId) -> Result<u64> {
        let run = run.clone();
        self.read(move |reader| reader.doubts(&run)).await
    }

    async fn drift(
        &self,
        shop: &ShopDomain,
        run: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Drifted>> {
        let shop = shop.clone();
        self.read(move |reader| reader.drift(&shop, run.as_ref(), limit))
            .await
    }

    async fn held(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        orders_since: Timestamp,
    ) -> Result<Vec<Held>> {
        let shop = shop.clone();
        self.read(move |reader| reader.held(&shop, resource, orders_since))
            .await
    }

    async fn watermark(&self, shop: &ShopDomain, resource: Resource) -> Result<Option<Timestamp>> {
        let shop = shop.clone();
        self.read(move |reader| reader.watermark(&shop, resource))
            .await
    }

    async fn locations(&self, shop: &ShopDomain) -> Result<Vec<Location>> {
        let shop = shop.clone();
        self.read(move |reader| reader.locations(&shop)).await
    }

    async fn session(&self, id: &str, owner: &str) -> Result<KeptSession> {
        let (id, owner) = (id.to_owned(), owner.to_owned());
        self.live_read(move |reader| reader.session(&id, &owner))
            .await
    }

    async fn positions(&self) -> Result<BTreeMap<String, Position>> {
        self.read(R::positions).await
    }

    async fn floor(&self) -> Result<Sequence> {
        self.live_read(R::floor).await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>> {
        self.read(R::revocations).await
    }

    async fn people(&self) -> Result<People> {
        self.read(R::people).await
    }

    async fn orders(
        &self,
        shop: &ShopDomain,
        view: OrderView,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        let shop = shop.clone();
        self.read(move |reader| reader.orders(&shop, &view, after, limit))
            .await
    }

    async fn list(
        &self,
        shop: &ShopDomain,
        collection: Collection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        let shop = shop.clone();
        self.read(move |reader| reader.list(&shop, collection, after, limit))
            .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;
    use crate::sqlite::{Opened, testing};
    use crate::writer::CHANGES_MAX;
    use crate::{Batch, Cause, SessionQuota};

    #[test]
    fn a_delivery_overtakes_what_is_still_to_be_applied_and_all_of_that_is_applied() {
        let (
            _folder,
            Opened {
                store, mut writer, ..
            },
        ) = testing::open();
        let (shop, at): (ShopDomain, _) =
            ("a.myshopify.com".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let batch = Batch {
            shop: shop.clone(),
            at,
            cause: Cause::Read(Vec::new()),
            changes: Vec::new(),
        };
        let mut applied = Box::pin(join_all(
            (0..3 * CHANGES_MAX).map(|_| store.write(Operation::Apply(batch.clone()))),
        ));
        let delivery = Delivery {
            shop: shop.clone(),
            webhook_id: "w1".parse().unwrap(),
            topic: "products/update".to_owned(),
            triggered_at: None,
            received_at: at,
            body: Vec::new(),
            signature: Vec::new(),
        };
        let register = Operation::Register {
            shop,
            thresholds: domain::Thresholds::default(),
            at,
        };
        let mut kept = Box::pin(join_all([
            store.write(register),
            store.write(Operation::Accept(delivery)),
        ]));
        assert!(
            applied.as_mut().now_or_never().is_none() && kept.as_mut().now_or_never().is_none()
        );

        assert!(writer.step().unwrap());
        let kept = kept.now_or_never().expect("answered with the first group");
        assert!(kept.into_iter().all(|outcome| outcome.unwrap().fresh));
        assert!(
            applied.as_mut().now_or_never().is_none(),
            "some wait for their turn"
        );
        while writer.step().unwrap() {}
        assert!(applied.now_or_never().unwrap().iter().all(Result::is_ok));
    }

    #[test]
    fn a_delivery_overtakes_sessions_and_all_of_these_are_kept() {
        let (
            _folder,
            Opened {
                store, mut writer, ..
            },
        ) = testing::open();
        let (shop, at): (ShopDomain, _) =
            ("a.myshopify.com".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let quota = SessionQuota {
            owner_records: 999,
            owner_bytes: u64::MAX,
            records: 999,
            bytes: u64::MAX,
        };
        let keep = |number: usize| {
            let (id, owner, rooms) = (number.to_string(), "ann".to_owned(), "x".repeat(64 * 1024));
            store.write(Operation::KeepSession {
                id,
                owner,
                quota,
                rooms,
                at,
            })
        };
        let mut sessions: Vec<_> = (0..20).map(|number| Box::pin(keep(number))).collect();
        assert!(
            sessions
                .iter_mut()
                .all(|session| session.as_mut().now_or_never().is_none())
        );
        let register = Operation::Register {
            shop: shop.clone(),
            thresholds: domain::Thresholds::default(),
            at,
        };
        let delivery = Delivery {
            shop,
            webhook_id: "w1".parse().unwrap(),
            topic: "products/update".to_owned(),
            triggered_at: None,
            received_at: at,
            signature: Vec::new(),
            body: Vec::new(),
        };
        let mut kept = Box::pin(join_all([
            store.write(register),
            store.write(Operation::Accept(delivery)),
        ]));
        assert!(kept.as_mut().now_or_never().is_none());

        assert!(writer.step().unwrap());
        assert!(
            kept.now_or_never()
                .expect("answered with the first group")
                .iter()
                .all(Result::is_ok)
        );
        sessions.retain_mut(|session| session.as_mut().now_or_never().is_none());
        assert!(
            sessions.len() >= 17,
            "{} wait for their turn",
            sessions.len()
        );
        while writer.step().unwrap() {}
        assert!(
            sessions
                .into_iter()
                .all(|session| session.now_or_never().unwrap().is_ok())
        );
    }

    #[tokio::test]
    async fn however_much_is_asked_from_outside_the_live_path_and_the_daemon_itself_read_on() {
        let (requests, _waiting) = mpsc::channel(1);
        let (_sender, committed) = watch::channel(Sequence(0));
        let (_trouble, failing) = watch::channel(None);
        let (_erased, erasures) = watch::channel(0);
        let [live, reads, requested] = [LIVE_READERS_MAX, READERS_MAX, REQUEST_READERS_MAX]
            .map(|places| Arc::new(Semaphore::new(places)));
        let (epoch, secret, reader) = (Epoch(1), [0; 32], Arc::new(()));
        let store = Local {
            epoch,
            secret,
            requests,
            committed,
            failing,
            erasures,
            handed: Arc::default(),
            reader,
            live,
            reads,
            requested,
        };
        let asked = Arc::new(store.requested());
        let (mut holding, mut held) = (Vec::new(), tokio::task::JoinSet::new());
        for _ in 0..3 * CONNECTIONS_MAX {
            let (free, wait) = std::sync::mpsc::sync_channel::<()>(1);
            let asked = Arc::clone(&asked);
            // It ends when the other side is dropped.
            held.spawn(async move { asked.read(move |()| Ok(wait.recv().is_err())).await });
            holding.push(free);
        }
        while asked.reads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(asked.live_read(|()| Ok(1)).await.unwrap(), 1);
        assert_eq!(store.live_read(|()| Ok(2)).await.unwrap(), 2);
        assert_eq!(store.read(|()| Ok(3)).await.unwrap(), 3);
        drop(holding);
        assert!(held.join_all().await.into_iter().all(Result::unwrap));
    }
}
