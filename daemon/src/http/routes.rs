//! The one table of what is answered over HTTP. A request finds its way by the same entry that describes it, so there is no
//! route without a description and no description without a route.
//!
//! What is not here: `/socket.io/`, `/events` and the upgrade of `/api/ws`, which leave HTTP (`realtime`), preflights, and the page for people (`page`).

use http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator, json_schema};
use schemas::SyncRun;
use schemas::command::{CommandKind, LevelAnswer, ReservationAnswer, ReserveAnswer};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::ReservationShape;
use store::{Collection, Drifted};

use super::access::{
    ADMINS_OF_EVERY_SHOP, ADMINS_OR_ONESELF, BUT_SERVICES, BUYERS_AND_STAFF, COMMANDERS,
    CONTROL_SOCKET, EVERYBODY, POSTERS, PRESENCE_READERS, PRESENCE_READERS_OR_ONESELF, RELEASERS,
    RUN_MANAGERS, STAFF, STAFF_OF_EVERY_LOCATION,
};
use super::oms::OmsNotification;
use super::parameter::{
    DescribedParameter, ListParameters, NoParameters, OfShop, Parameter, RouteParameters, Text,
    any_text, header,
};
use super::route::{AnswerContent, ApiRoute, RouteCall, RouteEndpoint, RouteMethod, answer, of};
use super::{
    admin, api, commands, health, hub, metrics, oms, openapi, posts, realtime, runs, session,
    users, webhooks,
};

fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

/// A route that is found by GET.
const fn get(
    name: &'static str,
    path: &'static str,
    summary: &'static str,
    endpoint: RouteEndpoint,
) -> ApiRoute {
    ApiRoute {
        method: RouteMethod::Get,
        path,
        name,
        summary,
        endpoint,
        body: None,
        answers: &[(StatusCode::OK, AnswerContent::Nothing)],
        refusals: &[],
    }
}

const fn post(
    name: &'static str,
    path: &'static str,
    summary: &'static str,
    endpoint: RouteEndpoint,
) -> ApiRoute {
    ApiRoute {
        method: RouteMethod::Post,
        ..get(name, path, summary, endpoint)
    }
}

const fn delete(
    name: &'static str,
    path: &'static str,
    summary: &'static str,
    endpoint: RouteEndpoint,
) -> ApiRoute {
    ApiRoute {
        method: RouteMethod::Delete,
        ..get(name, path, summary, endpoint)
    }
}

/// An endpoint for those who pass an access, whose handler takes these parameters and answers JSON.
macro_rules! authorized {
    ($access:expr, $handler:path, $parameters:ty) => { authorized!($access, $handler, $parameters, OK) };
    ($access:expr, $handler:path, $parameters:ty, $status:expr $(, $more:expr)*) => {
        RouteEndpoint::Authorized {
            access: $access,
            parameters: <$parameters>::DESCRIBED,
            handler: |context, identity, request| Box::pin(async move {
                let handled = match RouteCall::<$parameters>::read(&context, identity, request) {
                    Ok(call) => $handler(&context, call $(, $more)*).await,
                    Err(refusal) => Err(refusal),
                };
                answer($status, handled)
            }),
        }
    };
}

/// An endpoint for anybody, whose handler is told nothing of the request and answers JSON.
macro_rules! open {
    ($handler:path) => {
        RouteEndpoint::Open(|context, _| {
            Box::pin(async move { answer(OK, $handler(&context).await) })
        })
    };
}

/// An endpoint for whoever shows what the handler judges.
macro_rules! signing_in {
    ($handler:path) => {
        RouteEndpoint::SigningIn(|context, request| {
            Box::pin(async move { $handler(&context, request).await })
        })
    };
}

/// Where somebody signs in.
const NOT_IN: &[StatusCode] = &[
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
];
const CONFLICT: &[StatusCode] = &[StatusCode::NOT_FOUND, StatusCode::CONFLICT];
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

macro_rules! command {
    ($name:literal, $path:literal, $summary:literal, $kind:expr, $answer:ty, $example:literal) => {
        ApiRoute {
            body: Some((|generator| commands::payload($kind, generator), $example)),
            answers: &[(OK, AnswerContent::Json(of::<$answer>))],
            refusals: CONFLICT,
            ..post(
                $name,
                $path,
                $summary,
                authorized!(
                    COMMANDERS,
                    commands::give,
                    commands::GiveParameters,
                    OK,
                    $kind
                ),
            )
        }
    };
}

macro_rules! notify {
    ($name:literal, $path:literal, $summary:literal, $notification:expr, $example:literal) => {
        ApiRoute {
            body: Some((|generator| oms::payload($notification, generator), $example)),
            answers: &[(CREATED, AnswerContent::Json(of::<oms::OmsAnswer>))],
            ..post(
                $name,
                $path,
                $summary,
                authorized!(
                    POSTERS,
                    oms::post,
                    oms::NotifyParameters,
                    CREATED,
                    $notification
                ),
            )
        }
    };
}

const SHOP_HEADER: Parameter<Text> = header(
    "X-Shopify-Shop-Domain",
    "Whose; must be one of ours.",
    Text { schema: any_text },
);
const TOPIC_HEADER: Parameter<Text> = header(
    "X-Shopify-Topic",
    "For instance orders/create.",
    Text { schema: any_text },
);
const WEBHOOK_ID_HEADER: Parameter<Text> = header(
    "X-Shopify-Webhook-Id",
    "Idempotency key: the same on every repetition.",
    Text { schema: any_text },
);
const TRIGGERED_AT_HEADER: Parameter<Text> = header(
    "X-Shopify-Triggered-At",
    "RFC 3339.",
    Text { schema: any_text },
);
/// Read by `shopify::Webhook`, which verifies a webhook whole.
const WEBHOOK_HEADERS: &[&dyn DescribedParameter] = &[
    &SHOP_HEADER,
    &TOPIC_HEADER,
    &WEBHOOK_ID_HEADER,
    &TRIGGERED_AT_HEADER,
];

/// Every route there is.
pub(super) static ROUTES: &[ApiRoute] = &[
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::LevelPage>))],
        ..get(
            "listLevels",
            "/api/v1/levels",
            "List stock by item and location (exact at `offset`).",
            authorized!(STAFF, api::levels, api::LevelsParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Product>>))],
        ..get(
            "listProducts",
            "/api/v1/products",
            "List products.",
            authorized!(
                BUT_SERVICES,
                api::list,
                api::RecordsParameters,
                OK,
                Collection::Products
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Variant>>))],
        ..get(
            "listVariants",
            "/api/v1/variants",
            "List variants.",
            authorized!(
                BUT_SERVICES,
                api::list,
                api::RecordsParameters,
                OK,
                Collection::Variants
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<InventoryItem>>))],
        ..get(
            "listItems",
            "/api/v1/items",
            "List inventory items (not for staff limited to locations).",
            authorized!(
                STAFF_OF_EVERY_LOCATION,
                api::list,
                api::RecordsParameters,
                OK,
                Collection::Items
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Location>>))],
        ..get(
            "listLocations",
            "/api/v1/locations",
            "List locations.",
            authorized!(
                STAFF,
                api::list,
                api::RecordsParameters,
                OK,
                Collection::Locations
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Order>>))],
        ..get(
            "listOrders",
            "/api/v1/orders",
            "List orders (customers see their own, staff limited to locations see those of their locations).",
            authorized!(BUYERS_AND_STAFF, api::orders, api::RecordsParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<Customer>>))],
        ..get(
            "listCustomers",
            "/api/v1/customers",
            "List customers (ids and times; names if enabled).",
            authorized!(
                STAFF,
                api::list,
                api::RecordsParameters,
                OK,
                Collection::Customers
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::EventPage>))],
        ..get(
            "listEvents",
            "/api/v1/events",
            "List events after an offset, or from the beginning of the log (only those that the token may see).",
            authorized!(EVERYBODY, api::events, api::EventsParameters),
        )
    },
    ApiRoute {
        body: Some((
            posts::posted_body,
            r#"{"event": "order:status_changed", "eventId": "e-1", "data": {"orderId": "order-123", "status": "shipped"}}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<posts::PostAnswer>))],
        ..post(
            "postEvent",
            "/api/v1/events",
            "Post an event.",
            authorized!(POSTERS, posts::post, posts::PostParameters, CREATED),
        )
    },
    ApiRoute {
        body: Some((
            posts::emitted_body,
            r#"{"target": {"user": "ann"}, "event": "coffee:ready", "data": {"cups": 2}}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<posts::PostAnswer>))],
        ..post(
            "emit",
            "/api/v1/emit",
            "Send a message to a user, a company, a shop, a room or everybody.",
            authorized!(POSTERS, posts::emit, posts::PostParameters, CREATED),
        )
    },
    command!(
        "adjust",
        "/api/v1/inventory/adjust",
        "Change `available` by a difference.",
        CommandKind::Adjust,
        LevelAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "delta": -1, "reason": "broken"}"#
    ),
    command!(
        "update",
        "/api/v1/inventory/update",
        "Set `available` or `on_hand`.",
        CommandKind::Update,
        LevelAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "quantity": 12, "name": "on_hand", "reason": "counted"}"#
    ),
    command!(
        "reserve",
        "/api/v1/inventory/reserve",
        "Reserve stock (all of it or none).",
        CommandKind::Reserve,
        ReserveAnswer,
        r#"{"inventoryItemId": "1", "locationId": "1", "quantity": 2, "reason": "phone order", "ttlSeconds": 900}"#
    ),
    command!(
        "release",
        "/api/v1/inventory/release",
        "Release a reservation.",
        CommandKind::Release,
        ReservationAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000"}"#
    ),
    command!(
        "extend",
        "/api/v1/inventory/extend",
        "Extend a reservation, counted from now.",
        CommandKind::Extend,
        ReservationAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000", "ttlSeconds": 3600}"#
    ),
    command!(
        "commit",
        "/api/v1/inventory/commit",
        "Turn a reservation into a sale.",
        CommandKind::Commit,
        ReservationAnswer,
        r#"{"reservationId": "01968c1e-0000-7000-8000-000000000000", "sale": "outside"}"#
    ),
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<commands::Audited>>))],
        ..get(
            "listCommands",
            "/api/v1/commands",
            "List commands and their state, newest first.",
            authorized!(STAFF, commands::commands, commands::CommandsParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<commands::Audited>))],
        ..get(
            "readCommand",
            "/api/v1/commands/{commandId}",
            "Get a command and its state.",
            authorized!(STAFF, commands::command, commands::CommandParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Page<ReservationShape>>))],
        ..get(
            "listReservations",
            "/api/v1/reservations",
            "List open reservations, those that expire first first.",
            authorized!(
                STAFF,
                commands::reservations,
                commands::ReservationsParameters
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<ReservationShape>))],
        ..get(
            "readReservation",
            "/api/v1/reservations/{reservationId}",
            "Get a reservation.",
            authorized!(
                STAFF,
                commands::reservation,
                commands::ReservationParameters
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<commands::Drained>))],
        ..post(
            "drainHolds",
            "/api/v1/holds/drain",
            "Release every open reservation.",
            authorized!(RELEASERS, commands::release_all, OfShop),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::List<SyncRun>>))],
        ..get(
            "listRuns",
            "/api/v1/runs",
            "List runs, newest first.",
            authorized!(STAFF, runs::runs, ListParameters),
        )
    },
    ApiRoute {
        body: Some((
            of::<runs::Wish>,
            r#"{"resource": "inventory", "kind": "quick"}"#,
        )),
        answers: &[(
            StatusCode::ACCEPTED,
            AnswerContent::Json(of::<runs::Started>),
        )],
        refusals: &[StatusCode::CONFLICT],
        ..post(
            "startRun",
            "/api/v1/runs",
            "Start a run.",
            authorized!(RUN_MANAGERS, runs::start, OfShop, StatusCode::ACCEPTED),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<runs::Cancelled>))],
        refusals: CONFLICT,
        ..post(
            "cancelRun",
            "/api/v1/runs/{runId}/cancel",
            "Cancel a run that is under way or waits.",
            authorized!(RUN_MANAGERS, runs::cancel, runs::CancelParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::List<Drifted>>))],
        ..get(
            "listDrift",
            "/api/v1/drift",
            "List what full runs corrected and dry runs found, latest first.",
            authorized!(STAFF, runs::drift, runs::DriftParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::Deliveries>))],
        ..get(
            "listDeliveries",
            "/api/v1/deliveries",
            "List webhooks in a state, newest first, with counts.",
            authorized!(STAFF, api::deliveries, api::DeliveriesParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<runs::Status>))],
        ..get(
            "readStatus",
            "/api/v1/status",
            "Get the status: last runs, drift, what waits, problems.",
            authorized!(STAFF, runs::status, OfShop),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<admin::Realtime>))],
        ..get(
            "readRealtime",
            "/api/v1/realtime",
            "List who is connected (for admins of every shop).",
            authorized!(ADMINS_OF_EVERY_SHOP, admin::realtime, NoParameters),
        )
    },
    ApiRoute {
        body: Some((of::<admin::Revoking>, r#"{"userId": "somebody-who-left"}"#)),
        answers: &[(OK, AnswerContent::Json(of::<admin::RevokedUntil>))],
        ..post(
            "revoke",
            "/api/v1/revocations",
            "Revoke a token, or all tokens of a user; their connections end (for admins of every shop).",
            authorized!(ADMINS_OF_EVERY_SHOP, admin::revoke, NoParameters),
        )
    },
    ApiRoute {
        body: Some((
            of::<session::PasswordCredentials>,
            r#"{"name": "Ann", "password": "a rainy day in May"}"#,
        )),
        answers: &[(OK, AnswerContent::Json(of::<session::SessionToken>))],
        refusals: NOT_IN,
        ..post(
            "signIn",
            "/api/v1/session",
            "Sign in with a name and a password (sets a cookie that fetches tokens).",
            signing_in!(session::sign_in),
        )
    },
    ApiRoute {
        body: Some((
            of::<session::LinkedPassword>,
            r#"{"link": "what-stands-behind-the-#link=", "password": "a rainy day in May"}"#,
        )),
        answers: &[(OK, AnswerContent::Json(of::<session::SessionToken>))],
        refusals: NOT_IN,
        ..post(
            "followLink",
            "/api/v1/session/link",
            "Set a password by a one-time link, and sign in.",
            signing_in!(session::follow_link),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<session::SessionToken>))],
        refusals: NOT_IN,
        ..post(
            "refreshSession",
            "/api/v1/session/refresh",
            "Get another token with the cookie (from the page of this very address).",
            signing_in!(session::refresh),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<session::SignedOut>))],
        refusals: NOT_IN,
        ..delete(
            "signOut",
            "/api/v1/session",
            "Sign out (from the page of this very address).",
            signing_in!(session::sign_out),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<session::SignInOptions>))],
        ..get(
            "readSignInOptions",
            "/api/v1/session/options",
            "Get how one may sign in.",
            signing_in!(session::options),
        )
    },
    ApiRoute {
        answers: &[(
            OK,
            AnswerContent::Json(of::<api::List<session::SessionShape>>),
        )],
        ..get(
            "listSessions",
            "/api/v1/sessions",
            "List where one is signed in.",
            authorized!(STAFF, session::sessions, session::SessionsParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<session::EndedSessions>))],
        ..delete(
            "endSessions",
            "/api/v1/sessions",
            "Sign out everywhere.",
            authorized!(STAFF, session::end_sessions, session::SessionsParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<session::EndedSessions>))],
        refusals: &[StatusCode::NOT_FOUND],
        ..delete(
            "endSession",
            "/api/v1/sessions/{sessionId}",
            "Sign out in one place.",
            authorized!(STAFF, session::end_session, session::SessionParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<api::List<users::UserShape>>))],
        ..get(
            "listUsers",
            "/api/v1/users",
            "List users, by name (for admins of every shop).",
            authorized!(ADMINS_OF_EVERY_SHOP, users::users, NoParameters),
        )
    },
    ApiRoute {
        body: Some((
            of::<users::UserToAdd>,
            r#"{"name": "Ann", "role": "staff"}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<users::UserShape>))],
        refusals: &[StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS],
        ..post(
            "addUser",
            "/api/v1/users",
            "Add a user, who has no password yet (for admins of every shop).",
            authorized!(ADMINS_OF_EVERY_SHOP, users::add, NoParameters, CREATED),
        )
    },
    ApiRoute {
        method: RouteMethod::Patch,
        body: Some((of::<users::ChangeOfUser>, r#"{"language": "de"}"#)),
        answers: &[(OK, AnswerContent::Json(of::<users::UserShape>))],
        refusals: &[StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS],
        ..get(
            "changeUser",
            "/api/v1/users/{userId}",
            "Change a user (one's own language and password; for admins of every shop what others may do).",
            authorized!(ADMINS_OR_ONESELF, users::change, users::LocalUserParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<users::PasswordLink>))],
        refusals: CONFLICT,
        ..post(
            "linkUser",
            "/api/v1/users/{userId}/link",
            "Make a one-time link by which a user sets a password (for admins of every shop).",
            authorized!(
                ADMINS_OF_EVERY_SHOP,
                users::link,
                users::LocalUserParameters
            ),
        )
    },
    ApiRoute {
        body: Some((
            of::<users::WantedToken>,
            r#"{"role": "staff", "userId": "till-7"}"#,
        )),
        answers: &[(CREATED, AnswerContent::Json(of::<users::GivenToken>))],
        ..post(
            "giveToken",
            "/api/v1/tokens",
            "Get a token for anybody (by the control socket only).",
            authorized!(CONTROL_SOCKET, users::give_token, NoParameters, CREATED),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        ..get(
            "readOpenapi",
            "/api/openapi.json",
            "Get this document.",
            open!(openapi::openapi),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        ..get(
            "readAsyncapi",
            "/api/asyncapi.json",
            "Get the AsyncAPI document of the realtime side.",
            open!(openapi::asyncapi),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        ..get(
            "readWsUsage",
            "/api/ws",
            "Get how to use the plain WebSocket that opens here.",
            open!(realtime::usage),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(object))],
        ..get(
            "readWsInfo",
            "/api/ws/info",
            "Get what the plain WebSocket offers, to whom, and its limits.",
            open!(realtime::info),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<admin::Realtime>))],
        ..get(
            "readWsStats",
            "/api/ws/stats",
            "List who is connected (for admins of every shop).",
            authorized!(ADMINS_OF_EVERY_SHOP, admin::realtime, NoParameters),
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
        answers: &[(OK, AnswerContent::Json(of::<oms::OmsHealth>))],
        ..get(
            "readOmsHealth",
            "/websocket/health",
            "oms: how many are connected; to admins, who.",
            RouteEndpoint::Recognizing {
                access: PRESENCE_READERS,
                handler: |context, reader| {
                    Box::pin(async move { answer(OK, Ok(oms::health(&context, reader.as_ref()))) })
                },
            },
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::Statistics>))],
        ..get(
            "readOmsStats",
            "/websocket/stats",
            "oms: who is connected, and the rooms.",
            authorized!(PRESENCE_READERS, oms::stats, NoParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::OnlineUsers>))],
        ..get(
            "listOmsUsers",
            "/websocket/users/online",
            "oms: who is connected.",
            authorized!(PRESENCE_READERS, oms::online, NoParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<oms::OnlineUser>))],
        ..get(
            "readOmsUser",
            "/websocket/users/{userId}/online",
            "oms: whether a user is connected.",
            authorized!(
                PRESENCE_READERS_OR_ONESELF,
                oms::is_online,
                oms::UserParameters
            ),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<hub::HubHealth>))],
        ..get(
            "readHubHealth",
            "/health",
            "hub: that it is well.",
            open!(hub::health),
        )
    },
    ApiRoute {
        answers: &[(
            OK,
            AnswerContent::Json(of::<hub::HubList<hub::ConnectedUsers>>),
        )],
        ..get(
            "listHubUsers",
            "/connected-users",
            "hub: who is connected.",
            authorized!(PRESENCE_READERS, hub::connected, NoParameters),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<hub::HubList<hub::UserStatus>>))],
        ..get(
            "readHubUser",
            "/user-status/{userId}",
            "hub: whether a user is connected.",
            authorized!(PRESENCE_READERS, hub::status, hub::UserParameters),
        )
    },
    ApiRoute {
        body: Some((|_| Schema::default(), r#"{"id": 1}"#)),
        refusals: &[
            StatusCode::UNAUTHORIZED,
            StatusCode::NOT_FOUND,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StatusCode::SERVICE_UNAVAILABLE,
        ],
        ..post(
            "receiveWebhook",
            "/webhooks/shopify",
            "Receive a webhook of Shopify (200 after it is on disk).",
            RouteEndpoint::Signed {
                parameters: WEBHOOK_HEADERS,
                handler: |context, request| {
                    Box::pin(async move { webhooks::receive(&context, request).await })
                },
            },
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Json(of::<health::Live>))],
        ..get(
            "readLiveness",
            "/livez",
            "Check that the process answers.",
            open!(health::live),
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
        ..get(
            "readReadiness",
            "/readyz",
            "Check that the daemon can do its work (503 while it cannot).",
            RouteEndpoint::Open(|context, _| {
                Box::pin(async move { health::ready(&context).await })
            }),
        )
    },
    ApiRoute {
        answers: &[(
            OK,
            AnswerContent::Figures(metrics::OPENMETRICS, of::<metrics::OmsMetrics>),
        )],
        refusals: &[StatusCode::SERVICE_UNAVAILABLE],
        ..get(
            "readMetrics",
            "/metrics",
            "Get figures for Prometheus (with `Accept: application/json`, those of oms).",
            RouteEndpoint::Open(|context, request| {
                Box::pin(async move { metrics::metrics(&context, request).await })
            }),
        )
    },
    ApiRoute {
        answers: &[(OK, AnswerContent::Text("text/plain; charset=utf-8"))],
        ..get(
            "readSignpost",
            "/",
            "Get links to the documents.",
            RouteEndpoint::Open(|_, _| {
                Box::pin(async { warp::Reply::into_response(health::SIGNPOST) })
            }),
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
        RouteMethod::Delete => "DELETE",
        RouteMethod::Get => "GET, HEAD",
        RouteMethod::Patch => "PATCH",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::parameter::ParameterPlace;
    use super::*;

    #[test]
    fn every_route_is_found_under_its_own_name_and_path() {
        let mut names = BTreeSet::new();
        for route in ROUTES {
            assert!(names.insert(route.name), "{} is named twice", route.name);
            let method = Method::from_bytes(route.method.as_str().as_bytes()).unwrap();
            let (found, _) = find(&method, route.path).unwrap();
            assert_eq!(found.name, route.name, "two routes at {}", route.path);
        }
    }

    #[test]
    fn what_stands_in_a_path_is_a_parameter_of_its_route() {
        for route in ROUTES {
            let in_path = route
                .path
                .split('/')
                .filter_map(|part| part.strip_prefix('{'));
            let in_path: Vec<_> = in_path.map(|part| part.trim_end_matches('}')).collect();
            let described = route.parameters().iter();
            let described = described.filter(|one| one.place() == ParameterPlace::Path);
            let described: Vec<_> = described.map(|one| one.name()).collect();
            assert_eq!(in_path, described, "{}", route.path);
        }
    }

    #[test]
    fn our_own_routes_are_for_those_who_have_a_token() {
        let own = ROUTES
            .iter()
            .filter(|route| route.path.starts_with("/api/v1/"));
        for route in own {
            let authorized = matches!(route.endpoint, RouteEndpoint::Authorized { .. });
            let is_login = matches!(route.endpoint, RouteEndpoint::SigningIn(_));
            let is_of_session = route.path.split('/').nth(3) == Some("session");
            assert_eq!(is_login, is_of_session, "{}", route.path);
            assert!(authorized || is_login, "{} lets anybody in", route.path);
        }
    }
}
