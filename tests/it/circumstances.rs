//! Bad circumstances: each is said in a sentence that tells what to do, and costs nothing once it is over.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tempfile::TempDir;
use tests::{
    Mirror, PATIENCE, RESOURCES, Settings, TestDaemon, TestShop, Token, Webhook, aside, eventually,
    eventually_within,
};

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// The first run of a resource that ends otherwise than completed; why.
async fn fails(daemon: &TestDaemon, resource: &str) -> String {
    eventually("a run has failed", async || {
        let runs = daemon.runs().await;
        let run = runs
            .iter()
            .find(|run| run["resource"] == resource && run["state"] == "failed")?;
        Some(run["error"].as_str().unwrap().to_owned())
    })
    .await
}

/// What administrators are told under a title that has those words in it.
async fn alert(daemon: &TestDaemon, title: &str, words: &str) -> String {
    eventually(&format!("{title}: {words}"), async || {
        let told = daemon.events(None).await;
        let mut messages = told.iter().filter(|event| event["data"]["title"] == title);
        let one =
            messages.find(|event| event["data"]["message"].as_str().unwrap().contains(words))?;
        Some(one["data"]["message"].as_str().unwrap().to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_open_nothing_are_told_apart_and_what_is_missed_is_brought_over_later() {
    let by_token = Settings::default;
    let wrong = Settings {
        credentials:
            "client_id = \"pretend-client\"\nclient_secret = \"not-the-secret-of-this-app\""
                .to_owned(),
        ..Settings::default()
    };
    let uninstalled = json!({ "action": "uninstall" });
    let cases = [
        (
            json!({ "action": "revokeTokens", "fixed": true }),
            by_token(),
            "enter a new one",
            "access token",
        ),
        (
            json!({ "action": "permit", "permitted": true }),
            wrong,
            "copy both anew",
            "invalid_client",
        ),
        (
            json!({ "action": "permit", "permitted": false }),
            by_token().by_client(),
            "in the organisation that owns the shop",
            "shop_not_permitted",
        ),
        (
            uninstalled,
            by_token().by_client(),
            "install it from the Dev Dashboard",
            "app_not_installed",
        ),
    ];
    for (at_the_shop, settings, what_to_do, why) in cases {
        let shop = TestShop::opens().await;
        shop.does("app", &at_the_shop).await;
        let mut daemon = TestDaemon::with(&shop, settings).await;
        for expected in ["run failed", "gives no token"] {
            daemon.expects_error(expected);
        }
        let sentence = fails(&daemon, "products").await;
        assert!(
            sentence.contains(why) && sentence.contains(what_to_do),
            "{sentence}"
        );
        let (_, status) = daemon.asked("status", &admin()).await;
        assert_eq!(
            status["resources"][0]["lastRun"]["error"],
            sentence.as_str()
        );
        // Levels wait for their products, and nobody waits for that.
        let (answered, refusal) = daemon.begins(&json!({ "resource": "inventory" })).await;
        assert_eq!(
            (answered, &refusal["error"]["code"]),
            (409, &json!("CONFLICT")),
            "{refusal}"
        );
        assert!(
            refusal["error"]["message"]
                .as_str()
                .unwrap()
                .contains("products"),
            "{refusal}"
        );
        // Webhooks are kept all the same.
        assert_eq!(
            daemon
                .receives(&Webhook::of("orders/create", &json!({ "id": 7 })))
                .await,
            200
        );
        if why == "invalid_client" {
            continue;
        }
        shop.does("app", &json!({ "action": "install" })).await;
        shop.does("app", &json!({ "action": "permit", "permitted": true }))
            .await;
        daemon.killed();
        daemon.starts().await;
        daemon.imported().await;
        Mirror::becomes_exact(&daemon, &shop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_is_missing_is_named_and_what_it_opens_comes_once_it_is_granted() {
    let without = |missing: &str| -> Vec<String> {
        sim::SCOPES
            .iter()
            .filter(|scope| **scope != missing)
            .map(|scope| (*scope).to_owned())
            .collect()
    };
    let shop = TestShop::with(Options {
        products: 6,
        locations: 2,
        restore_rate: 10_000,
        scopes: without("read_orders"),
        ..Options::default()
    })
    .await;
    let mut daemon = TestDaemon::with(&shop, Settings::default()).await;
    daemon.expects_error("run failed");
    daemon.expects_error("lacks scopes");
    let sentence = fails(&daemon, "orders").await;
    assert!(
        sentence.contains("grant it the scopes") && sentence.contains("install it again"),
        "{sentence}"
    );
    assert!(
        alert(&daemon, "The app lacks scopes", "read_orders")
            .await
            .contains("read_orders")
    );
    assert!(daemon.log().contains("grant them in its settings"));

    shop.sells(&shop.spot(0, 3).await, 1).await;
    shop.does(
        "app",
        &json!({ "action": "setScopes", "scopes": sim::SCOPES }),
    )
    .await;
    let run = daemon.compares("orders").await;
    assert_eq!(run["state"], "completed", "{run}");
    shop.falls_quiet().await;
    daemon.imported().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

/// Characters of a time down to its seconds.
const SECONDS: usize = "2026-11-28T20:25:19".len();

/// Up to when a resource is said to be complete, to the second.
async fn complete_until(daemon: &TestDaemon, resource: &str) -> String {
    let status = daemon.asked("status", &admin()).await.1;
    let of = status["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|of| of["resource"] == resource);
    of.unwrap()["completeUntil"].as_str().unwrap()[..SECONDS].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_shop_clock_version_and_token_is_said_and_passes() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::with(&shop, Settings::default().by_client()).await;
    daemon.expects_error("run failed");
    daemon.imported().await;
    let spot = shop.spot(0, 20).await;

    for (state, words) in [
        ("frozen", "its owner has to settle this"),
        ("locked", "ask Shopify's support"),
    ] {
        shop.does("faults", &json!({ "shop": state })).await;
        let run = daemon.compares("orders").await;
        assert_eq!(run["state"], "failed");
        let sentence = run["error"].as_str().unwrap();
        assert!(
            sentence.contains(state) && sentence.contains(words),
            "{sentence}"
        );
        // What happens meanwhile waits.
        shop.sells(&spot, 1).await;
        let taken = daemon
            .takes("adjust", &spot.asks(json!({ "delta": -1 })))
            .await;
        assert_eq!(taken["level"]["pending"], -1, "{taken}");
        shop.does("faults", &json!({ "shop": "open" })).await;
        daemon.comes_to_rest(&shop).await;
    }

    let problems = async || {
        let mut problems = daemon.asked("status", &admin()).await.1["problems"]
            .as_array()
            .unwrap()
            .clone();
        // That is over only once none came in another version for an hour.
        problems.retain(|problem| problem["kind"] != "webhook_version");
        problems
    };
    assert_eq!(problems().await, [] as [Value; 0]);
    let hour = 3_600;
    for (headers, said) in [
        (
            json!({ "dateOffsetSeconds": hour }),
            "s behind Shopify's: set it by NTP",
        ),
        (
            json!({ "dateOffsetSeconds": -hour }),
            "s ahead of Shopify's: set it by NTP",
        ),
        (
            json!({ "version": "2027-01" }),
            "answers in API version 2027-01 and not in 2026-10: update stockd",
        ),
        (
            json!({ "deprecatedReason": "Ask otherwise" }),
            "(Ask otherwise): update stockd",
        ),
    ] {
        shop.does("faults", &json!({ "headers": headers })).await;
        shop.adjusts(&spot, "available", 1).await;
        alert(&daemon, "Shopify's API", said).await;
        let stands = |problem: &Value| problem["message"].as_str().unwrap().contains(said);
        assert!(problems().await.iter().any(stands), "{said}");
        assert!(daemon.log().contains(said), "{said}");
        shop.falls_quiet().await;
        Mirror::becomes_exact(&daemon, &shop).await;
        let run = daemon.begins_when_it_can("inventory", "quick").await;
        let finished =
            daemon.ends(&run).await["finishedAt"].as_str().unwrap()[..SECONDS].to_owned();
        let complete = complete_until(&daemon, "inventory").await;
        assert!(
            complete <= finished,
            "{complete} is later than {finished}: what changes until then is left out"
        );
        shop.does("faults", &json!({ "headers": {} })).await;
        // A deprecation is taken back by the next answer to the same question.
        shop.adjusts(&spot, "available", 1).await;
        let run = daemon.begins_when_it_can("inventory", "quick").await;
        assert_eq!(daemon.ends(&run).await["state"], "completed");
        eventually("that has passed", async || {
            let left = problems().await;
            let passed = !left.iter().any(stands);
            if !passed {
                shop.adjusts(&spot, "available", 1).await;
            }
            passed.then_some(())
        })
        .await;
    }

    // A token of a minute is not replaced at once, lest two programs end each other's for ever.
    shop.does("app", &json!({ "action": "revokeTokens" })).await;
    shop.sells(&spot, 1).await;
    shop.falls_quiet().await;
    let words = "it was revoked, or the app was uninstalled; enter a new one";
    alert(&daemon, "Shopify does not let stockd in", words).await;
    // The rest of that minute, and the pause until Shopify is asked again.
    let minutes = 2 * PATIENCE;
    eventually_within(minutes, "the minute has gone", async || {
        problems().await.is_empty().then_some(())
    })
    .await;
    // Its end is logged a moment after it is no longer told.
    eventually(
        "it is logged when it begins and when it is over",
        async || (daemon.log().matches(words).count() == 2).then_some(()),
    )
    .await;
    Mirror::becomes_exact(&daemon, &shop).await;
    for resource in RESOURCES {
        assert_eq!(daemon.compares(resource).await["state"], "completed");
    }
}

/// A disk of a few megabytes, gone with this.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None`, with a word about it, where this system lets us make none.
    fn of_megabytes(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "stockd-test"])
            .arg(folder.path());
        let mounted = mount.stdin(Stdio::null()).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|ended| ended.success()) {
            return Some(Self { folder });
        }
        aside("not tested: a full disk takes a small tmpfs, and to mount one takes root");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves no byte of it.
    fn fills(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        let block = [7; 4_096];
        while file.write_all(&block).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_acknowledged_and_lost_and_all_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::of_megabytes(24) else {
        return;
    };
    let shop = TestShop::opens().await;
    let store = disk.path().join("stockd.db");
    let mut daemon = TestDaemon::with(
        &shop,
        Settings {
            store,
            ..Settings::default()
        },
    )
    .await;
    daemon.expects_error("the disk is full");
    daemon.imported().await;
    let spot = shop.spot(0, 20).await;
    shop.does(
        "faults",
        &json!({ "bulk": { "operations": 0, "objectsPerSecond": 20 } }),
    )
    .await;
    let run = daemon.begins_when_it_can("inventory", "full").await;

    let ballast = disk.fills();
    shop.does(
        "faults",
        &json!({ "bulk": { "operations": 0, "objectsPerSecond": 20_000 } }),
    )
    .await;
    shop.sells(&spot, 2).await;
    eventually("webhooks are refused", async || {
        let refused = shop.deliveries().await["retrying"].as_u64()? > 0;
        let answered = daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await;
        (refused && answered == 503).then_some(())
    })
    .await;
    assert!(daemon.still_runs());
    // A small write still finds room now and then, so each of these is waited for.
    let mut carried_out = 0;
    eventually("a command is refused", async || {
        let (answered, refusal) = daemon
            .asked_to("adjust", &spot.asks(json!({ "delta": -1 })), &admin())
            .await;
        if answered == 200 {
            carried_out += 1;
            return None;
        }
        assert_eq!(
            (answered, &refusal["error"]["retryable"]),
            (503, &json!(true)),
            "{refusal}"
        );
        Some(())
    })
    .await;
    assert!(
        daemon.level(&spot.item, &spot.location).await.is_some(),
        "what is there can be read"
    );
    eventually("clients are sent to who can write", async || {
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await;
        let ready = reqwest::get(format!("{}/readyz", daemon.url()))
            .await
            .unwrap();
        (ready.status() == 503).then_some(())
    })
    .await;
    let problem = eventually("the status says why", async || {
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await;
        let problems = daemon.asked("status", &admin()).await.1["problems"].clone();
        let failing = |problem: &&Value| problem["kind"] == "store_failing";
        problems.as_array()?.iter().find(failing).cloned()
    })
    .await;
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("the disk is full: make room"),
        "{problem}"
    );
    shop.time_passes(60).await;
    eventually("the log says what to do", async || {
        daemon
            .log()
            .contains("the disk is full: make room")
            .then_some(())
    })
    .await;

    std::fs::remove_file(ballast).unwrap();
    let run = daemon.ends(&run).await;
    if run["state"] == "failed" {
        assert!(
            run["error"]
                .as_str()
                .unwrap()
                .contains("the disk is full: make room"),
            "{run}"
        );
    }
    shop.falls_quiet().await;
    daemon.comes_to_rest(&shop).await;
    // That it began could not be written, so it may be told only now.
    let title = "Over: Nothing can be written";
    alert(&daemon, title, "the disk is full").await;
    let told = daemon.events(None).await;
    assert_eq!(
        told.iter()
            .filter(|event| event["data"]["title"] == title)
            .count(),
        1,
        "{told:?}"
    );
    assert_eq!(
        reqwest::get(format!("{}/readyz", daemon.url()))
            .await
            .unwrap()
            .status()
            .as_u16(),
        200
    );
    for run in daemon.compares_everything().await {
        assert_eq!(run["drift"], 0, "{run}");
    }
    let commands = daemon.commands().await;
    assert_eq!(
        commands.len(),
        carried_out,
        "what was refused was not done: {commands:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_without_an_address_for_webhooks_says_so_until_one_comes() {
    let shop = TestShop::opens().await;
    // The end of the first import's bulk operation would be the first webhook.
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    let daemon = TestDaemon::with(&shop, Settings::default()).await;
    let says = async || {
        let status = daemon.asked("status", &admin()).await.1;
        let problems = status["problems"].as_array().unwrap().clone();
        problems.iter().any(|problem| {
            problem["message"]
                .as_str()
                .unwrap()
                .contains("set webhook_address = \"https://")
        })
    };
    assert!(
        says().await
            && daemon
                .log()
                .contains("no webhook has come and webhook_address is not set")
    );
    shop.mistreats_webhooks(&json!({ "paused": false })).await;
    let spot = shop.spot(3, 1).await;
    shop.sells(&spot, 1).await;
    eventually("somebody subscribed by hand", async || {
        (!says().await).then_some(())
    })
    .await;
}
