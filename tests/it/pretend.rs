//! `stockd sim`, for those who build for Shopify without stockd.

use serde_json::{Value, json};
use tests::{PATIENCE, stockd, stockd_ends};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

#[tokio::test]
async fn switches_scopes_credentials_and_tls_are_options_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("pretend.pem");
    let mut command = tokio::process::Command::new(stockd());
    command.args([
        "sim",
        "--json",
        "--sim-listen",
        "127.0.0.1:0",
        "--products",
        "5",
        "--shoppers",
        "0",
    ]);
    command.args([
        "--shop",
        "tea.myshopify.com",
        "--access-token",
        "shpat_tea",
        "--client-id",
        "tea",
    ]);
    command.args([
        "--client-secret",
        "leaves",
        "--scopes",
        "read_products,write_inventory",
    ]);
    command.args([
        "--throttled-status",
        "429",
        "--bucket",
        "10",
        "--move-below-zero",
        "--batch-atomic",
        "false",
    ]);
    command
        .arg("--tls")
        .arg(&certificate)
        .env_clear()
        .kill_on_drop(true);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = timeout(PATIENCE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .expect("a line when it is ready");
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(
        (&ready["shop"], &ready["webhookSecret"]),
        (&json!("tea.myshopify.com"), &json!("leaves"))
    );
    assert_eq!(ready["certificate"], certificate.to_str().unwrap());
    let url = ready["simUrl"].as_str().unwrap();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let trusted = reqwest::Certificate::from_pem(&std::fs::read(&certificate).unwrap()).unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge([trusted])
        .build()
        .unwrap();
    let asked = json!({ "grant_type": "client_credentials", "client_id": "tea", "client_secret": "leaves" });
    let token = http
        .post(format!("{url}/admin/oauth/access_token"))
        .json(&asked)
        .send()
        .await
        .unwrap();
    let token: Value = token.json().await.unwrap();
    assert_eq!(token["scope"], "read_products,write_inventory");
    let ask = async |query: &str| {
        let request = http.post(format!("{url}/admin/api/2026-10/graphql.json"));
        let request = request
            .header("X-Shopify-Access-Token", "shpat_tea")
            .json(&json!({ "query": query }));
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let (_, denied) = ask("{ orders(first: 1) { nodes { id } } }").await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    let (status, _) =
        ask("{ products(first: 250) { nodes { id variants(first: 10) { nodes { id } } } } }").await;
    assert_eq!(status, 429, "the bucket is smaller than that");
}

#[test]
fn what_an_option_may_not_be_is_said_by_its_own_name() {
    for (arguments, said) in [
        (
            ["--scopes", "read_products,everything"],
            "--scopes \"everything\" is none",
        ),
        (
            ["--shop", "example.com"],
            "--shop \"example.com\" is no name such as pretend.myshopify.com",
        ),
        (
            ["--throttled-status", "500"],
            "--throttled-status must be 200 or 429",
        ),
        (
            ["--variants-per-product", "0"],
            "--variants-per-product must be between 1 and 100",
        ),
        (["--webhooks", "nowhere"], "--webhooks is no URL"),
    ] {
        let ended =
            stockd_ends(&[&["sim", "--sim-listen", "127.0.0.1:0"], &arguments[..]].concat());
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
