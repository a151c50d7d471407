//! The store on SQLite: one writing connection with group commit, a few read-only ones.
//!
//! WAL with `synchronous=FULL`: with `NORMAL` an acknowledged commit does not survive a power cut. With
//! `secure_delete`: what is deleted, as bodies are once they are applied, is overwritten in the file.

mod engine;
mod high_water;
mod ledger;
mod reader;
mod rows;

use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use schemas::{Entropy, Epoch};

use self::high_water::HighWater;
use crate::local::{Local, Writer};
use crate::tables::Result;
use crate::{Store, StoreError};

/// Every migration in order; `user_version` counts those done. A file once released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_first_light.sql"),
    include_str!("../../migrations/0002_commands.sql"),
    include_str!("../../migrations/0003_runs.sql"),
    include_str!("../../migrations/0004_sessions.sql"),
    include_str!("../../migrations/0005_readers.sql"),
    include_str!("../../migrations/0006_statistics.sql"),
    include_str!("../../migrations/0007_payments.sql"),
    include_str!("../../migrations/0008_posts.sql"),
    include_str!("../../migrations/0009_transfers.sql"),
    include_str!("../../migrations/0010_names.sql"),
    include_str!("../../migrations/0013_session_quotas.sql"),
    include_str!("../../migrations/0014_delivery_counts.sql"),
];
/// `application_id` of a stockd database: "stkd".
const APPLICATION_ID: i32 = 0x7374_6b64;
/// Milliseconds for which a connection waits for another one's lock.
const BUSY_MS_MAX: u32 = 5_000;
/// KiB of the database that a connection keeps at hand, once it has used so much.
const CACHE_KIB_MAX: u32 = 8_192;
/// Prepared statements kept per connection; above the number of different ones that we have.
const STATEMENTS_MAX: usize = 128;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return Self::Failed("the disk is full: make room".to_owned());
        }
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!("a stored JSON text is not what was written: {error}"))
    }
}

/// An open database.
pub struct Opened {
    /// For everybody.
    pub store: Arc<dyn Store>,
    /// Does nothing until it is run or stepped.
    pub writer: Writer,
    /// Whether the file is older than it was: somebody put a backup back. It has begun a new epoch; what was on
    /// its way to Shopify is to be parked, because it may have been done since.
    pub restored: bool,
}

/// Opens the database at that path, making or migrating it as needed.
///
/// # Errors
/// When the file cannot be opened, is not ours, or was written by a newer version.
pub fn open(path: &Path, entropy: &Entropy) -> Result<Opened> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate(&connection, path)?;
    let mark = HighWater::open(path)?;
    let restored = mark.is_above(epoch(&connection, entropy)?, engine::head(&connection)?);
    if restored {
        connection.execute("UPDATE meta SET epoch = ?1", [u32::from_le_bytes(entropy.bytes())])?;
    }
    let epoch = epoch(&connection, entropy)?;
    let secret = secret(&connection, entropy)?;
    let engine = engine::SqliteEngine::new(connection, epoch, mark)?;
    let reader = reader::SqliteReader::new(path.to_owned(), epoch);
    let (store, writer) = Local::open(epoch, secret, engine, reader);
    Ok(Opened { store, writer, restored })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| StoreError::Failed(format!("cannot open {}: {error}", path.display())))?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_MS_MAX}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
         PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -{CACHE_KIB_MAX}; PRAGMA secure_delete = ON;"
    ))?;
    // Without it SQLite looks at what is bound to some statements, and prepares them anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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

/// The database's secret, made the first time that it is asked for.
fn secret(connection: &Connection, entropy: &Entropy) -> Result<[u8; 32]> {
    let known: Option<[u8; 32]> = connection.query_row("SELECT secret FROM meta", [], |row| row.get(0))?;
    if let Some(secret) = known {
        return Ok(secret);
    }
    let secret: [u8; 32] = entropy.bytes();
    connection.execute("UPDATE meta SET secret = ?1", [secret])?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How SQLite carries a statement out, in its own words.
    fn plan(connection: &Connection, statement: &str) -> String {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let steps = plan.query_map([1, 2], |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ")
    }

    #[test]
    fn what_belongs_to_a_record_is_found_by_an_index_and_not_among_all_of_the_shop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        drop(open(&path, &Entropy::seeded(1)).unwrap());
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        for (table, column, index) in [
            ("level", "location_id", "level_location"),
            ("variant", "inventory_item_id", "variant_item"),
            ("variant", "product_id", "variant_product"),
        ] {
            let plan = plan(&connection, &format!("SELECT * FROM {table} WHERE shop = ?1 AND {column} = ?2"));
            assert!(plan.contains(index), "{plan}");
        }
    }

    #[tokio::test]
    async fn a_database_from_before_there_were_counts_counts_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        let before = MIGRATIONS.iter().take_while(|migration| !migration.contains("session_use"));
        let old = Connection::open(&path).unwrap();
        let mut version = 0;
        for migration in before {
            old.execute_batch(migration).unwrap();
            version += 1;
        }
        let thresholds = serde_json::to_string(&inventory::Thresholds::default()).unwrap();
        old.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; \
             INSERT INTO shop (domain, thresholds) VALUES ('a.myshopify.com', '{thresholds}'); \
             INSERT INTO session (id, rooms, kept_at) VALUES ('s1', 'abc', 1), ('s2', 'de', 2); \
             INSERT INTO delivery (shop, webhook_id, topic, received_at, state) \
             VALUES (1, 'w1', 't/t', 1, 'applied'), (1, 'w2', 't/t', 1, 'applied'), (1, 'w3', 't/t', 1, 'pending');"
        ))
        .unwrap();
        drop(old);
        let Opened { store, .. } = open(&path, &Entropy::seeded(1)).unwrap();
        let counts = store.delivery_counts(&"a.myshopify.com".parse().unwrap()).await.unwrap();
        assert_eq!(counts, [("t/t".to_owned(), "applied", 2), ("t/t".to_owned(), "pending", 1)]);
        assert_eq!(store.session("s1", "ann").await.unwrap().rooms.as_deref(), Some("abc"));
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let all = "SELECT records, bytes FROM session_use WHERE owner = '*'";
        let all: (i64, i64) = connection.query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(all, (2, 5));
        // Counted, and found, without looking at what is kept.
        let plan =
            plan(&connection, "SELECT topic, state, deliveries FROM delivery_count WHERE shop = ?1 AND ?2");
        assert!(plan.contains("SEARCH delivery_count USING PRIMARY KEY"), "{plan}");
    }

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
            |name: &str, seed| open(&folder.path().join(name), &Entropy::seeded(seed)).unwrap().store.epoch();
        assert_eq!(epoch("a.db", 1), epoch("a.db", 2));
        assert_ne!(epoch("a.db", 1), epoch("b.db", 2));
    }

    #[test]
    fn a_database_keeps_its_secret_and_no_two_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |name: &str, seed| {
            open(&folder.path().join(name), &Entropy::seeded(seed)).unwrap().store.secret()
        };
        assert_eq!(secret("a.db", 1), secret("a.db", 2));
        assert_ne!(secret("a.db", 1), secret("b.db", 2));
    }

    #[tokio::test]
    async fn a_backup_that_was_put_back_is_recognised_and_begins_a_new_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("stockd.db"), folder.path().join("backup.db"));
        let shop: schemas::ShopDomain = "a.myshopify.com".parse().unwrap();
        let run = |id, resource| crate::Operation::StartRun(crate::conformance::run(id, resource, false));
        let first = {
            let Opened { store, writer, .. } = open(&path, &Entropy::seeded(1)).unwrap();
            let writer = std::thread::spawn(move || writer.run());
            let (thresholds, at) = (inventory::Thresholds::default(), schemas::Timestamp::UNIX_EPOCH);
            store.write(crate::Operation::Register { shop, thresholds, at }).await.unwrap();
            store.write(run("r1", schemas::Resource::Products)).await.unwrap();
            let copy = Connection::open(&path).unwrap();
            copy.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
            store.write(run("r2", schemas::Resource::Inventory)).await.unwrap();
            let epoch = store.epoch();
            drop(store);
            writer.join().unwrap().unwrap();
            epoch
        };
        assert!(!open(&path, &Entropy::seeded(2)).unwrap().restored, "a plain restart");
        for wal in ["stockd.db-wal", "stockd.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(wal));
        }
        std::fs::copy(&backup, &path).unwrap();
        let again = open(&path, &Entropy::seeded(2)).unwrap();
        assert!(again.restored && again.store.epoch() != first);
        drop(again);
        assert!(!open(&path, &Entropy::seeded(3)).unwrap().restored, "said once");
    }
}
