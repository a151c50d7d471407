//! Who listens to what: takes events in, keeps the newest, and has them sent to those they concern.
//!
//! An event waits for nobody here. Publishing marks in each reader concerned where to go on, and rings: a reader that
//! is idle reads and writes on the spot, the others in their own tasks, and one that is slow costs the mark.

pub(crate) mod broadcast;
mod command;
pub(crate) mod few;
mod presence;
pub(crate) mod reader;
pub(crate) mod recovery;
mod replay;
mod ring;
mod roster;
mod sieve;
pub(crate) mod socket;

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
    Clock, Entropy, Epoch, Event, Identity, LogEntry, Offset, Role, Room, Sequence, ShopDomain,
    ShopScope, UserId,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

use crate::connection::single::Single;
use crate::connection::sockets::Sockets;
use crate::connection::{Bell, Gate, Knock};
use crate::contracts::{Dialect, Namespace, omni};
use crate::hub::broadcast::Broadcast;
use crate::hub::few::Few;
use crate::hub::presence::Presence;
use crate::hub::recovery::Key;
use crate::hub::ring::Ring;
use crate::hub::roster::Roster;
use crate::limits;
use crate::options::{Entrance, Options};
use crate::source::{AuthError, Authenticate, Commands, Source};

/// What goes on, for health and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Transports open now.
    pub connections: usize,
    /// Sockets in namespaces now.
    pub sockets: usize,
    /// The newest entry published.
    pub head: Offset,
    /// Entries kept in memory.
    pub ring_entries: usize,
    /// Bytes of them.
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
    /// Clients that came back with a session nobody knows, since the start.
    pub sessions_unknown: u64,
    /// Sockets that gave way to their client's next connection, since the start.
    pub replaced: u64,
    /// Messages dropped because a client sent too many, since the start.
    pub rate_limited: u64,
    /// Joins refused because a socket was in too many rooms, since the start.
    pub rooms_refused: u64,
    /// Transports closed because their user had too many sockets, since the start.
    pub crowded: u64,
    /// Sockets put out because their token was revoked, since the start.
    pub revoked: u64,
    /// Connections refused because there were too many in all, since the start.
    pub refused: u64,
    /// Connections refused because there were too many of one address, since the start.
    pub refused_of_address: u64,
    /// Requests refused because of the page they came from, since the start.
    pub refused_of_origin: u64,
}

/// Who is there, and how many are where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendees {
    /// Each user, with how many sockets: the tabs and devices of one user are one user. By id.
    pub users: Vec<(UserId, usize)>,
    /// Each room of each shop that somebody is in, with how many sockets.
    pub rooms: Vec<(ShopDomain, Room, usize)>,
}

/// The realtime side of one daemon.
pub struct Hub {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) options: Options,
    pub(crate) epoch: Epoch,
    pub(crate) ring: RwLock<Ring>,
    marked: watch::Sender<Sequence>,
    index: Mutex<Index>,
    gate: Gate<Sockets>,
    pub(crate) roster: Roster,
    presence: Presence,
    pub(crate) key: Key,
    /// How often everybody was to be looked at anew.
    reconsidered: AtomicU64,
    pub(crate) counters: Counters,
}

/// What is only counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) resyncs: AtomicU64,
    pub(crate) recovered: AtomicU64,
    pub(crate) not_recovered: AtomicU64,
    pub(crate) sessions_unknown: AtomicU64,
    pub(crate) replaced: AtomicU64,
    pub(crate) rate_limited: AtomicU64,
    pub(crate) rooms_refused: AtomicU64,
    pub(crate) crowded: AtomicU64,
    pub(crate) revoked: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Who is in which room of which shop.
#[derive(Default)]
struct Index {
    rooms: HashMap<ShopDomain, HashMap<Room, Few<u64, Arc<Slot>>>>,
    next_key: u64,
    sockets: usize,
}

/// Where the hub leaves word for a socket.
#[derive(Debug)]
pub(crate) struct Slot {
    key: u64,
    /// The first entry in its rooms since it last looked, or [`NONE`].
    first: AtomicU64,
    ephemeral: Mutex<VecDeque<Arc<Broadcast>>>,
    bell: Arc<Bell>,
}

/// No entry.
const NONE: u64 = u64::MAX;

impl Slot {
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    pub(crate) fn take_first(&self) -> Option<Sequence> {
        let first = self.first.swap(NONE, Ordering::AcqRel);
        (first != NONE).then_some(Sequence(first))
    }

    pub(crate) fn take_ephemeral(&self) -> Option<Arc<Broadcast>> {
        lock(&self.ephemeral).pop_front()
    }

    /// Whether it was not marked before: somebody has to look.
    fn mark(&self, sequence: Sequence) -> bool {
        self.first.fetch_min(sequence.0, Ordering::AcqRel) == NONE
    }

    /// How many were dropped to make room.
    fn tell(&self, broadcast: &Arc<Broadcast>) -> u64 {
        let mut waiting = lock(&self.ephemeral);
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
    /// A hub at the source's head. The entries that follow [`Hub::head`] are to be published.
    pub fn new(
        source: Arc<dyn Source>,
        authenticate: Arc<dyn Authenticate>,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        options: Options,
    ) -> Arc<Self> {
        let Offset { epoch, sequence } = source.head();
        let (roster, key) = (
            Roster::new(options.sockets_per_user_max),
            Key::new(source.secret()),
        );
        Arc::new(Self {
            roster,
            presence: Presence::default(),
            key,
            reconsidered: AtomicU64::new(0),
            source,
            authenticate,
            commands,
            clock,
            epoch,
            ring: RwLock::new(Ring::new(
                sequence,
                options.ring_entries,
                limits::RING_BYTES_MAX,
            )),
            marked: watch::Sender::new(sequence),
            index: Mutex::default(),
            gate: Gate::new(options.clone(), Arc::clone(&entropy)),
            counters: Counters::default(),
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

    /// Where memory begins: what follows need not be asked of the source.
    pub(crate) fn floor(&self) -> Sequence {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .floor()
    }

    /// Whether nothing of that place can have been sent by anybody yet.
    pub(crate) fn is_beyond_end(&self, sequence: Sequence) -> bool {
        sequence > self.head().sequence.max(self.source.head().sequence)
    }

    /// Whether sockets of that namespace can be recovered.
    pub(crate) fn is_recoverable(&self, namespace: Namespace) -> bool {
        self.options.recovery.contains(&namespace.settings())
    }

    /// How long the rooms of a session are kept.
    pub(crate) fn session_time(&self) -> Duration {
        Duration::from_hours(u64::from(self.options.session_days) * 24)
    }

    /// Has every socket asked whether its bearer is revoked, at once.
    pub fn reconsider(&self) {
        self.reconsidered.fetch_add(1, Ordering::AcqRel);
        self.roster.wake_all();
    }

    /// How often that was said.
    pub(crate) fn reconsidered(&self) -> u64 {
        self.reconsidered.load(Ordering::Acquire)
    }

    /// Up to here, every entry is marked in the slots of those it concerns.
    pub(crate) fn marked(&self) -> Sequence {
        *self.marked.borrow()
    }

    /// For waiting until an entry was published.
    pub(crate) fn watch_marked(&self) -> watch::Receiver<Sequence> {
        self.marked.subscribe()
    }

    /// Takes the entries that follow [`Hub::head`], in order and without a gap, from one task. Never waits for a
    /// reader. What is at or before the head is known already and ignored.
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
        // Marked only once they can be read, and after the ring is free again.
        let concerned = lock(&self.index).mark(&fresh);
        self.marked.send_replace(last.sequence());
        serve(&concerned, limits::SERVED_AT_ONCE_MAX / fresh.len());
    }

    /// Tells those who listen now, beside the log. A reader that is slow loses the oldest of these.
    pub fn tell(&self, shop: &ShopDomain, event: &Event) {
        serve(&self.leave_word(shop, event), limits::SERVED_AT_ONCE_MAX);
    }

    /// The same for whoever is no publisher but a socket itself, whose own work is under a lock: all others write in
    /// their own tasks.
    pub(crate) fn tell_later(&self, shop: &ShopDomain, event: &Event) {
        self.leave_word(shop, event)
            .iter()
            .for_each(|slot| slot.bell.ring());
    }

    fn leave_word(&self, shop: &ShopDomain, event: &Event) -> Vec<Arc<Slot>> {
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
        let dropped = listeners.iter().map(|slot| slot.tell(&broadcast)).sum();
        self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        listeners
    }

    /// Judges a request for a WebSocket that carries no Socket.IO.
    pub fn knock_plain(
        self: &Arc<Self>,
        dialect: Dialect,
        method: &Method,
        headers: &HeaderMap,
        peer: SocketAddr,
        entrance: &Entrance,
    ) -> Knock<Single> {
        self.gate
            .knock_plain(method, headers, peer, entrance, |visitor, out| {
                Single::open(self, dialect, &visitor, out)
            })
    }

    /// Judges a request to `/socket.io/`.
    pub fn knock(
        self: &Arc<Self>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
        entrance: &Entrance,
    ) -> Knock<Sockets> {
        self.gate
            .knock(method, uri, headers, peer, entrance, |visitor| {
                Sockets::new(Arc::clone(self), visitor, entrance.root)
            })
    }

    /// How omni's WebSocket is used, for who asks by a plain GET.
    pub fn omni_usage(&self) -> Value {
        omni::usage()
    }

    /// What it offers, to whom, and within which bounds.
    pub fn omni_info(&self) -> Value {
        omni::info(&self.options)
    }

    /// Closes all transports, so that clients come back and recover, and takes no new ones. What was to be spawned
    /// for them ends within [`limits::CLOSE_LINGER`] or two.
    pub fn close(&self) {
        self.gate.close();
    }

    /// What goes on.
    pub fn figures(&self) -> Figures {
        let (ring_entries, ring_bytes) = self
            .ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .size();
        let [refused, refused_of_address, refused_of_origin] = self.gate.refused();
        Figures {
            connections: self.gate.connections(),
            sockets: lock(&self.index).sockets,
            head: self.head(),
            ring_entries,
            ring_bytes,
            delivered: self.counters.delivered.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            resyncs: self.counters.resyncs.load(Ordering::Relaxed),
            stalled: self.gate.stalled(),
            recovered: self.counters.recovered.load(Ordering::Relaxed),
            not_recovered: self.counters.not_recovered.load(Ordering::Relaxed),
            sessions_unknown: self.counters.sessions_unknown.load(Ordering::Relaxed),
            replaced: self.counters.replaced.load(Ordering::Relaxed),
            rate_limited: self.counters.rate_limited.load(Ordering::Relaxed),
            rooms_refused: self.counters.rooms_refused.load(Ordering::Relaxed),
            crowded: self.counters.crowded.load(Ordering::Relaxed),
            revoked: self.counters.revoked.load(Ordering::Relaxed),
            refused,
            refused_of_address,
            refused_of_origin,
        }
    }

    /// How often connections ended for each reason, since the start; by the reason's name.
    pub fn endings(&self) -> BTreeMap<&'static str, u64> {
        self.gate.endings()
    }

    /// Forgets the entries in memory: something was erased from the log, and they may still tell it. Readers that are
    /// behind go on from the source.
    pub fn forget(&self) {
        self.ring
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// How many users are there.
    pub fn users(&self) -> usize {
        self.roster.len()
    }

    /// The first so many of them, by id.
    pub fn first_users(&self, most: usize) -> Vec<UserId> {
        self.roster.first(most)
    }

    /// Whether a user of that id is there.
    pub fn is_there(&self, user: &str) -> bool {
        user.parse().is_ok_and(|user| self.roster.has(&user))
    }

    /// How many are in rooms, by the name that each is given, where it is given one: so many names at most, without an
    /// order. A room of several shops counts where it has most.
    pub fn gatherings(
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

    /// Who is there. Whoever was cut off is gone at the latest a ping's interval and timeout later.
    pub fn attendees(&self) -> Attendees {
        let index = lock(&self.index);
        let rooms = index.rooms.iter().flat_map(|(shop, rooms)| {
            rooms
                .iter()
                .map(|(room, listeners)| (shop.clone(), room.clone(), listeners.len()))
        });
        let mut rooms: Vec<_> = rooms.collect();
        drop(index);
        rooms.sort();
        Attendees {
            users: self.roster.users(),
            rooms,
        }
    }

    /// Who that token is, if it is good now.
    pub(crate) fn identify(&self, token: &str) -> Result<Identity, AuthError> {
        let now = self.clock.now();
        let identity = self.authenticate.identify(token, now)?;
        if identity.expires_at > now {
            Ok(identity)
        } else {
            Err(AuthError::Invalid)
        }
    }

    /// Somebody of whom nothing is known. No event is addressed to them; several shops are not told apart for them.
    pub(crate) fn guest(&self) -> Identity {
        let shops = self.source.shops();
        // Some thirty printable bytes, so it is an id.
        let user_id = format!("guest:{}", self.id()).parse().expect("an id");
        let shops = ShopScope::Only(if shops.len() == 1 { shops } else { Vec::new() });
        Identity {
            shops,
            ..Identity::unlimited(user_id, Role::Guest)
        }
    }

    /// A random id of 120 bits, for sessions and sockets, which must not be told from one another's.
    pub(crate) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.entropy.bytes::<15>())
    }

    /// The shops that somebody may see anything of.
    pub(crate) fn enterable(&self, identity: &Identity) -> Vec<ShopDomain> {
        self.source
            .shops()
            .into_iter()
            .filter(|shop| identity.may_enter(shop))
            .collect()
    }

    /// A socket of somebody opens. Of a customer's first one, staff are told.
    pub(crate) fn comes(&self, who: &Identity, shops: &[ShopDomain]) {
        let Some(customer_id) = who.own_customer() else {
            return;
        };
        for shop in shops
            .iter()
            .filter(|shop| self.presence.come(shop, customer_id))
        {
            self.tell_later(
                shop,
                &Event::CustomerOnline(CustomerPresence { customer_id }),
            );
        }
    }

    /// The reverse.
    pub(crate) fn goes(&self, who: &Identity, shops: &[ShopDomain]) {
        let Some(customer_id) = who.own_customer() else {
            return;
        };
        for shop in shops
            .iter()
            .filter(|shop| self.presence.go(shop, customer_id))
        {
            self.tell_later(
                shop,
                &Event::CustomerOffline(CustomerPresence { customer_id }),
            );
        }
    }

    /// A place to leave word for a new socket.
    pub(crate) fn open_slot(&self, bell: &Arc<Bell>) -> Arc<Slot> {
        let mut index = lock(&self.index);
        index.next_key += 1;
        index.sockets += 1;
        let (first, ephemeral) = (AtomicU64::new(NONE), Mutex::default());
        Arc::new(Slot {
            key: index.next_key,
            first,
            ephemeral,
            bell: Arc::clone(bell),
        })
    }

    /// Marks that slot for what is published from now on in that room of those shops.
    pub(crate) fn listen(&self, slot: &Arc<Slot>, shops: &[ShopDomain], room: &Room) {
        let mut index = lock(&self.index);
        for shop in shops {
            let rooms = index.rooms.entry(shop.clone()).or_default();
            rooms
                .entry(room.clone())
                .or_default()
                .insert(slot.key, Arc::clone(slot));
        }
    }

    /// The reverse.
    pub(crate) fn ignore(&self, slot: &Slot, shops: &[ShopDomain], room: &Room) {
        let mut index = lock(&self.index);
        for shop in shops {
            let Some(rooms) = index.rooms.get_mut(shop) else {
                continue;
            };
            let Some(listeners) = rooms.get_mut(room) else {
                continue;
            };
            listeners.remove(&slot.key);
            if listeners.is_empty() {
                rooms.remove(room);
            }
        }
    }

    /// The socket is gone from all its rooms.
    pub(crate) fn close_slot(&self) {
        lock(&self.index).sockets -= 1;
    }
}

impl Index {
    fn listeners<'a>(
        &'a self,
        shop: &ShopDomain,
        rooms: impl IntoIterator<Item = &'a Room>,
    ) -> impl Iterator<Item = &'a Arc<Slot>> {
        let listeners = self.rooms.get(shop);
        let rooms = rooms
            .into_iter()
            .filter_map(move |room| listeners?.get(room));
        rooms.flat_map(Few::values)
    }

    /// Marks entries, given in order, where they are listened for, each room once however many of them concern it.
    /// Those who were not marked before.
    fn mark(&self, entries: &[Arc<Broadcast>]) -> Vec<Arc<Slot>> {
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
                    .filter(|slot| slot.mark(first))
                    .map(Arc::clone),
            );
        }
        concerned
    }
}

/// Sends at once to so many of them, as far as that is quickly done. The rest is left to their tasks, so that no
/// crowd and no burst keeps others waiting.
fn serve(slots: &[Arc<Slot>], at_once: usize) {
    let (at_once, later) = slots.split_at(slots.len().min(at_once));
    // Many writes are more than a task's budget; the bound is ours.
    let serving = unconstrained(async {
        for slot in at_once {
            slot.bell.serve();
        }
    });
    // It waits for nothing, so it is over.
    let _ = pin!(serving).poll(&mut Context::from_waker(Waker::noop()));
    for slot in later {
        slot.bell.ring();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
