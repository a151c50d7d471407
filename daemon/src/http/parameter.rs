//! Parameters of routes. Each is a constant that says its name, its bounds and its default once: requests are read by
//! it and the OpenAPI document is made from it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use http::HeaderMap;
use schemars::{Schema, json_schema};
use schemas::{ErrorBody, Identity, InventoryItemId, LocationId, ShopDomain, Timestamp};

use crate::limits::{LIST_ITEMS_MAX, PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX};
use crate::shop::names;

/// Where in a request a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParameterPlace {
    Header,
    Path,
    Query,
}

/// A parameter of that kind.
pub(super) struct Parameter<K> {
    pub(super) name: &'static str,
    pub(super) place: ParameterPlace,
    pub(super) summary: &'static str,
    pub(super) kind: K,
}

/// What a parameter takes: the same bounds as a schema for the document and as a reader for requests.
pub(super) trait ParameterKind {
    type Value;

    fn schema(&self) -> Schema;

    /// Reads what was sent, or the default where nothing was.
    ///
    /// # Errors
    /// In a sentence for who sent it, with the parameter's name as `field`.
    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        sent: &SentParameters,
    ) -> Result<Self::Value, ErrorBody>;
}

/// A parameter as the OpenAPI document needs it, whatever it takes.
pub(super) trait DescribedParameter: Sync {
    fn name(&self) -> &'static str;
    fn place(&self) -> ParameterPlace;
    fn summary(&self) -> &'static str;
    fn schema(&self) -> Schema;
}

impl<K: ParameterKind + Sync> DescribedParameter for Parameter<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&self) -> ParameterPlace {
        self.place
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn schema(&self) -> Schema {
        self.kind.schema()
    }
}

/// Everything that a request says by name, and what reading it needs to know.
pub(super) struct SentParameters<'r> {
    pub(super) identity: &'r Identity,
    /// The shops that are configured.
    pub(super) shops: &'r [ShopDomain],
    pub(super) query: HashMap<String, String>,
    /// What stands for `{…}` in the path.
    pub(super) path_part: &'r str,
    pub(super) headers: &'r HeaderMap,
}

impl<K: ParameterKind> Parameter<K> {
    pub(super) fn read(&self, sent: &SentParameters) -> Result<K::Value, ErrorBody> {
        let text = match self.place {
            ParameterPlace::Query => sent
                .query
                .get(self.name)
                .map(|text| Cow::Borrowed(text.as_str())),
            ParameterPlace::Path => Some(Cow::Borrowed(sent.path_part)),
            ParameterPlace::Header => {
                let header = sent.headers.get(self.name);
                header.map(|value| String::from_utf8_lossy(value.as_bytes()))
            }
        };
        self.kind.read(self.name, text.as_deref(), sent)
    }
}

/// The parameters of a route, read together; made by [`parameters!`].
pub(super) trait RouteParameters: Sized {
    /// In the order in which the document lists them and requests are read.
    const DESCRIBED: &'static [&'static dyn DescribedParameter];

    fn read(sent: &SentParameters) -> Result<Self, ErrorBody>;
}

/// Makes a struct of parameters from one list: `field: Type = PARAMETER`.
macro_rules! parameters {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($field_vis:vis $field:ident: $type:ty = $parameter:expr),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($field_vis $field: $type),* }

        impl $crate::http::parameter::RouteParameters for $name {
            const DESCRIBED: &'static [&'static dyn $crate::http::parameter::DescribedParameter] = &[$(&$parameter),*];

            fn read(sent: &$crate::http::parameter::SentParameters) -> Result<Self, schemas::ErrorBody> {
                Ok(Self { $($field: $parameter.read(sent)?),* })
            }
        }
    };
}
pub(super) use parameters;

/// Of a route that takes none.
pub(super) struct NoParameters;

impl RouteParameters for NoParameters {
    const DESCRIBED: &'static [&'static dyn DescribedParameter] = &[];

    fn read(_: &SentParameters) -> Result<Self, ErrorBody> {
        Ok(Self)
    }
}

parameters! {
    /// Of a route that is about one shop.
    pub(super) struct OfShop {
        pub(super) shop: ShopDomain = SHOP,
    }
}

parameters! {
    /// Of a list without pages.
    pub(super) struct ListParameters {
        pub(super) shop: ShopDomain = SHOP,
        pub(super) limit: usize = LIMIT,
    }
}

pub(super) const SHOP: Parameter<Shop> = query(
    "shop",
    "Domain of the shop; not needed if the token is good for one shop.",
    Shop,
);
/// The shop where the body may name it as well; whoever reads the body decides.
pub(super) const SHOP_OR_IN_BODY: Parameter<Text> = query(
    SHOP.name,
    SHOP.summary,
    Text {
        schema: shop_schema,
    },
);
pub(super) const SHOP_BY_ANY_NAME: Parameter<Text> = query(
    "shop",
    "Domain or id of the shop; not needed if there is only one.",
    Text { schema: any_text },
);
pub(super) const LIMIT: Parameter<Integer> = query(
    "limit",
    "Maximum number of records.",
    Integer {
        min: 1,
        max: PAGE_RECORDS_MAX,
        default: PAGE_RECORDS_DEFAULT,
    },
);

pub(super) const fn query<K>(name: &'static str, summary: &'static str, kind: K) -> Parameter<K> {
    Parameter {
        name,
        place: ParameterPlace::Query,
        summary,
        kind,
    }
}

/// Where a page goes on.
pub(super) const fn page<T>(
    name: &'static str,
    schema: fn() -> Schema,
    problem: Option<&'static str>,
) -> Parameter<Parsed<T>> {
    query(
        name,
        "The `next` of the previous page.",
        Parsed {
            schema,
            problem,
            of: PhantomData,
        },
    )
}

pub(super) const fn path_part(name: &'static str, summary: &'static str) -> Parameter<PathText> {
    Parameter {
        name,
        place: ParameterPlace::Path,
        summary,
        kind: PathText,
    }
}

pub(super) const fn header<K>(name: &'static str, summary: &'static str, kind: K) -> Parameter<K> {
    Parameter {
        name,
        place: ParameterPlace::Header,
        summary,
        kind,
    }
}

/// A schema of any text.
pub(super) fn any_text() -> Schema {
    json_schema!({ "type": "string" })
}

fn shop_schema() -> Schema {
    json_schema!({ "type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9-]{0,59}\.[Mm][Yy][Ss][Hh][Oo][Pp][Ii][Ff][Yy]\.[Cc][Oo][Mm]$" })
}

/// A number or GID, as a pattern.
fn id_pattern(kind: &str) -> String {
    format!("(gid://shopify/{kind}/)?0*[1-9][0-9]{{0,18}}")
}

/// The shop that the request is about: the one that it names, else the only one of the bearer.
pub(super) struct Shop;

impl ParameterKind for Shop {
    type Value = ShopDomain;

    fn schema(&self) -> Schema {
        shop_schema()
    }

    fn read(
        &self,
        _: &str,
        text: Option<&str>,
        sent: &SentParameters,
    ) -> Result<ShopDomain, ErrorBody> {
        names::shop(sent.identity, text, sent.shops)
    }
}

/// A whole number within bounds, both of them included.
pub(super) struct Integer {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) default: usize,
}

impl ParameterKind for Integer {
    type Value = usize;

    fn schema(&self) -> Schema {
        let Self { min, max, default } = self;
        json_schema!({ "type": "integer", "minimum": min, "maximum": max, "default": default })
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<usize, ErrorBody> {
        let Some(text) = text else {
            return Ok(self.default);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (self.min..=self.max).contains(number));
        number.ok_or_else(|| {
            ErrorBody::field(
                field,
                format!("a whole number from {} to {}", self.min, self.max),
            )
        })
    }
}

/// One of these words.
pub(super) struct Choice {
    pub(super) words: &'static [&'static str],
    /// The word that counts where none is said.
    pub(super) default: Option<&'static str>,
}

impl ParameterKind for Choice {
    type Value = Option<&'static str>;

    fn schema(&self) -> Schema {
        let mut schema = json_schema!({ "enum": self.words });
        if let Some(default) = self.default {
            schema.insert("default".to_owned(), default.into());
        }
        schema
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Self::Value, ErrorBody> {
        let Some(text) = text else {
            return Ok(self.default);
        };
        let word = self.words.iter().find(|word| **word == text);
        let word = word.ok_or_else(|| {
            let (last, others) = self.words.split_last().unwrap_or((&"", &[]));
            ErrorBody::field(field, format!("{} or {last}", others.join(", ")))
        })?;
        Ok(Some(word))
    }
}

/// Any text; what it means is for the handler.
pub(super) struct Text {
    pub(super) schema: fn() -> Schema,
}

impl ParameterKind for Text {
    type Value = Option<String>;

    fn schema(&self) -> Schema {
        (self.schema)()
    }

    fn read(
        &self,
        _: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Self::Value, ErrorBody> {
        Ok(text.map(str::to_owned))
    }
}

/// What stands in the path; always there, or the path would be another.
pub(super) struct PathText;

impl ParameterKind for PathText {
    type Value = String;

    fn schema(&self) -> Schema {
        any_text()
    }

    fn read(&self, _: &str, text: Option<&str>, _: &SentParameters) -> Result<String, ErrorBody> {
        Ok(text.unwrap_or_default().to_owned())
    }
}

/// A text that is read as a type.
pub(super) struct Parsed<T> {
    pub(super) schema: fn() -> Schema,
    /// The refusal, where the type's own would not help.
    pub(super) problem: Option<&'static str>,
    pub(super) of: PhantomData<fn() -> T>,
}

impl<T: FromStr<Err: Display>> ParameterKind for Parsed<T> {
    type Value = Option<T>;

    fn schema(&self) -> Schema {
        (self.schema)()
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Option<T>, ErrorBody> {
        let refuse = |why: T::Err| {
            ErrorBody::field(
                field,
                self.problem.map_or_else(|| why.to_string(), str::to_owned),
            )
        };
        text.map(|text| text.parse().map_err(refuse)).transpose()
    }
}

/// Shopify's id of one record, as a number or a GID.
pub(super) struct RecordId<T> {
    /// The type of Shopify that stands in the GID.
    pub(super) shopify_type: &'static str,
    pub(super) of: PhantomData<fn() -> T>,
}

impl<T: FromStr<Err: Display>> ParameterKind for RecordId<T> {
    type Value = Option<T>;

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^{}$", id_pattern(self.shopify_type)) })
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Option<T>, ErrorBody> {
        let refuse = |why: T::Err| ErrorBody::field(field, why.to_string());
        text.map(|text| text.parse().map_err(refuse)).transpose()
    }
}

/// Ids of records of one type, separated by commas, at most [`LIST_ITEMS_MAX`]; none at all are a list as well.
pub(super) struct IdList<T>(pub(super) RecordId<T>);

pub(super) const fn id_list<T>(
    name: &'static str,
    summary: &'static str,
    shopify_type: &'static str,
) -> Parameter<IdList<T>> {
    query(
        name,
        summary,
        IdList(RecordId {
            shopify_type,
            of: PhantomData,
        }),
    )
}

impl<T: FromStr<Err: Display> + Ord> ParameterKind for IdList<T> {
    type Value = Option<Vec<T>>;

    fn schema(&self) -> Schema {
        let id = id_pattern(self.0.shopify_type);
        json_schema!({ "type": "string", "pattern": format!("^({id})?(,({id})?)*$") })
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Self::Value, ErrorBody> {
        text.map(|text| list(field, text)).transpose()
    }
}

/// Values of one type, separated by commas, at least one and at most [`LIST_ITEMS_MAX`].
pub(super) struct ValueList<T> {
    pub(super) schema: fn() -> Schema,
    /// The refusal of an empty list.
    pub(super) empty: &'static str,
    pub(super) of: PhantomData<fn() -> T>,
}

impl<T: FromStr<Err: Display> + Ord> ParameterKind for ValueList<T> {
    type Value = Option<Vec<T>>;

    fn schema(&self) -> Schema {
        (self.schema)()
    }

    fn read(
        &self,
        field: &str,
        text: Option<&str>,
        _: &SentParameters,
    ) -> Result<Self::Value, ErrorBody> {
        let Some(text) = text else { return Ok(None) };
        let values = list(field, text)?;
        if values.is_empty() {
            return Err(ErrorBody::field(field, self.empty));
        }
        Ok(Some(values))
    }
}

/// Each value once, even where two texts mean the same one.
fn list<T: FromStr<Err: Display> + Ord>(field: &str, text: &str) -> Result<Vec<T>, ErrorBody> {
    let parts: BTreeSet<&str> = text.split(',').filter(|part| !part.is_empty()).collect();
    if parts.len() > LIST_ITEMS_MAX {
        let message =
            format!("{field} takes at most {LIST_ITEMS_MAX}; ask several times, or for everything");
        return Err(ErrorBody::field(field, message));
    }
    let values = parts
        .into_iter()
        .map(str::parse)
        .collect::<Result<BTreeSet<T>, _>>();
    let values = values.map_err(|problem| ErrorBody::field(field, problem.to_string()))?;
    Ok(values.into_iter().collect())
}

/// The last level of a page, `<item>:<location>`.
pub(super) struct LevelCursor(pub(super) InventoryItemId, pub(super) LocationId);

impl LevelCursor {
    pub(super) fn schema() -> Schema {
        let pattern = format!(
            "^{}:{}$",
            id_pattern("InventoryItem"),
            id_pattern("Location")
        );
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

impl FromStr for LevelCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = "the `next` of the page before: <item>:<location>";
        let (item, location) = text.split_once(':').ok_or(problem)?;
        let (item, location) = (
            item.parse().map_err(|_| problem)?,
            location.parse().map_err(|_| problem)?,
        );
        Ok(Self(item, location))
    }
}

/// The last record of a page that is ordered by time and id, `<time>_<id>`.
pub(super) struct TimeCursor(pub(super) Timestamp, pub(super) String);

impl TimeCursor {
    pub(super) fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z_.*$" })
    }
}

impl FromStr for TimeCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = "the `next` of the page before";
        let (at, id) = text.split_once('_').ok_or(problem)?;
        Ok(Self(at.parse().map_err(|_| problem)?, id.to_owned()))
    }
}
