//! What is forgotten with a shop and with a customer, told by the tables themselves: a table or a column that is added
//! fails these tests until somebody has said what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use domain::Thresholds;
use futures_util::FutureExt as _;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use schemas::event::Notice;
use schemas::record::Customer;
use schemas::{Change, EventData, Kind, Logged, Posted, ShopDomain};
use serde_json::json;

use super::testing;
use super::*;
use crate::conformance::order_of;
use crate::{Batch, Cause, Delivery, Fate, Operation};

/// Tables without a shop. Nothing of a shop is in them but what says so.
const OF_NO_SHOP: [&str; 10] = [
    // Goes with its delivery, which is of a shop.
    "delivery_body",
    // People who run the shops, with the hashes of what they sign in with. An admin disables them; the id stays, because
    // the audit trail names it.
    "local_user",
    "login_link",
    "meta",
    // Which rooms a connection is in, as long as it can come back: minutes.
    "session",
    "session_use",
    "reader",
    "revocation",
    "user_login",
    // The shop itself: settings, which the next start would bring back. See `OF_THE_SHOP`.
    "shop",
];
/// What is forgotten of the row of a shop, and what is kept: it stands in the configuration.
const OF_THE_SHOP: [&[&str]; 2] = [
    &["erasing", "known_since", "moved", "shopify_id"],
    &["domain", "id", "judging", "names", "thresholds"],
];

/// Every column, by table: those that may say something of a customer, and the others.
const COLUMNS: &[(&str, &[&str], &[&str])] = &[
    ("attempt", &[], &["begun", "body", "id", "kind", "shop"]),
    // Of who gave it: staff, whose audit trail it is.
    (
        "command",
        &[],
        &[
            "by_user",
            "given",
            "id",
            "idempotency_key",
            "record",
            "shop",
            "state",
        ],
    ),
    (
        "customer",
        &["created_at", "id", "name", "updated_at"],
        &["shop"],
    ),
    (
        "customer_order",
        &["customer_id"],
        &[
            "channel",
            "created_at",
            "currency",
            "financial_status",
            "fulfillment_status",
            "id",
            "locations",
            "name",
            "payments",
            "shop",
            "status",
            "total",
            "updated_at",
        ],
    ),
    (
        "delivery",
        &[],
        &[
            "arrival",
            "reason",
            "received_at",
            "shop",
            "signature",
            "state",
            "topic",
            "triggered_at",
            "webhook_id",
        ],
    ),
    ("delivery_body", &["body"], &["arrival"]),
    (
        "delivery_count",
        &[],
        &["deliveries", "shop", "state", "topic"],
    ),
    (
        "drift",
        &["record", "wrong"],
        &["found", "id", "run", "shop", "since"],
    ),
    (
        "effect",
        &[],
        &[
            "answered",
            "attempt",
            "available",
            "command",
            "given",
            "id",
            "inventory_item_id",
            "lane",
            "location_id",
            "on_hand",
            "quantity",
            "reservation",
            "shop",
            "stale",
        ],
    ),
    (
        "flight",
        &[],
        &[
            "answered",
            "attempt",
            "inventory_item_id",
            "location_id",
            "shop",
        ],
    ),
    (
        "inventory_item",
        &[],
        &["id", "shop", "sku", "tracked", "updated_at"],
    ),
    (
        "level",
        &[],
        &[
            "active",
            "available",
            "committed",
            "damaged",
            "gid",
            "incoming",
            "inventory_item_id",
            "location_id",
            "on_hand",
            "pending",
            "quality_control",
            "reserved",
            "safety_stock",
            "shop",
            "status",
            "updated_at",
        ],
    ),
    (
        "location",
        &[],
        &[
            "active",
            "fulfillment_service",
            "id",
            "name",
            "shop",
            "updated_at",
        ],
    ),
    ("log", &["event"], &["at", "sequence", "shop"]),
    // Staff, not customers: who they are is for the admins to change.
    (
        "local_user",
        &[],
        &[
            "created_at",
            "disabled",
            "id",
            "language",
            "last_seen_at",
            "locations",
            "name",
            "password",
            "role",
            "shops",
        ],
    ),
    ("login_link", &[], &["hash", "until", "user"]),
    ("log_segment", &["room"], &["last", "sequences", "shop"]),
    (
        "marked",
        &["record"],
        &["due", "mark", "run", "shop", "vain_readings"],
    ),
    ("meta", &[], &["epoch", "log_floor", "only_row", "secret"]),
    (
        "order_line",
        &[],
        &[
            "id",
            "order_id",
            "quantity",
            "shop",
            "sku",
            "title",
            "variant_id",
        ],
    ),
    ("posted", &[], &["at", "key", "sequence", "shop"]),
    (
        "product",
        &[],
        &[
            "handle",
            "id",
            "product_type",
            "shop",
            "status",
            "title",
            "updated_at",
            "vendor",
        ],
    ),
    ("reader", &[], &["name", "position"]),
    // That they asked, so that what was said before is not taken in again; as long as deliveries are kept.
    ("redacted", &[], &["at", "customer", "erasing", "shop"]),
    // Of who holds it: staff, as with commands.
    (
        "reservation",
        &[],
        &["expires_at", "id", "open", "record", "shop"],
    ),
    ("revocation", &[], &["at", "id", "kind", "until"]),
    (
        "run",
        &[],
        &[
            "first",
            "id",
            "resource",
            "resume",
            "shape",
            "shop",
            "since",
            "started_at",
            "state",
            "until",
        ],
    ),
    // Their own connection, which ends with their token; its record goes minutes later.
    ("session", &[], &["id", "kept_at", "owner", "rooms"]),
    (
        "session_use",
        &[],
        &["bytes", "evicted_at", "owner", "records"],
    ),
    (
        "shop",
        &[],
        &[
            "domain",
            "erasing",
            "id",
            "judging",
            "known_since",
            "moved",
            "names",
            "shopify_id",
            "thresholds",
        ],
    ),
    ("transfer", &[], &["at", "id", "shop", "told"]),
    (
        "variant",
        &[],
        &[
            "barcode",
            "bundle",
            "continue_selling",
            "id",
            "inventory_item_id",
            "price",
            "product_id",
            "shop",
            "sku",
            "title",
            "updated_at",
        ],
    ),
    (
        "user_login",
        &[],
        &["hash", "id", "seen_at", "started_at", "user", "user_agent"],
    ),
    ("watermark", &[], &["resource", "shop", "until"]),
];

/// Every table with its columns: their names, whether they are text, a number or bytes, and whether null.
type Schema = BTreeMap<String, BTreeMap<String, (String, bool)>>;

fn schema(connection: &Connection) -> Schema {
    let mut columns = connection
        .prepare(
            "SELECT made.name, part.name, part.type, part.\"notnull\" FROM sqlite_schema AS made \
             JOIN pragma_table_info(made.name) AS part \
             WHERE made.type = 'table' AND made.name NOT GLOB 'sqlite_*'",
        )
        .unwrap();
    let mut columns = columns.query([]).unwrap();
    let mut schema = Schema::new();
    while let Some(row) = columns.next().unwrap() {
        let (table, column): (String, String) = (row.get(0).unwrap(), row.get(1).unwrap());
        let kind = (row.get(2).unwrap(), row.get(3).unwrap());
        schema.entry(table).or_default().insert(column, kind);
    }
    schema
}

fn count(connection: &Connection, table: &str, shop: i64) -> i64 {
    let count = format!("SELECT count(*) FROM {table} WHERE shop = ?1");
    let count = connection.query_row(&count, [shop], |row| row.get(0));
    count.unwrap()
}

/// A store with a writer that does what it is told at once, and a connection beside it.
struct Database {
    store: Arc<dyn Store>,
    writer: Writer,
    beside: Connection,
    _folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Self {
        let (folder, Opened { store, writer, .. }) = testing::open();
        let beside = Connection::open(folder.path().join("stockd.db")).unwrap();
        // Rows are put in one by one, in whatever order.
        beside.pragma_update(None, "foreign_keys", false).unwrap();
        Self {
            store,
            writer,
            beside,
            _folder: folder,
        }
    }

    fn does(&mut self, operation: Operation) {
        let mut answer = Box::pin(self.store.write(operation));
        assert!(answer.as_mut().now_or_never().is_none());
        while self.writer.step().unwrap() {}
        answer.now_or_never().unwrap().unwrap();
    }

    fn knows(&mut self, shop: &ShopDomain) {
        self.does(Operation::Register {
            shop: shop.clone(),
            thresholds: Thresholds::default(),
            at: Timestamp::UNIX_EPOCH,
        });
    }

    /// Puts a row into a table that nothing but its own constraints knows anything of.
    fn has_row(&self, schema: &Schema, table: &str, shop: i64, number: i64) {
        let columns = &schema[table];
        let value = |(column, (kind, _)): (&String, &(String, bool))| match (&column[..], &kind[..])
        {
            ("shop", _) => Value::Integer(shop),
            ("state", _) if table == "delivery" => Value::Text("applied".to_owned()),
            ("sequences", _) => Value::Text(format!("[{number}]")),
            // What may be JSON is.
            (_, "TEXT") => Value::Text(format!("{{\"number\":{number}}}")),
            (_, "BLOB") => Value::Blob(vec![7; 32]),
            _ => Value::Integer(number),
        };
        let values: Vec<Value> = columns.iter().map(value).collect();
        let names: Vec<&str> = columns.keys().map(String::as_str).collect();
        let places = vec!["?"; values.len()].join(", ");
        let insert = format!(
            "INSERT INTO {table} ({}) VALUES ({places})",
            names.join(", ")
        );
        self.beside
            .execute(&insert, params_from_iter(values))
            .unwrap();
    }

    /// The columns in which one of these texts stands, wherever in it, as text or as a number.
    fn columns_with(&self, schema: &Schema, texts: &[&str]) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        for (table, columns) in schema {
            let names: Vec<&str> = columns.keys().map(String::as_str).collect();
            let select = format!("SELECT {} FROM {table}", names.join(", "));
            let mut select = self.beside.prepare(&select).unwrap();
            let mut rows = select.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                for (index, name) in names.iter().enumerate() {
                    let text = match row.get_ref(index).unwrap() {
                        ValueRef::Integer(number) => number.to_string(),
                        ValueRef::Text(text) | ValueRef::Blob(text) => {
                            String::from_utf8_lossy(text).into_owned()
                        }
                        _ => continue,
                    };
                    if texts.iter().any(|wanted| text.contains(wanted)) {
                        found.insert((table.clone(), (*name).to_owned()));
                    }
                }
            }
        }
        found
    }
}

#[test]
fn every_column_is_known_to_hold_something_of_a_customer_or_not() {
    let database = Database::new();
    let columns: BTreeSet<(String, String)> = schema(&database.beside)
        .into_iter()
        .flat_map(|(table, columns)| {
            columns
                .into_keys()
                .map(move |column| (table.clone(), column))
        })
        .collect();
    let known: BTreeSet<(String, String)> = COLUMNS
        .iter()
        .flat_map(|(table, personal, other)| {
            let all = personal.iter().chain(*other);
            all.map(|column| ((*table).to_owned(), (*column).to_owned()))
        })
        .collect();
    let differing: Vec<_> = columns.symmetric_difference(&known).collect();
    assert!(
        differing.is_empty(),
        "{differing:?}: say in COLUMNS whether a new column may hold something of a customer; if so, have `customers/redact` empty it"
    );
}

#[test]
fn with_a_shop_every_table_that_names_it_is_emptied_and_of_no_other_shop() {
    let mut database = Database::new();
    let (gone, other): (ShopDomain, ShopDomain) = (
        "a.myshopify.com".parse().unwrap(),
        "b.myshopify.com".parse().unwrap(),
    );
    database.knows(&gone);
    database.knows(&other);
    let schema = schema(&database.beside);
    let of_shops: Vec<&str> = schema
        .iter()
        .filter(|(_, columns)| columns.contains_key("shop"))
        .map(|(table, _)| table.as_str())
        .collect();
    let of_none: BTreeSet<&str> = schema.keys().map(String::as_str).collect();
    let of_none = &of_none - &of_shops.iter().copied().collect();
    assert_eq!(of_none, BTreeSet::from(OF_NO_SHOP));
    for (number, table) in (100..).zip(&of_shops) {
        for shop in [1, 2] {
            // Counted by triggers from what is put into the others.
            if *table != "delivery_count" {
                database.has_row(&schema, table, shop, 2 * number + shop);
            }
        }
    }
    let bodies = "INSERT INTO delivery (shop, webhook_id, topic, received_at, state) \
                  VALUES (1, 'waits', 't/t', 1, 'pending'), (1, 'read by nobody', 't/t', 1, 'unreadable'); \
                  INSERT INTO delivery_body SELECT arrival, x'00' FROM delivery;";
    database.beside.execute_batch(bodies).unwrap();
    let before = |table: &&str| {
        (
            count(&database.beside, table, 1),
            count(&database.beside, table, 2),
        )
    };
    let before: Vec<_> = of_shops.iter().map(before).collect();
    assert!(
        before
            .iter()
            .all(|(of_gone, of_other)| *of_gone > 0 && *of_other > 0)
    );

    database.does(Operation::Forget { shop: gone });

    for (table, (_, of_other)) in of_shops.iter().zip(before) {
        let left = match *table {
            // What waits was acknowledged, and is decided when it is applied.
            "delivery" => count(&database.beside, table, 1) - 1,
            "delivery_count" => {
                let counted = "SELECT sum(deliveries) - 1 FROM delivery_count WHERE shop = 1";
                database
                    .beside
                    .query_row(counted, [], |row| row.get(0))
                    .unwrap()
            }
            _ => count(&database.beside, table, 1),
        };
        assert_eq!(
            (left, count(&database.beside, table, 2)),
            (0, of_other),
            "{table}"
        );
    }
    let bodies =
        "SELECT group_concat(shop || state) FROM delivery_body JOIN delivery USING (arrival)";
    let with_bodies: String = database
        .beside
        .query_row(bodies, [], |row| row.get(0))
        .unwrap();
    assert_eq!(with_bodies, "2applied,1pending");
    let [forgotten, kept] = OF_THE_SHOP;
    let columns: BTreeSet<&str> = schema["shop"].keys().map(String::as_str).collect();
    assert_eq!(columns, forgotten.iter().chain(kept).copied().collect());
    for column in forgotten {
        let null = format!("SELECT {column} IS NULL FROM shop WHERE id = 1");
        let null: bool = database
            .beside
            .query_row(&null, [], |row| row.get(0))
            .unwrap();
        assert!(null, "{column}");
    }
}

#[test]
fn with_a_customer_every_column_that_may_tell_of_them_is_emptied() {
    const ID: u64 = 7_654_321_987;
    const TEXTS: [&str; 2] = ["7654321987", "Ann Lee-Marker"];
    let mut database = Database::new();
    let shop: ShopDomain = "a.myshopify.com".parse().unwrap();
    database.knows(&shop);
    database.does(Operation::KeepNames {
        shop: shop.clone(),
        wanted: true,
    });
    let (id, at) = (ID.try_into().unwrap(), Timestamp::UNIX_EPOCH);
    let mut deliveries = 0;
    let mut webhook = |database: &mut Database, topic: &str, fate: Fate, changes: Vec<Change>| {
        deliveries += 1;
        let webhook_id: schemas::WebhookId = format!("w{deliveries}").parse().unwrap();
        database.does(Operation::Accept(Delivery {
            shop: shop.clone(),
            webhook_id: webhook_id.clone(),
            topic: topic.to_owned(),
            triggered_at: None,
            received_at: at,
            body: format!("{} buys", TEXTS[1]).into_bytes(),
            signature: Vec::new(),
        }));
        database.does(Operation::Apply(Batch {
            shop: shop.clone(),
            at,
            cause: Cause::Webhook {
                id: webhook_id,
                fate,
                shared_secret: false,
            },
            changes,
        }));
    };
    let customer = Customer {
        id,
        name: Some(TEXTS[1].to_owned()),
        created_at: at,
        updated_at: at,
    };
    let changes = vec![
        Change::Customer(customer),
        order_of(5, Some(id), 1),
        Change::LookAgain(schemas::RecordKey::Customer(id)),
    ];
    webhook(&mut database, "orders/create", Fate::Applied, changes);
    let unreadable = Fate::Unreadable("no order".to_owned());
    webhook(&mut database, "orders/create", unreadable, Vec::new());
    let data = json!({ "orderId": "order-1", "customerId": TEXTS[0], "note": TEXTS[1] });
    let data = serde_json::from_value(data).unwrap();
    let posted = Posted::read(Kind::OrderCreated, "erp".to_owned(), None, data).unwrap();
    database.does(Operation::Announce {
        shop: shop.clone(),
        event: Box::new(posted.logged().unwrap()),
        at,
    });
    for (record, fields) in [
        (
            format!("customer {ID}"),
            json!({ "name": [null, TEXTS[1]] }),
        ),
        (
            "order 5".to_owned(),
            json!({ "customerId": [TEXTS[0], null], "total": ["1", "2"] }),
        ),
        (
            "order 6".to_owned(),
            json!({ "customerId": [null, TEXTS[0]], "total": ["1", "2"] }),
        ),
    ] {
        let wrong = json!({ "wrong": "differs", "fields": fields }).to_string();
        let insert =
            "INSERT INTO drift (shop, run, record, wrong, found) VALUES (1, 'r1', ?1, ?2, 1)";
        database.beside.execute(insert, [record, wrong]).unwrap();
    }
    // With so many entries, the rooms of the first ones are on disk.
    for _ in 0..4_096 {
        let notice = Notice {
            user_id: None,
            title: "News".to_owned(),
            message: String::new(),
        };
        database.does(Operation::Announce {
            shop: shop.clone(),
            event: Box::new(Logged::SystemAlert(EventData::Own(notice))),
            at,
        });
    }
    let schema = schema(&database.beside);
    let personal: BTreeSet<(String, String)> = COLUMNS
        .iter()
        .flat_map(|(table, personal, _)| {
            personal
                .iter()
                .map(|column| ((*table).to_owned(), (*column).to_owned()))
        })
        // When somebody became a customer says nothing once it is not said who.
        .filter(|(_, column)| !column.ends_with("_at"))
        .collect();
    assert_eq!(
        database.columns_with(&schema, &TEXTS),
        personal,
        "all were filled"
    );

    webhook(
        &mut database,
        "customers/redact",
        Fate::Applied,
        vec![Change::Redacted(id)],
    );

    let kept = BTreeSet::from([("redacted".to_owned(), "customer".to_owned())]);
    assert_eq!(database.columns_with(&schema, &TEXTS), kept);
    let customers = "SELECT count(*) FROM customer";
    let customers: i64 = database
        .beside
        .query_row(customers, [], |row| row.get(0))
        .unwrap();
    assert_eq!(customers, 0);
    let differences = "SELECT count(*) FROM drift WHERE wrong ->> '$.fields.total[1]' = '2'";
    let differences: i64 = database
        .beside
        .query_row(differences, [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        differences, 2,
        "what else was wrong with an order is still told"
    );
}
