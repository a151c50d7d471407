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
    client
        .event_where("inventory:updated", |event| {
            event["data"]["available"] == spot.available - 1
        })
        .await;
    assert_eq!(
        client.events("connected").len(),
        1,
        "it had to connect again"
    );
    assert!(daemon.still_runs());
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
        assert!(
            began.elapsed() < PATIENCE / 2,
            "still open after {:?}",
            began.elapsed()
        );
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
        assert_eq!(
            [&heard[tail..=tail], &heard[tail + 2..tail + 4]].concat(),
            close,
            "{declared}"
        );
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
        assert!(
            !answer.starts_with(b"HTTP/1.1 2"),
            "{:?}",
            String::from_utf8_lossy(greeting)
        );
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

/// A session that polls, opened on a connection of its own; its id.
async fn polling(daemon: &TestDaemon) -> String {
    let answer = answer(daemon, "GET", "EIO=4&transport=polling", "", b"").await;
    let (_, open) = answer.split_once("\r\n\r\n0").unwrap();
    let open: serde_json::Value = serde_json::from_str(open).unwrap();
    open["sid"].as_str().unwrap().to_owned()
}

/// What a single request to the sockets' path is answered.
async fn answer(
    daemon: &TestDaemon,
    method: &str,
    query: &str,
    headers: &str,
    body: &[u8],
) -> String {
    let mut wire = Wire::to(daemon.address()).await;
    let length = body.len();
    let head = format!(
        "{method} /socket.io/?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n"
    );
    wire.sends([head.as_bytes(), body].concat()).await;
    wire.hears_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crafted_requests_open_no_socket() {
    let (shop, mut daemon, mut client) = bystander().await;
    let queries = [
        "",
        "EIO=4",
        "EIO=4&transport=__proto__",
        "EIO=4&transport=constructor&sid=__proto__",
        "EIO[]=4&transport[]=polling",
        "EIO=4&transport=polling&sid=",
        "EIO=4&transport=polling&sid=%00%ff",
        "EIO=4&transport=polling&sid=../../..",
        "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAA",
        "EIO=3&transport=polling",
        "EIO=4&EIO=4&transport=polling&transport=websocket&j=0&sid=x",
    ];
    for query in queries {
        for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"] {
            let answer = answer(&daemon, method, query, "", b"4").await;
            assert!(
                answer.starts_with("HTTP/1.1 40"),
                "{method} {query}: {answer}"
            );
        }
    }
    let long = format!("EIO=4&transport=polling&sid={}", "x".repeat(60_000));
    assert!(
        answer(&daemon, "GET", &long, "", b"")
            .await
            .starts_with("HTTP/1.1 4")
    );
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let many = "x: y\r\n".repeat(3000);
    let huge = format!("X: {}\r\n", "x".repeat(2_000_000));
    let slow = format!("Sec-WebSocket-Protocol: {},\r\n", "a ".repeat(20_000));
    for headers in [many, huge] {
        for transport in ["polling", "websocket"] {
            let query = format!("EIO=4&transport={transport}");
            let answer = answer(&daemon, "GET", &query, &format!("{upgrade}{headers}"), b"").await;
            assert!(
                !answer.starts_with("HTTP/1.1 1") && !answer.starts_with("HTTP/1.1 2"),
                "{answer}"
            );
        }
    }
    let mut wire = Wire::to(daemon.address()).await;
    wire.sends(format!(
        "{}{slow}\r\n",
        UPGRADE.strip_suffix("\r\n").unwrap()
    ))
    .await;
    let began = Instant::now();
    wire.hears().await;
    assert!(
        began.elapsed() < PATIENCE / 2,
        "a list of nothing took its time"
    );
    unharmed(&shop, &mut daemon, &mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_polls_nonsense_is_ended_and_no_other() {
    let (shop, mut daemon, mut client) = bystander().await;
    let deep = format!("42[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 14] = [
        b"",
        b"abc",
        b"2",
        b"4\xff\xfe",
        b"b%%%",
        b"bAAAA",
        b"42[\"subscribe:inventory\"]",
        b"40/oda,[]",
        b"451-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]",
        b"4511-[\"a\"]",
        b"4599999999999999999999-[\"a\"]",
        b"42[{\"toString\":1}]",
        b"40/oda,{\"token\":\"x\"}\x1e40/oda\x1e42/oda,[\"disconnect\"]",
        deep.as_bytes(),
    ];
    for body in bodies {
        let sid = polling(&daemon).await;
        let query = format!("EIO=4&transport=polling&sid={sid}");
        let refused = answer(&daemon, "POST", &query, "", body).await;
        assert!(
            refused.starts_with("HTTP/1.1 400"),
            "{}: {refused}",
            String::from_utf8_lossy(body)
        );
        let gone = answer(&daemon, "GET", &query, "", b"").await;
        assert!(
            gone.ends_with(r#"{"code":1,"message":"Session ID unknown"}"#),
            "{gone}"
        );
    }
    let sid = polling(&daemon).await;
    let query = format!("EIO=4&transport=polling&sid={sid}");
    let refused = answer(&daemon, "POST", &query, "", &vec![b'4'; 1_000_001]).await;
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 413"),
        "{refused}"
    );
    unharmed(&shop, &mut daemon, &mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_poll_half_a_post_and_half_an_upgrade_are_left_behind() {
    let (shop, mut daemon, mut client) = bystander().await;
    let mut hanging = Vec::new();
    for _ in 0..30 {
        let target = format!(
            "/socket.io/?EIO=4&transport=polling&sid={}",
            polling(&daemon).await
        );
        let upgrade = UPGRADE.replace("transport=websocket", &target["/socket.io/?EIO=4&".len()..]);
        let upgrade = upgrade.replace("transport=polling", "transport=websocket");
        let poll = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let post =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n40/oda,");
        for half in [upgrade, poll, post] {
            let mut wire = Wire::to(daemon.address()).await;
            wire.sends(half).await;
            hanging.push(wire);
        }
    }
    unharmed(&shop, &mut daemon, &mut client).await;
    drop(hanging);
    unharmed(&shop, &mut daemon, &mut client).await;
}
