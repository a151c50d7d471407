//! What holds for commands on every store: the guard, the way to Shopify and back, and the sums at the end.

use std::collections::BTreeMap;

use domain::adjustment::{CallKind, StockCall};
use jiff::SignedDuration;
use proptest::prelude::*;
use schemas::command::{ReserveItem, Sale, SettableName};
use schemas::shape::ReservationState;
use schemas::{Command, ErrorBody, ErrorCode, Role};
use serde_json::Value;

use super::*;
use crate::{By, Given, Policy};
use crate::{CommandFilter, LevelRefusal, MessageOutcome, OutboxMessage, ReservationFilter};

pub(super) fn reserve(lines: &[(u64, i64)]) -> Command {
    let line = |&(item, quantity): &(u64, i64)| ReserveItem {
        inventory_item_id: item.try_into().unwrap(),
        location_id: None,
        quantity,
    };
    Command::Reserve {
        items: lines.iter().map(line).collect(),
        reason: "a test".to_owned(),
        ttl_seconds: None,
        reference: None,
        idempotency_key: None,
    }
}

fn adjust(item: u64, delta: i64, key: Option<&str>) -> Command {
    Command::Adjust {
        inventory_item_id: item.try_into().unwrap(),
        location_id: None,
        delta,
        reason: "a test".to_owned(),
        idempotency_key: key.map(str::to_owned),
    }
}

fn update(item: u64, quantity: i64, name: SettableName, expected: Option<i64>) -> Command {
    Command::Update {
        inventory_item_id: item.try_into().unwrap(),
        location_id: None,
        quantity,
        name: Some(name),
        reason: "a test".to_owned(),
        expected,
        idempotency_key: None,
    }
}

fn staff() -> By {
    By {
        user: "ann".parse().unwrap(),
        role: Role::Staff,
        locations: None,
    }
}

impl World {
    /// A shop with items 1 to 3, each with that many at location 1.
    pub(super) async fn stocked(self, available: i64) -> Self {
        let world = self.registered().await;
        let mut said = vec![Change::Location(location(1))];
        for id in 1..=3 {
            said.extend([item(id, true, 1), level(id, available, 1)]);
        }
        world.webhook(said).await;
        world
    }

    async fn give_by(&self, by: By, command: Command, second: i64) -> Result<Value, ErrorBody> {
        self.deliveries.set(self.deliveries.get() + 1);
        let id = format!("c{}", self.deliveries.get());
        self.do_(Self::command(id, by, command, second))
            .await
            .answer
            .unwrap()
    }

    fn command(id: String, by: By, command: Command, second: i64) -> Operation {
        let policy = Policy {
            allow_backorder: false,
            default_location: None,
            unsent_max: SignedDuration::from_hours(4),
        };
        Operation::Command(Box::new(Given {
            shop: shop(),
            at: at(second),
            id,
            by,
            command,
            policy,
        }))
    }

    /// A command of staff, not given yet.
    pub(super) fn given(id: &str, command: Command) -> Operation {
        Self::command(id.to_owned(), staff(), command, 100)
    }

    pub(super) async fn give(&self, command: Command) -> Result<Value, ErrorBody> {
        self.give_by(staff(), command, 100).await
    }

    async fn refusal(&self, command: Command) -> (ErrorCode, Option<String>) {
        let error = self.give(command).await.unwrap_err();
        (error.code, error.field)
    }

    /// Nets everything that waits.
    pub(super) async fn calls(&self) -> Vec<StockCall> {
        let (mut calls, mut after) = (Vec::new(), None);
        loop {
            let net = Operation::Net {
                shop: shop(),
                below_zero: false,
                after,
                at: at(100),
            };
            let outcome = self.do_(net).await;
            calls.extend(outcome.calls);
            after = outcome.next;
            if after.is_none() {
                return calls;
            }
        }
    }

    /// Begins every call that can be made now.
    pub(super) async fn begin(&self) -> Vec<(OutboxMessage, StockCall)> {
        let mut begun = Vec::new();
        for call in self.calls().await {
            let adjustments: Vec<i64> = call
                .entries
                .iter()
                .flat_map(|entry| entry.adjustments.clone())
                .collect();
            self.deliveries.set(self.deliveries.get() + 1);
            let message = OutboxMessage {
                id: format!("a{}", self.deliveries.get()),
                kind: call.kind,
                body: format!("{:?}", call.entries),
                begun: at(100),
                levels: call
                    .entries
                    .iter()
                    .map(|entry| (entry.item, entry.location))
                    .collect(),
            };
            let start = Operation::StartMessage {
                shop: shop(),
                message: Box::new(message.clone()),
                adjustments,
            };
            assert!(self.do_(start).await.fresh);
            begun.push((message, call));
        }
        begun
    }

    async fn settle_message(&self, message: &OutboxMessage, end: MessageOutcome) -> bool {
        let settle = Operation::SettleMessage {
            shop: shop(),
            id: message.id.clone(),
            end,
            at: at(100),
        };
        self.do_(settle).await.fresh
    }

    async fn states(&self) -> Vec<String> {
        let filter = CommandFilter {
            limit: 100,
            ..CommandFilter::default()
        };
        let commands = self.store.commands(&shop(), filter).await.unwrap();
        commands
            .iter()
            .rev()
            .map(|command| command["state"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn hold(&self, id: &str) -> ReservationState {
        self.store
            .reservations(&shop(), ReservationFilter::one(id))
            .await
            .unwrap()
            .remove(0)
            .state
    }

    async fn pending(&self) -> Vec<i64> {
        let all = self
            .store
            .levels(vec![shop()], LevelSelection::default(), None, 100)
            .await
            .unwrap();
        all.0.iter().map(|level| level.pending).collect()
    }
}

pub(super) async fn holds_sum_to_at_most_what_there_was(world: World) {
    let world = world.stocked(50).await;
    let all = (0..60).map(|_| world.give(reserve(&[(1, 1)])));
    let answers = futures_util::future::join_all(all).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 10);
    assert!(
        refused
            .iter()
            .all(|error| error.code == ErrorCode::InsufficientStock && !error.retryable)
    );
    assert_eq!(world.available().await, [0, 50, 50]);
}

pub(super) async fn lines_of_one_level_are_summed_before_the_check(world: World) {
    let world = world.stocked(10).await;
    let refused = world.refusal(reserve(&[(1, 6), (2, 1), (1, 6)])).await;
    assert_eq!(
        refused,
        (
            ErrorCode::InsufficientStock,
            Some("items.2.quantity".to_owned())
        )
    );
    assert_eq!(world.available().await, [10, 10, 10], "all or nothing");
    assert!(world.give(reserve(&[(1, 4), (2, 1), (1, 6)])).await.is_ok());
    assert_eq!(world.available().await, [0, 9, 10]);
}

pub(super) async fn a_command_repeated_under_its_key_is_answered_and_not_done_again(world: World) {
    let world = world.stocked(10).await;
    let first = world.give(adjust(1, -3, Some("k"))).await.unwrap();
    assert_eq!(world.give(adjust(1, -3, Some("k"))).await.unwrap(), first);
    assert_eq!(world.available().await[0], 7);
    let other = world.refusal(adjust(1, -4, Some("k"))).await;
    assert_eq!(
        other,
        (
            ErrorCode::IdempotencyKeyReused,
            Some("idempotencyKey".to_owned())
        )
    );
    let bob = By {
        user: "bob".parse().unwrap(),
        ..staff()
    };
    assert!(
        world
            .give_by(bob, adjust(1, -3, Some("k")), 100)
            .await
            .is_ok(),
        "keys are each user's own"
    );
    // The answer tells of a level that is no longer theirs.
    let elsewhere = By {
        locations: Some(vec![2_u64.try_into().unwrap()]),
        ..staff()
    };
    let error = world
        .give_by(elsewhere, adjust(1, -3, Some("k")), 100)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.field.as_deref()),
        (ErrorCode::Forbidden, Some("locationId"))
    );
    let here = By {
        locations: Some(vec![1_u64.try_into().unwrap()]),
        ..staff()
    };
    assert_eq!(
        world
            .give_by(here, adjust(1, -3, Some("k")), 100)
            .await
            .unwrap(),
        first
    );
}

pub(super) async fn what_takes_no_stock_is_refused_by_code_and_field(world: World) {
    let world = world.stocked(10).await;
    world
        .webhook(vec![item(4, false, 1), level(4, 10, 1)])
        .await;
    let field = |name: &str| Some(name.to_owned());
    assert_eq!(
        world.refusal(adjust(9, 1, None)).await,
        (ErrorCode::NotFound, field("inventoryItemId"))
    );
    assert_eq!(
        world.refusal(adjust(4, 1, None)).await,
        (ErrorCode::Ineligible, field("inventoryItemId"))
    );
    assert_eq!(
        world.refusal(adjust(1, -11, None)).await,
        (ErrorCode::InsufficientStock, field("delta"))
    );
    let stale = update(1, 5, SettableName::Available, Some(9));
    assert_eq!(
        world.refusal(stale).await,
        (ErrorCode::Conflict, field("expected"))
    );
    let gone = Command::Release {
        reservation_id: "nope".to_owned(),
    };
    assert_eq!(
        world.refusal(gone).await,
        (ErrorCode::NotFound, field("reservationId"))
    );
    let elsewhere = By {
        locations: Some(vec![2_u64.try_into().unwrap()]),
        ..staff()
    };
    let refused = world
        .give_by(elsewhere, adjust(1, 1, None), 100)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code, refused.field),
        (ErrorCode::Forbidden, field("locationId"))
    );
    let guest = By {
        role: Role::Guest,
        ..staff()
    };
    assert_eq!(
        world
            .give_by(guest, adjust(1, 1, None), 100)
            .await
            .unwrap_err()
            .code,
        ErrorCode::Forbidden
    );
    assert_eq!(
        world.states().await,
        [] as [&str; 0],
        "nothing of it happened"
    );
}

pub(super) async fn what_is_done_in_slices_is_done_whole(world: World) {
    let world = world.stocked(450).await;
    for _ in 0..450 {
        world.give(reserve(&[(1, 1)])).await.unwrap();
    }
    let (message, _) = world.begin().await.remove(0);
    let mut settled = world.store.write(Operation::SettleMessage {
        shop: shop(),
        id: message.id.clone(),
        end: MessageOutcome::Done,
        at: at(100),
    });
    tokio::task::yield_now().await;
    assert!(settled.as_mut().now_or_never().is_none());
    let mut slices = 0;
    let outcome = loop {
        assert!(world.step());
        slices += 1;
        if let Some(outcome) = settled.as_mut().now_or_never() {
            break outcome.unwrap();
        }
        assert_eq!(
            world.store.outbox_messages(&shop()).await.unwrap().len(),
            1,
            "a crash here sends it again"
        );
    };
    assert!(!outcome.more, "answered when all of it is done");
    assert_eq!(
        (
            slices,
            world.store.outbox_messages(&shop()).await.unwrap().len()
        ),
        (3, 0)
    );
    let filter = CommandFilter {
        limit: 1_000,
        ..CommandFilter::default()
    };
    let commands = world.store.commands(&shop(), filter).await.unwrap();
    assert!(
        commands.len() == 450
            && commands
                .iter()
                .all(|command| command["state"] == "confirmed")
    );
}

pub(super) async fn a_hold_is_pending_until_shopify_has_it(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4)])).await.unwrap();
    let id = answer["reservationId"].as_str().unwrap();
    assert_eq!(
        (
            answer["state"].as_str(),
            answer["levels"][0]["available"].as_i64()
        ),
        (Some("pending"), Some(6))
    );
    let (message, call) = world.begin().await.remove(0);
    assert_eq!(
        (
            call.kind,
            call.entries[0].quantity,
            call.entries[0].change_from
        ),
        (CallKind::Reserve, 4, Some(10))
    );
    assert_eq!(world.states().await, ["sending"]);
    assert_eq!(
        world.store.outbox_messages(&shop()).await.unwrap(),
        std::slice::from_ref(&message),
        "kept with its bytes for a crash"
    );
    assert!(world.settle_message(&message, MessageOutcome::Done).await);
    assert!(
        !world.settle_message(&message, MessageOutcome::Done).await,
        "an answer counts once"
    );
    assert_eq!(
        (world.states().await, world.hold(id).await),
        (vec!["confirmed".to_owned()], ReservationState::Held)
    );
    assert_eq!(world.pending().await[0], -4, "until a reading has shown it");
    world.read(vec![level(1, 6, 2)]).await;
    assert_eq!(
        (world.pending().await[0], world.available().await[0]),
        (0, 6)
    );
}

pub(super) async fn neither_an_early_nor_a_late_webhook_counts_a_change_twice(world: World) {
    let world = world.stocked(10).await;
    world.give(adjust(1, -4, None)).await.unwrap();
    let (message, _) = world.begin().await.remove(0);
    // Shopify has done it and tells so before its answer arrives.
    world.webhook(vec![available_only(1, 6, 2)]).await;
    assert_eq!(world.available().await[0], 6, "not 2");
    let early = world
        .store
        .marked(&shop(), at(1_000_000), 10)
        .await
        .unwrap();
    assert!(early.is_empty(), "a level in flight is not worth reading");
    world.settle_message(&message, MessageOutcome::Done).await;
    world.webhook(vec![available_only(1, 6, 2)]).await;
    assert_eq!(world.available().await[0], 6);
    world.read(vec![level(1, 6, 2)]).await;
    assert_eq!(
        (world.pending().await[0], world.available().await[0]),
        (0, 6)
    );
    world.webhook(vec![available_only(1, 6, 2)]).await;
    assert_eq!(world.available().await[0], 6);
}

pub(super) async fn a_stale_hold_is_sent_anew_after_a_reading_and_a_stale_setting_is_a_conflict(
    world: World,
) {
    let world = world.stocked(10).await;
    world.give(reserve(&[(1, 4)])).await.unwrap();
    world
        .give(update(2, 7, SettableName::Available, None))
        .await
        .unwrap();
    for (message, _) in world.begin().await {
        let stale = message
            .levels
            .iter()
            .map(|level| (*level, LevelRefusal::Stale))
            .collect();
        world
            .settle_message(&message, MessageOutcome::Refused(stale))
            .await;
    }
    assert_eq!(world.states().await, ["accepted", "conflict"]);
    assert_eq!(
        world.available().await[..2],
        [6, 10],
        "the setting is taken back"
    );
    assert!(
        world.begin().await.is_empty(),
        "not before the level was read"
    );
    world.read(vec![level(1, 9, 2), level(2, 9, 2)]).await;
    let (_, call) = world.begin().await.remove(0);
    assert_eq!(call.entries[0].change_from, Some(9));
}

pub(super) async fn a_hold_that_a_shopper_was_faster_for_is_rejected_whole(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 8), (2, 8)])).await.unwrap();
    let id = answer["reservationId"].as_str().unwrap().to_owned();
    world.webhook(vec![level(2, 5, 2)]).await;
    // Item 2 no longer has 8; item 1 must not stay held alone.
    assert!(world.begin().await.is_empty());
    assert_eq!(
        (world.hold(&id).await, world.states().await),
        (ReservationState::Rejected, vec!["failed".to_owned()])
    );
    assert_eq!(world.available().await, [10, 5, 10]);
    let told = world.story().await;
    assert!(
        told.contains(&"command:updated".to_owned())
            && told.contains(&"inventory:reservation".to_owned())
    );
}

pub(super) async fn a_part_that_shopify_refuses_for_good_takes_the_held_part_back(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4), (2, 4)])).await.unwrap();
    let id = answer["reservationId"].as_str().unwrap().to_owned();
    let (message, _) = world.begin().await.remove(0);
    let never = LevelRefusal::Never(ErrorBody::new(ErrorCode::Ineligible, "a bundle"));
    world
        .settle_message(
            &message,
            MessageOutcome::Partly(vec![(message.levels[1], never)]),
        )
        .await;
    assert_eq!(world.hold(&id).await, ReservationState::Rejected);
    world.read(vec![level(1, 6, 2), level(2, 10, 2)]).await;
    let (_, call) = world.begin().await.remove(0);
    assert_eq!(
        (call.kind, call.entries[0].quantity),
        (CallKind::Release, 4),
        "what Shopify holds is given back"
    );
}

pub(super) async fn a_hold_that_ran_out_is_given_back_before_anything_new_is_granted(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 10)])).await.unwrap();
    let id = answer["reservationId"].as_str().unwrap().to_owned();
    assert_eq!(
        world.refusal(reserve(&[(1, 1)])).await.0,
        ErrorCode::InsufficientStock
    );
    assert!(
        world
            .give_by(staff(), reserve(&[(1, 10)]), 100 + 901)
            .await
            .is_ok()
    );
    assert_eq!(world.hold(&id).await, ReservationState::Expired);
    let release = Command::Release { reservation_id: id };
    assert_eq!(world.refusal(release).await.0, ErrorCode::Conflict);
}

pub(super) async fn holds_and_releases_that_cancel_out_are_never_sent(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4)])).await.unwrap();
    let reservation_id = answer["reservationId"].as_str().unwrap().to_owned();
    world
        .give(Command::Release { reservation_id })
        .await
        .unwrap();
    assert!(world.begin().await.is_empty());
    assert_eq!(
        (world.states().await, world.pending().await[0]),
        (vec!["confirmed".to_owned(); 2], 0)
    );
}

pub(super) async fn commands_are_refused_when_shopify_has_not_answered_for_too_long(world: World) {
    let world = world.stocked(10).await;
    world.give(adjust(1, 1, None)).await.unwrap();
    let late = world
        .give_by(staff(), adjust(1, 1, None), 100 + 4 * 3600 + 1)
        .await
        .unwrap_err();
    assert_eq!((late.code, late.retryable), (ErrorCode::Unavailable, true));
}

pub(super) async fn holds_that_somebody_else_undid_at_shopify_are_an_alarm(world: World) {
    let world = world.stocked(10).await;
    world.give(reserve(&[(1, 4)])).await.unwrap();
    let (message, _) = world.begin().await.remove(0);
    world.settle_message(&message, MessageOutcome::Done).await;
    let reserved = |available, reserved, second| {
        let Change::Level(mut said) = level(1, available, second) else {
            panic!("a level")
        };
        said.quantities.reserved = reserved;
        Change::Level(said)
    };
    world.read(vec![reserved(6, 4, 2)]).await;
    world.webhook(vec![reserved(8, 2, 3)]).await;
    assert_eq!(
        world
            .story()
            .await
            .iter()
            .filter(|told| *told == "system:alert")
            .count(),
        1
    );
}

pub(super) async fn after_a_restored_backup_everything_unsettled_is_a_persons_to_look_at(
    world: World,
) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4)])).await.unwrap();
    let id = answer["reservationId"].as_str().unwrap();
    world.begin().await;
    world.give(adjust(2, -1, None)).await.unwrap();
    assert_eq!(
        world
            .do_(Operation::Park {
                shop: shop(),
                at: at(100)
            })
            .await
            .changed,
        2
    );
    assert_eq!(world.states().await, ["unknown", "unknown"]);
    assert_eq!(
        (world.hold(id).await, world.pending().await),
        (ReservationState::Rejected, vec![0, 0, 0])
    );
    assert!(
        world
            .store
            .outbox_messages(&shop())
            .await
            .unwrap()
            .is_empty()
            && world.begin().await.is_empty()
    );
    assert!(
        world.marked().await.contains(&level_key(1)),
        "to be read again"
    );
}

pub(super) async fn settled_commands_are_forgotten_after_their_keeping_time_and_open_ones_never(
    world: World,
) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 1)])).await.unwrap();
    let reservation_id = answer["reservationId"].as_str().unwrap().to_owned();
    world
        .give(Command::Release { reservation_id })
        .await
        .unwrap();
    world.begin().await;
    world.give(adjust(2, 1, None)).await.unwrap();
    let late = at(1_000_000);
    let retention = Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: late,
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert_eq!(world.states().await, ["accepted"]);
}

pub(super) async fn what_waits_for_a_level_that_goes_fails_and_is_told(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4), (2, 1)])).await.unwrap();
    world.webhook(vec![Change::LookAgain(level_key(1))]).await;
    world
        .read(vec![Change::Gone(level_key(1)), level(2, 10, 1)])
        .await;
    let id = answer["reservationId"].as_str().unwrap();
    assert_eq!(
        (world.hold(id).await, world.states().await),
        (ReservationState::Rejected, vec!["failed".to_owned()])
    );
    assert!(world.begin().await.is_empty(), "nothing is left to be sent");
    assert_eq!(world.available().await, [10, 10]);
}

pub(super) async fn a_hold_at_a_level_that_went_ends_without_waiting_for_it(world: World) {
    let world = world.stocked(10).await;
    let mut reservations = Vec::new();
    for items in [&[(1, 1)][..], &[(1, 1), (2, 1)], &[(1, 1)], &[(1, 1)]] {
        let answer = world.give(reserve(items)).await.unwrap();
        reservations.push(answer["reservationId"].as_str().unwrap().to_owned());
    }
    for (message, _) in world.begin().await {
        world.settle_message(&message, MessageOutcome::Done).await;
    }
    world.read(vec![level(1, 6, 2), level(2, 9, 2)]).await;
    world.webhook(vec![Change::LookAgain(level_key(1))]).await;
    world.read(vec![Change::Gone(level_key(1))]).await;

    let id = |n: usize| reservations[n].clone();
    world
        .give(Command::Release {
            reservation_id: id(0),
        })
        .await
        .unwrap();
    world
        .give(Command::Release {
            reservation_id: id(1),
        })
        .await
        .unwrap();
    let sold = Command::Commit {
        reservation_id: id(2),
        sale: Sale::Outside,
        order_id: None,
    };
    world.give(sold).await.unwrap();
    let open = async || {
        world
            .states()
            .await
            .iter()
            .filter(|state| *state != "confirmed")
            .count()
    };
    assert_eq!(
        open().await,
        1,
        "only what is to be given back at the other level"
    );
    for (message, _) in world.begin().await {
        world.settle_message(&message, MessageOutcome::Done).await;
    }
    assert_eq!(open().await, 0);
    world
        .do_(Operation::ExpireReservations {
            shop: shop(),
            at: at(100_000),
        })
        .await;
    assert_eq!(world.hold(&id(3)).await, ReservationState::Expired);
    assert!(world.begin().await.is_empty());
    assert!(
        world
            .give_by(staff(), adjust(2, 1, None), 200_000)
            .await
            .is_ok(),
        "nothing waits for ever"
    );
}

pub(super) async fn what_comes_back_refused_from_a_level_that_went_fails_and_is_told(world: World) {
    let world = world.stocked(10).await;
    let answer = world.give(reserve(&[(1, 4), (2, 1)])).await.unwrap();
    let (message, _) = world.begin().await.remove(0);
    // The level alone is not read while it is in flight.
    let item = RecordKey::Item(1_u64.try_into().unwrap());
    world.webhook(vec![Change::LookAgain(item)]).await;
    world.read(vec![Change::Gone(item)]).await;
    let second = message.levels[1];
    assert!(
        world
            .settle_message(
                &message,
                MessageOutcome::Refused(vec![(second, LevelRefusal::Stale)])
            )
            .await
    );
    let id = answer["reservationId"].as_str().unwrap();
    assert_eq!(
        (world.hold(id).await, world.states().await),
        (ReservationState::Rejected, vec!["failed".to_owned()])
    );
    world
        .read(vec![level(2, 10, 2), Change::Gone(level_key(1))])
        .await;
    assert!(world.begin().await.is_empty(), "nothing is left to be sent");
    assert_eq!(world.available().await, [10, 10]);
    assert!(
        world
            .give_by(staff(), adjust(2, 1, None), 200_000)
            .await
            .is_ok(),
        "nothing waits for ever"
    );
}

/// A store at Shopify, as far as one item's quantities go.
#[derive(Debug, Clone, Copy, Default)]
struct Shelf {
    available: i64,
    reserved: i64,
    second: i64,
}

#[derive(Debug, Clone)]
enum CommandStep {
    Adjust(u64, i64),
    Set(u64, i64),
    Reserve(u64, i64),
    Release(usize),
    Sell(usize),
    Shopper(u64, i64),
    Webhook(u64),
    Read,
    Send,
    /// The answer arrives, `true` after it was sent twice.
    Answer(bool),
}

fn step() -> impl Strategy<Value = CommandStep> {
    let item = 1..=3_u64;
    prop_oneof![
        (item.clone(), -6..6_i64).prop_map(|(item, delta)| CommandStep::Adjust(item, delta)),
        (item.clone(), 0..20_i64).prop_map(|(item, quantity)| CommandStep::Set(item, quantity)),
        (item.clone(), 1..6_i64).prop_map(|(item, quantity)| CommandStep::Reserve(item, quantity)),
        (0..8_usize).prop_map(CommandStep::Release),
        (0..8_usize).prop_map(CommandStep::Sell),
        (item.clone(), 1..4_i64).prop_map(|(item, quantity)| CommandStep::Shopper(item, quantity)),
        item.prop_map(CommandStep::Webhook),
        Just(CommandStep::Read),
        Just(CommandStep::Send),
        any::<bool>().prop_map(CommandStep::Answer),
    ]
}

/// The other side, and what is on the way there.
struct Shopify {
    shelves: BTreeMap<u64, Shelf>,
    on_the_way: Vec<(OutboxMessage, StockCall)>,
    reservations: Vec<String>,
}

impl Shopify {
    fn level(&self, item: u64) -> Change {
        let shelf = self.shelves[&item];
        let Change::Level(mut said) = level(item, shelf.available, shelf.second) else {
            unreachable!("a level")
        };
        said.quantities.reserved = shelf.reserved;
        said.quantities.on_hand = shelf.available + shelf.reserved;
        Change::Level(said)
    }

    fn change(&mut self, item: u64, available: i64, reserved: i64) {
        let shelf = self.shelves.get_mut(&item).unwrap();
        shelf.available += available;
        shelf.reserved += reserved;
        shelf.second += 1;
    }

    /// Does a call as Shopify does: compared, and whole or not at all.
    fn carry_out(&mut self, call: &StockCall) -> MessageOutcome {
        let number = |item: schemas::InventoryItemId| item.to_string().parse::<u64>().unwrap();
        let stale = call.entries.iter().filter(|entry| {
            let shelf = self.shelves[&number(entry.item)];
            entry
                .change_from
                .is_some_and(|from| from != shelf.available)
        });
        let stale: Vec<_> = stale
            .map(|entry| ((entry.item, entry.location), LevelRefusal::Stale))
            .collect();
        if !stale.is_empty() {
            return MessageOutcome::Refused(stale);
        }
        for entry in &call.entries {
            let (item, quantity) = (number(entry.item), entry.quantity);
            match call.kind {
                CallKind::Adjust => self.change(item, quantity, 0),
                CallKind::Reserve => self.change(item, -quantity, quantity),
                CallKind::Release => self.change(item, quantity, -quantity),
                CallKind::Sell => self.change(item, 0, -quantity),
                CallKind::SetAvailable => {
                    self.change(item, quantity - self.shelves[&item].available, 0);
                }
                CallKind::SetOnHand | CallKind::Nothing => unreachable!("not given here"),
            }
        }
        MessageOutcome::Done
    }
}

impl World {
    async fn take(&self, step: CommandStep, shopify: &mut Shopify) {
        match step {
            CommandStep::Adjust(item, delta) if delta != 0 => {
                drop(self.give(adjust(item, delta, None)).await);
            }
            CommandStep::Adjust(..) => {}
            CommandStep::Set(item, quantity) => {
                drop(
                    self.give(update(item, quantity, SettableName::Available, None))
                        .await,
                );
            }
            CommandStep::Reserve(item, quantity) => {
                if let Ok(answer) = self.give(reserve(&[(item, quantity)])).await {
                    shopify
                        .reservations
                        .push(answer["reservationId"].as_str().unwrap().to_owned());
                }
            }
            CommandStep::Release(_) | CommandStep::Sell(_) if shopify.reservations.is_empty() => {}
            CommandStep::Release(index) => {
                let reservation_id = shopify
                    .reservations
                    .remove(index % shopify.reservations.len());
                drop(self.give(Command::Release { reservation_id }).await);
            }
            CommandStep::Sell(index) => {
                let reservation_id = shopify
                    .reservations
                    .remove(index % shopify.reservations.len());
                drop(
                    self.give(Command::Commit {
                        reservation_id,
                        sale: Sale::Outside,
                        order_id: None,
                    })
                    .await,
                );
            }
            CommandStep::Shopper(item, quantity) => {
                let taken = quantity.min(shopify.shelves[&item].available.max(0));
                if taken > 0 {
                    shopify.change(item, -taken, 0);
                }
            }
            CommandStep::Webhook(item) => {
                let shelf = shopify.shelves[&item];
                self.webhook(vec![available_only(item, shelf.available, shelf.second)])
                    .await;
            }
            CommandStep::Read => {
                self.read((1..=3).map(|item| shopify.level(item)).collect())
                    .await;
            }
            CommandStep::Send => shopify.on_the_way.extend(self.begin().await),
            CommandStep::Answer(twice) => {
                if !shopify.on_the_way.is_empty() {
                    let (message, call) = shopify.on_the_way.remove(0);
                    // A key makes the second sending a repetition of the first answer.
                    let end = shopify.carry_out(&call);
                    self.settle_message(&message, end.clone()).await;
                    if twice {
                        assert!(!self.settle_message(&message, end).await);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens in whatever order: in the end nothing is pending, the mirror says what the store has,
    /// every reservation that is open is held there, and no command took `available` below zero.
    #[test]
    fn the_sums_are_right_in_the_end(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = sqlite_world().stocked(10).await;
            let shelf = Shelf { available: 10, reserved: 0, second: 1 };
            let shelves = BTreeMap::from([(1, shelf), (2, shelf), (3, shelf)]);
            let mut shopify = Shopify { shelves, on_the_way: Vec::new(), reservations: Vec::new() };
            for step in steps {
                world.take(step, &mut shopify).await;
                for (item, shelf) in &shopify.shelves {
                    assert!(shelf.available >= 0 && shelf.reserved >= 0, "item {item}: {shelf:?}");
                }
            }
            // The world goes quiet: everything is sent, answered and read.
            for _ in 0..40 {
                for step in [CommandStep::Send, CommandStep::Answer(false), CommandStep::Answer(false), CommandStep::Answer(false), CommandStep::Read] {
                    world.take(step, &mut shopify).await;
                }
            }
            assert_eq!(world.pending().await, [0, 0, 0]);
            let there: Vec<_> = shopify.shelves.values().map(|shelf| shelf.available).collect();
            assert_eq!(world.available().await, there);
            assert!(!world.states().await.iter().any(|state| state == "accepted" || state == "sending"));
            let mut held = BTreeMap::from([(1, 0), (2, 0), (3, 0)]);
            for reservation in world.store.reservations(&shop(), ReservationFilter { limit: 1_000, ..ReservationFilter::default() }).await.unwrap() {
                assert_eq!(reservation.state, ReservationState::Held);
                for line in reservation.items {
                    *held.get_mut(&line.inventory_item_id.to_string().parse::<u64>().unwrap()).unwrap() += line.quantity;
                }
            }
            let reserved: BTreeMap<_, _> = shopify.shelves.iter().map(|(item, shelf)| (*item, shelf.reserved)).collect();
            assert_eq!(held, reserved);
        });
    }
}
