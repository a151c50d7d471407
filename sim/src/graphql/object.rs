//! The objects of the API and how a field of one is answered.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::connection::{ConnectionPage, ConnectionReading};
use super::mutation::MutationPayload;
use super::plan::Planned;
use super::problem::QueryProblem;
use super::{adjustment, bulk, mutation, order, product, root, stock, subscription};
use crate::adjustment::Group;
use crate::bulk::BulkRun;
use crate::record::{
    Fulfillment, Item, Refund, SimCustomer, SimLevel, SimLocation, SimOrder, SimOrderLine,
    SimProduct, SimSubscription, SimTransaction, SimVariant,
};
use crate::store::{SimStore, StoreSwitches};

/// Anything that has fields.
#[derive(Clone)]
pub(crate) enum Object<'a> {
    Query,
    Shop,
    ShopPlan,
    Installation,
    App,
    Scope(&'a str),
    Version(&'static str),
    Count(usize, bool),
    Product(&'a SimProduct),
    Variant(&'a SimVariant),
    Item(&'a Item),
    Level(&'a SimLevel),
    /// One quantity of a level, by name.
    Quantity(&'a SimLevel, String, i64),
    QuantityNames,
    QuantityName(&'static str),
    Location(&'a SimLocation),
    Address(&'a SimLocation),
    Order(&'a SimOrder),
    Line(&'a SimOrderLine),
    Fulfillment(&'a Fulfillment),
    Refund(&'a SimOrder, &'a Refund),
    RefundLine(&'a SimOrder, &'a Refund),
    Transaction(&'a SimOrder, &'a SimTransaction),
    Customer(&'a SimCustomer),
    /// Cents, in the shop's currency twice.
    MoneyBag(i64),
    Money(i64),
    Page(Rc<ConnectionPage<'a>>),
    Edge(Rc<ConnectionPage<'a>>, usize),
    PageInfo(Rc<ConnectionPage<'a>>),
    Subscription(&'a SimSubscription),
    Endpoint(&'a SimSubscription),
    Operation(&'a BulkRun),
    Group(Arc<Group>),
    /// One change of a group.
    Changed(Arc<Group>, usize),
    Payload(Rc<MutationPayload>),
    UserError(Rc<MutationPayload>, usize),
}

impl Object<'_> {
    /// The name of the type, for objects that an interface or a union may stand for.
    pub(crate) fn node_type(&self) -> &'static str {
        match self {
            Self::Shop => "Shop",
            Self::App => "App",
            Self::Installation => "AppInstallation",
            Self::Product(_) => "Product",
            Self::Variant(_) => "ProductVariant",
            Self::Item(_) => "InventoryItem",
            Self::Level(_) => "InventoryLevel",
            Self::Quantity(..) => "InventoryQuantity",
            Self::Location(_) => "Location",
            Self::Order(_) => "Order",
            Self::Line(_) => "LineItem",
            Self::Fulfillment(_) => "Fulfillment",
            Self::Refund(..) => "Refund",
            Self::Transaction(..) => "OrderTransaction",
            Self::Customer(_) => "Customer",
            Self::Subscription(_) => "WebhookSubscription",
            Self::Endpoint(row) => subscription::endpoint_type(&row.uri),
            Self::Operation(_) => "BulkOperation",
            _ => "",
        }
    }
}

/// The answer to a field.
pub(crate) enum Resolved<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    Object(Object<'a>),
    /// A list; what is unknown in it is null.
    Objects(Vec<Option<Object<'a>>>),
}

macro_rules! resolved {
    ($($from:ty => |$value:ident| $to:expr),* $(,)?) => {$(
        impl<'a> From<$from> for Resolved<'a> {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )*};
}
resolved! {
    bool => |value| Self::Bool(value),
    i64 => |value| Self::Int(value),
    u32 => |value| Self::Int(value.into()),
    &'a str => |value| Self::Text(Cow::Borrowed(value)),
    String => |value| Self::Text(Cow::Owned(value)),
    Timestamp => |value| Self::Text(Cow::Owned(value.to_string())),
    Object<'a> => |value| Self::Object(value),
    ConnectionPage<'a> => |value| Self::Object(Object::Page(Rc::new(value))),
    Vec<Object<'a>> => |value| Self::Objects(value.into_iter().map(Some).collect()),
}

impl<'a, T: Into<Resolved<'a>>> From<Option<T>> for Resolved<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Warnings of searches, gathered while fields are resolved.
pub(crate) type Searches = Vec<Value>;

/// What a field of an object says, or why the query cannot be answered.
pub(crate) type FieldAnswer<'a> = Result<Resolved<'a>, QueryProblem>;

/// What a field is asked of, besides the object.
pub(crate) struct FieldRequest<'q> {
    pub(crate) field: &'q Planned,
    /// Where warnings go, and the path they name.
    pub(crate) searches: &'q mut Searches,
    pub(crate) path: &'q [Value],
    /// How much of a connection is wanted.
    pub(crate) reading: ConnectionReading,
    pub(crate) switches: &'q StoreSwitches,
    pub(crate) now: Timestamp,
}

impl FieldRequest<'_> {
    pub(crate) fn name(&self) -> &str {
        self.field.name.as_str()
    }

    /// What a field that is in the schema but not answered gets.
    pub(crate) fn unanswered<'a>(&self) -> Result<Resolved<'a>, QueryProblem> {
        Err(QueryProblem::new(
            "NOT_IMPLEMENTED",
            format!(
                "The pretend store does not answer '{}'; Shopify does",
                self.field.name
            ),
        ))
    }
}

/// Answers a field of an object.
pub(crate) fn resolve<'a>(
    store: &'a SimStore,
    object: &Object<'a>,
    asked: &mut FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    match object {
        Object::Query => root::query(store, asked),
        Object::Shop => root::shop(store, asked),
        Object::ShopPlan => root::plan(asked),
        Object::Installation => root::installation(store, asked),
        Object::Scope(handle) => Ok((*handle).into()),
        Object::App => root::app(store, asked),
        Object::Version(handle) => root::version(handle, asked),
        Object::Count(count, exact) => root::count(*count, *exact, asked),
        Object::Product(row) => product::product(store, row, asked),
        Object::Variant(row) => product::variant(store, row, asked),
        Object::Item(row) => stock::item(store, row, asked),
        Object::Level(row) => stock::level(store, row, asked),
        Object::Quantity(row, name, units) => stock::quantity(row, name, *units, asked),
        Object::QuantityNames => Ok(stock::quantity_names().into()),
        Object::QuantityName(name) => stock::quantity_name(name, asked),
        Object::Location(row) => stock::location(store, row, asked),
        Object::Address(row) => stock::address(row, asked),
        Object::Order(row) => order::order(store, row, asked),
        Object::Line(row) => order::line(store, row, asked),
        Object::Fulfillment(row) => order::fulfillment(store, row, asked),
        Object::Refund(order, row) => order::refund(order, row, asked),
        Object::RefundLine(order, row) => order::refund_line(store, order, row, asked),
        Object::Transaction(order, row) => order::transaction(order, row, asked),
        Object::Customer(row) => order::customer(row, asked),
        Object::MoneyBag(cents) => Ok(Object::Money(*cents).into()),
        Object::Money(cents) => order::money(*cents, asked),
        Object::Page(page) => ConnectionPage::page(page, asked),
        Object::Edge(page, index) => ConnectionPage::edge(page, *index, asked),
        Object::PageInfo(page) => ConnectionPage::info(page, asked),
        Object::Subscription(row) => subscription::subscription(row, asked),
        Object::Endpoint(row) => subscription::endpoint(row, asked),
        Object::Operation(row) => bulk::operation(row, asked),
        Object::Group(group) => adjustment::group(group, asked),
        Object::Changed(group, index) => adjustment::changed(store, group, *index, asked),
        Object::Payload(payload) => Ok(mutation::payload(store, payload, asked)),
        Object::UserError(payload, index) => mutation::user_error(payload, *index, asked),
    }
}
