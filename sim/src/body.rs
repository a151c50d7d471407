//! Webhook bodies: the REST-shaped JSON of Shopify's samples (webhooks reference, 2026-10), with the shop's values.
//!
//! Numeric ids beside `admin_graphql_api_id`, money as decimal strings, times with the shop's offset.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use crate::bulk::BulkRun;
use crate::record::{
    AVAILABLE, CURRENCY, Edit, Fulfillment, Item, OFFSET_HOURS, Refund, Restock, SimCustomer,
    SimLevel, SimLocation, SimOrder, SimOrderLine, SimProduct, SimShopRow, SimTransaction,
    SimVariant, TIME_ZONE, price,
};
use crate::store::SimStore;
use crate::topic::TopicSubject;
use crate::transfer::{SimTransfer, TransferStatus};

/// Past this many, a product's variants are only listed by id.
const FULL_VARIANTS: usize = 100;

/// The body about a subject as the shop stands now; nothing if it is gone meanwhile.
pub(crate) fn body(store: &SimStore, subject: TopicSubject) -> Option<Value> {
    Some(match subject {
        TopicSubject::Customer(id) => customer(store, store.customers.find(id)?),
        TopicSubject::Item(id) => item(store.items.find(id)?),
        TopicSubject::Level { item, location } => level(store.level(item, location)?),
        TopicSubject::Location(id) => place(store.locations.find(id)?),
        TopicSubject::Operation(id) => operation(store.operations.find(id)?),
        TopicSubject::Order(id) => order(store, store.orders.find(id)?),
        TopicSubject::Product(id) => product(store, store.products.find(id)?),
        TopicSubject::Edit { order, index } => {
            let order = store.orders.find(order)?;
            edit(order, order.edits.get(index)?)
        }
        TopicSubject::Fulfillment { order, index } => {
            let order = store.orders.find(order)?;
            fulfillment(order, order.fulfillments.get(index)?)
        }
        TopicSubject::Refund { order, index } => {
            let order = store.orders.find(order)?;
            refund(order, order.refunds.get(index)?)
        }
        TopicSubject::Transaction { order, index } => {
            let order = store.orders.find(order)?;
            transaction(order, order.transactions.get(index)?)
        }
        TopicSubject::Transfer { transfer, index } => {
            self::transfer(store.transfers.get(&transfer)?, index)?
        }
        TopicSubject::Variant(id) => variant(store, store.variants.find(id)?),
        TopicSubject::Scopes => {
            json!({ "id": store.shop.id, "previous": store.scopes.previous, "current": store.scopes.granted })
        }
        TopicSubject::Shop => shop(&store.shop),
        TopicSubject::DataRequest(id) => {
            let orders: Vec<u64> = store
                .orders
                .iter()
                .filter(|row| row.customer == id)
                .map(|row| row.id)
                .collect();
            json!({
                "shop_id": store.shop.id,
                "shop_domain": store.shop.domain,
                "customer": person(id),
                "orders_requested": orders,
                "data_request": { "id": id + 1 },
            })
        }
        TopicSubject::RedactCustomer(id) => {
            let orders: Vec<u64> = store
                .orders
                .iter()
                .filter(|row| row.customer == id)
                .map(|row| row.id)
                .collect();
            json!({
                "shop_id": store.shop.id,
                "shop_domain": store.shop.domain,
                "customer": person(id),
                "orders_to_redact": orders,
            })
        }
        TopicSubject::RedactShop => {
            json!({ "shop_id": store.shop.id, "shop_domain": store.shop.domain })
        }
        TopicSubject::Gone(id) => json!({ "id": id }),
        TopicSubject::Disconnected { item, location } => {
            json!({ "inventory_item_id": item, "location_id": location })
        }
    })
}

fn local(time: Timestamp) -> String {
    time.display_with_offset(Offset::constant(OFFSET_HOURS))
        .to_string()
}

fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

fn money_set(cents: i64) -> Value {
    let money = json!({ "amount": price(cents), "currency_code": CURRENCY });
    json!({ "shop_money": money, "presentment_money": money })
}

fn person(customer: u64) -> Value {
    json!({ "id": customer, "email": format!("shopper.{customer}@example.com"), "phone": null })
}

fn shop(shop: &SimShopRow) -> Value {
    json!({
        "id": shop.id,
        "name": shop.name,
        "email": "owner@example.com",
        "domain": shop.domain,
        "country": "JM",
        "country_code": "JM",
        "country_name": "Jamaica",
        "city": "Kingston",
        "currency": CURRENCY,
        "iana_timezone": TIME_ZONE,
        "myshopify_domain": shop.domain,
        "plan_name": "partner_test",
        "plan_display_name": "Development",
        "multi_location_enabled": true,
    })
}

fn edit(order: &SimOrder, edit: &Edit) -> Value {
    // Both kinds of change are counted upwards.
    let change = json!([{ "id": edit.line, "delta": edit.delta.abs() }]);
    let (added, removed) = if edit.delta > 0 {
        (change, json!([]))
    } else {
        (json!([]), change)
    };
    json!({
        "order_edit": {
            "id": edit.id,
            "app_id": null,
            "created_at": local(edit.created_at),
            "committed_at": local(edit.created_at),
            "notify_customer": false,
            "order_id": order.id,
            "staff_note": "",
            "user_id": null,
            "line_items": { "additions": added, "removals": removed },
            "discounts": { "line_item": { "additions": [], "removals": [] } },
            "shipping_lines": { "additions": [], "removals": [] },
        }
    })
}

/// A step as it was taken, whatever came after it. Of a shipment only the id and the time are told.
fn transfer(transfer: &SimTransfer, index: usize) -> Option<Value> {
    let (status, at) = *transfer.steps.get(index)?;
    let mut body = json!({ "id": gid("InventoryTransfer", transfer.id), "happened_at": local(at) });
    if status == TransferStatus::InProgress {
        return Some(body);
    }
    if let Some(origin) = transfer.origin {
        body["origin"] = json!({ "id": gid("Location", origin) });
    }
    body["destination"] = json!({ "id": gid("Location", transfer.destination) });
    body["status"] = status.name().into();
    if status == TransferStatus::ReadyToShip {
        let line = |line: &crate::transfer::SimTransferLine| json!({ "id": gid("InventoryTransferLineItem", line.id), "quantity": line.quantity });
        body["line_items"] = transfer.lines.iter().map(line).collect();
    }
    Some(body)
}

fn refund(order: &SimOrder, refund: &Refund) -> Value {
    let line = order.lines.iter().find(|row| row.id == refund.line);
    // Unlike all other money, these two are numbers.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an amount in cents is far below 2^52"
    )]
    let subtotal = refund.amount as f64 / 100.0;
    json!({
        "id": refund.id,
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_id": order.id,
        "created_at": local(refund.created_at),
        "processed_at": local(refund.created_at),
        "note": null,
        "user_id": null,
        "restock": refund.restock != Restock::Nowhere,
        "duties": [],
        "order_adjustments": [],
        "refund_line_items": [{
            "id": refund.line_id,
            "quantity": refund.units,
            "line_item_id": refund.line,
            "location_id": (refund.restock != Restock::Nowhere).then_some(refund.location),
            "restock_type": refund.restock.name(),
            "subtotal": subtotal,
            "total_tax": 0.0,
            "subtotal_set": money_set(refund.amount),
            "line_item": line.map(self::line),
        }],
        "transactions": [],
    })
}

fn transaction(order: &SimOrder, transaction: &SimTransaction) -> Value {
    json!({
        "id": transaction.id,
        "admin_graphql_api_id": gid("OrderTransaction", transaction.id),
        "order_id": order.id,
        "kind": transaction.kind,
        "status": transaction.status(),
        "gateway": "bogus",
        "message": null,
        "created_at": local(transaction.created_at),
        "processed_at": local(transaction.created_at),
        "test": false,
        "parent_id": null,
        "location_id": null,
        "user_id": null,
        "error_code": (!transaction.success).then_some("card_declined"),
        "source_name": "web",
        "receipt": {},
        "amount": price(transaction.amount),
        "currency": CURRENCY,
    })
}

fn level(level: &SimLevel) -> Value {
    json!({
        "inventory_item_id": level.item,
        "location_id": level.location,
        "available": level.quantities[AVAILABLE],
        "updated_at": local(level.updated_at),
        "admin_graphql_api_id": level.gid(),
    })
}

fn item(item: &Item) -> Value {
    json!({
        "id": item.id,
        "sku": item.sku,
        "created_at": local(item.created_at),
        "updated_at": local(item.updated_at),
        "requires_shipping": true,
        "cost": null,
        "country_code_of_origin": null,
        "province_code_of_origin": null,
        "harmonized_system_code": null,
        "tracked": item.tracked,
        "country_harmonized_system_codes": [],
        "weight_value": 0,
        "weight_unit": "kg",
        "admin_graphql_api_id": gid("InventoryItem", item.id),
    })
}

fn place(location: &SimLocation) -> Value {
    json!({
        "id": location.id,
        "name": location.name,
        "address1": "1 Harbour Street",
        "address2": null,
        "city": location.city,
        "zip": null,
        "province": null,
        "country": "JM",
        "phone": null,
        "created_at": local(location.created_at),
        "updated_at": local(location.updated_at),
        "country_code": "JM",
        "country_name": "Jamaica",
        "province_code": null,
        "legacy": location.service,
        "active": location.active,
        "admin_graphql_api_id": gid("Location", location.id),
    })
}

fn operation(operation: &BulkRun) -> Value {
    json!({
        "admin_graphql_api_id": operation.gid(),
        "completed_at": operation.completed_at.map(local),
        "created_at": local(operation.created_at),
        "error_code": operation.error.map(str::to_lowercase),
        "status": operation.status.name().to_lowercase(),
        "type": "query",
    })
}

fn product(store: &SimStore, product: &SimProduct) -> Value {
    let variants: Vec<&SimVariant> = product
        .variants
        .iter()
        .filter_map(|id| store.variants.find(*id))
        .collect();
    let full = variants
        .iter()
        .take(FULL_VARIANTS)
        .map(|row| variant(store, row));
    let mut newest = variants.clone();
    newest.sort_by_key(|variant| std::cmp::Reverse(variant.updated_at));
    let gids = newest.iter().map(|variant| {
        json!({
            "admin_graphql_api_id": gid("ProductVariant", variant.id),
            "updated_at": format!("{:.3}", variant.updated_at),
        })
    });
    json!({
        "admin_graphql_api_id": gid("Product", product.id),
        "body_html": "",
        "created_at": local(product.created_at),
        "handle": product.handle,
        "id": product.id,
        "product_type": product.kind,
        "published_at": local(product.created_at),
        "template_suffix": null,
        "title": product.title,
        "updated_at": local(product.updated_at),
        "vendor": product.vendor,
        "status": "active",
        "published_scope": "web",
        "tags": product.tags.join(", "),
        "variants": full.collect::<Vec<_>>(),
        "options": [],
        "images": [],
        "image": null,
        "media": [],
        "variant_gids": gids.collect::<Vec<_>>(),
        "has_variants_that_requires_components": variants.iter().any(|variant| variant.bundle),
        "category": null,
    })
}

fn variant(store: &SimStore, variant: &SimVariant) -> Value {
    let available = store.available(variant.item);
    json!({
        "admin_graphql_api_id": gid("ProductVariant", variant.id),
        "barcode": variant.barcode,
        "compare_at_price": null,
        "created_at": local(variant.created_at),
        "id": variant.id,
        "inventory_policy": if variant.oversell { "continue" } else { "deny" },
        "position": variant.position,
        "price": price(variant.price),
        "product_id": variant.product,
        "sku": variant.sku,
        "taxable": true,
        "title": variant.title,
        "updated_at": local(variant.updated_at),
        "option1": variant.title,
        "option2": null,
        "option3": null,
        "image_id": null,
        "inventory_item_id": variant.item,
        "inventory_quantity": available,
        "old_inventory_quantity": available,
    })
}

fn customer(store: &SimStore, customer: &SimCustomer) -> Value {
    let seen = |name| (!store.scopes.names_withheld).then_some(name);
    json!({
        "id": customer.id,
        "created_at": local(customer.created_at),
        "updated_at": local(customer.updated_at),
        "first_name": seen(&customer.first_name),
        "last_name": seen(&customer.last_name),
        "state": "disabled",
        "note": null,
        "verified_email": true,
        "multipass_identifier": null,
        "tax_exempt": false,
        "email": customer.email(),
        "phone": null,
        "currency": CURRENCY,
        "addresses": [],
        "tax_exemptions": [],
        "admin_graphql_api_id": gid("Customer", customer.id),
    })
}

/// The whole order, as every order topic but the deletion sends it.
pub(crate) fn order(store: &SimStore, order: &SimOrder) -> Value {
    let (total, current) = (order.total(), order.current_total());
    let outstanding = if order.payment == crate::record::SimPayment::Pending {
        current
    } else {
        0
    };
    json!({
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "app_id": null,
        "buyer_accepts_marketing": false,
        "cancel_reason": order.cancelled_at.map(|_| "customer"),
        "cancelled_at": order.cancelled_at.map(local),
        "closed_at": order.closed_at.map(local),
        "confirmed": true,
        "contact_email": null,
        "created_at": local(order.created_at),
        "currency": CURRENCY,
        "current_subtotal_price": price(current),
        "current_subtotal_price_set": money_set(current),
        "current_total_price": price(current),
        "current_total_price_set": money_set(current),
        "current_total_tax": "0.00",
        "discount_codes": [],
        "email": "",
        "financial_status": order.payment.name().to_lowercase(),
        "fulfillment_status": order.shipment().short_name(),
        "location_id": null,
        "name": format!("#{}", order.number),
        "note": null,
        "note_attributes": [],
        "number": order.number - 1000,
        "order_number": order.number,
        "payment_gateway_names": ["bogus"],
        "phone": null,
        "presentment_currency": CURRENCY,
        "processed_at": local(order.created_at),
        "source_name": "web",
        "subtotal_price": price(total),
        "subtotal_price_set": money_set(total),
        "tags": "",
        "tax_lines": [],
        "taxes_included": false,
        "test": false,
        "total_discounts": "0.00",
        "total_line_items_price": price(total),
        "total_outstanding": price(outstanding),
        "total_price": price(total),
        "total_price_set": money_set(total),
        "total_tax": "0.00",
        "total_weight": 0,
        "updated_at": local(order.updated_at),
        "user_id": null,
        "billing_address": null,
        "customer": store.customers.find(order.customer).map(|row| customer(store, row)),
        "discount_applications": [],
        "fulfillments": order.fulfillments.iter().map(|row| fulfillment(order, row)).collect::<Vec<_>>(),
        "line_items": order.lines.iter().map(line).collect::<Vec<_>>(),
        "refunds": order.refunds.iter().map(|row| refund(order, row)).collect::<Vec<_>>(),
        "shipping_address": null,
        "shipping_lines": [],
    })
}

fn shipped(line: &SimOrderLine) -> Option<&'static str> {
    match line.unfulfilled {
        0 => Some("fulfilled"),
        left if left < line.current_quantity => Some("partial"),
        _ => None,
    }
}

fn line(line: &SimOrderLine) -> Value {
    json!({
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "current_quantity": line.current_quantity,
        "fulfillable_quantity": line.unfulfilled,
        "fulfillment_service": "manual",
        "fulfillment_status": shipped(line),
        "gift_card": false,
        "grams": 0,
        "name": line.title,
        "price": price(line.price),
        "price_set": money_set(line.price),
        "product_exists": true,
        "product_id": line.product,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": true,
        "sku": line.sku,
        "taxable": true,
        "title": line.title,
        "total_discount": "0.00",
        "variant_id": line.variant,
        "variant_inventory_management": "shopify",
        "tax_lines": [],
        "discount_allocations": [],
    })
}

fn fulfillment(order: &SimOrder, fulfillment: &Fulfillment) -> Value {
    // Of each line as many units as were sent by this one.
    let sent = |(id, units): &(u64, i64)| {
        let mut told = line(order.lines.iter().find(|row| row.id == *id)?);
        told["quantity"] = json!(units);
        Some(told)
    };
    json!({
        "id": fulfillment.id,
        "admin_graphql_api_id": gid("Fulfillment", fulfillment.id),
        "order_id": order.id,
        "status": "success",
        "created_at": local(fulfillment.created_at),
        "service": "manual",
        "updated_at": local(fulfillment.updated_at),
        "shipment_status": fulfillment.delivered.then_some("delivered"),
        "location_id": fulfillment.location,
        "line_items": fulfillment.lines.iter().filter_map(sent).collect::<Vec<_>>(),
    })
}
