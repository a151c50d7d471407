//! `/api/v1`: the mirror and what goes on with it, read by the same table of rights as everything else.

use std::marker::PhantomData;

use schemars::{JsonSchema, json_schema};
use schemas::shape::LevelShape;
use schemas::{
    ErrorBody, ErrorCode, Event, InventoryItemId, LevelSelection, LocationId, Offset, ProductId,
    Room, ShopDomain, Subject, Timestamp, VariantId,
};
use serde::Serialize;
use serde_json::Value;
use store::{Collection, DeliverySummary, OrderView, StoreError};

use super::RouteContext;
use super::parameter::{
    Choice, IdList, LIMIT, LevelCursor, Parameter, Parsed, SHOP, Text, ValueList, id_list, page,
    parameters, query,
};
use super::route::RouteCall;

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    /// What to send as `after`, or of commands as `before`, for the next page; `null` on the last.
    pub(super) next: Option<String>,
}

/// A list without pages.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// Levels as they all were at one moment.
#[derive(Serialize, JsonSchema)]
pub(super) struct LevelPage {
    data: Vec<LevelShape>,
    /// What to send as `after` for the next page; `null` on the last.
    next: Option<String>,
    /// Where the log was then.
    offset: Offset,
}

/// Events from the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventPage {
    data: Vec<LoggedEvent>,
    /// What to send as `after` to go on.
    next: Offset,
}

/// An event with its place in the log.
#[derive(Serialize, JsonSchema)]
struct LoggedEvent {
    #[serde(flatten)]
    #[schemars(with = "Event")]
    event: Value,
    /// Its place.
    id: Offset,
    /// In which shop.
    shop: ShopDomain,
    /// When it became true here.
    timestamp: Timestamp,
}

/// Webhooks in a state, newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Deliveries {
    data: Vec<DeliverySummary>,
    /// All that are kept, in whatever state.
    counts: Vec<DeliveryCount>,
}

/// How many webhooks of a topic are in a state.
#[derive(Serialize, JsonSchema)]
struct DeliveryCount {
    topic: String,
    state: &'static str,
    count: u64,
}

pub(super) fn failed(failure: &StoreError) -> ErrorBody {
    match failure {
        StoreError::TooOld(_) => ErrorBody::field(
            "after",
            "the log no longer reaches back to this offset: load everything anew",
        ),
        StoreError::Closed | StoreError::Failed(_) | StoreError::UnknownShop(_) => {
            tracing::error!(error = %failure, "a read failed");
            ErrorBody::new(
                ErrorCode::Unavailable,
                "the store does not answer; try again",
            )
        }
    }
}

/// What the id of a collection's records is called.
fn id_field(collection: Collection) -> &'static str {
    match collection {
        Collection::Customers => "customerId",
        Collection::Items => "inventoryItemId",
        Collection::Locations => "locationId",
        Collection::Orders => "orderId",
        Collection::Products => "productId",
        Collection::Variants => "variantId",
    }
}

const AFTER_RECORD: Parameter<Parsed<u64>> = page(
    "after",
    || json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}$" }),
    Some("the id of the last record of the page before"),
);
const AFTER_LEVEL: Parameter<Parsed<LevelCursor>> = page("after", LevelCursor::schema, None);
const AFTER_OFFSET: Parameter<Parsed<Offset>> = page(
    "after",
    || json_schema!({ "type": "string", "pattern": r"^[0-9a-fA-F]{8}\.[0-9]{1,19}$" }),
    None,
);
const LOCATION_IDS: Parameter<IdList<LocationId>> = id_list(
    "locationId",
    "Ids of locations, separated by commas.",
    "Location",
);
const PRODUCT_IDS: Parameter<IdList<ProductId>> = id_list(
    "productId",
    "Ids of products, separated by commas. Several parameters are a union.",
    "Product",
);
const VARIANT_IDS: Parameter<IdList<VariantId>> = id_list(
    "variantId",
    "Ids of variants, separated by commas.",
    "ProductVariant",
);
const ITEM_IDS: Parameter<IdList<InventoryItemId>> = id_list(
    "inventoryItemId",
    "Ids of inventory items, separated by commas.",
    "InventoryItem",
);
const SKU: Parameter<Text> = query(
    "sku",
    "Exact SKU of the items.",
    Text {
        schema: || json_schema!({ "type": "string", "examples": ["SCARF-00127-1"] }),
    },
);
const ROOMS: Parameter<ValueList<Room>> = query(
    "rooms",
    "Rooms, separated by commas. Only their events are listed.",
    ValueList {
        schema: || json_schema!({ "type": "string", "examples": ["inventory:all", "orders:all,shopify:sync"] }),
        empty: "name a room, or leave it out for everything",
        of: PhantomData,
    },
);
const DELIVERY_STATE: Parameter<Choice> = query(
    "state",
    "State of the commands.",
    Choice {
        words: &["pending", "applied", "ignored", "unreadable"],
        default: Some("unreadable"),
    },
);

parameters! {
    /// Of a list of records.
    pub(super) struct RecordsParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        after: Option<u64> = AFTER_RECORD,
    }
}

parameters! {
    /// Of a list of levels.
    pub(super) struct LevelsParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        after: Option<LevelCursor> = AFTER_LEVEL,
        location_ids: Option<Vec<LocationId>> = LOCATION_IDS,
        product_ids: Option<Vec<ProductId>> = PRODUCT_IDS,
        variant_ids: Option<Vec<VariantId>> = VARIANT_IDS,
        item_ids: Option<Vec<InventoryItemId>> = ITEM_IDS,
        sku: Option<String> = SKU,
    }
}

parameters! {
    /// Of the log.
    pub(super) struct EventsParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        after: Option<Offset> = AFTER_OFFSET,
        rooms: Option<Vec<Room>> = ROOMS,
    }
}

parameters! {
    /// Of a list of webhooks.
    pub(super) struct DeliveriesParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        state: Option<&'static str> = DELIVERY_STATE,
    }
}

/// Records by id.
pub(super) async fn list(
    context: &RouteContext,
    call: RouteCall<RecordsParameters>,
    collection: Collection,
) -> Result<Page<Value>, ErrorBody> {
    let RecordsParameters { shop, limit, after } = call.parameters;
    let after = after.unwrap_or_default();
    let records = context.store.list(&shop, collection, after, limit).await;
    Ok(page_of(collection, limit, records.map_err(|e| failed(&e))?))
}

/// Orders are seen one by one: customers see their own, staff limited to locations those of these. None of the others
/// is in a page, nor named by its `next`.
pub(super) async fn orders(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<RecordsParameters>,
) -> Result<Page<Value>, ErrorBody> {
    let RecordsParameters { shop, limit, after } = parameters;
    let locations = identity.limiting_locations();
    let view = match (identity.own_customer(), locations) {
        (Some(customer), _) => OrderView::Of(customer),
        (None, Some(mine)) => OrderView::At(mine.to_vec()),
        (None, None) => OrderView::All,
    };
    let after = after.unwrap_or_default();
    let orders = context.store.orders(&shop, view, after, limit).await;
    let mut page = page_of(Collection::Orders, limit, orders.map_err(|e| failed(&e))?);
    if let Some(mine) = locations {
        // Where else an order is fulfilled is not theirs to know.
        let mine: Vec<Value> = mine.iter().map(|id| Value::from(id.to_string())).collect();
        for order in &mut page.data {
            if let Some(locations) = order.get_mut("locations").and_then(Value::as_array_mut) {
                locations.retain(|location| mine.contains(location));
            }
        }
    }
    Ok(page)
}

fn page_of(collection: Collection, limit: usize, records: Vec<Value>) -> Page<Value> {
    let next = records
        .last()
        .filter(|_| records.len() == limit)
        .and_then(|record| record.get(id_field(collection))?.as_str())
        .map(str::to_owned);
    Page {
        data: records,
        next,
    }
}

pub(super) async fn levels(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<LevelsParameters>,
) -> Result<LevelPage, ErrorBody> {
    let LevelsParameters {
        shop,
        limit,
        after,
        location_ids,
        product_ids,
        variant_ids,
        item_ids,
        sku,
    } = parameters;
    let selection = LevelSelection {
        location_ids,
        product_ids,
        variant_ids,
        item_ids,
        sku,
        // So that no level of another location is in the page, nor named by its `next`.
        within: identity.limiting_locations().map(<[LocationId]>::to_vec),
    };
    let after = after.map(|LevelCursor(item, location)| (item, location));
    let read = context
        .store
        .levels(vec![shop], selection, after, limit)
        .await;
    let (mut data, sequence) = read.map_err(|e| failed(&e))?;
    let last = data.last().filter(|_| data.len() == limit);
    let next = last.map(|level| format!("{}:{}", level.inventory_item_id, level.location_id));
    data.retain(|level| {
        identity.may_see(Subject::Inventory {
            location: Some(level.location_id),
        })
    });
    let offset = Offset {
        sequence,
        ..context.store.head()
    };
    Ok(LevelPage { data, next, offset })
}

/// The events after an offset that the bearer may see.
pub(super) async fn events(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<EventsParameters>,
) -> Result<EventPage, ErrorBody> {
    let EventsParameters {
        shop,
        limit,
        after,
        rooms,
    } = parameters;
    let store = &context.store;
    let head = store.head();
    let after = after.unwrap_or(Offset {
        sequence: schemas::Sequence(0),
        ..head
    });
    if after.epoch != head.epoch || after.sequence > head.sequence {
        return Err(ErrorBody::field(
            AFTER_OFFSET.name,
            "an offset of another database: load everything anew",
        ));
    }
    let rooms = rooms.unwrap_or_default();
    let entries = store
        .replay(&shop, rooms, after.sequence, head.sequence, limit)
        .await;
    let entries = entries.map_err(|e| failed(&e))?;
    let next = entries.last().map_or(head, |entry| entry.offset);
    let seen = entries
        .into_iter()
        .filter(|entry| identity.may_see(entry.event.subject()));
    let data = seen.map(|entry| LoggedEvent {
        event: entry.event.public_json(),
        id: entry.offset,
        shop: entry.shop,
        timestamp: entry.at,
    });
    Ok(EventPage {
        data: data.collect(),
        next,
    })
}

/// Deliveries in a state, newest first, and how many there are of each topic and state.
pub(super) async fn deliveries(
    context: &RouteContext,
    call: RouteCall<DeliveriesParameters>,
) -> Result<Deliveries, ErrorBody> {
    let DeliveriesParameters { shop, limit, state } = call.parameters;
    let state = state.unwrap_or_default();
    let store = &context.store;
    let data = store.deliveries(&shop, state, limit).await;
    let counts = store.delivery_counts(&shop).await;
    let counts = counts
        .map_err(|e| failed(&e))?
        .into_iter()
        .map(|(topic, state, count)| DeliveryCount {
            topic,
            state,
            count,
        })
        .collect();
    Ok(Deliveries {
        data: data.map_err(|e| failed(&e))?,
        counts,
    })
}
