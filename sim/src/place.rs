//! Locations: opened, renamed, closed and deleted.

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::SimLocation;
use crate::store::{ChangeRefused, SimStore};
use crate::table::RecordTable;
use crate::topic::{SimTopic, TopicSubject};

impl SimStore {
    /// `service` is whether it is a fulfilment service's, which counts its stock itself.
    pub(crate) fn add_location(
        &mut self,
        name: String,
        city: String,
        service: bool,
        now: Timestamp,
    ) -> u64 {
        self.begin();
        let (id, level_number, at) = (self.next_id(), self.next_id(), to_second(now));
        let location = SimLocation {
            id,
            level_number,
            name,
            city,
            active: true,
            service,
            created_at: at,
            updated_at: at,
        };
        self.locations.insert(location);
        self.levels.insert(id, RecordTable::default());
        self.tell(SimTopic::LOCATIONS_CREATE, TopicSubject::Location(id), now);
        id
    }

    pub(crate) fn rename_location(
        &mut self,
        id: u64,
        name: String,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        self.edit_location(id, SimTopic::LOCATIONS_UPDATE, now, |location| {
            location.name = name;
        })
    }

    pub(crate) fn set_location_active(
        &mut self,
        id: u64,
        active: bool,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let topic = if active {
            SimTopic::LOCATIONS_ACTIVATE
        } else {
            SimTopic::LOCATIONS_DEACTIVATE
        };
        self.edit_location(id, topic, now, |location| location.active = active)
    }

    /// A location that is closed goes for good, with all that was known of stock there.
    pub(crate) fn delete_location(&mut self, id: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        let place = self
            .locations
            .find(id)
            .ok_or_else(|| ChangeRefused::new("id", "no such location"))?;
        if place.active {
            return Err(ChangeRefused::new("id", "is active: deactivate it first"));
        }
        self.begin();
        self.locations.remove(id);
        self.levels.remove(&id);
        self.tell(SimTopic::LOCATIONS_DELETE, TopicSubject::Gone(id), now);
        Ok(())
    }

    fn edit_location(
        &mut self,
        id: u64,
        topic: SimTopic,
        now: Timestamp,
        change: impl FnOnce(&mut SimLocation),
    ) -> Result<(), ChangeRefused> {
        let edit = |location: &mut SimLocation| {
            change(location);
            location.updated_at = to_second(now);
        };
        self.locations
            .edit(id, edit)
            .ok_or_else(|| ChangeRefused::new("id", "no such location"))?;
        self.tell(topic, TopicSubject::Location(id), now);
        Ok(())
    }
}
