//! The contract's table: every event's name and shape, every request and its refusals.

use schemas::command::CommandKind;
use schemas::event::{
    CustomerActivity, CustomerPresence, Drift, Payment, ProductShape, WebhookReceived,
};
use schemas::shape::{CommandShape, CommandState};
use schemas::{
    Epoch, ErrorCode, LogEntry, Money, Offset, Role, RunKind, RunState, Sequence, ShopDomain,
    SyncRun, Timestamp,
};

use super::*;
use crate::contracts::Namespace;
use crate::contracts::request::Join;
use crate::hub::broadcast::Broadcast;

fn shop() -> ShopDomain {
    "pretend.myshopify.com".parse().unwrap()
}

fn told(broadcast: &Broadcast) -> Option<(String, Value)> {
    let message = Oda.messages(&broadcast.outgoing(None)).into_iter().next()?;
    Some((
        message.name.into_owned(),
        serde_json::from_str(&message.payload).unwrap(),
    ))
}

fn sent(event: Logged) -> Option<(String, Value)> {
    let offset = Offset {
        epoch: Epoch(1),
        sequence: Sequence(7),
    };
    let entry = LogEntry::new(offset, shop(), Timestamp::UNIX_EPOCH, event);
    told(&Broadcast::logged(entry, None))
}

fn beside_the_log(event: Ephemeral) -> Option<(String, Value)> {
    told(&Broadcast::ephemeral(
        shop(),
        None,
        Timestamp::UNIX_EPOCH,
        event,
    ))
}

fn posted(kind: Kind) -> Logged {
    let Value::Object(data) = json!({ "title": "t", "message": "m" }) else {
        unreachable!()
    };
    Posted::read(kind, "erp".to_owned(), None, data)
        .unwrap()
        .logged()
        .unwrap()
}

fn run(resource: Resource) -> SyncRun {
    SyncRun {
        run_id: "r".parse().unwrap(),
        resource,
        kind: RunKind::Full,
        dry_run: false,
        state: RunState::Running,
        processed: 25,
        total: Some(100),
        bulk_objects: None,
        changed: 0,
        deleted: 0,
        drift: 0,
        started_at: Timestamp::UNIX_EPOCH,
        finished_at: None,
        error: None,
    }
}

#[test]
fn a_logged_event_has_the_whole_envelope_and_an_ephemeral_one_no_id() {
    let (name, payload) = sent(Logged::ShopifySyncStatus(run(Resource::Products))).unwrap();
    assert_eq!(name, "shopify:syncStatus");
    assert_eq!(payload["id"], "00000001.7");
    assert_eq!(
        (&payload["type"], &payload["shop"]),
        (&json!("shopify:syncStatus"), &json!(shop()))
    );
    assert_eq!(
        (&payload["data"]["runId"], &payload["data"]["state"]),
        (&json!("r"), &json!("running"))
    );

    let webhook = WebhookReceived {
        topic: "orders/create".to_owned(),
        shop: shop(),
        webhook_id: "w".parse().unwrap(),
        received_at: Timestamp::UNIX_EPOCH,
    };
    let event = Ephemeral::ShopifyWebhookReceived(webhook);
    let (name, payload) = beside_the_log(event).unwrap();
    assert_eq!(name, "shopify:webhook:received");
    assert!(payload.get("id").is_none());
    assert_eq!(payload["data"]["webhookId"], "w");
}

#[test]
fn progress_is_named_after_its_resource_and_has_a_percentage() {
    let names = [
        (Resource::Customers, "shopify:customer:progress"),
        (Resource::Inventory, "shopify:inventory:progress"),
        (Resource::Orders, "shopify:order:progress"),
        (Resource::Products, "shopify:product:progress"),
    ];
    for (resource, expected) in names {
        let (name, payload) = beside_the_log(Ephemeral::ShopifyProgress(run(resource))).unwrap();
        assert_eq!(
            (&*name, &payload["data"]["percent"]),
            (expected, &json!(25))
        );
    }
}

#[test]
fn notifications_say_by_their_type_what_they_are() {
    let customer_id = 5_u64.try_into().unwrap();
    let product = ProductShape {
        product_id: 1_u64.try_into().unwrap(),
        title: "Shirt".to_owned(),
        vendor: "Us".to_owned(),
        status: "active".to_owned(),
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let activity = CustomerActivity {
        customer_id,
        activity: "created".to_owned(),
    };
    let kinds = [
        (
            Logged::ProductDeleted(EventData::Own(product)),
            "user:activity",
            "product:deleted",
        ),
        (
            Logged::CustomerActivity(EventData::Own(activity)),
            "user:activity",
            "customer:activity",
        ),
        (
            posted(Kind::SystemNotification),
            "system:event",
            "system:notification",
        ),
        (
            posted(Kind::SystemMaintenance),
            "system:maintenance",
            "system:maintenance",
        ),
        (
            posted(Kind::SecurityAlert),
            "security:alert",
            "security:alert",
        ),
    ];
    let online = Ephemeral::CustomerOnline(EventData::Own(CustomerPresence { customer_id }));
    let told = kinds.map(|(event, kind, inside)| (sent(event), kind, inside));
    let online = (beside_the_log(online), "user:activity", "customer:online");
    for (told, kind, inside) in told.into_iter().chain([online]) {
        let (name, payload) = told.unwrap();
        assert_eq!(
            (&*name, &payload["type"], &payload["data"]["event"]),
            ("notification", &json!(kind), &json!(inside))
        );
    }
}

#[test]
fn what_the_contract_has_no_word_for_is_not_sent() {
    let order_id = 1_u64.try_into().unwrap();
    let amount = "1.00".parse::<Money>().unwrap();
    let payment = Payment {
        order_id,
        customer_id: None,
        amount,
        currency: "EUR".to_owned(),
    };
    assert_eq!(sent(Logged::PaymentReceived(EventData::Own(payment))), None);
    let drift = Drift {
        run_id: "r".parse().unwrap(),
        resource: Resource::Orders,
        records: 1,
    };
    assert_eq!(sent(Logged::ShopifyDrift(drift)), None);
}

#[test]
fn ids_are_taken_in_every_spelling_and_bounded() {
    let identity = Identity::unlimited("7".parse().unwrap(), Role::Staff);
    let ask = |payload: Value| {
        let call = ClientCall {
            id: None,
            name: "subscribe:inventory".to_owned(),
            args: vec![payload],
            attachments: vec![],
        };
        match Oda.read(&call, &identity) {
            Ok(Request::Join(Join { rooms, .. })) => Ok(Namespace::Oda.listing(&rooms, &identity)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err((error.code, error.field)),
        }
    };
    let room = Ok(vec!["inventory:product:5".to_owned()]);
    assert_eq!(ask(json!({ "productIds": [5] })), room);
    assert_eq!(ask(json!({ "productIds": ["5", 5] })), room);
    assert_eq!(
        ask(json!({ "productIds": ["gid://shopify/Product/5"] })),
        room
    );
    assert_eq!(
        ask(json!({ "variantIds": ["*"] })),
        Ok(vec!["inventory:variant:*".to_owned()])
    );
    assert_eq!(
        ask(json!({ "locationIds": null })),
        Ok(vec!["inventory:all".to_owned()])
    );
    assert_eq!(ask(json!({ "locationIds": [] })), Ok(vec![]));
    let refused = |key: &str, value: Value| ask(json!({ key: value })).unwrap_err();
    let invalid = |key: &str| (ErrorCode::InvalidPayload, Some(key.to_owned()));
    for value in [
        json!([1.5]),
        json!([-1]),
        json!([{}]),
        json!([""]),
        json!(["x".repeat(129)]),
        json!("5"),
        json!({}),
    ] {
        assert_eq!(refused("productIds", value), invalid("productIds"));
    }
    assert_eq!(refused("snapshot", json!("yes")), invalid("snapshot"));
    let many: Vec<u32> = (1..=501).collect();
    assert_eq!(refused("variantIds", json!(many)).0, ErrorCode::TooLarge);
}

#[test]
fn a_command_that_fails_after_its_acknowledgement_is_also_told_as_the_documents_clients_expect() {
    let command = |error: Option<ErrorBody>| {
        Logged::CommandUpdated(CommandShape {
            command_id: "c1".to_owned(),
            kind: CommandKind::Reserve,
            state: CommandState::Failed,
            error,
            by: "ann".parse().unwrap(),
            reason: "a test".to_owned(),
            before: None,
            after: None,
            at: Timestamp::UNIX_EPOCH,
        })
    };
    let frames = |event| {
        let offset = Offset {
            epoch: Epoch(1),
            sequence: Sequence(7),
        };
        let entry = LogEntry::new(offset, shop(), Timestamp::UNIX_EPOCH, event);
        let broadcast = Broadcast::logged(entry, None);
        let frames = Namespace::Oda.frames(&broadcast, None, false);
        frames
            .iter()
            .map(|frame| String::from_utf8_lossy(&frame.bytes).into_owned())
            .collect::<String>()
    };
    let failed = frames(command(Some(ErrorBody::new(
        ErrorCode::InsufficientStock,
        "gone",
    ))));
    let (first, second) = failed.split_once("inventory:reservationError").unwrap();
    assert!(first.contains("command:updated"));
    assert!(
        second.contains("\"code\":\"INSUFFICIENT_STOCK\"")
            && second.contains("\"commandId\":\"c1\"")
    );
    assert!(!frames(command(None)).contains("Error\""));
}
