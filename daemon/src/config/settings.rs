//! Which settings there are, asked of the types that read them, and within which bounds numbers must be.

use std::cell::Cell;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::value::{Error as Refused, StrDeserializer};
use serde::de::{self, DeserializeSeed, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::Config;

/// Numbers, each with its unit, which may be followed by the reason. A name that ends in a dot holds for all below it.
pub(super) const RANGES: [(&str, RangeInclusive<i128>, &str); 26] = [
    (
        "auth.leeway_seconds",
        0..=60,
        "seconds: what is longer keeps expired tokens alive",
    ),
    ("auth.longest_days", 1..=3650, "days"),
    (
        "shop.unsent_max_seconds",
        60..=82_800,
        "seconds: Shopify knows a repeated command again for a day",
    ),
    (
        "shop.thresholds.default",
        0..=1_000_000_000,
        "pieces: at 0 or below a level is out of stock in any case",
    ),
    (
        "shop.thresholds.items.",
        0..=1_000_000_000,
        "pieces: at 0 or below a level is out of stock in any case",
    ),
    (
        "shop.thresholds.locations.",
        0..=1_000_000_000,
        "pieces: at 0 or below a level is out of stock in any case",
    ),
    (
        "shop.thresholds.vendors.",
        0..=1_000_000_000,
        "pieces: at 0 or below a level is out of stock in any case",
    ),
    (
        "shop.thresholds.levels.threshold",
        0..=1_000_000_000,
        "pieces: at 0 or below a level is out of stock in any case",
    ),
    ("realtime.ping_interval_seconds", 1..=3600, "seconds"),
    ("realtime.ping_timeout_seconds", 1..=3600, "seconds"),
    ("realtime.plain_ping_interval_seconds", 1..=3600, "seconds"),
    ("realtime.plain_pong_timeout_seconds", 1..=3600, "seconds"),
    ("realtime.connections_max", 1..=1_000_000, "connections"),
    (
        "realtime.connections_per_address_max",
        1..=1_000_000,
        "connections",
    ),
    ("realtime.sockets_per_user_max", 1..=1_000_000, "sockets"),
    ("realtime.rooms_per_socket_max", 1..=100_000, "rooms"),
    ("realtime.messages_per_minute", 1..=1_000_000, "messages"),
    (
        "realtime.plain_messages_per_minute",
        1..=1_000_000,
        "messages",
    ),
    ("alerts.smtp.port", 1..=65_535, "and usually left out"),
    ("alerts.email.digest_minutes", 0..=1440, "minutes, a day"),
    ("alerts.slack.digest_minutes", 0..=1440, "minutes, a day"),
    ("alerts.webhook.digest_minutes", 0..=1440, "minutes, a day"),
    (
        "store.log_days",
        1..=3650,
        "days: clients catch up from the log",
    ),
    (
        "store.deliveries_days",
        7..=3650,
        "days: a webhook that is repeated later would be applied twice",
    ),
    ("sync.missing_percent_max", 0..=100, "percent"),
    ("sync.bulk_stuck_seconds", 1..=86_400, "seconds"),
];

/// What is wrong with a number there, if anything.
pub(super) fn out_of_range(name: &str, number: i128) -> Option<String> {
    let holds =
        |setting: &str| name == setting || setting.ends_with('.') && name.starts_with(setting);
    let (_, range, unit) = RANGES.iter().find(|(setting, ..)| holds(setting))?;
    (!range.contains(&number)).then(|| format!("is {} to {} {unit}", range.start(), range.end()))
}

/// Every setting there is, such as `auth.secret`.
pub(super) fn names() -> Vec<String> {
    let (mut names, mut open) = (Vec::new(), vec![Vec::new()]);
    while let Some(path) = open.pop() {
        let fields = Cell::new(None);
        // It ends with an error in any case; what it was asked for on the way is what counts.
        let _ = Config::deserialize(AskedSetting {
            path: &path,
            fields: &fields,
        });
        match fields.get() {
            Some(fields) => open.extend(fields.iter().map(|field| [&path[..], &[*field]].concat())),
            None => names.push(path.join(".")),
        }
    }
    names.sort();
    names
}

/// The one of these that is spelled most like this, if one nearly is.
pub(super) fn nearest<'n>(spelled: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |name: &str| -> Vec<char> {
        name.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let spelled = plain(spelled);
    let ranked = names.map(|name| (difference(&spelled, &plain(name)), name));
    let (difference, name) = ranked.min_by_key(|(difference, _)| *difference)?;
    (difference <= 2.min(spelled.len() / 2)).then_some(name)
}

/// In how many letters two words differ (Levenshtein).
fn difference(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (to, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = row[to + 1];
            row[to + 1] = replaced.min(diagonal + 1).min(row[to] + 1);
        }
    }
    row[other.len()]
}

/// Leads a type along one path of fields, and notes which fields it has at its end.
#[derive(Clone, Copy)]
struct AskedSetting<'a> {
    path: &'a [&'static str],
    fields: &'a Cell<Option<&'static [&'static str]>>,
}

impl<'de> de::Deserializer<'de> for AskedSetting<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused::custom("no section"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match self.path {
            [] => {
                self.fields.set(Some(fields));
                Err(Refused::custom("asked"))
            }
            [_, ..] => visitor.visit_map(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> de::SeqAccess<'de> for AskedSetting<'_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        seed.deserialize(*self).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for AskedSetting<'_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        self.path
            .first()
            .map(|field| seed.deserialize(StrDeserializer::new(field)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let path = self.path.get(1..).unwrap_or_default();
        seed.deserialize(AskedSetting {
            path,
            fields: self.fields,
        })
    }
}
