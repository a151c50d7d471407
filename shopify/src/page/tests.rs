//! Pages of lists: filters, cursors and what is translated.

use schemas::{Change, RecordKey};
use serde_json::{Value, json};

use super::*;
use crate::fake::{Fake, data};

use crate::answer::{ORDERS_FULFILLMENTS, ORDERS_TRANSACTIONS};

fn list(name: &str, nodes: &Value, end_cursor: Option<&str>) -> Value {
    json!({ name: { "nodes": nodes, "pageInfo": { "hasNextPage": end_cursor.is_some(), "endCursor": end_cursor } } })
}

fn location(number: u64, active: bool) -> Value {
    let id = format!("gid://shopify/Location/{number}");
    json!({ "id": id, "name": "Harbour", "isActive": active, "isFulfillmentService": false, "updatedAt": "2026-11-19T10:00:00Z" })
}

#[tokio::test(start_paused = true)]
async fn a_quick_page_asks_for_what_changed_since_to_the_second() {
    let fake = Fake::script([
        data(list("products", &json!([]), None)),
        data(list("productVariants", &json!([]), None)),
    ]);
    let client = fake.client();
    let since = "2026-11-20T10:00:00.987Z".parse().ok();
    client
        .products_page(since, "abc==".parse().ok().as_ref())
        .await
        .unwrap();
    client.variants_page(None, None).await.unwrap();
    let expected = [
        json!({ "first": 250, "after": "abc==", "filter": "updated_at:>='2026-11-20T10:00:00Z'" }),
        json!({ "first": 250, "after": null }),
    ];
    assert_eq!(fake.variables(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_products_tells_each_without_its_variants_and_where_to_go_on() {
    let node = json!({
        "id": "gid://shopify/Product/7100200300400500601", "title": "Lamp", "handle": "lamp", "vendor": "Bright",
        "productType": "Lighting", "status": "DRAFT", "updatedAt": "2026-11-19T10:00:00Z",
    });
    let fake = Fake::script([data(list("products", &json!([node]), Some("next")))]);
    let page = fake.client().products_page(None, None).await.unwrap();
    assert_eq!(page.next.unwrap().to_string(), "next");
    assert!(
        matches!(&page.changes[..], [Change::Product { product, variants: None }]
        if product.status == "draft" && product.id.to_string() == "7100200300400500601")
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_of_variants_tells_each_item_and_then_its_variant() {
    let node = json!({
        "id": "gid://shopify/ProductVariant/11", "title": "Small", "sku": "", "barcode": null, "price": "27.5",
        "inventoryPolicy": "CONTINUE", "requiresComponents": true, "updatedAt": "2026-11-19T10:00:00Z", "product": { "id": "gid://shopify/Product/1" },
        "inventoryItem": {
            "id": "gid://shopify/InventoryItem/21", "sku": "", "tracked": false, "updatedAt": "2026-11-19T11:00:00Z",
        },
    });
    let fake = Fake::script([data(list("productVariants", &json!([node]), None))]);
    let page = fake.client().variants_page(None, None).await.unwrap();
    let [Change::Item(item), Change::Variant(variant)] = &page.changes[..] else {
        panic!("{:?}", page.changes)
    };
    assert!(!item.tracked && item.sku.is_none() && item.id.to_string() == "21");
    assert_eq!(
        (variant.product_id.to_string(), variant.inventory_item_id),
        ("1".to_owned(), Some(item.id))
    );
    assert!(variant.continue_selling && variant.sku.is_none());
    assert_eq!(variant.price.as_str(), "27.50");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_levels_tells_every_quantity_and_passes_over_new_ones() {
    let quantities = json!([
        { "name": "available", "quantity": -2 }, { "name": "committed", "quantity": 3 },
        { "name": "damaged", "quantity": 4 }, { "name": "incoming", "quantity": 5 },
        { "name": "on_hand", "quantity": 6 }, { "name": "quality_control", "quantity": 7 },
        { "name": "reserved", "quantity": 8 }, { "name": "safety_stock", "quantity": 9 },
        { "name": "of_next_year", "quantity": 10 },
    ]);
    let gid = "gid://shopify/InventoryLevel/55501?inventory_item_id=21";
    let node = json!({
        "id": gid, "isActive": false, "updatedAt": "2026-11-19T10:00:00Z",
        "item": { "id": "gid://shopify/InventoryItem/21" }, "quantities": quantities,
    });
    let fake = Fake::script([data(
        json!({ "location": list("inventoryLevels", &json!([node]), None) }),
    )]);
    let here = "31".parse().unwrap();
    let page = fake.client().levels_page(here, None, None).await.unwrap();
    assert_eq!(fake.variables()[0]["location"], "gid://shopify/Location/31");
    let [Change::Level(level)] = &page.changes[..] else {
        panic!("{:?}", page.changes)
    };
    let q = level.quantities;
    assert_eq!(
        (
            level.inventory_item_id.to_string(),
            level.location_id,
            level.active
        ),
        ("21".to_owned(), here, false)
    );
    assert_eq!(level.gid.as_ref().unwrap().as_str(), gid);
    assert_eq!(
        [q.available, q.committed, q.damaged, q.incoming],
        [-2, 3, 4, 5]
    );
    assert_eq!(
        [q.on_hand, q.quality_control, q.reserved, q.safety_stock],
        [6, 7, 8, 9]
    );
}

#[tokio::test(start_paused = true)]
async fn levels_of_a_location_that_is_gone_tell_that_it_is_gone() {
    let fake = Fake::script([data(json!({ "location": null }))]);
    let here = "31".parse().unwrap();
    let page = fake.client().levels_page(here, None, None).await.unwrap();
    assert_eq!(
        (page.changes, page.next),
        (vec![Change::Gone(RecordKey::Location(here))], None)
    );
}

#[tokio::test(start_paused = true)]
async fn locations_are_read_to_the_last_page() {
    let fake = Fake::script([
        data(list(
            "locations",
            &json!([location(1, true), location(2, false)]),
            Some("c1"),
        )),
        data(list("locations", &json!([location(3, true)]), None)),
    ]);
    let changes = fake.client().locations().await.unwrap();
    assert_eq!(changes.len(), 3);
    assert!(matches!(&changes[1], Change::Location(location) if !location.active));
    assert_eq!(fake.variables()[1]["after"], "c1");
}

#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_given_up() {
    let fake = Fake::new(|_| {
        data(list(
            "locations",
            &json!([location(1, true)]),
            Some("again"),
        ))
    });
    assert!(fake.client().locations().await.is_err());
    assert_eq!(fake.variables().len(), PAGES_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_goes_on_nowhere_is_an_error_and_not_the_last() {
    for end_cursor in [Value::Null, json!(""), json!("not a cursor\n")] {
        let page_info = json!({ "hasNextPage": true, "endCursor": end_cursor });
        let fake = Fake::script([data(
            json!({ "inventoryItems": { "nodes": [], "pageInfo": page_info } }),
        )]);
        let error = fake.client().items_page(None, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer to items cannot be read at `pageInfo.endCursor`"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_shop_and_its_counts_are_told() {
    let shop = json!({
        "id": "gid://shopify/Shop/1", "name": "Pretend", "myshopifyDomain": "pretend.myshopify.com", "currencyCode": "EUR", "ianaTimezone": "Europe/Berlin",
    });
    let counts = json!({ "productsCount": { "count": 30_000 }, "productVariantsCount": { "count": 90_000 } });
    let fake = Fake::script([data(json!({ "shop": shop })), data(counts)]);
    let client = fake.client();
    assert_eq!(
        client.shop().await.unwrap().myshopify_domain.as_str(),
        "pretend.myshopify.com"
    );
    assert_eq!(
        client.counts().await.unwrap(),
        CatalogCounts {
            products: 30_000,
            variants: 90_000
        }
    );
}

fn order(number: u64, fulfillments: usize, transactions: usize, more_lines: bool) -> Value {
    let sent = json!({ "status": "SUCCESS", "displayStatus": null, "location": { "id": "gid://shopify/Location/31" } });
    let paid = json!({
        "id": "gid://shopify/OrderTransaction/81", "kind": "SALE", "status": "SUCCESS",
        "amountSet": { "shopMoney": { "amount": "59.5", "currencyCode": "EUR" } },
    });
    let line = json!({
        "id": "gid://shopify/LineItem/71", "title": "Lamp", "sku": "L", "currentQuantity": 2,
        "variant": { "id": "gid://shopify/ProductVariant/11" },
    });
    let lines = list("lineItems", &json!([line]), more_lines.then_some("more"));
    json!({
        "id": format!("gid://shopify/Order/{number}"), "name": "#1", "createdAt": "2026-11-19T09:00:00Z",
        "updatedAt": "2026-11-19T10:00:00Z", "cancelledAt": null, "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "FULFILLED", "sourceName": "web", "currencyCode": "EUR",
        "currentTotalPriceSet": { "shopMoney": { "amount": "59.5" } }, "retailLocation": null,
        "customer": { "id": "gid://shopify/Customer/61" }, "fulfillments": vec![sent; fulfillments],
        "transactions": vec![paid; transactions], "lineItems": lines["lineItems"],
    })
}

#[tokio::test(start_paused = true)]
async fn a_page_of_orders_tells_those_it_has_whole_and_has_the_others_read() {
    let nodes = json!([
        order(1, 4, 3, false),
        order(2, 5, 0, false),
        order(3, 0, 0, true),
        order(4, 0, 4, false)
    ]);
    let fake = Fake::script([data(list("orders", &nodes, Some("next")))]);
    let page = fake
        .client()
        .orders_page("2026-11-20T10:00:00Z".parse().ok(), None)
        .await
        .unwrap();
    let expected =
        json!({ "first": 20, "after": null, "filter": "updated_at:>='2026-11-20T10:00:00Z'" });
    assert_eq!(fake.variables(), [expected]);
    assert!(
        document::ORDERS
            .text(false)
            .contains(&format!("fulfillments(first: {ORDERS_FULFILLMENTS})"))
    );
    let again = |number: u64| Change::LookAgain(RecordKey::Order(number.try_into().unwrap()));
    assert!(
        document::ORDERS
            .text(false)
            .contains(&format!("transactions(first: {ORDERS_TRANSACTIONS})"))
    );
    let [Change::Order(whole), second, third, fourth] = &page.changes[..] else {
        panic!("{:?}", page.changes)
    };
    assert_eq!((second, third, fourth), (&again(2), &again(3), &again(4)));
    assert_eq!(
        (
            whole.lines.len(),
            whole.locations.len(),
            whole.customer_id.is_some()
        ),
        (1, 1, true)
    );
    assert_eq!(page.next.unwrap().to_string(), "next");
}

#[tokio::test(start_paused = true)]
async fn customers_are_paged_from_the_latest_until_one_is_older() {
    let customer = |number: u64, time: &str| {
        let id = format!("gid://shopify/Customer/{number}");
        json!({ "id": id, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": time })
    };
    let (fresh, same, old) = (
        "2026-11-20T10:05:00Z",
        "2026-11-20T10:00:00Z",
        "2026-11-20T09:59:59Z",
    );
    let since = "2026-11-20T10:00:00.5Z".parse().ok();
    let cases = [
        (vec![fresh, same], 2, true),
        (vec![fresh, same, old], 2, false),
        (vec![old], 0, false),
        (vec![], 0, true),
    ];
    for (times, told, goes_on) in cases {
        let nodes: Vec<_> = (1..)
            .zip(times)
            .map(|(number, time)| customer(number, time))
            .collect();
        let fake = Fake::script([data(list("customers", &json!(nodes), Some("next")))]);
        let page = fake.client().customers_page(since, None).await.unwrap();
        assert_eq!((page.changes.len(), page.next.is_some()), (told, goes_on));
    }
    let fake = Fake::script([data(list(
        "customers",
        &json!([customer(1, old)]),
        Some("next"),
    ))]);
    assert!(
        fake.client()
            .customers_page(None, None)
            .await
            .unwrap()
            .next
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn the_scopes_that_were_granted_are_told() {
    let granted = json!([{ "handle": "write_inventory" }, { "handle": "read_products" }]);
    let fake = Fake::script([data(
        json!({ "currentAppInstallation": { "accessScopes": granted } }),
    )]);
    let scopes = fake.client().scopes().await.unwrap();
    assert!(scopes.iter().eq(["read_products", "write_inventory"]));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_the_same_in_a_body_and_in_an_answer() {
    let (id, at) = ("gid://shopify/Customer/61", "2026-11-19T10:00:00Z");
    for (first, last, name) in [
        (json!("Ann"), json!("Lee"), Some("Ann Lee")),
        (json!(" Ann "), json!(""), Some("Ann")),
        (Value::Null, json!("Lee"), Some("Lee")),
        (json!(" "), Value::Null, None),
        (Value::Null, Value::Null, None),
    ] {
        let body = json!({
            "id": 61, "first_name": first, "last_name": last, "created_at": at, "updated_at": at,
            "admin_graphql_api_id": id,
        });
        let read =
            crate::read("customers/update", body.to_string().as_bytes(), None, true).unwrap();
        let crate::WebhookReading::Changes(expected) = read else {
            panic!("{read:?}")
        };
        assert!(
            matches!(&expected[..], [Change::Customer(customer)] if customer.name.as_deref() == name)
        );

        let node = json!({ "id": id, "firstName": first, "lastName": last, "createdAt": at, "updatedAt": at });
        let mut of_order = order(1, 0, 0, false);
        of_order["customer"] = node.clone();
        let fake = Fake::script([
            data(list("customers", &json!([node]), None)),
            data(list("orders", &json!([of_order]), None)),
        ]);
        let client = fake.client_for_names();
        assert_eq!(
            client.customers_page(None, None).await.unwrap().changes,
            expected
        );
        let page = client.orders_page(None, None).await.unwrap();
        let [customer, Change::Order(order)] = &page.changes[..] else {
            panic!("{page:?}")
        };
        assert_eq!(
            (customer, order.customer_id.map(|id| id.to_string())),
            (&expected[0], Some("61".to_owned()))
        );
    }
}
