//! The control route that moves orders on.

use serde::Deserialize;
use serde_json::json;

use super::{ControlAnswer, LooseId};
use crate::record::Restock;
use crate::shop::SimShop;
use crate::truth;

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
pub(super) enum OrderRequest {
    Pay {
        id: LooseId,
    },
    /// The customer tries to pay and fails.
    Decline {
        id: LooseId,
    },
    /// All that is left, or so many units of one line.
    Fulfill {
        id: LooseId,
        line_item_id: Option<LooseId>,
        quantity: Option<i64>,
    },
    Deliver {
        id: LooseId,
    },
    Cancel {
        id: LooseId,
    },
    Delete {
        id: LooseId,
    },
    /// How many units of a line, or the first, are wanted from now on.
    Edit {
        id: LooseId,
        line_item_id: Option<LooseId>,
        quantity: i64,
    },
    /// Units of a line, or the first, are given back: all that can be, if it is not said how many.
    Refund {
        id: LooseId,
        line_item_id: Option<LooseId>,
        quantity: Option<i64>,
        restock: Restock,
    },
}

pub(super) fn order(shop: &SimShop, change: &OrderRequest) -> ControlAnswer {
    let line = |line: Option<LooseId>| line.map(|line| line.0);
    shop.act(|store, now| {
        let (LooseId(id), done) = match *change {
            OrderRequest::Pay { id } => (id, store.pay(id.0, true, now)),
            OrderRequest::Decline { id } => (id, store.pay(id.0, false, now)),
            OrderRequest::Fulfill {
                id,
                line_item_id,
                quantity,
            } => (id, store.fulfill(id.0, line(line_item_id), quantity, now)),
            OrderRequest::Deliver { id } => (id, store.deliver(id.0, now)),
            OrderRequest::Cancel { id } => (id, store.cancel(id.0, now)),
            OrderRequest::Delete { id } => (id, store.delete_order(id.0, now)),
            OrderRequest::Edit {
                id,
                line_item_id,
                quantity,
            } => (
                id,
                store.edit_order(id.0, line(line_item_id), quantity, now),
            ),
            OrderRequest::Refund {
                id,
                line_item_id,
                quantity,
                restock,
            } => (
                id,
                store.refund(id.0, line(line_item_id), quantity, restock, now),
            ),
        };
        done?;
        Ok(store
            .orders
            .find(id)
            .map_or_else(|| json!({ "id": id.to_string() }), truth::order))
    })
}
