//! What people call things: an item by its SKU, a reservation by its reference.

use std::collections::BTreeSet;

use schemas::InventoryItemId;
use serde_json::Value;
use uuid::Uuid;

use super::Usage;
use super::api_client::ApiClient;
use crate::limits::PAGE_RECORDS_MAX;

/// Most pages of open reservations in which a reference is looked for.
const PAGES_MAX: usize = 20;

/// The id of the item with this id or SKU. A SKU that several items have is refused with their ids.
pub(super) async fn item(rest: &ApiClient, text: &str) -> anyhow::Result<String> {
    if text.starts_with("gid://") {
        return Ok(text.to_owned());
    }
    let limit = PAGE_RECORDS_MAX.to_string();
    let mut query = vec![("sku", text), ("limit", &limit)];
    // A SKU may be a number, and then may be another item's id: both are asked for, and two are too many.
    let number = text
        .parse::<InventoryItemId>()
        .ok()
        .map(|id| id.to_string());
    query.extend(number.as_deref().map(|id| ("inventoryItemId", id)));
    let levels = rest.get("levels", &query).await?;
    let ids = levels["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|level| &level["inventoryItemId"]);
    let ids: BTreeSet<&str> = ids.filter_map(Value::as_str).collect();
    match (ids.iter().next(), number) {
        (Some(only), _) if ids.len() == 1 => Ok((*only).to_owned()),
        // The daemon says what it thinks of an id that it does not know.
        (None, Some(id)) => Ok(id),
        (None, None) => {
            anyhow::bail!("there is no item {text:?}: `stockd levels` lists SKUs and ids")
        }
        _ => {
            let ids: Vec<&str> = ids.into_iter().collect();
            let ids = ids.join(", ");
            Err(Usage(format!(
                "{text:?} names several items: say which one by its id: {ids}"
            ))
            .into())
        }
    }
}

/// The id of the open reservation with this id or reference.
pub(super) async fn reservation(rest: &ApiClient, text: &str) -> anyhow::Result<String> {
    if text.parse::<Uuid>().is_ok() {
        return Ok(text.to_owned());
    }
    let limit = PAGE_RECORDS_MAX.to_string();
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page = rest.get("reservations", &query).await?;
        let open = page["data"].as_array().into_iter().flatten();
        let meant = open.filter(|reservation| reservation["reference"] == text);
        ids.extend(
            meant
                .filter_map(|reservation| reservation["reservationId"].as_str().map(str::to_owned)),
        );
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    match &ids[..] {
        [only] => Ok(only.clone()),
        [] => anyhow::bail!("there is no open reservation with the id or reference {text:?}"),
        _ => {
            let ids = ids.join(", ");
            Err(Usage(format!(
                "{text:?} is the reference of several reservations: say which one by its id: {ids}"
            ))
            .into())
        }
    }
}
