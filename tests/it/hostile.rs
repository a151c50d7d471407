//! Clients that mean harm, or do not know what they do: they are ended, and nobody else notices.

use std::time::Duration;

use schemas::Role;
use serde_json::json;
use tests::{Client, PATIENCE, TestDaemon, TestShop, Token, Webhook, Wire};
use tokio::time::{Instant, sleep};

const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: stockd\r\n\
                       Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A daemon with a client on it that must not notice anything.
async fn bystander() -> (TestShop, TestDaemon, Client) {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&Token::of(Role::Admin)).await;
    client.asks("subscribe:inventory", &json!({})).await;
    (shop, daemon, client)
}

/// The daemon lives, takes webhooks, and the client hears of them without having been cut off.
async fn unharmed(shop: &TestShop, daemon: &mut TestDaemon, client: &mut Client) {
    let spot = shop.spot(0, 2).await;
    shop.adjusts(&spot, "available", -1).await;
    client.event_where("inventory:updated", |event| event["data"]["available"] == spot.available - 1).await;
    assert_eq!(client.events("connected").len(), 1, "it had to connect again");
    assert!(daemon.is_alive());
}

/// A WebSocket connection past its handshake.
async fn socket(daemon: &TestDaemon) -> Wire {
    let mut wire = Wire::to(daemon.address()).await;
    wire.sends(UPGRADE).await;
    let mut heard = Vec::new();
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        let more = wire.hears().await;
        assert!(!more.is_empty(), "the handshake was refused");
        heard.extend(more);
    }
    assert!(heard.starts_with(b"HTTP/1.1 101"));
    wire
}

/// A client's frame: masked with zeros, so that the payload stands there as it is.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![0x80 | opcode, 0x80 | 0x7e];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_drips_in_is_not_waited_for() {
    let (shop, mut daemon, mut client) = bystander().await;
    let (mut wire, began) = (Wire::to(daemon.address()).await, Instant::now());
    wire.sends("GET /livez HTTP/1.1\r\nHost: stockd\r\n").await;
    // The drip itself is the test: a byte every half second, as such clients do.
    while wire.sends("x").await {
        assert!(began.elapsed() < PATIENCE / 2, "still open after {:?}", began.elapsed());
        sleep(Duration::from_millis(500)).await;
    }
    unharmed(&shop, &mut daemon, &mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_body_is_nobodys_webhook() {
    let (shop, mut daemon, mut client) = bystander().await;
    let head = Webhook::of("orders/create", &json!({ "id": 1 })).head("Content-Length: 5000");
    for _ in 0..50 {
        let mut wire = Wire::to(daemon.address()).await;
        wire.sends(format!("{head}\r\n{{\"id\"")).await;
    }
    // Those hang on while others are served.
    let mut hanging = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::to(daemon.address()).await;
        wire.sends(format!("{head}\r\n{{")).await;
        hanging.push(wire);
    }
    unharmed(&shop, &mut daemon, &mut client).await;
    assert_eq!(daemon.deliveries("orders/create", "unreadable").await, 0);
    assert_eq!(daemon.deliveries("orders/create", "pending").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_frame_is_refused_unread() {
    let (shop, mut daemon, mut client) = bystander().await;
    for declared in [1_000_001_u64, 1 << 40, u64::MAX] {
        let mut wire = socket(&daemon).await;
        let mut header = vec![0x81, 0x80 | 0x7f];
        header.extend(declared.to_be_bytes());
        header.extend([0; 4]);
        wire.sends(header).await;
        let mut heard = Vec::new();
        loop {
            let more = wire.hears().await;
            if more.is_empty() {
                break;
            }
            heard.extend(more);
        }
        // A length with its highest bit set is not a length at all.
        let code: u16 = if declared == u64::MAX { 1002 } else { 1009 };
        let close = [&[0x88][..], &code.to_be_bytes()].concat();
        let tail = heard.iter().rposition(|byte| *byte == 0x88).unwrap();
        assert_eq!([&heard[tail..=tail], &heard[tail + 2..tail + 4]].concat(), close, "{declared}");
    }
    unharmed(&shop, &mut daemon, &mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_ends_its_own_connection_and_no_other() {
    let (shop, mut daemon, mut client) = bystander().await;
    let mut noise = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = |bytes: usize| {
        let byte = |_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[3]
        };
        (0..bytes).map(byte).collect::<Vec<u8>>()
    };
    let mut greetings = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        [b"GET /livez HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 1_000_000], b"\r\n\r\n".to_vec()].concat(),
        b"POST /webhooks/shopify HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_vec(),
    ];
    greetings.extend((1..30).map(|n| [random(n * 37), b"\r\n\r\n".to_vec()].concat()));
    for greeting in &greetings {
        let mut wire = Wire::to(daemon.address()).await;
        wire.sends(greeting).await;
        let answer = wire.hears().await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(greeting));
    }
    let packets: [&[u8]; 8] = [
        b"",
        b"9",
        b"4",
        b"40/",
        b"40/oda,{\"token\":",
        b"42[\"subscribe:inventory\"]",
        b"451-[]",
        b"\xff\xff",
    ];
    for packet in packets {
        let mut wire = socket(&daemon).await;
        wire.sends(frame(1, packet)).await;
        wire.sends(frame(8, b"\x03\xe8")).await;
        wire.hears_all().await;
    }
    unharmed(&shop, &mut daemon, &mut client).await;
}
