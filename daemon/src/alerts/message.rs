//! What one message says: how much of what happened, its first lines for people, and the events themselves for programs.
//!
//! Of an order it tells the name, the sum and how many units; nothing of whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::DateTime;
use chrono_tz::Tz;
use schemas::shape::LevelShape;
use schemas::{LogEntry, Logged, RunState, Sequence, ShopDomain, Timestamp};
use serde_json::{Value, json};

use crate::config::Topic;
use crate::limits::{ALERT_EVENTS_MAX, ALERT_LINE_CHARS_MAX, ALERT_LINES_MAX};

/// What gathers until it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AlertMessage {
    /// The last entry of the log that was looked at for it.
    pub(super) until: Sequence,
    /// When the first thing that it tells came to be.
    pub(super) first_at: Option<Timestamp>,
    /// Since when some may be missing, because the log no longer held them.
    pub(super) missing_since: Option<Timestamp>,
    sections: BTreeMap<(Topic, ShopDomain), Section>,
    events: Vec<Value>,
}

/// What happened of one kind in one shop.
#[derive(Debug, Clone, Default, PartialEq)]
struct Section {
    count: u64,
    lines: Vec<(Timestamp, String)>,
}

/// How text for people is set.
pub(super) struct Style {
    /// Around a heading.
    pub(super) heading: [&'static str; 2],
    /// Before a line.
    pub(super) bullet: &'static str,
    /// Lines of a kind and shop that are written out.
    pub(super) lines_max: usize,
}

impl AlertMessage {
    /// One that tells nothing yet of what came after that place.
    pub(super) fn behind(until: Sequence) -> Self {
        let (sections, events) = (BTreeMap::new(), Vec::new());
        Self {
            until,
            first_at: None,
            missing_since: None,
            sections,
            events,
        }
    }

    /// Looks at the next entry; what is of these topics is told.
    pub(super) fn add(&mut self, entry: &LogEntry, topics: &BTreeSet<Topic>) {
        self.until = entry.sequence();
        let alert = alert(&entry.event).filter(|(topic, _)| topics.contains(topic));
        let Some((topic, text)) = alert else {
            return;
        };
        self.first_at.get_or_insert(entry.at);
        let section = self
            .sections
            .entry((topic, entry.shop.clone()))
            .or_default();
        section.count += 1;
        if section.lines.len() < ALERT_LINES_MAX {
            section.lines.push((entry.at, line(&text)));
        }
        if !self.is_full() {
            self.events.push(whole(entry));
        }
    }

    /// Whether no further event has room in it.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= ALERT_EVENTS_MAX
    }

    /// Whether something in it should be looked at now.
    pub(super) fn is_urgent(&self) -> bool {
        self.sections.keys().any(|(topic, _)| topic.is_urgent())
    }

    /// How much of what, in one line.
    pub(super) fn subject(&self) -> String {
        let mut counts = BTreeMap::<Topic, u64>::new();
        for ((topic, _), section) in &self.sections {
            *counts.entry(*topic).or_default() += section.count;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(topic, count)| format!("{}: {count}", title(*topic)))
            .collect();
        let mut shops: Vec<&ShopDomain> = self.sections.keys().map(|(_, shop)| shop).collect();
        shops.dedup();
        match *shops {
            [shop] => format!("{}; {shop}", counts.join(", ")),
            _ => counts.join(", "),
        }
    }

    /// The same for people, with times as clocks show them there.
    pub(super) fn text(&self, zone: Tz, style: &Style) -> String {
        let mut text = String::new();
        let [before, after] = style.heading;
        // Writing into a string never fails.
        if let Some(since) = self.missing_since {
            let since = clock(since, zone);
            let _ = writeln!(
                text,
                "Some since {since} may be missing here: they could not be sent for longer than the log is kept.\n"
            );
        }
        for ((topic, shop), Section { count, lines }) in &self.sections {
            let _ = writeln!(text, "{before}{}: {count}; {shop}{after}", title(*topic));
            let shown = lines.iter().take(style.lines_max);
            for (at, line) in shown.clone() {
                let _ = writeln!(text, "{}{}  {line}", style.bullet, clock(*at, zone));
            }
            let more = count.saturating_sub(shown.len() as u64);
            if more > 0 {
                let _ = writeln!(text, "{}and {more} more", style.bullet);
            }
            text.push('\n');
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let last = self.events.last().map(|event| &event["timestamp"]);
        json!({
            "type": "stockd.alerts",
            "timestamp": last,
            "data": { "events": self.events, "missingSince": self.missing_since },
        })
    }
}

/// Of which topic an event is an alert, and what it says in one line; `None` for what nobody is alerted to.
fn alert(event: &Logged) -> Option<(Topic, String)> {
    match event {
        Logged::InventoryLowStock(level) => {
            let level = level.own()?;
            let text = format!(
                "{}: {} left, low at {}",
                place(level),
                level.available,
                level.threshold
            );
            Some((Topic::LowStock, text))
        }
        Logged::InventoryOutOfStock(level) => {
            let level = level.own()?;
            let text = format!("{}: {} left", place(level), level.available);
            Some((Topic::OutOfStock, text))
        }
        Logged::OrderCreated(placed) => {
            let order = &placed.own()?.order;
            let text = format!(
                "{}: {} {}, {} units",
                order.name, order.total, order.currency, order.item_count
            );
            Some((Topic::OrderCreated, text))
        }
        Logged::ShopifyDrift(drift) => {
            let text = format!(
                "{} records of {} were put right, see /api/v1/drift",
                drift.records, drift.resource
            );
            Some((Topic::Drift, text))
        }
        Logged::ShopifySyncStatus(run) => match run.state {
            RunState::Failed => {
                let text = format!(
                    "the run of {} failed: {}",
                    run.resource,
                    run.error.as_deref().unwrap_or("see the log")
                );
                Some((Topic::SyncFailed, text))
            }
            RunState::Cancelled | RunState::Completed | RunState::Queued | RunState::Running => {
                None
            }
        },
        Logged::SystemAlert(alert) => {
            let notice = alert.own()?;
            let for_everybody = notice.user_id.is_none();
            for_everybody.then(|| {
                (
                    Topic::Alert,
                    format!("{}: {}", notice.title, notice.message),
                )
            })
        }
        // No topic of the configuration is about these. What another program posts is never an alert, here or above: it
        // has ways of its own to reach people.
        Logged::CommandUpdated(_)
        | Logged::CompanyNotification(_)
        | Logged::CustomerActivity(_)
        | Logged::CustomerAddedToCart(_)
        | Logged::CustomerViewingProduct(_)
        | Logged::Emitted(_)
        | Logged::InventoryReservation(_)
        | Logged::InventoryRestocked(_)
        | Logged::InventoryTransfer(_)
        | Logged::InventoryUpdated(_)
        | Logged::OrderDeleted(_)
        | Logged::OrderStatusChanged(_)
        | Logged::OrderUpdated(_)
        | Logged::PaymentFailed(_)
        | Logged::PaymentReceived(_)
        | Logged::PaymentRefunded(_)
        | Logged::PaymentStatusChanged(_)
        | Logged::ProductCreated(_)
        | Logged::ProductDeleted(_)
        | Logged::ProductPriceChanged(_)
        | Logged::ProductUpdated(_)
        | Logged::SecurityAlert(_)
        | Logged::ShopNotification(_)
        | Logged::SystemMaintenance(_)
        | Logged::SystemNotification(_)
        | Logged::UserActivity(_)
        | Logged::UserNotification(_) => None,
    }
}

fn title(topic: Topic) -> &'static str {
    match topic {
        Topic::Alert => "Alerts",
        Topic::SyncFailed => "Failed runs",
        Topic::Drift => "Drift",
        Topic::OutOfStock => "Out of stock",
        Topic::LowStock => "Low stock",
        Topic::OrderCreated => "New orders",
    }
}

/// A text as one line, which nothing in it can break or lengthen without bound.
fn line(text: &str) -> String {
    let plain = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char });
    plain.take(ALERT_LINE_CHARS_MAX).collect()
}

fn place(level: &LevelShape) -> String {
    let item = match (&level.title, &level.sku) {
        (Some(title), Some(sku)) => format!("{title} ({sku})"),
        (Some(name), None) | (None, Some(name)) => name.clone(),
        (None, None) => format!("item {}", level.inventory_item_id),
    };
    match &level.location_name {
        Some(location) => format!("{item} at {location}"),
        None => format!("{item} at location {}", level.location_id),
    }
}

fn whole(entry: &LogEntry) -> Value {
    let mut event = entry.event.public_json();
    let mut data = event["data"].take();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("customerId");
        fields.remove("customerName");
    }
    json!({ "id": entry.offset, "type": event["kind"], "shop": entry.shop, "timestamp": entry.at, "data": data })
}

fn clock(at: Timestamp, zone: Tz) -> String {
    let local = DateTime::from_timestamp(at.as_second(), 0).map(|at| at.with_timezone(&zone));
    local.map_or_else(
        || at.to_string(),
        |local| local.format("%Y-%m-%d %H:%M").to_string(),
    )
}
