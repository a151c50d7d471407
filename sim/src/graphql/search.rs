//! Shopify's search syntax, as far as stockd needs it: `field:value` with `>`, `>=`, `<`, `<=`, joined by AND.
//!
//! A field that a list does not know is ignored and warned of, as the real API does:
//! <https://shopify.dev/docs/api/usage/search-syntax>, 2026-10. `OR`, `NOT`, parentheses and free text are warned of
//! as well.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use super::object::FieldRequest;
use crate::bulk::BulkRun;
use crate::record::{
    Item, OFFSET_HOURS, SimCustomer, SimLevel, SimLocation, SimOrder, SimProduct, SimSubscription,
    SimVariant,
};
use crate::table::Record;

/// A record that can be searched for.
pub(crate) trait Searchable: Record {
    /// The fields a search may name.
    const FIELDS: &'static [&'static str] = &["id", "created_at", "updated_at"];
    /// Whether times are compared by whole days only.
    const BY_DAY: bool = false;
    /// Whether a list begins with its end.
    const NEWEST_FIRST: bool = false;

    /// Whether a field of its own, none of the times and not the id, has that value.
    fn has(&self, _field: &str, _value: &str) -> bool {
        false
    }
}

impl Searchable for SimProduct {
    const FIELDS: &'static [&'static str] = &["id", "created_at", "updated_at", "title", "vendor"];
    fn has(&self, field: &str, value: &str) -> bool {
        value
            == if field == "title" {
                &self.title
            } else {
                &self.vendor
            }
    }
}

impl Searchable for SimVariant {
    const FIELDS: &'static [&'static str] = &["id", "updated_at", "sku", "product_id"];
    fn has(&self, field: &str, value: &str) -> bool {
        if field == "sku" {
            self.sku == value
        } else {
            number(value) == Some(self.product)
        }
    }
}

impl Searchable for Item {
    const FIELDS: &'static [&'static str] = &["id", "created_at", "updated_at", "sku"];
    fn has(&self, _: &str, value: &str) -> bool {
        self.sku == value
    }
}

impl Searchable for SimLevel {
    const FIELDS: &'static [&'static str] = &["created_at", "inventory_item_id", "updated_at"];
    fn has(&self, _: &str, value: &str) -> bool {
        number(value) == Some(self.item)
    }
}

impl Searchable for SimOrder {
    const FIELDS: &'static [&'static str] = &["id", "created_at", "updated_at", "name"];
    fn has(&self, _: &str, value: &str) -> bool {
        value.trim_start_matches('#') == self.number.to_string()
    }
}

impl Searchable for SimCustomer {
    const FIELDS: &'static [&'static str] = &["id", "updated_at"];
    const BY_DAY: bool = true;
}

impl Searchable for BulkRun {
    const FIELDS: &'static [&'static str] = &["id", "created_at", "operation_type", "status"];
    const NEWEST_FIRST: bool = true;
    fn has(&self, field: &str, value: &str) -> bool {
        value.eq_ignore_ascii_case(if field == "status" {
            self.status.name()
        } else {
            "query"
        })
    }
}

impl Searchable for SimLocation {}
impl Searchable for SimSubscription {}

#[derive(Clone, Copy)]
enum Is {
    Equal,
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Is {
    fn compares(self, left: f64, right: f64) -> bool {
        left.partial_cmp(&right)
            .is_some_and(|order| self.holds(order, std::cmp::Ordering::Equal))
    }

    fn holds<T: Ord + Copy>(self, left: T, right: T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Above => left > right,
            Self::AtLeast => left >= right,
            Self::Below => left < right,
            Self::AtMost => left <= right,
        }
    }
}

enum Condition {
    Id(Is, u64),
    Created(Is, i64),
    Updated(Is, i64),
    Own(&'static str, String),
}

/// The conditions of a list's `query` argument.
pub(crate) struct Search {
    conditions: Vec<Condition>,
    /// The second up to which the index has caught up.
    indexed: i64,
}

impl Search {
    /// Reads the `query` argument and notes what in it was ignored.
    pub(crate) fn of<T: Searchable>(asked: &mut FieldRequest<'_>) -> Self {
        let query = asked.field.text("query").unwrap_or("").to_owned();
        let (mut conditions, mut parsed, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for term in terms(&query) {
            parsed.push(term.to_json());
            match T::FIELDS.iter().find(|known| **known == term.field) {
                Some(field) => match term.condition(field, T::BY_DAY) {
                    Some(condition) => conditions.push(condition),
                    None => {
                        warnings.push(warning(
                            &term.field,
                            "Invalid value for this field.",
                            "invalid_value",
                        ));
                    }
                },
                None => warnings.push(warning(
                    &term.field,
                    "Invalid search field for this query.",
                    "invalid_field",
                )),
            }
        }
        let parsed = match parsed.len() {
            1 => parsed.remove(0),
            _ => json!({ "and": parsed }),
        };
        if !warnings.is_empty() {
            asked.searches.push(json!({
                "path": asked.path,
                "query": query,
                "parsed": parsed,
                "warnings": warnings,
            }));
        }
        let lag = if conditions.is_empty() {
            0
        } else {
            i64::from(asked.switches.search_lag)
        };
        Self {
            conditions,
            indexed: if lag == 0 {
                i64::MAX
            } else {
                asked.now.as_second() - lag
            },
        }
    }

    pub(crate) fn finds<T: Searchable>(&self, row: &T) -> bool {
        let whole = |second: i64| if T::BY_DAY { day(second) } else { second };
        // Even a record that was there before is not found: how it was then is not kept.
        row.updated_at().as_second() <= self.indexed
            && self.conditions.iter().all(|condition| match condition {
                Condition::Id(is, id) => is.holds(row.id(), *id),
                Condition::Created(is, second) => {
                    is.holds(whole(row.created_at().as_second()), whole(*second))
                }
                Condition::Updated(is, second) => {
                    is.holds(whole(row.updated_at().as_second()), whole(*second))
                }
                Condition::Own(field, value) => row.has(field, value),
            })
    }

    /// The second from which a record must have changed to be found, if there is one.
    pub(crate) fn changed_since(&self) -> Option<i64> {
        self.conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::Updated(Is::Above | Is::AtLeast, second) => Some(*second),
                _ => None,
            })
    }
}

fn warning(field: &str, message: &str, code: &str) -> Value {
    json!({ "field": field, "message": message, "code": code })
}

/// One part of a query: `field:value`, the field empty for a bare word.
pub(crate) struct Term {
    pub(crate) field: String,
    is: Is,
    value: String,
    quoted: bool,
}

impl Term {
    /// Whether a body has what a webhook's filter wants: at a path of fields joined by points, in any entry of a list.
    pub(crate) fn holds_in(&self, body: &Value) -> bool {
        let mut found = vec![body];
        for part in self.field.split('.') {
            let inside = found.iter().flat_map(|value| match value {
                Value::Array(values) => values.iter().collect(),
                value => vec![*value],
            });
            found = inside.filter_map(|value| value.get(part)).collect();
        }
        found.into_iter().any(|value| match value {
            Value::String(text) => match (text.parse::<f64>(), self.value.parse::<f64>()) {
                (Ok(left), Ok(right)) => self.is.compares(left, right),
                _ => self.is.holds(text.as_str(), self.value.as_str()),
            },
            Value::Number(number) => match (number.as_f64(), self.value.parse::<f64>()) {
                (Some(left), Ok(right)) => self.is.compares(left, right),
                _ => false,
            },
            Value::Bool(flag) => self.value == flag.to_string(),
            Value::Array(values) => values
                .iter()
                .any(|value| value.as_str() == Some(&self.value)),
            _ => false,
        })
    }

    fn condition(&self, field: &'static str, by_day: bool) -> Option<Condition> {
        Some(match field {
            "id" => Condition::Id(self.is, number(&self.value)?),
            "created_at" => Condition::Created(self.is, second(&self.value, by_day)?),
            "updated_at" => Condition::Updated(self.is, second(&self.value, by_day)?),
            own => Condition::Own(own, self.value.clone()),
        })
    }

    fn to_json(&self) -> Value {
        let how = match self.is {
            Is::Equal if self.quoted => "match_phrase",
            Is::Equal => "match_all",
            Is::Above => "range_gt",
            Is::AtLeast => "range_gte",
            Is::Below => "range_lt",
            Is::AtMost => "range_lte",
        };
        let mut term = json!({ how: self.value });
        if !self.field.is_empty() {
            term["field"] = json!(self.field);
        }
        term
    }
}

/// Cuts a query into terms. A value with a colon must be quoted; one that is not falls apart at it.
pub(crate) fn terms(query: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let name_ends = rest
            .find(|letter: char| letter.is_whitespace() || letter == ':')
            .unwrap_or(rest.len());
        let name = &rest[..name_ends];
        rest = &rest[name_ends..];
        if let Some(after) = rest.strip_prefix(':') {
            let (is, after) = comparison(after);
            let quoted = after.starts_with(['\'', '"']);
            let (value, after) = value(after);
            terms.push(Term {
                field: name.to_owned(),
                is,
                value: value.to_owned(),
                quoted,
            });
            rest = after;
            // What follows an unquoted colon is read as a field of its own, named by the digits before the colon.
            if let Some(after) = rest.strip_prefix(':') {
                let (value, after) = self::value(after);
                terms.push(Term {
                    field: "00".to_owned(),
                    is: Is::Equal,
                    value: value.to_owned(),
                    quoted: false,
                });
                rest = after.trim_start_matches(|letter: char| !letter.is_whitespace());
            }
        } else if name != "AND" {
            terms.push(Term {
                field: String::new(),
                is: Is::Equal,
                value: name.to_owned(),
                quoted: false,
            });
        }
        rest = rest.trim_start();
    }
    terms
}

fn comparison(text: &str) -> (Is, &str) {
    for (sign, is) in [
        (">=", Is::AtLeast),
        ("<=", Is::AtMost),
        (">", Is::Above),
        ("<", Is::Below),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            return (is, rest);
        }
    }
    (Is::Equal, text)
}

fn value(text: &str) -> (&str, &str) {
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    text.split_at(
        text.find(|letter: char| letter.is_whitespace() || letter == ':')
            .unwrap_or(text.len()),
    )
}

/// A number, or the number a global id ends in.
pub(crate) fn number(text: &str) -> Option<u64> {
    let last = if text.starts_with("gid://") {
        text.rsplit('/').next()?
    } else {
        text
    };
    last.split('?').next()?.parse().ok()
}

/// A time, or the midnight in the shop that a date begins with.
fn second(text: &str, by_day: bool) -> Option<i64> {
    if let (Ok(time), false) = (text.parse::<Timestamp>(), by_day) {
        return Some(time.as_second());
    }
    let date: Date = text.get(..10)?.parse().ok()?;
    let zone = TimeZone::fixed(Offset::constant(OFFSET_HOURS));
    Some(date.to_zoned(zone).ok()?.timestamp().as_second())
}

/// The day in the shop.
fn day(second: i64) -> i64 {
    (second + i64::from(OFFSET_HOURS) * 3600).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_cut_at_blanks_outside_quotes() {
        let cut = terms(" updated_at:>='2026-11-20T10:00:00Z' AND sku:\"A B\"  id:<=7 loose");
        let cut: Vec<_> = cut
            .iter()
            .map(|term| (term.field.as_str(), term.value.as_str()))
            .collect();
        assert_eq!(
            cut,
            [
                ("updated_at", "2026-11-20T10:00:00Z"),
                ("sku", "A B"),
                ("id", "7"),
                ("", "loose")
            ]
        );
    }

    #[test]
    fn odd_queries_end() {
        for query in [
            ":", "::", "a:'", "a:>=", "a:b:c:d", "é:ü", "'", "   ", "AND AND",
        ] {
            terms(query);
        }
    }

    #[test]
    fn a_date_is_midnight_in_the_shop() {
        assert_eq!(
            second("2026-11-20", false),
            second("2026-11-20T05:00:00Z", false)
        );
        assert_eq!(
            second("2026-11-20T23:00:00Z", true),
            second("2026-11-20", false)
        );
        assert_eq!(second("soon", false), None);
        assert_eq!(second("20é26-11-20", false), None);
    }

    #[test]
    fn ids_are_taken_from_numbers_and_global_ids() {
        assert_eq!(number("7"), Some(7));
        assert_eq!(number("gid://shopify/InventoryItem/7"), Some(7));
        assert_eq!(
            number("gid://shopify/InventoryLevel/9?inventory_item_id=7"),
            Some(9)
        );
        assert_eq!(number("-7"), None);
    }
}
