//! The lines of a file that comes in pieces, each bounded, the last one whole.

use bytes::{Bytes, BytesMut};

use super::error::BulkError;
use crate::error::Error;
use crate::transport::Body;

/// Longest line taken, in bytes. An order with 50 fulfilments has some 10 KB; beyond, the reading ends.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Longest file read, in bytes once unpacked: some 40 million levels. Beyond, the reading ends.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;

pub(super) struct LineReader {
    body: Box<dyn Body>,
    /// What came and was not handed out.
    buffer: BytesMut,
    /// Up to where the buffer is known to have no end of line.
    searched: usize,
    bytes: u64,
    /// Lines handed out so far.
    pub(super) count: u64,
}

impl LineReader {
    pub(super) fn new(body: Box<dyn Body>) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
            searched: 0,
            bytes: 0,
            count: 0,
        }
    }

    /// The next line without its end; blank ones are passed over. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(end) = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line = self.buffer.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                match self.hand_out(&line)? {
                    Some(line) => return Ok(Some(line)),
                    None => continue,
                }
            }
            self.searched = self.buffer.len();
            if self.searched > LINE_BYTES_MAX {
                return Err(BulkError::LongLine {
                    line: self.count + 1,
                }
                .into());
            }
            let Some(piece) = self.body.chunk().await? else {
                let line = self.buffer.split().freeze();
                self.searched = 0;
                return self.hand_out(&line);
            };
            self.bytes += piece.len() as u64;
            if self.bytes > FILE_BYTES_MAX {
                return Err(BulkError::TooLong.into());
            }
            self.buffer.extend_from_slice(&piece);
        }
    }

    fn hand_out(&mut self, line: &Bytes) -> Result<Option<Bytes>, Error> {
        let line = line.slice_ref(line.trim_ascii());
        if line.is_empty() {
            return Ok(None);
        }
        self.count += 1;
        if line.len() > LINE_BYTES_MAX {
            return Err(BulkError::LongLine { line: self.count }.into());
        }
        Ok(Some(line))
    }
}
