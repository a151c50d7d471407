//! The realtime side as an AsyncAPI document: the native contract in full, made from the types; of the other three their messages, whose
//! payloads `docs/contracts.md` tells in words.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use schemas::command::{CommandKind, LevelAnswer, ReservationAnswer, ReserveAnswer};
use schemas::event::{
    CustomerActivity, CustomerPresence, LevelChange, Notice, OrderChanged, PriceChange,
    ProductShape, Transfer, WebhookReceived,
};
use schemas::id::ID_BYTES_MAX;
use schemas::shape::{CommandShape, LevelShape, ReservationShape};
use schemas::{ErrorBody, ErrorCode, Kind, Offset, Role, ShopDomain, SyncRun, Timestamp, UserId};
use serde_json::{Map, Value, json};
use ws::contracts::{
    HubMessage, HubRequest, NotificationType, OdaMessage, OdaRequest, OmniMessage, OmniRequest,
    OmsMessage, OmsRequest,
};
use ws::limits::IDS_PER_LIST_MAX;

use super::commands;
use super::route::{SchemaMaker, generators, of};

/// What a client hears: the event's name, what happened, and its `data`, or its whole payload.
type MessageEntry = (&'static str, &'static str, PayloadSchema);
/// A message of a contract that is not described in full: its name, and its payload.
type MessageSchema = (&'static str, SchemaMaker);

/// A contract that is not described in full.
struct ContractSchema {
    name: &'static str,
    channels: &'static [&'static str],
    /// What clients ask there.
    asked: Vec<MessageSchema>,
    /// What they are sent there.
    told: Vec<MessageSchema>,
}

#[derive(Clone, Copy)]
enum PayloadSchema {
    /// In the frame around what is logged; or, where programs may post it, what they posted.
    Framed {
        data: SchemaMaker,
        posted: bool,
    },
    Flat(SchemaMaker),
}

const fn framed(data: SchemaMaker) -> PayloadSchema {
    PayloadSchema::Framed {
        data,
        posted: false,
    }
}

const fn framed_or_posted(data: SchemaMaker) -> PayloadSchema {
    PayloadSchema::Framed { data, posted: true }
}

/// What each request of oda means, its payload, and what is acknowledged beside `ok`.
fn asked(request: OdaRequest) -> (&'static str, SchemaMaker, SchemaMaker) {
    match request {
        OdaRequest::SubscribeInventory => (
            "The levels of these locations, products and variants, together; of all without.",
            inventory,
            joined_levels,
        ),
        OdaRequest::SubscribeOrders => (
            "Orders, or those of a customer; a customer gets their own.",
            orders,
            joined,
        ),
        OdaRequest::SubscribeNotifications => {
            ("Notices, of these types or all.", notifications, joined)
        }
        OdaRequest::UnsubscribeInventory => (
            "The same; without ids, everything of this kind.",
            inventory,
            left,
        ),
        OdaRequest::UnsubscribeOrders => ("The same.", orders, left),
        OdaRequest::UnsubscribeNotifications => ("The same.", notifications, left),
        OdaRequest::Adjust => (
            "Change `available` by a difference.",
            |g| commands::payload(CommandKind::Adjust, g),
            of::<LevelAnswer>,
        ),
        OdaRequest::Update => (
            "Set `available` or `on_hand`.",
            |g| commands::payload(CommandKind::Update, g),
            of::<LevelAnswer>,
        ),
        OdaRequest::Reserve => (
            "Reserve stock (all of it or none).",
            |g| commands::payload(CommandKind::Reserve, g),
            of::<ReserveAnswer>,
        ),
        OdaRequest::Release => (
            "Release a reservation.",
            |g| commands::payload(CommandKind::Release, g),
            of::<ReservationAnswer>,
        ),
        OdaRequest::Extend => (
            "Extend a reservation, counted from now.",
            |g| commands::payload(CommandKind::Extend, g),
            of::<ReservationAnswer>,
        ),
        OdaRequest::Commit => (
            "Turn a reservation into a sale.",
            |g| commands::payload(CommandKind::Commit, g),
            of::<ReservationAnswer>,
        ),
        OdaRequest::AuthRefresh => (
            "A fresh token before the old one runs out.",
            token,
            refreshed,
        ),
    }
}

/// What each message of oda tells, and its payload.
fn told(message: OdaMessage) -> (&'static str, PayloadSchema) {
    match message {
        OdaMessage::Connected => (
            "First of all, on every connect.",
            PayloadSchema::Flat(connected),
        ),
        OdaMessage::Resync => (
            "What was missed cannot be had: load again what is shown.",
            PayloadSchema::Flat(resync),
        ),
        OdaMessage::Error => (
            "A request was refused; beside its acknowledgement.",
            PayloadSchema::Flat(refused),
        ),
        OdaMessage::InventoryUpdated => ("A level changed.", framed_or_posted(of::<LevelChange>)),
        OdaMessage::InventoryLowStock => (
            "A level fell to its threshold or to 0; `status` says which.",
            framed_or_posted(of::<LevelShape>),
        ),
        OdaMessage::InventoryRestocked => (
            "A level rose above its threshold.",
            framed_or_posted(of::<LevelShape>),
        ),
        OdaMessage::InventoryReservation => (
            "A reservation changed.",
            framed_or_posted(of::<ReservationShape>),
        ),
        OdaMessage::InventoryTransfer => (
            "Stock is moved between locations.",
            framed_or_posted(of::<Transfer>),
        ),
        OdaMessage::InventoryUpdateError => (
            "A command of one's own did not go through.",
            PayloadSchema::Flat(command_failed),
        ),
        OdaMessage::InventoryReservationError => (
            "A command of one's own about a reservation did not go through.",
            PayloadSchema::Flat(command_failed),
        ),
        OdaMessage::CommandUpdated => (
            "A command of one's own went on.",
            framed(of::<CommandShape>),
        ),
        OdaMessage::OrderUpdated => (
            "An order changed; `change` says how.",
            framed_or_posted(order),
        ),
        OdaMessage::Notification => (
            "Whatever else happened; `event` in its data says what.",
            framed_or_posted(notification),
        ),
        OdaMessage::SyncStatus => ("A run began or ended.", framed(of::<SyncRun>)),
        OdaMessage::ProductProgress => ("How far a run of products is.", framed(progress)),
        OdaMessage::InventoryProgress => ("How far a run of stock is.", framed(progress)),
        OdaMessage::OrderProgress => ("How far a run of orders is.", framed(progress)),
        OdaMessage::CustomerProgress => ("How far a run of customers is.", framed(progress)),
        OdaMessage::WebhookReceived => ("A webhook arrived.", framed(of::<WebhookReceived>)),
    }
}

/// What programs emit by names of their own.
const EMITTED: MessageEntry = (
    "{emitted}",
    "Whatever other programs emit, by the names that they give it.",
    framed(|_| true.into()),
);

fn oms_asked(request: OmsRequest) -> SchemaMaker {
    match request {
        OmsRequest::SubscribeToOrders | OmsRequest::SubscribeToInventory | OmsRequest::Ping => {
            nothing
        }
        OmsRequest::Unsubscribe => |_| {
            json_schema!({
                "type": "object",
                "properties": { "type": { "enum": ["order", "inventory", "order_updates", "inventory_updates"] } },
                "required": ["type"],
            })
        },
        OmsRequest::AuthRefresh => token,
    }
}

fn oms_told(message: OmsMessage) -> SchemaMaker {
    match message {
        OmsMessage::Connected | OmsMessage::SubscriptionConfirmed | OmsMessage::Pong => anything,
        OmsMessage::OrderUpdate
        | OmsMessage::InventoryUpdate
        | OmsMessage::UserNotification
        | OmsMessage::SystemNotification => typed,
    }
}

fn omni_asked(request: OmniRequest) -> SchemaMaker {
    match request {
        OmniRequest::Auth => token,
        OmniRequest::Subscribe | OmniRequest::Unsubscribe => namespace,
        OmniRequest::Ping => nothing,
    }
}

fn omni_told(message: OmniMessage) -> SchemaMaker {
    match message {
        OmniMessage::Connected
        | OmniMessage::Authenticated
        | OmniMessage::Subscribed
        | OmniMessage::Unsubscribed
        | OmniMessage::Pong
        | OmniMessage::Error => anything,
        OmniMessage::Resync => resync,
    }
}

fn hub_asked(request: HubRequest) -> SchemaMaker {
    match request {
        HubRequest::JoinRoom
        | HubRequest::LeaveRoom
        | HubRequest::SubscribeOrder
        | HubRequest::SubscribeInventory => name,
        HubRequest::Typing => |_| {
            json_schema!({
                "type": "object",
                "properties": { "roomId": { "type": ["integer", "string"] }, "isTyping": { "type": "boolean" } },
                "required": ["roomId"],
            })
        },
        HubRequest::AuthRefresh => token,
    }
}

/// The messages of the contracts that are not described in full.
fn other_contracts() -> [ContractSchema; 3] {
    let event: MessageSchema = ("{event}", anything);
    [
        ContractSchema {
            name: "oms",
            channels: &["oms", "omsPlain"],
            asked: OmsRequest::ALL
                .iter()
                .map(|request| (request.as_str(), oms_asked(*request)))
                .collect(),
            told: OmsMessage::ALL
                .iter()
                .map(|message| (message.as_str(), oms_told(*message)))
                .collect(),
        },
        ContractSchema {
            name: "omni",
            channels: &["omni"],
            asked: OmniRequest::ALL
                .iter()
                .map(|request| (request.as_str(), omni_asked(*request)))
                .collect(),
            told: OmniMessage::ALL
                .iter()
                .map(|message| (message.as_str(), omni_told(*message)))
                .chain([event])
                .collect(),
        },
        ContractSchema {
            name: "hub",
            channels: &["hub"],
            asked: HubRequest::ALL
                .iter()
                .map(|request| (request.as_str(), hub_asked(*request)))
                .collect(),
            told: HubMessage::ALL
                .iter()
                .map(|message| (message.as_str(), anything as SchemaMaker))
                .collect(),
        },
    ]
}

/// The AsyncAPI document, version 3.0.
pub(crate) fn document() -> Value {
    let (mut answers, mut requests) = generators();

    let mut document = AsyncApiDocument::default();
    for request in OdaRequest::ALL {
        let name = request.as_str();
        let (about, payload, answer) = asked(*request);
        let (asked, answered) = (format!("{name}.asked"), format!("{name}.answered"));
        document.message(
            &["oda", "root"],
            &asked,
            name,
            about,
            &payload(&mut requests),
        );
        let words = "The acknowledgement.";
        document.message(
            &["oda", "root"],
            &answered,
            name,
            words,
            &acknowledged(&answer(&mut answers), &mut answers),
        );
        document.operations.insert(
            format!("oda.{name}"),
            json!({
                "action": "receive",
                "channel": reference("channels", "oda"),
                "summary": about,
                "messages": [reference("channels/oda/messages", &asked)],
                "reply": {
                    "channel": reference("channels", "oda"),
                    "messages": [reference("channels/oda/messages", &answered)],
                },
            }),
        );
    }
    let messages: Vec<MessageEntry> = OdaMessage::ALL
        .iter()
        .map(|message| {
            let (about, payload) = told(*message);
            (message.as_str(), about, payload)
        })
        .chain([EMITTED])
        .collect();
    for (name, about, payload) in &messages {
        let payload = match payload {
            PayloadSchema::Flat(shape) => shape(&mut answers),
            PayloadSchema::Framed { data, posted } => {
                frame(&data(&mut answers), *posted, &mut answers)
            }
        };
        document.message(&["oda", "root"], name, name, about, &payload);
    }
    document.operation(
        "oda.tells",
        "send",
        "oda",
        messages.iter().map(|(name, ..)| *name),
    );
    for contract in other_contracts() {
        let directions = [("asked", &contract.asked), ("told", &contract.told)];
        let key = |name: &str, direction: &str| format!("{}.{name}.{direction}", contract.name);
        for (direction, messages) in directions {
            for (name, shape) in messages {
                let payload = shape(&mut answers);
                document.message(
                    contract.channels,
                    &key(name, direction),
                    name,
                    "See docs/contracts.md.",
                    &payload,
                );
            }
        }
        for channel in contract.channels {
            let keys = |(direction, messages): (&str, &Vec<MessageSchema>)| -> Vec<String> {
                messages
                    .iter()
                    .map(|(name, _)| key(name, direction))
                    .collect()
            };
            let [asked, told] = directions;
            document.operation(&format!("{channel}.hears"), "receive", channel, keys(asked));
            document.operation(&format!("{channel}.tells"), "send", channel, keys(told));
        }
    }
    document.whole(&answers.take_definitions(true))
}

/// A document that is being made.
#[derive(Default)]
struct AsyncApiDocument {
    /// By channel, the keys of its messages.
    channels: Map<String, Value>,
    messages: Map<String, Value>,
    operations: Map<String, Value>,
}

impl AsyncApiDocument {
    fn message(&mut self, channels: &[&str], key: &str, name: &str, about: &str, payload: &Schema) {
        for channel in channels {
            let messages = self.channels.entry(*channel).or_insert_with(|| json!({}));
            messages[key] = reference("components/messages", key);
        }
        self.messages.insert(
            key.to_owned(),
            json!({ "name": name, "summary": about, "payload": payload }),
        );
    }

    fn operation<K: AsRef<str>>(
        &mut self,
        name: &str,
        action: &str,
        channel: &str,
        keys: impl IntoIterator<Item = K>,
    ) {
        let path = format!("channels/{channel}/messages");
        let messages: Vec<_> = keys
            .into_iter()
            .map(|key| reference(&path, key.as_ref()))
            .collect();
        let operation = json!({ "action": action, "channel": reference("channels", channel), "messages": messages });
        self.operations.insert(name.to_owned(), operation);
    }

    fn whole(mut self, schemas: &Map<String, Value>) -> Value {
        let mut channel = |key: &str, address: &str, server: &str, about: &str| {
            json!({
                "address": address,
                "description": about,
                "servers": [reference("servers", server)],
                "messages": self.channels.remove(key),
            })
        };
        let channels = json!({
            "oda": channel("oda", "/oda", "socketio", "The native contract. Every event but the flat ones is \
                {id, type, shop, data, timestamp}; a last argument, opaque, belongs to connection state recovery."),
            "root": channel("root", "/", "socketio", "The same, unless the listener says `root = \"hub\"`."),
            "oms": channel("oms", "/events", "socketio", "The contract of oms; its payloads stand in docs/contracts.md."),
            "hub": channel("hub", "/hub", "socketio", "The contract of the hub; its payloads stand in docs/contracts.md."),
            "omsPlain": channel("omsPlain", "/events", "plain", "The contract of oms over a plain WebSocket: a \
                text is an event's name, or {event, data}."),
            "omni": channel("omni", "/api/ws", "plain", "The contract of omni: every message is {type, data}, and of events \
                also {id, timestamp}; GET /api/ws lists the types. What stands here is the data."),
        });
        let host =
            json!({ "default": "127.0.0.1:8080", "description": "Where the daemon listens." });
        let server = |protocol: &str, path: Option<&str>, about: &str| {
            let mut server = json!({
                "host": "{host}",
                "protocol": protocol,
                "description": about,
                "variables": { "host": host },
                "security": [reference("components/securitySchemes", "token")],
            });
            if let Some(path) = path {
                server["pathname"] = json!(path);
            }
            server
        };
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "stockd",
                "version": env!("CARGO_PKG_VERSION"),
                "license": { "name": "Apache-2.0" },
                "description": "The realtime side of stockd: one list of events, spoken in four contracts. The native one, oda, is \
                    described in full, from the types; of oms, omni and hub only the messages are, whose payloads \
                    docs/contracts.md tells in words. Who may hear what is decided by role, shop and location.",
            },
            "defaultContentType": "application/json",
            "servers": {
                "socketio": server("ws", Some("/socket.io/"), "Socket.IO 5 over Engine.IO 4, by polling, WebSocket and the change \
                    between; the token as auth.token or as Authorization. A channel is a namespace."),
                "plain": server("ws", None, "WebSockets without Socket.IO; a channel is a path."),
            },
            "channels": channels,
            "operations": self.operations,
            "components": {
                "messages": self.messages,
                "schemas": schemas,
                "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            },
        })
    }
}

fn reference(place: &str, key: &str) -> Value {
    // As a JSON pointer in a URI wants it.
    let key = key
        .replace('~', "~0")
        .replace('/', "~1")
        .replace('{', "%7B")
        .replace('}', "%7D");
    json!({ "$ref": format!("#/{place}/{key}") })
}

/// The acknowledgement of a request.
fn acknowledged(answer: &Schema, generator: &mut SchemaGenerator) -> Schema {
    let error = generator.subschema_for::<ErrorBody>();
    let said = |ok: bool| json!({ "const": ok });
    json_schema!({
        "oneOf": [
            { "allOf": [answer], "type": "object", "properties": { "ok": said(true) }, "required": ["ok"] },
            {
                "type": "object",
                "properties": { "ok": said(false), "error": error },
                "required": ["ok", "error"],
            },
        ],
    })
}

/// The frame around every event that is not flat.
fn frame(data: &Schema, posted: bool, generator: &mut SchemaGenerator) -> Schema {
    let data = if posted {
        json!({ "anyOf": [data, posted_elsewhere(generator)] })
    } else {
        json!(data)
    };
    json_schema!({
        "type": "object",
        "properties": {
            "id": {
                "description": "Its place in the log, for `since`; of what is not logged there is none.",
                "allOf": [generator.subschema_for::<Offset>()],
            },
            "type": { "description": "The event's name, or of a notification its type.", "type": "string" },
            "shop": generator.subschema_for::<ShopDomain>(),
            "data": data,
            "timestamp": generator.subschema_for::<Timestamp>(),
        },
        "required": ["type", "shop", "data", "timestamp"],
    })
}

/// An order, without what decides who sees it and what only omni tells.
fn order(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = OrderChanged::json_schema(generator);
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.remove("customerName");
        fields.remove("locations");
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name != "locations");
    }
    schema
}

fn nothing(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["object", "null"] })
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "string"], "minLength": 1, "maxLength": ID_BYTES_MAX })
}

/// `RealTimeEvent` of oms.
fn typed(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "type": { "type": "string" },
            "data": { "type": "object" },
            "userId": { "type": ["integer", "string"] },
            "timestamp": generator.subschema_for::<Timestamp>(),
        },
        "required": ["type", "data", "timestamp"],
    })
}

fn namespace(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "namespace": { "type": "string" }, "since": since(), "batchMs": { "type": "integer", "minimum": 0 } },
        "required": ["namespace"],
    })
}

fn token(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "properties": { "token": { "type": "string" } }, "required": ["token"] })
}

fn since() -> Value {
    json!({ "description": "The id of the last event that is known: what came after is sent first.", "type": ["string", "null"] })
}

fn ids(item: &Value) -> Value {
    json!({ "type": ["array", "null"], "maxItems": IDS_PER_LIST_MAX, "items": item })
}

fn inventory(generator: &mut SchemaGenerator) -> Schema {
    let ids = ids(&json!(name(generator)));
    json_schema!({
        "type": ["object", "null"],
        "properties": {
            "locationIds": ids, "productIds": ids, "variantIds": ids, "since": since(),
            "snapshot": {
                "description": "Answer with the levels, exact at `offset`.",
                "type": ["boolean", "null"],
            },
        },
    })
}

fn orders(generator: &mut SchemaGenerator) -> Schema {
    let customer = json!({ "anyOf": [name(generator), { "type": "null" }] });
    json_schema!({ "type": ["object", "null"], "properties": { "customerId": customer, "since": since() } })
}

fn notifications(_: &mut SchemaGenerator) -> Schema {
    let types = ids(
        &json!({ "enum": NotificationType::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>() }),
    );
    json_schema!({ "type": ["object", "null"], "properties": { "types": types, "since": since() } })
}

/// The rooms, and with `snapshot` the levels.
fn joined_levels(generator: &mut SchemaGenerator) -> Schema {
    let levels = generator.subschema_for::<Vec<LevelShape>>();
    with(
        &joined(generator),
        &json_schema!({ "type": "object", "properties": { "levels": levels } }),
    )
}

/// The rooms that one is now in, exact at an offset.
fn joined(generator: &mut SchemaGenerator) -> Schema {
    fields(&[("rooms", strings()), ("offset", of::<Offset>(generator))])
}

fn left(_: &mut SchemaGenerator) -> Schema {
    fields(&[("rooms", strings())])
}

fn refreshed(generator: &mut SchemaGenerator) -> Schema {
    fields(&[("expiresAt", of::<Timestamp>(generator))])
}

fn connected(generator: &mut SchemaGenerator) -> Schema {
    fields(&[
        ("userId", of::<UserId>(generator)),
        ("role", of::<Role>(generator)),
        ("socketId", json_schema!({ "type": "string" })),
        ("rooms", strings()),
        ("offset", of::<Offset>(generator)),
        ("timestamp", of::<Timestamp>(generator)),
    ])
}

fn resync(_: &mut SchemaGenerator) -> Schema {
    let reasons = [
        "too_old",
        "other_epoch",
        "beyond_end",
        "unknown_offset",
        "rights_changed",
        "unknown_session",
    ];
    fields(&[("reason", json_schema!({ "enum": reasons }))])
}

fn refused(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = fields(&[
        ("code", of::<ErrorCode>(generator)),
        ("message", json_schema!({ "type": "string" })),
    ]);
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.insert(
            "event".to_owned(),
            json!({ "description": "Which request.", "type": ["string", "null"] }),
        );
    }
    schema
}

fn command_failed(generator: &mut SchemaGenerator) -> Schema {
    fields(&[
        (
            "error",
            json_schema!({ "description": "In words.", "type": "string" }),
        ),
        ("code", of::<ErrorCode>(generator)),
        ("retryable", json_schema!({ "type": "boolean" })),
        (
            "request",
            json_schema!({ "description": "What was sent; later, `commandId` and `kind`." }),
        ),
    ])
}

fn progress(generator: &mut SchemaGenerator) -> Schema {
    let percent = json_schema!({ "type": ["integer", "null"], "minimum": 0, "maximum": 100 });
    with(&of::<SyncRun>(generator), &fields(&[("percent", percent)]))
}

fn notification(generator: &mut SchemaGenerator) -> Schema {
    let shapes = [
        of::<CustomerActivity>(generator),
        of::<CustomerPresence>(generator),
        of::<Notice>(generator),
        of::<PriceChange>(generator),
        of::<ProductShape>(generator),
    ];
    let event = fields(&[("event", of::<Kind>(generator))]);
    with(&json_schema!({ "anyOf": shapes }), &event)
}

/// What another program posted: anything, and who says so.
fn posted_elsewhere(_: &mut SchemaGenerator) -> Schema {
    fields(&[(
        "source",
        json_schema!({ "description": "Who posted it.", "type": "string" }),
    )])
}

fn strings() -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" } })
}

/// An object with these fields, and any others.
fn fields(fields: &[(&str, Schema)]) -> Schema {
    let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
    let properties: Map<_, _> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), json!(schema)))
        .collect();
    json_schema!({ "type": "object", "properties": properties, "required": names })
}

fn with(one: &Schema, other: &Schema) -> Schema {
    json_schema!({ "allOf": [one, other] })
}
