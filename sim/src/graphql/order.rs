//! Orders with their lines and fulfilments, customers, and money.

use super::connection::ConnectionPage;
use super::object::{FieldAnswer, FieldRequest, Object, Resolved};
use crate::record::{
    CURRENCY, Fulfillment, Refund, Restock, SimCustomer, SimOrder, SimOrderLine, SimTransaction,
    decimal,
};
use crate::store::SimStore;

pub(crate) fn order<'a>(
    store: &'a SimStore,
    row: &'a SimOrder,
    asked: &mut FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Order/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "name" => format!("#{}", row.number).into(),
        "createdAt" | "processedAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "cancelledAt" => row.cancelled_at.into(),
        "cancelReason" => row.cancelled_at.map(|_| "CUSTOMER").into(),
        "closedAt" => row.closed_at.into(),
        "displayFinancialStatus" => row.payment.name().into(),
        "displayFulfillmentStatus" => row.shipment().name().into(),
        "currencyCode" => CURRENCY.into(),
        "totalPriceSet" => Object::MoneyBag(row.total()).into(),
        "currentTotalPriceSet" => Object::MoneyBag(row.current_total()).into(),
        "subtotalLineItemsQuantity" => row
            .lines
            .iter()
            .map(|line| line.quantity)
            .sum::<i64>()
            .into(),
        "currentSubtotalLineItemsQuantity" => row
            .lines
            .iter()
            .map(|line| line.current_quantity)
            .sum::<i64>()
            .into(),
        "sourceName" => "web".into(),
        "test" => false.into(),
        "customer" => store
            .customers
            .find(row.customer)
            .map(Object::Customer)
            .into(),
        "lineItems" => {
            ConnectionPage::of_all(row.lines.iter().map(Object::Line).collect(), asked)?.into()
        }
        "fulfillments" => {
            let first = asked
                .field
                .number("first")
                .and_then(|first| usize::try_from(first).ok());
            let shipped = row.fulfillments.iter().take(first.unwrap_or(usize::MAX));
            shipped.map(Object::Fulfillment).collect::<Vec<_>>().into()
        }
        "refunds" => {
            let first = asked
                .field
                .number("first")
                .and_then(|first| usize::try_from(first).ok());
            let refunds = row.refunds.iter().take(first.unwrap_or(usize::MAX));
            refunds
                .map(|refund| Object::Refund(row, refund))
                .collect::<Vec<_>>()
                .into()
        }
        "transactions" => {
            let first = asked
                .field
                .number("first")
                .and_then(|first| usize::try_from(first).ok());
            let moved = row.transactions.iter().take(first.unwrap_or(usize::MAX));
            moved
                .map(|transaction| Object::Transaction(row, transaction))
                .collect::<Vec<_>>()
                .into()
        }
        "retailLocation" => Resolved::Null,
        _ => return asked.unanswered(),
    })
}

pub(crate) fn line<'a>(
    store: &'a SimStore,
    row: &'a SimOrderLine,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/LineItem/{}", row.id).into(),
        "title" => row.title.as_str().into(),
        "sku" => row.sku.as_str().into(),
        "quantity" => row.quantity.into(),
        "currentQuantity" => row.current_quantity.into(),
        "unfulfilledQuantity" => row.unfulfilled.into(),
        "originalUnitPriceSet" => Object::MoneyBag(row.price).into(),
        "variant" => store.variants.find(row.variant).map(Object::Variant).into(),
        "product" => store.products.find(row.product).map(Object::Product).into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn fulfillment<'a>(
    store: &'a SimStore,
    row: &'a Fulfillment,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Fulfillment/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "status" => "SUCCESS".into(),
        "displayStatus" => if row.delivered {
            "DELIVERED"
        } else {
            "FULFILLED"
        }
        .into(),
        "location" => store
            .locations
            .find(row.location)
            .map(Object::Location)
            .into(),
        "events" => ConnectionPage::of_all(Vec::new(), asked)?.into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn refund<'a>(
    order: &'a SimOrder,
    row: &'a Refund,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Refund/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "note" => Resolved::Null,
        "totalRefundedSet" => Object::MoneyBag(row.amount).into(),
        "refundLineItems" => {
            ConnectionPage::of_all(vec![Object::RefundLine(order, row)], asked)?.into()
        }
        "createdAt" | "updatedAt" => row.created_at.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn refund_line<'a>(
    store: &'a SimStore,
    order: &'a SimOrder,
    row: &'a Refund,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/RefundLineItem/{}", row.line_id).into(),
        "lineItem" => order
            .lines
            .iter()
            .find(|line| line.id == row.line)
            .map(Object::Line)
            .into(),
        "location" => store
            .locations
            .find(row.location)
            .map(Object::Location)
            .into(),
        "quantity" => row.units.into(),
        "restockType" => row.restock.name().to_uppercase().into(),
        "restocked" => (row.restock != Restock::Nowhere).into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn transaction<'a>(
    order: &'a SimOrder,
    row: &'a SimTransaction,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/OrderTransaction/{}", row.id).into(),
        "kind" => row.kind.to_uppercase().into(),
        "status" => row.status().to_uppercase().into(),
        "amountSet" => Object::MoneyBag(row.amount).into(),
        "order" => Object::Order(order).into(),
        "createdAt" | "processedAt" => row.created_at.into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn customer<'a>(row: &'a SimCustomer, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Customer/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "firstName" => row.first_name.as_ref().into(),
        "lastName" => row.last_name.as_ref().into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "state" => "DISABLED".into(),
        "numberOfOrders" => row.orders.to_string().into(),
        "amountSpent" => Object::Money(row.spent).into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn money<'a>(cents: i64, asked: &FieldRequest<'_>) -> FieldAnswer<'a> {
    Ok(match asked.name() {
        "amount" => decimal(cents).into(),
        "currencyCode" => CURRENCY.into(),
        _ => return asked.unanswered(),
    })
}
