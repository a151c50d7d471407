//! The hub: takes log entries and ephemeral events in, keeps the newest entries in memory, and has
//! them sent to the sockets whose rooms they are in.
//!
//! Publishing never waits for a reader. It marks in each concerned socket the first new entry and
//! wakes it: an idle socket reads and writes at once, on the publisher's thread; the others do so
//! in their own tasks; a slow one costs no more than its mark.
//!
//! Lock order: `ring`, `index` and a socket's ephemeral queue are never held together. A
//! connection's own lock is taken with none of them held, because writing to it reads the ring.

pub(crate) mod broadcast;
mod command;
mod online_customers;
mod presence_registry;
pub(crate) mod reader;
pub(crate) mod recovery;
mod replay;
mod ring;
mod room_mask;
pub(crate) mod socket;
pub(crate) mod sorted_map;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Uri};
use schemas::event::CustomerPresence;
use schemas::{
    Clock, Entropy, Ephemeral, Epoch, EventData, Identity, LogEntry, Offset, Role, Room, Sequence,
    ShopDomain, ShopScope, UserId,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

use crate::connection::plain::PlainDriver;
use crate::connection::socketio::SocketIoDriver;
use crate::connection::{ConnectionAcceptor, ConnectionWaker, HandshakeOutcome};
use crate::contracts::{Dialect, Namespace, omni};
use crate::hub::broadcast::Broadcast;
use crate::hub::online_customers::OnlineCustomers;
use crate::hub::presence_registry::PresenceRegistry;
use crate::hub::recovery::SealingKey;
use crate::hub::ring::EventRing;
use crate::hub::sorted_map::SortedMap;
use crate::limits;
use crate::options::{HubOptions, ListenerPolicy};
use crate::source::{AuthError, CommandHandler, EventSource, SourceError, TokenVerifier};
use crate::warning_counter::WarningCounter;

/// Counts and gauges of the hub, for `/metrics` and the admin overview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubFigures {
    /// Transports open now, WebSockets and polling sessions together.
    pub connections: usize,
    /// Sockets in namespaces now. One transport may carry several.
    pub sockets: usize,
    /// The newest entry published to the hub.
    pub head: Offset,
    /// Log entries kept in the ring.
    pub ring_entries: usize,
    /// Bytes that these entries and their frames take, estimated.
    pub ring_bytes: usize,
    /// Events handed to transports since the start.
    pub delivered: u64,
    /// Ephemeral events dropped because a reader was slow, since the start.
    pub dropped: u64,
    /// Readers told to load again, since the start.
    pub resyncs: u64,
    /// Transports closed because a write did not move, since the start.
    pub stalled: u64,
    /// Clients that came back and were sent what they had missed, since the start.
    pub recovered: u64,
    /// Clients that came back and were told to load again, since the start.
    pub not_recovered: u64,
    /// Clients that came back with a session id that this store never issued, or issued to another
    /// user, since the start.
    pub sessions_unknown: u64,
    /// Sockets that were closed because their client came back on another connection, since the
    /// start.
    pub replaced: u64,
    /// Messages dropped because a client sent too many, since the start.
    pub rate_limited: u64,
    /// Joins refused because a socket was in too many rooms, since the start.
    pub rooms_refused: u64,
    /// Transports closed because their user had too many sockets, since the start.
    pub crowded: u64,
    /// Sockets that were closed because their token was revoked, since the start.
    pub revoked: u64,
    /// Connections refused because there were too many in all, since the start.
    pub refused: u64,
    /// Connections refused because there were too many of one address, since the start.
    pub refused_of_address: u64,
    /// Requests refused because of the page they came from, since the start.
    pub refused_of_origin: u64,
}

/// The users who are online and the number of sockets in each room, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceSnapshot {
    /// Each user with the number of their sockets, sorted by id. All tabs and devices of a user
    /// count as one user.
    pub users: Vec<(UserId, usize)>,
    /// Each room of each shop that has sockets, with their number.
    pub rooms: Vec<(ShopDomain, Room, usize)>,
}

/// The realtime side of one daemon: its rooms, its ring of recent events and its connections.
///
/// The daemon calls [`Hub::publish`] for each committed log entry, [`Hub::publish_ephemeral`] for ephemeral
/// events, and [`Hub::handshake`] or [`Hub::handshake_plain`] for each request of a client.
pub struct Hub {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) authenticate: Arc<dyn TokenVerifier>,
    pub(crate) commands: Arc<dyn CommandHandler>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) options: HubOptions,
    pub(crate) epoch: Epoch,
    pub(crate) ring: RwLock<EventRing>,
    marked: watch::Sender<Sequence>,
    index: Mutex<RoomIndex>,
    acceptor: ConnectionAcceptor<SocketIoDriver>,
    pub(crate) registry: PresenceRegistry,
    online_customers: OnlineCustomers,
    pub(crate) key: SealingKey,
    /// How often [`Hub::recheck_tokens`] was called. A connection compares it with the number it
    /// saw last.
    token_checks: AtomicU64,
    pub(crate) counters: HubCounters,
}

/// Counters for [`HubFigures`], all since the start.
#[derive(Debug, Default)]
pub(crate) struct HubCounters {
    pub(crate) delivered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) resyncs: AtomicU64,
    pub(crate) recovered: AtomicU64,
    pub(crate) not_recovered: AtomicU64,
    pub(crate) sessions_unknown: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) rate_limited: WarningCounter,
    pub(crate) rooms_refused: WarningCounter,
    pub(crate) crowded: WarningCounter,
    /// Queries to the source that failed.
    pub(crate) source_failures: WarningCounter,
    pub(crate) revoked: AtomicU64,
}

/// Adds one to a counter. Relaxed, because nothing is decided by these numbers.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Which sockets are in which room of which shop.
#[derive(Default)]
struct RoomIndex {
    rooms: HashMap<ShopDomain, HashMap<Room, SortedMap<u64, Arc<SocketSignal>>>>,
    next_key: u64,
    sockets: usize,
}

/// What the hub leaves for one socket: the first entry to read, the ephemeral events that wait, and
/// its waker.
#[derive(Debug)]
pub(crate) struct SocketSignal {
    key: u64,
    /// Sequence of the first entry in its rooms since the socket looked last, or [`NONE`].
    first: AtomicU64,
    ephemeral: Mutex<VecDeque<Arc<Broadcast>>>,
    waker: Arc<ConnectionWaker>,
}

/// The value of [`SocketSignal::first`] when no entry is marked. Above every sequence, so that
/// `fetch_min` keeps the smaller one.
const NONE: u64 = u64::MAX;

impl SocketSignal {
    pub(crate) fn waker(&self) -> &Arc<ConnectionWaker> {
        &self.waker
    }

    pub(crate) fn take_first(&self) -> Option<Sequence> {
        // Acquire: the entry that the mark speaks of is in the ring for whoever sees the mark.
        let first = self.first.swap(NONE, Ordering::AcqRel);
        (first != NONE).then_some(Sequence(first))
    }

    pub(crate) fn take_ephemeral(&self) -> Option<Arc<Broadcast>> {
        lock(&self.ephemeral).pop_front()
    }

    /// Marks an entry; true when none was marked before, so that the socket has to be woken.
    fn mark(&self, sequence: Sequence) -> bool {
        self.first.fetch_min(sequence.0, Ordering::AcqRel) == NONE
    }

    /// Queues an ephemeral event. Returns how many events were dropped to make room: 0 or 1.
    fn queue(&self, broadcast: &Arc<Broadcast>) -> u64 {
        let mut waiting = lock(&self.ephemeral);
        // An event of several rooms is queued once: a socket that is in two of them is visited
        // twice, one directly after the other.
        if waiting
            .back()
            .is_some_and(|last| Arc::ptr_eq(last, broadcast))
        {
            return 0;
        }
        let full = waiting.len() >= limits::EPHEMERAL_WAITING_MAX;
        if full {
            waiting.pop_front();
        }
        waiting.push_back(Arc::clone(broadcast));
        u64::from(full)
    }
}

impl Hub {
    /// A hub at the source's head. The caller publishes the entries that follow [`Hub::head`].
    pub fn new(
        source: Arc<dyn EventSource>,
        authenticate: Arc<dyn TokenVerifier>,
        commands: Arc<dyn CommandHandler>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        options: HubOptions,
    ) -> Arc<Self> {
        let Offset { epoch, sequence } = source.head();
        let (registry, key) = (
            PresenceRegistry::new(options.sockets_per_user_max),
            SealingKey::new(source.secret()),
        );
        Arc::new(Self {
            registry,
            online_customers: OnlineCustomers::default(),
            key,
            token_checks: AtomicU64::new(0),
            source,
            authenticate,
            commands,
            clock,
            epoch,
            ring: RwLock::new(EventRing::new(
                sequence,
                options.ring_entries,
                limits::RING_BYTES_MAX,
            )),
            marked: watch::Sender::new(sequence),
            index: Mutex::default(),
            acceptor: ConnectionAcceptor::new(options.clone(), Arc::clone(&entropy)),
            counters: HubCounters::default(),
            entropy,
            options,
        })
    }

    /// The newest entry published.
    pub fn head(&self) -> Offset {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        Offset {
            epoch: self.epoch,
            sequence: ring.head(),
        }
    }

    /// The entry after which the ring has everything. Readers at or behind this position need the
    /// source only for what is older.
    pub(crate) fn floor(&self) -> Sequence {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .floor()
    }

    /// Whether neither the hub nor the store has an entry with that sequence yet, so that no honest
    /// client can name it.
    pub(crate) fn is_beyond_end(&self, sequence: Sequence) -> bool {
        sequence > self.head().sequence.max(self.source.head().sequence)
    }

    /// Whether sockets of that namespace can be recovered after a lost connection.
    pub(crate) fn is_recoverable(&self, namespace: Namespace) -> bool {
        self.options.recovery.contains(&namespace.settings())
    }

    /// How long the rooms of a session are kept after its last join or leave.
    pub(crate) fn session_time(&self) -> Duration {
        Duration::from_hours(u64::from(self.options.session_days) * 24)
    }

    /// Makes every connection ask at once whether the token of its user is revoked.
    pub fn recheck_tokens(&self) {
        self.token_checks.fetch_add(1, Ordering::AcqRel);
        self.registry.wake_all();
    }

    /// How often [`Hub::recheck_tokens`] was called.
    pub(crate) fn token_checks(&self) -> u64 {
        self.token_checks.load(Ordering::Acquire)
    }

    /// Up to this sequence, every entry is marked in the signals of the sockets that it concerns.
    pub(crate) fn marked(&self) -> Sequence {
        *self.marked.borrow()
    }

    /// A receiver that changes with every published batch, to wait until an entry was published.
    pub(crate) fn watch_marked(&self) -> watch::Receiver<Sequence> {
        self.marked.subscribe()
    }

    /// Publishes the entries that follow [`Hub::head`], in order and without a gap; to be called by
    /// one task only. Never waits for a reader. Entries at or before the head, or of another epoch,
    /// are ignored.
    pub fn publish(&self, entries: &[LogEntry]) {
        let mut fresh: Vec<Arc<Broadcast>> = Vec::with_capacity(entries.len());
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            for entry in entries
                .iter()
                .filter(|entry| entry.offset.epoch == self.epoch)
            {
                if entry.sequence() > ring.head() {
                    let company = self.source.company(&entry.shop);
                    let broadcast = Arc::new(Broadcast::logged(entry.clone(), company));
                    ring.push(Arc::clone(&broadcast));
                    fresh.push(broadcast);
                }
            }
        }
        let Some(last) = fresh.last() else { return };
        // The order matters: the entries are in the ring, and its lock is free again, before
        // anybody is woken to read them. `marked` moves last: a reader that sees it finds the marks
        // of every entry up to there.
        let concerned = lock(&self.index).mark(&fresh);
        self.marked.send_replace(last.sequence());
        write_to(&concerned, limits::SERVED_AT_ONCE_MAX / fresh.len());
    }

    /// Moves [`Hub::head`] to an offset before which this stockd knows no further entry, so that nobody waits for one.
    /// To be called by the task that calls [`Hub::publish`].
    pub fn pass_over(&self, until: Sequence) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        if until > ring.head() {
            ring.pass_over(until);
            drop(ring);
            self.marked.send_replace(until);
        }
    }

    /// Sends an ephemeral event to the sockets that are connected now; it is not in the log and
    /// cannot be replayed. A slow reader loses its oldest ephemeral events.
    pub fn publish_ephemeral(&self, shop: &ShopDomain, event: &Ephemeral) {
        write_to(
            &self.queue_ephemeral(shop, event),
            limits::SERVED_AT_ONCE_MAX,
        );
    }

    /// Like [`Hub::publish_ephemeral`], for a caller that is itself a socket: it runs under its connection's
    /// lock, and writing to others from there would take several of these locks at once. So all
    /// sockets write in their own tasks.
    pub(crate) fn publish_ephemeral_later(&self, shop: &ShopDomain, event: &Ephemeral) {
        self.queue_ephemeral(shop, event)
            .iter()
            .for_each(|signal| signal.waker.wake());
    }

    fn queue_ephemeral(&self, shop: &ShopDomain, event: &Ephemeral) -> Vec<Arc<SocketSignal>> {
        let (company, now) = (self.source.company(shop), self.clock.now());
        let broadcast = Arc::new(Broadcast::ephemeral(
            shop.clone(),
            company,
            now,
            event.clone(),
        ));
        let listeners: Vec<_> = lock(&self.index)
            .listeners(shop, &broadcast.rooms)
            .map(Arc::clone)
            .collect();
        let dropped = listeners
            .iter()
            .map(|signal| signal.queue(&broadcast))
            .sum();
        self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        listeners
    }

    /// Judges a request for a WebSocket without Socket.IO.
    pub fn handshake_plain(
        self: &Arc<Self>,
        dialect: Dialect,
        method: &Method,
        headers: &HeaderMap,
        peer: SocketAddr,
        policy: &ListenerPolicy,
    ) -> HandshakeOutcome<PlainDriver> {
        self.acceptor
            .handshake_plain(method, headers, peer, policy, |peer_info, out| {
                PlainDriver::open(self, dialect, &peer_info, out)
            })
    }

    /// Judges a request to `/socket.io/`.
    pub fn handshake(
        self: &Arc<Self>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
        policy: &ListenerPolicy,
    ) -> HandshakeOutcome<SocketIoDriver> {
        self.acceptor
            .handshake(method, uri, headers, peer, policy, |peer_info| {
                SocketIoDriver::new(Arc::clone(self), peer_info, policy.root)
            })
    }

    /// How to use the WebSocket of the omni contract: the answer to a plain GET of its path.
    pub fn omni_usage(&self) -> Value {
        omni::usage()
    }

    /// The namespaces that the omni contract offers, to which roles, and the bounds that hold
    /// there.
    pub fn omni_info(&self) -> Value {
        omni::info(&self.options)
    }

    /// Closes all transports, so that clients come back and recover, and accepts no new ones. The
    /// tasks that were spawned for them end within about twice [`limits::CLOSE_LINGER`].
    pub fn close(&self) {
        self.acceptor.close();
    }

    /// The counts and gauges of this moment.
    pub fn figures(&self) -> HubFigures {
        let (ring_entries, ring_bytes) = self
            .ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .size();
        let [refused, refused_of_address, refused_of_origin] = self.acceptor.refused();
        HubFigures {
            connections: self.acceptor.connections(),
            sockets: lock(&self.index).sockets,
            head: self.head(),
            ring_entries,
            ring_bytes,
            delivered: self.counters.delivered.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            resyncs: self.counters.resyncs.load(Ordering::Relaxed),
            stalled: self.acceptor.stalled(),
            recovered: self.counters.recovered.load(Ordering::Relaxed),
            not_recovered: self.counters.not_recovered.load(Ordering::Relaxed),
            sessions_unknown: self.counters.sessions_unknown.load(Ordering::Relaxed),
            replaced: self.counters.replaced.load(Ordering::Relaxed),
            rate_limited: self.counters.rate_limited.total(),
            rooms_refused: self.counters.rooms_refused.total(),
            crowded: self.counters.crowded.total(),
            revoked: self.counters.revoked.load(Ordering::Relaxed),
            refused,
            refused_of_address,
            refused_of_origin,
        }
    }

    /// How often connections ended since the start, by the label of their
    /// [`CloseReason`](crate::CloseReason).
    pub fn endings(&self) -> BTreeMap<&'static str, u64> {
        self.acceptor.endings()
    }

    /// Drops the entries in memory, because something was erased from the log that they may still
    /// contain. Readers that are behind go on from the source.
    pub fn forget(&self) {
        self.ring
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// How many users are online.
    pub fn users(&self) -> usize {
        self.registry.len()
    }

    /// The first `most` users who are online, by id.
    pub fn first_users(&self, most: usize) -> Vec<UserId> {
        self.registry.first(most)
    }

    /// Whether a user with that id is online. False for what is no id.
    pub fn is_online(&self, user: &str) -> bool {
        user.parse().is_ok_and(|user| self.registry.has(&user))
    }

    /// How many sockets are in rooms, by the name that `name` gives a room; rooms without a name
    /// are left out. At most `most` names, in no order. A room that exists in several shops counts
    /// as its largest.
    pub fn room_sizes(
        &self,
        name: fn(&Room) -> Option<String>,
        most: usize,
    ) -> BTreeMap<String, usize> {
        let index = lock(&self.index);
        let mut found = BTreeMap::new();
        for (room, listeners) in index.rooms.values().flatten() {
            let Some(name) = name(room) else { continue };
            if found.len() >= most {
                break;
            }
            let sockets = found.entry(name).or_insert(0);
            *sockets = listeners.len().max(*sockets);
        }
        found
    }

    /// The users who are online and the sizes of all rooms. A client whose network died counts
    /// until its heartbeat fails: one ping interval and one ping timeout at most.
    pub fn attendees(&self) -> PresenceSnapshot {
        let index = lock(&self.index);
        let rooms = index.rooms.iter().flat_map(|(shop, rooms)| {
            rooms
                .iter()
                .map(|(room, listeners)| (shop.clone(), room.clone(), listeners.len()))
        });
        let mut rooms: Vec<_> = rooms.collect();
        drop(index);
        rooms.sort();
        PresenceSnapshot {
            users: self.registry.users(),
            rooms,
        }
    }

    /// Warns that the source did not answer a query of a client, which is told to try again.
    pub(crate) fn warn_of_source(&self, error: &SourceError) {
        if let Some(count) = self.counters.source_failures.count() {
            tracing::warn!(%error, count, "Could not answer clients: the store did not answer");
        }
    }

    /// The identity that a token stands for, if the token is valid now.
    pub(crate) fn identify(&self, token: &str) -> Result<Identity, AuthError> {
        let now = self.clock.now();
        let identity = self.authenticate.identify(token, now)?;
        if identity.expires_at > now {
            Ok(identity)
        } else {
            Err(AuthError::Invalid)
        }
    }

    /// An identity for a client without a token. No event is addressed to a guest. With several
    /// shops a guest sees none, because nothing says which one it means.
    pub(crate) fn guest(&self) -> Identity {
        let shops = self.source.shops();
        // Some thirty printable bytes: always a valid id.
        let user_id = format!("guest:{}", self.id()).parse().expect("an id");
        let shops = ShopScope::Only(if shops.len() == 1 { shops } else { Vec::new() });
        Identity {
            shops,
            ..Identity::unlimited(user_id, Role::Guest)
        }
    }

    /// A random id of 120 bits. Ids of sessions and sockets are drawn separately, so that none can
    /// be derived from another.
    pub(crate) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.entropy.bytes::<15>())
    }

    /// The shops of which this identity may see anything.
    pub(crate) fn visible_shops(&self, identity: &Identity) -> Vec<ShopDomain> {
        self.source
            .shops()
            .into_iter()
            .filter(|shop| identity.may_enter(shop))
            .collect()
    }

    /// Counts a socket that opens. Staff are told when it is the first one of a customer.
    pub(crate) fn customer_connected(&self, who: &Identity, shops: &[ShopDomain]) {
        let Some(customer_id) = who.own_customer() else {
            return;
        };
        for shop in shops
            .iter()
            .filter(|shop| self.online_customers.socket_opened(shop, customer_id))
        {
            self.publish_ephemeral_later(
                shop,
                &Ephemeral::CustomerOnline(EventData::Own(CustomerPresence { customer_id })),
            );
        }
    }

    /// Counts a socket that closes. Staff are told when it was the last one of a customer.
    pub(crate) fn customer_disconnected(&self, who: &Identity, shops: &[ShopDomain]) {
        let Some(customer_id) = who.own_customer() else {
            return;
        };
        for shop in shops
            .iter()
            .filter(|shop| self.online_customers.socket_closed(shop, customer_id))
        {
            self.publish_ephemeral_later(
                shop,
                &Ephemeral::CustomerOffline(EventData::Own(CustomerPresence { customer_id })),
            );
        }
    }

    /// Creates the signal of a socket that opens. It is in no room yet.
    pub(crate) fn open_signal(&self, waker: &Arc<ConnectionWaker>) -> Arc<SocketSignal> {
        let mut index = lock(&self.index);
        index.next_key += 1;
        index.sockets += 1;
        let (first, ephemeral) = (AtomicU64::new(NONE), Mutex::default());
        Arc::new(SocketSignal {
            key: index.next_key,
            first,
            ephemeral,
            waker: Arc::clone(waker),
        })
    }

    /// Puts a socket into a room of those shops: its signal is marked for what is published there
    /// from now on.
    pub(crate) fn subscribe(&self, signal: &Arc<SocketSignal>, shops: &[ShopDomain], room: &Room) {
        let mut index = lock(&self.index);
        for shop in shops {
            let rooms = index.rooms.entry(shop.clone()).or_default();
            rooms
                .entry(room.clone())
                .or_default()
                .insert(signal.key, Arc::clone(signal));
        }
    }

    /// Takes a socket out of a room of those shops.
    pub(crate) fn unsubscribe(&self, signal: &SocketSignal, shops: &[ShopDomain], room: &Room) {
        let mut index = lock(&self.index);
        for shop in shops {
            let Some(rooms) = index.rooms.get_mut(shop) else {
                continue;
            };
            let Some(listeners) = rooms.get_mut(room) else {
                continue;
            };
            listeners.remove(&signal.key);
            // Empty rooms go: a client may join and leave any number of them.
            if listeners.is_empty() {
                rooms.remove(room);
            }
        }
    }

    /// Counts a socket that closed. It has left all its rooms by then.
    pub(crate) fn close_signal(&self) {
        lock(&self.index).sockets -= 1;
    }
}

impl RoomIndex {
    fn listeners<'a>(
        &'a self,
        shop: &ShopDomain,
        rooms: impl IntoIterator<Item = &'a Room>,
    ) -> impl Iterator<Item = &'a Arc<SocketSignal>> {
        let listeners = self.rooms.get(shop);
        let rooms = rooms
            .into_iter()
            .filter_map(move |room| listeners?.get(room));
        rooms.flat_map(SortedMap::values)
    }

    /// Marks entries, given in order, in every socket of their rooms: each room once, with its
    /// first entry. Returns the sockets that had no mark, which are to be woken.
    fn mark(&self, entries: &[Arc<Broadcast>]) -> Vec<Arc<SocketSignal>> {
        // A burst often is for one room: its sockets are visited once, not once for each entry.
        let mut firsts = BTreeMap::new();
        for entry in entries {
            for room in &entry.rooms {
                firsts
                    .entry((&entry.shop, room))
                    .or_insert(entry.sequence());
            }
        }
        let mut concerned = Vec::new();
        for ((shop, room), first) in firsts {
            concerned.extend(
                self.listeners(shop, [room])
                    .filter(|signal| signal.mark(first))
                    .map(Arc::clone),
            );
        }
        concerned
    }
}

/// Writes to the first `at_once` sockets from here, as far as each write completes at once, and
/// wakes the tasks of the others, so that neither a crowd nor a burst makes the publisher late.
fn write_to(signals: &[Arc<SocketSignal>], at_once: usize) {
    let (at_once, later) = signals.split_at(signals.len().min(at_once));
    // tokio gives a task a budget of operations and then answers `Pending`. These many writes are
    // bounded by `at_once` instead.
    let serving = unconstrained(async {
        for signal in at_once {
            signal.waker.write_now();
        }
    });
    // A future without an await point is ready at its first poll.
    let _ = pin!(serving).poll(&mut Context::from_waker(Waker::noop()));
    for signal in later {
        signal.waker.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
