//! The one function: who may, which shop, and when a strict shop answers.

use domain::Thresholds;
use jiff::SignedDuration;
use schemas::record::{InventoryItem, Level};
use schemas::{Change, InventoryItemId, LocationId, Quantities, Role, ShopScope, Timestamp};
use store::{Batch, Cause, LevelRefusal, MessageOutcome, OutboxMessage};
use tokio::task::JoinSet;
use ws::CommandHandler as _;

use super::*;

const ITEM: u64 = 5;
const HERE: u64 = 1;
const THERE: u64 = 2;

fn shop() -> ShopDomain {
    "a.myshopify.com".parse().unwrap()
}

fn who(role: Role) -> Identity {
    Identity::unlimited("ann".parse().unwrap(), role)
}

/// Item 5 with ten available at each of two locations, and the folder that the store lies in.
async fn commands(strict: bool) -> (Arc<Commands>, tempfile::TempDir) {
    let (folder, entropy) = (tempfile::tempdir().unwrap(), Arc::new(Entropy::seeded(1)));
    let path = folder.path().join("stockd.db");
    let store::sqlite::Opened { store, writer, .. } =
        store::sqlite::open(&path, &entropy, Timestamp::UNIX_EPOCH).unwrap();
    std::thread::spawn(move || writer.run());
    let (shop, at) = (shop(), Timestamp::from_second(1_700_000_000).unwrap());
    let register = Operation::Register {
        shop: shop.clone(),
        thresholds: Thresholds::default(),
        at,
    };
    store.write(register).await.unwrap();
    let inventory_item_id = InventoryItemId::try_from(ITEM).unwrap();
    let item = InventoryItem {
        id: inventory_item_id,
        sku: None,
        tracked: true,
        updated_at: at,
    };
    let level = |location: u64| {
        Change::Level(Level {
            inventory_item_id,
            location_id: location.try_into().unwrap(),
            gid: None,
            active: true,
            quantities: Quantities {
                available: 10,
                on_hand: 10,
                ..Quantities::default()
            },
            updated_at: at,
        })
    };
    let changes = vec![Change::Item(item), level(HERE), level(THERE)];
    let batch = Batch {
        shop: shop.clone(),
        at,
        cause: Cause::Read(Vec::new()),
        changes,
    };
    store.write(Operation::Apply(batch)).await.unwrap();
    let policy = Policy {
        allow_backorder: false,
        default_location: HERE.try_into().ok(),
        unsent_max: SignedDuration::from_hours(4),
    };
    let shops = BTreeMap::from([(shop, ShopPolicy { policy, strict })]);
    let wakeups = Arc::new(Wakeups::default());
    let commands = Arc::new(Commands {
        store,
        clock: Arc::new(move || at),
        entropy,
        shops,
        wakeups,
    });
    (commands, folder)
}

fn reserve(quantity: i64) -> Value {
    json!({ "inventoryItemId": ITEM, "quantity": quantity, "reason": "till 3" })
}

/// Shopify's answer to all that waits, once something does.
async fn shopify_answers(commands: &Commands, end: MessageOutcome) {
    let mut committed = commands.store.committed();
    let at = commands.clock.now();
    let call = loop {
        let net = Operation::Net {
            shop: shop(),
            below_zero: false,
            after: None,
            at,
        };
        let mut calls = commands.store.write(net).await.unwrap().calls;
        if let Some(call) = calls.pop() {
            break call;
        }
        committed.changed().await.unwrap();
    };
    let message = OutboxMessage {
        id: commands.entropy.uuid().to_string(),
        kind: call.kind,
        body: String::new(),
        begun: at,
        levels: call
            .entries
            .iter()
            .map(|entry| (entry.item, entry.location))
            .collect(),
    };
    let (id, adjustments) = (
        message.id.clone(),
        call.entries.into_iter().flat_map(|entry| entry.adjustments),
    );
    let adjustments = adjustments.collect();
    let start = Operation::StartMessage {
        shop: shop(),
        message: Box::new(message),
        adjustments,
    };
    commands.store.write(start).await.unwrap();
    commands
        .store
        .write(Operation::SettleMessage {
            shop: shop(),
            id,
            end,
            at,
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_command_is_answered_at_once_and_those_who_send_are_woken() {
    let (commands, _folder) = commands(false).await;
    let mut given = commands.wakeups.command_given.subscribe();
    let payload = json!({ "inventoryItemId": ITEM, "delta": -3, "reason": "broken" });
    let answer = commands
        .run(&who(Role::Staff), None, CommandKind::Adjust, payload)
        .await
        .unwrap();
    assert_eq!(
        (&answer["state"], &answer["level"]["available"]),
        (&json!("accepted"), &json!(7))
    );
    given.received().await;

    let answer = commands
        .run(&who(Role::Staff), None, CommandKind::Reserve, reserve(99))
        .await;
    assert_eq!(answer.unwrap_err().code, ErrorCode::InsufficientStock);
    let answer = commands
        .run(
            &who(Role::Staff),
            None,
            CommandKind::Reserve,
            json!({ "quantity": 1 }),
        )
        .await;
    assert_eq!(
        answer.unwrap_err().field.as_deref(),
        Some("inventoryItemId")
    );
}

#[tokio::test]
async fn each_command_has_an_id_of_its_own() {
    let (commands, _folder) = commands(false).await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let answer = commands
            .run(&who(Role::Staff), None, CommandKind::Reserve, reserve(1))
            .await
            .unwrap();
        assert!(
            ids.insert(
                answer["commandId"]
                    .as_str()
                    .unwrap()
                    .parse::<uuid::Uuid>()
                    .unwrap()
            )
        );
    }
}

#[tokio::test]
async fn only_staff_give_commands_and_only_in_their_shops_and_locations() {
    let (commands, _folder) = commands(false).await;
    for role in [Role::Customer, Role::Guest, Role::Service] {
        let refused = commands
            .run(&who(role), None, CommandKind::Reserve, json!("nonsense"))
            .await;
        assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden, "{role:?}");
    }
    let elsewhere = Identity {
        shops: ShopScope::Only(Vec::new()),
        ..who(Role::Admin)
    };
    for (named, code) in [
        (None, ErrorCode::ShopRequired),
        (Some("a.myshopify.com"), ErrorCode::NotFound),
    ] {
        let refused = commands
            .run(&elsewhere, named, CommandKind::Reserve, reserve(1))
            .await;
        assert_eq!(refused.unwrap_err().code, code);
    }
    let there: LocationId = THERE.try_into().unwrap();
    let limited = |role| Identity {
        locations: Some(vec![there]),
        ..who(role)
    };
    let mut here = reserve(1);
    here["locationId"] = json!(HERE);
    let refused = commands
        .run(
            &limited(Role::Staff),
            None,
            CommandKind::Reserve,
            here.clone(),
        )
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
    let taken = commands
        .run(
            &limited(Role::Staff),
            None,
            CommandKind::Reserve,
            reserve(1),
        )
        .await
        .unwrap();
    assert_eq!(
        taken["levels"][0]["locationId"],
        THERE.to_string(),
        "of their locations it is the only one"
    );
    assert!(
        commands
            .run(&limited(Role::Manager), None, CommandKind::Reserve, here)
            .await
            .is_ok()
    );
}

/// Gives a reserve in a strict shop, lets Shopify answer, and gives what the client gets.
async fn strictly(end: MessageOutcome) -> Result<Value, ErrorBody> {
    let (commands, _folder) = commands(true).await;
    let mut clients = JoinSet::new();
    let desk = Arc::clone(&commands);
    clients.spawn(async move {
        desk.run(&who(Role::Staff), None, CommandKind::Reserve, reserve(2))
            .await
    });
    shopify_answers(&commands, end).await;
    clients.join_next().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_strict_shop_answers_what_shopify_says() {
    assert_eq!(
        strictly(MessageOutcome::Done).await.unwrap()["state"],
        "held"
    );
    let error = ErrorBody::new(ErrorCode::Ineligible, "no longer stocked there");
    let level = (ITEM.try_into().unwrap(), HERE.try_into().unwrap());
    let refused = strictly(MessageOutcome::Refused(vec![(
        level,
        LevelRefusal::Never(error.clone()),
    )]))
    .await;
    assert_eq!(refused.unwrap_err(), error);
    let lost = ErrorBody::new(ErrorCode::Unavailable, "nobody knows");
    assert_eq!(
        strictly(MessageOutcome::Unknown(lost)).await.unwrap()["reservationId"]
            .as_str()
            .map(str::len),
        Some(36)
    );
}

#[tokio::test(start_paused = true)]
async fn a_strict_shop_answers_in_time_how_far_a_command_is() {
    let (commands, _folder) = commands(true).await;
    let asked = tokio::time::Instant::now();
    let answer = commands
        .run(&who(Role::Staff), None, CommandKind::Reserve, reserve(2))
        .await
        .unwrap();
    assert_eq!(answer["state"], "pending");
    assert!(asked.elapsed() >= limits::STRICT_WAIT_MAX);
    let id = json!({ "reservationId": answer["reservationId"] });
    let extended = commands
        .run(&who(Role::Staff), None, CommandKind::Extend, id)
        .await
        .unwrap();
    assert_eq!(
        extended["reservation"]["state"], "pending",
        "an extend waits for nobody"
    );
    assert!(asked.elapsed() < 2 * limits::STRICT_WAIT_MAX);
}
