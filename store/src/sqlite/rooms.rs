//! Which entries of the log are heard in which rooms.
//!
//! The index is in the database in segments, each written once when so many entries have come, in one run of pages: with
//! a row for every room of every commit, most pages of a commit were the index's. The entries behind the last segment are
//! indexed in memory, and from the log when the database is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, params};
use schemas::{Logged, Room, Sequence};

use super::column::json;
use crate::Result;

/// Entries in a segment, but for those of its last batch. With more, opening takes longer; with fewer, a room's entries
/// are looked for in more places.
const SEGMENT_ENTRIES: usize = 4_096;

/// SQL for the ends of all segments that end behind ?1, in order. One search for each, because no index begins with
/// a room; a scan would read what all rooms hold.
pub(super) const SEGMENTS_AFTER: &str = "WITH RECURSIVE segment (last) AS (\
     SELECT min(last) FROM log_segment WHERE last > ?1 UNION ALL \
     SELECT (SELECT min(last) FROM log_segment WHERE last > segment.last) FROM segment \
     WHERE segment.last IS NOT NULL)";

/// The numbers of entries, in order, by the shop and the room that they are heard in.
type Heard = BTreeMap<(i64, Room), Vec<i64>>;

/// The index of the entries that are in no segment yet; shared with whoever reads.
#[derive(Default)]
pub(super) struct RecentRooms(RwLock<Heard>);

impl RecentRooms {
    /// The entries of these rooms behind `after`, up to `until`. To be asked before what is in the database: a segment
    /// that is written meanwhile is found twice, and not missed.
    pub(super) fn heard(&self, shop: i64, rooms: &[Room], after: i64, until: i64) -> BTreeSet<i64> {
        let recent = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let here = |room: &Room| recent.get(&(shop, room.clone()));
        let sequences = rooms.iter().filter_map(here).flatten().copied();
        sequences
            .filter(|sequence| (after + 1..=until).contains(sequence))
            .collect()
    }
}

/// The writer's side of the index.
pub(super) struct RoomIndex {
    recent: Arc<RecentRooms>,
    /// How many entries the recent ones are.
    entries: usize,
    /// What the transaction at hand appends.
    staged: Heard,
    staged_entries: usize,
    /// Whether the transaction at hand wrote the recent ones as a segment.
    is_flushed: bool,
}

impl RoomIndex {
    /// The index of what that database holds.
    pub(super) fn open(connection: &Connection) -> Result<Self> {
        let mut index = Self {
            recent: Arc::default(),
            entries: 0,
            staged: Heard::new(),
            staged_entries: 0,
            is_flushed: false,
        };
        let mut behind = connection.prepare(
            "SELECT sequence, shop, event FROM log \
             WHERE sequence > (SELECT coalesce(max(last), 0) FROM log_segment) ORDER BY sequence",
        )?;
        let mut rows = behind.query([])?;
        while let Some(row) = rows.next()? {
            // What is unknown here is passed over by whoever reads, in every room.
            let event = Logged::read(&row.get::<_, String>(2)?);
            let rooms = event.map(|event| event.rooms()).unwrap_or_default();
            let sequence: i64 = row.get(0)?;
            index.add(row.get(1)?, Sequence(sequence.cast_unsigned()), &rooms);
        }
        index.committed();
        Ok(index)
    }

    /// For whoever reads.
    pub(super) fn recent(&self) -> Arc<RecentRooms> {
        Arc::clone(&self.recent)
    }

    /// An entry is appended, which is heard in these rooms.
    pub(super) fn add<'r>(
        &mut self,
        shop: i64,
        sequence: Sequence,
        rooms: impl IntoIterator<Item = &'r Room>,
    ) {
        for room in rooms {
            let sequences = self.staged.entry((shop, room.clone())).or_default();
            sequences.push(sequence.0.cast_signed());
        }
        self.staged_entries += 1;
    }

    /// Writes a segment if it is time for one.
    pub(super) fn flush_if_full(&mut self, connection: &Connection) -> Result<()> {
        if self.entries + self.staged_entries < SEGMENT_ENTRIES {
            return Ok(());
        }
        self.flush(connection)
    }

    /// Writes all entries that are in no segment as one, so that everything is in the database.
    pub(super) fn flush(&mut self, connection: &Connection) -> Result<()> {
        let recent = self.recent.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut segment = if self.is_flushed {
            Heard::new()
        } else {
            recent.clone()
        };
        for (key, sequences) in std::mem::take(&mut self.staged) {
            segment.entry(key).or_default().extend(sequences);
        }
        let last = segment.values().filter_map(|sequences| sequences.last());
        let last = last.max().copied();
        let mut insert = connection.prepare_cached(
            "INSERT INTO log_segment (last, shop, room, sequences) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for ((shop, room), sequences) in &segment {
            let sequences = serde_json::to_string(sequences)?;
            insert.execute(params![last, shop, room.to_string(), sequences])?;
        }
        self.staged_entries = 0;
        self.is_flushed = true;
        Ok(())
    }

    /// The transaction at hand was committed.
    pub(super) fn committed(&mut self) {
        if self.staged_entries == 0 && !self.is_flushed {
            return;
        }
        let mut recent = self
            .recent
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut self.is_flushed) {
            recent.clear();
            self.entries = 0;
        }
        for (key, sequences) in std::mem::take(&mut self.staged) {
            recent.entry(key).or_default().extend(sequences);
        }
        self.entries += std::mem::take(&mut self.staged_entries);
    }

    /// Nothing of the transaction at hand happened.
    pub(super) fn rolled_back(&mut self) {
        self.staged.clear();
        self.staged_entries = 0;
        self.is_flushed = false;
    }
}

/// The first entries behind `after`, up to `until`, that a segment has in any of these rooms: of each room at least
/// `limit`, or all.
pub(super) fn heard_in(
    connection: &Connection,
    shop: i64,
    rooms: &[Room],
    after: i64,
    until: i64,
    limit: usize,
) -> Result<BTreeSet<i64>> {
    let mut statement = connection.prepare_cached(&format!(
        "{SEGMENTS_AFTER} SELECT sequences FROM segment \
         CROSS JOIN log_segment USING (last) WHERE shop = ?2 AND room = ?3 ORDER BY last"
    ))?;
    let mut heard = BTreeSet::new();
    for room in rooms {
        let mut here = 0;
        let mut rows = statement.query(params![after, shop, room.to_string()])?;
        while let Some(row) = rows.next()?
            && here < limit
        {
            let sequences: Vec<i64> = json(row, 0)?;
            let wanted = sequences
                .iter()
                .filter(|&&sequence| sequence > after && sequence <= until);
            here += wanted.clone().count();
            heard.extend(wanted);
            if sequences.last().is_some_and(|last| *last > until) {
                break;
            }
        }
    }
    Ok(heard)
}
