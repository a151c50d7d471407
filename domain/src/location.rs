//! Locations: when one opens or closes, its stock counts again or no longer.

use schemas::event::LevelChange;
use schemas::record::Location;
use schemas::{EventData, Logged, RecordKey};

use crate::Verdict;
use crate::changes::ChangeApplier;
use crate::level::judge_stock;
use crate::shape::shape;
use crate::working_set::{Decided, for_each};

impl ChangeApplier<'_, '_> {
    pub(crate) fn location(&mut self, said: &Location) -> Decided<()> {
        let held: Option<Location> = self.set.find(said.id)?;
        let verdict = self.judge(RecordKey::Location(said.id), held.as_ref(), said)?;
        let was_active = held.is_none_or(|held| held.active);
        if verdict != Verdict::Take || was_active == said.active {
            return Ok(());
        }
        // Nothing of its levels is another at Shopify, and yet their stock counts no longer, or again.
        for_each(self.set.levels_at(said.id)?, |mut level| {
            let standing = self.standing(&level)?;
            let _silent = judge_stock(&mut level, standing);
            self.set.keep(&level);
            if level.observed.active && !self.silent {
                let shape = shape(self.set, &level)?;
                self.tell(Logged::InventoryUpdated(EventData::Own(LevelChange {
                    previous_available: Some(shape.available),
                    product: shape
                        .product_id
                        .map_or(Ok(Vec::new()), |id| self.set.available_of(id))?,
                    level: shape,
                    source: self.source,
                    command_id: None,
                })));
            }
            Ok(())
        })?;
        Ok(())
    }
}
