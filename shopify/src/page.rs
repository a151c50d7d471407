//! Lists, page by page, in our words.
//!
//! Shopify ends every list after 25,000 records (<https://shopify.dev/docs/api/usage/limits>, API 2026-10);
//! reading more than that at once takes bulk operations.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemas::{Change, LocationId, RecordKey, ShopDomain, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::{
    BegunOrder, Connection, CustomerNode, ItemNode, LevelNode, LocationNode, OwnedVariant,
    PageInfo, ProductNode,
};
use crate::client::Client;
use crate::document::{self, Document, ORDERS_ROWS, PAGE_ROWS};
use crate::error::Error;
use crate::pace::Priority;

/// Longest cursor taken, in bytes.
const CURSOR_BYTES_MAX: usize = 4_096;

/// Pages of one list: 25,000 records.
pub(crate) const PAGES_MAX: usize = 100;

/// A page of a list of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// What the page says about each record.
    pub changes: Vec<Change>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<PageCursor>,
    /// When Shopify answered, by its clock, to the second. The next quick pass starts from the first page's.
    pub shopify_time: Timestamp,
}

/// A place in a list, in Shopify's own words; good for as long as a run lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor(String);

/// The text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor has 1 to {CURSOR_BYTES_MAX} visible ASCII characters")]
pub struct PageCursorError;

impl FromStr for PageCursor {
    type Err = PageCursorError;
    fn from_str(text: &str) -> Result<Self, PageCursorError> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > CURSOR_BYTES_MAX || !visible {
            return Err(PageCursorError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many there are at Shopify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogCounts {
    /// Products of every status.
    pub products: u64,
    /// Variants of all products.
    pub variants: u64,
}

/// What a shop says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopInfo {
    /// Shopify's id of the shop, which it keeps also under another domain.
    pub id: String,
    /// As its customers know it.
    pub name: String,
    /// Its permanent API name: the one that was asked, unless the token is another shop's.
    pub myshopify_domain: ShopDomain,
    /// ISO 4217 code of the currency.
    pub currency_code: String,
    /// For instance `Europe/Berlin`.
    pub iana_timezone: String,
}

#[derive(Serialize)]
struct PageOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    first: u32,
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

impl<'a> PageOf<'a> {
    fn new(since: Option<Timestamp>, after: Option<&'a PageCursor>) -> Self {
        Self {
            location: None,
            first: PAGE_ROWS,
            after: after.map(|cursor| cursor.0.as_str()),
            filter: since.map(updated_since),
        }
    }
}

/// The search for what changed at or after a time
/// (<https://shopify.dev/docs/api/usage/search-syntax>, API 2026-10): quoted, no blank after the colon.
fn updated_since(since: Timestamp) -> String {
    format!("updated_at:>='{}'", to_the_second(since))
}

/// Down to the second, for that is how finely some of Shopify's times are kept.
fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

impl Client {
    /// The shop itself: the cheapest call, and one that shows whether the token is good.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn shop(&self) -> Result<ShopInfo, Error> {
        #[derive(Deserialize)]
        struct Data {
            shop: ShopInfo,
        }
        Ok(self
            .call::<Data>(&document::SHOP, 0, (), Priority::Read)
            .await?
            .data
            .shop)
    }

    /// The scopes that the app has on this shop, for instance `read_products`.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn scopes(&self) -> Result<BTreeSet<String>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            current_app_installation: Installation,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Installation {
            access_scopes: Vec<Scope>,
        }
        #[derive(Deserialize)]
        struct Scope {
            handle: String,
        }
        let data = self
            .call::<Data>(&document::SCOPES, 0, (), Priority::Read)
            .await?
            .data;
        Ok(data
            .current_app_installation
            .access_scopes
            .into_iter()
            .map(|scope| scope.handle)
            .collect())
    }

    /// How many products and variants there are.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn counts(&self) -> Result<CatalogCounts, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            products_count: Count,
            product_variants_count: Count,
        }
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let data = self
            .call::<Data>(&document::COUNTS, 0, (), Priority::Sync)
            .await?
            .data;
        Ok(CatalogCounts {
            products: data.products_count.count,
            variants: data.product_variants_count.count,
        })
    }

    /// Every location, deactivated ones and those of fulfilment services included.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn locations(&self) -> Result<Vec<Change>, Error> {
        #[derive(Deserialize)]
        struct Data {
            locations: Connection<LocationNode>,
        }
        let (mut changes, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let variables = PageOf::new(None, after.as_ref());
            let answer = self
                .call::<Data>(&document::LOCATIONS, PAGE_ROWS, variables, Priority::Sync)
                .await?;
            let Connection { nodes, page_info } = answer.data.locations;
            changes.extend(nodes.into_iter().map(LocationNode::change));
            after = page_info.next(&document::LOCATIONS)?;
            if after.is_none() {
                return Ok(changes);
            }
        }
        Err(endless(&document::LOCATIONS))
    }

    /// Products changed since, the longest unchanged first; without their variants.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn products_page(
        &self,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        struct Data {
            products: Connection<ProductNode>,
        }
        let variables = PageOf::new(since, after);
        let answer = self
            .call::<Data>(&document::PRODUCTS, PAGE_ROWS, variables, Priority::Sync)
            .await?;
        let Connection { nodes, page_info } = answer.data.products;
        Ok(RecordPage {
            changes: nodes
                .into_iter()
                .map(|product| product.change(None))
                .collect(),
            next: page_info.next(&document::PRODUCTS)?,
            shopify_time: answer.shopify_time,
        })
    }

    /// Variants changed since, in the order of their ids, each preceded by its item.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn variants_page(
        &self,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            product_variants: Connection<OwnedVariant>,
        }
        let variables = PageOf::new(since, after);
        let answer = self
            .call::<Data>(&document::VARIANTS, PAGE_ROWS, variables, Priority::Sync)
            .await?;
        let Connection { nodes, page_info } = answer.data.product_variants;
        Ok(RecordPage {
            changes: nodes.into_iter().flat_map(OwnedVariant::changes).collect(),
            next: page_info.next(&document::VARIANTS)?,
            shopify_time: answer.shopify_time,
        })
    }

    /// Items changed since: being tracked or not does not show in a variant's own time.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn items_page(
        &self,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            inventory_items: Connection<ItemNode>,
        }
        let variables = PageOf::new(since, after);
        let answer = self
            .call::<Data>(&document::ITEMS, PAGE_ROWS, variables, Priority::Sync)
            .await?;
        let Connection { nodes, page_info } = answer.data.inventory_items;
        Ok(RecordPage {
            changes: nodes.into_iter().map(ItemNode::change).collect(),
            next: page_info.next(&document::ITEMS)?,
            shopify_time: answer.shopify_time,
        })
    }

    /// Orders changed since, the longest unchanged first, where names are asked for each preceded by its customer. One
    /// with more lines, fulfilments or payments than a page has room for comes as [`Change::LookAgain`]. Without the scope `read_all_orders` those of the last 60 days are seen.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn orders_page(
        &self,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        struct Data {
            orders: Connection<BegunOrder>,
        }
        let told = |order: BegunOrder| {
            let (whole, rest) = match order.whole() {
                Ok(changes) => (Some(changes), None),
                Err(id) => (None, Some(Change::LookAgain(RecordKey::Order(id)))),
            };
            whole.into_iter().flatten().chain(rest)
        };
        let variables = PageOf {
            first: ORDERS_ROWS,
            ..PageOf::new(since, after)
        };
        let answer = self
            .call::<Data>(&document::ORDERS, ORDERS_ROWS, variables, Priority::Sync)
            .await?;
        let Connection { nodes, page_info } = answer.data.orders;
        let changes: Vec<_> = nodes.into_iter().flat_map(told).collect();
        self.look_for_names(&changes);
        Ok(RecordPage {
            changes,
            next: page_info.next(&document::ORDERS)?,
            shopify_time: answer.shopify_time,
        })
    }

    /// Customers changed since, the latest changed first: Shopify's filter knows only days, so the pages end where
    /// the first unchanged one is met.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn customers_page(
        &self,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        struct Data {
            customers: Connection<CustomerNode>,
        }
        let variables = PageOf::new(None, after);
        let answer = self
            .call::<Data>(&document::CUSTOMERS, PAGE_ROWS, variables, Priority::Sync)
            .await?;
        let Connection {
            mut nodes,
            page_info,
        } = answer.data.customers;
        let next = page_info.next(&document::CUSTOMERS)?;
        let since = since.map_or(Timestamp::MIN, to_the_second);
        let (read, changed) = (
            nodes.len(),
            nodes.partition_point(|customer| customer.updated_at() >= since),
        );
        nodes.truncate(changed);
        let changes: Vec<_> = nodes.into_iter().map(CustomerNode::change).collect();
        self.look_for_names(&changes);
        Ok(RecordPage {
            changes,
            next: next.filter(|_| changed == read),
            shopify_time: answer.shopify_time,
        })
    }

    /// Levels at a location changed since, inactive ones included, with all their quantities; the location as
    /// [`Change::Gone`] when there is none by that id.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn levels_page(
        &self,
        location: LocationId,
        since: Option<Timestamp>,
        after: Option<&PageCursor>,
    ) -> Result<RecordPage, Error> {
        #[derive(Deserialize)]
        struct Data {
            location: Option<Levels>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Levels {
            inventory_levels: Connection<LevelNode>,
        }
        let variables = PageOf {
            location: Some(location.gid()),
            ..PageOf::new(since, after)
        };
        let answer = self
            .call::<Data>(&document::LEVELS, PAGE_ROWS, variables, Priority::Sync)
            .await?;
        let shopify_time = answer.shopify_time;
        let Some(Levels {
            inventory_levels: Connection { nodes, page_info },
        }) = answer.data.location
        else {
            let changes = vec![Change::Gone(RecordKey::Location(location))];
            return Ok(RecordPage {
                changes,
                next: None,
                shopify_time,
            });
        };
        Ok(RecordPage {
            changes: nodes
                .into_iter()
                .map(|level| level.change(location))
                .collect(),
            next: page_info.next(&document::LEVELS)?,
            shopify_time,
        })
    }
}

impl PageInfo {
    /// Where the next page begins. A page that has a next one and no cursor would end a sync silently.
    pub(crate) fn next(self, document: &Document) -> Result<Option<PageCursor>, Error> {
        if !self.has_next_page {
            return Ok(None);
        }
        let cursor = self.end_cursor.and_then(|cursor| cursor.parse().ok());
        cursor
            .map(Some)
            .ok_or_else(|| unreadable(document, "pageInfo.endCursor"))
    }
}

pub(crate) fn endless(document: &Document) -> Error {
    unreadable(document, "pageInfo.hasNextPage")
}

pub(crate) fn unreadable(document: &Document, path: &str) -> Error {
    Error::Unreadable {
        document: document.name,
        path: path.to_owned(),
        json: true,
    }
}

#[cfg(test)]
mod tests;
