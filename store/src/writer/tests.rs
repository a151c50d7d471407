//! What comes of a delivery that is accepted and applied at once, and what is handed to the tail.

use domain::{Arrival, Cause, Delivery, Fate, Thresholds};
use futures_util::FutureExt as _;
use schemas::record::Product;
use schemas::{Change, ShopDomain, Timestamp};

use super::*;
use crate::Store;
use crate::sqlite::{Opened, testing};

fn shop() -> ShopDomain {
    "a.myshopify.com".parse().unwrap()
}

fn register() -> Operation {
    Operation::Register {
        shop: shop(),
        thresholds: Thresholds::default(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn arrival(id: &str, fate: Fate, body: &[u8]) -> Operation {
    let product = Product {
        id: 1_u64.try_into().unwrap(),
        title: "Scarf".to_owned(),
        handle: "scarf".to_owned(),
        vendor: "Acme".to_owned(),
        product_type: String::new(),
        status: "active".to_owned(),
        updated_at: Timestamp::UNIX_EPOCH,
    };
    Operation::Deliver(Box::new(Arrival {
        delivery: Delivery {
            shop: shop(),
            webhook_id: id.parse().unwrap(),
            signature: vec![1],
            topic: "products/update".to_owned(),
            triggered_at: None,
            received_at: Timestamp::UNIX_EPOCH,
            body: body.to_vec(),
        },
        fate,
        shared_secret: false,
        changes: vec![Change::Product {
            product,
            variants: None,
        }],
    }))
}

/// Works while the store is used.
async fn with_writer<T>(test: impl AsyncFnOnce(&dyn Store) -> T) -> T {
    let (_folder, Opened { store, writer, .. }) = testing::open();
    let writing = std::thread::spawn(move || writer.run());
    store.write(register()).await.unwrap();
    let outcome = test(&*store).await;
    drop(store);
    writing.join().unwrap().unwrap();
    outcome
}

#[tokio::test]
async fn a_delivery_is_accepted_and_applied_in_one_commit_and_waits_nowhere() {
    with_writer(async |store| {
        let first = store
            .write(arrival("w1", Fate::Applied, b""))
            .await
            .unwrap();
        assert!(first.fresh && first.changed == 1);
        assert_eq!(store.entries(Sequence(0), 9).await.unwrap().len(), 1);
        assert!(store.inbox(9).await.unwrap().is_empty());
        let again = store
            .write(arrival("w1", Fate::Applied, b""))
            .await
            .unwrap();
        assert!(!again.fresh, "a repetition changes nothing");
        assert_eq!(store.entries(Sequence(0), 9).await.unwrap().len(), 1);
        let counts = store.delivery_counts(&shop()).await.unwrap();
        assert_eq!(counts, [("products/update".to_owned(), "applied", 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_was_kept_before_is_not_applied_when_it_arrives_again() {
    with_writer(async |store| {
        let Operation::Deliver(kept) = arrival("w1", Fate::Applied, b"{}") else {
            panic!("a delivery")
        };
        let accepted = store.write(Operation::Accept(kept.delivery)).await.unwrap();
        assert!(accepted.fresh);
        let again = store
            .write(arrival("w1", Fate::Applied, b""))
            .await
            .unwrap();
        assert!(!again.fresh);
        assert_eq!(
            store.inbox(9).await.unwrap().len(),
            1,
            "it waits for its turn"
        );
    })
    .await;
}

#[tokio::test]
async fn an_unreadable_delivery_is_settled_at_once_with_its_reason() {
    with_writer(async |store| {
        let fate = Fate::Unreadable("no JSON".to_owned());
        store.write(arrival("w1", fate, b"noise")).await.unwrap();
        assert!(store.inbox(9).await.unwrap().is_empty());
        let unreadable = store.deliveries(&shop(), "unreadable", 9).await.unwrap();
        assert_eq!(unreadable[0].reason.as_deref(), Some("no JSON"));
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_is_handed_over_as_the_log_has_it_but_not_beside_an_erasure() {
    with_writer(async |store| {
        let mut handed = store.handed().unwrap();
        assert!(store.handed().is_none(), "there is one tail");
        store
            .write(arrival("w1", Fate::Applied, b""))
            .await
            .unwrap();
        let entries = handed.recv().await.unwrap();
        assert_eq!(entries, store.entries(Sequence(0), 9).await.unwrap());

        let redacted = Operation::Apply(domain::Batch {
            shop: shop(),
            at: Timestamp::UNIX_EPOCH,
            cause: Cause::Read(Vec::new()),
            changes: vec![Change::Redacted(1_u64.try_into().unwrap())],
        });
        store.write(redacted).await.unwrap();
        assert!(handed.try_recv().is_err(), "whoever follows reads the log");
    })
    .await;
}

#[tokio::test]
async fn what_the_database_refuses_takes_nothing_along_that_came_with_it() {
    let (folder, Opened { store, writer, .. }) = testing::open();
    let mut writer = writer;
    let mut registered = store.write(register());
    assert!(registered.as_mut().now_or_never().is_none());
    assert!(writer.step().unwrap());
    registered.await.unwrap();
    let refuses = "CREATE TRIGGER refuses BEFORE INSERT ON delivery WHEN new.webhook_id = 'w2' \
                   BEGIN SELECT raise(ABORT, 'no such webhook'); END";
    let beside = rusqlite::Connection::open(folder.path().join("stockd.db")).unwrap();
    beside.execute_batch(refuses).unwrap();

    let mut together = ["w1", "w2", "w3"].map(|id| store.write(arrival(id, Fate::Ignored, b"")));
    for one in &mut together {
        assert!(one.as_mut().now_or_never().is_none());
    }
    assert!(writer.step().unwrap());
    let [first, refused, last] = together;
    assert!(first.await.unwrap().fresh && last.await.unwrap().fresh);
    let error = refused.await.unwrap_err().to_string();
    assert!(error.contains("no such webhook"), "{error}");
    assert_eq!(*store.failing().borrow(), None);
}
