//! `/api/v1`: the mirror and what goes on with it, read by the same table of rights as everything else.

use std::collections::BTreeSet;

use http::HeaderMap;
use schemars::JsonSchema;
use schemas::shape::LevelShape;
use schemas::{
    ErrorBody, ErrorCode, Event, Identity, LevelSelection, LocationId, Offset, Role, Room,
    ShopDomain, Subject, Timestamp, UserId,
};
use serde::Serialize;
use serde_json::Value;
use store::{Collection, DeliverySummary, OrderView, StoreError};

use super::RouteContext;
use super::route::{ApiRequest, Query};
use crate::limits::{LIST_ITEMS_MAX, PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX};
use crate::people::auth::TokenError;
use crate::shop::names;

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    /// What to send as `after`, or of commands as `before`, for the next page; `null` on the last.
    pub(super) next: Option<String>,
}

/// A list without pages.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// Levels as they all were at one moment.
#[derive(Serialize, JsonSchema)]
pub(super) struct LevelPage {
    data: Vec<LevelShape>,
    /// What to send as `after` for the next page; `null` on the last.
    next: Option<String>,
    /// Where the log was then.
    offset: Offset,
}

/// Events from the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventPage {
    data: Vec<LoggedEvent>,
    /// What to send as `after` to go on.
    next: Offset,
}

/// An event with its place in the log.
#[derive(Serialize, JsonSchema)]
struct LoggedEvent {
    #[serde(flatten)]
    #[schemars(with = "Event")]
    event: Value,
    /// Its place.
    id: Offset,
    /// In which shop.
    shop: ShopDomain,
    /// When it became true here.
    timestamp: Timestamp,
}

/// Webhooks in a state, newest first.
#[derive(Serialize, JsonSchema)]
pub(super) struct Deliveries {
    data: Vec<DeliverySummary>,
    /// All that are kept, in whatever state.
    counts: Vec<DeliveryCount>,
}

/// How many webhooks of a topic are in a state.
#[derive(Serialize, JsonSchema)]
struct DeliveryCount {
    topic: String,
    state: &'static str,
    count: u64,
}

pub(super) async fn customers(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?
        .list(Collection::Customers, Subject::Customer)
        .await
}

pub(super) async fn items(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?
        .list(Collection::Items, Subject::Inventory { location: None })
        .await
}

pub(super) async fn locations(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?
        .list(Collection::Locations, Subject::Sync)
        .await
}

pub(super) async fn orders(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?.orders().await
}

pub(super) async fn products(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?
        .list(Collection::Products, Subject::Product)
        .await
}

pub(super) async fn variants(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Value>, ErrorBody> {
    Call::new(context, &request)?
        .list(Collection::Variants, Subject::Product)
        .await
}

pub(super) async fn levels(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<LevelPage, ErrorBody> {
    Call::new(context, &request)?.levels().await
}

pub(super) async fn events(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<EventPage, ErrorBody> {
    Call::new(context, &request)?.events().await
}

pub(super) async fn deliveries(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Deliveries, ErrorBody> {
    Call::new(context, &request)?.deliveries().await
}

pub(super) fn failed(failure: &StoreError) -> ErrorBody {
    match failure {
        StoreError::TooOld(_) => ErrorBody::field(
            "after",
            "the log no longer reaches back to this offset: load everything anew",
        ),
        StoreError::Closed | StoreError::Failed(_) | StoreError::UnknownShop(_) => {
            tracing::error!(error = %failure, "a read failed");
            ErrorBody::new(
                ErrorCode::Unavailable,
                "the store does not answer; try again",
            )
        }
    }
}

/// Who asks.
pub(super) fn identity(context: &RouteContext, headers: &HeaderMap) -> Result<Identity, ErrorBody> {
    let refuse = |message| ErrorBody::new(ErrorCode::TokenInvalid, message);
    let token = ws::connection::bearer(headers);
    let token = token.ok_or_else(|| refuse("send a token: Authorization: Bearer <token>"))?;
    context
        .tokens
        .verify(&token, context.clock.now())
        .map_err(|reason| {
            tracing::info!(%reason, "token refused");
            match reason {
                TokenError::NotYet => ErrorBody::new(
                    ErrorCode::Unavailable,
                    "the keys of tokens are being fetched; try again in a few seconds",
                ),
                _ => refuse("Invalid or expired token"),
            }
        })
}

/// The parts of a list in a parameter, each once.
fn listed<'t>(field: &str, text: &'t str) -> Result<BTreeSet<&'t str>, ErrorBody> {
    let parts: BTreeSet<&str> = text.split(',').filter(|part| !part.is_empty()).collect();
    if parts.len() > LIST_ITEMS_MAX {
        let message =
            format!("{field} takes at most {LIST_ITEMS_MAX}; ask several times, or for everything");
        return Err(ErrorBody::field(field, message));
    }
    Ok(parts)
}

/// What the id of a collection's records is called.
fn id_field(collection: Collection) -> &'static str {
    match collection {
        Collection::Customers => "customerId",
        Collection::Items => "inventoryItemId",
        Collection::Locations => "locationId",
        Collection::Orders => "orderId",
        Collection::Products => "productId",
        Collection::Variants => "variantId",
    }
}

/// One authenticated question about one shop.
pub(super) struct Call<'c> {
    pub(super) context: &'c RouteContext,
    pub(super) identity: Identity,
    pub(super) shop: ShopDomain,
    pub(super) query: Query,
    pub(super) limit: usize,
}

impl<'c> Call<'c> {
    pub(super) fn new(context: &'c RouteContext, request: &ApiRequest) -> Result<Self, ErrorBody> {
        let identity = identity(context, &request.headers)?;
        let query = request.query()?;
        let named = query.get("shop").map(String::as_str);
        let shop = names::shop(&identity, named, &context.shops.domains())?;
        let limit = match query.get("limit").map(|text| text.parse()) {
            None => PAGE_RECORDS_DEFAULT,
            Some(Ok(limit @ 1..=PAGE_RECORDS_MAX)) => limit,
            Some(_) => {
                return Err(ErrorBody::field(
                    "limit",
                    format!("a whole number from 1 to {PAGE_RECORDS_MAX}"),
                ));
            }
        };
        Ok(Self {
            context,
            identity,
            shop,
            query,
            limit,
        })
    }

    pub(super) fn may_see(&self, subject: Subject<'_>) -> Result<(), ErrorBody> {
        if self.identity.may_see(subject) {
            return Ok(());
        }
        Err(ErrorBody::new(
            ErrorCode::Forbidden,
            format!("the role {} may not read this", self.identity.role.as_str()),
        ))
    }

    /// Records by id; `next` is what to send as `after` for the next page, absent on the last.
    async fn list(
        &self,
        collection: Collection,
        subject: Subject<'_>,
    ) -> Result<Page<Value>, ErrorBody> {
        self.may_see(subject)?;
        let after = self.after_id()?;
        let records = self
            .context
            .store
            .list(&self.shop, collection, after, self.limit)
            .await;
        Ok(self.page(collection, records.map_err(|e| failed(&e))?))
    }

    /// Orders are seen one by one: customers see their own, staff limited to locations those of these. None of the others
    /// is in a page, nor named by its `next`.
    async fn orders(&self) -> Result<Page<Value>, ErrorBody> {
        let customer = self.identity.own_customer();
        // Whether they may see any order at all.
        self.may_see(Subject::Order {
            customer,
            user: None,
            locations: &[],
        })?;
        let view = match (customer, &self.identity.locations) {
            (Some(customer), _) => OrderView::Of(customer),
            (None, Some(mine)) if self.identity.role == Role::Staff => OrderView::At(mine.clone()),
            _ => OrderView::All,
        };
        let after = self.after_id()?;
        let orders = self
            .context
            .store
            .orders(&self.shop, view, after, self.limit)
            .await;
        let mut page = self.page(Collection::Orders, orders.map_err(|e| failed(&e))?);
        if let Some(mine) = self.locations() {
            // Where else an order is fulfilled is not theirs to know.
            let mine: Vec<Value> = mine.iter().map(|id| Value::from(id.to_string())).collect();
            for order in &mut page.data {
                if let Some(locations) = order.get_mut("locations").and_then(Value::as_array_mut) {
                    locations.retain(|location| mine.contains(location));
                }
            }
        }
        Ok(page)
    }

    /// The locations that the bearer is limited to; `None` is no limit. As [`Identity::may_see`] has it.
    pub(super) fn locations(&self) -> Option<&[LocationId]> {
        self.identity
            .locations
            .as_deref()
            .filter(|_| self.identity.role == Role::Staff)
    }

    /// The same with who they are, for lists of what people did.
    pub(super) fn seen_by(&self) -> Option<(UserId, Vec<LocationId>)> {
        self.locations()
            .map(|mine| (self.identity.user_id.clone(), mine.to_vec()))
    }

    fn after_id(&self) -> Result<u64, ErrorBody> {
        let after = self.query.get("after").map_or(Ok(0), |text| text.parse());
        after.map_err(|_| ErrorBody::field("after", "the id of the last record of the page before"))
    }

    fn page(&self, collection: Collection, records: Vec<Value>) -> Page<Value> {
        let next = records
            .last()
            .filter(|_| records.len() == self.limit)
            .and_then(|record| record.get(id_field(collection))?.as_str())
            .map(str::to_owned);
        Page {
            data: records,
            next,
        }
    }

    async fn levels(&self) -> Result<LevelPage, ErrorBody> {
        fn ids<T: std::str::FromStr>(
            query: &Query,
            field: &str,
        ) -> Result<Option<Vec<T>>, ErrorBody>
        where
            T::Err: std::fmt::Display,
        {
            let Some(text) = query.get(field) else {
                return Ok(None);
            };
            let ids = listed(field, text)?.into_iter().map(str::parse);
            ids.collect::<Result<_, T::Err>>()
                .map(Some)
                .map_err(|problem| ErrorBody::field(field, problem.to_string()))
        }
        if !self.identity.role.is_staff() {
            self.may_see(Subject::Inventory { location: None })?;
        }
        let selection = LevelSelection {
            location_ids: ids(&self.query, "locationId")?,
            product_ids: ids(&self.query, "productId")?,
            variant_ids: ids(&self.query, "variantId")?,
            item_ids: ids(&self.query, "inventoryItemId")?,
            sku: self.query.get("sku").cloned(),
            // So that no level of another location is in the page, nor named by its `next`.
            within: self.locations().map(<[LocationId]>::to_vec),
        };
        let after = self.query.get("after").map(|text| {
            let (item, location) = text.split_once(':')?;
            Some((item.parse().ok()?, location.parse().ok()?))
        });
        if after == Some(None) {
            return Err(ErrorBody::field(
                "after",
                "the `next` of the page before: <item>:<location>",
            ));
        }
        let shops = vec![self.shop.clone()];
        let read = self
            .context
            .store
            .levels(shops, selection, after.flatten(), self.limit)
            .await;
        let (mut data, sequence) = read.map_err(|e| failed(&e))?;
        let last = data.last().filter(|_| data.len() == self.limit);
        let next = last.map(|level| format!("{}:{}", level.inventory_item_id, level.location_id));
        data.retain(|level| {
            self.identity.may_see(Subject::Inventory {
                location: Some(level.location_id),
            })
        });
        let offset = Offset {
            sequence,
            ..self.context.store.head()
        };
        Ok(LevelPage { data, next, offset })
    }

    /// What happened after an offset, of what the bearer may see.
    async fn events(&self) -> Result<EventPage, ErrorBody> {
        let store = &self.context.store;
        let head = store.head();
        let after = match self.query.get("after").map(|text| text.parse::<Offset>()) {
            None => Offset {
                sequence: schemas::Sequence(0),
                ..head
            },
            Some(Ok(after)) if after.epoch == head.epoch && after.sequence <= head.sequence => {
                after
            }
            Some(Ok(_)) => {
                return Err(ErrorBody::field(
                    "after",
                    "an offset of another database: load everything anew",
                ));
            }
            Some(Err(problem)) => return Err(ErrorBody::field("after", problem.to_string())),
        };
        let rooms = match self.query.get("rooms") {
            None => Vec::new(),
            Some(names) => {
                let rooms = listed("rooms", names)?.into_iter().map(str::parse::<Room>);
                // By two names it may be the same one.
                let rooms = rooms.collect::<Result<BTreeSet<_>, String>>();
                let rooms = rooms.map_err(|problem| ErrorBody::field("rooms", problem))?;
                if rooms.is_empty() {
                    return Err(ErrorBody::field(
                        "rooms",
                        "name a room, or leave it out for everything",
                    ));
                }
                rooms.into_iter().collect()
            }
        };
        let entries = store
            .replay(&self.shop, rooms, after.sequence, head.sequence, self.limit)
            .await;
        let entries = entries.map_err(|e| failed(&e))?;
        let next = entries.last().map_or(
            Offset {
                sequence: head.sequence,
                ..head
            },
            |entry| entry.offset,
        );
        let seen = entries
            .into_iter()
            .filter(|entry| self.identity.may_see(entry.event.subject()));
        let data = seen.map(|entry| LoggedEvent {
            event: entry.event.public_json(),
            id: entry.offset,
            shop: entry.shop,
            timestamp: entry.at,
        });
        Ok(EventPage {
            data: data.collect(),
            next,
        })
    }

    /// Deliveries in a state, newest first, and how many there are of each topic and state.
    async fn deliveries(&self) -> Result<Deliveries, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let state = match self.query.get("state").map_or("unreadable", String::as_str) {
            "pending" => "pending",
            "applied" => "applied",
            "ignored" => "ignored",
            "unreadable" => "unreadable",
            _ => {
                return Err(ErrorBody::field(
                    "state",
                    "pending, applied, ignored or unreadable",
                ));
            }
        };
        let store = &self.context.store;
        let data = store
            .deliveries(&self.shop, state, self.limit)
            .await
            .map_err(|e| failed(&e))?;
        let counts = store
            .delivery_counts(&self.shop)
            .await
            .map_err(|e| failed(&e))?;
        let counts = counts
            .into_iter()
            .map(|(topic, state, count)| DeliveryCount {
                topic,
                state,
                count,
            })
            .collect();
        Ok(Deliveries { data, counts })
    }
}
