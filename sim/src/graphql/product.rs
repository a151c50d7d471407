//! Products and their variants.

use std::borrow::Cow;

use super::connection::ConnectionPage;
use super::object::{FieldAnswer, FieldRequest, Object, Resolved};
use crate::record::{SimProduct, SimVariant, price};
use crate::store::SimStore;

pub(crate) fn product<'a>(
    store: &'a SimStore,
    row: &'a SimProduct,
    asked: &mut FieldRequest<'_>,
) -> FieldAnswer<'a> {
    let variants = || {
        row.variants
            .iter()
            .filter_map(|id| store.variants.find(*id))
    };
    Ok(match asked.name() {
        "id" => format!("gid://shopify/Product/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "title" => row.title.as_str().into(),
        "handle" => row.handle.as_str().into(),
        "vendor" => row.vendor.as_str().into(),
        "productType" => row.kind.as_str().into(),
        "status" => "ACTIVE".into(),
        "tags" => Resolved::Texts(
            row.tags
                .iter()
                .map(|tag| Cow::Borrowed(tag.as_str()))
                .collect(),
        ),
        "createdAt" | "publishedAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "tracksInventory" => true.into(),
        "totalInventory" => variants()
            .map(|variant| store.available(variant.item))
            .sum::<i64>()
            .into(),
        "variantsCount" => Object::Count(row.variants.len(), true).into(),
        // Of these the pretend shop has none.
        "collections" | "media" | "metafields" | "sellingPlanGroups" => {
            ConnectionPage::of_all(Vec::new(), asked)?.into()
        }
        "variants" => ConnectionPage::of_rows(
            variants().collect(),
            |variant| variant.id,
            asked,
            Object::Variant,
        )?
        .into(),
        _ => return asked.unanswered(),
    })
}

pub(crate) fn variant<'a>(
    store: &'a SimStore,
    row: &'a SimVariant,
    asked: &FieldRequest<'_>,
) -> FieldAnswer<'a> {
    let product = || store.products.find(row.product);
    Ok(match asked.name() {
        "id" => format!("gid://shopify/ProductVariant/{}", row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "title" => row.title.as_str().into(),
        "displayName" => product()
            .map(|product| format!("{} - {}", product.title, row.title))
            .into(),
        "sku" => row.sku.as_str().into(),
        "barcode" => row.barcode.as_str().into(),
        "price" => price(row.price).into(),
        "compareAtPrice" => Resolved::Null,
        "position" => row.position.into(),
        "inventoryPolicy" => if row.oversell { "CONTINUE" } else { "DENY" }.into(),
        "requiresComponents" => row.bundle.into(),
        "inventoryQuantity" => store.available(row.item).into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        "metafields" => ConnectionPage::of_all(Vec::new(), asked)?.into(),
        "product" => product().map(Object::Product).into(),
        "inventoryItem" => store.items.find(row.item).map(Object::Item).into(),
        _ => return asked.unanswered(),
    })
}
