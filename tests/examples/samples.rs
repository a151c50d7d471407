//! Signs and posts every `*.json` of a folder to a fresh daemon, and prints what it answers and what becomes of each.
//!
//! `cargo run -p tests --example samples -- <folder>`; a file is named after its topic: `orders_create.json`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for whoever collected the bodies"
)]

use std::path::PathBuf;

use schemas::Role;
use tests::{TestDaemon, TestShop, Token, Webhook};

/// What a topic is about, up to its slash; a file's name has an underscore there.
const ABOUT: [&str; 15] = [
    "app",
    "bulk_operations",
    "customers",
    "fulfillments",
    "inventory_items",
    "inventory_levels",
    "inventory_shipments",
    "inventory_transfers",
    "locations",
    "order_transactions",
    "orders",
    "products",
    "refunds",
    "shop",
    "variants",
];

#[tokio::main]
async fn main() {
    let folder: PathBuf = std::env::args()
        .nth(1)
        .expect("name a folder with bodies")
        .into();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let Some(topic) = topic(name) else {
            println!("{name}: no topic is called so");
            continue;
        };
        let answer = daemon
            .receives(&Webhook::raw(&topic, std::fs::read(&file).unwrap()))
            .await;
        daemon.inbox_is_empty().await;
        let state = state(&daemon, &topic).await;
        println!("{topic:<36} {answer}  {state}");
    }
}

/// `inventory_levels_update` is `inventory_levels/update`.
fn topic(name: &str) -> Option<String> {
    let split = |about: &&'static str| {
        Some(format!(
            "{about}/{}",
            name.strip_prefix(about)?.strip_prefix('_')?
        ))
    };
    ABOUT.iter().find_map(split)
}

async fn state(daemon: &TestDaemon, topic: &str) -> String {
    for state in ["applied", "ignored", "unreadable"] {
        let path = format!("deliveries?state={state}&limit=1000");
        let (_, answer) = daemon.asked(&path, &Token::of(Role::Admin)).await;
        let delivery = answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|delivery| delivery["topic"] == topic);
        if let Some(delivery) = delivery {
            return format!(
                "{state} {}",
                delivery["reason"].as_str().unwrap_or_default()
            );
        }
    }
    "not kept".to_owned()
}
