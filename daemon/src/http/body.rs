//! A request's body, counted while it streams in: no header need tell the truth about its length.
//!
//! Nobody is known by a body that is not whole, so all of them together have one bound, [`BODIES_BYTES_MAX`].

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, header};
use schemas::{ErrorBody, ErrorCode};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use ws::connection::counted_as;

use crate::limits::BODIES_BYTES_MAX;

/// A body that is still to be read.
pub(super) struct Body {
    chunks: BoxStream<'static, Result<Bytes, warp::Error>>,
    /// How long it will be, where that was said.
    declared: Option<usize>,
    from: IpAddr,
    budget: Arc<BodyBudget>,
}

impl Body {
    /// One that comes from there.
    pub(super) fn new<B: Buf>(
        chunks: impl Stream<Item = Result<B, warp::Error>> + Send + 'static,
        headers: &HeaderMap,
        from: IpAddr,
        budget: &Arc<BodyBudget>,
    ) -> Self {
        let whole_chunk = |chunk: Result<B, warp::Error>| {
            chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining()))
        };
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let budget = Arc::clone(budget);
        Self {
            chunks: chunks.map(whole_chunk).boxed(),
            declared: length,
            from,
            budget,
        }
    }
}

/// The whole body, or the refusal of one that is larger than that, breaks off, or has to make room for others.
pub(super) async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, ErrorBody> {
    let Body {
        mut chunks,
        declared,
        from,
        budget,
    } = body;
    let too_large = || {
        let message = format!("the body of such a request has at most {bytes_max} bytes");
        ErrorBody::new(ErrorCode::TooLarge, message)
    };
    if declared.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let share = budget.share(from);
    let read = async {
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let broken =
                |_| ErrorBody::new(ErrorCode::InvalidPayload, "the body ended before its end");
            let chunk = chunk.map_err(broken)?;
            if whole.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            if !share.grow(chunk.len()) {
                return Err(displaced());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    tokio::select! {
        biased;
        () = share.displaced.cancelled() => Err(displaced()),
        read = read => read,
    }
}

/// The whole body as JSON of that type, or the refusal of what is `not <what>`.
pub(super) async fn read<T: DeserializeOwned>(
    body: Body,
    bytes_max: usize,
    what: &str,
) -> Result<T, ErrorBody> {
    let body = whole(body, bytes_max).await?;
    schemas::json::read(&body).map_err(|problem| {
        let message = format!("not {what}: {problem}");
        ErrorBody::new(ErrorCode::InvalidPayload, message)
    })
}

fn displaced() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "too much is being sent at once; try again in a second",
    )
}

/// The bytes of all bodies that are being read.
#[derive(Debug, Default)]
pub(crate) struct BodyBudget(Mutex<Shares>);

#[derive(Debug, Default)]
struct Shares {
    bytes: usize,
    /// Bytes read of each body of which any were.
    bodies: HashMap<u64, HeldBody>,
    next: u64,
}

#[derive(Debug)]
struct HeldBody {
    bytes: usize,
    from: IpAddr,
    displaced: CancellationToken,
}

/// What one body has of the budget, until it is dropped.
struct Share<'b> {
    budget: &'b BodyBudget,
    id: u64,
    from: IpAddr,
    displaced: CancellationToken,
}

impl BodyBudget {
    fn share(&self, from: IpAddr) -> Share<'_> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shares.next += 1;
        Share {
            budget: self,
            id: shares.next,
            from: counted_as(from),
            displaced: CancellationToken::new(),
        }
    }
}

impl Share<'_> {
    /// Takes more bytes. Beyond the budget others make room, or, where this is the largest itself, it is refused.
    fn grow(&self, bytes: usize) -> bool {
        let mut shares = self.budget.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.displaced.is_cancelled() {
            return false;
        }
        let Self {
            from,
            ref displaced,
            id,
            ..
        } = *self;
        let held = shares.bodies.entry(id).or_insert_with(|| HeldBody {
            bytes: 0,
            from,
            displaced: displaced.clone(),
        });
        held.bytes += bytes;
        shares.bytes += bytes;
        while shares.bytes > BODIES_BYTES_MAX
            && let Some(id) = shares.largest()
        {
            shares.remove(id);
        }
        shares.bodies.contains_key(&id)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(self.id);
    }
}

impl Shares {
    /// The largest body of the address that holds most: whoever sends a little is never in the way.
    fn largest(&self) -> Option<u64> {
        let mut addresses = HashMap::new();
        for HeldBody { bytes, from, .. } in self.bodies.values() {
            *addresses.entry(*from).or_insert(0) += bytes;
        }
        let (most, _) = addresses.into_iter().max_by_key(|(_, bytes)| *bytes)?;
        let of_it = self.bodies.iter().filter(|(_, held)| held.from == most);
        of_it.max_by_key(|(_, held)| held.bytes).map(|(id, _)| *id)
    }

    fn remove(&mut self, id: u64) {
        if let Some(held) = self.bodies.remove(&id) {
            self.bytes -= held.bytes;
            held.displaced.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1024 * 1024;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_largest_body_of_who_sends_most_makes_room() {
        let budget = BodyBudget::default();
        let many: Vec<_> = (0..BODIES_BYTES_MAX / MEBIBYTE - 1)
            .map(|_| {
                let share = budget.share(ip("192.0.2.1"));
                assert!(share.grow(MEBIBYTE - 1));
                share
            })
            .collect();
        assert!(many[3].grow(1));
        let honest = budget.share(ip("192.0.2.2"));
        assert!(honest.grow(MEBIBYTE) && honest.grow(MEBIBYTE / 2));
        let displaced: Vec<_> = (0..many.len())
            .filter(|at| many[*at].displaced.is_cancelled())
            .collect();
        assert_eq!(displaced, [3]);
        assert!(!many[3].grow(1) && many[4].grow(MEBIBYTE / 4));
        drop(honest);
        drop(many);
        assert_eq!(budget.0.lock().unwrap().bytes, 0);
        assert!(budget.0.lock().unwrap().bodies.is_empty());
    }

    #[test]
    fn a_body_that_is_itself_the_largest_is_refused() {
        let budget = BodyBudget::default();
        let small = budget.share(ip("192.0.2.1"));
        assert!(small.grow(300));
        let large = budget.share(ip("192.0.2.1"));
        assert!(large.grow(BODIES_BYTES_MAX - 300) && !large.grow(1));
        assert!(!small.displaced.is_cancelled() && small.grow(300));
    }
}
