//! The result of a bulk operation: JSONL in a temporary file, written line by line and sent in pieces, so that its
//! size does not matter. The file has no name, so nothing of it stays, however the process ends.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::fault::Damage;

/// Lines that may change places when objects are not grouped.
const POOL: usize = 2_000;
/// Bytes of the file sent in one piece.
const PIECE: usize = 64 << 10;

/// A result being written.
pub(crate) struct Spool {
    file: BufWriter<File>,
    bytes: u64,
    last_line: u64,
    /// Lines that wait for a random turn; none where order is kept.
    pool: Option<(Vec<String>, StdRng)>,
}

/// A finished result. The file goes when the last reader is done.
#[derive(Debug)]
pub(crate) struct Results {
    file: File,
    pub(crate) bytes: u64,
    last_line: u64,
}

impl Spool {
    pub(crate) fn new(grouped: bool, seed: u64) -> io::Result<Self> {
        let pool = (!grouped).then(|| (Vec::new(), StdRng::seed_from_u64(seed)));
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile()?),
            bytes: 0,
            last_line: 0,
            pool,
        })
    }

    /// Adds a line, given without its end.
    pub(crate) fn add(&mut self, line: String) -> io::Result<()> {
        let due = match &mut self.pool {
            Some((waiting, _)) if waiting.len() < POOL => {
                waiting.push(line);
                return Ok(());
            }
            Some((waiting, chance)) => {
                let turn = chance.random_range(0..waiting.len());
                std::mem::replace(&mut waiting[turn], line)
            }
            None => line,
        };
        self.write(&due)
    }

    pub(crate) fn finish(mut self) -> io::Result<Results> {
        if let Some((mut waiting, mut chance)) = self.pool.take() {
            waiting.shuffle(&mut chance);
            for line in waiting {
                self.write(&line)?;
            }
        }
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Results {
            file,
            bytes: self.bytes,
            last_line: self.last_line,
        })
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.last_line = line.len() as u64 + 1;
        self.bytes += self.last_line;
        Ok(())
    }
}

impl Results {
    /// The body of a download.
    pub(crate) fn open(self: &Arc<Self>, damage: Option<Damage>) -> Download {
        let (length, breaks_at) = match damage {
            None => (self.bytes, None),
            Some(Damage::CutLine) => (self.bytes - self.last_line.div_ceil(2), None),
            Some(Damage::HangUp) => (self.bytes, Some(self.bytes / 2)),
        };
        let results = Arc::clone(self);
        Download {
            results,
            position: 0,
            left: length,
            until_break: breaks_at,
            flushed: false,
        }
    }
}

/// A result being sent.
pub(crate) struct Download {
    results: Arc<Results>,
    position: u64,
    left: u64,
    /// The bytes until the connection is to be closed, if it is.
    until_break: Option<u64>,
    /// Whether all before the break was given time to be sent.
    flushed: bool,
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.until_break == Some(0) && !self.flushed {
            self.flushed = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.until_break == Some(0) {
            return Poll::Ready(Some(Err(io::Error::other("closed on purpose"))));
        }
        let size = self
            .until_break
            .unwrap_or(self.left)
            .min(self.left)
            .min(PIECE as u64);
        if size == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; usize::try_from(size).unwrap_or(PIECE)];
        // The file was written a moment ago: this reads memory, not the disk.
        self.results.file.read_exact_at(&mut piece, self.position)?;
        self.position += size;
        self.left -= size;
        self.until_break = self.until_break.map(|bytes| bytes - size);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.until_break.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn results(grouped: bool, lines: usize) -> Arc<Results> {
        let mut spool = Spool::new(grouped, 7).unwrap();
        for number in 0..lines {
            spool.add(format!("line {number}")).unwrap();
        }
        Arc::new(spool.finish().unwrap())
    }

    async fn text(results: &Arc<Results>, damage: Option<Damage>) -> String {
        let body = results.open(damage).collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn lines_keep_their_order_only_if_they_are_grouped() {
        let (kept, mixed) = (
            text(&results(true, 5_000), None).await,
            text(&results(false, 5_000), None).await,
        );
        assert!(kept.starts_with("line 0\nline 1\n") && kept.ends_with("line 4999\n"));
        assert_ne!(kept, mixed);
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&kept), sorted(&mixed));
    }

    #[tokio::test]
    async fn a_damaged_result_ends_within_a_line_or_breaks() {
        let results = results(true, 10);
        assert!(
            text(&results, Some(Damage::CutLine))
                .await
                .ends_with("\nlin")
        );
        assert!(results.open(Some(Damage::HangUp)).collect().await.is_err());
    }
}
