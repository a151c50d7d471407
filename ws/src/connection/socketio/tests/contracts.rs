//! oms and hub as their documents have them, and of every contract that nobody hears what is not for them.

use std::collections::{BTreeMap, BTreeSet};

use schemas::command::CommandKind;
use schemas::event::{
    CustomerActivity, CustomerPresence, Drift, OrderChange, OrderChanged, Payment, PriceChange,
    ProductShape, Transfer, Typing,
};
use schemas::shape::CommandShape;
use schemas::{
    Emitted, Ephemeral, ErrorBody, ErrorCode, Event, EventData, Kind, Logged, Posted, Resource,
    RunState, Sequence, SyncRun,
};

use super::log::{command, level, posted, reservation, run};
use super::*;
use crate::TokenVerifier as _;
use crate::contracts::Namespace;
use crate::hub::broadcast::Broadcast;

fn emitted(target: &Value) -> Logged {
    let body = json!({ "target": target, "event": "promo", "data": { "a": 1 } });
    Logged::Emitted(Emitted::read("erp".to_owned(), body.as_object().unwrap()).unwrap())
}

async fn joined(world: &World, namespace: &'static str, token: Value) -> Client {
    Client::join_in(&world.hub, namespace, &token).await.0
}

/// The events up to the answer to what no contract takes, without what that answer brings.
async fn heard(client: &mut Client) -> Vec<(String, Value)> {
    // The log is read once more after an answer, so what was published by then comes before a second one.
    for _ in 0..2 {
        client.ask("nonsense", &Value::Null).await;
    }
    client
        .events
        .drain(..)
        .filter(|(_, payload)| payload["event"] != "nonsense")
        .collect()
}

/// The next event, but for what answers nonsense.
async fn next(client: &mut Client) -> (String, Value) {
    loop {
        let event = client.event().await;
        if event.1["event"] != "nonsense" {
            return event;
        }
    }
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| &**name).collect()
}

fn world() -> World {
    World::with(HubOptions {
        messages_per_minute: 1_000_000,
        ..HubOptions::default()
    })
}

#[tokio::test(start_paused = true)]
async fn oms_is_told_in_its_own_words_and_shapes() {
    let world = world();
    let (mut staff, connected) = Client::join_in(
        &world.hub,
        "/events",
        &json!({ "role": "staff", "user": "1" }),
    )
    .await;
    assert_eq!(connected["userId"], 1);
    staff.say("42/events,[\"subscribe_to_orders\"]").await;
    let (name, confirmed) = next(&mut staff).await;
    assert_eq!(
        (&*name, &confirmed["type"]),
        ("subscription_confirmed", &json!("order_updates"))
    );
    assert!(confirmed["message"].is_string());
    staff.ask("subscribe_to_inventory", &Value::Null).await;
    heard(&mut staff).await;
    let mut customer = joined(
        &world,
        "/events",
        json!({ "role": "customer", "user": "789" }),
    )
    .await;

    let body = json!({ "orderId": "123", "aliasId": "ORDER-456", "userId": 789, "totalAmount": 99.99, "status": "created" });
    world.happens(posted(Kind::OrderCreated, body));
    let (name, event) = next(&mut staff).await;
    let at = event["timestamp"].clone();
    let data = json!({
        "orderId": "123", "aliasId": "ORDER-456", "status": "created", "userId": 789, "timestamp": at,
        "message": "Order created successfully",
    });
    assert_eq!(name, "order_update");
    assert_eq!(
        event,
        json!({ "type": "order_status", "data": data, "userId": 789, "timestamp": at })
    );
    let (name, event) = next(&mut customer).await;
    assert_eq!(
        (&*name, &event["type"]),
        ("user_notification", &json!("user_specific"))
    );
    assert_eq!(event["data"]["title"], "Order Created Successfully");
    assert_eq!(
        event["data"]["data"],
        json!({ "orderId": "123", "aliasId": "ORDER-456", "totalAmount": 99.99 })
    );
    customer.ask("subscribe_to_orders", &Value::Null).await;
    heard(&mut customer).await;
    world.happens(posted(
        Kind::OrderStatusChanged,
        json!({ "orderId": 123, "userId": 789, "newStatus": "shipped" }),
    ));
    assert_eq!(
        names(&heard(&mut customer).await),
        ["order_update", "user_notification"]
    );
    assert_eq!(
        heard(&mut staff).await[0].1["data"]["message"],
        "Order has been shipped"
    );

    world.happens(posted(
        Kind::InventoryLowStock,
        json!({ "productId": 101, "productName": "Test", "currentQuantity": 5, "threshold": 10 }),
    ));
    world.happens(stock(1, 1, 5));
    let events = heard(&mut staff).await;
    assert_eq!(names(&events), ["inventory_update"], "only crossings");
    let at = events[0].1["timestamp"].clone();
    let data = json!({ "productId": 101, "quantity": 5, "status": "low_stock", "threshold": 10, "timestamp": at });
    assert_eq!(
        events[0].1,
        json!({ "type": "inventory_update", "data": data, "timestamp": at })
    );

    staff.ask("unsubscribe", &json!({ "type": "order" })).await;
    world.happens(order(5, &[]));
    assert!(heard(&mut staff).await.is_empty());
    staff.say("42/events,[\"ping\"]").await;
    let (name, pong) = next(&mut staff).await;
    assert!(name == "pong" && pong["timestamp"].is_string());
}

#[tokio::test(start_paused = true)]
async fn whose_an_order_is_hears_of_it_in_oms_whatever_their_role() {
    let world = world();
    let who = |role: &str, user: &str| json!({ "role": role, "user": user });
    let mut staff = joined(&world, "/events", who("staff", "789")).await;
    let mut away = joined(&world, "/events", who("manager", "789")).await;
    let limited = json!({ "role": "staff", "user": "789", "locations": ["1"] });
    let mut limited = joined(&world, "/events", limited).await;
    let mut others = joined(&world, "/events", who("staff", "788")).await;
    let mut guest = joined(&world, "/events", who("guest", "789")).await;
    heard(&mut away).await;
    let before = away.offset.clone();
    let placed = |data: Value| {
        let mut order = json!({ "orderId": "1", "userId": 789 });
        order
            .as_object_mut()
            .unwrap()
            .extend(data.as_object().unwrap().clone());
        posted(Kind::OrderCreated, order)
    };
    world.happens(placed(json!({})));
    world.happens(placed(json!({ "locationId": 2 })));
    // A customer of Shopify's who happens to have the number of a user.
    world.happens(order(789, &[]));
    let events = heard(&mut staff).await;
    assert_eq!(names(&events), ["user_notification"; 2]);
    assert!(
        events.iter().all(|(_, event)| event["userId"] == 789),
        "{events:?}"
    );
    assert_eq!(
        heard(&mut limited).await.len(),
        1,
        "the other is at another location"
    );
    assert!(heard(&mut others).await.is_empty() && heard(&mut guest).await.is_empty());
    away.events.clear();
    away.offset = before;
    assert!(away.join_again(&world.hub, &who("manager", "789")).await.0);
    assert_eq!(
        names(&heard(&mut away).await),
        ["user_notification"; 2],
        "replayed"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_refresh_with_lesser_rights_a_hub_socket_is_in_no_room_that_it_may_not_join() {
    let world = world();
    let mut writer = joined(&world, "/hub", json!({ "role": "staff", "user": "2" })).await;
    let mut other = joined(
        &world,
        "/hub",
        json!({ "role": "staff", "user": "7", "customer": "5" }),
    )
    .await;
    for client in [&mut writer, &mut other] {
        for room in ["chat-room", "order:1", "product:2"] {
            assert_eq!(
                client.ask("join_room", &json!(room)).await["ok"],
                true,
                "{room}"
            );
        }
        heard(client).await;
    }
    let customer = json!({ "role": "customer", "user": "7", "customer": "5" });
    let refreshed = other
        .ask("auth:refresh", &json!({ "token": customer.to_string() }))
        .await;
    assert_eq!(refreshed["ok"], true);
    heard(&mut other).await;
    for room in ["chat-room", "order:1", "product:2"] {
        let typing = json!({ "roomId": room, "isTyping": true });
        assert_eq!(writer.ask("typing", &typing).await["ok"], true);
        assert_eq!(
            other.ask("typing", &typing).await["error"]["code"],
            "FORBIDDEN",
            "{room}"
        );
        world.happens(emitted(&json!({ "room": room })));
    }
    assert_eq!(
        names(&heard(&mut writer).await),
        ["promo"; 2],
        "not what is said of all locations of an order"
    );
    let told = |events: Vec<(String, Value)>| -> Vec<_> {
        events
            .into_iter()
            .filter(|(name, _)| name != "error")
            .collect()
    };
    assert_eq!(told(heard(&mut other).await), []);
    // Also after it comes back, and is told that its rights are others.
    assert!(!other.join_again(&world.hub, &customer).await.0);
    world.happens(emitted(&json!({ "room": "chat-room" })));
    let told = told(heard(&mut other).await);
    assert_eq!(
        told,
        [("resync".to_owned(), json!({ "reason": "rights_changed" }))]
    );
}

#[tokio::test(start_paused = true)]
async fn what_oms_does_not_allow_is_answered_and_told() {
    let world = world();
    let mut customer = joined(&world, "/events", json!({ "role": "customer" })).await;
    let refused = customer.ask("subscribe_to_inventory", &Value::Null).await;
    assert_eq!(
        (&refused["ok"], &refused["error"]["code"]),
        (&json!(false), &json!("FORBIDDEN"))
    );
    let (name, error) = next(&mut customer).await;
    assert_eq!(
        (&*name, &error["event"]),
        ("error", &json!("subscribe_to_inventory"))
    );
    let mut guest = joined(&world, "/events", json!({ "role": "guest" })).await;
    assert_eq!(
        guest.ask("subscribe_to_orders", &Value::Null).await["error"]["code"],
        "FORBIDDEN"
    );
    let refused = guest
        .ask("unsubscribe", &json!({ "type": "weather" }))
        .await;
    assert_eq!(refused["error"]["field"], "type");
}

#[tokio::test(start_paused = true)]
async fn hub_tells_each_of_those_an_order_concerns_by_their_own_name_once() {
    let world = world();
    let manager = json!({ "role": "manager", "user": "m", "companies": ["c1"] });
    let mut colleague = joined(&world, "/hub", manager).await;
    let mut stranger = joined(
        &world,
        "/hub",
        json!({ "role": "staff", "user": "s", "companies": ["c2"] }),
    )
    .await;
    let mut customer = joined(
        &world,
        "/hub",
        json!({ "role": "customer", "user": "7", "customer": "5" }),
    )
    .await;
    customer.say("42/hub,[\"subscribe_order\",\"1\"]").await;
    heard(&mut customer).await;

    world.happens(order(5, &[]));

    assert_eq!(
        names(&heard(&mut colleague).await),
        ["order:new_order", "order:shop_order"]
    );
    assert_eq!(
        names(&heard(&mut stranger).await),
        ["order:shop_order"],
        "another company's"
    );
    let events = heard(&mut customer).await;
    assert_eq!(names(&events), ["order:status_updated", "order:update"]);
    assert_eq!(
        (&events[0].1["orderNumber"], &events[0].1["status"]),
        (&json!("#1"), &json!("created"))
    );
    assert_eq!(events[0].1["message"], "Your order #1 has been placed");
}

#[tokio::test(start_paused = true)]
async fn hub_tells_how_a_payment_stands_in_the_words_of_whoever_says_so() {
    let world = world();
    let mut customer = joined(&world, "/hub", json!({ "role": "customer", "user": "789" })).await;
    customer
        .say("42/hub,[\"subscribe_order\",\"order-123\"]")
        .await;
    heard(&mut customer).await;
    let data = json!({ "orderId": "order-123", "userId": 789, "amount": 5 });
    let payment = |name: Option<&str>, status: Option<&str>| {
        let mut data = data.as_object().unwrap().clone();
        data.extend(status.map(|status| ("status".to_owned(), json!(status))));
        let (source, name) = ("amqp".to_owned(), name.map(str::to_owned));
        Posted::read(Kind::PaymentStatusChanged, source, name, data)
            .unwrap()
            .logged()
            .unwrap()
    };
    for (payment, status) in [
        (payment(Some("payment.pending"), None), "pending"),
        (
            payment(Some("payment.updated"), Some("authorized")),
            "authorized",
        ),
        (payment(None, Some("voided")), "voided"),
    ] {
        world.happens(payment);
        let events = heard(&mut customer).await;
        assert_eq!(names(&events), ["payment:status_updated", "payment:update"]);
        assert!(
            events.iter().all(|(_, event)| event["status"] == status),
            "{events:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_cut_off_between_two_frames_of_an_event_gets_the_rest() {
    let world = world();
    let token = json!({ "role": "manager", "user": "m", "companies": ["c1"] });
    let mut client = joined(&world, "/hub", token.clone()).await;
    world.happens(order(5, &[]));
    assert_eq!(next(&mut client).await.0, "order:new_order");
    // Of four frames this was the second; the client's offset is of the third by now, so it is put back.
    heard(&mut client).await;
    client.offset = Some(format!("{EPOCH}.1/2"));
    assert!(client.join_again(&world.hub, &token).await.0);
    assert_eq!(names(&heard(&mut client).await), ["order:shop_order"]);
}

#[tokio::test(start_paused = true)]
async fn rooms_of_hub_are_for_those_whom_they_are_for() {
    let world = world();
    world.happens(order(5, &[]));
    let mut own = joined(
        &world,
        "/hub",
        json!({ "role": "customer", "user": "7", "customer": "5" }),
    )
    .await;
    let mut other = joined(
        &world,
        "/hub",
        json!({ "role": "customer", "user": "8", "customer": "9" }),
    )
    .await;
    let mut staff = joined(&world, "/hub", json!({ "role": "staff", "user": "s" })).await;
    assert_eq!(
        own.ask("subscribe_order", &json!("1")).await["rooms"],
        json!(["order:1"])
    );
    let refused = other.ask("join_room", &json!("order:1")).await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["field"]),
        (&json!("FORBIDDEN"), &json!("orderId"))
    );
    assert_eq!(
        other.ask("subscribe_order", &json!("order-123")).await["ok"],
        true,
        "nobody knows whose it is"
    );
    for (event, room) in [
        ("join_room", "chat"),
        ("join_room", "transfer:1"),
        ("subscribe_inventory", "2"),
    ] {
        assert_eq!(staff.ask(event, &json!(room)).await["ok"], true, "{room}");
        assert_eq!(
            own.ask(event, &json!(room)).await["error"]["code"],
            "FORBIDDEN",
            "{room}"
        );
    }
    for room in [
        "user:8",
        "company:c9",
        "role:admin",
        "shop:1",
        "super_admin",
        "inventory:all",
        "orders:all",
    ] {
        assert_eq!(
            staff.ask("join_room", &json!(room)).await["error"]["code"],
            "FORBIDDEN",
            "{room}"
        );
    }
    for bad in [
        json!(null),
        json!({}),
        json!([1]),
        json!(""),
        json!("x".repeat(200)),
    ] {
        assert_eq!(
            staff.ask("join_room", &bad).await["error"]["field"],
            "roomId",
            "{bad}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_types_is_told_to_the_others_in_the_room() {
    let world = world();
    let mut one = joined(&world, "/hub", json!({ "role": "staff", "user": "1" })).await;
    let mut two = joined(&world, "/hub", json!({ "role": "staff", "user": "2" })).await;
    let mut outside = joined(&world, "/hub", json!({ "role": "staff", "user": "3" })).await;
    let typing = json!({ "roomId": "chat-room", "isTyping": true });
    assert_eq!(
        one.ask("typing", &typing).await["error"]["field"],
        "roomId",
        "not in it"
    );
    one.ask("join_room", &json!("chat-room")).await;
    two.ask("join_room", &json!("chat-room")).await;
    heard(&mut one).await;
    assert_eq!(one.ask("typing", &typing).await["ok"], true);
    assert_eq!(
        next(&mut two).await,
        (
            "typing".to_owned(),
            json!({ "userId": "1", "roomId": "chat-room", "isTyping": true })
        )
    );
    assert!(heard(&mut one).await.is_empty() && heard(&mut outside).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_products_quantity_in_hub_is_the_sum_of_what_one_may_see() {
    let world = world();
    let mut all = joined(&world, "/hub", json!({ "role": "staff", "user": "1" })).await;
    let mut limited = joined(
        &world,
        "/hub",
        json!({ "role": "staff", "user": "2", "locations": ["1"] }),
    )
    .await;
    let Logged::InventoryUpdated(EventData::Own(mut change)) = stock(1, 2, 5) else {
        panic!("a level")
    };
    let at = |id: u64, available| schemas::event::AvailableAt {
        location_id: id.try_into().unwrap(),
        available,
    };
    change.product = vec![at(1, 5), at(2, 7)];
    world.happens(Logged::InventoryUpdated(EventData::Own(change)));
    let quantity = |events: Vec<(String, Value)>| events[0].1["quantity"].clone();
    assert_eq!(quantity(heard(&mut all).await), 12);
    assert_eq!(quantity(heard(&mut limited).await), 5);
}

type MaySee = fn(&Who) -> bool;

fn failed_command(by: &str, kind: CommandKind) -> Logged {
    let error = ErrorBody::new(ErrorCode::Conflict, "It was another");
    let Logged::CommandUpdated(failed) = command(by, Some(error)) else {
        panic!("a command")
    };
    Logged::CommandUpdated(CommandShape { kind, ..failed })
}

/// Everything that can happen, each with who may see it by the contracts' table.
fn everything() -> Vec<(Event, MaySee)> {
    let staff: MaySee = |who| who.is_staff();
    let unlimited: MaySee = |who| who.is_staff() && !who.is_limited();
    let here: MaySee = |who| who.is_staff();
    let own: MaySee = |who| who.is_staff() || who.name == "owner";
    let own_elsewhere: MaySee = |who| (who.is_staff() && !who.is_limited()) || who.name == "owner";
    let other: MaySee = |who| (who.is_staff() && !who.is_limited()) || who.name == "other";
    let paid: MaySee = |who| who.is_manager() || who.name == "owner";
    let everybody: MaySee = |who| who.name != "service";
    let admins: MaySee = |who| who.is_admin();
    let admins_or_other: MaySee = |who| who.is_admin() || who.name == "other";
    let only_other: MaySee = |who| who.name == "other";
    let company: MaySee = |who| who.name == "manager" || who.name == "super_admin";
    let buyers: MaySee = |who| who.name == "owner" || who.name == "other";
    let customer_id = || 5_u64.try_into().unwrap();
    let there = |available| level(&shop(), 2, 2, available);
    let order_of = |id: u64, customer: u64, locations: &[u64]| {
        let Logged::OrderCreated(EventData::Own(mut changed)) = order(customer, locations) else {
            panic!("an order")
        };
        changed.order.order_id = id.try_into().unwrap();
        changed
    };
    let status = |changed: OrderChanged| OrderChanged {
        change: OrderChange::StatusChanged,
        ..changed
    };
    let payment = Payment {
        order_id: 1_u64.try_into().unwrap(),
        customer_id: Some(customer_id()),
        amount: "1.00".parse().unwrap(),
        currency: "EUR".to_owned(),
    };
    let product = ProductShape {
        product_id: 2_u64.try_into().unwrap(),
        title: "Shirt".to_owned(),
        vendor: "Us".to_owned(),
        status: "active".to_owned(),
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let to_other = |title| schemas::event::Notice {
        user_id: Some("8".parse().unwrap()),
        ..notice(title)
    };
    let logged: Vec<(Logged, MaySee)> = vec![
        (stock(1, 2, 5), here),
        (stock(2, 2, 5), unlimited),
        (
            Logged::InventoryLowStock(EventData::Own(there(2))),
            unlimited,
        ),
        (
            Logged::InventoryOutOfStock(EventData::Own(there(0))),
            unlimited,
        ),
        (
            Logged::InventoryRestocked(EventData::Own(there(20))),
            unlimited,
        ),
        (
            Logged::InventoryTransfer(EventData::Own(Transfer {
                transfer_id: 1_u64.try_into().unwrap(),
                status: Some("ready_to_ship".to_owned()),
                origin_id: 1_u64.try_into().ok(),
                destination_id: 2_u64.try_into().ok(),
                quantity: None,
                happened_at: Timestamp::UNIX_EPOCH,
            })),
            unlimited,
        ),
        (reservation("s", &[1]), here),
        (reservation("s", &[1, 2]), unlimited),
        (reservation("l", &[2]), staff),
        (reservation("8", &[2]), unlimited),
        (command("s", None), |who| who.name == "staff"),
        (
            command(
                "8",
                Some(ErrorBody::new(ErrorCode::Conflict, "It was another")),
            ),
            only_other,
        ),
        (failed_command("8", CommandKind::Adjust), only_other),
        (Logged::ShopifySyncStatus(run(RunState::Completed)), staff),
        (
            Logged::OrderCreated(EventData::Own(order_of(1, 5, &[1]))),
            own,
        ),
        (
            Logged::OrderStatusChanged(EventData::Own(status(order_of(1, 5, &[2])))),
            own_elsewhere,
        ),
        (
            Logged::OrderUpdated(EventData::Own(order_of(2, 9, &[2]))),
            other,
        ),
        (
            Logged::OrderDeleted(EventData::Own(order_of(2, 9, &[2]))),
            other,
        ),
        (
            Logged::PaymentReceived(EventData::Own(payment.clone())),
            paid,
        ),
        (Logged::PaymentRefunded(EventData::Own(payment)), paid),
        (
            Logged::ProductCreated(EventData::Own(product.clone())),
            everybody,
        ),
        (Logged::ProductDeleted(EventData::Own(product)), everybody),
        (
            Logged::ProductPriceChanged(EventData::Own(PriceChange {
                product_id: 2_u64.try_into().unwrap(),
                variant_id: 3_u64.try_into().unwrap(),
                sku: None,
                previous_price: "1.00".parse().unwrap(),
                price: "2.00".parse().unwrap(),
            })),
            everybody,
        ),
        (
            Logged::CustomerActivity(EventData::Own(CustomerActivity {
                customer_id: customer_id(),
                activity: "a".to_owned(),
            })),
            staff,
        ),
        (
            Logged::ShopifyDrift(Drift {
                run_id: "r".parse().unwrap(),
                resource: Resource::Orders,
                records: 1,
            }),
            staff,
        ),
        (Logged::SystemAlert(EventData::Own(notice("a"))), admins),
        (
            announced(Kind::SecurityAlert, &to_other("a")),
            admins_or_other,
        ),
        (announced(Kind::SystemNotification, &notice("a")), everybody),
        (announced(Kind::SystemMaintenance, &notice("a")), everybody),
        (
            announced(Kind::UserNotification, &to_other("a")),
            only_other,
        ),
        (
            posted(
                Kind::OrderCreated,
                json!({ "orderId": "order-9", "userId": 7 }),
            ),
            own,
        ),
        (
            posted(
                Kind::OrderStatusChanged,
                json!({ "orderId": "order-9", "customerId": 5, "status": "x" }),
            ),
            own,
        ),
        (
            posted(
                Kind::OrderUpdated,
                json!({ "orderId": "order-8", "userId": 8, "locationId": "away" }),
            ),
            other,
        ),
        (
            posted(
                Kind::PaymentReceived,
                json!({ "orderId": "order-9", "customerId": 5 }),
            ),
            paid,
        ),
        (
            posted(
                Kind::PaymentStatusChanged,
                json!({ "orderId": "order-9", "customerId": 5, "status": "pending" }),
            ),
            paid,
        ),
        (
            posted(
                Kind::PaymentFailed,
                json!({ "orderId": "order-9", "customerId": 5 }),
            ),
            paid,
        ),
        (
            posted(
                Kind::PaymentRefunded,
                json!({ "orderId": "order-9", "customerId": 5 }),
            ),
            paid,
        ),
        (
            posted(
                Kind::InventoryUpdated,
                json!({ "productId": "p", "quantity": 0 }),
            ),
            unlimited,
        ),
        (
            posted(
                Kind::InventoryLowStock,
                json!({ "productId": 2, "quantity": 1, "locationId": 1 }),
            ),
            here,
        ),
        (
            posted(
                Kind::InventoryOutOfStock,
                json!({ "productId": 2, "locationId": "away" }),
            ),
            unlimited,
        ),
        (
            posted(
                Kind::InventoryReservation,
                json!({ "productId": 2, "locationId": 2 }),
            ),
            unlimited,
        ),
        (
            posted(Kind::InventoryTransfer, json!({ "transferId": "t1" })),
            unlimited,
        ),
        (
            posted(Kind::ProductUpdated, json!({ "productId": "p" })),
            everybody,
        ),
        (
            posted(
                Kind::UserActivity,
                json!({ "userId": "8", "activity": "login" }),
            ),
            staff,
        ),
        (
            posted(Kind::CustomerViewingProduct, json!({ "customerId": 5 })),
            staff,
        ),
        (
            posted(Kind::SecurityAlert, json!({ "message": "m" })),
            admins,
        ),
        (
            posted(Kind::CustomerAddedToCart, json!({ "customerId": 5 })),
            staff,
        ),
        (
            posted(
                Kind::CompanyNotification,
                json!({ "companyId": "c1", "title": "t" }),
            ),
            company,
        ),
        (
            posted(Kind::ShopNotification, json!({ "title": "t" })),
            staff,
        ),
        (
            posted(
                Kind::SystemNotification,
                json!({ "role": "admin", "title": "t" }),
            ),
            admins,
        ),
        (
            posted(
                Kind::SystemNotification,
                json!({ "role": "customer", "title": "t" }),
            ),
            buyers,
        ),
        (
            posted(Kind::UserNotification, json!({ "userId": 8, "title": "t" })),
            only_other,
        ),
        (
            posted(Kind::SecurityAlert, json!({ "userId": 8, "message": "m" })),
            admins_or_other,
        ),
        (emitted(&json!("all")), everybody),
        (emitted(&json!({ "user": 8 })), only_other),
        (emitted(&json!({ "company": "c1" })), company),
        (emitted(&json!({ "shop": 1 })), staff),
        (emitted(&json!({ "room": "inventory:all" })), unlimited),
        (emitted(&json!({ "room": "orders:customer:9" })), |who| {
            who.is_staff() || who.name == "other"
        }),
        (emitted(&json!({ "room": "order:1" })), staff),
        (emitted(&json!({ "room": "chat-room" })), staff),
        (emitted(&json!({ "room": "role:admin" })), admins),
    ];
    let presence = json!({ "customerId": 5 }).as_object().unwrap().clone();
    let posted_presence =
        Posted::read(Kind::CustomerOffline, "erp".to_owned(), None, presence).unwrap();
    let Event::Ephemeral(posted_presence) = posted_presence else {
        panic!("presence is ephemeral")
    };
    let progress = |resource| {
        Ephemeral::ShopifyProgress(SyncRun {
            resource,
            ..run(RunState::Running)
        })
    };
    let ephemeral: Vec<(Ephemeral, MaySee)> = vec![
        (progress(Resource::Customers), staff),
        (progress(Resource::Inventory), staff),
        (progress(Resource::Orders), staff),
        (progress(Resource::Products), staff),
        (
            Ephemeral::ShopifyWebhookReceived(WebhookReceived {
                topic: "orders/create".to_owned(),
                shop: shop(),
                webhook_id: "w".parse().unwrap(),
                received_at: Timestamp::UNIX_EPOCH,
            }),
            staff,
        ),
        (
            Ephemeral::CustomerOnline(EventData::Own(CustomerPresence {
                customer_id: customer_id(),
            })),
            staff,
        ),
        (posted_presence, staff),
        (
            Ephemeral::Typing(Typing {
                user_id: "somebody".parse().unwrap(),
                room: schemas::Room::Custom("chat-room".parse().unwrap()),
                room_id: "chat-room".to_owned(),
                is_typing: true,
            }),
            staff,
        ),
    ];
    let logged = logged
        .into_iter()
        .map(|(event, may_see)| (event.into(), may_see));
    let ephemeral = ephemeral
        .into_iter()
        .map(|(event, may_see)| (event.into(), may_see));
    logged.chain(ephemeral).collect()
}

struct Who {
    name: &'static str,
    role: String,
    token: Value,
}

impl Who {
    fn is_staff(&self) -> bool {
        self.role == "staff" || self.is_manager()
    }

    fn is_limited(&self) -> bool {
        self.token["locations"].is_array()
    }

    fn is_manager(&self) -> bool {
        self.role == "manager" || self.is_admin()
    }

    fn is_admin(&self) -> bool {
        ["admin", "super_admin"].contains(&&*self.role)
    }
}

fn everyone() -> Vec<Who> {
    let who = |name, token: Value| Who {
        name,
        role: token["role"].as_str().unwrap().to_owned(),
        token,
    };
    vec![
        who(
            "admin",
            json!({ "role": "admin", "user": "a", "companies": ["c2"] }),
        ),
        who("guest", json!({ "role": "guest", "user": "g" })),
        who(
            "limited",
            json!({ "role": "staff", "user": "l", "locations": ["1"] }),
        ),
        who(
            "manager",
            json!({ "role": "manager", "user": "m", "companies": ["c1"] }),
        ),
        who(
            "other",
            json!({ "role": "customer", "user": "8", "customer": "9" }),
        ),
        who(
            "owner",
            json!({ "role": "customer", "user": "7", "customer": "5" }),
        ),
        who(
            "service",
            json!({ "role": "service", "user": "x", "companies": ["c1"] }),
        ),
        who(
            "staff",
            json!({ "role": "staff", "user": "s", "companies": ["c2"] }),
        ),
        who(
            "super_admin",
            json!({ "role": "super_admin", "user": "u", "companies": ["c2"] }),
        ),
    ]
}

/// Asks for everything there is to ask for.
async fn asks_for_everything(client: &mut Client, namespace: &str) {
    let requests = match namespace {
        "/events" => vec![
            ("subscribe_to_orders", json!(null)),
            ("subscribe_to_inventory", json!(null)),
        ],
        "/hub" => {
            let rooms = [
                "order:1",
                "order:2",
                "order:order-9",
                "order:order-8",
                "product:2",
                "product:p",
                "transfer:1",
                "transfer:t1",
                "chat-room",
                "user:8",
                "company:c1",
                "shop:1",
                "role:admin",
                "super_admin",
                "inventory:all",
                "orders:all",
            ];
            rooms
                .iter()
                .map(|room| ("join_room", json!(room)))
                .collect()
        }
        _ => {
            let mut requests = vec![
                ("subscribe:inventory", json!({})),
                (
                    "subscribe:inventory",
                    json!({ "locationIds": [1, 2], "productIds": [2, "p"] }),
                ),
                ("subscribe:orders", json!({})),
                ("subscribe:notifications", json!({})),
            ];
            requests
                .extend([5, 7, 8, 9].map(|id| ("subscribe:orders", json!({ "customerId": id }))));
            requests
        }
    };
    for (event, payload) in requests {
        client.ask(event, &payload).await;
    }
    heard(client).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_what_is_not_for_them_live_or_replayed_in_any_contract() {
    let mut told = vec![0; everything().len()];
    for namespace in ["/", "/oda", "/events", "/hub"] {
        for who in everyone() {
            let world = world();
            // So that it is known whose these orders are.
            for (id, customer) in [(1_u64, 5), (2, 9)] {
                let Logged::OrderCreated(EventData::Own(mut known)) = order(customer, &[]) else {
                    panic!("an order")
                };
                known.order.order_id = id.try_into().unwrap();
                world.happens(Logged::OrderCreated(EventData::Own(known)));
            }
            let mut live = joined(&world, namespace, who.token.clone()).await;
            let mut away = joined(&world, namespace, who.token.clone()).await;
            asks_for_everything(&mut live, namespace).await;
            asks_for_everything(&mut away, namespace).await;
            let (before, mut all) = (away.offset.clone(), Vec::new());
            for (number, (event, may_see)) in everything().into_iter().enumerate() {
                let what = format!("{event:?}");
                let is_logged = matches!(event, Event::Logged(_));
                match event {
                    Event::Logged(event) => world.happens(event),
                    Event::Ephemeral(event) => world.hub.publish_ephemeral(&shop(), &event),
                }
                let events = heard(&mut live).await;
                assert!(
                    events.is_empty() || may_see(&who),
                    "{} in {namespace} heard {events:?} of {what}",
                    who.name
                );
                let mut once: Vec<_> = events.iter().map(|(name, _)| name).collect();
                once.dedup();
                assert_eq!(once.len(), events.len(), "each name once: {events:?}");
                told[number] += events.len();
                if is_logged {
                    all.extend(events);
                }
            }
            away.events.clear();
            away.offset = before;
            assert!(away.join_again(&world.hub, &who.token).await.0, "recovered");
            let replayed = heard(&mut away).await;
            assert_eq!(
                names(&replayed),
                names(&all),
                "{} in {namespace}, replayed",
                who.name
            );
        }
    }
    let silent: Vec<_> = everything()
        .into_iter()
        .zip(&told)
        .filter(|(_, told)| **told == 0)
        .map(|(event, _)| event.0)
        .collect();
    let drift_alone = matches!(&silent[..], [Event::Logged(Logged::ShopifyDrift(_))]);
    assert!(drift_alone, "nobody hears of {silent:?}");
}

/// Every room that something can be emitted to, by an id that is somebody's and by one that is nobody's.
fn emitted_to_every_room() -> impl Iterator<Item = Event> {
    let named = [
        "company",
        "custom",
        "inventory:location",
        "inventory:product",
        "inventory:variant",
        "order",
    ];
    let more = ["orders:customer", "transfer", "user"];
    let ids = named.into_iter().chain(more).flat_map(|family| {
        [
            "1",
            "5",
            "7",
            "8",
            "9",
            "a",
            "c1",
            "g",
            "l",
            "s",
            "nobody",
            "order_updates",
            "inventory_updates",
        ]
        .map(|id| format!("{family}:{id}"))
    });
    let roles = schemas::Role::ALL.map(|role| format!("role:{}", role.as_str()));
    let plain = [
        "connected",
        "customers",
        "everyone",
        "inventory:all",
        "notifications",
        "orders:all",
        "payments",
    ];
    let plain = plain.into_iter().chain([
        "products",
        "shop",
        "shopify:sync",
        "chat-room",
        "order_updates",
    ]);
    let rooms: Vec<_> = ids.chain(roles).chain(plain.map(str::to_owned)).collect();
    rooms
        .into_iter()
        .map(|room| emitted(&json!({ "room": room })).into())
}

#[test]
fn whatever_rest_shows_somebody_a_room_that_they_may_be_in_brings_them_live() {
    let all = [
        Namespace::Root,
        Namespace::Oda,
        Namespace::Events,
        Namespace::Hub,
        Namespace::HubRoot,
        Namespace::PlainEvents,
        Namespace::Omni,
    ];
    let events: Vec<(Event, Option<MaySee>)> = everything()
        .into_iter()
        .map(|(event, may_see)| (event, Some(may_see)))
        .chain(emitted_to_every_room().map(|event| (event, None)))
        .collect();
    let mut shown = 0;
    for (event, who) in events
        .iter()
        .flat_map(|event| everyone().into_iter().map(move |who| (event, who)))
    {
        let (event, may_see) = event;
        let identity = Tokens::default()
            .identify(&who.token.to_string(), Timestamp::UNIX_EPOCH)
            .unwrap();
        // The one question that REST asks of an event.
        if !identity.may_see(event.subject()) {
            continue;
        }
        shown += 1;
        assert!(
            may_see.is_none_or(|may_see| may_see(&who)),
            "{} is shown {event:?}",
            who.name
        );
        let may_be_in = |room: &schemas::Room| {
            all.iter()
                .map(|namespace| namespace.contract())
                .any(|contract| {
                    contract.first_rooms(&identity).contains(room)
                        || contract.may_be_in(room, &identity)
                })
        };
        let rooms = event.rooms();
        assert!(
            rooms.iter().any(may_be_in),
            "{} is shown {event:?}, which is in {rooms:?}",
            who.name
        );
    }
    assert!(shown > 300, "{shown}");
}

fn broadcast(event: impl Into<Event>) -> Broadcast {
    match event.into() {
        Event::Logged(event) => {
            let offset = schemas::Offset {
                epoch: EPOCH,
                sequence: Sequence(1),
            };
            let entry = schemas::LogEntry::new(offset, shop(), Timestamp::UNIX_EPOCH, event);
            Broadcast::logged(entry, None)
        }
        Event::Ephemeral(event) => Broadcast::ephemeral(shop(), None, Timestamp::UNIX_EPOCH, event),
    }
}

#[test]
fn nobody_is_told_of_locations_and_quantities_that_only_decide_what_they_see() {
    let (foreign, secret) = (987_654_u64, 123_456);
    let at = |id: u64, available| schemas::event::AvailableAt {
        location_id: id.try_into().unwrap(),
        available,
    };
    let Logged::InventoryUpdated(EventData::Own(mut change)) = stock(1, 2, 5) else {
        panic!("a level")
    };
    change.product = vec![at(1, 5), at(foreign, secret)];
    let placed = order(5, &[1, foreign]);
    let Logged::OrderCreated(EventData::Own(changed)) = placed.clone() else {
        panic!("an order")
    };
    let mine = ["1".parse().unwrap()];
    let events = [
        Logged::InventoryUpdated(EventData::Own(change)),
        placed,
        Logged::OrderUpdated(EventData::Own(changed.clone())),
        Logged::OrderStatusChanged(EventData::Own(changed.clone())),
        Logged::OrderDeleted(EventData::Own(changed)),
    ];
    let limited = json!({ "role": "staff", "user": "l", "locations": ["1"] });
    let limited = Tokens::default()
        .identify(&limited.to_string(), Timestamp::UNIX_EPOCH)
        .unwrap();
    for event in events {
        assert!(limited.may_see(event.subject()));
        let mut doors = vec![(
            "REST and alerts".to_owned(),
            event.public_json().to_string(),
        )];
        let broadcast = broadcast(event);
        for namespace in [
            Namespace::Oda,
            Namespace::Events,
            Namespace::Omni,
            Namespace::Hub,
        ] {
            let messages = namespace
                .contract()
                .messages(&broadcast.outgoing(Some(&mine)));
            doors.extend(
                messages
                    .into_iter()
                    .map(|message| (format!("{namespace:?}"), message.payload.to_string())),
            );
        }
        assert!(doors.len() > 2);
        for (door, text) in doors {
            let told = [
                foreign.to_string(),
                (secret + 5).to_string(),
                secret.to_string(),
            ];
            assert!(
                !told.iter().any(|number| text.contains(number)),
                "{door}: {text}"
            );
        }
    }
}

#[test]
fn the_order_of_an_events_frames_is_the_same_whoever_asks() {
    let broadcast = broadcast(order(5, &[]));
    let frames = |limited: Option<&[schemas::LocationId]>| {
        let frames = Namespace::Hub.frames(&broadcast, limited, true);
        frames
            .iter()
            .map(|frame| frame.rooms.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(None), frames(Some(&[])));
}

/// By which names each kind is told, in oda, oms, omni and hub, for what [`everything`] has of it.
fn told_names() -> BTreeMap<Kind, [BTreeSet<String>; 4]> {
    let namespaces = [
        Namespace::Oda,
        Namespace::Events,
        Namespace::Omni,
        Namespace::Hub,
    ];
    let mut told: BTreeMap<Kind, [BTreeSet<String>; 4]> = BTreeMap::new();
    for (event, _) in everything() {
        let names = told.entry(event.kind()).or_default();
        let broadcast = broadcast(event);
        for (names, namespace) in names.iter_mut().zip(namespaces) {
            let messages = namespace.contract().messages(&broadcast.outgoing(None));
            names.extend(
                messages
                    .into_iter()
                    .map(|message| message.name.into_owned()),
            );
        }
    }
    told
}

#[test]
fn every_kind_of_event_is_tried_in_every_contract() {
    let tried: Vec<Kind> = told_names().into_keys().collect();
    let mut all = Kind::ALL.to_vec();
    all.sort_unstable();
    assert_eq!(tried, all, "what is missing is missing in `everything`");
}

#[test]
fn the_client_knows_every_event_that_omni_tells_and_no_others() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../clients/js/src/omni-events.ts"
    );
    let file = std::fs::read_to_string(file).unwrap();
    let (_, events) = file.split_once("export interface Events {").unwrap();
    let known: BTreeSet<&str> = events
        .lines()
        .filter_map(|line| line.trim().strip_prefix('\'')?.split('\'').next())
        .collect();
    let told = told_names();
    let told = told.iter().filter(|(kind, _)| **kind != Kind::Emitted);
    let told: BTreeSet<&str> = told
        .flat_map(|(_, names)| names[2].iter().map(String::as_str))
        .collect();
    assert_eq!(known, told);
}

#[test]
fn the_document_has_every_event_and_the_names_that_it_is_told_by_and_no_others() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/contracts.md");
    let page = std::fs::read_to_string(page).unwrap();
    // What stands between backticks, but for what is in brackets.
    let quoted = |cell: &str| -> BTreeSet<String> {
        let bare: String = cell
            .split('(')
            .map(|text| text.rsplit(')').next().unwrap_or(text))
            .collect();
        bare.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    for (kind, names) in told_names() {
        let name = kind.as_str();
        let row = page
            .lines()
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
            .find(|cells| cells.len() > 6 && quoted(cells[1]).contains(name))
            .unwrap_or_else(|| panic!("docs/contracts.md has no row of `{name}`"));
        let is_ephemeral = everything()
            .iter()
            .any(|(event, _)| event.kind() == kind && matches!(event, Event::Ephemeral(_)));
        assert_eq!(
            row[1].contains(&format!("`{name}` *e*")),
            is_ephemeral,
            "whether `{name}` is ephemeral"
        );
        let by_programs = kind.is_posted() || kind == Kind::Emitted;
        assert_eq!(
            row[2].contains('P'),
            by_programs,
            "whether programs post `{name}`"
        );
        for ((told, cell), contract) in names
            .iter()
            .zip(&row[3..])
            .zip(["oda", "oms", "omni", "hub"])
        {
            let written = match *cell {
                "the same names" => [name.to_owned()].into(),
                // What the samples emit.
                "its own name" => ["promo".to_owned()].into(),
                cell => quoted(cell),
            };
            assert_eq!(written, *told, "`{name}` in {contract}");
        }
    }
}

#[test]
fn every_message_of_a_contract_is_told_by_some_event() {
    use crate::contracts::{HubMessage, OdaMessage, OmsMessage};
    let mut told: [BTreeSet<String>; 4] = Default::default();
    for names in told_names().into_values() {
        for (all, names) in told.iter_mut().zip(names) {
            all.extend(names);
        }
    }
    // What answers a client is told by no event.
    let answers = [
        "connected",
        "error",
        "pong",
        "resync",
        "subscription_confirmed",
    ];
    let names = |all: &mut dyn Iterator<Item = &'static str>| -> BTreeSet<String> {
        all.filter(|name| !answers.contains(name))
            .chain(["promo"])
            .map(str::to_owned)
            .collect()
    };
    let [oda, oms, _, hub] = told;
    assert_eq!(names(&mut OdaMessage::ALL.iter().map(|m| m.as_str())), oda);
    assert_eq!(names(&mut OmsMessage::ALL.iter().map(|m| m.as_str())), oms);
    assert_eq!(names(&mut HubMessage::ALL.iter().map(|m| m.as_str())), hub);
}
