//! The one list of events: every kind with its name, its data, and whether the log keeps it.
//!
//! To add an event, add a line here and follow the compiler: rooms and rights (`event.rs`), what a posted one needs
//! (`posted/reader.rs`), each of the four contracts and the alerts match every kind.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::event::{
    CustomerActivity, CustomerPresence, Drift, LevelChange, Notice, OrderChanged, Payment,
    PriceChange, ProductShape, Transfer, Typing, WebhookReceived,
};
use crate::posted::{Emitted, Posted};
use crate::run::SyncRun;
use crate::shape::{CommandShape, LevelShape, ReservationShape};

/// The version of the stored form of an event. Raise it when the stored data of a kind changes so that an earlier
/// stockd would misread it: that one then passes such an entry over.
const STORED_VERSION: u32 = 1;
/// The `kind` under which whatever another program posted is stored and shown over REST; what it is, is in its data.
const POSTED: &str = "posted";

/// Who says what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A change of the mirror: by a webhook, a read, a run or a command.
    Mirror,
    /// Another program, over REST or RabbitMQ. It never touches the mirror.
    Posted,
    /// The daemon itself.
    Daemon,
}

/// The data of an event that stockd finds out itself and that other programs may post as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventData<T> {
    /// Found out here, in a shape of ours.
    Own(T),
    /// Said by another program, in its words.
    Posted(Box<Posted>),
}

impl<T> EventData<T> {
    /// One answer, from whichever it is.
    pub fn either<'a, R>(
        &'a self,
        own: impl FnOnce(&'a T) -> R,
        posted: impl FnOnce(&'a Posted) -> R,
    ) -> R {
        match self {
            Self::Own(data) => own(data),
            Self::Posted(data) => posted(data),
        }
    }

    /// The data, when it is ours.
    pub fn own(&self) -> Option<&T> {
        self.either(Some, |_| None)
    }

    /// The data, when another program posted it.
    pub fn posted(&self) -> Option<&Posted> {
        self.either(|_| None, Some)
    }
}

// What may stand behind a name in the list, and what follows from it:
//   (posted)             only other programs say it
//   (mirror T)           found out here, of the mirror; or (daemon T); (program T) is said by another program in a
//                        shape of its own
//   (mirror T, posted)   found out here, and other programs may post it
macro_rules! data {
    (type (posted)) => { Box<Posted> };
    (type ($who:ident $own:ty)) => { $own };
    (type ($who:ident $own:ty, posted)) => { EventData<$own> };

    (is_posted (posted)) => { true };
    (is_posted ($who:ident $own:ty)) => { false };
    (is_posted ($who:ident $own:ty, posted)) => { true };

    (posted $data:ident (posted)) => { Some($data.as_ref()) };
    (posted $data:ident ($who:ident $own:ty)) => {{ let _ = $data; None }};
    (posted $data:ident ($who:ident $own:ty, posted)) => { $data.posted() };

    (of_posted $posted:ident $variant:path, (posted)) => { Ok($variant($posted)) };
    (of_posted $posted:ident $variant:path, ($who:ident $own:ty)) => { Err($posted) };
    (of_posted $posted:ident $variant:path, ($who:ident $own:ty, posted)) => {
        Ok($variant(EventData::Posted($posted)))
    };

    (read $json:ident $variant:path, (posted)) => { None };
    (read $json:ident $variant:path, ($who:ident $own:ty)) => {
        serde_json::from_str($json).ok().map($variant)
    };
    (read $json:ident $variant:path, ($who:ident $own:ty, posted)) => {
        serde_json::from_str($json).ok().map(EventData::Own).map($variant)
    };

    (schema $generator:ident (posted)) => { None };
    (schema $generator:ident ($who:ident $own:ty)) => {
        Some($generator.subschema_for::<$own>())
    };
    (schema $generator:ident ($who:ident $own:ty, posted)) => {
        Some($generator.subschema_for::<$own>())
    };

    (origin (posted)) => { Origin::Posted };
    (origin (mirror $own:ty $(, posted)?)) => { Origin::Mirror };
    (origin (daemon $own:ty $(, posted)?)) => { Origin::Daemon };
    (origin (program $own:ty)) => { Origin::Posted };
}

macro_rules! events {
    (
        Logged { $($(#[doc = $about:literal])+ $Logged:ident = $name:literal $data:tt;)+ }
        Ephemeral { $($(#[doc = $e_about:literal])+ $Ephemeral:ident = $e_name:literal $e_data:tt;)+ }
    ) => {
        /// What an event is about, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "Logged and Ephemeral say it")]
        pub enum Kind {
            $(#[serde(rename = $name)] $Logged,)+
            $(#[serde(rename = $e_name)] $Ephemeral,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$Logged,)+ $(Self::$Ephemeral,)+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Logged => $name,)+
                    $(Self::$Ephemeral => $e_name,)+
                }
            }

            /// Whether other programs may post it.
            pub fn is_posted(self) -> bool {
                match self {
                    $(Self::$Logged => data!(is_posted $data),)+
                    $(Self::$Ephemeral => data!(is_posted $e_data),)+
                }
            }

            fn origin(self) -> Origin {
                match self {
                    $(Self::$Logged => data!(origin $data),)+
                    $(Self::$Ephemeral => data!(origin $e_data),)+
                }
            }
        }

        /// What happened, of the kinds that the log keeps.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Logged {
            $($(#[doc = $about])+ $Logged(data!(type $data)),)+
        }

        /// What happened, of the kinds that are worth nothing a second later: told to whoever listens now.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Ephemeral {
            $($(#[doc = $e_about])+ $Ephemeral(data!(type $e_data)),)+
        }

        impl Logged {
            /// Which kind it is.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$Logged(_) => Kind::$Logged,)+
                }
            }

            /// What another program posted, when it did.
            pub fn posted(&self) -> Option<&Posted> {
                match self {
                    $(Self::$Logged(data) => data!(posted data $data),)+
                }
            }

            fn of_posted(posted: Box<Posted>) -> Result<Self, Box<Posted>> {
                match posted.kind {
                    $(Kind::$Logged => data!(of_posted posted Self::$Logged, $data),)+
                    $(Kind::$Ephemeral)|+ => Err(posted),
                }
            }

            fn data_json(&self) -> serde_json::Result<Value> {
                match self {
                    $(Self::$Logged(data) => serde_json::to_value(data),)+
                }
            }

            fn write_data<S: SerializeStruct>(&self, event: &mut S) -> Result<(), S::Error> {
                match self {
                    $(Self::$Logged(data) => event.serialize_field("data", data),)+
                }
            }

            fn read_own(kind: &str, data: &str) -> Option<Self> {
                match kind {
                    $($name => data!(read data Self::$Logged, $data),)+
                    _ => None,
                }
            }
        }

        impl Ephemeral {
            /// Which kind it is.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$Ephemeral(_) => Kind::$Ephemeral,)+
                }
            }

            /// What another program posted, when it did.
            pub fn posted(&self) -> Option<&Posted> {
                match self {
                    $(Self::$Ephemeral(data) => data!(posted data $e_data),)+
                }
            }

            fn of_posted(posted: Box<Posted>) -> Result<Self, Box<Posted>> {
                match posted.kind {
                    $(Kind::$Ephemeral => data!(of_posted posted Self::$Ephemeral, $e_data),)+
                    $(Kind::$Logged)|+ => Err(posted),
                }
            }
        }

        /// Of each kind that is not only posted: its name, what it means, and the schema of its data.
        fn own_schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Option<Schema>)> {
            vec![
                $(($name, concat!($($about),+), data!(schema generator $data)),)+
                $(($e_name, concat!($($e_about),+), data!(schema generator $e_data)),)+
            ]
        }
    };
}

events! {
    Logged {
        /// A command went on.
        CommandUpdated = "command:updated" (daemon CommandShape);
        /// Something for those who work for a company.
        CompanyNotification = "company:notification" (posted);
        /// A customer record changed.
        CustomerActivity = "customer:activity" (mirror CustomerActivity, posted);
        /// A customer put something into a cart.
        CustomerAddedToCart = "customer:added_to_cart" (posted);
        /// A customer looks at a product.
        CustomerViewingProduct = "customer:viewing_product" (posted);
        /// What another program sends to some of those who are connected, by whatever name it gives it.
        Emitted = "emitted" (program Emitted);
        /// A level fell to its threshold or below, but not to 0.
        InventoryLowStock = "inventory:low_stock" (mirror LevelShape, posted);
        /// A level fell to 0 or below.
        InventoryOutOfStock = "inventory:out_of_stock" (mirror LevelShape, posted);
        /// A hold changed.
        InventoryReservation = "inventory:reservation" (daemon ReservationShape, posted);
        /// A level rose above its threshold.
        InventoryRestocked = "inventory:restocked" (mirror LevelShape, posted);
        /// Stock is moved between locations.
        InventoryTransfer = "inventory:transfer" (mirror Transfer, posted);
        /// A level changed.
        InventoryUpdated = "inventory:updated" (mirror LevelChange, posted);
        /// An order was placed.
        OrderCreated = "order:created" (mirror OrderChanged, posted);
        /// An order was deleted.
        OrderDeleted = "order:deleted" (mirror OrderChanged, posted);
        /// The status of an order changed.
        OrderStatusChanged = "order:status_changed" (mirror OrderChanged, posted);
        /// Anything else of an order changed.
        OrderUpdated = "order:updated" (mirror OrderChanged, posted);
        /// A payment failed.
        PaymentFailed = "payment:failed" (mirror Payment, posted);
        /// A payment was received.
        PaymentReceived = "payment:received" (mirror Payment, posted);
        /// A payment was refunded.
        PaymentRefunded = "payment:refunded" (mirror Payment, posted);
        /// The status of a payment changed to one that the other three do not name.
        PaymentStatusChanged = "payment:status_changed" (posted);
        /// A product is new.
        ProductCreated = "product:created" (mirror ProductShape, posted);
        /// A product was deleted.
        ProductDeleted = "product:deleted" (mirror ProductShape, posted);
        /// The price of a variant changed.
        ProductPriceChanged = "product:price_changed" (mirror PriceChange, posted);
        /// A product or one of its variants changed.
        ProductUpdated = "product:updated" (mirror ProductShape, posted);
        /// A warning about security, for admins or for one user.
        SecurityAlert = "security:alert" (posted);
        /// Something for everybody who works for the shop.
        ShopNotification = "shop:notification" (posted);
        /// What a run had to correct.
        ShopifyDrift = "shopify:drift" (daemon Drift);
        /// A run began or ended.
        ShopifySyncStatus = "shopify:sync_status" (daemon SyncRun);
        /// Staff should look.
        SystemAlert = "system:alert" (daemon Notice, posted);
        /// Work on the system is announced.
        SystemMaintenance = "system:maintenance" (posted);
        /// News of the system, for everybody, a role, a company or one user.
        SystemNotification = "system:notification" (posted);
        /// A user did something.
        UserActivity = "user:activity" (posted);
        /// Something for one user.
        UserNotification = "user:notification" (posted);
    }
    Ephemeral {
        /// A customer left.
        CustomerOffline = "customer:offline" (daemon CustomerPresence, posted);
        /// A customer came.
        CustomerOnline = "customer:online" (daemon CustomerPresence, posted);
        /// How far a run is. Ephemeral.
        ShopifyProgress = "shopify:progress" (daemon SyncRun);
        /// A webhook arrived. Ephemeral.
        ShopifyWebhookReceived = "shopify:webhook_received" (daemon WebhookReceived);
        /// Somebody writes, or no longer does, in a room that clients made up. Ephemeral.
        Typing = "typing" (daemon Typing);
    }
}

impl Kind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Those that other programs may post.
    pub fn all_posted() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.is_posted())
    }

    /// What it is about: the part of its name before the colon.
    pub fn topic(self) -> &'static str {
        self.as_str().split_once(':').map_or("", |(topic, _)| topic)
    }
}

/// In schemas a kind is one that may be posted: that is where a kind is a value of its own.
impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names: Vec<_> = Self::all_posted().map(Self::as_str).collect();
        names.sort_unstable();
        json_schema!({
            "type": "string",
            "description": "What happened, of the events that other programs may post.",
            "enum": names,
        })
    }
}

/// What happened, whether the log keeps it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Kept in the log, and sent to whoever comes back.
    Logged(Logged),
    /// Told to whoever listens now.
    Ephemeral(Ephemeral),
}

impl From<Logged> for Event {
    fn from(event: Logged) -> Self {
        Self::Logged(event)
    }
}

impl From<Ephemeral> for Event {
    fn from(event: Ephemeral) -> Self {
        Self::Ephemeral(event)
    }
}

impl Event {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Logged(event) => event.kind(),
            Self::Ephemeral(event) => event.kind(),
        }
    }

    /// What another program posted, when it did.
    pub fn posted(&self) -> Option<&Posted> {
        match self {
            Self::Logged(event) => event.posted(),
            Self::Ephemeral(event) => event.posted(),
        }
    }

    /// The event, when it is one that the log keeps.
    pub fn logged(self) -> Option<Logged> {
        match self {
            Self::Logged(event) => Some(event),
            Self::Ephemeral(_) => None,
        }
    }

    /// Who says so.
    pub fn origin(&self) -> Origin {
        match self.posted() {
            Some(_) => Origin::Posted,
            None => self.kind().origin(),
        }
    }

    /// What another program posted, as the event that it says it is; `None` for a kind that is not posted.
    pub(crate) fn of_posted(posted: Posted) -> Option<Self> {
        Logged::of_posted(Box::new(posted))
            .map(Self::Logged)
            .or_else(|posted| Ephemeral::of_posted(posted).map(Self::Ephemeral))
            .ok()
    }
}

/// Fields of any event's data that decide who may see it and are shown to nobody. No other field may be called so.
const DECIDING_FIELDS: [&str; 2] = ["locations", "product"];

/// An entry of the log that is passed over: of a kind that this stockd does not know, because a newer one wrote it or
/// the kind was removed, or in a form that it cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of kind {kind:?} is unknown here")]
pub struct UnknownEvent {
    /// What it calls itself.
    pub kind: String,
}

/// The stored form.
#[derive(Deserialize)]
struct Stored<'a> {
    /// Entries of before there was a version have none.
    #[serde(default)]
    v: u32,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Logged {
    /// Reads the stored form, which is how an event serialises.
    ///
    /// # Errors
    /// When it is none that is known here; the entry is then to be passed over.
    pub fn read(json: &str) -> Result<Self, UnknownEvent> {
        let unknown = |kind: &str| UnknownEvent {
            kind: kind.to_owned(),
        };
        let stored: Stored<'_> = serde_json::from_str(json).map_err(|_| unknown(""))?;
        let event = if stored.v > STORED_VERSION {
            None
        } else if stored.kind == POSTED {
            serde_json::from_str(stored.data.get())
                .ok()
                .and_then(|posted| Self::of_posted(posted).ok())
        } else {
            Self::read_own(&stored.kind, stored.data.get())
        };
        event.ok_or_else(|| unknown(&stored.kind))
    }

    /// The event as JSON for readers outside the daemon: `{kind, data}` without the fields that only decide who may see
    /// it. Those name locations and quantities that the reader may have no right to.
    pub fn public_json(&self) -> Value {
        // Shapes of ours: there is nothing in them that JSON cannot say.
        let mut data = self.data_json().unwrap_or_default();
        if let Some(fields) = data.as_object_mut() {
            fields.retain(|field, _| !DECIDING_FIELDS.contains(&field.as_str()));
        }
        json!({ "kind": self.tag(), "data": data })
    }

    /// Its kind as it is stored and shown.
    fn tag(&self) -> &'static str {
        self.posted().map_or(self.kind().as_str(), |_| POSTED)
    }

    /// The stored form, as [`Logged::read`] reads it.
    ///
    /// # Errors
    /// Never, for shapes of ours.
    pub fn stored(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// The stored form.
impl Serialize for Logged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("Logged", 3)?;
        event.serialize_field("v", &STORED_VERSION)?;
        event.serialize_field("kind", self.tag())?;
        self.write_data(&mut event)?;
        event.end()
    }
}

/// What [`Logged::public_json`] shows, and the same of the ephemeral.
impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let posted = generator.subschema_for::<Posted>();
        let mut shapes = own_schemas(generator);
        shapes.push((POSTED, "Another program says what happened.", Some(posted)));
        shapes.sort_by_key(|(name, ..)| *name);
        let shapes = shapes.into_iter().filter_map(|(name, about, data)| {
            let properties = json!({ "data": data?, "kind": { "type": "string", "const": name } });
            Some(json!({
                "description": about.trim(),
                "type": "object",
                "properties": properties,
                "required": ["kind", "data"],
            }))
        });
        json_schema!({ "description": "What happened.", "oneOf": shapes.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests;
