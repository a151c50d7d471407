//! The high-water mark: a small file beside the database that says how far its log had come.
//!
//! It is written after each commit and never before, so a database below its mark is one that somebody put back.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use schemas::{Epoch, Offset, Sequence};

use crate::StoreError;
use crate::tables::Result;

pub(super) struct HighWater {
    file: File,
    last: Option<Offset>,
}

impl HighWater {
    /// Opens, or makes, the mark of that database. One that cannot be read says nothing.
    pub(super) fn open(database: &Path) -> Result<Self> {
        let path = database.with_added_extension("mark");
        let open = || -> std::io::Result<Self> {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
            let mut text = String::new();
            let last = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Ok(Self { file, last })
        };
        open().map_err(|error| StoreError::Failed(format!("cannot open {}: {error}", path.display())))
    }

    /// Whether that database had come further.
    pub(super) fn is_above(&self, epoch: Epoch, head: Sequence) -> bool {
        self.last.is_some_and(|last| last.epoch == epoch && last.sequence > head)
    }

    /// Notes where a commit has brought the log. A disk that refuses this costs the warning, not the data.
    pub(super) fn raise(&mut self, epoch: Epoch, head: Sequence) {
        let offset = Offset { epoch, sequence: head };
        if self.last != Some(offset) {
            self.last = Some(offset);
            // Padded, so that a shorter text never leaves the tail of a longer one.
            if let Err(error) = self.file.write_all_at(format!("{:<32}\n", offset.to_string()).as_bytes(), 0)
            {
                tracing::warn!(%error, "the high-water mark could not be written");
            }
        }
    }
}
