//! `stockd watch`: the live stream in the terminal, over the same Socket.IO that every client speaks.
//!
//! It keeps the offset of each subscription and asks for what it missed after any interruption, so it prints
//! every event once.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use schemas::{ErrorCode, Offset, Role, Room};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use ws::protocol::engine;
use ws::protocol::socketio::{PacketContent, SocketIoPacket};

use super::api_client::{ConnectionArgs, DaemonAccess};
use super::terminal::{Colour, Terminal};
use super::{Usage, event, say, token};
use crate::config::Environment;

/// Where all of a client's words go.
const NAMESPACE: &str = "/oda";
/// Longest pause before connecting again.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Follows the live stream: every event that the token may see, in local time.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stockd watch --changes
  stockd watch --rooms inventory:location:7000001032772,orders:all")]
pub(super) struct Watch {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Rooms to follow: inventory:all, inventory:location:ID, inventory:product:ID, inventory:variant:ID,
    /// orders:all, orders:customer:ID, notifications. By default everything that the token may see.
    #[arg(long, value_delimiter = ',', value_name = "ROOMS")]
    rooms: Vec<String>,
    /// Start after this offset instead of now.
    #[arg(long, value_name = "OFFSET")]
    since: Option<Offset>,
    /// Show only changes: no webhooks, no progress, and no stock or runs that changed nothing.
    #[arg(long)]
    changes: bool,
}

impl Watch {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let opened = self.connection.open(environment, "stockd-watch", None)?;
        let subscriptions = self.subscriptions()?;
        let printing = if json {
            Printing::Json
        } else {
            Printing::Lines(Terminal::of_process(environment))
        };
        let mut stream = WatchStream {
            subscriptions,
            are_named: !self.rooms.is_empty(),
            printing,
            only_changes: self.changes,
        };
        tokio::select! {
            ended = stream.follow(&opened) => ended,
            ended = tokio::signal::ctrl_c() => Ok(ended?),
        }
    }

    /// The rooms as the subscriptions that join them.
    fn subscriptions(&self) -> anyhow::Result<BTreeMap<&'static str, WatchSubscription>> {
        let mut payloads: BTreeMap<&'static str, Value> = BTreeMap::new();
        if self.rooms.is_empty() {
            payloads = everything();
        }
        for name in &self.rooms {
            let (event, list, id) = match name.parse::<Room>().map_err(Usage)? {
                Room::InventoryAll => ("subscribe:inventory", None, String::new()),
                Room::InventoryLocation(id) => {
                    ("subscribe:inventory", Some("locationIds"), id.to_string())
                }
                Room::InventoryProduct(id) => {
                    ("subscribe:inventory", Some("productIds"), id.to_string())
                }
                Room::InventoryVariant(id) => {
                    ("subscribe:inventory", Some("variantIds"), id.to_string())
                }
                Room::Notifications => ("subscribe:notifications", None, String::new()),
                Room::OrdersAll => ("subscribe:orders", None, String::new()),
                Room::OrdersCustomer(id) => {
                    ("subscribe:orders", Some("customerId"), id.to_string())
                }
                // Staff are in it from the start.
                Room::ShopifySync => continue,
                _ => {
                    return Err(Usage(format!("{name} cannot be followed from here")).into());
                }
            };
            let payload = payloads.entry(event).or_insert_with(|| json!({}));
            match list {
                Some("customerId") => payload["customerId"] = json!(id),
                Some(list) => match payload[list].as_array_mut() {
                    Some(ids) => ids.push(json!(id)),
                    None => payload[list] = json!([id]),
                },
                None => *payload = json!({}),
            }
        }
        Ok(subscriptions(payloads, self.since))
    }
}

/// Subscriptions to all there is.
fn everything() -> BTreeMap<&'static str, Value> {
    [
        "subscribe:inventory",
        "subscribe:notifications",
        "subscribe:orders",
    ]
    .map(|name| (name, json!({})))
    .into()
}

fn subscriptions(
    payloads: BTreeMap<&'static str, Value>,
    position: Option<Offset>,
) -> WatchSubscriptions {
    let subscription = |payload| WatchSubscription {
        payload,
        position,
        is_refused: false,
    };
    payloads
        .into_iter()
        .map(|(event, payload)| (event, subscription(payload)))
        .collect()
}

type WatchSubscriptions = BTreeMap<&'static str, WatchSubscription>;

struct WatchSubscription {
    payload: Value,
    /// Everything up to here was printed.
    position: Option<Offset>,
    /// The token may not see these events, and nobody asked for them by name.
    is_refused: bool,
}

/// How events are printed.
enum Printing {
    /// For programs, one object a line.
    Json,
    /// For people.
    Lines(Terminal),
}

/// What is followed, and how far it was printed.
pub(super) struct WatchStream {
    subscriptions: WatchSubscriptions,
    /// Whether somebody asked for just these, so that a refusal of one is an error.
    are_named: bool,
    printing: Printing,
    only_changes: bool,
}

enum StreamEnd {
    /// Connecting again may help.
    Lost,
    /// It will not.
    ApiRefusal(String),
}

impl WatchStream {
    /// Everything that changes something, for people.
    pub(super) fn of_changes(terminal: Terminal) -> Self {
        let subscriptions = subscriptions(everything(), None);
        Self {
            subscriptions,
            are_named: false,
            printing: Printing::Lines(terminal),
            only_changes: true,
        }
    }

    /// Prints events until it is refused for good; connects again after any interruption.
    pub(super) async fn follow(&mut self, opened: &DaemonAccess) -> anyhow::Result<()> {
        let url = &opened.url;
        if url.scheme() != "http" {
            return Err(Usage(format!(
                "{url}: watch speaks http:// only; run it beside the daemon"
            ))
            .into());
        }
        let mut address = url.join("/socket.io/?EIO=4&transport=websocket")?;
        address
            .set_scheme("ws")
            .map_err(|()| Usage(format!("{url} is no address of a daemon")))?;
        let mut pause = Duration::from_millis(100);
        loop {
            match self.follow_once(opened, address.as_str()).await? {
                Ok(StreamEnd::ApiRefusal(reason)) => anyhow::bail!("{reason}"),
                Ok(StreamEnd::Lost) => {
                    pause = Duration::from_millis(100);
                    tracing::info!("the connection ended; connecting again");
                }
                Err(error) => tracing::info!(%error, "no connection; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    /// Prints events over one connection, or says why there is none.
    async fn follow_once(
        &mut self,
        opened: &DaemonAccess,
        address: &str,
    ) -> anyhow::Result<Result<StreamEnd, anyhow::Error>> {
        let Some(socket) = &opened.socket else {
            let token = opened.token.clone().unwrap_or_default();
            return match tokio_tungstenite::connect_async(address).await {
                Ok((mut socket, _)) => self.listen(&mut socket, &token).await.map(Ok),
                Err(error) => Ok(Err(error.into())),
            };
        };
        let connected = async {
            // Sockets want a token on any way.
            let wanted = json!({ "role": Role::SuperAdmin });
            let token = match &opened.token {
                Some(token) => token.clone(),
                None => token::given(opened, &wanted).await?,
            };
            let stream = UnixStream::connect(socket).await?;
            let (socket, _) = tokio_tungstenite::client_async(address, stream).await?;
            anyhow::Ok((socket, token))
        };
        match connected.await {
            Ok((mut socket, token)) => self.listen(&mut socket, &token).await.map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: &mut WebSocketStream<S>,
        token: &str,
    ) -> anyhow::Result<StreamEnd> {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let answers = match engine::EnginePacket::parse(&text) {
                Ok(engine::EnginePacket::Open(_)) => {
                    let auth = json!({ "token": token }).as_object().cloned();
                    vec![
                        engine::EnginePacket::Message(&packet(PacketContent::Connect(auth)))
                            .encode(),
                    ]
                }
                Ok(engine::EnginePacket::Ping(data)) => {
                    vec![engine::EnginePacket::Pong(data).encode()]
                }
                Ok(engine::EnginePacket::Message(text)) => {
                    match SocketIoPacket::parse(text).map(|packet| packet.content) {
                        Ok(PacketContent::Connect(_)) => self.subscribe(),
                        Ok(PacketContent::ConnectError(reason)) => {
                            let message = reason["message"].as_str().unwrap_or("without a reason");
                            return Ok(StreamEnd::ApiRefusal(format!(
                                "the daemon refuses the connection: {message}"
                            )));
                        }
                        Ok(PacketContent::Disconnect) => {
                            return Ok(StreamEnd::ApiRefusal(
                                "the daemon ended the connection; a new token is needed".to_owned(),
                            ));
                        }
                        Ok(PacketContent::Ack { id, args, .. }) => {
                            match self.acknowledged(id, args.first())? {
                                Some(reason) => return Ok(StreamEnd::ApiRefusal(reason)),
                                None => Vec::new(),
                            }
                        }
                        Ok(PacketContent::Event { name, args, .. }) => {
                            self.event(&name, args.first().unwrap_or(&Value::Null))?;
                            Vec::new()
                        }
                        Err(_) => return Ok(StreamEnd::Lost),
                    }
                }
                Ok(_) => Vec::new(),
                Err(_) => return Ok(StreamEnd::Lost),
            };
            for answer in answers {
                if socket.send(Message::text(answer)).await.is_err() {
                    return Ok(StreamEnd::Lost);
                }
            }
        }
        Ok(StreamEnd::Lost)
    }

    /// Joins every room, each from where its subscription was.
    fn subscribe(&self) -> Vec<String> {
        let ask = |(id, (event, subscription)): (u64, (&&'static str, &WatchSubscription))| {
            let mut payload = subscription.payload.clone();
            if let Some(position) = subscription.position {
                payload["since"] = json!(position);
            }
            let event = PacketContent::Event {
                id: Some(id),
                name: (*event).to_owned(),
                args: vec![payload],
                attachments: 0,
            };
            engine::EnginePacket::Message(&packet(event)).encode()
        };
        (0..)
            .zip(&self.subscriptions)
            .filter(|(_, (_, subscription))| !subscription.is_refused)
            .map(ask)
            .collect()
    }

    /// Remembers where a new subscription begins; a reason when it was refused.
    fn acknowledged(&mut self, id: u64, answer: Option<&Value>) -> anyhow::Result<Option<String>> {
        let meant = self.subscriptions.iter_mut().nth(usize::try_from(id)?);
        let (Some((event, subscription)), Some(answer)) = (meant, answer) else {
            return Ok(None);
        };
        if answer["ok"] == json!(false) {
            if !self.are_named && answer["error"]["code"] == json!(ErrorCode::Forbidden) {
                subscription.is_refused = true;
                if let Printing::Lines(terminal) = &self.printing {
                    let what = event.trim_start_matches("subscribe:");
                    say(terminal.line(&format!("         this token sees no {what}"), Colour::Dim))?;
                }
                return Ok(None);
            }
            let reason = answer["error"]["message"]
                .as_str()
                .unwrap_or("no reason given");
            return Ok(Some(format!("{event}: {reason}")));
        }
        let begins = answer["offset"]
            .as_str()
            .and_then(|offset| offset.parse().ok());
        subscription.position = subscription.position.or(begins);
        Ok(None)
    }

    fn event(&mut self, name: &str, payload: &Value) -> anyhow::Result<()> {
        if name == "resync" {
            // What was missed cannot be had any more: go on from now, and say so.
            for subscription in self.subscriptions.values_mut() {
                subscription.position = None;
            }
        }
        // The acknowledgement says the same, and there it is known which subscription is meant.
        let refused = name == "error" && payload["code"] == json!(ErrorCode::Forbidden);
        if refused && !self.are_named {
            return Ok(());
        }
        let subscription = match name.split(':').next() {
            Some("inventory") => self.subscriptions.get_mut("subscribe:inventory"),
            Some("notification") => self.subscriptions.get_mut("subscribe:notifications"),
            Some("order") => self.subscriptions.get_mut("subscribe:orders"),
            _ => None,
        };
        let offset = payload["id"]
            .as_str()
            .and_then(|id| id.parse::<Offset>().ok());
        if let (Some(subscription), Some(offset)) = (subscription, offset) {
            let seen = |position: &Offset| {
                position.epoch == offset.epoch && position.sequence >= offset.sequence
            };
            if subscription.position.as_ref().is_some_and(seen) {
                return Ok(());
            }
            subscription.position = Some(offset);
        }
        if self.only_changes && !event::is_change(name, payload) {
            return Ok(());
        }
        let line = match &self.printing {
            Printing::Json => json!({ "event": name, "payload": payload }).to_string(),
            Printing::Lines(terminal) => event::line(terminal, name, payload),
        };
        say(line)
    }
}

fn packet(content: PacketContent) -> String {
    SocketIoPacket {
        namespace: NAMESPACE.to_owned(),
        content,
    }
    .encode()
}
