//! `stockd watch`: the live stream in the terminal, over the same Socket.IO that every client speaks.
//!
//! It keeps the offset of each subscription and asks for what it missed after any interruption, so it prints
//! every event once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use schemas::{Offset, Room};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use ws::engine;
use ws::socketio::{Content, Packet};

use super::door::Door;
use super::{Usage, say};
use crate::config::Environment;

/// Where all of a client's words go.
const NAMESPACE: &str = "/oda";
/// Longest pause before connecting again.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

/// Follows the live stream.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: stockd watch --config /etc/stockd/stockd.toml --rooms inventory:location:1,orders:all"
)]
pub(super) struct Watch {
    #[command(flatten)]
    door: Door,
    /// What to follow: inventory:all, inventory:location:ID, inventory:product:ID, inventory:variant:ID,
    /// orders:all, orders:customer:ID. Everything when left out.
    #[arg(long, value_delimiter = ',', value_name = "ROOMS")]
    rooms: Vec<String>,
    /// Begin after this offset instead of now.
    #[arg(long, value_name = "OFFSET")]
    since: Option<Offset>,
}

impl Watch {
    /// Everything at that address, as seen by the bearer of that token.
    pub(super) fn of(url: &str, token: &str) -> Self {
        Self {
            door: Door { url: url.to_owned(), token: Some(token.to_owned()), config: None },
            rooms: Vec::new(),
            since: None,
        }
    }

    pub(super) async fn run(mut self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        self.door.token = Some(self.door.token(environment, "stockd-watch", None)?);
        tokio::select! {
            ended = self.follow(json) => ended,
            ended = tokio::signal::ctrl_c() => Ok(ended?),
        }
    }

    /// Prints events until it is refused for good.
    pub(super) async fn follow(&self, json: bool) -> anyhow::Result<()> {
        let host = self.door.url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let host = host.ok_or_else(|| {
            Usage(format!("{:?}: watch speaks http:// only; run it beside the daemon", self.door.url))
        })?;
        let token = self.door.token.as_deref().unwrap_or_default();
        let mut stream = Stream { subscriptions: self.subscriptions()?, json };
        let mut pause = Duration::from_millis(100);
        loop {
            let address = format!("ws://{host}/socket.io/?EIO=4&transport=websocket");
            match tokio_tungstenite::connect_async(address.as_str()).await {
                Ok((mut socket, _)) => {
                    pause = Duration::from_millis(100);
                    if let Ended::Refused(reason) = stream.listen(&mut socket, token).await? {
                        anyhow::bail!("{reason}");
                    }
                    tracing::info!("the connection ended; connecting again");
                }
                Err(error) => tracing::info!(%error, "no connection; trying again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    /// The rooms as the subscriptions that join them.
    fn subscriptions(&self) -> anyhow::Result<BTreeMap<&'static str, Subscription>> {
        let mut payloads: BTreeMap<&'static str, Value> = BTreeMap::new();
        if self.rooms.is_empty() {
            payloads.extend([("subscribe:inventory", json!({})), ("subscribe:orders", json!({}))]);
        }
        for name in &self.rooms {
            let (event, list, id) = match name.parse::<Room>().map_err(Usage)? {
                Room::InventoryAll => ("subscribe:inventory", None, String::new()),
                Room::InventoryLocation(id) => ("subscribe:inventory", Some("locationIds"), id.to_string()),
                Room::InventoryProduct(id) => ("subscribe:inventory", Some("productIds"), id.to_string()),
                Room::InventoryVariant(id) => ("subscribe:inventory", Some("variantIds"), id.to_string()),
                Room::OrdersAll => ("subscribe:orders", None, String::new()),
                Room::OrdersCustomer(id) => ("subscribe:orders", Some("customerId"), id.to_string()),
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
        let position = self.since;
        Ok(payloads.into_iter().map(|(event, payload)| (event, Subscription { payload, position })).collect())
    }
}

struct Subscription {
    payload: Value,
    /// Everything up to here was printed.
    position: Option<Offset>,
}

struct Stream {
    subscriptions: BTreeMap<&'static str, Subscription>,
    json: bool,
}

enum Ended {
    /// Connecting again may help.
    Lost,
    /// It will not.
    Refused(String),
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

impl Stream {
    async fn listen(&mut self, socket: &mut Socket, token: &str) -> anyhow::Result<Ended> {
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let answers = match engine::Packet::parse(&text) {
                Ok(engine::Packet::Open(_)) => {
                    let auth = json!({ "token": token }).as_object().cloned();
                    vec![engine::Packet::Message(&packet(Content::Connect(auth))).encode()]
                }
                Ok(engine::Packet::Ping(data)) => vec![engine::Packet::Pong(data).encode()],
                Ok(engine::Packet::Message(text)) => match Packet::parse(text).map(|packet| packet.content) {
                    Ok(Content::Connect(_)) => self.subscribe(),
                    Ok(Content::ConnectError(reason)) => {
                        let message = reason["message"].as_str().unwrap_or("without a reason");
                        return Ok(Ended::Refused(format!("the daemon refuses the connection: {message}")));
                    }
                    Ok(Content::Disconnect) => {
                        return Ok(Ended::Refused(
                            "the daemon ended the connection; a new token is needed".to_owned(),
                        ));
                    }
                    Ok(Content::Ack { id, args, .. }) => match self.acknowledged(id, args.first()) {
                        Some(reason) => return Ok(Ended::Refused(reason)),
                        None => Vec::new(),
                    },
                    Ok(Content::Event { name, args, .. }) => {
                        self.event(&name, args.first().unwrap_or(&Value::Null))?;
                        Vec::new()
                    }
                    Err(_) => return Ok(Ended::Lost),
                },
                Ok(_) => Vec::new(),
                Err(_) => return Ok(Ended::Lost),
            };
            for answer in answers {
                if socket.send(Message::text(answer)).await.is_err() {
                    return Ok(Ended::Lost);
                }
            }
        }
        Ok(Ended::Lost)
    }

    /// Joins every room, each from where its subscription was.
    fn subscribe(&self) -> Vec<String> {
        let ask = |(id, (event, subscription)): (u64, (&&'static str, &Subscription))| {
            let mut payload = subscription.payload.clone();
            if let Some(position) = subscription.position {
                payload["since"] = json!(position);
            }
            let event = Content::Event {
                id: Some(id),
                name: (*event).to_owned(),
                args: vec![payload],
                attachments: 0,
            };
            engine::Packet::Message(&packet(event)).encode()
        };
        (0..).zip(&self.subscriptions).map(ask).collect()
    }

    /// Remembers where a new subscription begins; a reason when it was refused.
    fn acknowledged(&mut self, id: u64, answer: Option<&Value>) -> Option<String> {
        let index = usize::try_from(id).ok()?;
        let (event, subscription) = self.subscriptions.iter_mut().nth(index)?;
        let answer = answer?;
        if answer["ok"] == json!(false) {
            let reason = answer["error"]["message"].as_str().unwrap_or("no reason given");
            return Some(format!("{event}: {reason}"));
        }
        let begins = answer["offset"].as_str().and_then(|offset| offset.parse().ok());
        subscription.position = subscription.position.or(begins);
        None
    }

    fn event(&mut self, name: &str, payload: &Value) -> anyhow::Result<()> {
        if name == "resync" {
            // What was missed cannot be had any more: go on from now, and say so.
            for subscription in self.subscriptions.values_mut() {
                subscription.position = None;
            }
        }
        let subscription = match name.split(':').next() {
            Some("inventory") => self.subscriptions.get_mut("subscribe:inventory"),
            Some("order") => self.subscriptions.get_mut("subscribe:orders"),
            _ => None,
        };
        let offset = payload["id"].as_str().and_then(|id| id.parse::<Offset>().ok());
        if let (Some(subscription), Some(offset)) = (subscription, offset) {
            let seen =
                |position: &Offset| position.epoch == offset.epoch && position.sequence >= offset.sequence;
            if subscription.position.as_ref().is_some_and(seen) {
                return Ok(());
            }
            subscription.position = Some(offset);
        }
        let line = if self.json {
            json!({ "event": name, "payload": payload }).to_string()
        } else {
            line(name, payload)
        };
        say(line).context("nobody reads what is printed")
    }
}

fn packet(content: Content) -> String {
    Packet { namespace: NAMESPACE.to_owned(), content }.encode()
}

/// An event in one line for people.
fn line(name: &str, payload: &Value) -> String {
    let time = payload["timestamp"].as_str().and_then(|time| time.get(11..23)).unwrap_or("            ");
    let data = &payload["data"];
    let text = |key: &str| data[key].as_str().unwrap_or("–").to_owned();
    let what = match name.split(':').next() {
        Some("inventory") => {
            let before =
                data["previousAvailable"].as_i64().map(|before| format!("{before} → ")).unwrap_or_default();
            format!(
                "{:<12} {:<36} @ {:<16} {before}{}",
                text("sku"),
                text("title"),
                text("locationName"),
                data["available"]
            )
        }
        Some("order") => format!(
            "{:<12} {:<10} {} {}, {} items",
            text("name"),
            text("status"),
            text("total"),
            text("currency"),
            data["itemCount"]
        ),
        Some("shopify") if name.ends_with("received") => text("topic"),
        Some("shopify") => {
            let total = data["total"].as_u64().map(|total| format!(" of {total}")).unwrap_or_default();
            let percent =
                data["percent"].as_u64().map(|percent| format!(" ({percent} %)")).unwrap_or_default();
            format!(
                "{} {} {}: {}{total}{percent}, {} changed",
                text("resource"),
                text("kind"),
                text("state"),
                data["processed"],
                data["changed"]
            )
        }
        _ if name == "connected" => format!(
            "as {} ({})",
            payload["userId"].as_str().unwrap_or("–"),
            payload["role"].as_str().unwrap_or("–")
        ),
        _ => data.to_string(),
    };
    format!("{time:<12} {name:<24} {what}")
}
