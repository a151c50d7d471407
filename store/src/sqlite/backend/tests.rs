//! A disk that is full in the middle of a group; what is left in the file of what was forgotten.

use domain::Thresholds;
use rusqlite::OpenFlags;
use schemas::event::Notice;
use schemas::record::Customer;
use schemas::{Change, CustomerId, Entropy, EventData, Logged, UserId, WebhookId};

use super::super::rooms::heard_in;
use super::*;
use crate::writer;
use crate::{Batch, Cause, Delivery, Fate, Outcome};

pub(super) const SHOP: &str = "a.myshopify.com";

impl SqliteBackend {
    /// Carries a batch out as the writer does.
    pub(super) fn carry_out(&mut self, batch: &[Operation]) -> Vec<Result<Outcome>> {
        match writer::commit(self, batch) {
            Ok((outcomes, _)) => {
                for (operation, outcome) in batch.iter().zip(&outcomes) {
                    if outcome.as_ref().is_ok_and(|outcome| outcome.more) {
                        self.carry_out(&[operation.clone().rest()]);
                    }
                }
                outcomes
            }
            Err(Uncommitted::Lost(error)) => batch.iter().map(|_| Err(error.clone())).collect(),
            Err(Uncommitted::Unsure(error)) => panic!("{error}"),
        }
    }
}

pub(super) fn backend(folder: &Path) -> SqliteBackend {
    let path = folder.join("stockd.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mark = HighWater::open(&path).unwrap();
    let connection = super::super::connect(&path, flags).unwrap();
    super::super::migrate(&connection).unwrap();
    let epoch = super::super::epoch(&connection, &Entropy::seeded(1)).unwrap();
    let mut backend = SqliteBackend::new(connection, path, epoch, mark).unwrap();
    let (shop, thresholds) = (SHOP.parse().unwrap(), Thresholds::default());
    let register = Operation::Register {
        shop,
        thresholds,
        at: Timestamp::UNIX_EPOCH,
    };
    assert!(backend.carry_out(&[register])[0].is_ok());
    backend
}

fn announcement(to: Option<&str>, length: usize) -> Operation {
    let user_id: Option<UserId> = to.map(|user| user.parse().unwrap());
    let notice = Notice {
        user_id,
        title: "News".to_owned(),
        message: "n".repeat(length),
    };
    let event = Box::new(Logged::SystemAlert(EventData::Own(notice)));
    Operation::Announce {
        shop: SHOP.parse().unwrap(),
        event,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn entries_heard_in(backend: &SqliteBackend, room: &str) -> usize {
    let rooms = [room.parse().unwrap()];
    let mut heard = backend.recent_rooms().heard(1, &rooms, 0, i64::MAX);
    heard.extend(heard_in(&backend.connection, 1, &rooms, 0, i64::MAX, usize::MAX).unwrap());
    heard.len()
}

#[test]
fn what_a_full_disk_undid_is_not_heard_of_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    let full = |backend: &SqliteBackend, pages: u32| {
        backend
            .connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    };
    full(&backend, 1);
    let lost = [
        announcement(Some("7"), 10),
        announcement(Some("8"), 1_000_000),
    ];
    let outcomes = backend.carry_out(&lost);
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(backend.head(), Sequence(0));
    let error = outcomes[0].clone().unwrap_err().to_string();
    assert!(error.contains("the disk is full: make room"), "{error}");

    full(&backend, 1_000_000);
    assert!(backend.carry_out(&[announcement(Some("9"), 10)])[0].is_ok());
    assert_eq!(backend.head(), Sequence(1));
    let heard = ["user:7", "user:8", "user:9"].map(|room| entries_heard_in(&backend, room));
    assert_eq!(heard, [0, 0, 1], "nobody hears what was told to another");
}

#[test]
fn a_long_read_lets_the_write_ahead_log_grow_and_it_shrinks_once_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    backend.after_answers();
    let path = folder.path().join("stockd.db");
    let log_bytes = || {
        std::fs::metadata(folder.path().join("stockd.db-wal"))
            .unwrap()
            .len()
    };
    let mut reader = super::super::connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let reading = reader.transaction().unwrap();
    reading
        .query_row("SELECT count(*) FROM log", [], |row| row.get::<_, i64>(0))
        .unwrap();
    for _ in 0..20 {
        apply(&mut backend, announcement(None, 1_000_000));
    }
    assert!(
        log_bytes() > 2 * u64::from(super::super::LOG_BYTES_MAX),
        "{}",
        log_bytes()
    );
    drop(reading);
    for _ in 0..3 {
        apply(&mut backend, announcement(None, 10));
    }
    assert!(
        log_bytes() <= super::super::LOG_BYTES_MAX.into(),
        "{}",
        log_bytes()
    );
}

/// Whether a text is anywhere in the database's files, in use or not.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

fn name(number: u64) -> String {
    format!("Ann Lee-{number:03}")
}

/// Deliveries arrive in which that customer buys, and are applied.
fn buys(backend: &mut SqliteBackend, number: u64) {
    let (shop, id): (ShopDomain, CustomerId) = (SHOP.parse().unwrap(), number.try_into().unwrap());
    let at = Timestamp::UNIX_EPOCH;
    let webhook_id: WebhookId = format!("w{number}").parse().unwrap();
    let delivery = Delivery {
        shop: shop.clone(),
        webhook_id: webhook_id.clone(),
        topic: "orders/create".to_owned(),
        triggered_at: None,
        received_at: at,
        body: format!("{} {}", name(number), "b".repeat(9_000)).into_bytes(),
        signature: Vec::new(),
    };
    let customer = Customer {
        id,
        name: Some(name(number)),
        created_at: at,
        updated_at: at,
    };
    let Change::Order(order) = crate::conformance::order_of(number, Some(id), 1) else {
        unreachable!()
    };
    let changes = vec![Change::Customer(customer), Change::Order(order)];
    let cause = Cause::Webhook {
        id: webhook_id,
        fate: Fate::Applied,
        shared_secret: false,
    };
    apply(backend, Operation::Accept(delivery));
    apply(
        backend,
        Operation::Apply(Batch {
            shop,
            at,
            cause,
            changes,
        }),
    );
}

fn apply(backend: &mut SqliteBackend, operation: Operation) {
    assert!(backend.carry_out(&[operation])[0].is_ok());
    backend.after_answers();
}

#[test]
fn of_a_name_that_was_forgotten_no_byte_is_left_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    let shop: ShopDomain = SHOP.parse().unwrap();
    apply(
        &mut backend,
        Operation::KeepNames {
            shop: shop.clone(),
            wanted: true,
        },
    );
    (1..=120).for_each(|number| buys(&mut backend, number));
    assert!(is_on_disk(folder.path(), &name(7)));

    let redacted = |number: u64| {
        let id: WebhookId = format!("r{number}").parse().unwrap();
        let (shop, at) = (shop.clone(), Timestamp::UNIX_EPOCH);
        let accept = Operation::Accept(Delivery {
            shop: shop.clone(),
            webhook_id: id.clone(),
            topic: "customers/redact".to_owned(),
            triggered_at: None,
            received_at: at,
            body: Vec::new(),
            signature: Vec::new(),
        });
        let changes = vec![Change::Redacted(number.try_into().unwrap())];
        let cause = Cause::Webhook {
            id,
            fate: Fate::Applied,
            shared_secret: false,
        };
        [
            accept,
            Operation::Apply(Batch {
                shop,
                at,
                cause,
                changes,
            }),
        ]
    };
    for operation in redacted(7) {
        apply(&mut backend, operation);
    }
    assert!(!is_on_disk(folder.path(), &name(7)));
    assert!(is_on_disk(folder.path(), &name(8)));

    apply(
        &mut backend,
        Operation::KeepNames {
            shop,
            wanted: false,
        },
    );
    assert!(!is_on_disk(folder.path(), "Ann Lee"));
}

#[test]
fn no_body_is_left_behind_when_the_store_ends_before_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    buys(&mut backend, 1);
    let path = folder.path().join("stockd.db");
    let reader = super::super::connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let deliveries = "SELECT count(*) FROM delivery";
    assert_eq!(
        reader
            .query_row(deliveries, [], |row| row.get::<_, i64>(0))
            .unwrap(),
        1
    );
    buys(&mut backend, 2);
    drop(backend);
    drop(reader);
    assert!(!is_on_disk(folder.path(), "bbbbbbbb"));
}

#[test]
fn what_was_told_in_the_very_commit_that_forgets_a_customer_is_forgotten_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    let (shop, at): (ShopDomain, _) = (SHOP.parse().unwrap(), Timestamp::UNIX_EPOCH);
    let id: CustomerId = 7_u64.try_into().unwrap();
    let accept = |name: &str| {
        Operation::Accept(Delivery {
            shop: shop.clone(),
            webhook_id: name.parse().unwrap(),
            topic: "t/t".to_owned(),
            triggered_at: None,
            received_at: at,
            body: Vec::new(),
            signature: Vec::new(),
        })
    };
    let says = |name: &str, changes| {
        let cause = Cause::Webhook {
            id: name.parse().unwrap(),
            fate: Fate::Applied,
            shared_secret: false,
        };
        Operation::Apply(Batch {
            shop: shop.clone(),
            at,
            cause,
            changes,
        })
    };
    let customer = Customer {
        id,
        name: Some(name(7)),
        created_at: at,
        updated_at: at,
    };
    let order = crate::conformance::order_of(7, Some(id), 1);
    let group = [
        accept("w1"),
        accept("w2"),
        says("w1", vec![Change::Customer(customer), order]),
        says("w2", vec![Change::Redacted(id)]),
    ];
    assert!(backend.carry_out(&group).iter().all(Result::is_ok));
    backend.after_answers();
    assert!(!is_on_disk(folder.path(), &name(7)));
    assert_eq!(entries_heard_in(&backend, "orders:customer:7"), 0);
}

#[test]
fn every_entry_is_heard_in_its_room_however_many_segments_there_are_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = backend(folder.path());
    let users: Vec<String> = (0..3).map(|user| user.to_string()).collect();
    // Two segments and a part of one, in batches that do not end where segments do.
    for _ in 0..90 {
        let batch: Vec<_> = (0..100)
            .map(|number| announcement(Some(&users[number % 3]), 10))
            .collect();
        assert!(opened.carry_out(&batch).iter().all(Result::is_ok));
    }
    let heard = |backend: &SqliteBackend| {
        ["user:0", "user:1", "user:2"].map(|room| entries_heard_in(backend, room))
    };
    assert_eq!(heard(&opened), [3_060, 2_970, 2_970]);
    let segments = |backend: &SqliteBackend| -> i64 {
        backend
            .connection
            .query_row("SELECT count(DISTINCT last) FROM log_segment", [], |row| {
                row.get(0)
            })
            .unwrap()
    };
    assert_eq!(segments(&opened), 2);
    drop(opened);
    assert_eq!(heard(&backend(folder.path())), [3_060, 2_970, 2_970]);
}

#[test]
fn a_batch_that_was_to_write_a_segment_and_failed_is_heard_nowhere_and_loses_none_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = backend(folder.path());
    let batch = |user: &str, length| -> Vec<_> {
        (0..3_000)
            .map(|_| announcement(Some(user), length))
            .collect()
    };
    assert!(backend.carry_out(&batch("7", 10)).iter().all(Result::is_ok));
    let pages: u32 = backend
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    for (limit, ok) in [(pages + 10, false), (1_000_000, true)] {
        backend
            .connection
            .pragma_update(None, "max_page_count", limit)
            .unwrap();
        let outcomes = backend.carry_out(&batch("8", 100));
        assert!(outcomes.iter().all(|outcome| outcome.is_ok() == ok));
        let heard = ["user:7", "user:8"].map(|room| entries_heard_in(&backend, room));
        assert_eq!(heard, [3_000, if ok { 3_000 } else { 0 }]);
    }
}
