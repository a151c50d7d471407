//! The one table of what is answered over HTTP. A request finds its way by the same entry that describes it, so there is no
//! route without a description and no description without a route.
//!
//! What is not here: `/socket.io/`, `/events` and the upgrade of `/api/ws`, which leave HTTP (`realtime`), and preflights.

use http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator, json_schema};
use schemas::command::{CommandKind, HoldAnswer, LevelAnswer, ReserveAnswer};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::{CommandState, ReservationShape};
use schemas::{Role, SyncRun};
use store::Drifted;

use super::oms::OmsNotification;
use super::route::{
    AnswerContent, ApiRoute, ParameterPlace, RouteAccess, RouteMethod, RouteParameter, answer, of,
};
use super::{
    admin, api, commands, health, hub, metrics, oms, openapi, posts, realtime, runs, webhooks,
};
use crate::limits::{PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX};

const EVERYBODY: RouteAccess = RouteAccess::Token {
    roles: &Role::ALL,
    or_trusted: false,
};
const BUT_SERVICES: RouteAccess = RouteAccess::Token {
    roles: &[
        Role::Admin,
        Role::Customer,
        Role::Guest,
        Role::Manager,
        Role::Staff,
        Role::SuperAdmin,
    ],
    or_trusted: false,
};
const BUYERS_AND_STAFF: RouteAccess = RouteAccess::Token {
    roles: &[
        Role::Admin,
        Role::Customer,
        Role::Manager,
        Role::Staff,
        Role::SuperAdmin,
    ],
    or_trusted: false,
};
const STAFF: RouteAccess = RouteAccess::Token {
    roles: &[Role::Admin, Role::Manager, Role::Staff, Role::SuperAdmin],
    or_trusted: false,
};
const MANAGERS: RouteAccess = RouteAccess::Token {
    roles: &[Role::Admin, Role::Manager, Role::SuperAdmin],
    or_trusted: false,
};
const ADMINS: RouteAccess = RouteAccess::Token {
    roles: &[Role::Admin, Role::SuperAdmin],
    or_trusted: false,
};
const SERVICES: RouteAccess = RouteAccess::Token {
    roles: &[Role::Admin, Role::Service, Role::SuperAdmin],
    or_trusted: true,
};

const SHOP: RouteParameter = RouteParameter {
    name: "shop",
    within: ParameterPlace::Query,
    about: "Which shop; not needed where the token is good for one.",
    shape: |_| json_schema!({ "type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9-]{0,59}\.[Mm][Yy][Ss][Hh][Oo][Pp][Ii][Ff][Yy]\.[Cc][Oo][Mm]$" }),
};
const LIMIT: RouteParameter = RouteParameter {
    name: "limit",
    within: ParameterPlace::Query,
    about: "How many at most.",
    shape: |_| {
        json_schema!({
            "type": "integer", "minimum": 1, "maximum": PAGE_RECORDS_MAX, "default": PAGE_RECORDS_DEFAULT,
        })
    },
};
const AFTER_RECORD: RouteParameter = page(
    "after",
    |_| json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}$" }),
);
const AFTER_LEVEL: RouteParameter = page("after", |_| {
    let pattern = format!("^{}:{}$", id("InventoryItem"), id("Location"));
    json_schema!({ "type": "string", "pattern": pattern })
});
const AFTER_HOLD: RouteParameter = page("after", time_and_id);
const BEFORE_COMMAND: RouteParameter = page("before", time_and_id);
const LIST: &[RouteParameter] = &[SHOP, LIMIT, AFTER_RECORD];

const fn query(
    name: &'static str,
    about: &'static str,
    shape: fn(&mut SchemaGenerator) -> Schema,
) -> RouteParameter {
    RouteParameter {
        name,
        within: ParameterPlace::Query,
        about,
        shape,
    }
}

const fn page(name: &'static str, shape: fn(&mut SchemaGenerator) -> Schema) -> RouteParameter {
    query(name, "The `next` of the page before.", shape)
}

const fn header(name: &'static str, about: &'static str) -> RouteParameter {
    RouteParameter {
        name,
        within: ParameterPlace::Header,
        about,
        shape: |_| json_schema!({ "type": "string" }),
    }
}

const fn part(name: &'static str, about: &'static str) -> RouteParameter {
    RouteParameter {
        name,
        within: ParameterPlace::Path,
        about,
        shape: |_| json_schema!({ "type": "string" }),
    }
}

/// A number or GID, as a pattern.
fn id(kind: &str) -> String {
    format!("(gid://shopify/{kind}/)?0*[1-9][0-9]{{0,18}}")
}

fn ids(kind: &str) -> Schema {
    let id = id(kind);
    json_schema!({ "type": "string", "pattern": format!("^({id})?(,({id})?)*$") })
}

/// A place in a list by time and id.
fn time_and_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z_.*$" })
}

fn offset(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": r"^[0-9a-fA-F]{8}\.[0-9]{1,19}$" })
}

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// An route that is found by GET and answers JSON.
const fn get(
    name: &'static str,
    path: &'static str,
    about: &'static str,
    guard: RouteAccess,
) -> ApiRoute {
    ApiRoute {
        method: RouteMethod::Get,
        path,
        name,
        about,
        guard,
        parameters: &[],
        body: None,
        answers: &[(StatusCode::OK, AnswerContent::Nothing)],
        refusals: &[],
        serve: |_, _| Box::pin(async { super::nothing("") }),
    }
}

const fn post(
    name: &'static str,
    path: &'static str,
    about: &'static str,
    guard: RouteAccess,
) -> ApiRoute {
    ApiRoute {
        method: RouteMethod::Post,
        ..get(name, path, about, guard)
    }
}

/// The function that answers with JSON, and the status when it does.
macro_rules! by {
    ($handler:path) => { by!($handler, StatusCode::OK) };
    ($handler:path, $status:expr $(, $more:expr)*) => {
        |context, request| Box::pin(async move { answer($status, $handler(&context, request $(, $more)*).await) })
    };
}

const CONFLICT: &[StatusCode] = &[StatusCode::NOT_FOUND, StatusCode::CONFLICT];
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

macro_rules! command {
    ($name:literal, $path:literal, $about:literal, $kind:expr, $answer:ty, $example:literal) => {
        ApiRoute {
            parameters: &[SHOP],
            body: Some((|generator| commands::payload($kind, generator), $example)),
            answers: &[(OK, AnswerContent::Json(of::<$answer>))],
            refusals: CONFLICT,
            serve: by!(commands::give, OK, $kind),
            ..post($name, $path, $about, STAFF)
        }
    };
}

macro_rules! notify {
    ($name:literal, $path:literal, $about:literal, $notification:expr, $example:literal) => {
        ApiRoute {
            parameters: &[SHOP_BY_ANY_NAME],
            body: Some((|generator| oms::payload($notification, generator), $example)),
            answers: &[(CREATED, AnswerContent::Json(of::<oms::OmsAnswer>))],
            serve: by!(oms::post, CREATED, $notification),
            ..post($name, $path, $about, SERVICES)
        }
    };
}

const SHOP_BY_ANY_NAME: RouteParameter = query(
    "shop",
    "Which shop, by its domain or its id; not needed where there is one.",
    |_| json_schema!({ "type": "string" }),
);
const IDEMPOTENCY_KEY: RouteParameter = header(
    "Idempotency-Key",
    "Said again under the same, it is told once. In place of eventId.",
);

/// Every route there is.
pub(super) static ROUTES: &[ApiRoute] = &[
    ApiRoute {
        parameters: &[
            SHOP,
            LIMIT,
            AFTER_LEVEL,
            query(
                "locationId",
                "At any of these locations, separated by commas.",
                |_| ids("Location"),
            ),
            query(
                "productId",
                "Of any of these products; several parameters are a union.",
                |_| ids("Product"),
            ),
            query("variantId", "Of any of these variants.", |_| {
                ids("ProductVariant")
            }),
            query(
                "inventoryItemId",
                "Of any of these inventory items.",
                |_| ids("InventoryItem"),
            ),
            query(
                "sku",
                "Of the items with exactly this SKU.",
                |_| json_schema!({ "type": "string", "examples": ["SCARF-00127-1"] }),
            ),
        ],
        answers: &[(OK, AnswerContent::Json(of::<api::LevelPage>))],
        serve: by!(api::levels),
        ..get(
            "listLevels",
            "/api/v1/levels",
            "Stock by item and location, exact at `offset`.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Product>>))],
        serve: by!(api::products),
        ..get(
            "listProducts",
            "/api/v1/products",
            "Products, by id.",
            BUT_SERVICES,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Variant>>))],
        serve: by!(api::variants),
        ..get(
            "listVariants",
            "/api/v1/variants",
            "Variants, by id.",
            BUT_SERVICES,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<InventoryItem>>))],
        serve: by!(api::items),
        ..get(
            "listItems",
            "/api/v1/items",
            "What stock is counted of, by id; not for staff limited to locations.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Location>>))],
        serve: by!(api::locations),
        ..get(
            "listLocations",
            "/api/v1/locations",
            "Places that hold stock, by id.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Order>>))],
        serve: by!(api::orders),
        ..get(
            "listOrders",
            "/api/v1/orders",
            "Orders, by id: customers see their own, staff limited to locations those of their own.",
            BUYERS_AND_STAFF,
        )
    },
    ApiRoute {
        parameters: LIST,
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Customer>>))],
        serve: by!(api::customers),
        ..get(
            "listCustomers",
            "/api/v1/customers",
            "List customers (ids and times; names where enabled).",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[
            SHOP,
            LIMIT,
            page("after", offset),
            query(
                "rooms",
                "Only what is heard in any of these rooms, separated by commas.",
                |_| json_schema!({ "type": "string", "examples": ["inventory:all", "orders:all,shopify:sync"] }),
            ),
        ],
        answers: &[(OK, AnswerContent::Json(of::<api::EventPage>))],
        serve: by!(api::events),
        ..get(
            "listEvents",
            "/api/v1/events",
            "What happened after an offset, or since the log begins, of what the token may see.",
            EVERYBODY,
        )
    },
    ApiRoute {
        parameters: &[SHOP, IDEMPOTENCY_KEY],
        body: Some((
            posts::posted_body,
            r#"{"event": "order:status_changed", "eventId": "e-1", "data": {"orderId": "order-123", "status": "shipped"}}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<posts::PostAnswer>))],
        serve: by!(posts::post, CREATED),
        ..post(
            "postEvent",
            "/api/v1/events",
            "Says what happened elsewhere.",
            SERVICES,
        )
    },
    ApiRoute {
        parameters: &[SHOP, IDEMPOTENCY_KEY],
        body: Some((
            posts::emitted_body,
            r#"{"target": {"user": "ann"}, "event": "coffee:ready", "data": {"cups": 2}}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<posts::PostAnswer>))],
        serve: by!(posts::emit, CREATED),
        ..post(
            "emit",
            "/api/v1/emit",
            "Has something sent to a user, a company, a shop, a room or all.",
            SERVICES,
        )
    },
    command!(
        "adjust",
        "/api/v1/inventory/adjust",
        "Changes `available` by a difference.",
        CommandKind::Adjust,
        LevelAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "delta": -1, "reason": "broken"}"#
    ),
    command!(
        "update",
        "/api/v1/inventory/update",
        "Sets `available` or `on_hand`.",
        CommandKind::Update,
        LevelAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "quantity": 12, "name": "on_hand", "reason": "counted"}"#
    ),
    command!(
        "reserve",
        "/api/v1/inventory/reserve",
        "Holds stock, all of it or none.",
        CommandKind::Reserve,
        ReserveAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "quantity": 2, "reason": "phone order", "ttlSeconds": 900}"#
    ),
    command!(
        "release",
        "/api/v1/inventory/release",
        "Gives a hold back.",
        CommandKind::Release,
        HoldAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000"}"#
    ),
    command!(
        "extend",
        "/api/v1/inventory/extend",
        "Lets a hold last longer, from now.",
        CommandKind::Extend,
        HoldAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000", "ttlSeconds": 3600}"#
    ),
    command!(
        "commit",
        "/api/v1/inventory/commit",
        "Turns a hold into a sale.",
        CommandKind::Commit,
        HoldAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000", "sale": "outside"}"#
    ),
    ApiRoute {
        parameters: &[
            SHOP,
            LIMIT,
            BEFORE_COMMAND,
            query(
                "by",
                "Given by that user.",
                |_| json_schema!({ "type": "string" }),
            ),
            query(
                "inventoryItemId",
                "About that item.",
                |_| json_schema!({ "type": "string", "pattern": format!("^{}$", id("InventoryItem")) }),
            ),
            query("state", "That stand so.", of::<CommandState>),
        ],
        answers: &[(OK, AnswerContent::Json(of::<api::Page<commands::Audited>>))],
        serve: by!(commands::commands),
        ..get(
            "listCommands",
            "/api/v1/commands",
            "Commands and what became of them, newest first.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[SHOP, part("commandId", "Which command.")],
        answers: &[(OK, AnswerContent::Json(of::<commands::Audited>))],
        serve: by!(commands::command),
        ..get(
            "readCommand",
            "/api/v1/commands/{commandId}",
            "A command and what became of it.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[SHOP, LIMIT, AFTER_HOLD],
        answers: &[(OK, AnswerContent::Json(of::<api::Page<ReservationShape>>))],
        serve: by!(commands::reservations),
        ..get(
            "listReservations",
            "/api/v1/reservations",
            "Open holds, those that run out first first.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[SHOP, part("reservationId", "Which reservation.")],
        answers: &[(OK, AnswerContent::Json(of::<ReservationShape>))],
        serve: by!(commands::reservation),
        ..get(
            "readReservation",
            "/api/v1/reservations/{reservationId}",
            "A hold.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[SHOP],
        answers: &[(OK, AnswerContent::Json(of::<commands::Drained>))],
        serve: by!(commands::drain),
        ..post(
            "drainHolds",
            "/api/v1/holds/drain",
            "Releases every open hold.",
            ADMINS,
        )
    },
    ApiRoute {
        parameters: &[SHOP, LIMIT],
        answers: &[(OK, AnswerContent::Json(of::<api::List<SyncRun>>))],
        serve: by!(runs::runs),
        ..get("listRuns", "/api/v1/runs", "Runs, newest first.", STAFF)
    },
    ApiRoute {
        parameters: &[SHOP],
        body: Some((
            of::<runs::Wish>,
            r#"{"resource": "inventory", "kind": "quick"}"#,
        )),
        answers: &[(
            StatusCode::ACCEPTED,
            AnswerContent::Json(of::<runs::Started>),
        )],
        refusals: &[StatusCode::CONFLICT],
        serve: by!(runs::start, StatusCode::ACCEPTED),
        ..post("startRun", "/api/v1/runs", "Starts a run.", MANAGERS)
    },
    ApiRoute {
        parameters: &[SHOP, part("runId", "Which run.")],
        answers: &[(OK, AnswerContent::Json(of::<runs::Cancelled>))],
        refusals: CONFLICT,
        serve: by!(runs::cancel),
        ..post(
            "cancelRun",
            "/api/v1/runs/{runId}/cancel",
            "Ends a run that is under way or waits.",
            MANAGERS,
        )
    },
    ApiRoute {
        parameters: &[
            SHOP,
            LIMIT,
            query(
                "runId",
                "Found by that run.",
                |_| json_schema!({ "type": "string", "minLength": 1, "maxLength": 128 }),
            ),
        ],
        answers: &[(OK, AnswerContent::Json(of::<api::List<Drifted>>))],
        serve: by!(runs::drift),
        ..get(
            "listDrift",
            "/api/v1/drift",
            "What full runs had to put right, and dry ones found, latest first.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[
            SHOP,
            LIMIT,
            query("state", "That stand so.", |_| {
                json_schema!({
                    "enum": ["pending", "applied", "ignored", "unreadable"], "default": "unreadable",
                })
            }),
        ],
        answers: &[(OK, AnswerContent::Json(of::<api::Deliveries>))],
        serve: by!(api::deliveries),
        ..get(
            "listDeliveries",
            "/api/v1/deliveries",
            "Webhooks in a state, newest first, and how many there are.",
            STAFF,
        )
    },
    ApiRoute {
        parameters: &[SHOP],
        answers: &[(OK, AnswerContent::Json(of::<runs::Status>))],
        serve: by!(runs::status),
        ..get(
            "readStatus",
            "/api/v1/status",
            "How exact the mirror is, what waits, what a person should know.",
            STAFF,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<admin::Realtime>))],
        serve: by!(admin::realtime),
        ..get(
            "readRealtime",
            "/api/v1/realtime",
            "Who is connected. For admins of every shop.",
            ADMINS,
        )
    },
    ApiRoute {
        body: Some((of::<admin::Revoking>, r#"{"userId": "somebody-who-left"}"#)),
        answers: &[(OK, AnswerContent::Json(of::<admin::RevokedUntil>))],
        serve: by!(admin::revoke),
        ..post(
            "revoke",
            "/api/v1/revocations",
            "Takes a token, or all of a user's, no longer; who is connected by them is put out. For admins of every shop.",
            ADMINS,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        serve: by!(openapi::openapi),
        ..get(
            "readOpenapi",
            "/api/openapi.json",
            "This document.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        serve: by!(openapi::asyncapi),
        ..get(
            "readAsyncapi",
            "/api/asyncapi.json",
            "The realtime side, as AsyncAPI.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        serve: by!(realtime::usage),
        ..get(
            "readWsUsage",
            "/api/ws",
            "How the plain WebSocket that opens here is used.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        serve: by!(realtime::info),
        ..get(
            "readWsInfo",
            "/api/ws/info",
            "What it offers, to whom, and within which bounds.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<admin::Realtime>))],
        serve: by!(admin::realtime),
        ..get(
            "readWsStats",
            "/api/ws/stats",
            "Who is connected. For admins of every shop.",
            ADMINS,
        )
    },
    notify!(
        "notifyOrderCreated",
        "/websocket/notifications/order-created",
        "oms: an order was placed.",
        OmsNotification::OrderCreated,
        r#"{"orderId": "order-123", "userId": 1, "totalAmount": 99.5, "status": "created"}"#
    ),
    notify!(
        "notifyOrderStatus",
        "/websocket/notifications/order-status-update",
        "oms: an order stands elsewhere.",
        OmsNotification::OrderStatus,
        r#"{"orderId": "order-123", "userId": 1, "previousStatus": "created", "newStatus": "shipped"}"#
    ),
    notify!(
        "notifyInventoryAlert",
        "/websocket/notifications/inventory-alert",
        "oms: stock crossed its threshold.",
        OmsNotification::InventoryAlert,
        r#"{"productId": 1, "productName": "Scarf", "currentQuantity": 2, "threshold": 10, "alertType": "low_stock"}"#
    ),
    notify!(
        "broadcast",
        "/websocket/broadcast",
        "oms: something for everybody, a user or a role.",
        OmsNotification::Broadcast,
        r#"{"type": "user", "userId": 1, "title": "Hello", "message": "Your parcel is on its way"}"#
    ),
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::Health>))],
        serve: by!(oms::health),
        ..get(
            "readOmsHealth",
            "/websocket/health",
            "oms: how many are connected; to admins, who.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::Statistics>))],
        serve: by!(oms::stats),
        ..get(
            "readOmsStats",
            "/websocket/stats",
            "oms: who is connected, and the rooms.",
            SERVICES,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::OnlineUsers>))],
        serve: by!(oms::online),
        ..get(
            "listOmsUsers",
            "/websocket/users/online",
            "oms: who is connected.",
            SERVICES,
        )
    },
    ApiRoute {
        parameters: &[part("userId", "A user; anybody may ask it of themselves.")],
        answers: &[(OK, AnswerContent::Json(of::<oms::OnlineUser>))],
        serve: by!(oms::is_online),
        ..get(
            "readOmsUser",
            "/websocket/users/{userId}/online",
            "oms: whether a user is connected.",
            SERVICES,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<hub::Health>))],
        serve: by!(hub::health),
        ..get(
            "readHubHealth",
            "/health",
            "hub: that it is well.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(
            OK,
            AnswerContent::Json(of::<hub::Found<hub::ConnectedUsers>>),
        )],
        serve: by!(hub::connected),
        ..get(
            "listHubUsers",
            "/connected-users",
            "hub: who is connected.",
            SERVICES,
        )
    },
    ApiRoute {
        parameters: &[part("userId", "A user.")],
        answers: &[(OK, AnswerContent::Json(of::<hub::Found<hub::UserStatus>>))],
        serve: by!(hub::status),
        ..get(
            "readHubUser",
            "/user-status/{userId}",
            "hub: whether a user is connected.",
            SERVICES,
        )
    },
    ApiRoute {
        parameters: &[
            header("X-Shopify-Shop-Domain", "Whose; must be one of ours."),
            header("X-Shopify-Topic", "For instance orders/create."),
            header("X-Shopify-Webhook-Id", "The same on every repetition."),
            header("X-Shopify-Triggered-At", "RFC 3339."),
        ],
        body: Some((|_| Schema::default(), r#"{"id": 1}"#)),
        refusals: &[
            StatusCode::UNAUTHORIZED,
            StatusCode::NOT_FOUND,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::SERVICE_UNAVAILABLE,
        ],
        serve: |context, request| {
            Box::pin(async move { webhooks::receive(&context, request).await })
        },
        ..post(
            "receiveWebhook",
            "/webhooks/shopify",
            "Takes a webhook of Shopify's: 200 once it is on disk.",
            RouteAccess::Signature,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<health::Live>))],
        serve: by!(health::live),
        ..get(
            "readLiveness",
            "/livez",
            "That the process answers.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[
            (OK, AnswerContent::Json(of::<health::Readiness>)),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                AnswerContent::Json(of::<health::Readiness>),
            ),
        ],
        serve: |context, _| Box::pin(async move { health::ready(&context).await }),
        ..get(
            "readReadiness",
            "/readyz",
            "Whether it can do its work; 503 while it cannot.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(
            OK,
            AnswerContent::Figures(metrics::OPENMETRICS, of::<metrics::OmsMetrics>),
        )],
        refusals: &[StatusCode::SERVICE_UNAVAILABLE],
        serve: |context, request| {
            Box::pin(async move { metrics::metrics(&context, request).await })
        },
        ..get(
            "readMetrics",
            "/metrics",
            "Figures for Prometheus; to `Accept: application/json`, those of oms.",
            RouteAccess::Nobody,
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Text("text/plain; charset=utf-8"))],
        serve: |_, _| Box::pin(async { warp::Reply::into_response(health::SIGNPOST) }),
        ..get(
            "readSignpost",
            "/",
            "Where to go from here.",
            RouteAccess::Nobody,
        )
    },
];

/// Which route that is, and what stands for `{…}` in its path.
pub(super) fn find(method: &Method, path: &str) -> Option<(&'static ApiRoute, String)> {
    at(path).find(|(route, _)| route.method == *method)
}

/// The methods that a path takes, for people and for the header `Allow`; none where there is nothing.
pub(super) fn methods(path: &str) -> String {
    let methods = at(path).map(|(route, _)| match route.method {
        RouteMethod::Get => "GET, HEAD",
        RouteMethod::Post => "POST",
    });
    methods.collect::<Vec<_>>().join(", ")
}

fn at(path: &str) -> impl Iterator<Item = (&'static ApiRoute, String)> {
    // A slash too much at its end is no other path.
    let path = path
        .strip_suffix('/')
        .filter(|path| !path.is_empty())
        .unwrap_or(path);
    ROUTES
        .iter()
        .filter_map(move |route| Some((route, route.matches(path)?)))
}
