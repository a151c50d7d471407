//! The `/_sim/` routes: what a test or a person does to the shop besides shopping, and what they may look at.

mod app;
mod order;
mod transfer;

use std::time::Duration;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::fault::ShopFaults;
use crate::graphql::number;
use crate::record::{AVAILABLE, price};
use crate::sale::PurchaseLine;
use crate::shop::{MAX_SHOPPERS, SimShop, lock};
use crate::store::{ChangeRefused, Draft, MAX_QUANTITY, SimStore};
use crate::{VERSION, truth};

/// The longest step of the clock, in seconds: a year.
const MAX_ADVANCE: f64 = 31_536_000.0;
/// Variants of a product made by hand.
const MAX_VARIANTS: u32 = 2_048;
/// The highest price, in cents.
const MAX_PRICE: i64 = 100_000_000;

type ControlAnswer = Result<Value, ChangeRefused>;

/// A route of a test's or a person's own.
struct ControlRoute {
    method: &'static str,
    /// What follows `/_sim/`.
    name: &'static str,
    /// The query or the body that it takes.
    takes: &'static str,
    does: &'static str,
    answer: fn(&SimShop, Option<&str>, &[u8]) -> ControlAnswer,
}

/// Every route but `truth`, which is written out as it is read, and the results of bulk operations. They are found by
/// the same table that is shown.
static ROUTES: [ControlRoute; 17] = [
    ControlRoute {
        method: "GET",
        name: "calls",
        takes: "?mutations=true",
        does: "the last API calls with costs and errors; or the mutations",
        answer: |shop, query, _| calls(shop, query),
    },
    ControlRoute {
        method: "GET",
        name: "deliveries",
        takes: "",
        does: "webhooks queued, under way, delivered and lost",
        answer: |shop, _, _| Ok(serde_json::to_value(shop.deliveries.counts()).unwrap_or_default()),
    },
    ControlRoute {
        method: "POST",
        name: "sell",
        takes: "{inventoryItemId | sku, locationId?, quantity}",
        does: "an order",
        answer: |shop, _, body| read(body).and_then(|sale| sell(shop, &sale)),
    },
    ControlRoute {
        method: "POST",
        name: "adjust",
        takes: "{inventoryItemId | sku, locationId, name, delta | quantity}",
        does: "changes one quantity",
        answer: |shop, _, body| read(body).and_then(|adjustment| adjust(shop, &adjustment)),
    },
    ControlRoute {
        method: "POST",
        name: "products",
        takes: "{action: create | update | relabel | bundle | track | delete, …}",
        does: "edits the catalogue",
        answer: |shop, _, body| read(body).and_then(|change| product(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "orders",
        takes: "{action: pay | decline | fulfill | deliver | edit | refund | cancel | delete, id, …}",
        does: "moves an order on",
        answer: |shop, _, body| read(body).and_then(|change| order::order(shop, &change)),
    },
    ControlRoute {
        method: "POST",
        name: "transfers",
        takes: "{action: create | ready | ship | complete | cancel, …}",
        does: "moves stock between locations",
        answer: |shop, _, body| read(body).and_then(|change| transfer::transfer(shop, &change)),
    },
    ControlRoute {
        method: "POST",
        name: "customers",
        takes: "{action: update | delete, id, …}",
        does: "edits a customer",
        answer: |shop, _, body| read(body).and_then(|change| customer(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "locations",
        takes: "{action: create | update | activate | deactivate | delete, …}",
        does: "edits the locations",
        answer: |shop, _, body| read(body).and_then(|change| location(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "levels",
        takes: "{action: connect | disconnect, inventoryItemId, locationId}",
        does: "stocks an item somewhere, or no longer",
        answer: |shop, _, body| read(body).and_then(|change| level(shop, &change)),
    },
    ControlRoute {
        method: "POST",
        name: "shop",
        takes: "{name}",
        does: "renames the shop",
        answer: |shop, _, body| read(body).and_then(|change| app::settings(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "app",
        takes: "{action: uninstall | install | revokeTokens | setScopes | permit, …}",
        does: "what the app may",
        answer: |shop, _, body| read(body).and_then(|change| app::app(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "privacy",
        takes: "{action: requestData | redactCustomer | redactShop, …}",
        does: "raises a privacy topic",
        answer: |shop, _, body| read(body).and_then(|request| app::privacy(shop, &request)),
    },
    ControlRoute {
        method: "POST",
        name: "shoppers",
        takes: "{perSecond}",
        does: "how many buy",
        answer: |shop, _, body| read(body).and_then(|pace| shoppers(shop, &pace)),
    },
    ControlRoute {
        method: "POST",
        name: "clock",
        takes: "{advanceSeconds}",
        does: "moves the store's time on",
        answer: |shop, _, body| read(body).and_then(|step| clock(shop, &step)),
    },
    ControlRoute {
        method: "POST",
        name: "faults",
        takes: "{webhooks, graphql, mutations, token, bulk, shop, headers, latencyMs}",
        does: "things go wrong",
        answer: |shop, _, body| read(body).and_then(|change| faults(shop, change)),
    },
    ControlRoute {
        method: "POST",
        name: "webhooks",
        takes: "{url | null}",
        does: "where all webhooks go",
        answer: |shop, _, body| read(body).and_then(|target| webhooks(shop, target)),
    },
];

/// Answers a control route; nothing if there is no such route.
pub(crate) fn answer(
    shop: &SimShop,
    method: &Method,
    name: &str,
    query: Option<&str>,
    body: &[u8],
) -> Option<ControlAnswer> {
    let route = ROUTES
        .iter()
        .find(|route| route.method == method.as_str() && route.name == name)?;
    Some((route.answer)(shop, query, body))
}

/// What there is to ask for, the API first.
pub(crate) fn routes(shop: &SimShop) -> Value {
    let route = |method, path: &str, takes, does| json!({ "method": method, "path": path, "takes": takes, "does": does });
    let api = format!("/admin/api/{VERSION}/graphql.json");
    let mut routes = vec![
        route(
            "POST",
            &api,
            "{query, variables?, operationName?} and X-Shopify-Access-Token",
            "the Admin GraphQL API",
        ),
        route(
            "POST",
            "/admin/oauth/access_token",
            "{client_id, client_secret, grant_type: client_credentials}",
            "a token for a day",
        ),
        route("GET", "/_sim/truth", "", "everything the store believes"),
    ];
    let own = |own: &ControlRoute| {
        route(
            own.method,
            &format!("/_sim/{}", own.name),
            own.takes,
            own.does,
        )
    };
    routes.extend(ROUTES.iter().map(own));
    json!({
        "about": "A pretend Shopify store. Routes under /_sim/ are its own: a real one has none of them.",
        "shop": shop.domain,
        "routes": routes,
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ChangeRefused> {
    let read = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body));
    read.map_err(|error| ChangeRefused::new(error.path().to_string(), error.inner().to_string()))
}

fn calls(shop: &SimShop, query: Option<&str>) -> ControlAnswer {
    let calls = lock(&shop.calls);
    match query {
        None | Some("") => Ok(calls.all()),
        Some("mutations=true") => Ok(calls.mutations()),
        Some(_) => Err(ChangeRefused::new(
            "mutations",
            "the only question is mutations=true",
        )),
    }
}

/// An id as a number, its digits, or a global id.
#[derive(Clone, Copy)]
struct LooseId(u64);

impl<'de> Deserialize<'de> for LooseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = match Value::deserialize(deserializer)? {
            Value::String(text) => number(&text),
            value => value.as_u64(),
        };
        id.map(Self)
            .ok_or_else(|| serde::de::Error::custom("an id is a number, its digits or a gid://"))
    }
}

/// An item by id or by SKU.
fn item_of(store: &SimStore, id: Option<LooseId>, sku: Option<&str>) -> Result<u64, ChangeRefused> {
    match (id, sku) {
        (Some(id), None) => Ok(id.0),
        (None, Some(sku)) => store
            .items_by_sku
            .get(sku)
            .copied()
            .ok_or_else(|| ChangeRefused::new("sku", format!("no item has {sku:?}"))),
        _ => Err(ChangeRefused::new(
            "inventoryItemId",
            "give either inventoryItemId or sku",
        )),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SaleRequest {
    inventory_item_id: Option<LooseId>,
    sku: Option<String>,
    location_id: Option<LooseId>,
    quantity: i64,
}

/// An order by a new customer; without a location, from the first that has enough.
fn sell(shop: &SimShop, sale: &SaleRequest) -> ControlAnswer {
    shop.act(|store, now| {
        let item = item_of(store, sale.inventory_item_id, sale.sku.as_deref())?;
        let enough =
            |level: &&crate::record::SimLevel| level.quantities[AVAILABLE] >= sale.quantity;
        let place = || {
            let selling = || store.selling_levels_of(item);
            selling()
                .find(enough)
                .or_else(|| selling().next())
                .map(|level| level.location)
        };
        let location = sale.location_id.map(|id| id.0).or_else(place);
        let location =
            location.ok_or_else(|| ChangeRefused::new("inventoryItemId", "stocked nowhere"))?;
        let wanted = [PurchaseLine {
            item,
            location,
            quantity: sale.quantity,
        }];
        let order = store.sell(None, ("Walter", "Walkin"), &wanted, now)?;
        Ok(store
            .orders
            .find(order)
            .map(truth::order)
            .unwrap_or_default())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AdjustmentRequest {
    inventory_item_id: Option<LooseId>,
    sku: Option<String>,
    location_id: LooseId,
    name: String,
    delta: Option<i64>,
    quantity: Option<i64>,
}

fn adjust(shop: &SimShop, wanted: &AdjustmentRequest) -> ControlAnswer {
    shop.act(|store, now| {
        let item = item_of(store, wanted.inventory_item_id, wanted.sku.as_deref())?;
        let level = store.level(item, wanted.location_id.0);
        let level = level.ok_or_else(|| ChangeRefused::new("locationId", "not stocked there"))?;
        let delta = match (wanted.delta, wanted.quantity) {
            (Some(delta), None) => delta,
            (None, Some(quantity)) => {
                quantity.saturating_sub(level.quantity(&wanted.name).unwrap_or(0))
            }
            _ => return Err(ChangeRefused::new("delta", "give either delta or quantity")),
        };
        if !(-MAX_QUANTITY..=MAX_QUANTITY).contains(&delta) {
            return Err(ChangeRefused::new(
                "delta",
                format!("must be within ±{MAX_QUANTITY}"),
            ));
        }
        store.adjust(item, wanted.location_id.0, &wanted.name, delta, now)?;
        Ok(store
            .level(item, wanted.location_id.0)
            .map(truth::level)
            .unwrap_or_default())
    })
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
enum ProductChange {
    Create {
        title: Option<String>,
        #[serde(default, deserialize_with = "cents")]
        price: Option<i64>,
        #[serde(default = "one")]
        variants: u32,
        /// What is available of each variant at each active location.
        #[serde(default)]
        quantity: i64,
    },
    Update {
        id: LooseId,
        title: Option<String>,
        #[serde(default, deserialize_with = "cents")]
        price: Option<i64>,
    },
    /// From now on the item's variant is put together from others.
    Bundle {
        inventory_item_id: LooseId,
    },
    /// Whether one item's stock is counted.
    Track {
        inventory_item_id: LooseId,
        tracked: bool,
    },
    /// Another SKU for one item.
    Relabel {
        inventory_item_id: LooseId,
        sku: String,
    },
    Delete {
        id: LooseId,
    },
}

fn one() -> u32 {
    1
}

/// A price as a number or a decimal string.
fn cents<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse::<f64>().ok(),
        value => value.as_f64(),
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "casts saturate, and the range is checked below"
    )]
    let cents = value
        .map(|price| (price * 100.0).round() as i64)
        .filter(|cents| (0..=MAX_PRICE).contains(cents));
    let most = price(MAX_PRICE);
    cents
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom(format!("price must be between 0 and {most}")))
}

fn product(shop: &SimShop, change: ProductChange) -> ControlAnswer {
    shop.act(|store, now| {
        let id = match change {
            ProductChange::Create {
                title,
                price,
                variants,
                quantity,
            } => {
                if !(1..=MAX_VARIANTS).contains(&variants) {
                    return Err(ChangeRefused::new(
                        "variants",
                        format!("must be between 1 and {MAX_VARIANTS}"),
                    ));
                }
                let number = store.products.len() + 1;
                let variant = |position: u32| {
                    let sku = format!("NEW-{number:05}-{position}");
                    (
                        format!("Kind {position}"),
                        sku,
                        price.unwrap_or(1_000),
                        false,
                    )
                };
                let draft = Draft {
                    title: title.unwrap_or_else(|| format!("New product {number}")),
                    vendor: "Acorn & Co".to_owned(),
                    kind: "Novelty".to_owned(),
                    variants: (1..=variants).map(variant).collect(),
                };
                let id = store.add_product(draft, now);
                stock_everywhere(store, id, quantity, now)?;
                id
            }
            ProductChange::Update { id, title, price } => {
                store.edit_product(id.0, title, price, now)?;
                id.0
            }
            ProductChange::Bundle { inventory_item_id } => {
                store.make_bundle(inventory_item_id.0, now)?;
                return Ok(json!({ "inventoryItemId": inventory_item_id.0.to_string() }));
            }
            ProductChange::Track {
                inventory_item_id,
                tracked,
            } => {
                store.set_tracked(inventory_item_id.0, tracked, now)?;
                return Ok(json!({ "inventoryItemId": inventory_item_id.0.to_string() }));
            }
            ProductChange::Relabel {
                inventory_item_id,
                sku,
            } => {
                store.rename_sku(inventory_item_id.0, sku, now)?;
                return Ok(json!({ "inventoryItemId": inventory_item_id.0.to_string() }));
            }
            ProductChange::Delete { id } => {
                store.delete_product(id.0, now)?;
                return Ok(json!({ "id": id.0.to_string() }));
            }
        };
        Ok(store
            .products
            .find(id)
            .map(truth::product)
            .unwrap_or_default())
    })
}

fn stock_everywhere(
    store: &mut SimStore,
    product: u64,
    quantity: i64,
    now: jiff::Timestamp,
) -> Result<(), ChangeRefused> {
    let variants = store
        .products
        .find(product)
        .map(|product| product.variants.clone())
        .unwrap_or_default();
    let items: Vec<u64> = variants
        .iter()
        .filter_map(|id| store.variants.find(*id))
        .map(|row| row.item)
        .collect();
    let places: Vec<u64> = store
        .locations
        .iter()
        .filter(|place| place.active)
        .map(|place| place.id)
        .collect();
    for item in items {
        for place in &places {
            store.connect(item, *place, quantity, now)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
enum CustomerChange {
    Update {
        id: LooseId,
        first_name: Option<String>,
        last_name: Option<String>,
    },
    Delete {
        id: LooseId,
    },
}

fn customer(shop: &SimShop, change: CustomerChange) -> ControlAnswer {
    let (CustomerChange::Update {
        id: LooseId(id), ..
    }
    | CustomerChange::Delete { id: LooseId(id) }) = change;
    shop.act(|store, now| match change {
        CustomerChange::Update {
            first_name,
            last_name,
            ..
        } => store.update_customer(id, first_name, last_name, now),
        CustomerChange::Delete { .. } => store.delete_customer(id, now),
    })?;
    Ok(json!({ "id": id.to_string() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "action")]
enum LocationChange {
    Create {
        name: String,
        /// Whether it is a fulfilment service's.
        #[serde(default)]
        service: bool,
    },
    Update {
        id: LooseId,
        name: String,
    },
    Activate {
        id: LooseId,
    },
    Deactivate {
        id: LooseId,
    },
    Delete {
        id: LooseId,
    },
}

fn location(shop: &SimShop, change: LocationChange) -> ControlAnswer {
    shop.act(|store, now| {
        let id = match change {
            LocationChange::Create { name, service } => {
                store.add_location(name, "Kingston".to_owned(), service, now)
            }
            LocationChange::Update { id, name } => {
                store.rename_location(id.0, name, now).map(|()| id.0)?
            }
            LocationChange::Activate { id } => {
                store.set_location_active(id.0, true, now).map(|()| id.0)?
            }
            LocationChange::Deactivate { id } => {
                store.set_location_active(id.0, false, now).map(|()| id.0)?
            }
            LocationChange::Delete { id } => {
                store.delete_location(id.0, now)?;
                return Ok(json!({ "id": id.0.to_string() }));
            }
        };
        Ok(store
            .locations
            .find(id)
            .map(truth::location)
            .unwrap_or_default())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LevelRequest {
    action: LevelAction,
    inventory_item_id: LooseId,
    location_id: LooseId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum LevelAction {
    Connect,
    Disconnect,
}

fn level(shop: &SimShop, change: &LevelRequest) -> ControlAnswer {
    let (item, location) = (change.inventory_item_id.0, change.location_id.0);
    shop.act(|store, now| {
        match change.action {
            LevelAction::Connect => store.connect(item, location, 0, now),
            LevelAction::Disconnect => store.disconnect(item, location, now),
        }?;
        Ok(store
            .level(item, location)
            .map(truth::level)
            .unwrap_or_default())
    })
}

fn faults(shop: &SimShop, change: ShopFaults) -> ControlAnswer {
    if let Some(webhooks) = &change.webhooks {
        webhooks.check()?;
    }
    if let Some(bulk) = &change.bulk {
        bulk.check()?;
    }
    let mut faults = lock(&shop.api_faults);
    faults.change(&change)?;
    if let Some(webhooks) = change.webhooks {
        shop.deliveries.set_faults(webhooks);
    }
    if let Some(bulk) = change.bulk {
        shop.bulk.set_faults(bulk);
    }
    let mut answer = serde_json::to_value(&*faults).unwrap_or_default();
    answer["bulk"] = json!(*lock(&shop.bulk.faults));
    answer["webhooks"] = json!(shop.deliveries.faults());
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StepRequest {
    advance_seconds: f64,
}

fn clock(shop: &SimShop, step: &StepRequest) -> ControlAnswer {
    if !(0.0..=MAX_ADVANCE).contains(&step.advance_seconds) {
        return Err(ChangeRefused::new(
            "advanceSeconds",
            format!("must be between 0 and {MAX_ADVANCE}"),
        ));
    }
    shop.clock
        .advance(Duration::from_secs_f64(step.advance_seconds));
    Ok(json!({ "now": shop.clock.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PaceRequest {
    per_second: f64,
}

fn shoppers(shop: &SimShop, pace: &PaceRequest) -> ControlAnswer {
    if !(0.0..=MAX_SHOPPERS).contains(&pace.per_second) {
        return Err(ChangeRefused::new(
            "perSecond",
            format!("must be between 0 and {MAX_SHOPPERS}"),
        ));
    }
    shop.pace.send_replace(pace.per_second);
    Ok(json!({ "perSecond": pace.per_second }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRequest {
    url: Option<String>,
}

/// Replaces the target of all topics; `null` takes it away.
fn webhooks(shop: &SimShop, target: TargetRequest) -> ControlAnswer {
    if let Some(url) = &target.url {
        reqwest::Url::parse(url).map_err(|error| ChangeRefused::new("url", error.to_string()))?;
    }
    let answer = json!({ "url": target.url });
    shop.deliveries.set_target(target.url);
    Ok(answer)
}
