//! Payments of orders, as readings tell them.

use schemas::record::{Order, PaymentOutcome, Transaction};
use schemas::shape::OrderStatus;
use schemas::{Change, RecordKey, Resource, RunState};

use super::{World, order, run, shop};
use crate::Collection;
use crate::Operation;

pub(super) async fn each_payment_is_told_once_and_changes_nothing_else_of_its_order(world: World) {
    let world = world.registered().await;
    // Webhooks do not tell payments: that something was paid is a reason to read.
    world
        .webhook(vec![order(1, OrderStatus::Created, "pending", 1)])
        .await;
    assert_eq!(world.marked().await, []);
    world
        .webhook(vec![order(1, OrderStatus::Confirmed, "paid", 2)])
        .await;
    let key = RecordKey::Order(1_u64.try_into().unwrap());
    assert_eq!(world.marked().await, [key]);
    let first = [(1, PaymentOutcome::Failed), (2, PaymentOutcome::Received)];
    world
        .read(vec![paid(
            order(1, OrderStatus::Confirmed, "paid", 2),
            &first,
        )])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    world
        .read(vec![paid(
            order(1, OrderStatus::Confirmed, "paid", 2),
            &first,
        )])
        .await;
    // A later webhook forgets none of it, and a refund changes the order, too.
    world
        .webhook(vec![order(1, OrderStatus::Shipped, "paid", 3)])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    let then = [&first[..], &[(3, PaymentOutcome::Refunded)]].concat();
    world
        .read(vec![paid(
            order(1, OrderStatus::Shipped, "partially_refunded", 4),
            &then,
        )])
        .await;
    // What is older says nothing any more.
    world
        .webhook(vec![paid(
            order(1, OrderStatus::Confirmed, "paid", 2),
            &first,
        )])
        .await;
    assert_eq!(
        world.story().await,
        [
            "order Created",
            "order StatusChanged",
            "payment:failed 1.00",
            "payment:received 2.00",
            "order StatusChanged",
            "order Payment",
            "payment:refunded 3.00"
        ]
    );
    let listed = world
        .store
        .list(&shop(), Collection::Orders, 0, 9)
        .await
        .unwrap();
    assert_eq!(
        listed[0].get("payments"),
        None,
        "staff may see orders, and no payments"
    );
}

pub(super) async fn what_is_known_first_of_the_payments_of_an_old_order_is_no_news(world: World) {
    let world = world.registered().await;
    world
        .do_(Operation::StartRun(run("r1", Resource::Orders, true)))
        .await;
    world
        .page(
            "r1",
            vec![order(1, OrderStatus::Confirmed, "paid", 1)],
            "there",
        )
        .await;
    world.finish("r1", RunState::Completed).await;
    let before = world.story().await.len();
    let received = [(1, PaymentOutcome::Received)];
    world
        .do_(Operation::StartRun(run("r2", Resource::Orders, false)))
        .await;
    world
        .page(
            "r2",
            vec![paid(order(1, OrderStatus::Confirmed, "paid", 1), &received)],
            "there",
        )
        .await;
    assert_eq!(world.story().await[before..], ["shopify:sync_status"]);
    let refunded = [received[0], (2, PaymentOutcome::Refunded)];
    world
        .page(
            "r2",
            vec![paid(
                order(1, OrderStatus::Confirmed, "refunded", 2),
                &refunded,
            )],
            "there",
        )
        .await;
    assert_eq!(
        world.story().await[before + 1..],
        ["order Payment", "payment:refunded 2.00"]
    );
}

/// The order with what came of its payments, each as large as its number.
fn paid(order: Change, outcomes: &[(u64, PaymentOutcome)]) -> Change {
    let Change::Order(order) = order else {
        unreachable!()
    };
    let payment = |(id, outcome): &(u64, PaymentOutcome)| Transaction {
        id: (*id).try_into().unwrap(),
        outcome: *outcome,
        amount: id.to_string().parse().unwrap(),
        currency: "EUR".to_owned(),
    };
    Change::Order(Order {
        payments: Some(outcomes.iter().map(payment).collect()),
        ..order
    })
}
