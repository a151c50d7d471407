//! Clients that are cut off, by whatever: unmodified, they go on where they were, and nothing is missing or told twice.

use std::time::Duration;

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Cable, Client, Crowd, Mirror, Settings, TestDaemon, TestShop, Token, eventually};
use tokio::time::Instant;

/// Clients in the crowd. A thousand go well, too, and take half a minute longer.
const CROWD: usize = 200;

fn admin() -> Token {
    Token::of(Role::Admin)
}

fn ids(client: &Client) -> Vec<String> {
    let events = client.events("inventory:");
    events
        .iter()
        .filter_map(|(_, event)| event["id"].as_str().map(str::to_owned))
        .collect()
}

async fn logged(daemon: &TestDaemon, after: &str) -> Vec<String> {
    let sequence = |id: &str| id.split_once('.').unwrap().1.parse::<u64>().unwrap();
    let events = daemon.events(Some("inventory:all")).await;
    let ids = events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned());
    ids.filter(|id| sequence(id) > sequence(after)).collect()
}

/// A client that comes back quickly, in everything in stock; and the offset since when.
async fn patient(daemon: &TestDaemon, url: &str, token: &Token) -> (Client, String) {
    patiently(Client::with, daemon, url, token).await
}

async fn patiently(
    open: fn(&str, &str, &Value) -> Client,
    daemon: &TestDaemon,
    url: &str,
    token: &Token,
) -> (Client, String) {
    let options = json!({
        "auth": { "token": daemon.token(token) },
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 200,
    });
    let mut client = open(url, "/oda", &options);
    client.connected().await;
    client.upgraded().await;
    let answer = client.asks("subscribe:inventory", &json!({})).await;
    (client, answer["offset"].as_str().unwrap().to_owned())
}

/// Waits until it is back and has its WebSocket: between two polls there would be nothing to cut.
async fn is_back(client: &mut Client) -> bool {
    let recovered = client.came_back().await;
    client.upgraded().await;
    recovered
}

/// It hears all that was logged since then, each once, in order.
async fn is_complete(daemon: &TestDaemon, shop: &TestShop, client: &mut Client, since: &str) {
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    Mirror::becomes_exact(daemon, shop).await;
    let logged = logged(daemon, since).await;
    assert!(!logged.is_empty(), "nothing happened");
    eventually("all of it was heard", async || {
        (ids(client).last() == logged.last()).then_some(())
    })
    .await;
    client.asks("unsubscribe:orders", &json!({})).await;
    assert_eq!(ids(client), logged);
    assert!(client.events("resync").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_goes_on_through_a_cut_a_silent_cable_an_end_and_a_kill() {
    goes_on_through_everything(Client::with).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_the_first_version_that_could_be_recovered() {
    goes_on_through_everything(Client::oldest).await;
}

async fn goes_on_through_everything(open: fn(&str, &str, &Value) -> Client) {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let cable = Cable::to(daemon.address()).await;
    let (mut client, since) = patiently(open, &daemon, &cable.url(), &admin()).await;
    let spot = shop.spot(0, 40).await;
    let one = async |shop: &TestShop| shop.adjusts(&spot, "available", -1).await;

    // Before the first event, and twice in a row.
    for _ in 0..2 {
        cable.is_cut();
        assert!(is_back(&mut client).await);
    }
    one(&shop).await;
    client.event("inventory:updated").await;
    cable.is_cut();
    one(&shop).await;
    assert!(is_back(&mut client).await);

    // The client notices; the daemon does not, and has a socket there that nobody hears.
    cable.falls_silent();
    one(&shop).await;
    client.gives_up();
    assert!(is_back(&mut client).await);
    assert_eq!(daemon.realtime().await["users"]["online"][0]["sockets"], 1);

    assert_eq!(daemon.terminated().await.code(), Some(0));
    one(&shop).await;
    daemon.starts().await;
    assert!(is_back(&mut client).await);

    for _ in 0..2 {
        daemon.killed();
        one(&shop).await;
        daemon.starts().await;
        assert!(is_back(&mut client).await);
    }
    is_complete(&daemon, &shop, &mut client, &since).await;
    assert!(
        client
            .arguments("inventory:updated")
            .iter()
            .all(|args| args[1].is_string())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_is_noticed_by_both_sides_and_leaves_no_ghost() {
    let shop = TestShop::opens().await;
    let realtime = "ping_interval_seconds = 1\nping_timeout_seconds = 1".to_owned();
    let daemon = TestDaemon::with(
        &shop,
        Settings {
            realtime,
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    let cable = Cable::to(daemon.address()).await;
    let (mut client, since) = patient(&daemon, &cable.url(), &admin()).await;
    let (other, _) = patient(&daemon, &cable.url(), &admin().user("bob")).await;
    assert_eq!(daemon.realtime().await["users"]["count"], 2);

    cable.falls_silent();
    let silent = Instant::now();
    // Gone for good, without a word.
    drop(other);
    shop.adjusts(&shop.spot(0, 5).await, "available", -1).await;
    assert_eq!(client.disconnected().await, "ping timeout");
    assert!(client.came_back().await);
    is_complete(&daemon, &shop, &mut client, &since).await;

    eventually("nobody is there who is not", async || {
        (daemon.realtime().await["users"]["count"] == 1).then_some(())
    })
    .await;
    assert!(
        silent.elapsed() < Duration::from_secs(1 + 1 + 5 + 5),
        "{:?}",
        silent.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cut_off_in_the_middle_of_what_it_missed_goes_on_in_the_middle() {
    let shop = TestShop::with(Options {
        products: 60,
        ..Options::default()
    })
    .await;
    let mut daemon = TestDaemon::on(&shop).await;
    let beginning = daemon.beginning().await;
    for n in 0..80 {
        shop.adjusts(&shop.spot(n, 2).await, "available", -1).await;
    }
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let cable = Cable::to(daemon.address()).await;
    let options = json!({
        "auth": { "token": daemon.token(&admin()) },
        "transports": ["websocket"],
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 200,
    });
    let mut client = Client::with(&cable.url(), "/oda", &options);
    client.connected().await;

    cable.is_cut_after(8_000);
    client.emits("subscribe:inventory", &json!({ "since": beginning }));
    assert!(client.came_back().await);
    let heard = client.events("inventory:").len();
    assert!((1..80).contains(&heard), "cut off in the middle: {heard}");
    cable.is_cut_after(8_000);
    assert!(client.came_back().await);
    daemon.killed();
    daemon.starts().await;
    assert!(client.came_back().await);
    is_complete(&daemon, &shop, &mut client, &beginning).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_was_taken_away_meanwhile_is_not_restored() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let cable = Cable::to(daemon.address()).await;
    let user = |token: Token| token.user("ann");
    let (mut client, _) = patient(&daemon, &cable.url(), &user(admin())).await;
    let spot = shop.spot(0, 5).await;
    let elsewhere = shop.elsewhere(&spot, 5).await;
    client.takes_token(&daemon.token(&user(Token::staff_at(&spot.location))));
    cable.is_cut();
    shop.adjusts(&elsewhere, "available", -1).await;
    assert!(
        !client.came_back().await,
        "what it shows is not what it may see"
    );
    assert_eq!(client.event("resync").await["reason"], "rights_changed");
    shop.adjusts(&elsewhere, "available", -1).await;
    shop.adjusts(&spot, "available", -1).await;
    let first = client.event("inventory:updated").await;
    assert_eq!(first["data"]["locationId"], spot.location);

    client.takes_token("nonsense");
    cable.is_cut();
    assert_eq!(client.refused().await, "Invalid or expired token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_comes_back_whole_whatever_happens_while_shoppers_buy() {
    let shop = TestShop::with(Options {
        products: 30,
        ..Options::default()
    })
    .await;
    let realtime = "connections_per_address_max = 10000".to_owned();
    let settings = Settings {
        realtime,
        quick: "*/2 * * * * *".to_owned(),
        ..Settings::default()
    };
    let mut daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let since = daemon.offset().await;
    let tokens = (0..CROWD).map(|n| daemon.token(&admin().user(&format!("user-{n}"))));
    let crowd = Crowd::gathers(daemon.address(), tokens.collect()).await;
    shop.is_busy(4.0).await;

    let began = Instant::now();
    crowd.hangs_up();
    crowd.is_back(1).await;
    crowd.leaves_ghosts();
    crowd.is_back(2).await;
    let figures = daemon.realtime().await;
    assert_eq!(
        (&figures["sockets"], &figures["users"]["count"]),
        (&json!(CROWD), &json!(CROWD)),
        "no ghosts"
    );
    assert_eq!(daemon.terminated().await.code(), Some(0));
    daemon.starts().await;
    crowd.is_back(3).await;
    daemon.killed();
    daemon.starts().await;
    crowd.is_back(4).await;
    assert!(
        began.elapsed() < Duration::from_mins(2),
        "{:?}",
        began.elapsed()
    );

    shop.is_busy(0.0).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let logged = logged(&daemon, &since).await;
    assert!(logged.len() > 5, "{} events", logged.len());
    crowd.heard(&logged).await;
    assert_eq!(crowd.lost(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_user_is_put_out_at_once_and_for_good() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    // A later token of the same user is not revoked.
    let issued = admin().user("ann").issued();
    let ann = || issued.clone();
    let (mut client, _) = patient(&daemon, &daemon.url(), &ann()).await;
    let (mut by_id, _) = patient(&daemon, &daemon.url(), &admin().user("cid").id("lost")).await;
    let (mut bob, _) = patient(&daemon, &daemon.url(), &admin().user("bob")).await;
    let revoke = |body: Value| {
        let daemon = &daemon;
        async move { daemon.posted("revocations", &admin(), &body).await }
    };
    let staff = daemon
        .posted(
            "revocations",
            &Token::of(Role::Staff),
            &json!({ "userId": "ann" }),
        )
        .await;
    assert_eq!(staff.0, 403);
    assert_eq!(revoke(json!({})).await.0, 400);
    let (status, past) =
        revoke(json!({ "jti": "lost", "expiresAt": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(status, 400, "it would revoke nothing: {past}");
    assert_eq!(revoke(json!({ "userId": "ann" })).await.0, 200);
    assert_eq!(revoke(json!({ "jti": "lost" })).await.0, 200);
    for client in [&mut client, &mut by_id] {
        assert_eq!(client.event("error").await["code"], "TOKEN_INVALID");
        assert_eq!(client.disconnected().await, "io server disconnect");
    }
    bob.asks("subscribe:orders", &json!({})).await;
    assert_eq!(daemon.asked("runs", &ann()).await.0, 401);

    daemon.killed();
    daemon.starts().await;
    assert_eq!(
        daemon.asked("runs", &ann()).await.0,
        401,
        "it is remembered"
    );
    assert_eq!(
        daemon
            .asked("runs", &admin().user("cid").id("lost"))
            .await
            .0,
        401
    );
    assert_eq!(
        daemon
            .asked("runs", &admin().user("cid").id("other"))
            .await
            .0,
        200
    );
    assert!(bob.came_back().await);
}
