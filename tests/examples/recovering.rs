//! How long a crowd needs after a SIGKILL until each of it goes on where it was, none having missed or heard twice what
//! happened meanwhile.
//!
//! `cargo run --release -p tests --example recovering -- <clients>`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use schemas::Role;
use tests::{Crowd, Mirror, Settings, TestDaemon, TestShop, Token};
use tokio::time::Instant;

/// Sales, half of them before the kill, and the other half while the daemon is down.
const SALES: usize = 20;

#[tokio::main]
async fn main() {
    let clients: usize = std::env::args()
        .nth(1)
        .map_or(1_000, |count| count.parse().unwrap());
    let shop = TestShop::opens().await;
    let places = clients + 100;
    let realtime = format!("connections_max = {places}\nconnections_per_address_max = {places}");
    let mut daemon = TestDaemon::with(
        &shop,
        Settings {
            realtime,
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    let user = |n| Token::of(Role::Admin).user(&format!("user-{n}"));
    let since = daemon.offset().await;
    let crowd = Crowd::gathers(
        daemon.address(),
        (0..clients).map(|n| daemon.token(&user(n))).collect(),
    )
    .await;
    let spot = shop.spot(0, 100).await;
    for _ in 0..SALES / 2 {
        shop.adjusts(&spot, "available", -1).await;
    }

    daemon.killed();
    let killed = Instant::now();
    for _ in 0..SALES / 2 {
        shop.adjusts(&spot, "available", -1).await;
    }
    let starts = Instant::now();
    daemon.starts().await;
    let ready = Instant::now();
    crowd.is_back(1).await;
    let back = Instant::now();

    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let sequence = |id: &str| id.split_once('.').unwrap().1.parse::<u64>().unwrap();
    let events = daemon.events(Some("inventory:all")).await;
    let ids = events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned());
    let logged: Vec<String> = ids.filter(|id| sequence(id) > sequence(&since)).collect();
    crowd.heard(&logged).await;
    assert_eq!(crowd.lost(), 0, "told to load again");
    println!(
        "{clients} clients, {} events each: all back {:.1?} after the kill; the daemon was ready {:.1?} after it was \
         started, the last of them {:.1?} later",
        logged.len(),
        back - killed,
        ready - starts,
        back - ready,
    );
}
