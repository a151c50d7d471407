//! Orders: what is told of them, and which of them a page has.

use super::*;

pub(super) async fn one_order_change_gives_one_event(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![order(1, OrderStatus::Created, "pending", 1)])
        .await;
    // Shopify announces one change under several topics, with the same body.
    world
        .webhook(vec![order(1, OrderStatus::Confirmed, "paid", 2)])
        .await;
    world
        .webhook(vec![order(1, OrderStatus::Confirmed, "paid", 2)])
        .await;
    world
        .webhook(vec![order(1, OrderStatus::Confirmed, "refunded", 3)])
        .await;
    world
        .webhook(vec![Change::Customer(Customer {
            id: 5_u64.try_into().unwrap(),
            name: None,
            created_at: at(0),
            updated_at: at(1),
        })])
        .await;
    assert_eq!(
        world.story().await,
        [
            "order Created",
            "order StatusChanged",
            "order Payment",
            "customer:activity"
        ]
    );
    let Logged::OrderStatusChanged(EventData::Own(changed)) = &world.log().await[1].event else {
        panic!("a change of status")
    };
    assert_eq!(changed.order.previous_status, Some(OrderStatus::Created));
    assert_eq!(changed.change, OrderChange::StatusChanged);
}

pub(super) async fn an_order_has_every_level_of_its_lines_read_again(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    world
        .webhook(vec![
            Change::Location(location(1)),
            level(1, 20, 1),
            level(2, 20, 1),
            item(2, true, 1),
        ])
        .await;
    let Change::Level(there) = level(1, 20, 1) else {
        panic!("a level")
    };
    let (here, there_id) = (there.location_id, 2_u64.try_into().unwrap());
    world
        .webhook(vec![
            Change::Location(Location {
                id: there_id,
                ..location(1)
            }),
            Change::Level(Level {
                location_id: there_id,
                ..there
            }),
        ])
        .await;
    let Change::Order(order) = order(1, OrderStatus::Shipped, "paid", 2) else {
        panic!("an order")
    };
    let line = OrderLine {
        id: 1_u64.try_into().unwrap(),
        variant_id: 1_u64.try_into().ok(),
        title: String::new(),
        sku: None,
        quantity: 1,
    };
    // It was sold here, and its stock may be the other location's.
    let placed = Order {
        lines: vec![line],
        locations: vec![here],
        ..order
    };
    world.webhook(vec![Change::Order(placed.clone())]).await;
    let (order, there) = (
        RecordKey::Order(placed.id),
        RecordKey::Level(1_u64.try_into().unwrap(), there_id),
    );
    let expected = [level_key(1), there, order];
    assert_eq!(
        world.marked().await,
        expected,
        "and the order itself, for it was paid"
    );
    world.read(vec![]).await;
    // Also where a line is taken out of it.
    world
        .webhook(vec![Change::Order(Order {
            lines: vec![],
            updated_at: at(3),
            ..placed
        })])
        .await;
    assert_eq!(world.marked().await, [level_key(1), there]);
}

pub(super) async fn pages_of_orders_have_no_others_than_may_be_seen(world: World) {
    let world = world.registered().await;
    let order_at = |id: u64, customer: u64, locations: &[u64]| {
        let Change::Order(mut order) = order(id, OrderStatus::Created, "pending", 1) else {
            panic!("an order")
        };
        order.customer_id = customer.try_into().ok();
        order.locations = locations
            .iter()
            .map(|id| (*id).try_into().unwrap())
            .collect();
        Change::Order(order)
    };
    let orders = [
        order_at(1, 5, &[1]),
        order_at(2, 6, &[2]),
        order_at(3, 5, &[2, 1]),
        order_at(4, 6, &[]),
    ];
    world.webhook(orders.into()).await;
    let page = async |view, after, limit| {
        let page = world
            .store
            .orders(&shop(), view, after, limit)
            .await
            .unwrap();
        page.iter()
            .map(|order| order["orderId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(page(OrderView::All, 1, 2).await, ["2", "3"]);
    assert_eq!(
        page(OrderView::Of(5_u64.try_into().unwrap()), 0, 9).await,
        ["1", "3"]
    );
    assert_eq!(
        page(OrderView::At(vec![1_u64.try_into().unwrap()]), 0, 9).await,
        ["1", "3", "4"]
    );
    assert_eq!(
        page(OrderView::At(vec![1_u64.try_into().unwrap()]), 1, 1).await,
        ["3"]
    );
    assert_eq!(page(OrderView::At(Vec::new()), 0, 9).await, ["4"]);
}
