//! The files of a database: nobody but their owner may read them, and what to do when they cannot be used.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Rights of every file: customers' ids and what they buy are in there, whatever the umask says.
const MODE: u32 = 0o600;
/// What a database consists of, behind the name of its file.
const PARTS: [&str; 5] = ["", "-wal", "-shm", ".mark", ".lock"];

/// A file with that ending in its name beside the database.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Opens a file for reading and writing, and makes it for its owner alone where it is missing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .open(path)
}

/// Makes the database's file where it is missing, for its owner alone, and takes every right from others at each file that
/// is there. SQLite gives the files that it makes itself the rights of the database's.
pub(super) fn create_private(database: &Path) -> io::Result<()> {
    match File::options()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(database)
    {
        // One that is there is not opened: closing it would drop the locks of whoever uses it in this process.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for part in PARTS {
        let path = beside(database, part);
        match std::fs::metadata(&path) {
            Ok(file) if file.permissions().mode() & 0o077 != 0 => {
                std::fs::set_permissions(&path, Permissions::from_mode(MODE))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Has the folder remember the files that were made in it, also after a power cut.
pub(super) fn sync_folder(database: &Path) -> io::Result<()> {
    match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Why a file cannot be opened, and what to do.
pub(super) fn remedy(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no folder {folder}: make it, for the user that runs stockd")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{error}: give {folder} and the files in it to the user that runs stockd")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("{error}: choose another folder in store.url"),
        io::ErrorKind::StorageFull => "the disk is full: make room".to_owned(),
        _ => error.to_string(),
    }
}

/// What SQLite says of the database's file, with what to do about it; `None` for any other error.
pub(super) fn fault(error: &rusqlite::Error) -> Option<&'static str> {
    Some(match error.sqlite_error_code()? {
        ErrorCode::DiskFull => "the disk is full: make room",
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            "the file cannot be written: give it and its folder to the user that runs stockd, on a file system that is \
             not read-only"
        }
        ErrorCode::CannotOpen => {
            "the file cannot be opened: its folder must be there and belong to the user that runs stockd, and enough \
             files must be allowed (LimitNOFILE)"
        }
        ErrorCode::SystemIoFailure => {
            "the disk cannot be read or written: look for its errors with journalctl -k, and put a backup back if the file \
             is damaged"
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            "the file is damaged: stop stockd, move it away with its -wal and -shm, and put a backup back; without a backup \
             stockd imports everything anew, and reservations and commands are lost"
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            "another program keeps the file locked: end it (fuser shows which)"
        }
        _ => return None,
    })
}
