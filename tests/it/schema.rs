//! The generated documents against the running daemon: nothing of ours fails, and nothing is answered or told that they do not
//! describe.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use schemas::Role;
use serde_json::{Value, json};
use tests::{TestDaemon, TestShop, Token, stockd_ends};

/// What schemathesis looks at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth";
/// Requests made up for each operation, beside those that its schema suggests.
const EXAMPLES: &str = "20";
/// What would end what the others need: asked for last, and by itself.
const LAST: [&str; 2] = ["drainHolds", "revoke"];

fn python(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python/venv/bin")
        .join(program);
    assert!(
        path.exists(),
        "{program} is not installed: run `make tests/python/venv`"
    );
    path
}

fn admin() -> Token {
    Token::of(Role::Admin)
}

async fn document(daemon: &TestDaemon, name: &str) -> Value {
    let answer = daemon
        .http()
        .get(format!("{}/api/{name}", daemon.url()))
        .send()
        .await
        .unwrap();
    answer.json().await.unwrap()
}

/// How a run of schemathesis on that document ended, and what it said.
async fn examined(
    daemon: &TestDaemon,
    document: &Value,
    token: Option<&Token>,
    arguments: &[&str],
) -> (bool, String) {
    let file = daemon.folder().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    let mut command = Command::new(python("schemathesis"));
    command
        .arg("run")
        .arg(file)
        .args(["--url", &daemon.url(), "--checks", CHECKS, "--seed", "1"]);
    command.args([
        "--no-color",
        "--continue-on-failure",
        "--phases",
        "examples,coverage,fuzzing",
    ]);
    if let Some(token) = token {
        command.args([
            "--header",
            &format!("Authorization: Bearer {}", daemon.token(token)),
        ]);
    }
    command.args(arguments).current_dir(daemon.folder());
    let ran = tokio::task::spawn_blocking(move || {
        let ran = command.output().unwrap();
        let said = [ran.stdout, ran.stderr].concat();
        (
            ran.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    });
    ran.await.unwrap()
}

/// The document with what there is in this daemon in place of what there could be, so that requests come through.
async fn at_home(daemon: &TestDaemon, shop: &TestShop) -> Value {
    let mut document = document(daemon, "openapi.json").await;
    let spot = shop.spot(0, 60).await;
    let mut reservations = Vec::new();
    for _ in 0..30 {
        let reservation = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": 1, "reason": "held" });
        let (status, answer) = daemon
            .posts("inventory/reserve", &reservation, &admin())
            .await;
        assert_eq!(status, 200, "{answer}");
        reservations.push(answer["reservationId"].clone());
    }
    let known = [
        ("inventoryItemId", json!([spot.item])),
        ("locationId", json!([spot.location])),
        // Nobody guesses what there is at the moment, or whose order it is.
        ("expected", json!([null])),
        ("orderId", json!([null])),
    ];
    let (_, levels) = daemon.asked("levels?limit=1", &admin()).await;
    let domain = json!({ "enum": [levels["data"][0]["shop"]] });
    let runs: Vec<Value> = daemon
        .runs()
        .await
        .iter()
        .map(|run| run["runId"].clone())
        .collect();
    for (path, operations) in document["paths"].as_object_mut().unwrap() {
        let ids = if path.contains("/runs/") {
            json!(runs)
        } else {
            json!(reservations)
        };
        for operation in operations.as_object_mut().unwrap().values_mut() {
            let parameters = operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten() {
                if parameter["in"] == "path" && path.starts_with("/api/v1/") {
                    parameter["schema"] = json!({ "enum": ids });
                }
                if parameter["name"] == "shop" {
                    parameter["schema"] = domain.clone();
                }
            }
            if path.starts_with("/api/v1/inventory/") {
                let body = &mut operation["requestBody"]["content"]["application/json"];
                // One that was committed cannot be released.
                let own = match path.rsplit('/').next() {
                    Some("commit") => &reservations[..10],
                    Some("extend") => &reservations[10..20],
                    _ => &reservations[20..],
                };
                for (name, values) in known.iter().chain([&("reservationId", json!(own))]) {
                    narrow(&mut body["schema"], name, values);
                    if body["example"].get(name).is_some() {
                        body["example"][name] = values[0].clone();
                    }
                }
            }
        }
    }
    document
}

/// Has a property be one of these values, wherever it is more than `null`.
fn narrow(schema: &mut Value, property: &str, values: &Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(field) = fields
                .get_mut("properties")
                .and_then(|known| known.get_mut(property))
                && field["type"] != "null"
            {
                *field = json!({ "enum": values });
            }
            fields
                .values_mut()
                .for_each(|schema| narrow(schema, property, values));
        }
        Value::Array(schemas) => schemas
            .iter_mut()
            .for_each(|schema| narrow(schema, property, values)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_finds_a_fault_of_ours_or_an_answer_outside_the_schema() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let document = at_home(&daemon, &shop).await;

    let mut but_last = vec!["--max-examples", EXAMPLES];
    for operation in LAST {
        but_last.extend(["--exclude-operation-id", operation]);
    }
    let (fine, said) = examined(&daemon, &document, Some(&admin()), &but_last).await;
    assert!(fine, "{said}");
    let commands = daemon.list("commands", &admin()).await;
    for kind in ["adjust", "commit", "extend", "release", "reserve", "update"] {
        assert!(
            commands.iter().any(|command| command["kind"] == kind),
            "no {kind} came through"
        );
    }
    let events = daemon.events(None).await;
    assert!(
        events.iter().any(|event| event["kind"] == "posted"),
        "nothing posted came through"
    );

    let (fine, said) = examined(&daemon, &document, None, &["--max-examples", "3"]).await;
    assert!(fine, "without a token: {said}");
    for operation in LAST {
        // Of their own, in case it is hit upon.
        let by = admin().user(operation).id(operation);
        let only = [
            "--include-operation-id",
            operation,
            "--max-examples",
            EXAMPLES,
        ];
        let (fine, said) = examined(&daemon, &document, Some(&by), &only).await;
        assert!(fine, "{operation}: {said}");
    }
    assert_eq!(daemon.asked("status", &admin()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_wrong_is_found_out() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let honest = document(&daemon, "openapi.json").await;
    let lies: [fn(&mut Value); 3] = [
        |document| {
            document["components"]["schemas"]["LevelShape"]["properties"]["available"] =
                json!({ "type": "string" });
        },
        |document| drop(document["paths"]["/api/v1/levels"]["get"]["responses"]["400"].take()),
        |document| {
            document["paths"]["/api/v1/levels"]["get"]["parameters"][1]["schema"]["maximum"] =
                json!(500);
        },
    ];
    let only = [
        "--include-operation-id",
        "listLevels",
        "--max-examples",
        "5",
    ];
    let (fine, said) = examined(&daemon, &honest, Some(&admin()), &only).await;
    assert!(fine, "{said}");
    for (number, lie) in lies.into_iter().enumerate() {
        let mut document = honest.clone();
        lie(&mut document);
        if let Some(responses) =
            document["paths"]["/api/v1/levels"]["get"]["responses"].as_object_mut()
        {
            responses.retain(|_, response| !response.is_null());
        }
        let (fine, said) = examined(&daemon, &document, Some(&admin()), &only).await;
        assert!(!fine, "lie {number} was believed: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_that_are_described_are_those_that_may() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let document = document(&daemon, "openapi.json").await;
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(roles) = operation["x-roles"].as_array() else {
                continue;
            };
            let url = format!("{}{}", daemon.url(), path.replace("{id}", "nobody"));
            for role in Role::ALL {
                // Whoever buys has orders of their own.
                let token = if role == Role::Customer {
                    Token::customer("1")
                } else {
                    Token::of(role)
                };
                let token = daemon.token(&token);
                let request = match method.as_str() {
                    "delete" => daemon.http().delete(&url),
                    "get" => daemon.http().get(&url),
                    "patch" => daemon.http().patch(&url).body("{}"),
                    _ => daemon.http().post(&url).body("{}"),
                };
                let status = request
                    .bearer_auth(token)
                    .send()
                    .await
                    .unwrap()
                    .status()
                    .as_u16();
                let may = roles.iter().any(|may| may == role.as_str());
                assert_eq!(
                    status != 403,
                    may,
                    "{method} {path} as {}: {status}",
                    role.as_str()
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "the document does not say who may: {asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sockets_ask_and_are_told_is_as_described() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 50).await;
    let mut client = tests::Client::connects(&daemon.url(), "/oda", &daemon.token(&admin()));
    client.connected().await;
    let mut lines = Vec::new();
    let level = |more: Value| {
        let mut payload = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "reason": "described" });
        payload
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        payload
    };
    let mut ask = async |event: &str, payload: Value, client: &mut tests::Client| {
        let answer = client.asks(event, &payload).await;
        lines.push(json!([format!("{event}.asked"), payload]));
        lines.push(json!([format!("{event}.answered"), answer]));
        answer
    };
    for (event, payload) in [
        ("subscribe:inventory", json!({ "snapshot": true })),
        ("subscribe:orders", json!({})),
        (
            "subscribe:notifications",
            json!({ "types": null, "since": null }),
        ),
        ("inventory:adjust", level(json!({ "delta": -1 }))),
        (
            "inventory:update",
            level(json!({ "quantity": 5, "name": "available" })),
        ),
        ("auth:refresh", json!({ "token": daemon.token(&admin()) })),
    ] {
        let answer = ask(event, payload, &mut client).await;
        assert_eq!(answer["ok"], true, "{event}: {answer}");
    }
    let refused = ask(
        "inventory:adjust",
        level(json!({ "delta": -1_000 })),
        &mut client,
    )
    .await;
    assert_eq!(refused["ok"], false);
    let mut reservation = Value::Null;
    for (event, more) in [
        ("inventory:reserve", Value::Null),
        ("inventory:extend", json!({ "ttlSeconds": 60 })),
        ("inventory:release", json!({})),
        ("inventory:reserve", Value::Null),
        ("inventory:commit", json!({ "sale": "outside" })),
    ] {
        if more.is_null() {
            reservation =
                ask(event, level(json!({ "quantity": 1 })), &mut client).await["reservationId"]
                    .clone();
            continue;
        }
        let mut payload = more;
        payload["reservationId"] = reservation.clone();
        let answer = ask(event, payload, &mut client).await;
        assert_eq!(answer["ok"], true, "{event}: {answer}");
    }
    shop.sells(&spot, 1).await;
    client.event("order:updated").await;
    let run = json!({ "resource": "products", "kind": "full" });
    assert_eq!(daemon.posts("runs", &run, &admin()).await.0, 202);
    let over = |event: &Value| {
        event["data"]["state"] == "completed" && event["data"]["resource"] == "products"
    };
    client.event_where("shopify:syncStatus", over).await;
    for (event, data) in [
        (
            "order:status_changed",
            json!({ "orderId": "o-1", "status": "shipped" }),
        ),
        ("inventory:low_stock", json!({ "productId": "p-1" })),
        ("system:maintenance", json!({ "message": "tonight" })),
    ] {
        let posted = json!({ "event": event, "data": data });
        assert_eq!(daemon.posts("events", &posted, &admin()).await.0, 201);
    }
    client
        .event_where("notification", |event| {
            event["data"]["message"] == "tonight"
        })
        .await;
    for event in [
        "unsubscribe:inventory",
        "unsubscribe:orders",
        "unsubscribe:notifications",
    ] {
        ask(event, json!({}), &mut client).await;
    }
    client
        .event_where("command:updated", |event| {
            event["data"]["state"] == "confirmed"
        })
        .await;

    let told = client.events("");
    for name in [
        "connected",
        "inventory:updated",
        "inventory:reservation",
        "error",
        "inventory:updateError",
    ] {
        assert!(
            told.iter().any(|(heard, _)| heard == name),
            "nothing was heard of {name}"
        );
    }
    lines.extend(
        told.into_iter()
            .map(|(name, payload)| json!([name, payload])),
    );
    let file = daemon.folder().join("asyncapi.json");
    std::fs::write(&file, document(&daemon, "asyncapi.json").await.to_string()).unwrap();
    assert_eq!(wrong(&file, &lines), "");
    let lie = json!(["command:updated", { "type": "command:updated", "data": {} }]);
    assert!(wrong(&file, &[lie]).contains("\"shop\" is a required property"));
}

/// What is wrong with these messages, in the words of a validator.
fn wrong(document: &Path, lines: &[Value]) -> String {
    let mut command = Command::new(python("python"));
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/conforms.py"))
        .arg(document);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success());
    String::from_utf8(ran.stdout).unwrap()
}

#[tokio::test]
async fn what_is_served_is_what_is_printed_and_what_stands_in_the_tree() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    for name in ["openapi", "asyncapi"] {
        let printed: Value = serde_json::from_str(&stockd_ends(&["schema", name]).out).unwrap();
        assert_eq!(document(&daemon, &format!("{name}.json")).await, printed);
    }
    let folder = daemon.folder().join("schemas");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(
        stockd_ends(&["schema", "--folder", folder.to_str().unwrap()]).code,
        0
    );
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    for entry in std::fs::read_dir(tree).unwrap() {
        let (stands, name) = (
            entry.as_ref().unwrap().path(),
            entry.as_ref().unwrap().file_name(),
        );
        let written = std::fs::read_to_string(folder.join(&name)).unwrap();
        assert_eq!(
            std::fs::read_to_string(stands).unwrap(),
            written,
            "{name:?}: run `make generate`"
        );
    }
    let unknown = stockd_ends(&["schema", "evnt"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("openapi, asyncapi, command-input"),
        "{}",
        unknown.err
    );
}

fn in_the_tree(file: &str) -> Value {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    serde_json::from_str(&std::fs::read_to_string(tree.join(file)).unwrap()).unwrap()
}

/// Every object in the document, with the way to it.
fn objects<'d>(
    value: &'d Value,
    at: &str,
    found: &mut Vec<(String, &'d serde_json::Map<String, Value>)>,
) {
    match value {
        Value::Object(fields) => {
            found.push((at.to_owned(), fields));
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                objects(field, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(parts) => {
            parts
                .iter()
                .enumerate()
                .for_each(|(n, part)| objects(part, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

/// What `redocly lint` found once; by hand it says whether there is more.
#[test]
fn linters_of_openapi_find_nothing() {
    let document = in_the_tree("openapi.json");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(
                operation["security"].is_array(),
                "{method} {path} does not say whom it lets in"
            );
        }
    }
    let mut found = Vec::new();
    objects(&document, "", &mut found);
    for (at, schema) in found {
        assert_ne!(schema.get("schema"), Some(&Value::Bool(true)), "{at}");
        let anything = |part: &Value| part == &Value::Bool(true);
        let places = schema.get("prefixItems").and_then(Value::as_array);
        assert!(
            !places.is_some_and(|places| places.iter().any(anything)),
            "{at}"
        );
        // A branch tells the fields that it needs.
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = name.as_str().unwrap();
            let told = schema
                .get("properties")
                .and_then(|known| known.get(name))
                .is_some();
            let parent = at
                .rsplit_once("/anyOf/")
                .or_else(|| at.rsplit_once("/oneOf/"));
            let above =
                parent.and_then(|(parent, _)| document.pointer(parent)?["properties"].get(name));
            assert!(
                told || above.is_some(),
                "{at} needs {name}, of which it says nothing"
            );
        }
    }
}

#[test]
fn a_thing_has_one_name_and_only_an_envelope_has_an_id() {
    let document = in_the_tree("openapi.json");
    let answers = &document["components"]["schemas"];
    let mut found = Vec::new();
    objects(answers, "", &mut found);
    for (at, schema) in found {
        // An event with its offset, what oms's document says, and what has nothing else's id in it: people, and where they
        // are signed in.
        let named = [
            "/LoggedEvent",
            "/OmsTold",
            "/SessionShape",
            "/SessionUser",
            "/UserShape",
        ]
        .contains(&&*at);
        let Some(Value::Object(fields)) = schema.get("properties") else {
            continue;
        };
        assert!(
            named || !fields.contains_key("id") && !fields.contains_key("type"),
            "{at}"
        );
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                assert!(
                    !["id", "item", "run", "type"].contains(&name),
                    "{path}: {name}"
                );
            }
        }
    }
    for (shape, id) in [
        ("Order", "orderId"),
        ("Product", "productId"),
        ("Variant", "variantId"),
    ] {
        assert!(answers[shape]["properties"].get(id).is_some(), "{shape}");
    }
}

#[test]
fn what_clients_are_typed_by_is_what_openapi_says() {
    let openapi = in_the_tree("openapi.json");
    let answers = openapi["components"]["schemas"].as_object().unwrap();
    let mut compared = 0;
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json");
    for entry in std::fs::read_dir(tree).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        // Commands are described as they are taken, the others as they are told.
        if !file.ends_with(".schema.json") || file == "command-input.schema.json" {
            continue;
        }
        let mut whole = in_the_tree(&file);
        let mut shapes: Vec<(String, Value)> = Vec::new();
        if let Some(Value::Object(parts)) = whole.as_object_mut().unwrap().remove("$defs") {
            shapes.extend(parts);
        }
        let fields = whole.as_object_mut().unwrap();
        fields.remove("$schema");
        let name = fields.remove("title").unwrap();
        shapes.push((name.as_str().unwrap().to_owned(), whole));
        for (name, shape) in shapes {
            let Some(answer) = answers.get(&name) else {
                continue;
            };
            let shape = shape
                .to_string()
                .replace("#/$defs/", "#/components/schemas/");
            assert_eq!(
                &serde_json::from_str::<Value>(&shape).unwrap(),
                answer,
                "{name} in {file}"
            );
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
    assert_eq!(
        openapi["components"]["schemas"]["LevelAnswer"]["properties"]["level"]["anyOf"][1]["type"],
        "null"
    );
    let client = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/js/src/schemas.ts"),
    );
    let client = client.unwrap();
    for line in [
        "  locationName: string | null;\n",
        "  level: LevelShape | null;\n",
    ] {
        assert!(client.contains(line), "{line}");
    }
}
