//! What other programs post over REST: kept, told, told once, and refused in words.

use rusqlite::Connection;
use schemas::Role;
use serde_json::{Value, json};
use tests::{TestDaemon, TestShop, Token};

/// The log's entries of that kind, as an admin reads them.
async fn told(daemon: &TestDaemon, kind: &str) -> Vec<Value> {
    daemon
        .events(None)
        .await
        .into_iter()
        .filter(|event| event["kind"] == kind)
        .collect()
}

#[tokio::test]
async fn a_posted_event_is_in_the_log_once_also_after_a_kill_and_not_in_the_mirror() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let orders = daemon.list("orders", &Token::of(Role::Admin)).await;
    let service = Token::of(Role::Service);
    let data =
        json!({ "orderId": "order-1", "status": "shipped", "note": [1, { "kept": "as it came" }] });
    let event = json!({ "event": "order:status_changed", "data": data, "eventId": "e1" });
    let (status, answer) = daemon.posts("events", &event, &service).await;
    assert_eq!(
        (status, &answer["success"], &answer["repeated"]),
        (201, &json!(true), &json!(false)),
        "{answer}"
    );
    daemon.killed();
    daemon.starts().await;
    let (status, again) = daemon.posts("events", &event, &service).await;
    assert_eq!(
        (status, &again["offset"], &again["repeated"]),
        (201, &answer["offset"], &json!(true))
    );
    // Another sender's names are its own.
    let (_, other) = daemon
        .posts("events", &event, &Token::of(Role::Service).user("erp"))
        .await;
    assert_ne!(other["offset"], answer["offset"]);
    let told = told(&daemon, "posted").await;
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[0]["id"], &told[0]["data"]["data"]),
        (&answer["offset"], &data)
    );
    assert_eq!(
        (&told[0]["data"]["source"], &told[1]["data"]["source"]),
        (&json!("test-service"), &json!("erp"))
    );
    assert_eq!(daemon.list("orders", &Token::of(Role::Admin)).await, orders);
    let (status, _) = daemon.asked("events", &service).await;
    assert!(
        status == 403 || daemon.list("events", &service).await.is_empty(),
        "a service reads nothing"
    );
}

#[tokio::test]
async fn something_emitted_comes_to_whom_it_is_for_and_can_be_had_later() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let emitted =
        json!({ "target": { "user": "ann" }, "event": "coffee:ready", "data": { "cups": 2 } });
    let (status, answer) = daemon
        .posts("emit", &emitted, &Token::of(Role::Admin))
        .await;
    assert_eq!(status, 201, "{answer}");
    let seen = async |user: &str| {
        let (_, events) = daemon
            .asked("events?limit=1000", &Token::of(Role::Staff).user(user))
            .await;
        let events = events["data"].as_array().unwrap();
        events
            .iter()
            .filter(|event| event["kind"] == "emitted")
            .cloned()
            .collect::<Vec<_>>()
    };
    let own = seen("ann").await;
    assert_eq!(
        (own.len(), &own[0]["id"], &own[0]["data"]["event"]),
        (1, &answer["offset"], &json!("coffee:ready"))
    );
    assert!(seen("bob").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_field_and_remedy() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let good = json!({ "event": "order:created", "data": { "orderId": 1 } });
    let with = |edits: Value| {
        let mut event = good.clone();
        event
            .as_object_mut()
            .unwrap()
            .extend(edits.as_object().unwrap().clone());
        event
    };
    let refused = [
        ("events", with(json!({ "event": "order:eaten" })), "event"),
        ("events", with(json!({ "event": "shopify:drift" })), "event"),
        ("events", with(json!({ "data": 7 })), "data"),
        ("events", with(json!({ "data": {} })), "orderId"),
        (
            "events",
            with(json!({ "data": { "orderId": 1, "status": 7 } })),
            "status",
        ),
        (
            "events",
            with(json!({ "shop": "another.myshopify.com" })),
            "shop",
        ),
        ("events", with(json!({ "eventId": "" })), "eventId"),
        ("events", with(json!({ "surprise": 1 })), "surprise"),
        (
            "emit",
            json!({ "target": "everybody", "event": "x" }),
            "target",
        ),
        (
            "emit",
            json!({ "target": "all", "event": "disconnect" }),
            "event",
        ),
        (
            "emit",
            json!({ "target": { "shop": "another.myshopify.com" }, "event": "x" }),
            "shop",
        ),
    ];
    for (path, body, field) in refused {
        let (status, answer) = daemon.posts(path, &body, &Token::of(Role::Service)).await;
        assert!((400..=404).contains(&status), "{body}: {status}");
        assert_eq!(answer["error"]["field"], field, "{body}: {answer}");
    }
    for role in [Role::Customer, Role::Guest, Role::Manager, Role::Staff] {
        for path in ["events", "emit"] {
            let (status, answer) = daemon.posts(path, &good, &Token::of(role)).await;
            assert_eq!(
                (status, &answer["error"]["code"]),
                (403, &json!("FORBIDDEN")),
                "{role:?}"
            );
        }
    }
    let huge = with(json!({ "data": { "orderId": 1, "note": "x".repeat(70_000) } }));
    assert!(
        [400, 413].contains(
            &daemon
                .posts("events", &huge, &Token::of(Role::Service))
                .await
                .0
        )
    );
    assert!(told(&daemon, "posted").await.is_empty());
}

#[tokio::test]
async fn what_a_newer_stockd_wrote_into_the_log_is_passed_over_and_counted() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let service = Token::of(Role::Service);
    let admin = Token::of(Role::Admin);
    let post = async |daemon: &TestDaemon, title: &str| {
        let event = json!({ "event": "system:notification", "data": { "title": title } });
        let (status, answer) = daemon.posts("events", &event, &service).await;
        assert_eq!(status, 201, "{answer}");
        answer["offset"].as_str().unwrap().to_owned()
    };
    let before = post(&daemon, "before").await;
    for title in ["first", "between", "last"] {
        post(&daemon, title).await;
    }
    daemon.killed();
    let database = Connection::open(daemon.folder().join("stockd.db")).unwrap();
    let changed = database
        .execute(
            "UPDATE log SET event = json_set(event, '$.kind', 'stock:counted') \
             WHERE event ->> '$.data.data.title' IN ('first', 'last')",
            [],
        )
        .unwrap();
    assert_eq!(changed, 2);
    drop(database);
    daemon.starts().await;

    // It comes back from where it was, and what is new still reaches it.
    let mut client = daemon.client(&admin).await;
    let joined = client
        .asks("subscribe:notifications", &json!({ "since": before }))
        .await;
    assert_eq!(joined["ok"], true, "{joined}");
    post(&daemon, "after").await;
    for title in ["between", "after"] {
        let heard = client.event("notification").await;
        assert_eq!(heard["data"]["title"], title);
    }
    // A page over REST has room for one and is full, until nothing follows.
    let mut titles = Vec::new();
    let mut after = before;
    while titles.last() != Some(&json!("after")) {
        let path = format!("events?after={after}&limit=1");
        let (status, page) = daemon.asked(&path, &admin).await;
        assert_eq!(status, 200, "{page}");
        let data = page["data"].as_array().unwrap();
        assert_eq!(data.len(), 1, "{titles:?}, and then {page}");
        // Runs are told as well, in between.
        let title = &data[0]["data"]["data"]["title"];
        titles.extend(title.as_str().map(|title| json!(title)));
        after = page["next"].as_str().unwrap().to_owned();
    }
    assert_eq!(titles, ["between", "after"]);
    let figures = reqwest::get(format!("{}/metrics", daemon.url()));
    let figures = figures.await.unwrap().text().await.unwrap();
    let count = figures
        .lines()
        .find_map(|line| line.strip_prefix("stockd_log_unknown_entries_total "))
        .unwrap_or_else(|| panic!("{figures}"));
    assert!(count.parse::<u64>().unwrap() >= 2, "{count}");
}
