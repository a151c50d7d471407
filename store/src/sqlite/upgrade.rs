//! A database of an earlier version, with commands under way, open reservations and a session: nothing of it is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::Value;
use rusqlite::{Batch, Connection};
use schemas::{RecordKey, Resource, Sequence, ShopDomain};

use super::*;
use crate::{Collection, CommandFilter, OrderView, ReservationFilter, Revoked};

/// The version of the tables at that commit, where its log ended, and a session that was connected.
const VERSION: usize = 10;
const HEAD: &str = "7a18eed7.222";
const SESSION: &str = "1BkuTd1kSMEPiboa";
/// As that commit left it when it was killed.
const OF_28ED3A1: &str = include_str!("../../../tests/fixtures/stockd-28ed3a1.sql");

/// Puts the database into a folder, with the mark that lay beside it.
pub(super) fn put_into(folder: &Path) -> PathBuf {
    let path = folder.join("stockd.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(OF_28ED3A1).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    let (epoch, head) = (known_epoch(&connection), shops::head(&connection).unwrap());
    std::fs::write(files::beside(&path, ".mark"), format!("{epoch}.{head}")).unwrap();
    path
}

fn known_epoch(connection: &Connection) -> Epoch {
    let epoch = connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0));
    Epoch(epoch.unwrap())
}

type Table = (Vec<String>, Vec<Vec<Value>>);

/// Every table with its columns and rows.
fn tables(path: &Path) -> BTreeMap<String, Table> {
    let connection = Connection::open(path).unwrap();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    let mut names = connection.prepare(names).unwrap();
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let table = |name: rusqlite::Result<String>| {
        let name = name.unwrap();
        let rows = rows(&connection, &format!("SELECT * FROM {name}"));
        (name, rows)
    };
    names.map(table).collect()
}

fn rows(connection: &Connection, select: &str) -> Table {
    let mut statement = connection.prepare(select).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let read = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|column| row.get(column)).collect();
    let mut rows: Vec<Vec<Value>> = statement
        .query_map([], read)
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    rows.sort_by_key(|row| format!("{row:?}"));
    (columns, rows)
}

fn now() -> Timestamp {
    "2026-11-28T22:00:00Z".parse().unwrap()
}

fn opened(path: &Path) -> Opened {
    open(path, &Entropy::seeded(1), now()).unwrap()
}

#[test]
fn every_row_of_an_earlier_version_is_still_there_with_its_values() {
    let folder = testing::folder();
    let path = put_into(folder.path());
    let mut before = tables(&path);
    before.remove("log_room");
    let heard = |table: &str| {
        let heard = format!("SELECT shop, room, value FROM {table}, json_each(sequences)");
        rows(&Connection::open(&path).unwrap(), &heard).1
    };
    let heard_before = heard("log_room");
    let opened = opened(&path);
    assert_eq!(opened.restored, None, "the same life goes on");
    drop(opened);

    assert_eq!(heard("log_segment"), heard_before);
    let connection = Connection::open(&path).unwrap();
    for (table, (columns, held)) in before {
        let from = match &table[..] {
            // Its bodies have a table of their own.
            "delivery" => "delivery LEFT JOIN delivery_body USING (arrival)",
            other => other,
        };
        let select = format!("SELECT {} FROM {from}", columns.join(", "));
        assert_eq!(rows(&connection, &select).1, held, "{table}");
    }
}

#[tokio::test]
async fn what_an_earlier_version_had_under_way_goes_on() {
    let folder = testing::folder();
    let path = put_into(folder.path());
    let (_, calls) = rows(
        &Connection::open(&path).unwrap(),
        "SELECT id, body FROM attempt",
    );
    let Opened {
        store, mut writer, ..
    } = opened(&path);
    let shop: ShopDomain = "pretend.myshopify.com".parse().unwrap();

    // What is repeated at Shopify: the same bytes, which hold the key, under the same id, for the same levels.
    let messages = store.outbox_messages(&shop).await.unwrap();
    let mut bytes: Vec<Vec<Value>> = messages
        .iter()
        .map(|message| {
            assert_eq!(message.levels.len(), 1);
            assert!(message.body.contains(&message.id), "the key is the id");
            vec![message.id.clone().into(), message.body.clone().into()]
        })
        .collect();
    bytes.sort_by_key(|row| format!("{row:?}"));
    assert_eq!((bytes.len(), bytes), (4, calls));
    let backlog = store.backlog(&shop).await.unwrap();
    assert_eq!((backlog.adjustments, backlog.refreshes), (5, 1));
    let net = crate::Operation::Net {
        shop: shop.clone(),
        below_zero: false,
        after: None,
        at: now(),
    };
    let mut netted = store.write(net);
    assert!(netted.as_mut().now_or_never().is_none());
    assert!(writer.step().unwrap());
    let calls = netted.await.unwrap().calls;
    assert!(calls.is_empty(), "behind the message at the same level");

    let all = CommandFilter {
        limit: 99,
        ..CommandFilter::default()
    };
    let commands = store.commands(&shop, all).await.unwrap();
    let in_state = |state: &str| commands.iter().filter(|it| it["state"] == state).count();
    assert_eq!(
        (
            in_state("confirmed"),
            in_state("sending"),
            in_state("accepted")
        ),
        (4, 4, 1)
    );
    let open = ReservationFilter {
        limit: 99,
        ..ReservationFilter::default()
    };
    let open = store.reservations(&shop, open).await.unwrap();
    let references: Vec<_> = open.iter().map(|it| it.reference.as_deref()).collect();
    assert_eq!(references, [Some("R0"), Some("R1"), Some("R2")]);

    // A client that was connected, a channel of alerts, and who may no longer come in.
    let session = store.session(SESSION, "").await.unwrap();
    assert!(session.rooms.unwrap().contains("inventory:all"));
    let positions = store.positions().await.unwrap();
    assert_eq!(positions.keys().collect::<Vec<_>>(), ["slack"]);
    let revocations = store.revocations().await.unwrap();
    let mallory = Revoked::User("mallory".parse().unwrap());
    assert_eq!((revocations.len(), &revocations[0].of), (1, &mallory));

    // Every offset that was given out is good, and every event is still understood.
    assert_eq!(store.head().to_string(), HEAD);
    let entries = store.entries(Sequence(0), 999).await.unwrap();
    assert_eq!(entries.len() as u64, store.head().sequence.0);
    let marked = store.marked(&shop, now(), 9).await.unwrap();
    assert!(matches!(marked[..], [ref one] if matches!(one.key, RecordKey::Product(_))));
    let unreadable = store.deliveries(&shop, "unreadable", 9).await.unwrap();
    assert_eq!(unreadable.len(), 1);
    assert!(
        store
            .watermark(&shop, Resource::Orders)
            .await
            .unwrap()
            .is_some()
    );
    let levels = store.levels(
        vec![shop.clone()],
        schemas::LevelSelection::default(),
        None,
        99,
    );
    assert_eq!(levels.await.unwrap().0.len(), 24);
    let orders = store.orders(&shop, OrderView::All, 0, 99).await.unwrap();
    assert_eq!(orders.len(), 67);
    let customers = store.list(&shop, Collection::Customers, 0, 99).await;
    assert_eq!(customers.unwrap().len(), 41);
}

#[test]
fn a_database_whose_pages_held_bodies_grows_into_them() {
    let folder = testing::folder();
    let path = put_into(folder.path());
    let connection = Connection::open(&path).unwrap();
    let bodies = "WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < 4000) \
                  INSERT INTO delivery (shop, webhook_id, topic, received_at, state, body) \
                  SELECT 1, 'old-' || n, 'orders/create', n, 'applied', randomblob(2000) FROM nth; \
                  UPDATE delivery SET body = NULL WHERE webhook_id GLOB 'old-*';";
    connection.execute_batch(bodies).unwrap();
    let pages = |connection: &Connection| -> i64 {
        let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0));
        pages.unwrap()
    };
    let before = pages(&connection);
    drop(connection);
    drop(opened(&path));

    let connection = Connection::open(&path).unwrap();
    let more = "WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < 8000) \
                INSERT INTO delivery (shop, webhook_id, topic, received_at, state) \
                SELECT 1, 'new-' || n, 'orders/create', n, 'applied' FROM nth;";
    connection.execute_batch(more).unwrap();
    let after = pages(&connection);
    assert!(after <= before + before / 5, "{before} pages, then {after}");
    let is_sound: String = connection
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .unwrap();
    assert_eq!(is_sound, "ok");
    let broken = "SELECT count(*) FROM pragma_foreign_key_check";
    let broken: i64 = connection.query_row(broken, [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
}

#[test]
fn a_migration_that_was_cut_off_anywhere_is_done_by_the_next_start() {
    let folder = testing::folder();
    let path = put_into(folder.path());
    let (original, mark) = (
        std::fs::read(&path).unwrap(),
        std::fs::read(files::beside(&path, ".mark")).unwrap(),
    );
    drop(opened(&path));
    let wanted = (tables(&path), schema(&path));
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(VERSION) {
        for cut in 1.. {
            let folder = testing::folder();
            let path = folder.path().join("stockd.db");
            std::fs::write(&path, &original).unwrap();
            std::fs::write(files::beside(&path, ".mark"), &mark).unwrap();
            let killed = testing::folder();
            let ended = {
                let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
                // So that what is not committed is in the files already.
                connection.pragma_update(None, "cache_size", 1).unwrap();
                for done in VERSION..index {
                    carry_out(&connection, done).unwrap();
                }
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                let mut batch = Batch::new(&connection, migration);
                let mut ended = false;
                for _ in 0..cut {
                    match batch.next().unwrap() {
                        Some(mut statement) => {
                            statement.raw_execute().ok();
                        }
                        None => ended = true,
                    }
                }
                for file in std::fs::read_dir(folder.path()).unwrap() {
                    let file = file.unwrap();
                    std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
                }
                ended
            };
            for folder in [&folder, &killed] {
                let path = folder.path().join("stockd.db");
                drop(opened(&path));
                assert_eq!(
                    (tables(&path), schema(&path)),
                    wanted,
                    "cut off in migration {} behind statement {cut}",
                    index + 1
                );
            }
            if ended {
                break;
            }
        }
    }
}

/// How the tables are made, and how many migrations were done.
fn schema(path: &Path) -> (Vec<Vec<Value>>, i64) {
    let connection = Connection::open(path).unwrap();
    let (_, made) = rows(&connection, "SELECT type, name, sql FROM sqlite_schema");
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    (made, version.unwrap())
}
