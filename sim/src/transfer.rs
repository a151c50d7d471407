//! Transfers: stock that is on its way from one location to another.
//!
//! Their items are never edited, and a shipment takes all of them.

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::{AVAILABLE, INCOMING, RESERVED};
use crate::sale::{Changes, MAX_SOLD};
use crate::store::{ChangeRefused, SimStore, no_location};
use crate::topic::{SimTopic, TopicSubject};

/// Lines of one transfer.
const MAX_LINES: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransferStatus {
    Draft,
    ReadyToShip,
    InProgress,
    Transferred,
    Canceled,
}

impl TransferStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::ReadyToShip => "READY_TO_SHIP",
            Self::InProgress => "IN_PROGRESS",
            Self::Transferred => "TRANSFERRED",
            Self::Canceled => "CANCELED",
        }
    }
}

pub(crate) struct SimTransfer {
    pub(crate) id: u64,
    /// None where it comes from outside, for instance from a supplier.
    pub(crate) origin: Option<u64>,
    pub(crate) destination: u64,
    pub(crate) lines: Vec<SimTransferLine>,
    /// All that it was and is, and since when; the first is a draft.
    pub(crate) steps: Vec<(TransferStatus, Timestamp)>,
}

pub(crate) struct SimTransferLine {
    pub(crate) id: u64,
    pub(crate) item: u64,
    pub(crate) quantity: i64,
}

impl SimTransfer {
    pub(crate) fn status(&self) -> TransferStatus {
        self.steps
            .last()
            .map_or(TransferStatus::Draft, |(status, _)| *status)
    }

    /// What a step does to the stock and which topic tells of it; nothing where it cannot be taken now.
    fn step(&self, to: TransferStatus) -> Option<(Changes, SimTopic)> {
        type Parts<'a> = &'a [(usize, i64)];
        let (at_origin, at_destination, topic): (Parts<'_>, Parts<'_>, _) =
            match (self.status(), to) {
                (TransferStatus::Draft, TransferStatus::ReadyToShip) => (
                    &[(AVAILABLE, -1), (RESERVED, 1)],
                    &[],
                    SimTopic::INVENTORY_TRANSFERS_READY_TO_SHIP,
                ),
                (TransferStatus::ReadyToShip, TransferStatus::InProgress) => (
                    &[(RESERVED, -1)],
                    &[(INCOMING, 1)],
                    SimTopic::INVENTORY_TRANSFERS_UPDATED,
                ),
                (TransferStatus::InProgress, TransferStatus::Transferred) => (
                    &[],
                    &[(INCOMING, -1), (AVAILABLE, 1)],
                    SimTopic::INVENTORY_TRANSFERS_COMPLETE,
                ),
                (TransferStatus::Draft, TransferStatus::Canceled) => {
                    (&[], &[], SimTopic::INVENTORY_TRANSFERS_CANCEL)
                }
                (TransferStatus::ReadyToShip, TransferStatus::Canceled) => (
                    &[(RESERVED, -1), (AVAILABLE, 1)],
                    &[],
                    SimTopic::INVENTORY_TRANSFERS_CANCEL,
                ),
                _ => return None,
            };
        let ends = [
            (self.origin, at_origin),
            (Some(self.destination), at_destination),
        ];
        let mut changes = Changes::new();
        for (place, parts) in ends.into_iter().filter(|(_, parts)| !parts.is_empty()) {
            let Some(place) = place else { continue };
            changes.extend(self.lines.iter().map(|line| {
                let parts = parts
                    .iter()
                    .map(|(state, sign)| (*state, sign * line.quantity));
                (line.item, place, parts.collect())
            }));
        }
        Some((changes, topic))
    }
}

impl SimStore {
    /// A draft, of which nobody is told; items come with their units.
    pub(crate) fn draft_transfer(
        &mut self,
        origin: Option<u64>,
        destination: u64,
        items: &[(u64, i64)],
        now: Timestamp,
    ) -> Result<u64, ChangeRefused> {
        if origin == Some(destination) {
            return Err(ChangeRefused::new(
                "destinationId",
                "must be another location than originId",
            ));
        }
        if !(1..=MAX_LINES).contains(&items.len()) {
            return Err(ChangeRefused::new(
                "items",
                format!("must be 1 to {MAX_LINES}"),
            ));
        }
        for (index, (item, quantity)) in items.iter().enumerate() {
            if items[..index].iter().any(|(other, _)| other == item) {
                return Err(ChangeRefused::new(
                    "items",
                    format!("item {item} is listed twice"),
                ));
            }
            if !(1..=MAX_SOLD).contains(quantity) {
                return Err(ChangeRefused::new(
                    "quantity",
                    format!("must be between 1 and {MAX_SOLD}"),
                ));
            }
            for place in origin.into_iter().chain([destination]) {
                self.locations.find(place).ok_or_else(no_location)?;
                self.stocked(*item, place)?;
            }
        }
        let id = self.next_id();
        let lines = items.iter().map(|(item, quantity)| SimTransferLine {
            id: self.next_id(),
            item: *item,
            quantity: *quantity,
        });
        let lines = lines.collect();
        let steps = vec![(TransferStatus::Draft, to_second(now))];
        self.transfers.insert(
            id,
            SimTransfer {
                id,
                origin,
                destination,
                lines,
                steps,
            },
        );
        Ok(id)
    }

    /// Moves a transfer on, and its stock with it. Nothing is changed if it cannot be.
    pub(crate) fn move_transfer(
        &mut self,
        id: u64,
        to: TransferStatus,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let transfer = self
            .transfers
            .get(&id)
            .ok_or_else(|| ChangeRefused::new("id", "no such transfer"))?;
        let (changes, topic) = transfer.step(to).ok_or_else(|| {
            ChangeRefused::new(
                "action",
                format!("is not for a transfer that is {}", transfer.status().name()),
            )
        })?;
        for (item, place, parts) in &changes {
            let level = self.stocked(*item, *place)?;
            if let Some((state, _)) = parts
                .iter()
                .find(|(state, delta)| level.quantities[*state] + delta < 0)
            {
                let left = level.quantities[*state];
                return Err(ChangeRefused::new(
                    "quantity",
                    format!("there are only {left} at location {place}"),
                ));
            }
        }
        self.begin();
        for (item, place, parts) in changes {
            self.change_level(item, place, &parts, now)?;
        }
        if let Some(transfer) = self.transfers.get_mut(&id) {
            let index = transfer.steps.len();
            transfer.steps.push((to, to_second(now)));
            self.tell(
                topic,
                TopicSubject::Transfer {
                    transfer: id,
                    index,
                },
                now,
            );
        }
        Ok(())
    }

    fn stocked(&self, item: u64, place: u64) -> Result<&crate::record::SimLevel, ChangeRefused> {
        let missing = || {
            ChangeRefused::new(
                "inventoryItemId",
                format!("{item} is not stocked at location {place}"),
            )
        };
        self.level(item, place).ok_or_else(missing)
    }
}
