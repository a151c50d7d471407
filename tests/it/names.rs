//! Customers' names: kept and told where an administrator wants them, and otherwise nowhere.

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Plain, Settings, TestDaemon, TestShop, Token, eventually, name};

/// Who buys where nobody is named.
const WALTER: &str = "Walter Walkin";

fn admin() -> Token {
    Token::of(Role::Admin)
}

fn with_names() -> Settings {
    Settings {
        shop: "customer_names = true".to_owned(),
        ..Settings::default()
    }
}

async fn named(shop: &TestShop) -> TestDaemon {
    let daemon = TestDaemon::with(shop, with_names()).await;
    daemon.imported().await;
    daemon
}

/// The documents' client, which hears of orders.
async fn client(daemon: &TestDaemon, token: &Token, since: Option<&Value>) -> Plain {
    let mut client = Plain::connects(&daemon.url(), "/api/ws");
    client.says(&json!({ "type": "auth", "data": { "token": daemon.token(token) } }));
    client.hears("authenticated").await;
    client.says(&json!({ "type": "subscribe", "data": { "namespace": "orders", "since": since } }));
    // What was missed comes before the answer.
    if since.is_none() {
        client.hears("subscribed").await;
    }
    client
}

/// Who ordered, as the next message of that type about that order says.
async fn who_ordered(client: &mut Plain, kind: &str, order: &Value) -> Value {
    let fits = |message: &Value| name(message) == kind && message["data"]["id"] == order["id"];
    client.hears_where(kind, fits).await["data"]["customerName"].clone()
}

/// The customer of an order gets another name, and the daemon knows it.
async fn renames(shop: &TestShop, daemon: &TestDaemon, order: &Value, first: &str, last: &str) {
    let id = &order["customerId"];
    let named = json!({ "action": "update", "id": id, "firstName": first, "lastName": last });
    shop.does("customers", &named).await;
    // Within the second of the purchase only a second look tells which name is newer.
    eventually("the customer's name is known", async || {
        let customers = daemon.list("customers", &admin()).await;
        let is_named =
            |row: &Value| row["customerId"] == *id && row["name"] == format!("{first} {last}");
        customers.iter().any(is_named).then_some(())
    })
    .await;
}

/// Which of these texts are anywhere in what the daemon keeps or logs, in use or not.
fn kept<'t>(daemon: &TestDaemon, texts: &[&'t str]) -> Vec<&'t str> {
    let files = std::fs::read_dir(daemon.folder())
        .unwrap()
        .map(|file| file.unwrap().path());
    // The write-ahead log goes when the daemon ends.
    let files: Vec<_> = files.filter_map(|file| std::fs::read(file).ok()).collect();
    let is_in = |bytes: &Vec<u8>, text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    texts
        .iter()
        .copied()
        .filter(|text| files.iter().any(|bytes| is_in(bytes, text)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_client_hears_who_ordered_live_after_a_run_and_after_a_kill() {
    let shop = TestShop::opens().await;
    let mut daemon = named(&shop).await;
    let mut live = client(&daemon, &Token::of(Role::Manager), None).await;
    let spot = shop.spot(0, 20).await;
    let first = shop.sells(&spot, 1).await;
    assert_eq!(
        who_ordered(&mut live, "order:created", &first).await,
        WALTER
    );

    // Everything that follows of an order tells the name that its customer has by then.
    renames(&shop, &daemon, &first, "Ann", "Leeway").await;
    shop.order("fulfill", &first).await;
    assert_eq!(
        who_ordered(&mut live, "order:status_changed", &first).await,
        "Ann Leeway"
    );

    shop.falls_quiet().await;
    shop.mistreats_webhooks(&json!({ "drop": 1.0 })).await;
    let second = shop.sells(&spot, 1).await;
    let run = daemon.begins_when_it_can("orders", "quick").await;
    assert_eq!(daemon.ends(&run).await["state"], "completed");
    assert_eq!(
        who_ordered(&mut live, "order:created", &second).await,
        WALTER
    );

    let last = live
        .messages()
        .iter()
        .rev()
        .find_map(|message| message.get("id").cloned());
    daemon.killed();
    let third = shop.sells(&spot, 1).await;
    daemon.starts().await;
    let mut after = client(&daemon, &Token::of(Role::Manager), last.as_ref()).await;
    assert_eq!(daemon.compares("orders").await["state"], "completed");
    assert_eq!(
        who_ordered(&mut after, "order:created", &third).await,
        WALTER
    );

    // Only this contract tells them; and whoever may see customers.
    let told = daemon.events(Some("orders:all")).await;
    assert!(
        told.iter()
            .any(|event| event["data"]["customerName"] == WALTER)
    );
    let customers = daemon.list("customers", &admin()).await;
    assert!(
        customers
            .iter()
            .any(|customer| customer["name"] == "Ann Leeway")
    );
    assert!(!daemon.log().contains("Walkin") && !daemon.log().contains("Leeway"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_shop_with_names_shows_no_drift_and_a_name_that_was_missed_is_put_right_and_counted()
 {
    let shop = TestShop::opens().await;
    let daemon = named(&shop).await;
    let mut native = daemon.client(&Token::of(Role::Manager)).await;
    native.asks("subscribe:orders", &json!({})).await;
    let order = shop.sells(&shop.spot(0, 20).await, 1).await;
    let heard = native.event("order:updated").await;
    assert!(heard["data"].get("customerName").is_none(), "{heard}");
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    shop.time_passes(3_600).await;
    let runs = daemon.compares_everything().await;
    assert!(
        runs.iter().all(|run| run["drift"] == 0),
        "{runs:#?} {:#?}",
        daemon.drift().await
    );

    shop.mistreats_webhooks(&json!({ "drop": 1.0 })).await;
    let renamed = json!({ "action": "update", "id": order["customerId"], "firstName": "Ann", "lastName": "" });
    shop.does("customers", &renamed).await;
    shop.time_passes(3_600).await;
    assert_eq!(daemon.compares("customers").await["drift"], 1);
    let drift = daemon.drift().await;
    assert_eq!(
        drift[0]["fields"]["name"],
        json!([WALTER, "Ann"]),
        "{drift:?}"
    );
    assert_eq!(daemon.compares("customers").await["drift"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_names_off_nobody_is_named_and_no_name_is_anywhere_in_the_database() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let mut live = client(&daemon, &Token::of(Role::Manager), None).await;
    let order = shop.sells(&shop.spot(0, 20).await, 1).await;
    assert_eq!(
        who_ordered(&mut live, "order:created", &order).await,
        Value::Null
    );
    shop.order("fulfill", &order).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    daemon.compares_everything().await;
    daemon.terminated().await;
    assert_eq!(kept(&daemon, &["Walkin"]), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_go_with_their_customer_and_all_of_them_with_the_setting() {
    let shop = TestShop::opens().await;
    let mut daemon = named(&shop).await;
    let spot = shop.spot(0, 20).await;
    let (gone, other) = (shop.sells(&spot, 1).await, shop.sells(&spot, 1).await);
    for (order, first_name, last_name) in [(&gone, "Grace", "Goneby"), (&other, "Oscar", "Otherby")]
    {
        renames(&shop, &daemon, order, first_name, last_name).await;
        shop.order("fulfill", order).await;
    }
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    assert_eq!(
        kept(&daemon, &["Grace Goneby", "Oscar Otherby"]),
        ["Grace Goneby", "Oscar Otherby"]
    );

    shop.does(
        "privacy",
        &json!({ "action": "redactCustomer", "customerId": gone["customerId"] }),
    )
    .await;
    eventually("the customer's name is nowhere", async || {
        kept(&daemon, &["Goneby"]).is_empty().then_some(())
    })
    .await;
    assert_eq!(kept(&daemon, &["Oscar Otherby"]), ["Oscar Otherby"]);
    let told = daemon.events(None).await;
    assert!(
        told.iter()
            .all(|event| !event.to_string().contains("Goneby"))
    );

    daemon.terminated().await;
    daemon.configure(&shop, Settings::default());
    daemon.starts().await;
    assert_eq!(daemon.asked("status", &admin()).await.0, 200);
    eventually("no name is anywhere", async || {
        kept(&daemon, &["Otherby", "Walkin"])
            .is_empty()
            .then_some(())
    })
    .await;
    let customers = daemon.list("customers", &admin()).await;
    assert!(
        customers
            .iter()
            .all(|customer| customer.get("name").is_none()),
        "{customers:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_wanted_later_come_with_the_next_full_run_and_are_no_news() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    shop.sells(&shop.spot(0, 20).await, 1).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    shop.time_passes(3_600).await;
    daemon.terminated().await;
    daemon.configure(&shop, with_names());
    daemon.starts().await;
    let told = daemon.events(None).await.len();
    let run = daemon.begins_when_it_can("customers", "full").await;
    let run = daemon.ends(&run).await;
    assert_eq!(
        (&run["state"], &run["changed"], &run["drift"]),
        (&json!("completed"), &json!(0), &json!(0))
    );
    let customers = daemon.list("customers", &admin()).await;
    assert!(
        customers
            .iter()
            .all(|customer| customer["name"].is_string()),
        "{customers:?}"
    );
    let since = &daemon.events(None).await[told..];
    let news = |event: &&Value| {
        ["customer:", "order:"]
            .iter()
            .any(|of| event["kind"].as_str().unwrap().starts_with(of))
    };
    assert_eq!(since.iter().find(news), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_shopify_withholds_names_everything_else_is_synced_and_somebody_is_told() {
    for denied_is_null_in_bulk in [false, true] {
        let options = Options {
            products: 12,
            variants_per_product: 2,
            locations: 3,
            restore_rate: 10_000,
            names_withheld: true,
            denied_is_null_in_bulk,
            ..Options::default()
        };
        let shop = TestShop::with(options).await;
        let before = shop.sells(&shop.spot(0, 20).await, 1).await;
        let daemon = named(&shop).await;
        let mut live = client(&daemon, &Token::of(Role::Manager), None).await;
        let order = shop.sells(&shop.spot(0, 20).await, 1).await;
        assert_eq!(
            who_ordered(&mut live, "order:created", &order).await,
            Value::Null
        );
        let known = daemon.list("orders", &admin()).await;
        for order in [&before, &order] {
            assert!(known.iter().any(|row| {
                (&row["orderId"], &row["customerId"]) == (&order["id"], &order["customerId"])
            }));
        }
        // Whatever a bulk operation does with it, a page says it.
        let page = daemon.begins_when_it_can("customers", "quick").await;
        assert_eq!(daemon.ends(&page).await["state"], "completed");
        eventually(
            "an administrator is told which leave is missing",
            async || {
                let told = daemon.events(None).await;
                let says = |event: &Value| {
                    event["kind"] == "system:alert"
                        && event["data"]["message"]
                            .as_str()
                            .unwrap()
                            .contains("protected customer field \"Name\"")
                };
                told.iter().any(says).then_some(())
            },
        )
        .await;
        assert!(daemon.log().contains("Shopify withholds customers' names"));
        let runs = daemon.compares_everything().await;
        assert!(runs.iter().all(|run| run["drift"] == 0), "{runs:#?}");
    }
}
