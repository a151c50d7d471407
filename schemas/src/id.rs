//! Ids, each a type of its own, built only by parsing.
//!
//! Shopify names one thing by a 64-bit number or by a GID (`gid://shopify/Product/42`); inside we keep the
//! number, outside it is a decimal string, because numbers above 2^53 do not survive JavaScript.
//! A level is the exception: its GID's number means nothing, so the whole GID is kept.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest text taken as an id from outside, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a number, a numeric string or a GID of the right type.
    #[error("{0:?} is not the id of a {1}: expected a number or gid://shopify/{1}/<number>")]
    NotAnId(String, &'static str),
    /// Not `<name>.myshopify.com`.
    #[error("{0:?} is not a shop's domain: expected <name>.myshopify.com")]
    NotAShop(String),
    /// Empty, too long, or with control characters.
    #[error("{0} has 1 to 128 bytes of printable text")]
    NotAName(&'static str),
}

/// The first characters of a text, for an error message of bounded length.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

fn parse_number(text: &str, kind: &'static str) -> Result<u64, IdError> {
    let refused = || IdError::NotAnId(excerpt(text), kind);
    let digits = match text.strip_prefix("gid://shopify/") {
        None => text,
        Some(rest) => rest
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(refused)?,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refused());
    }
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| bounded(number, kind).ok())
        .ok_or_else(refused)
}

fn bounded(number: u64, kind: &'static str) -> Result<u64, IdError> {
    // SQLite's and PostgreSQL's integers are signed.
    let fits = (1..=i64::MAX.cast_unsigned()).contains(&number);
    if fits {
        Ok(number)
    } else {
        Err(IdError::NotAnId(number.to_string(), kind))
    }
}

fn bounded_signed(number: i64, kind: &'static str) -> Result<u64, IdError> {
    let number = u64::try_from(number).map_err(|_| IdError::NotAnId(number.to_string(), kind))?;
    bounded(number, kind)
}

macro_rules! numeric_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
        #[schemars(with = "String")]
        pub struct $name(u64);

        impl $name {
            /// The GID by which GraphQL knows it.
            pub fn gid(self) -> String {
                format!(concat!("gid://shopify/", $kind, "/{}"), self.0)
            }

            /// The number, as databases store it.
            pub fn to_i64(self) -> i64 {
                self.0.cast_signed()
            }
        }

        impl TryFrom<u64> for $name {
            type Error = IdError;
            fn try_from(number: u64) -> Result<Self, IdError> {
                bounded(number, $kind).map(Self)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;
            fn try_from(number: i64) -> Result<Self, IdError> {
                bounded_signed(number, $kind).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_number(text, $kind).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for AnyId {
            fn from(id: $name) -> Self {
                Self(Spelling::Number(id.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NumberOrText($kind)).map(Self)
            }
        }
    )*};
}

/// An id as any system may have it: a number that Shopify could have given, or else a text of 1 to 128 bytes.
///
/// What is posted, and rooms, are named by these; a record of ours never is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct AnyId(Spelling);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Spelling {
    Number(u64),
    Text(Box<str>),
}

impl AnyId {
    /// The id that such a text is for a thing of that kind, whose number or GID it may be.
    ///
    /// # Errors
    /// As for a text that is no id at all.
    pub fn of<Id: FromStr + Into<Self>>(text: &str) -> Result<Self, IdError> {
        text.parse().map(Id::into).or_else(|_| text.parse())
    }

    /// The number it is for JavaScript, where that is exact: up to 2^53 − 1.
    pub fn safe_integer(&self) -> Option<u64> {
        match self.0 {
            Spelling::Number(number) => Some(number).filter(|number| *number < 1 << 53),
            Spelling::Text(_) => None,
        }
    }
}

impl From<u64> for AnyId {
    fn from(number: u64) -> Self {
        if (1..=i64::MAX.cast_unsigned()).contains(&number) {
            Self(Spelling::Number(number))
        } else {
            Self(Spelling::Text(number.to_string().into()))
        }
    }
}

impl fmt::Display for AnyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Spelling::Number(number) => number.fmt(f),
            Spelling::Text(text) => f.write_str(text),
        }
    }
}

impl FromStr for AnyId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // A number that is written in another way, such as 007, is a text: it must come back as it was.
        let plain = text.starts_with(|first| ('1'..='9').contains(&first));
        match parse_number(text, "") {
            Ok(number) if plain => Ok(Self(Spelling::Number(number))),
            _ => name(text, "an id").map(|text| Self(Spelling::Text(text.into()))),
        }
    }
}

impl Serialize for AnyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AnyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A text that may name something.
fn name<'t>(text: &'t str, kind: &'static str) -> Result<&'t str, IdError> {
    if text.is_empty() || text.len() > ID_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(IdError::NotAName(kind));
    }
    Ok(text)
}

numeric_id! {
    /// A product.
    ProductId = "Product";
    /// A variant of a product.
    VariantId = "ProductVariant";
    /// What a variant's stock is counted of.
    InventoryItemId = "InventoryItem";
    /// A place that holds stock.
    LocationId = "Location";
    /// An order.
    OrderId = "Order";
    /// A line of an order.
    LineItemId = "LineItem";
    /// A customer.
    CustomerId = "Customer";
    /// A movement of money for an order.
    TransactionId = "OrderTransaction";
    /// A transfer of stock between locations.
    TransferId = "InventoryTransfer";
}

impl LocationId {
    /// A place that is none of Shopify's. It is on nobody's list, because no text reads as it.
    pub(crate) const UNKNOWN: Self = Self(0);
}

struct NumberOrText(&'static str);

impl de::Visitor<'_> for NumberOrText {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the id of a {}: a number, a numeric string or a GID",
            self.0
        )
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        bounded(number, self.0).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        bounded_signed(number, self.0).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_number(text, self.0).map_err(E::custom)
    }
}

/// A shop, by its permanent API name: `<name>.myshopify.com`, lower case.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ShopDomain(std::sync::Arc<str>);

impl ShopDomain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShopDomain {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_suffix(".myshopify.com").unwrap_or_default();
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if name.is_empty() || name.len() > 60 || !plain || name.starts_with('-') {
            return Err(IdError::NotAShop(excerpt(text)));
        }
        Ok(Self(lower.into()))
    }
}

impl TryFrom<String> for ShopDomain {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ShopDomain> for String {
    fn from(shop: ShopDomain) -> Self {
        shop.0.as_ref().to_owned()
    }
}

impl fmt::Display for ShopDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                name(text, concat!("a ", $kind)).map(|text| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_id! {
    /// A user, as the token names them.
    UserId = "user id";
    /// One delivery of a webhook, the same on every retry (`X-Shopify-Webhook-Id`).
    WebhookId = "webhook id";
    /// One run of a sync.
    RunId = "run id";
    /// A level's whole GID, `gid://shopify/InventoryLevel/<n>?inventory_item_id=<m>`.
    LevelGid = "level id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_a_numeric_string_and_a_gid_are_one_id() {
        let id: ProductId = "788032119674292922".parse().unwrap();
        assert_eq!(
            serde_json::from_str::<ProductId>("788032119674292922").unwrap(),
            id
        );
        assert_eq!(
            serde_json::from_str::<ProductId>("\"gid://shopify/Product/788032119674292922\"")
                .unwrap(),
            id
        );
        assert_eq!(
            serde_json::to_string(&id).unwrap(),
            "\"788032119674292922\""
        );
    }

    #[test]
    fn what_is_no_id_is_refused_with_the_reason() {
        for bad in [
            "",
            "0",
            "-1",
            "1.5",
            "abc",
            "gid://shopify/Order/1",
            "9223372036854775808",
            "+1",
            " 1",
        ] {
            let error = bad.parse::<ProductId>().unwrap_err();
            assert!(
                error.to_string().contains("not the id of a Product"),
                "{bad}: {error}"
            );
        }
        assert!(serde_json::from_str::<ProductId>("1e30").is_err());
    }

    #[test]
    fn any_id_is_shopifys_number_or_a_text_that_comes_back_as_it_was() {
        let gid = AnyId::of::<ProductId>("gid://shopify/Product/42").unwrap();
        assert_eq!(
            (gid.safe_integer(), &gid),
            (Some(42), &"42".parse().unwrap())
        );
        assert_eq!(gid, "42".parse::<ProductId>().unwrap().into());
        let order = "gid://shopify/Order/42";
        for text in [
            "42",
            "788032119674292922",
            "order-123",
            "+1",
            "0",
            "a:b",
            order,
        ] {
            assert_eq!(AnyId::of::<ProductId>(text).unwrap().to_string(), text);
        }
        assert_eq!("007".parse::<AnyId>().unwrap().to_string(), "007");
        assert_eq!(
            "788032119674292922"
                .parse::<AnyId>()
                .unwrap()
                .safe_integer(),
            None,
            "not exact in JavaScript"
        );
        for bad in ["", "a\nb", &"x".repeat(129)] {
            assert!(bad.parse::<AnyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_shop_is_a_myshopify_domain_and_nothing_else() {
        assert_eq!(
            "Pretend.myshopify.com"
                .parse::<ShopDomain>()
                .unwrap()
                .as_str(),
            "pretend.myshopify.com"
        );
        for bad in [
            "",
            ".myshopify.com",
            "a.example.com",
            "a/b.myshopify.com",
            "-a.myshopify.com",
            "a.b.myshopify.com",
        ] {
            assert!(bad.parse::<ShopDomain>().is_err(), "{bad}");
        }
    }
}
