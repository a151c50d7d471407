//! The control route that moves orders on.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Id};
use crate::record::Restock;
use crate::shop::Shop;
use crate::truth;

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
pub(super) enum OrderChange {
    Pay {
        id: Id,
    },
    /// The customer tries to pay and fails.
    Decline {
        id: Id,
    },
    /// All that is left, or so many units of one line.
    Fulfill {
        id: Id,
        line_item_id: Option<Id>,
        quantity: Option<i64>,
    },
    Deliver {
        id: Id,
    },
    Cancel {
        id: Id,
    },
    Delete {
        id: Id,
    },
    /// How many units of a line, or the first, are wanted from now on.
    Edit {
        id: Id,
        line_item_id: Option<Id>,
        quantity: i64,
    },
    /// Units of a line, or the first, are given back: all that can be, if it is not said how many.
    Refund {
        id: Id,
        line_item_id: Option<Id>,
        quantity: Option<i64>,
        restock: Restock,
    },
}

pub(super) fn order(shop: &Shop, change: &OrderChange) -> Answer {
    let line = |line: Option<Id>| line.map(|line| line.0);
    shop.act(|store, now| {
        let (Id(id), done) = match *change {
            OrderChange::Pay { id } => (id, store.pay(id.0, true, now)),
            OrderChange::Decline { id } => (id, store.pay(id.0, false, now)),
            OrderChange::Fulfill {
                id,
                line_item_id,
                quantity,
            } => (id, store.fulfill(id.0, line(line_item_id), quantity, now)),
            OrderChange::Deliver { id } => (id, store.deliver(id.0, now)),
            OrderChange::Cancel { id } => (id, store.cancel(id.0, now)),
            OrderChange::Delete { id } => (id, store.delete_order(id.0, now)),
            OrderChange::Edit {
                id,
                line_item_id,
                quantity,
            } => (
                id,
                store.edit_order(id.0, line(line_item_id), quantity, now),
            ),
            OrderChange::Refund {
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
