//! The query root, the shop itself, and what the app may know of itself.

use std::borrow::Cow;

use jiff::Timestamp;

use super::bulk;
use super::connection::ConnectionPage;
use super::object::{FieldAnswer, FieldRequest, Object, Resolved};
use super::problem::{MAX_INPUTS, QueryProblem};
use super::search::{Search, Searchable, number};
use crate::VERSION;
use crate::record::{CURRENCY, SimLevel, SimLocation, TIME_ZONE};
use crate::scope::RECENT;
use crate::store::SimStore;
use crate::table::RecordTable;

pub(crate) fn query<'a>(store: &'a SimStore, asked: &mut FieldRequest<'_>) -> FieldAnswer<'a> {
    let id = |kind: &str| asked.field.text("id").and_then(|gid| id_of(gid, kind));
    Ok(match asked.name() {
        "shop" => Object::Shop.into(),
        "currentAppInstallation" => Object::Installation.into(),
        "publicApiVersions" => vec![Object::Version(VERSION), Object::Version("unstable")].into(),
        "inventoryProperties" => Object::QuantityNames.into(),
        "product" => id("Product")
            .and_then(|id| store.products.find(id))
            .map(Object::Product)
            .into(),
        "productVariant" => id("ProductVariant")
            .and_then(|id| store.variants.find(id))
            .map(Object::Variant)
            .into(),
        "inventoryItem" => id("InventoryItem")
            .and_then(|id| store.items.find(id))
            .map(Object::Item)
            .into(),
        "inventoryLevel" => asked
            .field
            .text("id")
            .and_then(|gid| level(store, gid))
            .into(),
        "location" => match asked.field.text("id") {
            Some(gid) => id_of(gid, "Location")
                .and_then(|id| store.locations.find(id))
                .map(Object::Location)
                .into(),
            // Without an id, the first location.
            None => store.locations.iter().next().map(Object::Location).into(),
        },
        "order" => id("Order")
            .and_then(|id| order(store, id, asked.now))
            .into(),
        "customer" => id("Customer")
            .and_then(|id| store.customers.find(id))
            .map(Object::Customer)
            .into(),
        "webhookSubscription" => {
            let id = id("WebhookSubscription");
            id.and_then(|id| store.subscriptions.find(id))
                .map(Object::Subscription)
                .into()
        }
        "bulkOperation" => id("BulkOperation")
            .and_then(|id| store.operations.find(id))
            .map(Object::Operation)
            .into(),
        "bulkOperations" => {
            ConnectionPage::of_table(&store.operations, asked, |_| true, Object::Operation)?.into()
        }
        "currentBulkOperation" => bulk::current(store).into(),
        "collections" => ConnectionPage::of_all(Vec::new(), asked)?.into(),
        "products" => {
            ConnectionPage::of_table(&store.products, asked, |_| true, Object::Product)?.into()
        }
        "productVariants" => {
            ConnectionPage::of_table(&store.variants, asked, |_| true, Object::Variant)?.into()
        }
        "inventoryItems" => {
            ConnectionPage::of_table(&store.items, asked, |_| true, Object::Item)?.into()
        }
        "locations" => {
            let (inactive, legacy) = (
                asked.field.flag("includeInactive"),
                asked.field.flag("includeLegacy"),
            );
            let listed =
                |place: &SimLocation| (inactive || place.active) && (legacy || !place.service);
            ConnectionPage::of_table(&store.locations, asked, listed, Object::Location)?.into()
        }
        "orders" => {
            let horizon = horizon(store, asked.now);
            ConnectionPage::of_table(
                &store.orders,
                asked,
                |row| row.created_at >= horizon,
                Object::Order,
            )?
            .into()
        }
        "customers" => {
            ConnectionPage::of_table(&store.customers, asked, |_| true, Object::Customer)?.into()
        }
        "webhookSubscriptions" => {
            let field = asked.field;
            let (topics, uri) = (field.texts("topics"), field.text("uri"));
            let wanted = |row: &crate::record::SimSubscription| {
                (topics.is_empty() || topics.contains(&row.topic.as_str()))
                    && uri.is_none_or(|uri| uri == row.uri)
            };
            ConnectionPage::of_table(&store.subscriptions, asked, wanted, Object::Subscription)?
                .into()
        }
        "productsCount" => count_of(&store.products, |_| true, asked),
        "productVariantsCount" => count_of(&store.variants, |_| true, asked),
        "ordersCount" => {
            let horizon = horizon(store, asked.now);
            count_of(&store.orders, |row| row.created_at >= horizon, asked)
        }
        "customersCount" => count_of(&store.customers, |_| true, asked),
        "locationsCount" => count_of(&store.locations, |_| true, asked),
        "webhookSubscriptionsCount" => count_of(&store.subscriptions, |_| true, asked),
        "node" => asked
            .field
            .text("id")
            .and_then(|gid| node(store, gid, asked.now))
            .into(),
        "nodes" => {
            let gids = asked.field.texts("ids");
            if gids.len() > MAX_INPUTS {
                return Err(QueryProblem::too_many(gids.len()));
            }
            Resolved::Objects(
                gids.into_iter()
                    .map(|gid| node(store, gid, asked.now))
                    .collect(),
            )
        }
        _ => return asked.unanswered(),
    })
}

pub(crate) fn shop<'a>(store: &'a SimStore, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Shop/{}", store.shop.id).into(),
        "name" => store.shop.name.as_str().into(),
        "myshopifyDomain" => store.shop.domain.as_str().into(),
        "currencyCode" => CURRENCY.into(),
        "ianaTimezone" => TIME_ZONE.into(),
        "plan" => Object::ShopPlan.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn plan<'a>(asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "publicDisplayName" => "Development".into(),
        "partnerDevelopment" => true.into(),
        "shopifyPlus" => false.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn installation<'a>(store: &'a SimStore, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/AppInstallation/{}", store.shop.id).into(),
        "accessScopes" => store
            .scopes
            .granted
            .iter()
            .map(|scope| Object::Scope(scope))
            .collect::<Vec<_>>()
            .into(),
        "app" => Object::App.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn app<'a>(store: &'a SimStore, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/App/{}", store.shop.id).into(),
        "handle" => "pretend-app".into(),
        "title" => "Pretend app".into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn version<'a>(handle: &'static str, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "handle" | "displayName" => Resolved::Text(Cow::Borrowed(handle)),
        "supported" => (handle == VERSION).into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn count<'a>(count: usize, exact: bool, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "count" => i64::try_from(count).unwrap_or(i64::MAX).into(),
        "precision" => if exact { "EXACT" } else { "AT_LEAST" }.into(),
        _ => return asked.unanswered(),
    })
}

/// Counts what a search finds, up to a limit.
fn count_of<'a, T: Searchable>(
    table: &'a RecordTable<T>,
    also: impl Fn(&T) -> bool,
    asked: &mut FieldRequest<'_>,
) -> Resolved<'a> {
    let search = Search::of::<T>(asked);
    let limit = asked
        .field
        .number("limit")
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let found = table
        .iter()
        .filter(|row| also(row) && search.finds(*row))
        .take(limit.saturating_add(1))
        .count();
    Object::Count(found.min(limit), found <= limit).into()
}

/// The time from which orders exist for the app.
fn horizon(store: &SimStore, now: Timestamp) -> Timestamp {
    let all = store.scopes.has("read_all_orders");
    let recent = || now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
    if all { Timestamp::MIN } else { recent() }
}

fn order(store: &SimStore, id: u64, now: Timestamp) -> Option<Object<'_>> {
    store
        .orders
        .find(id)
        .filter(|row| row.created_at >= horizon(store, now))
        .map(Object::Order)
}

fn node<'a>(store: &'a SimStore, gid: &str, now: Timestamp) -> Option<Object<'a>> {
    let kind = gid.strip_prefix("gid://shopify/")?.split('/').next()?;
    let id = || id_of(gid, kind);
    Some(match kind {
        "Product" => Object::Product(store.products.find(id()?)?),
        "ProductVariant" => Object::Variant(store.variants.find(id()?)?),
        "InventoryItem" => Object::Item(store.items.find(id()?)?),
        "InventoryLevel" => return level(store, gid),
        "Location" => Object::Location(store.locations.find(id()?)?),
        "Order" => return order(store, id()?, now),
        "Customer" => Object::Customer(store.customers.find(id()?)?),
        "BulkOperation" => Object::Operation(store.operations.find(id()?)?),
        "WebhookSubscription" => Object::Subscription(store.subscriptions.find(id()?)?),
        "Shop" if id()? == store.shop.id => Object::Shop,
        _ => return None,
    })
}

fn level<'a>(store: &'a SimStore, gid: &str) -> Option<Object<'a>> {
    store.level_of(gid).map(Object::Level)
}

impl SimStore {
    /// The level of a whole id, `gid://shopify/InventoryLevel/<number>?inventory_item_id=<item>`.
    pub(crate) fn level_of(&self, gid: &str) -> Option<&SimLevel> {
        let (level, item) = gid.split_once("?inventory_item_id=")?;
        let (number, item) = (id_of(level, "InventoryLevel")?, number(item)?);
        let place = self
            .locations
            .iter()
            .find(|place| place.level_number == number)?;
        self.level(item, place.id)
    }
}

/// The number in a global id of that kind.
pub(crate) fn id_of(gid: &str, kind: &str) -> Option<u64> {
    gid.strip_prefix("gid://shopify/")?
        .strip_prefix(kind)?
        .strip_prefix('/')?
        .parse()
        .ok()
}
