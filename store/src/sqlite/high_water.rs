//! The high-water mark: a small file beside the database that says how far its log has come, and what the database's
//! file looked like when it was written last.
//!
//! It is made before the database, and raised after each commit and never before. So a database whose log the mark does
//! not vouch for (it has come further, it is of another epoch, it is not there) is one that somebody put back. Backups
//! are recognised by this, so the mark is no part of a backup.
//!
//! A write-ahead log belongs to exactly one file, and SQLite would copy it into any file that has the right name. The
//! look of the file (size and time of change) tells whether it is still the one that the log was written for. While a
//! checkpoint writes to the file, no look is noted, and after a crash in that time nothing is concluded from it.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use schemas::{Epoch, Offset, Sequence};

use super::files;
use crate::Result;
use crate::StoreError;

/// Bytes of a write-ahead log that holds nothing: its header.
const EMPTY_LOG_BYTES: u64 = 32;
/// Bytes that the mark always fills, so that a shorter text leaves no tail of a longer one; one block of any disk, so that
/// a power cut leaves the old text or the new one.
const MARK_BYTES: usize = 127;

/// The mark of one database, open.
pub(super) struct HighWater {
    file: File,
    database: PathBuf,
    text: MarkText,
    /// Whether the last write failed; that is said once.
    failing: bool,
}

/// What a mark says; two words, each `-` where there is nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct MarkText {
    /// How far the log has come.
    head: Option<Offset>,
    /// The database's file as the last checkpoint left it; `None` while one is under way.
    look: Option<FileLook>,
}

/// By what a file is known again after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileLook {
    bytes: u64,
    /// When its content was changed, in seconds since 1970 and nanoseconds beside them.
    changed: (i64, i64),
}

impl HighWater {
    /// Opens, or makes, the mark of that database, before anything else of it is touched.
    ///
    /// # Errors
    /// When a write-ahead log lies there that belongs to another file. Nothing is made or changed then.
    pub(super) fn open(database: &Path) -> Result<Self> {
        let path = files::beside(database, ".mark");
        let fail = |error: &io::Error| {
            StoreError::Failed(format!(
                "cannot open {}: {}",
                path.display(),
                files::remedy(&path, error)
            ))
        };
        let known = match File::options().read(true).write(true).open(&path) {
            Ok(mut file) => {
                let mut text = Vec::new();
                file.read_to_end(&mut text).map_err(|error| fail(&error))?;
                Some((file, MarkText::read(&String::from_utf8_lossy(&text))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(&error)),
        };
        refuse_foreign_log(database, known.as_ref().map(|(_, text)| *text))?;
        let (file, text) = match known {
            Some(known) => known,
            None => (
                files::create(&path).map_err(|error| fail(&error))?,
                MarkText::default(),
            ),
        };
        files::sync_folder(database).map_err(|error| fail(&error))?;
        Ok(Self {
            file,
            database: database.to_owned(),
            text,
            failing: false,
        })
    }

    /// Whether that database is the one that this mark was written for, and no older copy of it.
    pub(super) fn vouches_for(&self, epoch: Epoch, head: Sequence) -> bool {
        self.text
            .head
            .is_some_and(|last| last.epoch == epoch && last.sequence <= head)
    }

    /// Notes where the log stands before anybody is served, so that no crash can leave a log without a mark.
    pub(super) fn begin(&mut self, epoch: Epoch, head: Sequence) -> Result<()> {
        self.text.head = Some(Offset {
            epoch,
            sequence: head,
        });
        let written = self.write().and_then(|()| self.file.sync_data());
        written.map_err(|error| {
            StoreError::Failed(format!(
                "cannot write the mark beside the database: {error}"
            ))
        })
    }

    /// Notes where a commit has brought the log. A disk that refuses this costs the warning, not the data.
    pub(super) fn raise(&mut self, epoch: Epoch, head: Sequence) {
        let head = Some(Offset {
            epoch,
            sequence: head,
        });
        if self.text.head != head {
            self.text.head = head;
            self.write_or_warn(false);
        }
    }

    /// A checkpoint is about to write to the database's file.
    pub(super) fn file_changes(&mut self) {
        if self.text.look.take().is_some() {
            // On disk before the file is: after a power cut, an old look beside a new file would accuse us.
            self.write_or_warn(true);
        }
    }

    /// A checkpoint has copied everything, and SQLite has synced the file.
    pub(super) fn file_is_written(&mut self) {
        // By name: to open and close the file here would drop SQLite's own locks on it.
        self.text.look = std::fs::metadata(&self.database)
            .ok()
            .map(|file| FileLook::of(&file));
        self.write_or_warn(false);
    }

    fn write(&self) -> io::Result<()> {
        self.file.write_all_at(
            format!("{:<MARK_BYTES$}\n", self.text.to_string()).as_bytes(),
            0,
        )
    }

    fn write_or_warn(&mut self, sync: bool) {
        let written = self
            .write()
            .and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = &written
            && !self.failing
        {
            tracing::warn!(%error, store = %self.database.display(), "the mark beside the database cannot be written; a backup that is put back may not be recognised");
        }
        self.failing = written.is_err();
    }
}

impl MarkText {
    /// What cannot be read says nothing. Marks of earlier versions have the first word only.
    fn read(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let head = words.next().and_then(|word| word.parse().ok());
        let look = words.next().and_then(FileLook::read);
        Self { head, look }
    }
}

impl std::fmt::Display for MarkText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.head {
            Some(head) => write!(f, "{head} ")?,
            None => f.write_str("- ")?,
        }
        match self.look {
            Some(FileLook {
                bytes,
                changed: (seconds, nanos),
            }) => write!(f, "{bytes}@{seconds}.{nanos}"),
            None => f.write_str("-"),
        }
    }
}

impl FileLook {
    fn of(file: &Metadata) -> Self {
        Self {
            bytes: file.len(),
            changed: (file.mtime(), file.mtime_nsec()),
        }
    }

    fn read(word: &str) -> Option<Self> {
        let (bytes, changed) = word.split_once('@')?;
        let (seconds, nanos) = changed.split_once('.')?;
        Some(Self {
            bytes: bytes.parse().ok()?,
            changed: (seconds.parse().ok()?, nanos.parse().ok()?),
        })
    }

    /// Whether a file that looks so now is the same. Some archives keep whole seconds only.
    fn is_same(self, now: Self) -> bool {
        let same_time = self.changed == now.changed || now.changed == (self.changed.0, 0);
        self.bytes == now.bytes && same_time
    }
}

/// Refuses a write-ahead log that belongs to another file than the one that lies there now.
fn refuse_foreign_log(database: &Path, mark: Option<MarkText>) -> Result<()> {
    let log = files::beside(database, "-wal");
    if std::fs::metadata(&log).map_or(0, |log| log.len()) <= EMPTY_LOG_BYTES {
        return Ok(());
    }
    let now = std::fs::metadata(database)
        .ok()
        .map(|file| FileLook::of(&file))
        .filter(|look| look.bytes > 0);
    let belongs = match (now, mark) {
        (
            Some(now),
            Some(MarkText {
                look: Some(then), ..
            }),
        ) => then.is_same(now),
        // A crash during a checkpoint, or a mark of an earlier version: nothing speaks against the file.
        (Some(_), Some(_)) => true,
        (None, _) | (_, None) => false,
    };
    if belongs {
        return Ok(());
    }
    let (database, log) = (database.display(), log.display());
    Err(StoreError::Failed(format!(
        "{log} does not belong to {database}: it holds the last commits of the file that was there before, and would \
         damage this one. To start with {database} as it is, move {log} and {database}-shm away. To go on with the \
         earlier file, put that back in its place. Nothing was changed"
    )))
}
