//! Alerts beyond sockets: a real mail server, a chat and a program are told once, however they behave meanwhile.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::Role;
use serde_json::Value;
use sha2::Sha256;
use tests::{
    MailServer, Mood, Received, Receiver, Settings, TestDaemon, TestShop, Token, eventually,
};

async fn daemon(shop: &TestShop, sections: String) -> TestDaemon {
    let daemon = TestDaemon::with(
        shop,
        Settings {
            sections,
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    daemon
}

/// What `/api/v1/status` says is wrong.
async fn problems(daemon: &TestDaemon) -> String {
    let mut problems = daemon.asked("status", &Token::of(Role::Admin)).await.1["problems"].take();
    // These daemons have no address for webhooks.
    problems
        .as_array_mut()
        .unwrap()
        .retain(|problem| problem["kind"] != "no_webhooks");
    problems.to_string()
}

async fn metrics(daemon: &TestDaemon) -> String {
    let answer = reqwest::get(format!("{}/metrics", daemon.url()))
        .await
        .unwrap();
    answer.text().await.unwrap()
}

/// Somebody buys; the order's name.
async fn order(shop: &TestShop) -> String {
    let spot = shop.spot(0, 5).await;
    shop.sells(&spot, 1).await["name"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// How many of the mails tell of that order.
fn mails_of(server: &MailServer, order: &str) -> usize {
    server
        .mails()
        .iter()
        .filter(|mail| mail.text.contains(&format!("{order}: ")))
        .count()
}

const ORDERS_BY_MAIL: &str = "[[alerts.email]]\nevents = [\"order_created\"]\nto = [\"buyer@shop.example\"]\ndigest_minutes = 0\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_was_away_or_busy_gets_each_mail_once() {
    let shop = TestShop::opens().await;
    let mut server = MailServer::away();
    let mut daemon = daemon(&shop, server.settings() + ORDERS_BY_MAIL).await;
    let first = order(&shop).await;
    eventually("it is known that the server is away", async || {
        problems(&daemon)
            .await
            .contains("alerts by email: the mail server cannot be reached")
            .then_some(())
    })
    .await;
    assert!(
        metrics(&daemon)
            .await
            .contains("stockd_alerts_failing{channel=\"email\"} 1")
    );
    let second = order(&shop).await;
    shop.falls_quiet().await;
    daemon.killed();
    daemon.starts().await;
    server.is(Mood::Busy);
    server.comes_back().await;
    eventually("the server has no time", async || {
        (server.refused() > 0).then_some(())
    })
    .await;
    daemon.killed();
    server.is(Mood::Kind);
    daemon.starts().await;
    eventually("the mails are there", async || {
        (mails_of(&server, &second) > 0).then_some(())
    })
    .await;
    let third = order(&shop).await;
    eventually("the next mail is there", async || {
        (mails_of(&server, &third) > 0).then_some(())
    })
    .await;

    for order in [&first, &second, &third] {
        assert_eq!(
            mails_of(&server, order),
            1,
            "{order} in {:#?}",
            server.mails()
        );
    }
    let mail = server.mails().pop().unwrap();
    assert_eq!(
        (mail.to.as_str(), mail.header("From")),
        ("buyer@shop.example", "stockd <stock@shop.example>")
    );
    assert_eq!(
        mail.header("Subject"),
        "New orders: 1; pretend.myshopify.com"
    );
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(problems(&daemon).await, "[]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_whose_answer_was_lost_comes_again_as_the_same_mail() {
    let shop = TestShop::opens().await;
    let server = MailServer::opens().await;
    server.is(Mood::Silent);
    let mut daemon = daemon(&shop, server.settings() + ORDERS_BY_MAIL).await;
    let first = order(&shop).await;
    eventually("the mail was taken", async || {
        (mails_of(&server, &first) > 0).then_some(())
    })
    .await;
    daemon.killed();
    server.is(Mood::Kind);
    daemon.starts().await;
    let second = order(&shop).await;
    eventually("the next mail is there", async || {
        (mails_of(&server, &second) > 0).then_some(())
    })
    .await;

    let mails = server.mails();
    let ids: Vec<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    let texts: Vec<&str> = mails
        .iter()
        .map(|mail| mail.text.split_once("\n\n").unwrap().1)
        .collect();
    assert_eq!(mails.len(), 3);
    assert_eq!(
        (ids[0], texts[0]),
        (ids[1], texts[1]),
        "a mailbox can tell that it has it"
    );
    assert_ne!(ids[1], ids[2]);
    assert!(ids[0].ends_with("-email@shop.example>"), "{}", ids[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_nothing_is_sent_where_tls_was_asked_for() {
    let shop = TestShop::opens().await;
    let server = MailServer::opens().await;
    let settings = server.settings().replace("\"none\"", "\"starttls\"");
    let daemon = daemon(&shop, settings + ORDERS_BY_MAIL).await;
    order(&shop).await;
    eventually("it is known that the server has no TLS", async || {
        problems(&daemon)
            .await
            .contains("the mail server has no STARTTLS")
            .then_some(())
    })
    .await;
    assert_eq!(server.mails(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_mails_go_to_a_server_that_somebody_vouches_for_and_to_no_other() {
    for security in ["tls", "starttls"] {
        let shop = TestShop::opens().await;
        let server = MailServer::secured(security).await;
        let sections = server.settings() + ORDERS_BY_MAIL;
        let mut strange = daemon(&shop, sections.clone()).await;
        strange.expects_error("failed to verify TLS certificate");
        order(&shop).await;
        eventually("the certificate is not believed", async || {
            problems(&strange)
                .await
                .contains("alerts by email")
                .then_some(())
        })
        .await;
        assert_eq!(server.mails(), [], "{security}");
        drop(strange);

        let authorities = Some(server.certificate());
        let settings = Settings {
            sections,
            authorities,
            ..Settings::default()
        };
        let daemon = TestDaemon::with(&shop, settings).await;
        daemon.imported().await;
        let order = order(&shop).await;
        eventually("the mail is there", async || {
            (mails_of(&server, &order) > 0).then_some(())
        })
        .await;
        assert_eq!(problems(&daemon).await, "[]", "{security}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_is_gone_keeps_nothing_from_the_others() {
    let shop = TestShop::opens().await;
    let server = MailServer::opens().await;
    let channel = "[[alerts.email]]\nname = \"buyers\"\nevents = [\"order_created\"]\nto = [\"gone@shop.example\", \"there@shop.example\"]\ndigest_minutes = 0\n";
    let mut daemon = daemon(&shop, server.settings() + channel).await;
    daemon.expects_error("an alert was refused for good");
    let order = order(&shop).await;
    eventually("the mail is there", async || {
        (mails_of(&server, &order) > 0).then_some(())
    })
    .await;
    assert_eq!(server.mails()[0].to, "there@shop.example");
    eventually("the refusal is known", async || {
        problems(&daemon)
            .await
            .contains("alerts by email:buyers: the mail server answered 550")
            .then_some(())
    })
    .await;
    assert!(
        metrics(&daemon)
            .await
            .contains("stockd_alerts_given_up{channel=\"email:buyers\"} 1")
    );
    assert!(
        !daemon.log().contains("gone@"),
        "nobody's address is in the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_told_by_signed_requests_and_a_chat_in_words() {
    let shop = TestShop::opens().await;
    let (program, chat) = (Receiver::opens().await, Receiver::opens().await);
    let key = [7; 32];
    let secret = format!("whsec_{}", BASE64.encode(key));
    let sections = format!(
        "[[alerts.webhook]]\nevents = [\"low_stock\", \"out_of_stock\", \"order_created\"]\nurl = \"http://{}/hook\"\nsecret = \"{secret}\"\n\
         [[alerts.slack]]\nevents = [\"low_stock\", \"out_of_stock\"]\nurl = \"http://{}/services/x\"\ndigest_minutes = 0\n",
        program.address(),
        chat.address()
    );
    let daemon = daemon(&shop, sections).await;
    program.answers([500, 429]);
    let spot = shop.spot(0, 20).await;
    shop.sells(&spot, spot.available - 2).await;
    shop.falls_quiet().await;
    let told = async |kind: &str, at: &Receiver| {
        eventually(&format!("{kind} was told"), async || {
            let taken =
                |request: &&Received| request.answered == 200 && request.body.contains(kind);
            at.received().iter().find(taken).cloned()
        })
        .await
    };
    let low = told("inventory:low_stock", &program).await;
    told("order:created", &program).await;
    shop.sells(&spot, 2).await;
    let out = told("Out of stock: 1; pretend.myshopify.com", &chat).await;
    told("inventory:out_of_stock", &program).await;

    let received = program.received();
    for request in &received {
        let header = |name: &str| request.headers[name].as_str();
        let signed = format!(
            "{}.{}.{}",
            header("webhook-id"),
            header("webhook-timestamp"),
            request.body
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(signed.as_bytes());
        let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), signature);
        assert!(!request.body.contains("customerId"), "{}", request.body);
    }
    let ids: Vec<&str> = received
        .iter()
        .map(|request| request.headers["webhook-id"].as_str())
        .collect();
    assert_eq!((received[0].answered, received[1].answered), (500, 429));
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2],
        "the same is sent again under its id: {ids:?}"
    );
    let body: Value = serde_json::from_str(&low.body).unwrap();
    assert_eq!(
        (&low.path[..], &body["type"]),
        ("/hook", &"stockd.alerts".into())
    );
    let taken = received.iter().filter(|request| request.answered == 200);
    let mut offsets: Vec<String> = Vec::new();
    for request in taken {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let events = body["data"]["events"].as_array().unwrap();
        offsets.extend(
            events
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned()),
        );
    }
    let logged = daemon.events(None).await;
    let wanted = [
        "inventory:low_stock",
        "inventory:out_of_stock",
        "order:created",
    ];
    let logged = logged
        .iter()
        .filter(|event| wanted.iter().any(|kind| event["kind"] == *kind));
    let logged: Vec<String> = logged
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(offsets, logged, "each once and in order");
    let text = serde_json::from_str::<Value>(&out.body).unwrap()["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(text.contains(": 0 left"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn error_lines_are_reported_to_sentry_and_nothing_else_is() {
    let shop = TestShop::opens().await;
    let (ingest, program) = (Receiver::opens().await, Receiver::opens().await);
    let secret = format!("whsec_{}", BASE64.encode([7; 32]));
    let sections = format!(
        "[alerts]\nsentry_dsn = \"http://public@{}/42\"\n[[alerts.webhook]]\nevents = [\"order_created\"]\nurl = \"http://{}/hook\"\nsecret = \"{secret}\"\n",
        ingest.address(),
        program.address()
    );
    let mut daemon = daemon(&shop, sections).await;
    daemon.expects_error("an alert was refused for good");
    program.answers([410]);
    order(&shop).await;
    let report = eventually("it is reported", async || ingest.received().pop()).await;

    assert_eq!(report.path, "/api/42/envelope/");
    assert!(
        report.headers["x-sentry-auth"].contains("sentry_key=public"),
        "{report:?}"
    );
    let event = report
        .body
        .lines()
        .find(|line| line.contains("\"message\""))
        .unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(
        event["message"],
        "an alert was refused for good and is given up"
    );
    assert_eq!(
        (&event["extra"]["channel"], &event["extra"]["reason"]),
        (&"webhook".into(), &"it answered 410".into())
    );
    for unwanted in ["user", "request", "server_name", "breadcrumbs"] {
        assert!(event[unwanted].is_null(), "{unwanted}: {event}");
    }
    let errors = daemon
        .log()
        .lines()
        .filter(|line| line.contains("ERROR"))
        .count();
    assert_eq!(ingest.received().len(), errors);
}
