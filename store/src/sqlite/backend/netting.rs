//! A level at which a hundred thousand adjustments wait: netting loads those that it sends and those that it takes back.

use domain::adjustment::{CallKind, StockCall};
use domain::outbox::PendingAdjustment;
use domain::{Key, Outcome};
use schemas::record::Level;
use schemas::{Change, Quantities};

use super::tests::{SHOP, backend};
use super::*;
use crate::writer;
use crate::{Arrival, Delivery, Fate};

const WAITING: i64 = 100_000;

/// A backend with one level of which Shopify has so many, and as many reservations of one unit as wait for it.
fn crowded(folder: &Path, available: i64) -> SqliteBackend {
    let mut backend = backend(folder);
    let level = Level {
        inventory_item_id: 1_u64.try_into().unwrap(),
        location_id: 1_u64.try_into().unwrap(),
        gid: None,
        active: true,
        quantities: Quantities {
            available,
            ..Quantities::default()
        },
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let delivery = Delivery {
        shop: SHOP.parse().unwrap(),
        webhook_id: "w1".parse().unwrap(),
        topic: "t/t".to_owned(),
        triggered_at: None,
        received_at: Timestamp::UNIX_EPOCH,
        body: Vec::new(),
        signature: Vec::new(),
    };
    let arrival = Arrival {
        delivery,
        fate: Fate::Applied,
        shared_secret: false,
        changes: vec![Change::Level(level)],
    };
    assert!(backend.carry_out(&[Operation::Deliver(Box::new(arrival))])[0].is_ok());
    let wait = format!(
        "WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < {WAITING}) \
         INSERT INTO effect (shop, inventory_item_id, location_id, lane, quantity, available, on_hand, given) \
         SELECT 1, 1, 1, 'move', 1, -1, 0, n FROM nth; \
         UPDATE level SET pending = -{WAITING}; DELETE FROM marked;"
    );
    backend.connection.execute_batch(&wait).unwrap();
    backend.numbers = numbers(&backend.connection).unwrap();
    backend
}

/// Nets once, until it is done: what came of it, and the most adjustments that one slice loaded.
fn net(backend: &mut SqliteBackend) -> (Outcome, usize) {
    let net = Operation::Net {
        shop: SHOP.parse().unwrap(),
        below_zero: false,
        after: None,
        at: Timestamp::UNIX_EPOCH,
    };
    let mut loaded = 0;
    loop {
        let (mut outcomes, set) = writer::commit(backend, std::slice::from_ref(&net)).unwrap();
        let (_, records) = set.by_shop().next().unwrap();
        let taken_back = records.adjustments.changes().count();
        loaded = loaded.max(records.adjustments.current().count() + taken_back);
        let outcome = outcomes.remove(0).unwrap();
        if !outcome.more {
            return (outcome, loaded);
        }
    }
}

/// How many wait, the lowest and the highest of their numbers, and what is pending at the level.
fn left(backend: &SqliteBackend) -> (i64, i64, i64, i64) {
    let left = "SELECT count(*), min(id), max(id), (SELECT pending FROM level) FROM effect";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    backend.connection.query_row(left, [], read).unwrap()
}

fn is_of_the_oldest_thousand(call: &StockCall) {
    let entry = &call.entries[0];
    assert_eq!((call.kind, entry.quantity), (CallKind::Reserve, 1_000));
    assert!(entry.adjustments.iter().copied().eq(1..=1_000));
}

#[test]
fn of_a_hundred_thousand_adjustments_the_oldest_thousand_are_netted_and_the_others_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = crowded(folder.path(), WAITING);
    let (outcome, loaded) = net(&mut backend);
    assert_eq!((outcome.calls.len(), outcome.next), (1, None));
    is_of_the_oldest_thousand(&outcome.calls[0]);
    assert!(loaded <= 1_000, "{loaded}");
    assert_eq!(left(&backend), (WAITING, 1, WAITING, -WAITING));
}

#[test]
fn a_shortfall_among_a_hundred_thousand_takes_the_newest_back_and_loads_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut backend = crowded(folder.path(), WAITING - 1_500);
    let (outcome, loaded) = net(&mut backend);
    is_of_the_oldest_thousand(&outcome.calls[0]);
    assert!(loaded <= 2_500, "{loaded}");
    let kept = WAITING - 1_500;
    assert_eq!(left(&backend), (kept, 1, kept, -kept));
}

#[test]
fn a_crowded_level_is_named_once_and_its_oldest_adjustments_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let backend = crowded(folder.path(), WAITING);
    let shops = shops(&backend.connection).unwrap();
    let shop: ShopDomain = SHOP.parse().unwrap();
    let level = (1_u64.try_into().unwrap(), 1_u64.try_into().unwrap());
    let mut set = WorkingSet::new(Numbers::default());
    let keys = [
        Key::LevelsToNet(None),
        Key::LevelsToNet(Some(level)),
        Key::UnsentAt(level),
    ];
    let wanted = keys.map(|key| (Some(shop.clone()), key)).into();
    load::load(&backend.connection, &shops, &wanted, &mut set).unwrap();
    let records = set.shop_records(&shop);
    assert_eq!(records.levels_to_net[&None].levels, [level]);
    assert!(records.levels_to_net[&Some(level)].levels.is_empty());
    let oldest: Vec<&PendingAdjustment> = records.adjustments.current().collect();
    assert_eq!(oldest.len(), 1_000);
}
