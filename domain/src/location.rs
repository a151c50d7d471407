//! Locations: when one opens or closes, its stock counts again or no longer.

use schemas::RecordKey;
use schemas::record::Location;

use crate::Verdict;
use crate::changes::ChangeApplier;
use crate::working_set::Decided;

impl ChangeApplier<'_, '_> {
    pub(crate) fn location(&mut self, said: &Location) -> Decided<()> {
        let held: Option<Location> = self.set.find(said.id)?;
        let verdict = self.judge(RecordKey::Location(said.id), held.as_ref(), said)?;
        let was_active = held.is_none_or(|held| held.active);
        if verdict != Verdict::Take || was_active == said.active {
            return Ok(());
        }
        self.outcome.more = true;
        self.set.judge_anew(said.id);
        Ok(())
    }
}
