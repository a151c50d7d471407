//! Commands over REST: every door, its answers, its paging and its rights.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use domain::Thresholds;
use http::Method;
use schemas::record::{InventoryItem, Level};
use schemas::{Change, Clock as _, Entropy, Quantities, Role, ShopDomain};
use shopify::{Transport, TransportError};
use store::{Batch, Cause, Operation};
use tokio::net::TcpListener;

use crate::clock::SystemClock;
use crate::config::{Config, Environment};
use crate::people::auth::{self, NewToken};
use crate::secrets::Secrets;
use crate::wiring::{Daemon, Dependencies};

use super::*;

const CONFIG: &str = r#"
    [[server]]
    listen = "127.0.0.1:0"
    [auth]
    secret = "0123456789abcdef0123456789abcdef"
    [[shop]]
    domain = "a.myshopify.com"
    access_token = "shpat_x"
    webhook_secrets = ["hush"]
    default_location = 1
"#;

/// A Shopify that cannot be reached.
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        Err(TransportError::Timeout)
    }
}

/// A daemon with ten of item 5 at locations 1 and 2.
struct World {
    url: String,
    config: Config,
    _daemon: Daemon,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let config = Config::read(CONFIG, "the test", &Environment::default()).unwrap();
        let (folder, entropy) = (tempfile::tempdir().unwrap(), Arc::new(Entropy::seeded(1)));
        let path = folder.path().join("stockd.db");
        let store::sqlite::Opened { store, writer, .. } =
            store::sqlite::open(&path, &entropy, SystemClock.now()).unwrap();
        std::thread::spawn(move || writer.run());
        let (shop, at): (ShopDomain, _) = (config.shop[0].domain.clone(), SystemClock.now());
        let register = Operation::Register {
            shop: shop.clone(),
            thresholds: Thresholds::default(),
            at,
        };
        store.write(register).await.unwrap();
        let id = InventoryItemId::try_from(5_u64).unwrap();
        let level = |location: u64| {
            Change::Level(Level {
                inventory_item_id: id,
                location_id: location.try_into().unwrap(),
                gid: None,
                active: true,
                quantities: Quantities {
                    available: 10,
                    on_hand: 10,
                    ..Quantities::default()
                },
                updated_at: at,
            })
        };
        let item = Change::Item(InventoryItem {
            id,
            sku: None,
            tracked: true,
            updated_at: at,
        });
        let batch = Batch {
            shop,
            at,
            cause: Cause::Read(Vec::new()),
            changes: vec![item, level(1), level(2)],
        };
        store.write(Operation::Apply(batch)).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let foundation = Dependencies {
            config: config.clone(),
            secrets: Secrets::fetch(&config, &Environment::default()).unwrap(),
            clock: Arc::new(SystemClock),
            entropy,
            store,
            transport: Arc::new(Nowhere),
            listeners: vec![listener],
            control: None,
        };
        Self {
            url,
            config,
            _daemon: Daemon::start(foundation).await.unwrap(),
            _folder: folder,
        }
    }

    fn user(&self, user: &str, role: Role, locations: Option<&[u64]>) -> User {
        let token = NewToken {
            sub: user.to_owned(),
            role,
            customer_id: None,
            locations: locations
                .map(|ids| ids.iter().map(|id| (*id).try_into().unwrap()).collect()),
            shops: None,
            iat: SystemClock.now().as_second(),
            jti: user.to_owned(),
            exp: SystemClock.now().as_second() + 600,
            iss: None,
            aud: None,
        };
        let token = auth::issue(&self.config.auth, &Environment::default(), token).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        User {
            client,
            url: self.url.clone(),
            token,
        }
    }
}

struct User {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl User {
    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Method::GET, path, String::new()).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(Method::POST, path, body.to_string()).await
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> (u16, Value) {
        let request = self.client.request(method, format!("{}/{path}", self.url));
        let response = request
            .bearer_auth(&self.token)
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn reserve(&self, location: u64) -> String {
        let body = json!({ "inventoryItemId": 5, "locationId": location, "quantity": 1, "reason": "till" });
        let (status, answer) = self.post("inventory/reserve", body).await;
        assert_eq!(status, 200, "{answer}");
        answer["reservationId"].as_str().unwrap().to_owned()
    }
}

fn ids(answer: &Value, key: &str) -> Vec<String> {
    let data = answer["data"]
        .as_array()
        .unwrap_or_else(|| panic!("no data: {answer}"));
    data.iter()
        .map(|entry| entry[key].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_refusal_has_the_status_that_fits_it() {
    let world = World::new().await;
    let staff = world.user("ann", Role::Staff, None);
    let update = |quantity: Value| json!({ "inventoryItemId": 5, "quantity": quantity, "reason": "counted" });
    let adjust = |delta: i64, key: &str| json!({ "inventoryItemId": 5, "delta": delta, "reason": "x", "idempotencyKey": key });
    let (status, answer) = staff.post("inventory/update", update(json!(8))).await;
    assert_eq!((status, &answer["level"]["available"]), (200, &json!(8)));
    assert_eq!(staff.post("inventory/adjust", adjust(-1, "k")).await.0, 200);

    let mut conflict = update(json!(9));
    conflict["expected"] = json!(1);
    let cases = [
        (
            "inventory/update",
            update(json!("nine")),
            400,
            "INVALID_PAYLOAD",
        ),
        ("inventory/update", json!([]), 400, "INVALID_PAYLOAD"),
        (
            "inventory/adjust",
            adjust(-2, "k"),
            409,
            "IDEMPOTENCY_KEY_REUSED",
        ),
        (
            "inventory/adjust",
            adjust(-99, "l"),
            409,
            "INSUFFICIENT_STOCK",
        ),
        ("inventory/update", conflict, 409, "CONFLICT"),
        (
            "inventory/release",
            json!({ "reservationId": "none" }),
            404,
            "NOT_FOUND",
        ),
        ("inventory/steal", json!({}), 404, "NOT_FOUND"),
        (
            "inventory/update?shop=b.myshopify.com",
            update(json!(9)),
            404,
            "NOT_FOUND",
        ),
    ];
    for (path, body, status, code) in cases {
        let (answered, answer) = staff.post(path, body).await;
        assert_eq!(
            (answered, &answer["error"]["code"]),
            (status, &json!(code)),
            "{path}: {answer}"
        );
    }
    assert_eq!(
        staff
            .ask(Method::POST, "inventory/update", "{".to_owned())
            .await
            .0,
        400
    );
    assert_eq!(
        staff
            .ask(
                Method::POST,
                "inventory/update",
                " ".repeat(COMMAND_BYTES_MAX + 1)
            )
            .await
            .0,
        413
    );
    assert_eq!(staff.get("inventory/update").await.0, 405);

    for role in [Role::Customer, Role::Guest, Role::Service] {
        let other = world.user("eve", role, None);
        assert_eq!(
            other.post("inventory/update", update(json!(9))).await.0,
            403,
            "{role:?}"
        );
        for path in ["commands", "commands/x", "reservations", "reservations/x"] {
            assert_eq!(other.get(path).await.0, 403, "{role:?} {path}");
        }
    }
    let nobody = User {
        token: "nonsense".to_owned(),
        ..staff
    };
    assert_eq!(
        nobody.post("inventory/update", update(json!(9))).await.0,
        401
    );
}

#[tokio::test]
async fn commands_are_read_page_by_page_newest_first_and_one_by_one() {
    let world = World::new().await;
    let (ann, ben) = (
        world.user("ann", Role::Staff, None),
        world.user("ben", Role::Manager, None),
    );
    let mut given = Vec::new();
    for n in 0..5 {
        given.insert(0, if n % 2 == 0 { &ann } else { &ben }.reserve(1).await);
    }
    let mut read = Vec::new();
    let mut path = "commands?limit=2".to_owned();
    loop {
        let (_, page) = ben.get(&path).await;
        read.extend(ids(&page, "commandId"));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("commands?limit=2&before={next}");
    }
    assert_eq!(read, given);
    assert_eq!(
        ids(
            &ben.get("commands?by=ben&inventoryItemId=5").await.1,
            "commandId"
        )
        .len(),
        2
    );
    assert_eq!(
        ids(&ben.get("commands?inventoryItemId=6").await.1, "commandId").len(),
        0
    );
    assert_eq!(
        ids(&ben.get("commands?state=confirmed").await.1, "commandId").len(),
        0
    );
    for bad in [
        "commands?state=done",
        "commands?inventoryItemId=x",
        "commands?before=x",
        "commands?limit=0",
    ] {
        assert_eq!(ben.get(bad).await.0, 400, "{bad}");
    }
    let (status, command) = ben.get(&format!("commands/{}", given[0])).await;
    assert_eq!(
        (status, &command["by"], &command["kind"]),
        (200, &json!("ann"), &json!("reserve"))
    );
    assert_eq!(ben.get("commands/none").await.0, 404);
}

#[tokio::test]
async fn staff_of_a_location_read_what_is_theirs() {
    let world = World::new().await;
    let admin = world.user("root", Role::Admin, None);
    let (here, there) = (admin.reserve(1).await, admin.reserve(2).await);
    let staff = world.user("ann", Role::Staff, Some(&[1]));
    for (list, id) in [("commands", "commandId"), ("reservations", "reservationId")] {
        assert_eq!(ids(&staff.get(list).await.1, id), [here.as_str()]);
        assert_eq!(ids(&admin.get(list).await.1, id).len(), 2);
        assert_eq!(staff.get(&format!("{list}/{here}")).await.0, 200);
        assert_eq!(staff.get(&format!("{list}/{there}")).await.0, 404);
    }
    let extend = json!({ "reservationId": here, "ttlSeconds": 60 });
    assert_eq!(staff.post("inventory/extend", extend).await.0, 200);
    let own = staff.get("commands?by=ann").await.1;
    assert_eq!(
        ids(&own, "kind"),
        ["extend"],
        "one's own, whatever it was about"
    );
}

#[tokio::test]
async fn open_holds_are_read_a_page_at_a_time() {
    let world = World::new().await;
    let admin = world.user("root", Role::Admin, None);
    let mut given = Vec::new();
    for _ in 0..5 {
        given.push(admin.reserve(1).await);
    }
    let (mut read, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = admin.get(&format!("reservations?limit=2{next}")).await;
        assert_eq!(status, 200);
        read.extend(ids(&page, "reservationId"));
        let Some(after) = page["next"].as_str() else {
            break;
        };
        next = format!("&after={after}");
    }
    assert_eq!(read, given, "those that run out first first");
    let (status, refused) = admin.get("reservations?after=yesterday").await;
    assert_eq!((status, &refused["error"]["field"]), (400, &json!("after")));
}

#[tokio::test]
async fn an_admin_releases_every_hold() {
    let world = World::new().await;
    let (admin, manager) = (
        world.user("root", Role::Admin, None),
        world.user("ben", Role::Manager, None),
    );
    for _ in 0..7 {
        manager.reserve(1).await;
    }
    assert_eq!(manager.post("holds/drain", Value::Null).await.0, 403);
    let (status, answer) = admin.post("holds/drain", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({ "by": "root", "released": 7, "left": 0, "reason": null })
    );
    assert!(ids(&admin.get("reservations").await.1, "reservationId").is_empty());
    let (_, levels) = admin.get("levels?locationId=1").await;
    assert_eq!(levels["data"][0]["available"], 10);
}

#[test]
fn commands_can_be_listed_by_every_state_there_is() {
    use schemas::shape::CommandState;
    let schema = schemars::schema_for!(CommandState).to_value();
    let states = schema["oneOf"].as_array().unwrap();
    let states: Vec<_> = states
        .iter()
        .map(|state| state["const"].as_str().unwrap())
        .collect();
    assert_eq!(COMMAND_STATE.kind.words, states);
}
