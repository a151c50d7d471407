//! The bodies of webhooks: REST-shaped JSON, as each record of ours is found in it.
//!
//! Only what stock keeping needs is taken; of a customer that is the id, two times and, where it is wanted, the name.

use std::collections::BTreeSet;
use std::str::FromStr;

use schemas::money::MoneyError;
use schemas::{
    Change, CustomerId, InventoryItemId, LevelGid, LineItemId, LocationId, Money, OrderId,
    ProductId, RecordKey, Timestamp, TransferId, VariantId,
};
use schemas::{event, record};
use serde::{Deserialize, Deserializer, de};

use crate::order;
use crate::topic::UnreadableBody;

/// From this many variants on a body lists only some
/// (<https://shopify.dev/docs/api/webhooks>, API 2026-10: full variants for the first 100).
const VARIANTS_LISTED_MAX: usize = 100;

#[derive(Deserialize)]
pub(crate) struct CustomerBody {
    #[serde(default, deserialize_with = "id")]
    id: Option<CustomerId>,
    first_name: Option<String>,
    last_name: Option<String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    admin_graphql_api_id: Option<String>,
}

impl CustomerBody {
    /// Every other body that has an id and a time would do, too: one that does not say of itself that it is a customer's
    /// only says what to read.
    pub(crate) fn change(
        &self,
        triggered_at: Option<Timestamp>,
        names: bool,
    ) -> Result<Change, UnreadableBody> {
        let id = self.id.ok_or(UnreadableBody::Lacks { field: "id" })?;
        names_itself(self.admin_graphql_api_id.as_deref(), &id.gid())?;
        if self.admin_graphql_api_id.is_none() {
            return Ok(Change::LookAgain(RecordKey::Customer(id)));
        }
        Ok(Change::Customer(self.record(
            id,
            time(self.updated_at, triggered_at)?,
            names,
        )))
    }

    fn record(&self, id: CustomerId, updated_at: Timestamp, names: bool) -> record::Customer {
        let name = order::full_name(self.first_name.as_deref(), self.last_name.as_deref());
        let created_at = self.created_at.unwrap_or(updated_at);
        record::Customer {
            id,
            name: name.filter(|_| names),
            created_at,
            updated_at,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct ItemBody {
    id: InventoryItemId,
    sku: Option<String>,
    tracked: bool,
    updated_at: Option<Timestamp>,
    admin_graphql_api_id: Option<String>,
}

impl ItemBody {
    pub(crate) fn change(self, triggered_at: Option<Timestamp>) -> Result<Change, UnreadableBody> {
        names_itself(self.admin_graphql_api_id.as_deref(), &self.id.gid())?;
        let updated_at = time(self.updated_at, triggered_at)?;
        let sku = stated(self.sku);
        Ok(Change::Item(record::InventoryItem {
            id: self.id,
            sku,
            tracked: self.tracked,
            updated_at,
        }))
    }
}

#[derive(Deserialize)]
pub(crate) struct LevelBody {
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
    /// `null` for an item that is not tracked.
    available: Option<i64>,
    admin_graphql_api_id: Option<String>,
    updated_at: Option<Timestamp>,
}

impl LevelBody {
    pub(crate) fn change(self, triggered_at: Option<Timestamp>) -> Result<Change, UnreadableBody> {
        Ok(Change::LevelAvailable {
            inventory_item_id: self.inventory_item_id,
            location_id: self.location_id,
            gid: self.admin_graphql_api_id.as_deref().and_then(level_gid),
            available: self.available,
            updated_at: time(self.updated_at, triggered_at)?,
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct LocationBody {
    id: LocationId,
    name: String,
    active: bool,
    /// Shopify's old word for a fulfilment service's.
    #[serde(default)]
    legacy: bool,
    updated_at: Option<Timestamp>,
    admin_graphql_api_id: Option<String>,
}

impl LocationBody {
    pub(crate) fn change(self, triggered_at: Option<Timestamp>) -> Result<Change, UnreadableBody> {
        names_itself(self.admin_graphql_api_id.as_deref(), &self.id.gid())?;
        let updated_at = time(self.updated_at, triggered_at)?;
        Ok(Change::Location(record::Location {
            id: self.id,
            name: self.name,
            active: self.active,
            fulfillment_service: self.legacy,
            updated_at,
        }))
    }
}

#[derive(Deserialize)]
pub(crate) struct OrderBody {
    id: OrderId,
    name: String,
    customer: Option<CustomerBody>,
    cancelled_at: Option<String>,
    financial_status: Option<String>,
    fulfillment_status: Option<String>,
    current_total_price: Option<Amount>,
    total_price: Option<Amount>,
    currency: String,
    source_name: Option<String>,
    #[serde(default, deserialize_with = "id")]
    location_id: Option<LocationId>,
    fulfillments: Option<Vec<FulfillmentBody>>,
    line_items: Vec<LineBody>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    admin_graphql_api_id: Option<String>,
}

#[derive(Deserialize)]
struct FulfillmentBody {
    #[serde(default, deserialize_with = "id")]
    location_id: Option<LocationId>,
    status: Option<String>,
    shipment_status: Option<String>,
}

#[derive(Deserialize)]
struct LineBody {
    id: LineItemId,
    #[serde(default, deserialize_with = "id")]
    variant_id: Option<VariantId>,
    title: String,
    sku: Option<String>,
    /// Includes removed and refunded units.
    quantity: i64,
    current_quantity: Option<i64>,
}

impl OrderBody {
    /// The order, where names are wanted preceded by its customer: whoever hears of the one can be told the other.
    pub(crate) fn changes(
        self,
        triggered_at: Option<Timestamp>,
        names: bool,
    ) -> Result<Vec<Change>, UnreadableBody> {
        names_itself(self.admin_graphql_api_id.as_deref(), &self.id.gid())?;
        let updated_at = time(self.updated_at, triggered_at)?;
        let buyer = self
            .customer
            .as_ref()
            .and_then(|buyer| Some((buyer.id?, buyer)));
        // Of a customer without a time, whatever else is said is newer.
        let customer = buyer.filter(|_| names).map(|(id, buyer)| {
            buyer.record(id, buyer.updated_at.unwrap_or(Timestamp::UNIX_EPOCH), names)
        });
        let total = self.current_total_price.or(self.total_price);
        let Amount(total) = total.ok_or(UnreadableBody::Lacks {
            field: "current_total_price",
        })?;
        let fulfillments = self.fulfillments.unwrap_or_default();
        let sent = fulfillments.iter().map(|one| order::Sent {
            cancelled: one.status.as_deref() == Some("cancelled"),
            delivered: one.shipment_status.as_deref() == Some("delivered"),
        });
        let status = order::status(
            self.cancelled_at.is_some(),
            self.financial_status.as_deref(),
            self.fulfillment_status.as_deref(),
            sent,
        );
        let locations = fulfillments
            .iter()
            .filter_map(|one| one.location_id)
            .chain(self.location_id);
        let lines = self.line_items.into_iter().map(|line| record::OrderLine {
            id: line.id,
            variant_id: line.variant_id,
            title: line.title,
            sku: stated(line.sku),
            quantity: line.current_quantity.unwrap_or(line.quantity),
        });
        let order = Change::Order(record::Order {
            id: self.id,
            name: self.name,
            customer_id: buyer.map(|(id, _)| id),
            status,
            total,
            currency: self.currency,
            channel: stated(self.source_name),
            locations: order::ascending(locations),
            lines: order::by_id(lines),
            payments: None,
            financial_status: stated(self.financial_status),
            fulfillment_status: stated(self.fulfillment_status),
            created_at: self.created_at.unwrap_or(updated_at),
            updated_at,
        });
        Ok(customer
            .map(Change::Customer)
            .into_iter()
            .chain([order])
            .collect())
    }
}

#[derive(Deserialize)]
pub(crate) struct ProductBody {
    id: ProductId,
    title: String,
    handle: String,
    vendor: Option<String>,
    #[serde(rename = "product_type")]
    kind: Option<String>,
    status: String,
    updated_at: Option<Timestamp>,
    variants: Option<Vec<VariantBody>>,
    variant_gids: Option<Vec<VariantGid>>,
    /// Which of them are bundles, only a reading tells.
    #[serde(default, rename = "has_variants_that_requires_components")]
    has_bundles: Option<bool>,
    admin_graphql_api_id: Option<String>,
}

#[derive(Deserialize)]
struct VariantBody {
    id: VariantId,
    title: String,
    sku: Option<String>,
    barcode: Option<String>,
    price: Amount,
    inventory_policy: Option<String>,
    #[serde(default, deserialize_with = "id")]
    inventory_item_id: Option<InventoryItemId>,
    updated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct VariantGid {
    admin_graphql_api_id: VariantId,
}

impl ProductBody {
    /// The product and the variants that the body describes.
    ///
    /// Where it lists only some, or has bundles among them, the product is to be read: a variant could be missing for
    /// either reason, and none says whether it is a bundle.
    pub(crate) fn changes(
        self,
        triggered_at: Option<Timestamp>,
    ) -> Result<Vec<Change>, UnreadableBody> {
        names_itself(self.admin_graphql_api_id.as_deref(), &self.id.gid())?;
        let updated_at = time(self.updated_at, triggered_at)?;
        let complete = self.lists_every_variant();
        let listed = self.variants.unwrap_or_default();
        let ids = listed.iter().map(|variant| variant.id).collect();
        let product = record::Product {
            id: self.id,
            title: self.title,
            handle: self.handle,
            vendor: self.vendor.unwrap_or_default(),
            product_type: self.kind.unwrap_or_default(),
            status: self.status.to_lowercase(),
            updated_at,
        };
        let mut changes = vec![Change::Product {
            product,
            variants: complete.then_some(ids),
        }];
        changes.extend(listed.into_iter().map(|variant| {
            Change::Variant(record::Variant {
                id: variant.id,
                product_id: self.id,
                title: variant.title,
                sku: stated(variant.sku),
                barcode: stated(variant.barcode),
                price: variant.price.0,
                continue_selling: variant.inventory_policy.as_deref() == Some("continue"),
                bundle: None,
                inventory_item_id: variant.inventory_item_id,
                updated_at: variant.updated_at.unwrap_or(updated_at),
            })
        }));
        if !complete || self.has_bundles == Some(true) {
            changes.push(Change::LookAgain(RecordKey::Product(self.id)));
        }
        Ok(changes)
    }

    fn lists_every_variant(&self) -> bool {
        match (&self.variants, &self.variant_gids) {
            (None, _) => false,
            (Some(listed), None) => listed.len() < VARIANTS_LISTED_MAX,
            (Some(listed), Some(all)) => {
                let listed: BTreeSet<_> = listed.iter().map(|variant| variant.id).collect();
                all.iter()
                    .all(|variant| listed.contains(&variant.admin_graphql_api_id))
            }
        }
    }
}

/// What all topics of transfers have in common. Those of items and of shipments say no status, and only `ready_to_ship` says
/// all lines; ends that are no locations, such as suppliers, are left out
/// (<https://shopify.dev/docs/api/webhooks>, API 2026-10).
#[derive(Deserialize)]
pub(crate) struct TransferBody {
    id: Option<TransferId>,
    happened_at: Option<Timestamp>,
    status: Option<String>,
    origin: Option<TransferEnd>,
    destination: Option<TransferEnd>,
    line_items: Option<Vec<TransferLine>>,
}

#[derive(Deserialize)]
struct TransferEnd {
    id: Option<LocationId>,
}

#[derive(Deserialize)]
struct TransferLine {
    quantity: i32,
}

impl TransferBody {
    pub(crate) fn told(
        self,
        triggered_at: Option<Timestamp>,
    ) -> Result<event::Transfer, UnreadableBody> {
        let units =
            |lines: Vec<TransferLine>| lines.iter().map(|line| i64::from(line.quantity)).sum();
        Ok(event::Transfer {
            transfer_id: self.id.ok_or(UnreadableBody::Lacks { field: "id" })?,
            status: stated(self.status).map(|status| status.to_lowercase()),
            origin_id: self.origin.and_then(|end| end.id),
            destination_id: self.destination.and_then(|end| end.id),
            quantity: self.line_items.map(units),
            happened_at: time(self.happened_at, triggered_at)?,
        })
    }
}

/// A text that says something: Shopify spells "none" as `null` or as nothing between quotes.
pub(crate) fn stated(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A level's GID; `None` for anything else, which would fail a whole batch of reads.
pub(crate) fn level_gid(text: &str) -> Option<LevelGid> {
    text.starts_with("gid://shopify/InventoryLevel/")
        .then(|| text.parse().ok())
        .flatten()
}

/// The topic is not signed. A body that says of itself that it is another kind of record, or another one, is not read as
/// this topic's.
fn names_itself(own: Option<&str>, gid: &str) -> Result<(), UnreadableBody> {
    match own {
        Some(own) if own != gid => Err(UnreadableBody::Shape {
            path: "admin_graphql_api_id".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn time(
    own: Option<Timestamp>,
    triggered_at: Option<Timestamp>,
) -> Result<Timestamp, UnreadableBody> {
    own.or(triggered_at).ok_or(UnreadableBody::NoTime)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LooseNumber {
    Number(u64),
    Text(String),
}

/// An id that may be `null`, blank or 0, all of which mean none.
fn id<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u64, Error: std::fmt::Display> + FromStr<Err: std::fmt::Display>,
{
    match Option::deserialize(deserializer)? {
        None | Some(LooseNumber::Number(0)) => Ok(None),
        Some(LooseNumber::Number(number)) => {
            T::try_from(number).map(Some).map_err(de::Error::custom)
        }
        Some(LooseNumber::Text(text)) if text.is_empty() => Ok(None),
        Some(LooseNumber::Text(text)) => text.parse().map(Some).map_err(de::Error::custom),
    }
}

/// An amount of money, spelled as text or as a JSON number. Of a number, 15 digits survive exactly.
#[derive(Deserialize)]
#[serde(try_from = "AmountSpelling")]
struct Amount(Money);

#[derive(Deserialize)]
#[serde(untagged)]
enum AmountSpelling {
    Number(f64),
    Text(String),
}

impl TryFrom<AmountSpelling> for Amount {
    type Error = MoneyError;
    fn try_from(spelling: AmountSpelling) -> Result<Self, MoneyError> {
        match spelling {
            AmountSpelling::Number(number) => number.to_string().parse().map(Self),
            AmountSpelling::Text(text) => text.parse().map(Self),
        }
    }
}
