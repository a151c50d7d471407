//! Whether what is said of a transfer is news.
//!
//! A tie is settled by no reading, as it is with records, because a transfer has no time of its last change. So all that
//! can be said of one has an order, and nothing is told after what is later.

use schemas::event::Transfer;
use schemas::{EventData, Logged, Timestamp};

use crate::changes::ChangeApplier;
use crate::working_set::{Decided, ToldTransfer};

/// The way of a transfer in Shopify's words; of those of the same second the later one stands.
const STAGES: [&str; 5] = [
    "draft",
    "ready_to_ship",
    "in_progress",
    "transferred",
    "canceled",
];

/// Whether what is said is later than what was told last; of the same time, whether its status is another and a later one.
pub fn is_news(told: Option<&Transfer>, said: &Transfer) -> bool {
    fn place(transfer: &Transfer) -> (Timestamp, Option<usize>, Option<&str>) {
        let status = transfer.status.as_deref();
        (
            transfer.happened_at,
            STAGES.iter().position(|stage| Some(*stage) == status),
            status,
        )
    }
    told.is_none_or(|told| place(said) > place(told))
}

impl ChangeApplier<'_, '_> {
    /// Tells of a transfer what is news, with its ends where they were said before.
    pub(crate) fn transfer(&mut self, said: &Transfer) -> Decided<()> {
        let told = self.set.find::<ToldTransfer>(said.transfer_id)?;
        let told = told.map(|told| told.told);
        if !is_news(told.as_ref(), said) {
            return Ok(());
        }
        let (origin_id, destination_id) =
            told.map_or((None, None), |told| (told.origin_id, told.destination_id));
        let news = Transfer {
            origin_id: said.origin_id.or(origin_id),
            destination_id: said.destination_id.or(destination_id),
            ..said.clone()
        };
        let told = ToldTransfer {
            told: news.clone(),
            at: self.at,
        };
        self.set.put(news.transfer_id, told);
        self.tell(Logged::InventoryTransfer(EventData::Own(news)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of these is told, coming in this order: seconds, and statuses where they are said.
    fn told(said: &[(i64, Option<&str>)]) -> Vec<usize> {
        let (mut told, mut news) = (None, Vec::new());
        for (index, (second, status)) in said.iter().enumerate() {
            let transfer = Transfer {
                transfer_id: 1_u64.try_into().unwrap(),
                status: status.map(str::to_owned),
                origin_id: None,
                destination_id: None,
                quantity: None,
                happened_at: Timestamp::from_second(*second).unwrap(),
            };
            if is_news(told.as_ref(), &transfer) {
                told = Some(transfer);
                news.push(index);
            }
        }
        news
    }

    #[test]
    fn the_same_again_and_what_is_older_is_no_news() {
        assert_eq!(
            told(&[(1, Some("ready_to_ship")), (1, Some("ready_to_ship"))]),
            [0]
        );
        assert_eq!(
            told(&[
                (2, Some("transferred")),
                (1, Some("ready_to_ship")),
                (1, None)
            ]),
            [0]
        );
        assert_eq!(
            told(&[
                (1, Some("ready_to_ship")),
                (2, Some("ready_to_ship")),
                (3, None)
            ]),
            [0, 1, 2]
        );
    }

    #[test]
    fn of_one_second_the_later_stage_stands_whatever_comes_first() {
        let (ready, gone) = ((1, Some("ready_to_ship")), (1, Some("canceled")));
        assert_eq!(told(&[ready, gone, ready, gone]), [0, 1]);
        assert_eq!(told(&[gone, ready, gone]), [0]);
        let unknown = (1, Some("a word of next year"));
        assert_eq!(told(&[unknown, ready, unknown, gone]), [0, 1, 3]);
    }

    #[test]
    fn what_says_no_status_says_nothing_beside_what_does() {
        assert_eq!(
            told(&[(1, None), (1, None), (1, Some("ready_to_ship")), (1, None)]),
            [0, 2]
        );
    }
}
