//! The control route that makes transfers and moves them on.

use serde::Deserialize;

use super::{ControlAnswer, LooseId, item_of};
use crate::shop::SimShop;
use crate::transfer::TransferStatus;
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
        origin_id: Option<LooseId>,
        destination_id: LooseId,
        items: Vec<TransferLineRequest>,
    },
    Ready {
        id: LooseId,
    },
    Ship {
        id: LooseId,
    },
    Complete {
        id: LooseId,
    },
    Cancel {
        id: LooseId,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TransferLineRequest {
    inventory_item_id: Option<LooseId>,
    sku: Option<String>,
    quantity: i64,
}

pub(super) fn transfer(shop: &SimShop, change: &TransferChange) -> ControlAnswer {
    shop.act(|store, now| {
        let (id, to) = match change {
            TransferChange::Create {
                origin_id,
                destination_id,
                items,
            } => {
                let item = |wanted: &TransferLineRequest| {
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
            TransferChange::Ready { id } => (id.0, Some(TransferStatus::ReadyToShip)),
            TransferChange::Ship { id } => (id.0, Some(TransferStatus::InProgress)),
            TransferChange::Complete { id } => (id.0, Some(TransferStatus::Transferred)),
            TransferChange::Cancel { id } => (id.0, Some(TransferStatus::Canceled)),
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
