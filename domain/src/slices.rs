//! What is done to a whole shop in slices of at most [`SLICE`](crate::SLICE) records, each in a transaction of its own:
//! other operations go between them.
//!
//! That it is to be done is kept in the transaction that decides it, and how far it is in that of each slice. So a crash
//! loses nothing, and whoever registers the shop at the next start goes on. What is read meanwhile:
//!
//! - of a customer who is being forgotten: no record and nothing new, but orders and entries of the log that are still to
//!   come in a slice. Whoever asked is answered after the last one, and only then is it said that something was erased.
//! - of names that are no longer wanted: the same.
//! - of a location that opened or closed: sums count its stock or do not from the first moment. Its levels are told one
//!   after another, each once and whole.
//! - of new thresholds: each level crosses the new one when its slice comes, or when it changes before that.
//! - of a shop that is being forgotten: what is left of it. Of a log that is being pruned: what is behind the floor, which
//!   rises with each slice.

use schemas::event::{LevelChange, Source};
use schemas::{EventData, InventoryItemId, LocationId, Logged, ShopDomain, Timestamp};

use crate::changes::ChangeApplier;
use crate::level::{crossing_event, judge_stock};
use crate::operation::Outcome;
use crate::shape::{shape, standing};
use crate::working_set::{
    BulkWrite, Decided, Judging, Redaction, ShopRow, ShopSet, WorkingSet, for_each,
};
use crate::{HeldLevel, LevelKey};

/// Whether something of a shop is under way.
pub(crate) fn is_under_way(set: &mut WorkingSet, domain: &ShopDomain) -> Decided<bool> {
    let row = set.shop_row(domain)?;
    let is_in_row = row.erasing.is_some() || row.judging.is_some() || !row.moved.is_empty();
    Ok(is_in_row || set.shop(domain)?.redaction_under_way()?.is_some())
}

/// Does the next slice of what is under way in a shop; `more` is false when nothing was.
pub(crate) fn go_on(set: &mut WorkingSet, domain: &ShopDomain, at: Timestamp) -> Decided<Outcome> {
    let row = set.shop_row(domain)?;
    if let Some(done) = row.erasing {
        let shop = domain.clone();
        set.write(BulkWrite::ForgetNames { shop, done });
    } else if let Some(Redaction {
        customer,
        erasing: Some((until, done)),
        ..
    }) = set.shop(domain)?.redaction_under_way()?
    {
        set.write(BulkWrite::Redact {
            shop: domain.clone(),
            customer,
            until,
            done,
        });
    } else if let Some(judging) = &row.judging {
        let (judging, row) = (judging.clone(), row.clone());
        judge_all(set, domain, row, &judging, at)?;
    } else if let Some((location, after)) = row.moved.first_key_value() {
        let (location, after, row) = (*location, *after, row.clone());
        let last = judge_moved(&mut set.shop(domain)?, location, after, at)?;
        let mut moved = row.moved.clone();
        match last {
            Some(last) => moved.insert(location, Some(last)),
            None => moved.remove(&location),
        };
        set.shops.put(domain.clone(), ShopRow { moved, ..row });
    } else {
        return Ok(Outcome::default());
    }
    Ok(Outcome {
        more: true,
        ..Outcome::default()
    })
}

/// Judges a slice of all levels of a shop against its thresholds.
fn judge_all(
    set: &mut WorkingSet,
    domain: &ShopDomain,
    row: ShopRow,
    judging: &Judging,
    at: Timestamp,
) -> Decided<()> {
    let mut shop = set.shop(domain)?;
    let (slice, more) = shop.levels_after(judging.after)?;
    let last: Option<LevelKey> = slice.last().map(HeldLevel::key);
    for_each(slice, |mut held| {
        let standing = standing(&shop, &held)?;
        let crossing = judge_stock(&mut held, standing);
        shop.put(held.key(), held.clone());
        if let Some(crossing) = crossing {
            let shape = shape(&shop, &held)?;
            shop.append(at, crossing_event(crossing, shape));
        }
        Ok(())
    })?;
    let judging = more.then_some(Judging { after: last });
    set.shops.put(domain.clone(), ShopRow { judging, ..row });
    Ok(())
}

/// Judges a slice of the levels of a location that opened or closed, and tells of them: nothing of them is another at
/// Shopify, and yet their stock counts no longer, or again. The last item of the slice where there are more.
fn judge_moved(
    set: &mut ShopSet<'_>,
    location: LocationId,
    after: Option<InventoryItemId>,
    at: Timestamp,
) -> Decided<Option<InventoryItemId>> {
    let (slice, last) = set.levels_at_after(location, after)?;
    let mut applier = ChangeApplier::new(set, at, Source::Sync, false);
    for_each(slice, |mut level| {
        let standing = applier.standing(&level)?;
        let _silent = judge_stock(&mut level, standing);
        applier.set.put(level.key(), level.clone());
        if level.observed.active {
            let shape = shape(applier.set, &level)?;
            applier.tell(Logged::InventoryUpdated(EventData::Own(LevelChange {
                previous_available: Some(shape.available),
                product: shape
                    .product_id
                    .map_or(Ok(Vec::new()), |id| applier.set.available_of(id))?,
                level: shape,
                source: applier.source,
                command_id: None,
            })));
        }
        Ok(())
    })?;
    Ok(last)
}
