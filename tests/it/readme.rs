//! What README tells people to type, typed.

use std::process::Command;

use schemas::Role;
use serde_json::Value;
use tests::{TestDaemon, TestShop, Token};

/// The commands of README's shell examples that call the daemon, each with the lines that continue it.
fn curls() -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut shell, mut goes_on) = (false, false);
    for line in include_str!("../../README.md").lines() {
        if let Some(language) = line.strip_prefix("```") {
            shell = language == "sh";
        } else if shell && goes_on {
            commands.last_mut().unwrap().extend(["\n", line]);
            goes_on = line.ends_with('\\');
        } else if shell && line.starts_with("curl ") {
            commands.push(line.to_owned());
            goes_on = line.ends_with('\\');
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_over_rest_work_as_they_are_written() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 20).await;
    let curls = curls();
    assert!(curls.len() >= 6, "{curls:?}");
    for example in curls {
        let here = example.replace("127.0.0.1:8080", daemon.address());
        let here = here.replacen(
            "curl ",
            "curl --silent --show-error --fail-with-body --noproxy '*' ",
            1,
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &here])
            .env("STOCKD_TOKEN", daemon.token(&Token::of(Role::Admin)));
        command
            .env("ITEM", &spot.item)
            .env("LOCATION", &spot.location);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let answer = String::from_utf8(ran.stdout).unwrap();
        assert!(
            ran.status.success(),
            "{example}\n{answer}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        assert!(
            serde_json::from_str::<Value>(&answer).unwrap().is_object(),
            "{example}\n{answer}"
        );
    }
    let (_, held) = daemon.asked("reservations", &Token::of(Role::Admin)).await;
    assert_eq!(held["data"][0]["reason"], "phone order");
}
