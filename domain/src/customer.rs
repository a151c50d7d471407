//! Customers: what is kept of them, and that they stay forgotten.

use schemas::event::CustomerActivity;
use schemas::record::Customer;
use schemas::{EventData, Logged, RecordKey};

use crate::Verdict;
use crate::changes::ChangeApplier;
use crate::working_set::Decided;

impl ChangeApplier<'_, '_> {
    pub(crate) fn customer(&mut self, said: &Customer) -> Decided<()> {
        if self.set.stays_forgotten(said.id, said.updated_at)? {
            return Ok(());
        }
        let mut held: Option<Customer> = self.set.find(said.id)?;
        // The name that is heard first of a customer whom we knew without one is no news.
        if let Some(held) = &mut held
            && held.name.is_none()
            && said.name.is_some()
            && held.updated_at == said.updated_at
        {
            held.name.clone_from(&said.name);
            self.set.keep(held);
        }
        if self.judge(RecordKey::Customer(said.id), held.as_ref(), said)? == Verdict::Take {
            let activity = if held.is_some() { "updated" } else { "created" }.to_owned();
            self.tell(Logged::CustomerActivity(EventData::Own(CustomerActivity {
                customer_id: said.id,
                activity,
            })));
        }
        Ok(())
    }
}
