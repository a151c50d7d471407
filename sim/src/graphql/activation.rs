//! `inventoryActivate`, which stocks an item at a location, if wanted with a quantity, and `inventoryDeactivate`, which
//! ends that.

use jiff::Timestamp;

use super::mutation::{Made, MutationEffect, MutationPayload, UserError};
use super::plan::Planned;
use super::root::id_of;
use super::search::number;
use crate::record::AVAILABLE;
use crate::store::{MAX_QUANTITY, SimStore};

pub(crate) fn write(store: &mut SimStore, field: &Planned, now: Timestamp) -> MutationPayload {
    let id = |argument, kind| field.text(argument).and_then(|gid| id_of(gid, kind));
    let item = id("inventoryItemId", "InventoryItem").and_then(|id| store.items.find(id));
    let Some(item) = item.map(|item| item.id) else {
        return refused(
            &["inventoryItemId"],
            "The specified inventory item could not be found.",
        );
    };
    let location = id("locationId", "Location").and_then(|id| store.locations.find(id));
    let Some((location, place)) = location.map(|location| (location.id, location.name.clone()))
    else {
        return refused(
            &["locationId"],
            "The specified location could not be found.",
        );
    };
    let given: Vec<(&str, i64)> = ["available", "onHand"]
        .into_iter()
        .filter_map(|name| Some((name, field.number(name)?)))
        .collect();
    let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    let unstocked = |why: &str| {
        refused(
            &names,
            &format!("The product couldn't be stocked at {place} because {why}."),
        )
    };
    if given.len() > 1 {
        return unstocked("not allowed to set available and on_hand quantities at the same time");
    }
    let made = Made::Level { item, location };
    if store
        .level(item, location)
        .is_some_and(|level| level.active)
    {
        let why = "quantity when the item is already active at the location.";
        let errors = names.iter().map(|name| {
            // The article stands in the one message and not in the other.
            let quantity = if *name == "onHand" {
                "an on_hand"
            } else {
                name
            };
            UserError::new(
                None,
                [*name],
                format!("Not allowed to set {quantity} {why}"),
            )
        });
        return MutationPayload {
            made,
            errors: errors.collect(),
            effect: MutationEffect::Unchanged,
        };
    }
    if given.iter().any(|(_, units)| units.abs() > MAX_QUANTITY) {
        return unstocked("the quantity needs to be between -1 billion and 1 billion");
    }
    // The item and the location exist, so neither is refused.
    let _ = store.connect(item, location, 0, now);
    if let (Some((name, units)), Some(level)) = (given.first(), store.level(item, location)) {
        let there = if *name == "onHand" {
            level.on_hand()
        } else {
            level.quantities[AVAILABLE]
        };
        let _ = store.change_level(item, location, &[(AVAILABLE, units - there)], now);
    }
    MutationPayload::of(made)
}

/// Ends the stocking behind a level, whatever units there are: the level keeps them. Refusals blame no field, as
/// recorded on a real shop with API 2026-04.
pub(crate) fn end(store: &mut SimStore, field: &Planned, now: Timestamp) -> MutationPayload {
    let gid = field.text("inventoryLevelId").unwrap_or_default();
    let refused = |why: String| {
        let message = format!("The product couldn't be unstocked {why}.");
        MutationPayload::refused(vec![UserError::new(None, [""; 0], message)])
    };
    let Some(level) = store.level_of(gid) else {
        let item = gid
            .split_once("?inventory_item_id=")
            .and_then(|(_, item)| number(item));
        let known = item.is_some_and(|id| store.items.find(id).is_some());
        return refused(format!(
            "because the {} was deleted",
            if known { "location" } else { "product" }
        ));
    };
    let (item, location) = (level.item, level.location);
    if !level.active {
        return MutationPayload {
            effect: MutationEffect::Unchanged,
            ..MutationPayload::of(Made::Nothing)
        };
    }
    if !store.can_deactivate(level) {
        let place = store
            .locations
            .find(location)
            .map(|place| place.name.as_str())
            .unwrap_or_default();
        let why = "because products need to be stocked at a minimum of 1 location";
        return refused(format!("from {place} {why}"));
    }
    // The level was found a moment ago.
    let _ = store.disconnect(item, location, now);
    MutationPayload::of(Made::Nothing)
}

/// One error for each of the arguments.
fn refused(arguments: &[&str], why: &str) -> MutationPayload {
    MutationPayload::refused(
        arguments
            .iter()
            .map(|argument| UserError::new(None, [*argument], why))
            .collect(),
    )
}
