//! Messages of a RabbitMQ broker into the log.
//!
//! ```text
//!  exchange ─▶ queue ─▶ a group ─▶ read ─▶ log (one commit) ─▶ acknowledged
//!                                    └──▶ what cannot be read: the dead queue ─▶ acknowledged
//! ```
//!
//! A message is acknowledged after the log has it, so nothing here can lose one: after a crash of either side the
//! broker gives it out again, and its key in the store says whether it was told.

mod dead;
mod message;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{FieldTable, ShortString};
use lapin::{
    Channel, Connection, ConnectionBuilder, ConnectionProperties, Consumer, ErrorKind, ExchangeKind,
};
use store::StoreError;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Broker;
use crate::limits;
use crate::shop::names::ShopNames;
use crate::shop::posts::PostIntake;
use crate::supervisor::Heartbeat;
use dead::DeadLetter;
use message::BrokerMessage;

/// The queue that is ours.
const QUEUE: &str = "websocket.events";
/// Where messages go that cannot be read.
const DEAD: &str = "websocket.events.dead";
/// AMQP's numbers for "you may not", "there is none", "it is there in another way" and "you may not be here".
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

/// The intake of a broker.
pub(crate) struct Amqp {
    /// Which broker.
    pub(crate) broker: Broker,
    /// Our shops, as messages may call them.
    pub(crate) shops: Arc<ShopNames>,
    /// Where messages go.
    pub(crate) posts: Arc<PostIntake>,
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
enum ConsumerProblem {
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    #[error("the broker ended the queue's consumer")]
    Cancelled,
    #[error("the broker did not keep a message for the queue {DEAD}: is it full (max-length)?")]
    NotKept,
    #[error("the broker does not let us {deed} ({words}): {remedy}")]
    Refused {
        deed: String,
        words: String,
        remedy: String,
    },
    #[error("the broker does not answer")]
    Silent,
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Amqp {
    /// Works until told to stop; connects again whenever the connection ends, after a pause that grows.
    pub(crate) async fn run(self, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut pause = limits::AMQP_PAUSE_MIN;
        while !stop.is_cancelled() {
            let Err(problem) = self.session(&heartbeat, &stop).await else {
                return;
            };
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
    async fn session(
        &self,
        heartbeat: &Heartbeat,
        stop: &CancellationToken,
    ) -> Result<(), ConsumerProblem> {
        let opening = timeout(limits::AMQP_TIMEOUT, self.open());
        let (connection, channel, consumer) = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            opened = heartbeat.work(opening) => opened.map_err(|_| ConsumerProblem::Silent)??,
        };
        self.figures.connected.store(true, Ordering::Relaxed);
        tracing::info!(queue = QUEUE, "messages of the broker come in");
        // Holds whatever the broker gives out before it is acknowledged, so it is never full.
        let (dead, letters) = mpsc::channel(limits::AMQP_PREFETCH.into());
        let burying = self.bury(&channel, letters);
        tokio::pin!(burying);
        let mut groups = consumer.ready_chunks(limits::AMQP_GROUP);
        loop {
            let group = tokio::select! {
                () = stop.cancelled() => break,
                buried = &mut burying => return buried,
                group = groups.next() => group.ok_or(ConsumerProblem::Cancelled)?,
            };
            let group: Vec<Delivery> = group.into_iter().collect::<Result<_, _>>()?;
            heartbeat.work(self.take(&channel, group, &dead)).await?;
        }
        // Whatever is on its way comes again, to whoever is next.
        let _ = timeout(
            limits::AMQP_TIMEOUT,
            connection.close(200, "stockd ends".into()),
        )
        .await;
        Ok(())
    }

    async fn open(&self) -> Result<(Connection, Channel, Consumer), ConsumerProblem> {
        let (exchange, queue) = (
            ShortString::from(self.broker.exchange.as_str()),
            ShortString::from(QUEUE),
        );
        let connection = self.connect("stockd").await?;
        self.make_exchange(&connection).await?;
        for queue in [QUEUE, DEAD] {
            self.make_queue(&connection, queue).await?;
        }
        let channel = connection.create_channel().await?;
        for topic in message::TOPICS {
            let key = format!("{topic}.*").into();
            let (queue, exchange) = (queue.clone(), exchange.clone());
            channel
                .queue_bind(
                    queue,
                    exchange,
                    key,
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(|error| {
                    self.explained(&format!("bind the queue {QUEUE} to the exchange"), error)
                })?;
        }
        channel
            .basic_qos(limits::AMQP_PREFETCH, BasicQosOptions::default())
            .await?;
        let consumer = channel
            .basic_consume(
                queue,
                "stockd".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| self.explained(&format!("read the queue {QUEUE}"), error))?;
        Ok((connection, channel, consumer))
    }

    async fn connect(&self, name: &str) -> Result<Connection, ConsumerProblem> {
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: self.broker.authorities.clone(),
        };
        let connected = ConnectionBuilder::new()?
            .with_uri(self.broker.uri.clone())
            .with_tls_config(tls)
            .with_properties(ConnectionProperties::default().with_connection_name(name.into()))
            .connect()
            .await;
        connected.map_err(|words| match code(&words) {
            Some(ACCESS_REFUSED | NOT_ALLOWED) => {
                let remedy =
                    "check user, password and vhost in amqp.url, and that this user may use that vhost"
                        .to_owned();
                ConsumerProblem::Refused { deed: "in".to_owned(), words: words.to_string(), remedy }
            }
            _ => words.into(),
        })
    }

    /// Uses the exchange as it is; makes it where there is none.
    async fn make_exchange(&self, connection: &Connection) -> Result<(), ConsumerProblem> {
        let declare = async |options| {
            // A broker ends the channel that asks for one that is missing.
            let channel = connection.create_channel().await?;
            let name = self.broker.exchange.as_str().into();
            channel
                .exchange_declare(name, ExchangeKind::Topic, options, FieldTable::default())
                .await
        };
        let passive = ExchangeDeclareOptions {
            passive: true,
            ..ExchangeDeclareOptions::default()
        };
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let made = match declare(passive).await {
            Err(error) if code(&error) == Some(NOT_FOUND) => declare(durable).await,
            asked => asked,
        };
        made.map_err(|error| {
            self.explained(
                &format!("make the exchange {}", self.broker.exchange),
                error,
            )
        })
    }

    /// Uses a queue as it is, with whatever arguments somebody gave it; makes it where there is none.
    async fn make_queue(
        &self,
        connection: &Connection,
        queue: &str,
    ) -> Result<(), ConsumerProblem> {
        let declare = async |options| {
            let channel = connection.create_channel().await?;
            channel
                .queue_declare(queue.into(), options, FieldTable::default())
                .await
                .map(drop)
        };
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let made = match declare(passive).await {
            Err(error) if code(&error) == Some(NOT_FOUND) => {
                declare(QueueDeclareOptions::durable()).await
            }
            asked => asked,
        };
        made.map_err(|error| self.explained(&format!("make the queue {queue}"), error))
    }

    /// What the broker says of a deed of ours, with what an administrator can do about it.
    fn explained(&self, deed: &str, words: lapin::Error) -> ConsumerProblem {
        let (uri, exchange) = (&self.broker.uri, &self.broker.exchange);
        let remedy = match code(&words) {
            Some(ACCESS_REFUSED) => format!(
                "grant the rights: rabbitmqctl set_permissions -p '{}' '{}' '^(websocket\\.events.*|{exchange})$' \
                 '^(websocket\\.events.*|amq\\.default)$' '^(websocket\\.events.*|{exchange})$'",
                uri.vhost, uri.authority.userinfo.username
            ),
            Some(PRECONDITION_FAILED) => {
                "it is there in a way that cannot be used: delete it once it is empty, and stockd makes it anew; what a \
                 queue needs besides belongs into a policy (rabbitmqctl set_policy)"
                    .to_owned()
            }
            _ => return words.into(),
        };
        ConsumerProblem::Refused {
            deed: deed.to_owned(),
            words: words.to_string(),
            remedy,
        }
    }

    /// Takes a group in. What can be read is told and then acknowledged; the rest goes to the dead.
    async fn take(
        &self,
        channel: &Channel,
        group: Vec<Delivery>,
        dead: &mpsc::Sender<DeadLetter>,
    ) -> Result<(), ConsumerProblem> {
        let (mut statements, mut tags) = (
            Vec::with_capacity(group.len()),
            Vec::with_capacity(group.len()),
        );
        for delivery in group {
            match message(&delivery).read(&self.shops) {
                Ok(statement) => {
                    statements.push(statement);
                    tags.push(delivery.delivery_tag);
                }
                Err(reason) => {
                    let reason = reason.field.map_or(reason.message.clone(), |field| {
                        format!("{field}: {}", reason.message)
                    });
                    // Its receiver lives as long as the session.
                    let _ = dead.send(DeadLetter { delivery, reason }).await;
                }
            }
        }
        // All are asked for before any is waited for: the writer takes them as one group.
        for told in join_all(
            statements
                .into_iter()
                .map(|statement| self.posts.tell(statement)),
        )
        .await
        {
            let count = if told?.repeated {
                &self.figures.repeated
            } else {
                &self.figures.told
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        // One by one, for the dead among them are still to be put aside.
        for tag in tags {
            channel.basic_ack(tag, BasicAckOptions::default()).await?;
        }
        Ok(())
    }
}

/// The number of what a broker says.
fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

fn message(delivery: &Delivery) -> BrokerMessage<'_> {
    let properties = &delivery.properties;
    BrokerMessage {
        routing_key: delivery.routing_key.as_str(),
        id: properties.message_id().as_ref().map(ShortString::as_str),
        sender: properties.app_id().as_ref().map(ShortString::as_str),
        redelivered: delivery.redelivered,
        body: &delivery.data,
    }
}
