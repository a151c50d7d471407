//! A level as we hold it: what Shopify was last seen to say, and apart from it what our commands will do.

use schemas::event::{LevelChange, Notice};
use schemas::record::Level;
use schemas::shape::{LevelShape, StockStatus};
use schemas::{EventData, InventoryItemId, LevelGid, LocationId, Logged, RecordKey, Timestamp};

use crate::changes::ChangeApplier;
use crate::outbox::Flight;
use crate::record::MirrorRecord as _;
use crate::shape::{first_standing, shape, shape_and_standing, standing};
use crate::working_set::{Decided, Retries, for_each};
use crate::{Crossing, LevelKey, Verdict, outbox, threshold};

/// A level with everything we know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLevel {
    /// What Shopify was last seen to say.
    pub observed: Level,
    /// What our unsettled commands will do to `available`.
    pub pending: i64,
    /// How it was judged last. `None` until it first counted, and while it does not: then nothing is crossed.
    pub status: Option<StockStatus>,
}

impl HeldLevel {
    /// A level seen for the first time.
    pub fn new(observed: Level) -> Self {
        Self {
            observed,
            pending: 0,
            status: None,
        }
    }

    /// The item and the location of it.
    pub fn key(&self) -> LevelKey {
        (self.observed.inventory_item_id, self.observed.location_id)
    }

    /// What people see and the guard uses.
    pub fn available(&self) -> i64 {
        self.observed
            .quantities
            .available
            .saturating_add(self.pending)
    }
}

/// The level that a report of `available` alone amounts to: the other quantities stay as they were seen last,
/// until a read brings them.
pub fn with_available(
    level: Level,
    gid: Option<LevelGid>,
    available: Option<i64>,
    updated_at: Timestamp,
) -> Level {
    let mut said = level;
    said.gid = gid.or(said.gid);
    said.quantities.available = available.unwrap_or(said.quantities.available);
    said.updated_at = updated_at;
    said
}

impl ChangeApplier<'_, '_> {
    /// `available_only`: the other quantities are yet to be read.
    pub(crate) fn level(
        &mut self,
        held: Option<&HeldLevel>,
        mut said: Level,
        available_only: bool,
    ) -> Decided<()> {
        let (item, location) = (said.inventory_item_id, said.location_id);
        let key = RecordKey::Level(item, location);
        let flight = self.set.find::<Flight>((item, location))?;
        // While a message changes it, and until a reading after the answer, what is heard of a level is put aside.
        if flight
            .as_ref()
            .is_some_and(|flight| !flight.answered || !self.is_read(key))
        {
            return self.look_again(key);
        }
        said.gid = said.gid.or_else(|| held?.observed.gid.clone());
        let mut now = HeldLevel {
            pending: held.map_or(0, |held| held.pending),
            status: held.and_then(|held| held.status),
            observed: said,
        };
        match self.weigh(key, held, &now)? {
            Verdict::Take => {}
            Verdict::Same if flight.is_some() => {}
            Verdict::Same | Verdict::Older | Verdict::Unclear => return Ok(()),
        }
        match (&flight, held) {
            (Some(_), held) => {
                let landed = outbox::land(self.set, (item, location))?;
                // Of a level that was gone in between nothing was pending any more.
                now.pending -= held.map_or(0, |_| landed);
            }
            (None, Some(held)) => self.watch_reservations(held, &now)?,
            (None, None) => {}
        }
        if available_only {
            // What was read in vain is no longer held, unless its time is still to come.
            let retries = if now.updated_at() > self.at {
                Retries::Keep
            } else {
                Retries::Reset
            };
            self.mark(key, retries)?;
        }
        if self.silent {
            let standing = first_standing(self.set, &now)?;
            let _silent = judge_stock(&mut now, standing);
            self.set.keep(&now);
            return Ok(());
        }
        self.tell_level(held, now).map(drop)
    }

    /// Somebody else gave back what we have reserved: Shopify's own checkout may sell it now.
    pub(crate) fn watch_reservations(&mut self, held: &HeldLevel, now: &HeldLevel) -> Decided<()> {
        let reserved = now.observed.quantities.reserved;
        if reserved >= held.observed.quantities.reserved {
            return Ok(());
        }
        let (item, location) = now.key();
        let ours = self.set.reserved_units((item, location))?;
        if reserved >= ours {
            return Ok(());
        }
        let message = format!(
            "item {item} at location {location}: {ours} units are held here and only {reserved} are reserved at Shopify"
        );
        self.set.warn((item, location), message.clone());
        self.tell(Logged::SystemAlert(EventData::Own(Notice {
            user_id: None,
            title: "Reservations were undone at Shopify".to_owned(),
            message,
        })));
        Ok(())
    }

    /// Judges a level, puts it, and tells of it where there is something to tell: the level as clients see it.
    pub(crate) fn tell_level(
        &mut self,
        held: Option<&HeldLevel>,
        mut now: HeldLevel,
    ) -> Decided<LevelShape> {
        let (item, location) = now.key();
        let references = self.set.references((item, location))?;
        self.wanted
            .extend(references.item.is_none().then_some(RecordKey::Item(item)));
        self.wanted.extend(
            references
                .location
                .is_none()
                .then_some(RecordKey::Location(location)),
        );
        let (shape, standing) =
            shape_and_standing(&self.set.domain, &self.set.thresholds, &now, references);
        let crossing = judge_stock(&mut now, standing);
        self.set.keep(&now);
        let news = held.is_none_or(|held| {
            (held.observed.quantities, held.observed.active, held.pending)
                != (now.observed.quantities, now.observed.active, now.pending)
        });
        if news {
            self.tell(Logged::InventoryUpdated(EventData::Own(LevelChange {
                level: shape.clone(),
                product: shape
                    .product_id
                    .map_or(Ok(Vec::new()), |id| self.set.available_of(id))?,
                previous_available: held.map(HeldLevel::available),
                source: self.source,
                command_id: self.command.clone(),
            })));
        }
        if let Some(crossing) = crossing {
            self.tell(crossing_event(crossing, shape.clone()));
        }
        Ok(shape)
    }

    /// Tells of a level that is no more as one that is no longer active.
    pub(crate) fn delete_level(&mut self, held: &HeldLevel) -> Decided<()> {
        outbox::abandon(self.set, held.key(), self.at)?;
        let level = LevelShape {
            active: false,
            ..shape(self.set, held)?
        };
        self.set.delete::<HeldLevel>(held.key())?;
        self.tell(Logged::InventoryUpdated(EventData::Own(LevelChange {
            previous_available: Some(level.available),
            product: level
                .product_id
                .map_or(Ok(Vec::new()), |id| self.set.available_of(id))?,
            level,
            source: self.source,
            command_id: None,
        })));
        Ok(())
    }

    pub(crate) fn standing(&self, level: &HeldLevel) -> Decided<Option<StockStatus>> {
        if self.silent {
            first_standing(self.set, level)
        } else {
            standing(self.set, level)
        }
    }

    /// Judges an item's levels anew, where it is not their stock that has changed.
    pub(crate) fn judge_silently(&mut self, item: Option<InventoryItemId>) -> Decided<()> {
        for_each(
            item.map_or(Ok(Vec::new()), |item| self.set.levels_of(item))?,
            |mut level| {
                let standing = self.standing(&level)?;
                let _silent = judge_stock(&mut level, standing);
                self.set.keep(&level);
                Ok(())
            },
        )?;
        Ok(())
    }
}

pub(crate) fn unseen_level(
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
    updated_at: Timestamp,
) -> Level {
    let quantities = schemas::Quantities::default();
    Level {
        inventory_item_id,
        location_id,
        gid: None,
        active: true,
        quantities,
        updated_at,
    }
}

/// Judges a level's stock. One that does not count crosses nothing and starts afresh when it counts again.
pub(crate) fn judge_stock(held: &mut HeldLevel, standing: Option<StockStatus>) -> Option<Crossing> {
    let before = std::mem::replace(&mut held.status, standing);
    threshold::crossing(before, standing?)
}

pub(crate) fn crossing_event(crossing: Crossing, level: LevelShape) -> Logged {
    match crossing {
        Crossing::Low => Logged::InventoryLowStock(EventData::Own(level)),
        Crossing::Out => Logged::InventoryOutOfStock(EventData::Own(level)),
        Crossing::Restocked => Logged::InventoryRestocked(EventData::Own(level)),
    }
}
