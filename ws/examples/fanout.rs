//! The realtime side alone, on a log in memory, for `bench`'s `realtime`: the daemon's namespaces, rights, rooms and log
//! without its store. Never shipped.
//!
//! Prints the port clients connect to and the port that is told what happens, a line each time:
//! `<room> <events> <bytes of a frame> <number of the first>`. A room is `all` or `location:<id>`; `each` stands for a
//! hundred locations by turns. The line `attendees` is answered with how many connections and users there are.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use schemas::command::CommandKind;
use schemas::event::{LevelChange, Source as Way};
use schemas::shape::{LevelShape, StockStatus};
use schemas::{
    AnyId, Entropy, Epoch, ErrorBody, ErrorCode, Event, EventData, Identity, Kind, LevelSelection,
    LogEntry, Logged, Offset, OrderId, Posted, ProductId, Quantities, Role, Room, Sequence,
    ShopDomain, Timestamp,
};
use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use ws::limits::UNSENT_BYTES_MAX;
use ws::{
    AuthError, CommandHandler, EventSource, HandshakeOutcome, Hub, HubOptions, KeptRooms,
    LevelsSnapshot, ListenerPolicy, OrderOwner, SourceError, TokenVerifier,
};

const EPOCH: Epoch = Epoch(0xbeef);
const SHOP: &str = "bench.myshopify.com";
/// Events kept: more than any measurement needs.
const ENTRIES_MAX: usize = 1_000_000;
/// What a frame has beside its padding, as a client measured it: 224, and two for each further digit of its sequence,
/// which soon has five.
const NOTICE_BYTES: usize = 232;

#[tokio::main]
async fn main() -> io::Result<()> {
    let log = Arc::new(Log::default());
    let entropy = Arc::new(Entropy::from_system().map_err(io::Error::other)?);
    let options = HubOptions {
        connections_max: 20_000,
        connections_per_address_max: 20_000,
        ..HubOptions::default()
    };
    let hub = Hub::new(
        Arc::<Log>::clone(&log),
        Arc::new(Tokens),
        Arc::new(NoCommands),
        Arc::new(now),
        entropy,
        options,
    );
    let clients = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(
        io::stdout(),
        "{} {}",
        clients.local_addr()?.port(),
        control.local_addr()?.port()
    )?;
    let (served, told) = tokio::join!(serve(Arc::clone(&hub), clients), obey(&hub, &log, control));
    served.and(told)
}

/// Publishes what it is told to.
async fn obey(hub: &Hub, log: &Log, control: TcpListener) -> io::Result<()> {
    let (stream, _) = control.accept().await?;
    let (lines, mut answers) = stream.into_split();
    let mut lines = BufReader::new(lines).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "attendees" {
            let answer = format!(
                "{} {}\n",
                hub.figures().connections,
                hub.attendees().users.len()
            );
            answers.write_all(answer.as_bytes()).await?;
            continue;
        }
        let mut words = line.split(' ');
        let room = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let (events, bytes, first) = (number(), number(), number());
        let bytes = usize::try_from(bytes).unwrap_or(0);
        let entries: Vec<LogEntry> = (first..first + events)
            .map(|n| log.append(event(room, n, bytes)))
            .collect();
        hub.publish(&entries);
    }
    Ok(())
}

fn event(room: &str, number: u64, bytes: usize) -> Logged {
    let mark = format!("n={number};");
    if let Some(location) = room.strip_prefix("location:") {
        let level = level(location.parse().unwrap_or(1 + number % 100), mark);
        let previous_available = Some(11);
        return Logged::InventoryUpdated(EventData::Own(LevelChange {
            product: Vec::new(),
            level,
            previous_available,
            source: Way::Webhook,
            command_id: None,
        }));
    }
    let padding = bytes.saturating_sub(NOTICE_BYTES + mark.len());
    let message = format!("{mark}{}", "x".repeat(padding));
    let data = [("title", "Bench".to_owned()), ("message", message)]
        .map(|(key, text)| (key.to_owned(), text.into()));
    match Posted::read(
        Kind::SystemNotification,
        "bench".to_owned(),
        None,
        data.into_iter().collect(),
    ) {
        Ok(Event::Logged(event)) => event,
        other => unreachable!("a notification is logged: {other:?}"),
    }
}

fn level(location: u64, title: String) -> LevelShape {
    LevelShape {
        shop: shop(),
        inventory_item_id: number(44_000_000_000_001),
        product_id: ProductId::try_from(8_000_000_000_001_u64).ok(),
        variant_id: None,
        sku: Some("SCARF-RED".to_owned()),
        title: Some(title),
        location_id: number(location),
        location_name: Some("Berlin".to_owned()),
        tracked: true,
        active: true,
        available: 10,
        quantities: Quantities::default().into(),
        pending: 0,
        threshold: 5,
        status: StockStatus::InStock,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn number<Id: TryFrom<u64>>(number: u64) -> Id {
    Id::try_from(number.max(1)).unwrap_or_else(|_| unreachable!("positive numbers are ids"))
}

fn shop() -> ShopDomain {
    SHOP.parse()
        .unwrap_or_else(|_| unreachable!("a shop's domain"))
}

#[expect(clippy::disallowed_methods, reason = "nothing is simulated here")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The log's writer and its source in one.
#[derive(Default)]
struct Log(Mutex<Vec<LogEntry>>);

impl Log {
    fn append(&self, event: Logged) -> LogEntry {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(entries.len() < ENTRIES_MAX, "too much happens");
        let offset = Offset {
            epoch: EPOCH,
            sequence: Sequence(entries.len() as u64 + 1),
        };
        let entry = LogEntry::new(offset, shop(), now(), event);
        entries.push(entry.clone());
        entry
    }
}

#[async_trait]
impl EventSource for Log {
    fn shops(&self) -> Vec<ShopDomain> {
        vec![shop()]
    }

    fn company(&self, _shop: &ShopDomain) -> Option<AnyId> {
        None
    }

    async fn order(
        &self,
        _shops: &[ShopDomain],
        _order: OrderId,
    ) -> Result<Option<OrderOwner>, SourceError> {
        Ok(None)
    }

    fn head(&self) -> Offset {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Offset {
            epoch: EPOCH,
            sequence: Sequence(entries.len() as u64),
        }
    }

    async fn replay(
        &self,
        _shop: &ShopDomain,
        rooms: &BTreeSet<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, SourceError> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = usize::try_from(after.0).unwrap_or(usize::MAX);
        let range = entries
            .iter()
            .skip(skipped)
            .take_while(|entry| entry.sequence() <= until);
        let concerned = range.filter(|entry| !entry.event.rooms().is_disjoint(rooms));
        Ok(concerned.take(limit).cloned().collect())
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }

    async fn keep_session(
        &self,
        _id: String,
        _owner: String,
        _rooms: String,
        _at: Timestamp,
    ) -> Result<(), SourceError> {
        Ok(())
    }

    async fn session(&self, _id: &str, _owner: &str) -> Result<KeptRooms, SourceError> {
        Ok(KeptRooms::default())
    }

    async fn levels(
        &self,
        _shops: &[ShopDomain],
        _selection: &LevelSelection,
        _limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError> {
        Err(SourceError::Unavailable("there are no levels".to_owned()))
    }
}

/// Whoever says a name is staff of that name.
struct Tokens;

impl TokenVerifier for Tokens {
    fn identify(&self, token: &str, _now: Timestamp) -> Result<Identity, AuthError> {
        Ok(Identity::unlimited(
            token.parse().map_err(|_| AuthError::Invalid)?,
            Role::Staff,
        ))
    }

    fn is_revoked(&self, _identity: &Identity) -> bool {
        false
    }
}

struct NoCommands;

#[async_trait]
impl CommandHandler for NoCommands {
    async fn run(
        &self,
        _by: &Identity,
        _shop: Option<&str>,
        _kind: CommandKind,
        _payload: Value,
    ) -> Result<Value, ErrorBody> {
        Err(ErrorBody::new(ErrorCode::Unavailable, "Not here"))
    }
}

async fn serve(hub: Arc<Hub>, listener: TcpListener) -> io::Result<()> {
    let tasks = TaskTracker::new();
    loop {
        let accepted = listener.accept().await.and_then(|(stream, peer)| {
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
            Ok((stream, peer))
        });
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Its client is gone already; the others are not to suffer for it.
                writeln!(io::stderr(), "a connection was not accepted: {error}")?;
                continue;
            }
        };
        let (hub, upgrades) = (Arc::clone(&hub), tasks.clone());
        let service = service_fn(move |request| {
            let answer = answer(&hub, &upgrades, request, peer).map(Full::new);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tasks.spawn(connection);
    }
}

fn answer(
    hub: &Arc<Hub>,
    tasks: &TaskTracker,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Bytes> {
    match hub.handshake(
        request.method(),
        request.uri(),
        request.headers(),
        peer,
        &ListenerPolicy::default(),
    ) {
        HandshakeOutcome::Answer(response) => response,
        HandshakeOutcome::Upgrade(response, upgrade) => {
            tasks.spawn(async move {
                let Ok(upgraded) = hyper::upgrade::on(request).await else {
                    return;
                };
                if let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() {
                    upgrade.run(parts.io.into_inner(), parts.read_buf).await;
                }
            });
            response
        }
        HandshakeOutcome::Open(..) | HandshakeOutcome::Poll(_) | HandshakeOutcome::Post(_) => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}
