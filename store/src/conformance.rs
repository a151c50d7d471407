//! What holds for every store, asked through the trait alone.

mod claims;
mod commands;
mod deliveries;
mod disk;
mod imports;
mod levels;
mod log;
mod names;
mod orders;
mod payments;
mod people;
mod posts;
mod reading;
mod runs;
mod sessions;
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
    Resource, Room, RunId, RunKind, RunState, Sequence, ShopDomain, SyncRun, Timestamp,
};

use crate::{
    Batch, Cause, Delivery, Fate, KeptSession, Operation, Outcome, Progress, Retention, Revocation,
    Revoked, RunRecord, SessionQuota,
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
use deliveries::{
    a_delivery_is_kept_once_and_its_body_until_it_is_applied,
    a_delivery_of_an_unknown_shop_is_refused_and_the_others_of_its_group_are_not,
    a_settled_delivery_changes_nothing_again,
    an_unreadable_delivery_keeps_its_body_and_is_not_tried_again,
};
use imports::{
    a_first_import_is_told_as_a_run_and_not_record_by_record,
    a_run_goes_on_where_it_was_and_ends_once, two_runs_of_a_resource_never_overlap,
};
use levels::{
    a_location_that_goes_takes_its_levels_along, a_reading_cannot_wipe_a_mark_made_after_it_began,
    a_record_goes_only_when_a_read_says_so, a_tie_is_marked_and_settled_by_a_read,
    a_variant_that_is_missing_from_a_list_stays_until_its_product_was_read,
    an_older_level_changes_nothing_and_a_newer_one_is_told,
    crossings_are_told_once_and_changed_thresholds_judged_anew,
    untracked_and_inactive_levels_never_cross,
};
use log::{
    a_readers_position_is_kept_as_it_was_last_written,
    a_replay_gives_each_entry_of_its_rooms_once_and_in_order,
    a_snapshot_is_exact_at_its_place_in_the_log, lists_are_paged_by_id,
    what_is_erased_is_told_before_it_is_answered, what_was_forgotten_cannot_be_replayed_silently,
};
use orders::{
    an_order_has_every_level_of_its_lines_read_again, one_order_change_gives_one_event,
    pages_of_orders_have_no_others_than_may_be_seen,
};
use sessions::{
    a_revocation_is_kept_until_its_last_token_has_run_out,
    a_session_is_kept_as_it_was_last_written_until_it_is_old,
    sessions_beyond_a_quota_make_room_and_are_not_forgotten_silently,
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
use people::people_are_kept_as_they_were_last_written_and_ended_logins_are_gone;
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
    people_are_kept_as_they_were_last_written_and_ended_logins_are_gone,
    a_revocation_is_kept_until_its_last_token_has_run_out,
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

fn location(id: u64) -> Location {
    Location {
        id: id.try_into().unwrap(),
        name: "Berlin".to_owned(),
        active: true,
        fulfillment_service: false,
        updated_at: at(0),
    }
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
