//! What the pretend shop keeps: the records behind the API, as plain data. Who changes them is `store`.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use crate::table::Record;

/// The quantity names of a level, in the order they are kept; `on_hand` is a sum and not among them.
pub(crate) const STATES: [&str; 7] = [
    "available",
    "committed",
    "reserved",
    "damaged",
    "quality_control",
    "safety_stock",
    "incoming",
];
pub(crate) const AVAILABLE: usize = 0;
pub(crate) const COMMITTED: usize = 1;
pub(crate) const RESERVED: usize = 2;
pub(crate) const INCOMING: usize = 6;

/// The shop's own settings.
pub(crate) struct SimShopRow {
    pub(crate) id: u64,
    pub(crate) domain: String,
    pub(crate) name: String,
}

/// The only currency of the pretend shop.
pub(crate) const CURRENCY: &str = "USD";
/// A time zone without summer time, so that its offset is a constant.
pub(crate) const TIME_ZONE: &str = "America/Jamaica";
/// The offset of [`TIME_ZONE`] in hours.
pub(crate) const OFFSET_HOURS: i8 = -5;

pub(crate) struct SimProduct {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) handle: String,
    pub(crate) vendor: String,
    pub(crate) kind: String,
    pub(crate) tags: Vec<String>,
    pub(crate) variants: Vec<u64>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct SimVariant {
    pub(crate) id: u64,
    pub(crate) product: u64,
    pub(crate) item: u64,
    pub(crate) title: String,
    pub(crate) sku: String,
    pub(crate) barcode: String,
    /// The price, in cents.
    pub(crate) price: i64,
    pub(crate) position: u32,
    /// Whether it may be sold below zero.
    pub(crate) oversell: bool,
    /// Whether it is put together from others; then its stock cannot be written.
    pub(crate) bundle: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) variant: u64,
    pub(crate) sku: String,
    pub(crate) tracked: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct SimLocation {
    pub(crate) id: u64,
    /// The number in the ids of its levels, which is not the location's own: so it is in real shops.
    pub(crate) level_number: u64,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) active: bool,
    /// Whether it is a fulfilment service's.
    pub(crate) service: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct SimLevel {
    pub(crate) item: u64,
    pub(crate) location: u64,
    pub(crate) number: u64,
    pub(crate) active: bool,
    /// Units in each state, in the order of [`STATES`].
    pub(crate) quantities: [i64; STATES.len()],
    pub(crate) available_updated_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl SimLevel {
    pub(crate) fn gid(&self) -> String {
        format!(
            "gid://shopify/InventoryLevel/{}?inventory_item_id={}",
            self.number, self.item
        )
    }

    pub(crate) fn on_hand(&self) -> i64 {
        on_hand(&self.quantities)
    }

    /// The quantity of that name, or nothing if Shopify knows no such name.
    pub(crate) fn quantity(&self, name: &str) -> Option<i64> {
        if name == "on_hand" {
            return Some(self.on_hand());
        }
        STATES
            .iter()
            .position(|state| *state == name)
            .map(|state| self.quantities[state])
    }
}

/// What of the quantities is physically there.
pub(crate) fn on_hand(quantities: &[i64; STATES.len()]) -> i64 {
    quantities[..INCOMING].iter().sum()
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SimPayment {
    Pending,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
}

impl SimPayment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid => "PAID",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Voided => "VOIDED",
        }
    }
}

/// How much of an order has been shipped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shipment {
    Nothing,
    Part,
    All,
}

impl Shipment {
    /// As the API writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "UNFULFILLED",
            Self::Part => "PARTIALLY_FULFILLED",
            Self::All => "FULFILLED",
        }
    }

    /// As webhooks write it.
    pub(crate) fn short_name(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Part => Some("partial"),
            Self::All => Some("fulfilled"),
        }
    }
}

pub(crate) struct SimOrder {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) payment: SimPayment,
    pub(crate) customer: u64,
    pub(crate) lines: Vec<SimOrderLine>,
    pub(crate) fulfillments: Vec<Fulfillment>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) transactions: Vec<SimTransaction>,
    pub(crate) cancelled_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl SimOrder {
    /// What was ordered, in cents.
    pub(crate) fn total(&self) -> i64 {
        self.lines
            .iter()
            .map(|line| line.price * line.quantity)
            .sum()
    }

    /// What remains of it after a cancellation, in cents.
    pub(crate) fn current_total(&self) -> i64 {
        self.lines
            .iter()
            .map(|line| line.price * line.current_quantity)
            .sum()
    }

    /// What was paid and not given back, in cents.
    pub(crate) fn paid(&self) -> i64 {
        let moved = self.transactions.iter().filter(|row| row.success);
        moved
            .map(|row| {
                if row.kind == "refund" {
                    -row.amount
                } else {
                    row.amount
                }
            })
            .sum()
    }

    pub(crate) fn shipment(&self) -> Shipment {
        match self.fulfillments.is_empty() {
            true => Shipment::Nothing,
            false if self.lines.iter().any(|line| line.unfulfilled > 0) => Shipment::Part,
            false => Shipment::All,
        }
    }
}

pub(crate) struct SimOrderLine {
    pub(crate) id: u64,
    pub(crate) variant: u64,
    pub(crate) product: u64,
    pub(crate) item: u64,
    /// Where its units were committed.
    pub(crate) location: u64,
    pub(crate) title: String,
    pub(crate) sku: String,
    /// Price of one unit, in cents.
    pub(crate) price: i64,
    pub(crate) quantity: i64,
    pub(crate) current_quantity: i64,
    pub(crate) unfulfilled: i64,
}

/// Money that moved, or should have.
pub(crate) struct SimTransaction {
    pub(crate) id: u64,
    /// `sale` or `refund`, as webhooks write it; the API writes it in capitals.
    pub(crate) kind: &'static str,
    pub(crate) success: bool,
    /// The amount, in cents.
    pub(crate) amount: i64,
    pub(crate) created_at: Timestamp,
}

impl SimTransaction {
    /// As webhooks write it; the API writes it in capitals.
    pub(crate) fn status(&self) -> &'static str {
        if self.success { "success" } else { "failure" }
    }
}

/// A line that was changed after the order was placed.
pub(crate) struct Edit {
    pub(crate) id: u64,
    pub(crate) line: u64,
    pub(crate) delta: i64,
    pub(crate) created_at: Timestamp,
}

/// Units of one line that were given back.
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) line_id: u64,
    pub(crate) line: u64,
    pub(crate) units: i64,
    /// The amount, in cents.
    pub(crate) amount: i64,
    pub(crate) restock: Restock,
    pub(crate) location: u64,
    pub(crate) created_at: Timestamp,
}

/// Where the units of a refund go.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Restock {
    /// They were shipped and come back.
    Return,
    /// They are not shipped.
    Cancel,
    #[serde(rename = "noRestock")]
    Nowhere,
}

impl Restock {
    /// As webhooks write it; the API writes it in capitals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Cancel => "cancel",
            Self::Nowhere => "no_restock",
        }
    }
}

/// Units that were sent from one location.
pub(crate) struct Fulfillment {
    pub(crate) id: u64,
    pub(crate) location: u64,
    /// The lines, by id, and how many units of each.
    pub(crate) lines: Vec<(u64, i64)>,
    pub(crate) delivered: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

pub(crate) struct SimCustomer {
    pub(crate) id: u64,
    pub(crate) first_name: Cow<'static, str>,
    pub(crate) last_name: Cow<'static, str>,
    pub(crate) orders: u64,
    /// Total that the customer has spent, in cents.
    pub(crate) spent: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl SimCustomer {
    pub(crate) fn email(&self) -> String {
        format!("shopper.{}@example.com", self.id)
    }
}

/// A webhook subscription made through the API.
pub(crate) struct SimSubscription {
    pub(crate) id: u64,
    /// As the API's enum writes it, `INVENTORY_LEVELS_UPDATE`.
    pub(crate) topic: String,
    pub(crate) uri: String,
    pub(crate) name: Option<String>,
    pub(crate) include_fields: Vec<String>,
    pub(crate) metafield_namespaces: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Money as the API writes it where a currency stands beside it: cents without needless zeros, `55.0`.
pub(crate) fn decimal(cents: i64) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    match cents % 100 {
        part if part % 10 == 0 => format!("{sign}{}.{}", cents / 100, part / 10),
        part => format!("{sign}{}.{part:02}", cents / 100),
    }
}

/// Money as a price tag has it, always two decimals.
pub(crate) fn price(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:02}",
        cents.unsigned_abs() / 100,
        cents.unsigned_abs() % 100
    )
}

/// A record with an id and a time of creation, and how to tell when it last changed.
macro_rules! record {
    ($record:ty, |$row:ident| $updated_at:expr) => {
        impl crate::table::Record for $record {
            fn id(&self) -> u64 {
                self.id
            }
            fn created_at(&self) -> jiff::Timestamp {
                self.created_at
            }
            fn updated_at(&self) -> jiff::Timestamp {
                let $row = self;
                $updated_at
            }
        }
    };
}
pub(crate) use record;

record!(SimProduct, |row| row.updated_at);
record!(SimVariant, |row| row.updated_at);
record!(Item, |row| row.updated_at);
record!(SimLocation, |row| row.updated_at);
record!(SimOrder, |row| row.updated_at);
record!(SimCustomer, |row| row.updated_at);
record!(SimSubscription, |row| row.updated_at);

/// Within its location a level is known by its item.
impl Record for SimLevel {
    fn id(&self) -> u64 {
        self.item
    }
    fn created_at(&self) -> Timestamp {
        self.created_at
    }
    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}
