//! The writing side: one connection, and a batch of operations in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{Numbers, Operation, WantedKey, WorkingSet};
use rusqlite::{Connection, ErrorCode, Row};
use schemas::{Epoch, Sequence, ShopDomain, Timestamp};

use super::high_water::HighWater;
use super::rooms::{RecentRooms, RoomIndex};
use super::shops::{RegisteredShop, numbers, shops};
use super::{commit, load};
use crate::backend::{Backend, Uncommitted};
use crate::writer::write;
use crate::{Result, StoreError};

/// Pages of 4 KiB in the write-ahead log from which it is copied into the database: a page written again and again is
/// copied once, but nothing is written meanwhile.
const CHECKPOINT_PAGES: i64 = 1_000;

pub(super) struct SqliteBackend {
    connection: Connection,
    path: PathBuf,
    /// What the database holds of the shops themselves; read again after whatever may have changed it.
    shops: BTreeMap<ShopDomain, RegisteredShop>,
    rooms: RoomIndex,
    /// The last numbers given out, as of the last commit and of the transaction at hand.
    numbers: Numbers,
    written: Numbers,
    epoch: Epoch,
    mark: HighWater,
    /// Set while the write-ahead log may still hold something personal that was to be forgotten, also by whoever wrote
    /// it before.
    erased: bool,
}

impl SqliteBackend {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        epoch: Epoch,
        mark: HighWater,
    ) -> Result<Self> {
        let (shops, numbers) = (shops(&connection)?, numbers(&connection)?);
        let rooms = RoomIndex::open(&connection)?;
        Ok(Self {
            connection,
            path,
            shops,
            rooms,
            numbers,
            written: numbers,
            epoch,
            mark,
            erased: true,
        })
    }

    /// The number of the last entry of the log.
    pub(super) fn head(&self) -> Sequence {
        self.numbers.sequence
    }

    /// The rooms of the entries that no segment holds, for whoever reads.
    pub(super) fn recent_rooms(&self) -> Arc<RecentRooms> {
        self.rooms.recent()
    }

    /// Begins that epoch, and parks what was on its way to Shopify, in one transaction: after a crash in between, neither
    /// was done, and both are done by the next start. How many changes were parked.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, now: Timestamp) -> Result<u64> {
        let mut numbers = self.begin()?;
        self.connection
            .execute("UPDATE meta SET epoch = ?1", [epoch.0])?;
        let mut parked = 0;
        for shop in self.shops.keys().cloned().collect::<Vec<_>>() {
            loop {
                let park = Operation::Park {
                    shop: shop.clone(),
                    at: now,
                };
                let (outcomes, set) = write(self, numbers, &[park])?;
                numbers = set.numbers();
                let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
                parked += outcomes.iter().map(|outcome| outcome.changed).sum::<u64>();
                if !outcomes.iter().any(|outcome| outcome.more) {
                    break;
                }
            }
        }
        self.epoch = epoch;
        match self.commit() {
            Ok(()) => Ok(parked),
            Err(Uncommitted::Lost(error) | Uncommitted::Unsure(error)) => Err(error),
        }
    }

    /// Writes the mark of the log as it is now; in which epoch that is.
    pub(super) fn begin_mark(&mut self) -> Result<Epoch> {
        self.mark.begin(self.epoch, self.head())?;
        Ok(self.epoch)
    }

    fn named(path: &Path) -> impl FnOnce(StoreError) -> StoreError {
        move |error| error.at(path)
    }

    /// Copies the write-ahead log into the database when it has become long. SQLite would do so within a commit.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let waiting =
            |row: &Row<'_>| Ok(row.get::<_, i64>("log")? - row.get::<_, i64>("checkpointed")?);
        let waiting = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], waiting)?;
        if waiting >= CHECKPOINT_PAGES {
            self.copy_log("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(())
    }

    /// Copies the write-ahead log into the database and cuts it to nothing, unless somebody reads in it.
    fn truncate(&mut self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let cut = self.copy_log("PRAGMA wal_checkpoint(TRUNCATE)");
        self.connection
            .busy_timeout(Duration::from_millis(super::BUSY_MS_MAX.into()))?;
        self.erased = !cut?;
        Ok(())
    }

    /// Carries that checkpoint out; whether nobody was in its way.
    fn copy_log(&mut self, checkpoint: &str) -> rusqlite::Result<bool> {
        self.mark.file_changes();
        let (busy, log, copied) =
            self.connection
                .prepare_cached(checkpoint)?
                .query_row([], |row| {
                    Ok((
                        row.get::<_, bool>("busy")?,
                        row.get::<_, i64>("log")?,
                        row.get::<_, i64>("checkpointed")?,
                    ))
                })?;
        // A part of it is not synced by SQLite, so the file may look otherwise after a power cut.
        if log == copied {
            self.mark.file_is_written();
        }
        Ok(!busy)
    }
}

impl Drop for SqliteBackend {
    /// Leaves no write-ahead log behind with what was deleted since; a reader that closes after us could not see to it.
    fn drop(&mut self) {
        let _ = self.truncate();
    }
}

impl Backend for SqliteBackend {
    fn begin(&mut self) -> Result<Numbers> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut begin| begin.execute([]))
            .map_err(|error| StoreError::from(error).at(&self.path))?;
        self.written = self.numbers;
        Ok(self.numbers)
    }

    fn load(&mut self, keys: &BTreeSet<WantedKey>, set: &mut WorkingSet) -> Result<()> {
        load::load(&self.connection, &self.shops, keys, set).map_err(Self::named(&self.path))
    }

    fn write(&mut self, set: &WorkingSet) -> Result<bool> {
        let writing = commit::SetWriter::new(
            &self.connection,
            &mut self.shops,
            &mut self.rooms,
            &mut self.erased,
        );
        let more = writing.write(set).map_err(Self::named(&self.path))?;
        self.written = set.numbers();
        Ok(more)
    }

    fn commit(&mut self) -> std::result::Result<(), Uncommitted> {
        let committed = self
            .connection
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]));
        if let Err(error) = committed {
            // A disk is found to be full before the last page is written, which is the one that commits.
            let is_over = self.connection.is_autocommit();
            let is_lost = error.sqlite_error_code() == Some(ErrorCode::DiskFull) && is_over;
            let error = StoreError::from(error).at(&self.path);
            if !is_lost {
                return Err(Uncommitted::Unsure(error));
            }
            self.rollback();
            return Err(Uncommitted::Lost(error));
        }
        self.numbers = self.written;
        self.rooms.committed();
        self.mark.raise(self.epoch, self.numbers.sequence);
        Ok(())
    }

    fn rollback(&mut self) {
        // A full disk or an I/O error may have ended the transaction already. If it cannot be ended, the next one cannot
        // begin, and says so.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.rooms.rolled_back();
        if let Ok(shops) = shops(&self.connection) {
            self.shops = shops;
        }
    }

    fn after_answers(&mut self) {
        // What fails here loses nothing, and is tried again after the next batch.
        let _ = if self.erased {
            self.truncate()
        } else {
            self.checkpoint()
        };
    }
}

#[cfg(test)]
mod netting;
#[cfg(test)]
mod tests;
