//! How events are kept in the log and shown over REST.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Event, Logged, own_schemas};
use crate::posted::Posted;

/// The version of the stored form of an event. Raise it when the stored data of a kind changes so that an earlier
/// stockd would misread it: that one then passes such an entry over.
const STORED_VERSION: u32 = 1;
/// The `kind` under which whatever another program posted is stored and shown over REST; what it is, is in its data.
pub(super) const POSTED: &str = "posted";

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

/// The event as the JSON text that the log keeps.
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

/// The event as the JSON text that the log keeps.
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
