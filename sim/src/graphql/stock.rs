//! Inventory items, their levels and quantities, and the locations they lie at.

use std::borrow::Cow;

use super::connection::ConnectionPage;
use super::object::{FieldAnswer, FieldRequest, Object, Resolved};
use super::problem::QueryProblem;
use super::root::id_of;
use crate::record::{Item, STATES, SimLevel, SimLocation};
use crate::store::SimStore;

pub(crate) fn item<'a>(
    store: &'a SimStore,
    row: &'a Item,
    asked: &mut FieldRequest<'_>,
) -> FieldAnswer<'a> {
    let variant = || store.variants.find(row.variant);
    let shown = shown(asked);
    Ok(match asked.name() {
        "id" => format!("gid://shopify/InventoryItem/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "sku" => row.sku.as_str().into(),
        // SKUs of the pretend shop are unique until someone relabels an item.
        "duplicateSkuCount" => u32::from(store.items_by_sku.get(&row.sku) != Some(&row.id)).into(),
        "tracked" => row.tracked.into(),
        "requiresShipping" => true.into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "variant" => variant().map(Object::Variant).into(),
        "variants" => {
            ConnectionPage::of_all(variant().map(Object::Variant).into_iter().collect(), asked)?
                .into()
        }
        "inventoryLevel" => {
            let place = asked
                .field
                .text("locationId")
                .and_then(|gid| id_of(gid, "Location"));
            let level = place.and_then(|place| store.level(row.id, place));
            level.filter(|level| shown(level)).map(Object::Level).into()
        }
        "inventoryLevels" => {
            let levels = store.levels_of(row.id).filter(|level| shown(level));
            ConnectionPage::of_rows(
                levels.collect(),
                |level| level.location,
                asked,
                Object::Level,
            )?
            .into()
        }
        "locationsCount" => Object::Count(
            store.levels_of(row.id).filter(|level| level.active).count(),
            true,
        )
        .into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn level<'a>(
    store: &'a SimStore,
    row: &'a SimLevel,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => row.gid().into(),
        "isActive" => row.active.into(),
        "canDeactivate" => store.can_deactivate(row).into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "item" => store.items.find(row.item).map(Object::Item).into(),
        "location" => store
            .locations
            .find(row.location)
            .map(Object::Location)
            .into(),
        "quantities" => {
            let mut quantities = Vec::new();
            for name in asked.field.texts("names") {
                let units = row.quantity(name).ok_or_else(|| unknown_name(name))?;
                quantities.push(Object::Quantity(row, name.to_owned(), units));
            }
            quantities.into()
        }
        _ => return asked.unanswered(),
    })
}

fn unknown_name(name: &str) -> QueryProblem {
    let message = format!(
        "The quantity name {name:?} is invalid: known are {}, on_hand.",
        STATES.join(", ")
    );
    QueryProblem::new("INVALID_FIELD_ARGUMENTS", message)
}

pub(crate) fn quantity<'a>(
    row: &'a SimLevel,
    name: &str,
    units: i64,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => {
            let (number, item) = (row.number, row.item);
            format!("gid://shopify/InventoryQuantity/{number}?inventory_item_id={item}&name={name}")
                .into()
        }
        "name" => Resolved::Text(Cow::Owned(name.to_owned())),
        "quantity" => units.into(),
        // The real one dates only this one.
        "updatedAt" => (name == "available")
            .then_some(row.available_updated_at)
            .into(),
        _ => return asked.unanswered(),
    })
}

/// The names as `inventoryProperties` lists them.
pub(crate) fn quantity_names<'a>() -> Vec<Object<'a>> {
    STATES
        .into_iter()
        .chain(["on_hand"])
        .map(Object::QuantityName)
        .collect()
}

pub(crate) fn quantity_name<'a>(name: &'static str, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    let on_hand = name == "on_hand";
    let texts =
        |texts: Vec<&'static str>| Resolved::Texts(texts.into_iter().map(Cow::Borrowed).collect());
    let parts = || STATES.into_iter().filter(|state| *state != "incoming");
    Ok(match asked.name() {
        "name" => name.into(),
        "displayName" => name.replace('_', " ").into(),
        "isInUse" => true.into(),
        "belongsTo" => texts(
            parts()
                .filter(|state| *state == name)
                .map(|_| "on_hand")
                .collect(),
        ),
        "comprises" => texts(parts().filter(|_| on_hand).collect()),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn location<'a>(
    store: &'a SimStore,
    row: &'a SimLocation,
    asked: &mut FieldRequest<'_>,
) -> FieldAnswer<'a> {
    let levels = store.levels.get(&row.id);
    let shown = shown(asked);
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Location/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "name" => row.name.as_str().into(),
        "isActive" | "deactivatable" | "shipsInventory" | "fulfillsOnlineOrders" => {
            row.active.into()
        }
        "activatable" => (!row.active).into(),
        "isFulfillmentService" => row.service.into(),
        "hasActiveInventory" => levels
            .is_some_and(|levels| {
                levels
                    .iter()
                    .any(|level| level.active && level.on_hand() != 0)
            })
            .into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "deactivatedAt" => (!row.active).then_some(row.updated_at).into(),
        "address" => Object::Address(row).into(),
        "inventoryLevel" => {
            let item = asked
                .field
                .text("inventoryItemId")
                .and_then(|gid| id_of(gid, "InventoryItem"));
            let level = item.and_then(|item| levels?.find(item));
            level.filter(|level| shown(level)).map(Object::Level).into()
        }
        "inventoryLevels" => match levels {
            Some(levels) => ConnectionPage::of_table(levels, asked, shown, Object::Level)?.into(),
            None => ConnectionPage::of_all(Vec::new(), asked)?.into(),
        },
        _ => return asked.unanswered(),
    })
}

pub(crate) fn address<'a>(row: &'a SimLocation, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "address1" => "1 Harbour Street".into(),
        "city" => row.city.as_str().into(),
        "country" => "Jamaica".into(),
        "countryCode" => "JM".into(),
        "province" | "provinceCode" | "zip" => Resolved::Null,
        _ => return asked.unanswered(),
    })
}

/// Inactive levels are shown only on request.
fn shown(asked: &FieldRequest<'_>) -> impl Fn(&SimLevel) -> bool + use<> {
    let all = asked.field.flag("includeInactive");
    move |level| all || level.active
}
