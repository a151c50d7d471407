//! Messages of a RabbitMQ broker into the log.
//!
//! ```text
//!  exchange ─▶ queue ─▶ a group ─▶ read ─▶ log (one commit) ─▶ acknowledged
//!                                    └──▶ what cannot be read: the dead queue
//! ```
//!
//! A message is acknowledged after the log has it, so nothing here can lose one: after a crash of either side the
//! broker gives it out again, and its key in the store says whether it was told.

mod message;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionBuilder, ConnectionProperties, Consumer, ExchangeKind,
};
use store::StoreError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Broker;
use crate::limits;
use crate::posts::Posts;
use crate::scope::ShopNames;
use message::Message;

/// The queue that is ours.
const QUEUE: &str = "websocket.events";
/// Where messages go that cannot be read, each with the reason in [`REASON`] and its routing key in [`ROUTING_KEY`].
const DEAD: &str = "websocket.events.dead";
const REASON: &str = "x-stockd-reason";
const ROUTING_KEY: &str = "x-stockd-routing-key";
/// AMQP's number for "keep it on disk".
const PERSISTENT: u8 = 2;
/// Longest reason in a header, in characters.
const REASON_MAX: usize = 200;

/// The intake of a broker.
pub(crate) struct Amqp {
    /// Which broker.
    pub(crate) broker: Broker,
    /// Our shops, as messages may call them.
    pub(crate) shops: Arc<ShopNames>,
    /// Where messages go.
    pub(crate) posts: Arc<Posts>,
    /// How it is going.
    pub(crate) figures: Arc<Figures>,
}

/// How it is going: the broker being away hinders nobody else.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Whether messages come in.
    connected: AtomicBool,
    /// Messages that were told, had been told before, and could not be read, since the start.
    pub(crate) told: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) dead: AtomicU64,
}

impl Figures {
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

/// Why messages do not come in.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker ended the queue's consumer")]
    Cancelled,
    #[error("the broker did not keep a message for the queue {DEAD}")]
    NotKept,
    #[error("the broker does not answer")]
    Silent,
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Amqp {
    /// Works until told to stop; connects again whenever the connection ends, after a pause that grows.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut pause = limits::AMQP_PAUSE_MIN;
        while !stop.is_cancelled() {
            let Err(problem) = self.session(&stop).await else { return };
            if self.figures.connected.swap(false, Ordering::Relaxed) {
                pause = limits::AMQP_PAUSE_MIN;
            }
            tracing::warn!(%problem, pause_ms = pause.as_millis(), "no messages of the broker come in; they wait there");
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(limits::AMQP_PAUSE_MAX);
        }
    }

    /// One connection from its beginning to its end; `Ok` when told to stop.
    async fn session(&self, stop: &CancellationToken) -> Result<(), Problem> {
        let opening = timeout(limits::AMQP_TIMEOUT, self.open());
        let (connection, channel, consumer) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = opening => opened.map_err(|_| Problem::Silent)??,
        };
        self.figures.connected.store(true, Ordering::Relaxed);
        tracing::info!(queue = QUEUE, "messages of the broker come in");
        let mut groups = consumer.ready_chunks(limits::AMQP_GROUP);
        loop {
            let group = tokio::select! {
                () = stop.cancelled() => break,
                group = groups.next() => group.ok_or(Problem::Cancelled)?,
            };
            let group: Vec<Delivery> = group.into_iter().collect::<Result<_, _>>()?;
            self.take(&channel, &group).await?;
        }
        // Whatever is on its way comes again, to whoever is next.
        let _ = timeout(limits::AMQP_TIMEOUT, connection.close(200, "stockd ends".into())).await;
        Ok(())
    }

    async fn open(&self) -> Result<(Connection, Channel, Consumer), Problem> {
        let (exchange, queue) = (ShortString::from(self.broker.exchange.as_str()), ShortString::from(QUEUE));
        let tls = OwnedTLSConfig { identity: None, cert_chain: self.broker.authorities.clone() };
        let connection = ConnectionBuilder::new()?
            .with_uri(self.broker.uri.clone())
            .with_tls_config(tls)
            .with_properties(ConnectionProperties::default().with_connection_name("stockd".into()))
            .connect()
            .await?;
        // Whatever way it was declared, it is fine; a broker ends the channel that asks for one that is missing.
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let asking = connection.create_channel().await?;
        let there = asking
            .exchange_declare(exchange.clone(), ExchangeKind::Topic, passive, FieldTable::default())
            .await;
        let channel = connection.create_channel().await?;
        if there.is_err() {
            channel
                .exchange_declare(exchange.clone(), ExchangeKind::Topic, durable, FieldTable::default())
                .await?;
        }
        for queue in [QUEUE, DEAD] {
            channel
                .queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default())
                .await?;
        }
        for topic in message::TOPICS {
            let key = format!("{topic}.*").into();
            let (queue, exchange) = (queue.clone(), exchange.clone());
            channel
                .queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default())
                .await?;
        }
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channel.basic_qos(limits::AMQP_PREFETCH, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(queue, "stockd".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await?;
        Ok((connection, channel, consumer))
    }

    /// Takes a group in: told or dead, then acknowledged, all of it.
    async fn take(&self, channel: &Channel, group: &[Delivery]) -> Result<(), Problem> {
        let mut statements = Vec::with_capacity(group.len());
        for delivery in group {
            match message(delivery).read(&self.shops) {
                Ok(statement) => statements.push(statement),
                Err(reason) => {
                    let reason = reason
                        .field
                        .map_or(reason.message.clone(), |field| format!("{field}: {}", reason.message));
                    bury(channel, delivery, &reason).await?;
                    self.figures.dead.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(routing_key = %printable(delivery.routing_key.as_str()), reason, "a message cannot be read; it is kept in {DEAD}");
                }
            }
        }
        // All are asked for before any is waited for: the writer takes them as one group.
        for told in join_all(statements.into_iter().map(|statement| self.posts.tell(statement))).await {
            let count = if told?.repeated { &self.figures.repeated } else { &self.figures.told };
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(last) = group.last() {
            channel.basic_ack(last.delivery_tag, BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }
}

fn message(delivery: &Delivery) -> Message<'_> {
    let properties = &delivery.properties;
    Message {
        routing_key: delivery.routing_key.as_str(),
        id: properties.message_id().as_ref().map(ShortString::as_str),
        sender: properties.app_id().as_ref().map(ShortString::as_str),
        redelivered: delivery.redelivered,
        body: &delivery.data,
    }
}

/// Puts a message into the dead queue, as it was, with the reason; when this answers, the broker has it there.
async fn bury(channel: &Channel, delivery: &Delivery, reason: &str) -> Result<(), Problem> {
    let from = &delivery.properties;
    let mut headers = from.headers().clone().unwrap_or_default();
    let reason: String = reason.chars().take(REASON_MAX).collect();
    headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    headers.insert(ROUTING_KEY.into(), AMQPValue::LongString(delivery.routing_key.as_str().into()));
    // Not its expiration, for it must not go from there, nor its user id, which only that user may send.
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT);
    if let Some(id) = from.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(sender) = from.app_id() {
        properties = properties.with_app_id(sender.clone());
    }
    if let Some(kind) = from.content_type() {
        properties = properties.with_content_type(kind.clone());
    }
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publishing = channel.basic_publish("".into(), DEAD.into(), options, &delivery.data, properties);
    let kept = timeout(limits::AMQP_TIMEOUT, async { publishing.await?.await }).await;
    match kept.map_err(|_| Problem::Silent)?? {
        lapin::Confirmation::Ack(None) => Ok(()),
        _ => Err(Problem::NotKept),
    }
}

/// A routing key as a log takes it.
fn printable(routing_key: &str) -> String {
    routing_key.chars().filter(|letter| !letter.is_control()).take(80).collect()
}
