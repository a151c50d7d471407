//! Locations: opened, renamed, closed and deleted.

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::Location;
use crate::store::{Refused, Store};
use crate::table::Table;
use crate::topic::{Subject, Topic};

impl Store {
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
        let location = Location {
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
        self.levels.insert(id, Table::default());
        self.tell(Topic::LOCATIONS_CREATE, Subject::Location(id), now);
        id
    }

    pub(crate) fn rename_location(
        &mut self,
        id: u64,
        name: String,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.begin();
        self.edit_location(id, Topic::LOCATIONS_UPDATE, now, |location| {
            location.name = name;
        })
    }

    pub(crate) fn set_location_active(
        &mut self,
        id: u64,
        active: bool,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.begin();
        let topic = if active {
            Topic::LOCATIONS_ACTIVATE
        } else {
            Topic::LOCATIONS_DEACTIVATE
        };
        self.edit_location(id, topic, now, |location| location.active = active)
    }

    /// A location that is closed goes for good, with all that was known of stock there.
    pub(crate) fn delete_location(&mut self, id: u64, now: Timestamp) -> Result<(), Refused> {
        let place = self
            .locations
            .find(id)
            .ok_or_else(|| Refused::new("id", "no such location"))?;
        if place.active {
            return Err(Refused::new("id", "is active: deactivate it first"));
        }
        self.begin();
        self.locations.remove(id);
        self.levels.remove(&id);
        self.tell(Topic::LOCATIONS_DELETE, Subject::Gone(id), now);
        Ok(())
    }

    fn edit_location(
        &mut self,
        id: u64,
        topic: Topic,
        now: Timestamp,
        change: impl FnOnce(&mut Location),
    ) -> Result<(), Refused> {
        let edit = |location: &mut Location| {
            change(location);
            location.updated_at = to_second(now);
        };
        self.locations
            .edit(id, edit)
            .ok_or_else(|| Refused::new("id", "no such location"))?;
        self.tell(topic, Subject::Location(id), now);
        Ok(())
    }
}
