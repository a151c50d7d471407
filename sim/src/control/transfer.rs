//! The control route that makes transfers and moves them on.

use serde::Deserialize;

use super::{Answer, Id, item_of};
use crate::shop::Shop;
use crate::transfer::Status;
use crate::truth;

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
pub(super) enum TransferChange {
    /// A draft; without an origin it comes from outside.
    Create {
        origin_id: Option<Id>,
        destination_id: Id,
        items: Vec<Wanted>,
    },
    Ready {
        id: Id,
    },
    Ship {
        id: Id,
    },
    Complete {
        id: Id,
    },
    Cancel {
        id: Id,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wanted {
    inventory_item_id: Option<Id>,
    sku: Option<String>,
    quantity: i64,
}

pub(super) fn transfer(shop: &Shop, change: &TransferChange) -> Answer {
    shop.act(|store, now| {
        let (id, to) = match change {
            TransferChange::Create {
                origin_id,
                destination_id,
                items,
            } => {
                let item = |wanted: &Wanted| {
                    let item = item_of(store, wanted.inventory_item_id, wanted.sku.as_deref())?;
                    Ok((item, wanted.quantity))
                };
                let items = items.iter().map(item).collect::<Result<Vec<_>, _>>()?;
                (
                    store.draft_transfer(
                        origin_id.map(|id| id.0),
                        destination_id.0,
                        &items,
                        now,
                    )?,
                    None,
                )
            }
            TransferChange::Ready { id } => (id.0, Some(Status::ReadyToShip)),
            TransferChange::Ship { id } => (id.0, Some(Status::InProgress)),
            TransferChange::Complete { id } => (id.0, Some(Status::Transferred)),
            TransferChange::Cancel { id } => (id.0, Some(Status::Canceled)),
        };
        if let Some(to) = to {
            store.move_transfer(id, to, now)?;
        }
        Ok(store
            .transfers
            .get(&id)
            .map(truth::transfer)
            .unwrap_or_default())
    })
}
