//! The verbs of the trade for whole-system tests: a shop that sells, a daemon that is killed, clients that listen.
//!
//! Everything runs on loopback, on free ports and in folders of its own, and ends with the value that started it.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code: what goes wrong here fails the test"
)]

mod aside;
mod binary;
mod broker;
mod cable;
mod client;
mod command;
mod crowd;
mod daemon;
mod demo;
mod dice;
mod eventually;
mod mail_server;
mod mirror;
mod plain;
mod receiver;
mod run;
mod shop;
mod token;
mod transcript;
mod watcher;
mod webhook;
mod wire;

pub use aside::aside;
pub use binary::{Ended, stockd, stockd_ends};
pub use broker::{Found, Sent, TestBroker};
pub use cable::Cable;
pub use client::{Client, Dashboard, Page};
pub use command::{CommandRefusal, ExpectedLevel, arguments};
pub use crowd::Crowd;
pub use daemon::{Settings, TestDaemon, free_address};
pub use demo::TestDemo;
pub use dice::Dice;
pub use eventually::{PATIENCE, eventually, eventually_within};
pub use mail_server::{Mail, MailServer, Mood};
pub use mirror::{Mirror, stock};
pub use plain::{Plain, Script, name};
pub use receiver::{Received, Receiver};
pub use run::RESOURCES;
pub use shop::{DOMAIN, Spot, TestShop};
pub use token::{Token, forged};
pub use watcher::Watcher;
pub use webhook::Webhook;
pub use wire::Wire;
