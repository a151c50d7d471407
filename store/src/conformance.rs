//! What holds for every store, asked through the trait alone.

mod claims;
mod commands;
mod disk;
mod names;
mod payments;
mod posts;
mod reading;
mod runs;
mod slices;
mod transfers;

use std::sync::Arc;

use futures_util::FutureExt as _;

use domain::Thresholds;
use schemas::event::OrderChange;
use schemas::record::{
    Customer, InventoryItem, Level, Location, Order, OrderLine, Product, Variant,
};
use schemas::shape::{OrderStatus, StockStatus};
use schemas::{
    Change, CustomerId, EventData, LevelSelection, LogEntry, Logged, Quantities, RecordKey,
    Resource, Role, Room, RunId, RunKind, RunState, Sequence, ShopDomain, SyncRun, Timestamp,
};

use crate::{
    Batch, Cause, Delivery, Fate, KeptSession, LocalUser, LoginLink, Operation, Outcome,
    PeopleWrite, Progress, Retention, Revocation, Revoked, RunRecord, SessionQuota, UserLogin,
};
use crate::{Collection, OrderView, Position, Store, StoreError, Writer, sqlite};
use claims::{
    a_full_run_reads_what_is_held_under_a_time_it_rules_out_and_counts_it,
    a_level_that_sells_faster_than_it_is_read_never_goes_back,
    a_number_that_changes_at_an_item_is_read_at_its_variant,
    a_read_wins_over_a_claimed_time_however_often_its_record_is_marked,
    a_redacted_customer_does_not_come_back_by_what_was_said_before,
    a_time_to_come_counts_as_of_now_and_is_read,
    an_id_that_another_body_has_taken_swallows_nothing,
    an_order_from_before_the_shop_was_known_is_not_told_as_placed,
    stock_at_a_deactivated_location_counts_no_longer_and_that_is_told,
    what_an_unreadable_delivery_is_about_is_read, what_is_not_on_sale_alarms_nobody,
    what_was_claimed_ahead_of_its_time_is_put_right_by_reading_it,
    where_a_secret_is_shared_nothing_is_added_on_a_headers_word,
};
use commands::{
    a_command_repeated_under_its_key_is_answered_and_not_done_again,
    a_hold_at_a_level_that_went_ends_without_waiting_for_it,
    a_hold_is_pending_until_shopify_has_it, a_hold_that_a_shopper_was_faster_for_is_rejected_whole,
    a_hold_that_ran_out_is_given_back_before_anything_new_is_granted,
    a_part_that_shopify_refuses_for_good_takes_the_held_part_back,
    a_stale_hold_is_sent_anew_after_a_reading_and_a_stale_setting_is_a_conflict,
    after_a_restored_backup_everything_unsettled_is_a_persons_to_look_at,
    commands_are_refused_when_shopify_has_not_answered_for_too_long,
    holds_and_releases_that_cancel_out_are_never_sent, holds_sum_to_at_most_what_there_was,
    holds_that_somebody_else_undid_at_shopify_are_an_alarm,
    lines_of_one_level_are_summed_before_the_check,
    neither_an_early_nor_a_late_webhook_counts_a_change_twice,
    settled_commands_are_forgotten_after_their_keeping_time_and_open_ones_never,
    what_comes_back_refused_from_a_level_that_went_fails_and_is_told,
    what_is_done_in_slices_is_done_whole, what_takes_no_stock_is_refused_by_code_and_field,
    what_waits_for_a_level_that_goes_fails_and_is_told,
};

use disk::an_order_with_its_webhooks_and_events_takes_nine_kilobytes_at_most;
use names::{
    a_wrong_name_is_drift_and_one_that_was_not_known_is_not,
    an_orders_events_tell_the_name_that_its_customer_has_then,
    names_that_are_no_longer_wanted_are_nowhere,
};
use payments::{
    each_payment_is_told_once_and_changes_nothing_else_of_its_order,
    what_is_known_first_of_the_payments_of_an_old_order_is_no_news,
};
use posts::{
    of_two_alike_without_a_name_both_are_told_but_no_repetition,
    what_is_posted_again_under_its_key_is_told_once,
};
use reading::{
    a_session_that_another_claims_counts_as_theirs, both_handles_see_what_was_answered,
    deliveries_are_counted_by_topic_and_listed_newest_first,
    marks_and_adjustments_are_paged_in_their_order,
    of_two_variants_of_one_item_the_lowest_is_named_everywhere,
    operations_of_one_group_see_each_other, pruning_takes_what_is_old_and_nothing_that_waits,
    what_was_written_is_there_when_the_store_is_opened_anew,
    who_waits_for_commits_is_woken_by_those_that_append,
};
use runs::{
    a_doubt_is_settled_by_a_read_and_counted_at_its_run,
    a_dry_run_tells_what_it_would_put_right_and_puts_nothing_right, a_quiet_store_shows_no_drift,
    another_store_than_the_first_is_recognised_until_the_first_is_forgotten,
    of_a_forgotten_shop_nothing_is_kept_and_its_log_goes_on,
    of_a_redacted_customer_nothing_is_kept, the_last_full_run_is_found_behind_any_number_of_others,
    what_a_full_run_puts_right_late_is_drift_and_what_is_young_is_not,
    what_is_held_is_listed_by_resource, what_was_heard_of_meanwhile_is_no_drift,
};
use slices::{
    a_customer_stays_forgotten_though_it_was_cut_off,
    a_customer_with_many_orders_is_forgotten_in_slices,
    a_shop_is_forgotten_in_slices_and_goes_on_where_it_was_cut_off, names_are_forgotten_in_slices,
    names_stay_forgotten_though_it_was_cut_off, old_entries_and_deliveries_are_pruned_in_slices,
    the_levels_of_a_location_are_judged_though_it_was_cut_off,
    the_levels_of_a_location_that_closed_are_judged_in_slices,
    while_a_customer_is_forgotten_nothing_new_of_them_is_kept,
};
use transfers::{
    a_transfer_is_heard_at_both_ends_also_where_they_are_said_no_more,
    a_transfer_is_told_once_however_often_it_is_said_and_never_older_after_newer,
    what_was_told_of_a_transfer_is_forgotten_with_its_deliveries_and_with_its_shop,
};

/// A store at work and what keeps it so.
struct World {
    store: Arc<dyn Store>,
    /// In a world at rest: it writes when it is stepped, and else a thread does.
    writer: std::cell::RefCell<Option<Writer>>,
    writing: Option<std::thread::JoinHandle<crate::Result<()>>>,
    /// Removed at the end; readers open the file whenever they need another connection.
    folder: tempfile::TempDir,
    deliveries: std::cell::Cell<u32>,
}

fn sqlite_world() -> World {
    World::at_work(sqlite::testing::open(), 0)
}

fn sqlite_world_at_rest() -> World {
    let (folder, sqlite::Opened { store, writer, .. }) = sqlite::testing::open();
    World {
        store,
        writer: Some(writer).into(),
        writing: None,
        folder,
        deliveries: 0.into(),
    }
}

/// Makes each fact a test of every backend; those behind the semicolon are of a world at rest.
macro_rules! holds_for_all {
    ($($fact:ident),* $(,)?; $($stepped:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $fact() { super::$fact(super::sqlite_world()).await })*
            $(#[tokio::test] async fn $stepped() { super::$stepped(super::sqlite_world_at_rest()).await })*
        }
    };
}

holds_for_all! {
    a_delivery_is_kept_once_and_its_body_until_it_is_applied,
    a_delivery_of_an_unknown_shop_is_refused_and_the_others_of_its_group_are_not,
    a_settled_delivery_changes_nothing_again,
    an_unreadable_delivery_keeps_its_body_and_is_not_tried_again,
    an_older_level_changes_nothing_and_a_newer_one_is_told,
    a_tie_is_marked_and_settled_by_a_read,
    a_reading_cannot_wipe_a_mark_made_after_it_began,
    a_record_goes_only_when_a_read_says_so,
    a_location_that_goes_takes_its_levels_along,
    a_variant_that_is_missing_from_a_list_stays_until_its_product_was_read,
    crossings_are_told_once_and_changed_thresholds_judged_anew,
    untracked_and_inactive_levels_never_cross,
    one_order_change_gives_one_event,
    what_is_posted_again_under_its_key_is_told_once,
    of_two_alike_without_a_name_both_are_told_but_no_repetition,
    an_orders_events_tell_the_name_that_its_customer_has_then,
    a_wrong_name_is_drift_and_one_that_was_not_known_is_not,
    names_that_are_no_longer_wanted_are_nowhere,
    each_payment_is_told_once_and_changes_nothing_else_of_its_order,
    what_is_known_first_of_the_payments_of_an_old_order_is_no_news,
    a_transfer_is_told_once_however_often_it_is_said_and_never_older_after_newer,
    a_transfer_is_heard_at_both_ends_also_where_they_are_said_no_more,
    what_was_told_of_a_transfer_is_forgotten_with_its_deliveries_and_with_its_shop,
    a_time_to_come_counts_as_of_now_and_is_read,
    what_was_claimed_ahead_of_its_time_is_put_right_by_reading_it,
    a_read_wins_over_a_claimed_time_however_often_its_record_is_marked,
    a_level_that_sells_faster_than_it_is_read_never_goes_back,
    a_full_run_reads_what_is_held_under_a_time_it_rules_out_and_counts_it,
    where_a_secret_is_shared_nothing_is_added_on_a_headers_word,
    an_id_that_another_body_has_taken_swallows_nothing,
    what_an_unreadable_delivery_is_about_is_read,
    a_redacted_customer_does_not_come_back_by_what_was_said_before,
    an_order_from_before_the_shop_was_known_is_not_told_as_placed,
    stock_at_a_deactivated_location_counts_no_longer_and_that_is_told,
    what_is_not_on_sale_alarms_nobody,
    a_number_that_changes_at_an_item_is_read_at_its_variant,
    an_order_has_every_level_of_its_lines_read_again,
    a_first_import_is_told_as_a_run_and_not_record_by_record,
    a_run_goes_on_where_it_was_and_ends_once,
    two_runs_of_a_resource_never_overlap,
    a_replay_gives_each_entry_of_its_rooms_once_and_in_order,
    what_was_forgotten_cannot_be_replayed_silently,
    a_snapshot_is_exact_at_its_place_in_the_log,
    lists_are_paged_by_id,
    what_a_full_run_puts_right_late_is_drift_and_what_is_young_is_not,
    a_quiet_store_shows_no_drift,
    a_doubt_is_settled_by_a_read_and_counted_at_its_run,
    what_was_heard_of_meanwhile_is_no_drift,
    a_dry_run_tells_what_it_would_put_right_and_puts_nothing_right,
    what_is_held_is_listed_by_resource,
    the_last_full_run_is_found_behind_any_number_of_others,
    another_store_than_the_first_is_recognised_until_the_first_is_forgotten,
    of_a_redacted_customer_nothing_is_kept,
    of_a_forgotten_shop_nothing_is_kept_and_its_log_goes_on,
    a_session_is_kept_as_it_was_last_written_until_it_is_old,
    sessions_beyond_a_quota_make_room_and_are_not_forgotten_silently,
    pages_of_orders_have_no_others_than_may_be_seen,
    what_is_erased_is_told_before_it_is_answered,
    a_readers_position_is_kept_as_it_was_last_written,
    a_revocation_is_kept_until_its_last_token_has_run_out,
    people_are_kept_as_they_were_last_written_and_ended_logins_are_gone,
    holds_sum_to_at_most_what_there_was,
    lines_of_one_level_are_summed_before_the_check,
    a_command_repeated_under_its_key_is_answered_and_not_done_again,
    what_takes_no_stock_is_refused_by_code_and_field,
    a_hold_is_pending_until_shopify_has_it,
    neither_an_early_nor_a_late_webhook_counts_a_change_twice,
    a_stale_hold_is_sent_anew_after_a_reading_and_a_stale_setting_is_a_conflict,
    a_hold_that_a_shopper_was_faster_for_is_rejected_whole,
    a_part_that_shopify_refuses_for_good_takes_the_held_part_back,
    a_hold_that_ran_out_is_given_back_before_anything_new_is_granted,
    holds_and_releases_that_cancel_out_are_never_sent,
    commands_are_refused_when_shopify_has_not_answered_for_too_long,
    holds_that_somebody_else_undid_at_shopify_are_an_alarm,
    after_a_restored_backup_everything_unsettled_is_a_persons_to_look_at,
    settled_commands_are_forgotten_after_their_keeping_time_and_open_ones_never,
    a_hold_at_a_level_that_went_ends_without_waiting_for_it,
    what_comes_back_refused_from_a_level_that_went_fails_and_is_told,
    what_waits_for_a_level_that_goes_fails_and_is_told,
    what_was_written_is_there_when_the_store_is_opened_anew,
    both_handles_see_what_was_answered,
    who_waits_for_commits_is_woken_by_those_that_append,
    marks_and_adjustments_are_paged_in_their_order,
    deliveries_are_counted_by_topic_and_listed_newest_first,
    pruning_takes_what_is_old_and_nothing_that_waits,
    a_session_that_another_claims_counts_as_theirs,
    of_two_variants_of_one_item_the_lowest_is_named_everywhere,
    an_order_with_its_webhooks_and_events_takes_nine_kilobytes_at_most;

    operations_of_one_group_see_each_other,
    what_is_done_in_slices_is_done_whole,
    a_customer_stays_forgotten_though_it_was_cut_off,
    a_customer_with_many_orders_is_forgotten_in_slices,
    a_shop_is_forgotten_in_slices_and_goes_on_where_it_was_cut_off,
    names_are_forgotten_in_slices, names_stay_forgotten_though_it_was_cut_off,
    old_entries_and_deliveries_are_pruned_in_slices,
    the_levels_of_a_location_are_judged_though_it_was_cut_off,
    the_levels_of_a_location_that_closed_are_judged_in_slices,
    while_a_customer_is_forgotten_nothing_new_of_them_is_kept,
}

fn shop() -> ShopDomain {
    "a.myshopify.com".parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn level(item: u64, available: i64, second: i64) -> Change {
    let quantities = Quantities {
        available,
        on_hand: available,
        ..Quantities::default()
    };
    Change::Level(Level {
        inventory_item_id: item.try_into().unwrap(),
        location_id: 1_u64.try_into().unwrap(),
        gid: None,
        active: true,
        quantities,
        updated_at: at(second),
    })
}

fn available_only(item: u64, available: i64, second: i64) -> Change {
    Change::LevelAvailable {
        inventory_item_id: item.try_into().unwrap(),
        location_id: 1_u64.try_into().unwrap(),
        gid: Some(
            "gid://shopify/InventoryLevel/9?inventory_item_id=1"
                .parse()
                .unwrap(),
        ),
        available: Some(available),
        updated_at: at(second),
    }
}

fn item(id: u64, tracked: bool, second: i64) -> Change {
    Change::Item(InventoryItem {
        id: id.try_into().unwrap(),
        sku: None,
        tracked,
        updated_at: at(second),
    })
}

fn product(id: u64, title: &str, second: i64, variants: Option<&[u64]>) -> Change {
    let product = Product {
        id: id.try_into().unwrap(),
        title: title.to_owned(),
        handle: String::new(),
        vendor: "Acme".to_owned(),
        product_type: String::new(),
        status: "active".to_owned(),
        updated_at: at(second),
    };
    let variants = variants.map(|ids| ids.iter().map(|id| (*id).try_into().unwrap()).collect());
    Change::Product { product, variants }
}

fn variant(id: u64, product: u64, price: &str, second: i64) -> Change {
    Change::Variant(Variant {
        id: id.try_into().unwrap(),
        product_id: product.try_into().unwrap(),
        title: "Small".to_owned(),
        sku: Some(format!("SKU-{id}")),
        barcode: None,
        price: price.parse().unwrap(),
        continue_selling: false,
        bundle: None,
        inventory_item_id: id.try_into().ok(),
        updated_at: at(second),
    })
}

fn order(id: u64, status: OrderStatus, paid: &str, second: i64) -> Change {
    Change::Order(Order {
        id: id.try_into().unwrap(),
        name: format!("#{id}"),
        customer_id: 5_u64.try_into().ok(),
        status,
        financial_status: Some(paid.to_owned()),
        fulfillment_status: None,
        total: "10".parse().unwrap(),
        currency: "EUR".to_owned(),
        channel: None,
        locations: vec![],
        lines: vec![],
        payments: None,
        created_at: at(0),
        updated_at: at(second),
    })
}

pub(crate) fn order_of(id: u64, customer: Option<CustomerId>, second: i64) -> Change {
    let Change::Order(order) = order(id, OrderStatus::Created, "pending", second) else {
        unreachable!()
    };
    Change::Order(Order {
        customer_id: customer,
        ..order
    })
}

fn level_key(item: u64) -> RecordKey {
    RecordKey::Level(item.try_into().unwrap(), 1_u64.try_into().unwrap())
}

pub(crate) fn run(id: &str, resource: Resource, first: bool) -> RunRecord {
    let run = SyncRun {
        run_id: id.parse().unwrap(),
        resource,
        kind: RunKind::Full,
        dry_run: false,
        state: RunState::Running,
        processed: 0,
        total: None,
        bulk_objects: None,
        changed: 0,
        deleted: 0,
        drift: 0,
        started_at: at(0),
        finished_at: None,
        error: None,
    };
    RunRecord {
        shop: shop(),
        run,
        first,
        since: None,
        until: None,
        resume: String::new(),
    }
}

impl World {
    fn at_work((folder, opened): (tempfile::TempDir, sqlite::Opened), deliveries: u32) -> Self {
        let sqlite::Opened { store, writer, .. } = opened;
        Self {
            store,
            writer: None.into(),
            writing: Some(std::thread::spawn(move || writer.run())),
            folder,
            deliveries: deliveries.into(),
        }
    }

    /// The store ends, and is opened anew.
    fn reopened(self) -> Self {
        drop(self.store);
        self.writing.unwrap().join().unwrap().unwrap();
        let opened = sqlite::testing::open_in(&self.folder);
        Self::at_work((self.folder, opened), self.deliveries.get())
    }

    async fn registered(self) -> Self {
        self.do_(Operation::Register {
            shop: shop(),
            thresholds: Thresholds::default(),
            at: at(0),
        })
        .await;
        self
    }

    async fn do_(&self, operation: Operation) -> Outcome {
        let mut outcome = self.store.write(operation);
        while self.writer.borrow().is_some() {
            if let Some(outcome) = outcome.as_mut().now_or_never() {
                return outcome.unwrap();
            }
            while self.step() {}
            // What was sent may be held back until the runtime had a turn.
            tokio::task::yield_now().await;
        }
        outcome.await.unwrap()
    }

    /// Has the writer do what waits now, or one slice of it. False when nothing waited.
    fn step(&self) -> bool {
        let mut writer = self.writer.borrow_mut();
        writer.as_mut().unwrap().step().unwrap()
    }

    fn delivery(id: &str) -> Delivery {
        Delivery {
            shop: shop(),
            webhook_id: id.parse().unwrap(),
            topic: "t/t".to_owned(),
            triggered_at: Some(at(1)),
            received_at: at(2),
            body: b"{}".to_vec(),
            signature: b"signed".to_vec(),
        }
    }

    /// A delivery arrives and says this.
    async fn webhook(&self, changes: Vec<Change>) -> Outcome {
        self.deliveries.set(self.deliveries.get() + 1);
        let id = format!("w{}", self.deliveries.get());
        self.do_(Operation::Accept(Self::delivery(&id))).await;
        self.settle(&id, Fate::Applied, changes).await
    }

    async fn settle(&self, id: &str, fate: Fate, changes: Vec<Change>) -> Outcome {
        let cause = Cause::Webhook {
            id: id.parse().unwrap(),
            fate,
            shared_secret: false,
        };
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await
    }

    /// The marked records are read, and this is what they say.
    async fn read(&self, changes: Vec<Change>) -> Outcome {
        let marks = self
            .store
            .marked(&shop(), at(1_000_000), 100)
            .await
            .unwrap();
        let cause = Cause::Read(
            marks
                .iter()
                .map(|marked| (marked.key, marked.mark))
                .collect(),
        );
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await
    }

    async fn page(&self, id: &str, changes: Vec<Change>, resume: &str) -> Outcome {
        let progress = Progress {
            processed: 1,
            total: Some(2),
            bulk_objects: None,
            resume: resume.to_owned(),
            until: Some(at(50)),
        };
        let cause = Cause::Run {
            run: id.parse().unwrap(),
            progress,
        };
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await
    }

    async fn finish(&self, id: &str, state: RunState) -> Outcome {
        let run: RunId = id.parse().unwrap();
        self.do_(Operation::FinishRun {
            shop: shop(),
            run,
            state,
            error: None,
            at: at(200),
        })
        .await
    }

    async fn marked(&self) -> Vec<RecordKey> {
        let marked = self
            .store
            .marked(&shop(), at(1_000_000), 100)
            .await
            .unwrap();
        marked.into_iter().map(|marked| marked.key).collect()
    }

    async fn log(&self) -> Vec<LogEntry> {
        self.store.entries(Sequence(0), 1_000).await.unwrap()
    }

    /// The log in short: the kind of each event, with `available` where it is a level's.
    async fn story(&self) -> Vec<String> {
        let short = |entry: &LogEntry| match &entry.event {
            Logged::InventoryUpdated(EventData::Own(change)) => {
                format!(
                    "updated {:?}→{}",
                    change.previous_available, change.level.available
                )
            }
            Logged::InventoryLowStock(EventData::Own(level)) => format!("low {}", level.available),
            Logged::InventoryOutOfStock(EventData::Own(level)) => {
                format!("out {}", level.available)
            }
            Logged::InventoryRestocked(EventData::Own(level)) => {
                format!("restocked {}", level.available)
            }
            Logged::OrderCreated(EventData::Own(order))
            | Logged::OrderUpdated(EventData::Own(order))
            | Logged::OrderStatusChanged(EventData::Own(order))
            | Logged::OrderDeleted(EventData::Own(order)) => format!("order {:?}", order.change),
            Logged::PaymentFailed(EventData::Own(payment)) => {
                format!("payment:failed {}", payment.amount)
            }
            Logged::PaymentReceived(EventData::Own(payment)) => {
                format!("payment:received {}", payment.amount)
            }
            Logged::PaymentRefunded(EventData::Own(payment)) => {
                format!("payment:refunded {}", payment.amount)
            }
            other => serde_json::to_value(other).unwrap()["kind"]
                .as_str()
                .unwrap()
                .to_owned(),
        };
        self.log().await.iter().map(short).collect()
    }

    async fn available(&self) -> Vec<i64> {
        let all = self
            .store
            .levels(vec![shop()], LevelSelection::default(), None, 100)
            .await
            .unwrap();
        all.0.iter().map(|level| level.available).collect()
    }
}

async fn a_delivery_is_kept_once_and_its_body_until_it_is_applied(world: World) {
    let world = world.registered().await;
    assert!(
        world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert!(
        !world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert_eq!(world.store.inbox(10).await.unwrap(), [World::delivery("a")]);
    world.settle("a", Fate::Applied, vec![]).await;
    assert_eq!(world.store.inbox(10).await.unwrap(), []);
    assert!(
        !world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh,
        "recognised after it was applied"
    );
    assert_eq!(
        world.store.delivery_counts(&shop()).await.unwrap(),
        [("t/t".to_owned(), "applied", 1)]
    );
}

async fn a_delivery_of_an_unknown_shop_is_refused_and_the_others_of_its_group_are_not(
    world: World,
) {
    let world = world.registered().await;
    let stranger = Delivery {
        shop: "b.myshopify.com".parse().unwrap(),
        ..World::delivery("b")
    };
    let (refused, kept) = tokio::join!(
        world.store.write(Operation::Accept(stranger)),
        world.store.write(Operation::Accept(World::delivery("a"))),
    );
    assert!(matches!(refused, Err(StoreError::UnknownShop(_))));
    assert!(kept.unwrap().fresh);
}

async fn a_settled_delivery_changes_nothing_again(world: World) {
    let world = world.registered().await;
    world.do_(Operation::Accept(World::delivery("a"))).await;
    assert!(
        world
            .settle("a", Fate::Applied, vec![level(1, 5, 1)])
            .await
            .fresh
    );
    assert!(
        !world
            .settle("a", Fate::Applied, vec![level(1, 6, 2)])
            .await
            .fresh
    );
    assert_eq!(world.available().await, [5]);
}

async fn an_unreadable_delivery_keeps_its_body_and_is_not_tried_again(world: World) {
    let world = world.registered().await;
    world.do_(Operation::Accept(World::delivery("a"))).await;
    world
        .settle("a", Fate::Unreadable("why".to_owned()), vec![])
        .await;
    assert_eq!(world.store.inbox(10).await.unwrap(), []);
    let shelved = world
        .store
        .deliveries(&shop(), "unreadable", 10)
        .await
        .unwrap();
    assert_eq!(shelved[0].reason.as_deref(), Some("why"));
    let keep = |before| Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: before,
    };
    world.do_(Operation::Prune(keep(at(2)))).await;
    assert_eq!(
        world
            .store
            .deliveries(&shop(), "unreadable", 10)
            .await
            .unwrap()
            .len(),
        1
    );
    world.do_(Operation::Prune(keep(at(3)))).await;
    assert_eq!(
        world
            .store
            .deliveries(&shop(), "unreadable", 10)
            .await
            .unwrap()
            .len(),
        0
    );
}

async fn an_older_level_changes_nothing_and_a_newer_one_is_told(world: World) {
    let world = world.registered().await;
    world.webhook(vec![available_only(1, 20, 5)]).await;
    world.webhook(vec![available_only(1, 99, 4)]).await;
    world.webhook(vec![available_only(1, 19, 6)]).await;
    world.webhook(vec![available_only(1, 19, 6)]).await;
    assert_eq!(world.available().await, [19]);
    assert_eq!(
        world.story().await,
        ["updated None→20", "updated Some(20)→19"]
    );
}

async fn a_tie_is_marked_and_settled_by_a_read(world: World) {
    let world = world.registered().await;
    for (id, first, second) in [(20, 20, 30), (30, 30, 20)] {
        world
            .webhook(vec![item(id, true, 1), available_only(id, first, 5)])
            .await;
        world
            .read(vec![level(id, first, 5), Change::Location(location(1))])
            .await;
        world.webhook(vec![available_only(id, second, 5)]).await;
        assert_eq!(
            world.marked().await,
            [level_key(id)],
            "two values at one time: only a read can tell"
        );
        world.read(vec![level(id, 25, 5)]).await;
        assert_eq!(world.marked().await, []);
    }
    assert_eq!(world.available().await, [25, 25]);
}

fn location(id: u64) -> Location {
    Location {
        id: id.try_into().unwrap(),
        name: "Berlin".to_owned(),
        active: true,
        fulfillment_service: false,
        updated_at: at(0),
    }
}

async fn a_reading_cannot_wipe_a_mark_made_after_it_began(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            item(1, true, 1),
            Change::Location(location(1)),
            available_only(1, 20, 5),
        ])
        .await;
    let began = world
        .store
        .marked(&shop(), at(1_000_000), 10)
        .await
        .unwrap();
    // While the reading is under way, something newer is heard.
    world.webhook(vec![available_only(1, 10, 6)]).await;
    let cause = Cause::Read(
        began
            .iter()
            .map(|marked| (marked.key, marked.mark))
            .collect(),
    );
    let changes = vec![level(1, 20, 5)];
    world
        .do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await;
    assert_eq!(world.available().await, [10]);
    assert_eq!(world.marked().await, [level_key(1)], "still to be read");
}

async fn a_record_goes_only_when_a_read_says_so(world: World) {
    let world = world.registered().await;
    let key = RecordKey::Product(1_u64.try_into().unwrap());
    world
        .webhook(vec![
            product(1, "Shirt", 1, Some(&[1])),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    world
        .webhook(vec![level(1, 5, 1), Change::Location(location(1))])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    assert_eq!(
        world
            .store
            .list(&shop(), Collection::Products, 0, 10)
            .await
            .unwrap()
            .len(),
        1,
        "a notice is a hint"
    );
    world.read(vec![Change::Gone(key)]).await;
    for collection in [
        Collection::Products,
        Collection::Variants,
        Collection::Items,
    ] {
        assert_eq!(
            world
                .store
                .list(&shop(), collection, 0, 10)
                .await
                .unwrap()
                .len(),
            0
        );
    }
    assert_eq!(world.available().await, [] as [i64; 0]);
    assert_eq!(world.story().await.last().unwrap(), "product:deleted");
    assert_eq!(world.marked().await, []);
}

async fn a_location_that_goes_takes_its_levels_along(world: World) {
    let world = world.registered().await;
    let key = RecordKey::Location(1_u64.try_into().unwrap());
    world
        .webhook(vec![
            item(1, true, 1),
            level(1, 5, 1),
            Change::Location(location(1)),
        ])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    assert_eq!(world.available().await, [5], "a notice is a hint");
    world.read(vec![Change::Gone(key)]).await;
    assert_eq!(world.available().await, [] as [i64; 0]);
    assert_eq!(
        world.story().await.last().unwrap(),
        "updated Some(5)→5",
        "told as no longer active"
    );
}

async fn a_variant_that_is_missing_from_a_list_stays_until_its_product_was_read(world: World) {
    let world = world.registered().await;
    let variants = || {
        [
            item(1, true, 1),
            item(2, true, 1),
            variant(1, 1, "5", 1),
            variant(2, 1, "5", 1),
        ]
    };
    world
        .webhook(
            [product(1, "Shirt", 1, Some(&[1, 2]))]
                .into_iter()
                .chain(variants())
                .collect(),
        )
        .await;
    world
        .webhook(vec![product(1, "Shirt", 2, Some(&[1]))])
        .await;
    let count = || async {
        world
            .store
            .list(&shop(), Collection::Variants, 0, 10)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(count().await, 2);
    assert_eq!(
        world.marked().await,
        [RecordKey::Product(1_u64.try_into().unwrap())]
    );
    world
        .read(vec![
            product(1, "Shirt", 2, Some(&[1])),
            variant(1, 1, "5", 1),
        ])
        .await;
    assert_eq!(count().await, 1);
}

async fn crossings_are_told_once_and_changed_thresholds_judged_anew(world: World) {
    let world = world.registered().await;
    for (second, available) in [(1, 20), (2, 10), (3, 9), (4, 0), (5, -1), (6, 3), (7, 11)] {
        world.webhook(vec![level(1, available, second)]).await;
    }
    let crossed = |story: Vec<String>| -> Vec<String> {
        story
            .into_iter()
            .filter(|line| !line.starts_with("updated"))
            .collect()
    };
    assert_eq!(
        crossed(world.story().await),
        ["low 10", "out 0", "restocked 11"]
    );
    let thresholds = Thresholds {
        default: 15,
        ..Thresholds::default()
    };
    world
        .do_(Operation::Register {
            shop: shop(),
            thresholds,
            at: at(300),
        })
        .await;
    assert_eq!(crossed(world.story().await).last().unwrap(), "low 11");
    let (levels, _) = world
        .store
        .levels(vec![shop()], LevelSelection::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(
        (levels[0].threshold, levels[0].status),
        (15, StockStatus::LowStock)
    );
}

async fn untracked_and_inactive_levels_never_cross(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![item(1, false, 1), level(1, 20, 1)])
        .await;
    world.webhook(vec![level(1, 0, 2)]).await;
    assert_eq!(
        world.story().await,
        ["updated None→20", "updated Some(20)→0"]
    );
    // Counting again, it starts afresh: what it is at then is no crossing.
    world.webhook(vec![item(1, true, 2)]).await;
    world.webhook(vec![level(1, 20, 3)]).await;
    assert_eq!(
        world.story().await[2..],
        ["updated Some(0)→20", "restocked 20"]
    );
}

async fn one_order_change_gives_one_event(world: World) {
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

async fn an_order_has_every_level_of_its_lines_read_again(world: World) {
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

async fn a_first_import_is_told_as_a_run_and_not_record_by_record(world: World) {
    let world = world.registered().await;
    world
        .do_(Operation::StartRun(run("r1", Resource::Products, true)))
        .await;
    let page = vec![
        product(1, "Shirt", 1, None),
        item(1, true, 1),
        variant(1, 1, "5", 1),
        level(1, 3, 1),
    ];
    assert_eq!(world.page("r1", page, "there").await.changed, 4);
    world.finish("r1", RunState::Completed).await;
    assert_eq!(
        world.story().await,
        ["shopify:sync_status", "shopify:sync_status"]
    );
    let Logged::ShopifySyncStatus(ended) = &world.log().await[1].event else {
        panic!("a run's end")
    };
    assert_eq!((ended.state, ended.changed), (RunState::Completed, 4));
    // What changes after it is told.
    world.webhook(vec![variant(1, 1, "6", 2)]).await;
    assert_eq!(
        world.story().await[2..],
        ["product:price_changed", "product:updated"]
    );
}

async fn a_run_goes_on_where_it_was_and_ends_once(world: World) {
    let world = world.registered().await;
    world
        .do_(Operation::StartRun(run("r1", Resource::Inventory, true)))
        .await;
    world.page("r1", vec![level(1, 3, 1)], "there").await;
    let held = world.store.runs(&shop(), 10).await.unwrap().remove(0);
    assert_eq!(
        (held.resume.as_str(), held.run.processed, held.until),
        ("there", 1, Some(at(50)))
    );
    assert_eq!(
        world
            .store
            .watermark(&shop(), Resource::Inventory)
            .await
            .unwrap(),
        None,
        "its window is still open"
    );
    assert!(world.finish("r1", RunState::Completed).await.fresh);
    assert!(!world.finish("r1", RunState::Failed).await.fresh);
    assert!(
        !world.page("r1", vec![level(1, 9, 9)], "late").await.fresh,
        "a page after the end changes nothing"
    );
    assert_eq!(world.available().await, [3]);
    assert_eq!(
        world
            .store
            .watermark(&shop(), Resource::Inventory)
            .await
            .unwrap(),
        Some(at(50))
    );
}

async fn two_runs_of_a_resource_never_overlap(world: World) {
    let world = world.registered().await;
    assert!(
        world
            .do_(Operation::StartRun(run("r1", Resource::Products, true)))
            .await
            .fresh
    );
    assert!(
        !world
            .do_(Operation::StartRun(run("r2", Resource::Products, true)))
            .await
            .fresh
    );
    assert!(
        world
            .do_(Operation::StartRun(run("r3", Resource::Inventory, true)))
            .await
            .fresh
    );
    world.finish("r1", RunState::Failed).await;
    assert!(
        world
            .do_(Operation::StartRun(run("r2", Resource::Products, true)))
            .await
            .fresh
    );
}

async fn a_replay_gives_each_entry_of_its_rooms_once_and_in_order(world: World) {
    let world = world.registered().await;
    for second in 1..=6 {
        let id = 1 + u64::try_from(second).unwrap() % 2;
        world.webhook(vec![level(id, 20 + second, second)]).await;
        world
            .webhook(vec![order(1, OrderStatus::Created, "pending", second)])
            .await;
    }
    let head = world.store.head().sequence;
    let rooms = vec![Room::InventoryAll, Room::InventoryLocation(1.into())];
    let all = world
        .store
        .replay(&shop(), rooms.clone(), Sequence(0), head, 100)
        .await
        .unwrap();
    assert_eq!(all.len(), 6, "in two rooms, and given once");
    assert!(all.is_sorted_by_key(LogEntry::sequence));
    let first = world
        .store
        .replay(&shop(), rooms.clone(), Sequence(0), head, 4)
        .await
        .unwrap();
    let rest = world
        .store
        .replay(&shop(), rooms, first[3].sequence(), head, 100)
        .await
        .unwrap();
    assert_eq!([first, rest].concat(), all);
    let both = world
        .store
        .replay(&shop(), vec![], Sequence(0), head, 100)
        .await
        .unwrap();
    assert_eq!(both, world.log().await);
}

async fn what_was_forgotten_cannot_be_replayed_silently(world: World) {
    let world = world.registered().await;
    world.webhook(vec![level(1, 20, 1)]).await;
    world.webhook(vec![level(1, 21, 2)]).await;
    let head = world.store.head().sequence;
    assert_eq!(world.store.floor().await.unwrap(), Sequence(0));
    let before = |log_before| Retention {
        deliveries_before: at(0),
        log_before,
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(before(at(1_000)))).await;
    assert_eq!(
        world.store.head().sequence,
        head,
        "places are never given out twice"
    );
    assert_eq!(world.store.floor().await.unwrap(), head);
    let shop = shop();
    let replay = |after| {
        world
            .store
            .replay(&shop, vec![Room::InventoryAll], after, head, 10)
    };
    assert!(matches!(
        replay(Sequence(head.0 - 1)).await,
        Err(StoreError::TooOld(_))
    ));
    assert_eq!(replay(head).await.unwrap(), []);
    world.webhook(vec![level(1, 22, 3)]).await;
    assert_eq!(world.store.head().sequence, Sequence(head.0 + 1));
}

async fn a_session_is_kept_as_it_was_last_written_until_it_is_old(world: World) {
    let quota = SessionQuota {
        owner_records: 9,
        owner_bytes: 999,
        records: 9,
        bytes: 999,
    };
    let keep = |id: &str, rooms: &str, second| {
        let (id, owner, rooms) = (id.to_owned(), "ann".to_owned(), rooms.to_owned());
        world.do_(Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at: at(second),
        })
    };
    keep("one", "a", 1).await;
    keep("one", "a and b", 20).await;
    keep("two", "c", 10).await;
    let kept = async |id| world.store.session(id, "ann").await.unwrap().rooms;
    assert_eq!(kept("one").await.as_deref(), Some("a and b"));
    assert_eq!(kept("three").await, None);
    let retention = Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(15),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert_eq!(
        (kept("one").await.as_deref(), kept("two").await),
        (Some("a and b"), None)
    );
}

async fn sessions_beyond_a_quota_make_room_and_are_not_forgotten_silently(world: World) {
    let quota = SessionQuota {
        owner_records: 3,
        owner_bytes: 20,
        records: 4,
        bytes: 1_000,
    };
    let keep = |id: &str, owner: &str, rooms: &str, second| {
        let (id, owner, rooms) = (id.to_owned(), owner.to_owned(), rooms.to_owned());
        world.do_(Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at: at(second),
        })
    };
    let kept = async |id: &str, owner: &str| world.store.session(id, owner).await.unwrap();
    for second in 1..=4 {
        keep(&format!("a{second}"), "ann", "1234", second).await;
    }
    assert_eq!(
        kept("a1", "ann").await,
        KeptSession {
            rooms: None,
            evicted_at: Some(at(1))
        },
        "too many"
    );
    assert_eq!(
        kept("none", "bob").await,
        KeptSession::default(),
        "nobody else pays for it"
    );
    // Written anew it counts once, and is the newest.
    keep("a2", "ann", "1234567", 5).await;
    assert_eq!(kept("a3", "ann").await.rooms.as_deref(), Some("1234"));
    keep("a4", "ann", "12345678901234", 6).await;
    let left = [
        kept("a2", "ann").await.rooms,
        kept("a3", "ann").await.rooms,
        kept("a4", "ann").await.rooms,
    ];
    assert_eq!(
        left.map(|rooms| rooms.is_some()),
        [false, false, true],
        "too many bytes"
    );
    assert_eq!(kept("a2", "ann").await.evicted_at, Some(at(5)));
    // One that is too large alone stays: its socket lives.
    keep("a4", "ann", &"x".repeat(30), 7).await;
    assert!(kept("a4", "ann").await.rooms.is_some());
    for (number, owner) in ["bob", "cyn", "dan", "eve"].into_iter().enumerate() {
        keep(owner, owner, "1", 10 + i64::try_from(number).unwrap()).await;
    }
    assert_eq!(
        kept("a4", "ann").await,
        KeptSession {
            rooms: None,
            evicted_at: Some(at(7))
        },
        "too many in all"
    );
    assert_eq!(kept("none", "bob").await.evicted_at, Some(at(7)));
    assert!(kept("bob", "bob").await.rooms.is_some());
}

async fn pages_of_orders_have_no_others_than_may_be_seen(world: World) {
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

async fn what_is_erased_is_told_before_it_is_answered(world: World) {
    let world = world.registered().await;
    let erasures = world.store.erasures();
    world.webhook(vec![product(1, "Shirt", 1, None)]).await;
    assert_eq!(*erasures.borrow(), 0);
    world
        .webhook(vec![Change::Redacted(5_u64.try_into().unwrap())])
        .await;
    assert_eq!(*erasures.borrow(), 1);
}

async fn a_readers_position_is_kept_as_it_was_last_written(world: World) {
    let keep = |reader: &str, position: &Position| {
        world.do_(Operation::KeepPosition {
            reader: reader.to_owned(),
            position: position.clone(),
        })
    };
    let first = Position {
        after: Sequence(3),
        at: at(1),
        ..Position::default()
    };
    let under_way = Position {
        until: Some(Sequence(9)),
        problem: Some("away".to_owned()),
        ..first.clone()
    };
    keep("one", &first).await;
    keep("two", &first).await;
    keep("one", &under_way).await;
    let kept = world.store.positions().await.unwrap();
    assert_eq!(
        kept,
        [("one".to_owned(), under_way), ("two".to_owned(), first)].into()
    );
}

async fn people_are_kept_as_they_were_last_written_and_ended_logins_are_gone(world: World) {
    let ann = LocalUser {
        id: "u_ann".parse().unwrap(),
        name: "Ann".to_owned(),
        role: Role::Staff,
        locations: Some(vec![7_u64.try_into().unwrap()]),
        shops: Some(vec![shop()]),
        language: Some("de".to_owned()),
        disabled: false,
        password: Some("$argon2id$".to_owned()),
        created_at: at(1),
        last_seen_at: Some(at(2)),
    };
    let bob = LocalUser {
        id: "u_bob".parse().unwrap(),
        locations: None,
        shops: None,
        language: None,
        disabled: true,
        password: None,
        last_seen_at: None,
        ..ann.clone()
    };
    let login = |id: &str, second| UserLogin {
        id: id.to_owned(),
        hash: [7; 32],
        user: ann.id.clone(),
        started_at: at(1),
        seen_at: at(second),
        user_agent: Some("a browser".to_owned()),
    };
    let link = |user: &LocalUser, byte| LoginLink {
        user: user.id.clone(),
        hash: [byte; 32],
        until: at(9),
    };
    let manager = LocalUser {
        role: Role::Manager,
        ..ann.clone()
    };
    let writes = vec![
        PeopleWrite::User(ann.clone()),
        PeopleWrite::User(bob.clone()),
        PeopleWrite::Login(login("one", 3)),
        PeopleWrite::Login(login("two", 3)),
        PeopleWrite::Link(link(&ann, 1)),
        PeopleWrite::Link(link(&bob, 1)),
    ];
    world.do_(Operation::KeepPeople(writes)).await;
    let writes = vec![
        PeopleWrite::User(manager.clone()),
        PeopleWrite::Login(login("two", 5)),
        PeopleWrite::EndLogin("one".to_owned()),
        PeopleWrite::Link(link(&bob, 2)),
        PeopleWrite::EndLink(ann.id.clone()),
    ];
    world.do_(Operation::KeepPeople(writes)).await;
    let mut kept = world.store.people().await.unwrap();
    kept.users.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(kept.users, [manager, bob.clone()]);
    assert_eq!(kept.logins, [login("two", 5)]);
    assert_eq!(kept.links, [link(&bob, 2)]);
}

async fn a_revocation_is_kept_until_its_last_token_has_run_out(world: World) {
    let user = Revoked::User("ann".parse().unwrap());
    let token = Revoked::Token("ann".to_owned());
    let revoke = async |of: &Revoked, second, until| {
        let revocation = Revocation {
            of: of.clone(),
            at: at(second),
            until: at(until),
        };
        world.do_(Operation::Revoke(revocation)).await.fresh
    };
    assert!(revoke(&user, 5, 100).await);
    assert!(revoke(&token, 5, 50).await);
    assert!(revoke(&user, 7, 90).await, "a later one takes more tokens");
    assert!(!revoke(&user, 6, 80).await);
    let kept = async || {
        let mut kept = world.store.revocations().await.unwrap();
        kept.sort_by(|one, other| one.of.cmp(&other.of));
        kept
    };
    let of_user = Revocation {
        of: user,
        at: at(7),
        until: at(100),
    };
    assert_eq!(
        kept().await,
        [
            Revocation {
                of: token,
                at: at(5),
                until: at(50)
            },
            of_user.clone()
        ]
    );
    let retention = Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(50),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert_eq!(kept().await, [of_user]);
}

async fn a_snapshot_is_exact_at_its_place_in_the_log(world: World) {
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
            level(2, 7, 1),
        ])
        .await;
    let all = |selection| world.store.levels(vec![shop()], selection, None, 10);
    let (levels, place) = all(LevelSelection::default()).await.unwrap();
    assert_eq!(place, world.store.head().sequence);
    assert_eq!(
        levels
            .iter()
            .map(|level| level.available)
            .collect::<Vec<_>>(),
        [20, 7]
    );
    assert_eq!(levels[0].title.as_deref(), Some("Shirt – Small"));
    assert_eq!(levels[0].location_name.as_deref(), Some("Berlin"));
    let of_product = LevelSelection {
        product_ids: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(of_product).await.unwrap().0.len(), 1);
    let of_item = LevelSelection {
        item_ids: Some(vec![2_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(of_item).await.unwrap().0.len(), 1);
    for (sku, found) in [("SKU-1", 1), ("sku-1", 0), ("SKU-2", 0)] {
        let with_sku = LevelSelection {
            sku: Some(sku.to_owned()),
            ..Default::default()
        };
        assert_eq!(all(with_sku).await.unwrap().0.len(), found, "{sku}");
    }
    let nothing = LevelSelection {
        variant_ids: Some(vec![]),
        ..Default::default()
    };
    assert_eq!(all(nothing).await.unwrap().0.len(), 0);
    let here = LevelSelection {
        location_ids: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(here).await.unwrap().0.len(), 2);
    let elsewhere = LevelSelection {
        within: Some(vec![2_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(
        all(elsewhere).await.unwrap().0.len(),
        0,
        "limited to another location"
    );
    let here = LevelSelection {
        within: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(here).await.unwrap().0.len(), 2);
    let last = levels
        .last()
        .map(|level| (level.inventory_item_id, level.location_id));
    let page = |after, limit| {
        world
            .store
            .levels(vec![shop()], LevelSelection::default(), after, limit)
    };
    assert_eq!(page(None, 1).await.unwrap().0.len(), 1);
    assert_eq!(page(last, 10).await.unwrap().0.len(), 0);
}

async fn lists_are_paged_by_id(world: World) {
    let world = world.registered().await;
    world
        .webhook((1..=5).map(|id| product(id, "Shirt", 1, None)).collect())
        .await;
    let page = world
        .store
        .list(&shop(), Collection::Products, 2, 2)
        .await
        .unwrap();
    assert_eq!(
        page.iter()
            .map(|product| product["productId"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["3", "4"]
    );
    let last = world
        .store
        .list(&shop(), Collection::Products, 5, 2)
        .await
        .unwrap();
    assert!(last.is_empty());
}
