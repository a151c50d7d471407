//! The way into the dead queue, beside that of the messages that can be read.
//!
//! It is a connection of its own: a broker that is short of memory or disk reads nothing more from a connection that
//! publishes, not even acknowledgements. So what cannot be put aside now waits unacknowledged, and hinders nobody.

use std::sync::atomic::Ordering;

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, ShortString};
use lapin::{BasicProperties, Channel, Connection};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Amqp, ConsumerProblem, DEAD};
use crate::limits;

const REASON: &str = "x-stockd-reason";
const ROUTING_KEY: &str = "x-stockd-routing-key";
/// AMQP's number for "keep it on disk".
const PERSISTENT: u8 = 2;
/// Longest reason in a header, in characters.
const REASON_MAX: usize = 200;

/// A message that cannot be read.
pub(super) struct DeadLetter {
    /// As it came; not acknowledged yet.
    pub(super) delivery: Delivery,
    /// Why it cannot be read; repeats nothing of it.
    pub(super) reason: String,
}

impl Amqp {
    /// Puts these into the dead queue, one after the other, each until the broker has it there, and acknowledges each to
    /// the channel from which it came. Ends with that channel.
    pub(super) async fn bury(
        &self,
        came_by: &Channel,
        mut letters: mpsc::Receiver<DeadLetter>,
    ) -> Result<(), ConsumerProblem> {
        let mut way = None;
        while let Some(letter) = letters.recv().await {
            let (mut pause, mut waited) = (limits::AMQP_PAUSE_MIN, false);
            while let Err(problem) = self.put_aside(&mut way, &letter).await {
                if !waited {
                    tracing::warn!(%problem, "a message that cannot be read is not taken by the queue {DEAD}; it waits at the broker, and the others go on");
                }
                waited = true;
                way = None;
                sleep(pause).await;
                pause = (pause * 2).min(limits::AMQP_PAUSE_MAX);
            }
            self.figures.dead.fetch_add(1, Ordering::Relaxed);
            let DeadLetter { delivery, reason } = letter;
            tracing::warn!(routing_key = %printable(delivery.routing_key.as_str()), reason, "a message cannot be read; it is kept in {DEAD}");
            came_by
                .basic_ack(delivery.delivery_tag, BasicAckOptions::default())
                .await?;
        }
        Ok(())
    }

    /// Puts a message into the dead queue, as it was, with the reason; when this answers, the broker has it there.
    async fn put_aside(
        &self,
        way: &mut Option<(Connection, Channel)>,
        letter: &DeadLetter,
    ) -> Result<(), ConsumerProblem> {
        let (_, channel) = match way {
            Some(way) => way,
            None => way.insert(
                timeout(limits::AMQP_TIMEOUT, self.open_way())
                    .await
                    .map_err(|_| ConsumerProblem::Silent)??,
            ),
        };
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let publishing = async {
            let data = &letter.delivery.data;
            channel
                .basic_publish("".into(), DEAD.into(), options, data, properties(letter))
                .await?
                .await
        };
        tokio::pin!(publishing);
        let kept = if let Ok(kept) = timeout(limits::AMQP_TIMEOUT, &mut publishing).await {
            kept
        } else {
            tracing::warn!(
                "the broker takes no messages now: look for its alarms with rabbitmq-diagnostics alarms; a message that cannot be read waits there, and the others go on"
            );
            // Sent again it might be there twice. When the connection ends, so does this.
            publishing.await
        };
        match kept.map_err(|error| {
            self.explained("put a message into the queue websocket.events.dead", error)
        })? {
            lapin::Confirmation::Ack(None) => Ok(()),
            _ => Err(ConsumerProblem::NotKept),
        }
    }

    async fn open_way(&self) -> Result<(Connection, Channel), ConsumerProblem> {
        let connection = self.connect("stockd, messages that cannot be read").await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }
}

/// Those of a message, with the reason why it is dead.
fn properties(letter: &DeadLetter) -> BasicProperties {
    let from = &letter.delivery.properties;
    let mut headers = from.headers().clone().unwrap_or_default();
    let reason: String = letter.reason.chars().take(REASON_MAX).collect();
    let routing_key = letter.delivery.routing_key.as_str();
    headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    headers.insert(
        ROUTING_KEY.into(),
        AMQPValue::LongString(routing_key.into()),
    );
    // Not its expiration, for it must not go from there, nor its user id, which only that user may send.
    let mut properties = BasicProperties::default()
        .with_headers(headers)
        .with_delivery_mode(PERSISTENT);
    if let Some(id) = from.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(sender) = from.app_id() {
        properties = properties.with_app_id(sender.clone());
    }
    if let Some(kind) = from.content_type() {
        properties = properties.with_content_type(ShortString::clone(kind));
    }
    properties
}

/// A routing key as a log takes it.
fn printable(routing_key: &str) -> String {
    routing_key
        .chars()
        .filter(|letter| !letter.is_control())
        .take(80)
        .collect()
}
