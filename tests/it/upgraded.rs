//! A daemon on the database of an earlier version, which was killed while it had something under way.

use std::collections::BTreeSet;

use rusqlite::Connection;
use sim::Options;
use tests::{Settings, TestDaemon, TestShop, eventually};

/// With four calls on their way to a shop that did not answer.
const OF_28ED3A1: &str = include_str!("../fixtures/stockd-28ed3a1.sql");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_was_sending_is_sent_again_under_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stockd.db");
    let keys: BTreeSet<String> = {
        let database = Connection::open(&path).unwrap();
        database.execute_batch(OF_28ED3A1).unwrap();
        // It was killed a minute ago: calls are repeated while Shopify still knows their keys.
        let just_now = "UPDATE attempt SET begun = (unixepoch() - 60) * 1000000";
        database.execute_batch(just_now).unwrap();
        let mut keys = database.prepare("SELECT id FROM attempt").unwrap();
        let keys = keys.query_map([], |row| row.get(0)).unwrap();
        keys.collect::<Result<_, _>>().unwrap()
    };
    std::fs::write(folder.path().join("stockd.db.mark"), "7a18eed7.222").unwrap();
    // The same shop as then, to which none of these calls came through.
    let shop = TestShop::with(Options {
        products: 4,
        locations: 2,
        ..Options::default()
    })
    .await;
    let settings = Settings {
        store: path,
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;

    let first = eventually("four calls arrive", async || {
        let arrived = shop.mutations().await.into_iter();
        let key = |call: serde_json::Value| call["idempotencyKey"].as_str().unwrap().to_owned();
        let first: BTreeSet<String> = arrived.take(4).map(key).collect();
        (first.len() == 4).then_some(first)
    })
    .await;
    assert_eq!(first, keys, "before anything else is sent");
    let offset = daemon.offset().await;
    assert!(
        offset.starts_with("7a18eed7."),
        "{offset}: old cursors are good"
    );
}
