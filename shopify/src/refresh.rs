//! Point reads: how a record is now, or that there is none.

use std::collections::BTreeMap;

use schemas::{Change, InventoryItemId, LevelGid, LocationId, OrderId, ProductId, RecordKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answer::{
    BegunOrder, Connection, CustomerNode, ItemNode, LineNode, LocatedLevel, LocationNode,
    OrderNode, ProductNode, VariantNode,
};
use crate::client::Client;
use crate::document::{self, Document, PAGE_ROWS, REFRESH_ORDERS, REFRESH_PRODUCTS, REFRESH_ROWS};
use crate::error::Error;
use crate::pace::Priority;
use crate::page::{PAGES_MAX, PageCursor, endless, unreadable};

/// What there was to be found, by key.
type FoundRecords = BTreeMap<RecordKey, Vec<Change>>;

#[derive(Serialize)]
struct ByIds<'a> {
    ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<Option<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelOfItem {
    inventory_level: Option<LocatedLevel>,
}

#[derive(Serialize)]
struct PageOfOne {
    id: String,
    first: u32,
    after: Option<String>,
}

impl PageOfOne {
    fn new(id: String, after: Option<&PageCursor>) -> Self {
        Self {
            id,
            first: PAGE_ROWS,
            after: after.map(PageCursor::to_string),
        }
    }
}

impl Client {
    /// Reads these records. For each key in turn: how it is now, or [`Change::Gone`] when there is none.
    ///
    /// A level is found faster by its GID, where that is known. A product brings all its variants and items.
    /// An order that is older than 60 days is not to be seen without the scope `read_all_orders`: for orders
    /// `Gone` means only that we cannot see it.
    ///
    /// # Errors
    /// When Shopify does not answer one of the calls; see [`Error`]. What was read until then is forgotten.
    pub async fn refresh(
        &self,
        keys: &[(RecordKey, Option<LevelGid>)],
    ) -> Result<Vec<(RecordKey, Vec<Change>)>, Error> {
        let mut found = FoundRecords::new();
        let (mut customers, mut items, mut locations) = (Vec::new(), Vec::new(), Vec::new());
        let (mut levels, mut orders, mut products) = (Vec::new(), Vec::new(), Vec::new());
        for (key, gid) in keys {
            match key {
                RecordKey::Customer(id) => customers.push((*key, id.gid())),
                RecordKey::Item(id) => items.push((*key, id.gid())),
                RecordKey::Level(item, location) => levels.push((*item, *location, gid.as_ref())),
                RecordKey::Location(id) => locations.push((*key, id.gid())),
                RecordKey::Order(id) => orders.push(*id),
                RecordKey::Product(id) => products.push(*id),
            }
        }
        self.by_id(
            &document::CUSTOMERS_BY_ID,
            &customers,
            CustomerNode::change,
            &mut found,
        )
        .await?;
        self.by_id(&document::ITEMS_BY_ID, &items, ItemNode::change, &mut found)
            .await?;
        self.by_id(
            &document::LOCATIONS_BY_ID,
            &locations,
            LocationNode::change,
            &mut found,
        )
        .await?;
        self.levels(&levels, &mut found).await?;
        self.orders(&orders, &mut found).await?;
        self.products(&products, &mut found).await?;
        self.look_for_names(found.values().flatten());
        let now = |key: &RecordKey| {
            found
                .get(key)
                .cloned()
                .unwrap_or_else(|| vec![Change::Gone(*key)])
        };
        Ok(keys.iter().map(|(key, _)| (*key, now(key))).collect())
    }

    async fn by_id<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        keys: &[(RecordKey, String)],
        change: fn(T) -> Change,
        found: &mut FoundRecords,
    ) -> Result<(), Error> {
        for batch in keys.chunks(REFRESH_ROWS) {
            let ids = batch.iter().map(|(_, gid)| gid.as_str()).collect();
            let nodes = self.nodes(document, ids, None).await?;
            found.extend(
                batch
                    .iter()
                    .zip(nodes)
                    .filter_map(|((key, _), node)| Some((*key, vec![change(node?)]))),
            );
        }
        Ok(())
    }

    /// Levels by GID first, the rest by item and location: a level may come back under another GID, so that not
    /// to be found by it means nothing.
    async fn levels(
        &self,
        keys: &[(InventoryItemId, LocationId, Option<&LevelGid>)],
        found: &mut FoundRecords,
    ) -> Result<(), Error> {
        let gids: Vec<_> = keys
            .iter()
            .filter_map(|(_, _, gid)| gid.map(LevelGid::as_str))
            .collect();
        for batch in gids.chunks(REFRESH_ROWS) {
            let nodes = self
                .nodes(&document::LEVELS_BY_ID, batch.to_vec(), None)
                .await?;
            found.extend(nodes.into_iter().flatten().map(LocatedLevel::found));
        }
        let mut rest: BTreeMap<LocationId, Vec<String>> = BTreeMap::new();
        for (item, location, _) in keys {
            if !found.contains_key(&RecordKey::Level(*item, *location)) {
                rest.entry(*location).or_default().push(item.gid());
            }
        }
        for (location, items) in rest {
            for batch in items.chunks(REFRESH_ROWS) {
                let ids = batch.iter().map(String::as_str).collect();
                let nodes = self
                    .nodes(&document::LEVELS_BY_ITEM, ids, Some(location))
                    .await?;
                let levels = nodes
                    .into_iter()
                    .flatten()
                    .filter_map(|item: LevelOfItem| item.inventory_level);
                found.extend(levels.map(LocatedLevel::found));
            }
        }
        Ok(())
    }

    /// Several orders with one call. One that has more of something than fits there is read page by page.
    async fn orders(&self, ids: &[OrderId], found: &mut FoundRecords) -> Result<(), Error> {
        for batch in ids.chunks(REFRESH_ORDERS) {
            let gids: Vec<_> = batch.iter().map(|id| id.gid()).collect();
            let gids = gids.iter().map(String::as_str).collect();
            let nodes = self.nodes(&document::ORDERS_BY_ID, gids, None).await?;
            for (id, order) in batch.iter().zip(nodes) {
                let Some(begun): Option<BegunOrder> = order else {
                    continue;
                };
                let now = match begun.whole() {
                    Ok(changes) => Some(changes.collect()),
                    Err(_) => self.order(*id).await?,
                };
                found.extend(now.map(|now| (RecordKey::Order(*id), now)));
            }
        }
        Ok(())
    }

    /// Several products with one call. One that has more variants than fit there is read page by page.
    async fn products(&self, ids: &[ProductId], found: &mut FoundRecords) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Begun {
            variants: Connection<VariantNode>,
            #[serde(flatten)]
            product: ProductNode,
        }
        for batch in ids.chunks(REFRESH_PRODUCTS) {
            let gids: Vec<_> = batch.iter().map(|id| id.gid()).collect();
            let gids = gids.iter().map(String::as_str).collect();
            let nodes = self.nodes(&document::PRODUCTS_BY_ID, gids, None).await?;
            for (id, product) in batch.iter().zip(nodes) {
                let Some(Begun {
                    product,
                    variants: Connection { nodes, page_info },
                }) = product
                else {
                    continue;
                };
                let now = if page_info.has_next_page {
                    self.product(*id).await?
                } else {
                    let ids = nodes.iter().map(|variant| variant.id).collect();
                    let variants = nodes.into_iter().flat_map(|variant| variant.changes(*id));
                    Some(
                        [product.change(Some(ids))]
                            .into_iter()
                            .chain(variants)
                            .collect(),
                    )
                };
                found.extend(now.map(|now| (RecordKey::Product(*id), now)));
            }
        }
        Ok(())
    }

    async fn order(&self, id: OrderId) -> Result<Option<Vec<Change>>, Error> {
        #[derive(Deserialize)]
        struct Data {
            order: Option<Whole>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Whole {
            line_items: Connection<LineNode>,
            #[serde(flatten)]
            order: OrderNode,
        }
        let (mut lines, mut after, mut state) = (Vec::new(), None, None);
        for _ in 0..PAGES_MAX {
            let variables = PageOfOne::new(id.gid(), after.as_ref());
            let answer = self
                .call::<Data>(&document::ORDER, PAGE_ROWS, variables, Priority::Read)
                .await?;
            let Some(Whole {
                order,
                line_items: Connection { nodes, page_info },
            }) = answer.data.order
            else {
                return Ok(None);
            };
            // It changed between two pages: lines of two states make an order that never was.
            if *state.get_or_insert(order.updated_at()) != order.updated_at() {
                return Ok(Some(vec![Change::LookAgain(RecordKey::Order(id))]));
            }
            lines.extend(nodes);
            after = page_info.next(&document::ORDER)?;
            if after.is_none() {
                return Ok(Some(order.changes(lines).collect()));
            }
        }
        Err(endless(&document::ORDER))
    }

    async fn product(&self, id: ProductId) -> Result<Option<Vec<Change>>, Error> {
        #[derive(Deserialize)]
        struct Data {
            product: Option<Whole>,
        }
        #[derive(Deserialize)]
        struct Whole {
            variants: Connection<VariantNode>,
            #[serde(flatten)]
            product: ProductNode,
        }
        let (mut ids, mut changes, mut after, mut state) = (Vec::new(), Vec::new(), None, None);
        let mut torn = false;
        for _ in 0..PAGES_MAX {
            let variables = PageOfOne::new(id.gid(), after.as_ref());
            let answer = self
                .call::<Data>(&document::PRODUCT, PAGE_ROWS, variables, Priority::Read)
                .await?;
            let Some(Whole {
                product,
                variants: Connection { nodes, page_info },
            }) = answer.data.product
            else {
                return Ok(None);
            };
            torn |= *state.get_or_insert(product.updated_at()) != product.updated_at();
            ids.extend(nodes.iter().map(|variant| variant.id));
            changes.extend(nodes.into_iter().flat_map(|variant| variant.changes(id)));
            after = page_info.next(&document::PRODUCT)?;
            if after.is_none() {
                // It changed between two pages: a variant may have slipped from one to the other unseen.
                changes.extend(torn.then_some(Change::LookAgain(RecordKey::Product(id))));
                changes.insert(0, product.change((!torn).then_some(ids)));
                return Ok(Some(changes));
            }
        }
        Err(endless(&document::PRODUCT))
    }

    /// What these GIDs name, in their order; `None` for what does not exist.
    async fn nodes<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        ids: Vec<&str>,
        location: Option<LocationId>,
    ) -> Result<Vec<Option<T>>, Error> {
        let count = ids.len();
        let rows = u32::try_from(count).unwrap_or(u32::MAX);
        let variables = ByIds {
            ids,
            location: location.map(LocationId::gid),
        };
        let nodes = self
            .call::<Nodes<T>>(document, rows, variables, Priority::Read)
            .await?
            .data
            .nodes;
        if nodes.len() == count {
            Ok(nodes)
        } else {
            Err(unreadable(document, "nodes"))
        }
    }
}

impl LocatedLevel {
    fn found(self) -> (RecordKey, Vec<Change>) {
        let (item, location) = self.key();
        (RecordKey::Level(item, location), vec![self.change()])
    }
}

#[cfg(test)]
mod tests;
