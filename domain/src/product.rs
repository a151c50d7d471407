//! Products, variants and inventory items: what is sold, and what its stock is counted of.

use schemas::event::PriceChange;
use schemas::record::{InventoryItem, Product, Variant};
use schemas::{EventData, InventoryItemId, Logged, RecordKey, Timestamp, VariantId};

use crate::Verdict;
use crate::changes::ChangeApplier;
use crate::drift::DriftKind;
use crate::record::MirrorRecord as _;
use crate::shape::is_on_sale;
use crate::working_set::{Decided, for_each};

impl ChangeApplier<'_, '_> {
    pub(crate) fn product(
        &mut self,
        said: &Product,
        variants: Option<&[VariantId]>,
    ) -> Decided<()> {
        let key = RecordKey::Product(said.id);
        let held: Option<Product> = self.set.find(said.id)?;
        let verdict = self.judge(key, held.as_ref(), said)?;
        // Shopify touches a product's time on every order and stock change; that is no news of the product.
        let content = |product: &Product| Product {
            updated_at: Timestamp::UNIX_EPOCH,
            ..product.clone()
        };
        if verdict == Verdict::Take && held.as_ref().map(content) != Some(content(said)) {
            self.products.insert(said.id, held.is_none());
        }
        if verdict == Verdict::Take && is_on_sale(held.as_ref()) != is_on_sale(Some(said)) {
            for_each(self.set.variants_of(said.id)?, |variant| {
                self.judge_silently(variant.inventory_item_id)?;
                Ok(())
            })?;
        }
        if let (Verdict::Take | Verdict::Same, Some(variants)) = (verdict, variants) {
            let gone: Vec<Variant> = self.set.variants_of(said.id)?;
            for_each(
                gone.into_iter().filter(|held| !variants.contains(&held.id)),
                |variant| {
                    // Absence is not deletion: only a read of this very product makes it so.
                    if self.is_read(key) {
                        self.delete_variant(&variant)?;
                        self.products.entry(said.id).or_insert(false);
                        if let Some(check) = self.drift_check_of(key) {
                            self.drifted(check, variant.name(), DriftKind::Gone, None);
                        }
                    } else {
                        self.look_again(key)?;
                    }
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    pub(crate) fn variant(&mut self, said: &Variant) -> Decided<()> {
        let key = RecordKey::Product(said.product_id);
        let held: Option<Variant> = self.set.find(said.id)?;
        let said = Variant {
            inventory_item_id: said
                .inventory_item_id
                .or_else(|| held.as_ref()?.inventory_item_id),
            bundle: said.bundle.or_else(|| held.as_ref()?.bundle),
            ..said.clone()
        };
        if self.judge(key, held.as_ref(), &said)? != Verdict::Take {
            return Ok(());
        }
        self.wanted.insert(key);
        self.wanted
            .extend(said.inventory_item_id.map(RecordKey::Item));
        let content = |variant: &Variant| Variant {
            updated_at: Timestamp::UNIX_EPOCH,
            ..variant.clone()
        };
        if held.as_ref().map(content) != Some(content(&said)) {
            self.products.entry(said.product_id).or_insert(false);
        }
        if let (Some(item), Some(held)) = (said.inventory_item_id, &held)
            && held.sku != said.sku
        {
            self.renumbered.insert(item, RecordKey::Item(item));
        }
        match held {
            Some(held) if held.price != said.price => {
                self.tell(Logged::ProductPriceChanged(EventData::Own(PriceChange {
                    product_id: said.product_id,
                    variant_id: said.id,
                    sku: said.sku,
                    previous_price: held.price,
                    price: said.price,
                })));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn item(&mut self, said: &InventoryItem) -> Decided<()> {
        let held: Option<InventoryItem> = self.set.find(said.id)?;
        let verdict = self.judge(RecordKey::Item(said.id), held.as_ref(), said)?;
        if verdict != Verdict::Take {
            return Ok(());
        }
        if let Some(held) = &held
            && held.sku != said.sku
            && let Some(variant) = self.set.variant_of(said.id)?
        {
            self.renumbered
                .insert(said.id, RecordKey::Product(variant.product_id));
        }
        if held.is_none_or(|held| held.tracked != said.tracked) {
            self.judge_silently(Some(said.id))?;
        }
        Ok(())
    }

    pub(crate) fn delete_variant(&mut self, variant: &Variant) -> Decided<()> {
        self.set.delete::<Variant>(variant.id)?;
        variant
            .inventory_item_id
            .map_or(Ok(()), |item| self.delete_item(item))
    }

    pub(crate) fn delete_item(&mut self, item: InventoryItemId) -> Decided<()> {
        for_each(self.set.levels_of(item)?, |level| {
            self.delete_level(&level)?;
            Ok(())
        })?;
        self.set.delete::<InventoryItem>(item)
    }
}
