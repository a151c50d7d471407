//! The store on SQLite: one writing connection with group commit, a few read-only ones.
//!
//! WAL with `synchronous=FULL`: with `NORMAL` an acknowledged commit does not survive a power cut.

mod engine;
mod reader;
mod rows;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use schemas::{Entropy, Epoch};

use crate::local::{Local, Writer};
use crate::tables::Result;
use crate::{Store, StoreError};

/// Every migration in order; `user_version` counts those done. A file once released never changes.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_first_light.sql")];
/// `application_id` of a stockd database: "stkd".
const APPLICATION_ID: i32 = 0x7374_6b64;
/// Milliseconds for which a connection waits for another one's lock.
const BUSY_MS_MAX: u32 = 5_000;
/// Prepared statements kept per connection; above the number of different ones that we have.
const STATEMENTS_MAX: usize = 128;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!("a stored JSON text is not what was written: {error}"))
    }
}

/// Opens the database at that path, making or migrating it as needed. The writer does nothing until it is
/// run or stepped.
///
/// # Errors
/// When the file cannot be opened, is not ours, or was written by a newer version.
pub fn open(path: &Path, entropy: &Entropy) -> Result<(Arc<dyn Store>, Writer)> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate(&connection, path)?;
    let epoch = epoch(&connection, entropy)?;
    let engine = engine::SqliteEngine::new(connection)?;
    let reader = reader::SqliteReader::new(path.to_owned(), epoch);
    Ok(Local::open(epoch, engine, reader))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| StoreError::Failed(format!("cannot open {}: {error}", path.display())))?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_MS_MAX}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
    ))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn migrate(connection: &Connection, path: &Path) -> Result<()> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (id, done) = (pragma("application_id")?, pragma("user_version")?);
    let empty: bool = connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    let known = usize::try_from(done).ok().filter(|done| *done <= MIGRATIONS.len());
    let done = match known {
        _ if id != APPLICATION_ID && !empty => {
            return Err(StoreError::Failed(format!("{} is not a stockd database", path.display())));
        }
        Some(done) => done,
        None => {
            return Err(StoreError::Failed(format!(
                "{} was written by a newer stockd (version {done} of the tables, this one knows {}): install that version again",
                path.display(),
                MIGRATIONS.len()
            )));
        }
    };
    connection
        .execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA application_id = {APPLICATION_ID};"))?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {}; COMMIT;",
            index + 1
        ))?;
    }
    Ok(())
}

fn epoch(connection: &Connection, entropy: &Entropy) -> Result<Epoch> {
    let known = connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0)).optional()?;
    if let Some(epoch) = known {
        return Ok(Epoch(epoch));
    }
    let epoch = u32::from_le_bytes(entropy.bytes());
    connection.execute("INSERT INTO meta (only_row, epoch) VALUES (1, ?1)", [epoch])?;
    Ok(Epoch(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_ours_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = open(&path, &Entropy::seeded(1)).err().unwrap().to_string();
        assert!(error.contains("other.db is not a stockd database"), "{error}");
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        drop(open(&path, &Entropy::seeded(1)).unwrap());
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        let error = open(&path, &Entropy::seeded(1)).err().unwrap().to_string();
        assert!(error.contains("newer stockd"), "{error}");
    }

    #[test]
    fn a_database_keeps_its_epoch_and_a_new_one_gets_another() {
        let folder = tempfile::tempdir().unwrap();
        let epoch =
            |name: &str, seed| open(&folder.path().join(name), &Entropy::seeded(seed)).unwrap().0.epoch();
        assert_eq!(epoch("a.db", 1), epoch("a.db", 2));
        assert_ne!(epoch("a.db", 1), epoch("b.db", 2));
    }
}
