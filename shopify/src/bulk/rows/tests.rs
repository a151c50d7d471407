//! Results in any order, in any pieces, and damaged in every way that would be taken for whole by less care.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response};
use proptest::prelude::*;
use schemas::RecordKey;
use serde_json::{Value, json};

use super::super::order::HELD_BYTES_MAX;
use super::*;
use crate::client::Endpoint;
use crate::credential::Credential;
use crate::error::Retry;
use crate::fake::client_with;
use crate::transport::{Body, TransportError};

const URL: &str = "https://files.example/out.jsonl?Signature=s";

/// A host that has one file and gives it in pieces.
struct Host {
    status: u16,
    pieces: Vec<Result<Bytes, ()>>,
    requests: Mutex<Vec<Request<Bytes>>>,
}

struct Pieces(std::vec::IntoIter<Result<Bytes, ()>>);

#[async_trait]
impl Body for Pieces {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.0
            .next()
            .transpose()
            .map_err(|()| TransportError::Broken("cut".into()))
    }
}

#[async_trait]
impl Transport for Host {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        panic!("a result is not held in memory")
    }

    async fn open(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Box<dyn Body>>, TransportError> {
        self.requests.lock().unwrap().push(request);
        let body = Box::new(Pieces(self.pieces.clone().into_iter())) as Box<dyn Body>;
        Ok(Response::builder().status(self.status).body(body).unwrap())
    }
}

fn host(status: u16, pieces: Vec<Result<Bytes, ()>>) -> Arc<Host> {
    Arc::new(Host {
        status,
        pieces,
        requests: Mutex::default(),
    })
}

/// The text in pieces of this many bytes.
fn pieces(text: &str, length: usize) -> Vec<Result<Bytes, ()>> {
    text.as_bytes()
        .chunks(length)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect()
}

fn client(host: &Arc<Host>, api_url: Option<&str>) -> Client {
    let credential = Credential::Token("shpat_pretend".parse().unwrap());
    client_with(
        Arc::clone(host) as _,
        &Endpoint {
            api_url: api_url.map(str::to_owned),
            credential,
            names: false,
        },
    )
}

fn result(url: Option<&str>, lines: u64, bytes: u64) -> BulkResult {
    BulkResult {
        url: url.map(|url| url.parse().unwrap()),
        lines,
        bytes: Some(bytes),
    }
}

/// Everything that a file tells.
async fn read_all(
    host: &Arc<Host>,
    query: BulkQuery,
    expected: u64,
    file_bytes: u64,
) -> Result<Vec<Change>, Error> {
    let mut rows = client(host, None).bulk_rows(query, &result(Some(URL), expected, file_bytes))?;
    let mut told = Vec::new();
    loop {
        match rows.next().await {
            Ok(Some(changes)) => told.extend(changes),
            Ok(None) => return Ok(told),
            Err(error) => {
                assert_eq!(
                    rows.next().await.unwrap(),
                    None,
                    "a result that failed goes on"
                );
                return Err(error);
            }
        }
    }
}

async fn read_text(query: BulkQuery, text: &str, expected: u64) -> Result<Vec<Change>, Error> {
    read_all(&host(200, pieces(text, 100)), query, expected, 0).await
}

fn text_of(lines: &[Value]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.to_string(), "\n".to_owned()])
        .collect()
}

fn item(number: u64) -> Value {
    let id = format!("gid://shopify/InventoryItem/{number}");
    json!({ "id": id, "sku": format!("S-{number}"), "tracked": true, "updatedAt": "2026-11-19T10:00:00Z" })
}

fn level(item: u64, location: u64) -> Value {
    let parent = format!("gid://shopify/InventoryItem/{item}");
    json!({
        "id": format!("gid://shopify/InventoryLevel/5{location}?inventory_item_id={item}"),
        "isActive": true, "updatedAt": "2026-11-19T10:00:00Z", "item": { "id": parent },
        "location": { "id": format!("gid://shopify/Location/{location}") },
        "quantities": [{ "name": "available", "quantity": 4 }, { "name": "on_hand", "quantity": 5 }],
        "__parentId": parent,
    })
}

fn product(number: u64) -> Value {
    json!({
        "id": format!("gid://shopify/Product/{number}"), "title": "Lamp", "handle": "lamp", "vendor": "Bright",
        "productType": "Lighting", "status": "ACTIVE", "updatedAt": "2026-11-19T10:00:00Z",
    })
}

fn variant(product: u64, number: u64) -> Value {
    let parent = format!("gid://shopify/Product/{product}");
    json!({
        "id": format!("gid://shopify/ProductVariant/{number}"), "title": "Small", "sku": "S", "barcode": null,
        "price": "27.50", "inventoryPolicy": "DENY", "requiresComponents": false,
        "updatedAt": "2026-11-19T10:00:00Z", "product": { "id": parent }, "inventoryItem": item(number),
        "__parentId": parent,
    })
}

fn order(number: u64) -> Value {
    json!({
        "id": format!("gid://shopify/Order/{number}"), "name": format!("#{number}"),
        "createdAt": "2026-11-19T09:00:00Z", "updatedAt": "2026-11-19T10:00:00Z", "cancelledAt": null,
        "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED", "sourceName": "web",
        "currencyCode": "EUR", "currentTotalPriceSet": { "shopMoney": { "amount": "59.5" } },
        "customer": null, "retailLocation": null, "fulfillments": [], "transactions": [],
    })
}

fn line(order: u64, number: u64) -> Value {
    json!({
        "id": format!("gid://shopify/LineItem/{number}"), "title": "Lamp \u{2028} \"large\"", "sku": null,
        "currentQuantity": 2, "variant": null, "__parentId": format!("gid://shopify/Order/{order}"),
    })
}

/// As many orders as there are numbers, each with that many lines.
fn orders(lines_of: &[u64]) -> Vec<Value> {
    // Shopify's ids go by steps like this one.
    let numbered = (1..).map(|n| n * 32_768).zip(lines_of);
    numbered
        .flat_map(|(id, lines)| {
            std::iter::once(order(id)).chain((0..*lines).map(move |nth| line(id, id * 100 + nth)))
        })
        .collect()
}

fn by_id(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| match change {
        Change::Order(order) => order.id,
        Change::LookAgain(RecordKey::Order(id)) => *id,
        other => panic!("{other:?}"),
    });
    changes
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn any_order_of_lines_pieces_and_passes_gives_the_same_orders(
        lines_of in prop::collection::vec(0..4_u64, 1..12),
        seed: u64,
        length in 1..200_usize,
        passes in 1..5_u64,
    ) {
        let sorted = orders(&lines_of);
        let mut shuffled = sorted.clone();
        let entropy = schemas::Entropy::seeded(seed);
        for at in (1..shuffled.len()).rev() {
            let random = u64::from_le_bytes(entropy.bytes());
            shuffled.swap(at, usize::try_from(random % (at as u64 + 1)).unwrap());
        }
        let (count, bytes) = (sorted.len() as u64, HELD_BYTES_MAX / 2 * (passes - 1));
        let expected = block_on(read_text(BulkQuery::Orders, &text_of(&sorted), count)).unwrap();
        let host = host(200, pieces(&text_of(&shuffled), length));
        let told = block_on(read_all(&host, BulkQuery::Orders, count, bytes)).unwrap();
        prop_assert_eq!(host.requests.lock().unwrap().len() as u64, passes);
        prop_assert_eq!(told.len(), lines_of.len());
        prop_assert_eq!(by_id(told), expected);
    }

    #[test]
    fn a_file_cut_anywhere_is_never_taken_for_whole(cut: prop::sample::Index, lines_of in prop::collection::vec(0..4_u64, 1..6)) {
        let lines = orders(&lines_of);
        let text = text_of(&lines);
        // Without the end of its last line it is still whole.
        let cut = text.floor_char_boundary(cut.index(text.len() - 1));
        let error = block_on(read_text(BulkQuery::Orders, &text[..cut], lines.len() as u64)).unwrap_err();
        prop_assert!(matches!(error, Error::Bulk(BulkError::Cut { .. } | BulkError::Uncounted { .. })), "{}", error);
        prop_assert_eq!(error.retry(), Retry::Now);
    }
}

proptest! {
    #[test]
    fn nothing_panics_whatever_is_in_the_file(noise: Vec<u8>, at: prop::sample::Index, byte: u8, query in 0..BulkQuery::ALL.len()) {
        let query = BulkQuery::ALL[query];
        let mut sample = text_of(&[order(7), line(7, 71), item(21), level(21, 31), product(1), variant(1, 11)]).into_bytes();
        let at = at.index(sample.len());
        sample[at] = byte;
        for body in [noise, sample] {
            let _ = block_on(read_all(&host(200, vec![Ok(body.into())]), query, 6, 0));
        }
    }
}

#[tokio::test]
async fn an_order_is_told_with_all_its_lines_though_they_came_first() {
    let text = text_of(&[line(7, 72), order(8), line(7, 71), order(7)]);
    let told = by_id(read_text(BulkQuery::Orders, &text, 4).await.unwrap());
    let [Change::Order(seven), Change::Order(eight)] = &told[..] else {
        panic!("{told:?}")
    };
    let lines: Vec<_> = seven.lines.iter().map(|line| line.id.to_string()).collect();
    assert_eq!(
        (lines, eight.lines.len()),
        (vec!["71".to_owned(), "72".to_owned()], 0)
    );
}

#[tokio::test]
async fn levels_and_items_are_told_as_they_come_and_need_no_parent() {
    let text = text_of(&[level(21, 31), item(22), level(22, 31), item(21)]);
    let told = read_text(BulkQuery::Levels, &text, 4).await.unwrap();
    let [
        Change::Level(first),
        Change::Item(_),
        Change::Level(_),
        Change::Item(_),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        (
            first.inventory_item_id.to_string(),
            first.location_id.to_string()
        ),
        ("21".into(), "31".into())
    );
    assert_eq!(
        (first.quantities.available, first.quantities.on_hand),
        (4, 5)
    );
}

#[tokio::test]
async fn variants_name_their_product_and_bring_their_item() {
    let text = text_of(&[variant(1, 11), product(1)]);
    let told = read_text(BulkQuery::Products, &text, 2).await.unwrap();
    let [
        Change::Item(item),
        Change::Variant(variant),
        Change::Product {
            product,
            variants: None,
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(
        (variant.product_id, variant.inventory_item_id),
        (product.id, Some(item.id))
    );
}

#[tokio::test]
async fn an_order_that_came_twice_is_to_be_read() {
    let mut later = order(7);
    later["updatedAt"] = json!("2026-11-20T10:00:00Z");
    for twice in [
        [order(7), line(7, 71), later],
        [order(7), line(7, 71), line(7, 71)],
    ] {
        let told = read_text(BulkQuery::Orders, &text_of(&twice), 3)
            .await
            .unwrap();
        assert_eq!(
            told,
            [Change::LookAgain(RecordKey::Order(
                7_u64.try_into().unwrap()
            ))]
        );
    }
}

#[tokio::test]
async fn too_few_and_too_many_lines_are_errors() {
    let text = text_of(&[item(21), item(22), item(23)]);
    let missing = read_text(BulkQuery::Levels, &text, 4).await.unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the bulk result has 3 lines instead of 4"
    );
    let more = read_text(BulkQuery::Levels, &text, 2).await.unwrap_err();
    assert!(matches!(
        more,
        Error::Bulk(BulkError::Uncounted {
            found: 3,
            expected: 2
        })
    ));
    // Lines are lost as a whole where the way is cut at the end of one.
    let empty = read_text(BulkQuery::Levels, "", 3).await.unwrap_err();
    assert!(matches!(
        empty,
        Error::Bulk(BulkError::Uncounted {
            found: 0,
            expected: 3
        })
    ));
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_even_when_every_line_has_come() {
    let mut broken = pieces(&text_of(&[item(21)]), 1_000);
    broken.push(Err(()));
    let error = read_all(&host(200, broken), BulkQuery::Levels, 1, 0)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Transport(TransportError::Broken(_))));
}

#[tokio::test]
async fn lines_without_their_order_are_an_error() {
    let error = read_text(BulkQuery::Orders, &text_of(&[order(7), line(8, 81)]), 2)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Bulk(BulkError::Orphans { orders: 1 })
    ));
}

#[tokio::test]
async fn a_line_that_is_wrong_is_told_by_its_place_and_never_by_its_words() {
    let cases = [
        (
            json!({ "id": "gid://shopify/Customer/pat@example.com" }),
            "id",
        ),
        (json!({ "id": "gid://shopify/Order/9" }), "id"),
        (
            json!({ "id": "gid://shopify/InventoryItem/1", "sku": { "pat@example.com": 1 } }),
            "sku",
        ),
        (json!({ "__parentId": "pat@example.com" }), "."),
    ];
    for (wrong, place) in cases {
        let error = read_text(BulkQuery::Levels, &text_of(&[item(21), wrong]), 2)
            .await
            .unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
        assert_eq!(
            error.to_string(),
            format!("line 2 of the bulk result cannot be read at `{place}`")
        );
    }
    let not_json = read_text(BulkQuery::Levels, "{\"pat@example.com\": tru\n", 1)
        .await
        .unwrap_err();
    assert_eq!(
        not_json.to_string(),
        "line 1 of the bulk result is cut or not JSON"
    );
}

#[tokio::test]
async fn blank_lines_other_line_ends_and_a_missing_last_one_are_no_harm() {
    let text = format!("{}\r\n\n  \n{}", item(21), item(22));
    assert_eq!(
        read_text(BulkQuery::Levels, &text, 2).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_line_without_end_is_given_up() {
    let endless = vec![Ok(Bytes::from(vec![b'x'; 65_536])); 40];
    let error = read_all(&host(200, endless), BulkQuery::Levels, 9, 0)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Bulk(BulkError::LongLine { line: 1 })
    ));
}

#[tokio::test]
async fn another_host_gets_no_token_and_no_header_of_ours() {
    let host = host(200, pieces(&text_of(&[item(21)]), 9));
    read_all(&host, BulkQuery::Levels, 1, 0).await.unwrap();
    let requests = host.requests.lock().unwrap();
    assert_eq!(
        (requests[0].method(), requests[0].uri().to_string()),
        (&Method::GET, URL.to_owned())
    );
    assert!(requests[0].headers().is_empty() && requests[0].body().is_empty());
}

#[tokio::test]
async fn a_file_that_is_gone_is_an_error_and_one_that_is_busy_may_pass() {
    for (status, retry) in [
        (403, Retry::Never),
        (404, Retry::Never),
        (302, Retry::Never),
        (503, Retry::Now),
    ] {
        let error = read_all(&host(status, Vec::new()), BulkQuery::Levels, 1, 0)
            .await
            .unwrap_err();
        assert_eq!(error.retry(), retry, "{error}");
        assert!(error.to_string().contains(&format!("HTTP {status}")));
    }
}

#[tokio::test]
async fn nothing_is_fetched_over_plain_http_but_in_a_simulation_on_this_machine() {
    let simulation = Some("http://127.0.0.1:8080");
    let cases = [
        (URL, None, true),
        ("http://files.example/out", None, false),
        ("http://127.0.0.1:9/out", None, false),
        ("/out", None, false),
        ("ftp://files.example/out", None, false),
        ("http://127.0.0.1:9/out", simulation, true),
        ("http://[::1]:9/out", simulation, true),
        ("http://localhost:9/out", simulation, true),
        ("http://files.example/out", simulation, false),
        ("http://localhost.example/out", simulation, false),
        (
            "http://127.0.0.1:9/out",
            Some("https://127.0.0.1:8080"),
            false,
        ),
    ];
    for (url, api_url, allowed) in cases {
        let host = host(200, pieces(&text_of(&[item(21)]), 9));
        let rows = client(&host, api_url).bulk_rows(BulkQuery::Levels, &result(Some(url), 1, 0));
        assert_eq!(rows.is_ok(), allowed, "{url} for {api_url:?}");
        assert!(host.requests.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn no_file_is_an_empty_result_only_where_nothing_was_counted() {
    let host = host(200, Vec::new());
    let mut empty = client(&host, None)
        .bulk_rows(BulkQuery::Orders, &result(None, 0, 0))
        .unwrap();
    assert_eq!(empty.next().await.unwrap(), None);
    let lost = client(&host, None).bulk_rows(BulkQuery::Orders, &result(None, 7, 0));
    assert!(matches!(
        lost,
        Err(Error::Bulk(BulkError::Uncounted {
            found: 0,
            expected: 7
        }))
    ));
    assert!(host.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_great_many_rows_are_told_in_parts_and_none_is_kept() {
    let lines: Vec<_> = (1..=5_000).map(|n| level(n, 31)).collect();
    let host = host(200, pieces(&text_of(&lines), 4_096));
    let mut rows = client(&host, None)
        .bulk_rows(BulkQuery::Levels, &result(Some(URL), 5_000, 0))
        .unwrap();
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move {
        let mut count = 0;
        while let Some(changes) = rows.next().await.unwrap() {
            assert!(changes.len() <= TOLD_TOGETHER + 1 && rows.told.is_empty());
            count += changes.len();
        }
        count
    });
    assert_eq!(task.join_all().await, [5_000]);
}

#[tokio::test]
async fn a_name_is_told_only_by_an_operation_that_asks_for_names() {
    let at = "2026-11-19T10:00:00Z";
    let customer = json!({
        "id": "gid://shopify/Customer/6", "createdAt": at, "updatedAt": at, "firstName": "Ann", "lastName": "Lee",
    });
    let mut named = order(7);
    named["customer"] = customer.clone();
    let name_in = async |query, row: &Value| {
        let told = read_text(query, &text_of(std::slice::from_ref(row)), 1)
            .await
            .unwrap();
        told.into_iter().find_map(|change| match change {
            Change::Customer(customer) => customer.name,
            _ => None,
        })
    };
    for (query, row) in [
        (BulkQuery::CustomersNamed, &customer),
        (BulkQuery::OrdersNamed, &named),
    ] {
        assert_eq!(name_in(query, row).await.as_deref(), Some("Ann Lee"));
    }
    // The setting was changed while the operation was under way.
    for (query, row) in [
        (BulkQuery::Customers, &customer),
        (BulkQuery::Orders, &named),
    ] {
        assert_eq!(name_in(query, row).await, None);
    }
}
