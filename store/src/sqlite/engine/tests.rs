//! A disk that is full in the middle of a group.

use rusqlite::OpenFlags;
use schemas::event::Notice;
use schemas::{Entropy, UserId};

use super::*;

const SHOP: &str = "a.myshopify.com";

fn engine(folder: &std::path::Path) -> SqliteEngine {
    let path = folder.join("stockd.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = super::super::connect(&path, flags).unwrap();
    super::super::migrate(&connection, &path).unwrap();
    let epoch = super::super::epoch(&connection, &Entropy::seeded(1)).unwrap();
    let mut engine = SqliteEngine::new(connection, epoch, HighWater::open(&path).unwrap()).unwrap();
    let (shop, thresholds) = (SHOP.parse().unwrap(), Thresholds::default());
    let register = Operation::Register { shop, thresholds, at: Timestamp::UNIX_EPOCH };
    assert!(engine.commit(&[register]).unwrap()[0].is_ok());
    engine
}

fn announcement(to: Option<&str>, length: usize) -> Operation {
    let user_id: Option<UserId> = to.map(|user| user.parse().unwrap());
    let notice = Notice { user_id, title: "News".to_owned(), message: "n".repeat(length) };
    let event = Box::new(Event::SystemAlert(notice));
    Operation::Announce { shop: SHOP.parse().unwrap(), event, at: Timestamp::UNIX_EPOCH }
}

fn rooms(engine: &SqliteEngine) -> Vec<String> {
    let mut rooms = engine.connection.prepare("SELECT room FROM log_room ORDER BY room").unwrap();
    rooms.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn what_a_full_disk_undid_is_not_heard_of_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine(folder.path());
    let full = |engine: &SqliteEngine, pages: u32| {
        engine.connection.pragma_update(None, "max_page_count", pages).unwrap();
    };
    full(&engine, 1);
    let lost = [announcement(Some("7"), 10), announcement(Some("8"), 1_000_000)];
    let outcomes = engine.commit(&lost).unwrap();
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(engine.head(), Sequence(0));
    let error = outcomes[0].clone().unwrap_err().to_string();
    assert!(error.contains("the disk is full: make room"), "{error}");

    full(&engine, 1_000_000);
    assert!(engine.commit(&[announcement(Some("9"), 10)]).unwrap()[0].is_ok());
    assert_eq!(engine.head(), Sequence(1));
    let mine: Vec<_> = rooms(&engine).into_iter().filter(|room| room.starts_with("user:")).collect();
    assert_eq!(mine, ["user:9"], "nobody hears what was told to another");
}
