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
    #[error("a {0} has 1 to 128 printable characters")]
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
        Some(rest) => rest.strip_prefix(kind).and_then(|rest| rest.strip_prefix('/')).ok_or_else(refused)?,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refused());
    }
    // SQLite's and PostgreSQL's integers are signed.
    digits.parse::<u64>().ok().filter(|n| (1..=i64::MAX.cast_unsigned()).contains(n)).ok_or_else(refused)
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
                parse_number(&number.to_string(), $kind).map(Self)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;
            fn try_from(number: i64) -> Result<Self, IdError> {
                parse_number(&number.to_string(), $kind).map(Self)
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
}

struct NumberOrText(&'static str);

impl de::Visitor<'_> for NumberOrText {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the id of a {}: a number, a numeric string or a GID", self.0)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        parse_number(&number.to_string(), self.0).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        parse_number(&number.to_string(), self.0).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_number(text, self.0).map_err(E::custom)
    }
}

/// A shop, by its permanent API name: `<name>.myshopify.com`, lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
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
                if text.is_empty() || text.len() > ID_BYTES_MAX || text.chars().any(char::is_control) {
                    return Err(IdError::NotAName($kind));
                }
                Ok(Self(text.to_owned()))
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
        assert_eq!(serde_json::from_str::<ProductId>("788032119674292922").unwrap(), id);
        assert_eq!(
            serde_json::from_str::<ProductId>("\"gid://shopify/Product/788032119674292922\"").unwrap(),
            id
        );
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"788032119674292922\"");
    }

    #[test]
    fn what_is_no_id_is_refused_with_the_reason() {
        for bad in ["", "0", "-1", "1.5", "abc", "gid://shopify/Order/1", "9223372036854775808", "+1", " 1"] {
            let error = bad.parse::<ProductId>().unwrap_err();
            assert!(error.to_string().contains("not the id of a Product"), "{bad}: {error}");
        }
        assert!(serde_json::from_str::<ProductId>("1e30").is_err());
    }

    #[test]
    fn a_shop_is_a_myshopify_domain_and_nothing_else() {
        assert_eq!("Pretend.myshopify.com".parse::<ShopDomain>().unwrap().as_str(), "pretend.myshopify.com");
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
