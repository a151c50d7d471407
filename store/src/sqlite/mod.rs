//! The store on SQLite: one writing connection with group commit, a few read-only ones.
//!
//! WAL with `synchronous=FULL`: with `NORMAL` an acknowledged commit does not survive a power cut. With
//! `secure_delete`: what is deleted, as bodies are once they are applied, is overwritten in the file.

mod backend;
mod column;
mod commit;
mod files;
#[cfg(test)]
mod forgetting;
mod high_water;
#[cfg(test)]
mod histories;
mod load;
mod people;
mod reader;
mod rooms;
mod rows;
mod shops;
#[cfg(test)]
mod upgrade;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use schemas::{Entropy, Epoch, Sequence, Timestamp};

use self::backend::SqliteBackend;
use self::high_water::HighWater;
use crate::backend::Backend;
use crate::local::Local;
use crate::writer::Writer;
use crate::{Result, Store, StoreError};

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
    include_str!("../../migrations/0011_replays.sql"),
    include_str!("../../migrations/0012_last_runs.sql"),
    include_str!("../../migrations/0013_session_quotas.sql"),
    include_str!("../../migrations/0014_delivery_counts.sql"),
    include_str!("../../migrations/0015_identity.sql"),
    include_str!("../../migrations/0016_judging.sql"),
    include_str!("../../migrations/0017_bodies.sql"),
    include_str!("../../migrations/0018_segments.sql"),
    include_str!("../../migrations/0019_slices.sql"),
    include_str!("../../migrations/0020_people.sql"),
];
/// `application_id` of a stockd database: "stkd".
const APPLICATION_ID: i32 = 0x7374_6b64;
/// Milliseconds for which a connection waits for another one's lock.
const BUSY_MS_MAX: u32 = 5_000;
/// KiB of the database that a connection keeps at hand, once it has used so much.
const CACHE_KIB_MAX: u32 = 8_192;
/// Prepared statements kept per connection; above the number of different ones that we have.
const STATEMENTS_MAX: usize = 256;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match files::fault(&error) {
            Some(fault) => Self::Failed(format!("{fault} ({error})")),
            None => Self::Failed(error.to_string()),
        }
    }
}

impl StoreError {
    /// The same with the file that it is about: a machine may have several, and the remedy is done there.
    fn at(self, path: &Path) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(format!("{}: {text}", path.display())),
            other => other,
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!(
            "a stored JSON text is not what was written: {error}"
        ))
    }
}

/// An open database.
pub struct Opened {
    /// For everybody.
    pub store: Arc<dyn Store>,
    /// Does nothing until it is run or stepped.
    pub writer: Writer,
    /// Set when somebody put a backup back, or copied the database here: it has begun a new epoch, and so many changes
    /// that were on their way to Shopify were parked, because they may have been done since.
    pub restored: Option<u64>,
}

/// Bytes that the write-ahead log may keep once it was copied into the database; what it grew beyond while somebody read
/// for long is given back by the next commit. Above `CHECKPOINT_PAGES`, so that it is not cut at every turn.
const LOG_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// Opens the database at that path, making or migrating it as needed. `now` is when a restored one was found to be one.
///
/// # Errors
/// When the file cannot be opened, is not ours, or was written by a newer version, and when a write-ahead log lies beside
/// it that belongs to another file.
pub fn open(path: &Path, entropy: &Entropy, now: Timestamp) -> Result<Opened> {
    open_with(path, entropy, now, |backend| backend)
}

/// The same with what the writer is given in the place of the database; tests put faults between the two.
fn open_with<B: Backend>(
    path: &Path,
    entropy: &Entropy,
    now: Timestamp,
    with: impl FnOnce(SqliteBackend) -> B,
) -> Result<Opened> {
    let mark = HighWater::open(path)?;
    let fail = |error: &io::Error| {
        StoreError::Failed(format!(
            "cannot open {}: {}",
            path.display(),
            files::remedy(path, error)
        ))
    };
    files::create_private(path).map_err(|error| fail(&error))?;
    open_marked(path, entropy, now, mark, with).map_err(|error| error.at(path))
}

fn open_marked<B: Backend>(
    path: &Path,
    entropy: &Entropy,
    now: Timestamp,
    mark: HighWater,
    with: impl FnOnce(SqliteBackend) -> B,
) -> Result<Opened> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    migrate(&connection)?;
    let (known, head) = (epoch(&connection, entropy)?, shops::head(&connection)?);
    let secret = secret(&connection, entropy)?;
    let is_as_marked = mark.vouches_for(known, head);
    let mut backend = SqliteBackend::new(connection, path.to_owned(), known, mark)?;
    let mut restored = None;
    if !is_as_marked {
        let parked = backend.begin_epoch(Epoch(u32::from_le_bytes(entropy.bytes())), now)?;
        // A database without a log is a new one: nobody has heard anything of it.
        restored = (head > Sequence(0)).then_some(parked);
    }
    // Before anybody is served, so that no crash can leave a log without a mark.
    let epoch = backend.begin_mark()?;
    let head = backend.head();
    let reader = reader::SqliteReader::new(path.to_owned(), epoch, backend.recent_rooms());
    let (store, writer) = Local::open(epoch, secret, with(backend), head, reader);
    Ok(Opened {
        store,
        writer,
        restored,
    })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(&format!(
        "PRAGMA busy_timeout = {BUSY_MS_MAX}; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
         PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {LOG_BYTES_MAX}; \
         PRAGMA cache_size = -{CACHE_KIB_MAX}; PRAGMA secure_delete = ON;"
    ))?;
    // Without it SQLite looks at what is bound to some statements, and prepares them anew each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn migrate(connection: &Connection) -> Result<()> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (id, done) = (pragma("application_id")?, pragma("user_version")?);
    let empty: bool =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })?;
    let known = usize::try_from(done)
        .ok()
        .filter(|done| *done <= MIGRATIONS.len());
    let done = match known {
        _ if id != APPLICATION_ID && !empty => {
            let problem = "this is not a stockd database: choose another file in store.url";
            return Err(StoreError::Failed(problem.to_owned()));
        }
        Some(done) => done,
        None => {
            return Err(StoreError::Failed(format!(
                "it was written by a newer stockd (version {done} of the tables, this one knows {}): install that version again",
                MIGRATIONS.len()
            )));
        }
    };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA application_id = {APPLICATION_ID};"
    ))?;
    for index in done..MIGRATIONS.len() {
        carry_out(connection, index)?;
    }
    Ok(())
}

/// Carries one migration out and notes that it is done, in one transaction.
fn carry_out(connection: &Connection, index: usize) -> Result<()> {
    let (migration, version) = (MIGRATIONS[index], index + 1);
    Ok(connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {migration} PRAGMA user_version = {version}; COMMIT;"
    ))?)
}

fn epoch(connection: &Connection, entropy: &Entropy) -> Result<Epoch> {
    let known = connection
        .query_row("SELECT epoch FROM meta", [], |row| row.get(0))
        .optional()?;
    if let Some(epoch) = known {
        return Ok(Epoch(epoch));
    }
    let epoch = u32::from_le_bytes(entropy.bytes());
    connection.execute("INSERT INTO meta (only_row, epoch) VALUES (1, ?1)", [epoch])?;
    Ok(Epoch(epoch))
}

/// The database's secret, made the first time that it is asked for.
fn secret(connection: &Connection, entropy: &Entropy) -> Result<[u8; 32]> {
    let known: Option<[u8; 32]> =
        connection.query_row("SELECT secret FROM meta", [], |row| row.get(0))?;
    if let Some(secret) = known {
        return Ok(secret);
    }
    let secret: [u8; 32] = entropy.bytes();
    connection.execute("UPDATE meta SET secret = ?1", [secret])?;
    Ok(secret)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Entropy, Opened, Timestamp};

    /// A folder that goes when it is dropped. In memory where the machine has such a place: a test proves nothing about
    /// the disk, and waiting for it thousands of times takes minutes.
    pub(crate) fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap()
    }

    /// A new, empty store in a folder of its own. The writer does nothing until it is run or stepped.
    pub(crate) fn open() -> (tempfile::TempDir, Opened) {
        let folder = folder();
        let opened = open_in(&folder);
        (folder, opened)
    }

    /// The store in that folder, where one was opened before or was not.
    pub(crate) fn open_in(folder: &tempfile::TempDir) -> Opened {
        let path = folder.path().join("stockd.db");
        super::open(&path, &Entropy::seeded(1), Timestamp::UNIX_EPOCH).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use schemas::{EventData, LogEntry, Logged, Resource, Room, Sequence, ShopDomain};

    use super::*;
    use crate::Operation;

    fn opened(path: &Path, seed: u64) -> Result<Opened> {
        open(path, &Entropy::seeded(seed), Timestamp::UNIX_EPOCH)
    }

    /// How SQLite carries a statement out, in its own words.
    fn plan(connection: &Connection, statement: &str) -> String {
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
            .unwrap();
        let steps = plan
            .query_map([1, 2], |row| row.get::<_, String>(3))
            .unwrap();
        steps
            .collect::<rusqlite::Result<Vec<_>>>()
            .unwrap()
            .join("; ")
    }

    #[test]
    fn what_belongs_to_a_record_is_found_by_an_index_and_not_among_all_of_the_shop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        drop(opened(&path, 1).unwrap());
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        for (table, column, index) in [
            ("level", "location_id", "level_location"),
            ("variant", "inventory_item_id", "variant_item"),
            ("variant", "product_id", "variant_product"),
        ] {
            let plan = plan(
                &connection,
                &format!("SELECT * FROM {table} WHERE shop = ?1 AND {column} = ?2"),
            );
            assert!(plan.contains(index), "{plan}");
        }
    }

    #[tokio::test]
    async fn a_database_from_before_there_were_counts_counts_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        let before = MIGRATIONS
            .iter()
            .take_while(|migration| !migration.contains("session_use"));
        let old = Connection::open(&path).unwrap();
        let mut version = 0;
        for migration in before {
            old.execute_batch(migration).unwrap();
            version += 1;
        }
        let thresholds = serde_json::to_string(&domain::Thresholds::default()).unwrap();
        old.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; \
             INSERT INTO shop (domain, thresholds) VALUES ('a.myshopify.com', '{thresholds}'); \
             INSERT INTO session (id, rooms, kept_at) VALUES ('s1', 'abc', 1), ('s2', 'de', 2); \
             INSERT INTO delivery (shop, webhook_id, topic, received_at, state) \
             VALUES (1, 'w1', 't/t', 1, 'applied'), (1, 'w2', 't/t', 1, 'applied'), (1, 'w3', 't/t', 1, 'pending');"
        ))
        .unwrap();
        drop(old);
        let Opened { store, .. } = opened(&path, 1).unwrap();
        let counts = store
            .delivery_counts(&"a.myshopify.com".parse().unwrap())
            .await
            .unwrap();
        assert_eq!(
            counts,
            [
                ("t/t".to_owned(), "applied", 2),
                ("t/t".to_owned(), "pending", 1)
            ]
        );
        assert_eq!(
            store.session("s1", "ann").await.unwrap().rooms.as_deref(),
            Some("abc")
        );
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let all = "SELECT records, bytes FROM session_use WHERE owner = '*'";
        let all: (i64, i64) = connection
            .query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(all, (2, 5));
        // Counted, and found, without looking at what is kept.
        let plan = plan(
            &connection,
            "SELECT topic, state, deliveries FROM delivery_count WHERE shop = ?1 AND ?2",
        );
        assert!(
            plan.contains("SEARCH delivery_count USING PRIMARY KEY"),
            "{plan}"
        );
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (x)")
            .unwrap();
        let error = opened(&path, 1).err().unwrap().to_string();
        assert!(
            error.contains("other.db: this is not a stockd database"),
            "{error}"
        );
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stockd.db");
        drop(opened(&path, 1).unwrap());
        Connection::open(&path)
            .unwrap()
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        let error = opened(&path, 1).err().unwrap().to_string();
        assert!(error.contains("newer stockd"), "{error}");
    }

    #[test]
    fn a_database_keeps_its_epoch_and_a_new_one_gets_another() {
        let folder = tempfile::tempdir().unwrap();
        let epoch = |name: &str, seed| {
            opened(&folder.path().join(name), seed)
                .unwrap()
                .store
                .epoch()
        };
        assert_eq!(epoch("a.db", 1), epoch("a.db", 2));
        assert_ne!(epoch("a.db", 1), epoch("b.db", 2));
    }

    #[test]
    fn a_database_keeps_its_secret_and_no_two_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |name: &str, seed| {
            opened(&folder.path().join(name), seed)
                .unwrap()
                .store
                .secret()
        };
        assert_eq!(secret("a.db", 1), secret("a.db", 2));
        assert_ne!(secret("a.db", 1), secret("b.db", 2));
    }

    #[tokio::test]
    async fn what_is_unknown_here_is_passed_over_and_counted_and_ends_no_page() {
        let (folder, Opened { store, writer, .. }) = testing::open();
        let writing = std::thread::spawn(move || writer.run());
        let shop: ShopDomain = "a.myshopify.com".parse().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let register = Operation::Register {
            shop: shop.clone(),
            thresholds: domain::Thresholds::default(),
            at,
        };
        store.write(register).await.unwrap();
        for number in 1..=9 {
            let notice = schemas::event::Notice {
                user_id: None,
                title: number.to_string(),
                message: String::new(),
            };
            let event = Box::new(Logged::SystemAlert(EventData::Own(notice)));
            let shop = shop.clone();
            let announce = Operation::Announce { shop, event, at };
            store.write(announce).await.unwrap();
        }
        Connection::open(folder.path().join("stockd.db"))
            .unwrap()
            .execute_batch(
                "UPDATE log SET event = json_set(event, '$.kind', 'stock:counted') WHERE sequence IN (2, 3, 4); \
                 UPDATE log SET event = json_set(event, '$.v', 2) WHERE sequence IN (6, 9);",
            )
            .unwrap();

        let sequences = |page: Vec<LogEntry>| -> Vec<u64> {
            page.iter().map(|entry| entry.sequence().0).collect()
        };
        let everyone = vec![Room::Everyone];
        for (after, page) in [
            (0, vec![1, 5]),
            (1, vec![5, 7]),
            (5, vec![7, 8]),
            (8, vec![]),
        ] {
            let after = Sequence(after);
            let entries = store.entries(after, 2).await.unwrap();
            assert_eq!(sequences(entries), page, "of all after {after}");
            for rooms in [vec![], everyone.clone()] {
                let until = store.head().sequence;
                let entries = store.replay(&shop, rooms, after, until, 2).await.unwrap();
                assert_eq!(sequences(entries), page, "replayed after {after}");
            }
        }
        assert!(store.unknown_entries() >= 5);
        drop(store);
        writing.join().unwrap().unwrap();
    }

    type WriterThread = std::thread::JoinHandle<Result<()>>;

    /// A folder with a database in it that is in use, and what an administrator may do to its files.
    struct InUse {
        folder: tempfile::TempDir,
        running: Option<(Arc<dyn Store>, WriterThread)>,
    }

    impl InUse {
        fn new() -> Self {
            let mut database = Self {
                folder: tempfile::tempdir().unwrap(),
                running: None,
            };
            assert_eq!(database.starts(1).unwrap(), None);
            database
        }

        fn file(&self, name: &str) -> std::path::PathBuf {
            self.folder.path().join(name)
        }

        fn starts(&mut self, seed: u64) -> Result<Option<u64>> {
            let Opened {
                store,
                writer,
                restored,
            } = opened(&self.file("stockd.db"), seed)?;
            self.running = Some((store, std::thread::spawn(move || writer.run())));
            Ok(restored)
        }

        fn store(&self) -> &Arc<dyn Store> {
            &self.running.as_ref().unwrap().0
        }

        /// Begins a run, which is one entry in the log.
        async fn does(&self, id: &str, resource: Resource) {
            let (shop, at): (ShopDomain, _) =
                ("a.myshopify.com".parse().unwrap(), Timestamp::UNIX_EPOCH);
            let thresholds = domain::Thresholds::default();
            self.store()
                .write(Operation::Register {
                    shop,
                    thresholds,
                    at,
                })
                .await
                .unwrap();
            let run = crate::conformance::run(id, resource, false);
            self.store().write(Operation::StartRun(run)).await.unwrap();
        }

        fn backed_up(&self) {
            let copy = Connection::open(self.file("stockd.db")).unwrap();
            copy.execute("VACUUM INTO ?1", [self.file("backup.db").to_str().unwrap()])
                .unwrap();
        }

        fn stops(&mut self) {
            let (store, writer) = self.running.take().unwrap();
            drop(store);
            writer.join().unwrap().unwrap();
        }

        /// Another folder with what a kill at this moment leaves on the disk.
        fn killed(&self) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for file in std::fs::read_dir(self.folder.path())
                .unwrap()
                .map(std::result::Result::unwrap)
            {
                let keeps_times = std::process::Command::new("cp")
                    .arg("-p")
                    .arg(file.path())
                    .arg(folder.path())
                    .status();
                assert!(keeps_times.unwrap().success());
            }
            Self {
                folder,
                running: None,
            }
        }

        fn loses(&self, names: &[&str]) {
            for name in names {
                let _ = std::fs::remove_file(self.file(name));
            }
        }

        fn is_put_back(&self) {
            std::fs::copy(self.file("backup.db"), self.file("stockd.db")).unwrap();
        }

        fn bytes(&self) -> Vec<(std::ffi::OsString, Vec<u8>)> {
            let files = std::fs::read_dir(self.folder.path())
                .unwrap()
                .map(std::result::Result::unwrap);
            let mut files: Vec<_> = files
                .map(|file| (file.file_name(), std::fs::read(file.path()).unwrap()))
                .collect();
            files.sort();
            files
        }
    }

    #[tokio::test]
    async fn a_backup_that_was_put_back_is_recognised_and_begins_a_new_epoch() {
        let mut database = InUse::new();
        let first = database.store().epoch();
        database.does("r1", Resource::Products).await;
        database.backed_up();
        database.does("r2", Resource::Inventory).await;
        database.stops();
        assert_eq!(database.starts(2).unwrap(), None, "a plain restart");
        database.stops();
        database.loses(&["stockd.db-wal", "stockd.db-shm"]);
        database.is_put_back();
        assert_eq!(database.starts(3).unwrap(), Some(0));
        assert_ne!(database.store().epoch(), first);
        database.stops();
        assert_eq!(database.starts(4).unwrap(), None, "said once");
        // The same backup again: its epoch is now an earlier one.
        database.stops();
        database.is_put_back();
        assert_eq!(database.starts(5).unwrap(), Some(0));
    }

    #[tokio::test]
    async fn a_database_with_a_log_and_no_mark_was_restored_and_one_without_a_log_is_new() {
        let mut database = InUse::new();
        let empty = database.killed();
        database.does("r1", Resource::Products).await;
        let first = database.store().epoch();
        database.stops();
        database.loses(&["stockd.db.mark"]);
        assert_eq!(database.starts(2).unwrap(), Some(0));
        assert_ne!(database.store().epoch(), first);
        database.stops();
        // A kill after the mark was made and before anything was written into it.
        std::fs::write(database.file("stockd.db.mark"), "").unwrap();
        assert_eq!(database.starts(3).unwrap(), Some(0));

        let mut empty = empty;
        empty.loses(&["stockd.db.mark", "stockd.db-wal", "stockd.db-shm"]);
        assert_eq!(empty.starts(4).unwrap(), None);
    }

    #[tokio::test]
    async fn a_kill_at_any_moment_leaves_the_epoch_as_it_is() {
        let mut database = InUse::new();
        let first = database.store().epoch();
        let mut killed = vec![database.killed()];
        for (id, resource) in [
            ("r1", Resource::Products),
            ("r2", Resource::Orders),
            ("r3", Resource::Customers),
        ] {
            database.does(id, resource).await;
            killed.push(database.killed());
        }
        database.stops();
        for mut killed in killed.into_iter().chain([database]) {
            assert_eq!(killed.starts(2).unwrap(), None);
            assert_eq!(killed.store().epoch(), first);
        }
    }

    #[tokio::test]
    async fn a_write_ahead_log_of_another_file_is_refused_and_nothing_is_harmed() {
        let database = InUse::new();
        database.does("r1", Resource::Products).await;
        database.backed_up();
        database.does("r2", Resource::Inventory).await;
        let mut killed = database.killed();
        assert!(
            std::fs::metadata(killed.file("stockd.db-wal"))
                .unwrap()
                .len()
                > 4_096
        );
        killed.is_put_back();
        for lost in [&[][..], &["stockd.db.mark"], &["stockd.db"]] {
            killed.loses(lost);
            let before = killed.bytes();
            let error = killed.starts(2).unwrap_err().to_string();
            assert!(
                error.contains("stockd.db-wal does not belong to"),
                "{error}"
            );
            assert!(
                error.contains("stockd.db-wal and") && error.contains("stockd.db-shm away"),
                "{error}"
            );
            assert_eq!(killed.bytes(), before);
        }
        // As the sentence says.
        killed.is_put_back();
        killed.loses(&["stockd.db-wal", "stockd.db-shm"]);
        assert_eq!(killed.starts(3).unwrap(), Some(0));
        assert_eq!(killed.store().committed().borrow().0, 1);
    }

    #[tokio::test]
    async fn nobody_but_the_owner_may_read_any_file_also_one_that_was_made_earlier() {
        use std::os::unix::fs::PermissionsExt as _;

        let mut database = InUse::new();
        database.does("r1", Resource::Products).await;
        let modes = |database: &InUse| {
            let files = std::fs::read_dir(database.folder.path())
                .unwrap()
                .map(std::result::Result::unwrap);
            let mode = |file: std::fs::DirEntry| {
                (
                    file.file_name(),
                    file.metadata().unwrap().permissions().mode() & 0o777,
                )
            };
            files.map(mode).collect::<Vec<_>>()
        };
        assert_eq!(modes(&database).len(), 4);
        assert!(
            modes(&database).iter().all(|(_, mode)| *mode == 0o600),
            "{:?}",
            modes(&database)
        );
        let mut killed = database.killed();
        for (name, _) in modes(&killed) {
            let public = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(killed.folder.path().join(name), public).unwrap();
        }
        assert_eq!(killed.starts(2).unwrap(), None);
        killed.does("r2", Resource::Orders).await;
        assert!(
            modes(&killed).iter().all(|(_, mode)| *mode == 0o600),
            "{:?}",
            modes(&killed)
        );
        killed.stops();
        database.stops();
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_with_its_path_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("noise.db"), [7; 8_192]).unwrap();
        std::fs::create_dir(path("folder.db")).unwrap();
        for (name, remedy) in [
            ("noise.db", "put a backup back"),
            (
                "folder.db",
                "must be there and belong to the user that runs stockd",
            ),
            ("missing/stockd.db", "make it"),
        ] {
            let error = opened(&path(name), 1).err().unwrap().to_string();
            assert!(error.contains(name) && error.contains(remedy), "{error}");
        }
    }
}
