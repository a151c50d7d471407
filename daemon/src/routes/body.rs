//! A request's body, counted while it streams in: no header need tell the truth about its length.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use schemas::{ErrorBody, ErrorCode};

/// The whole body, or the refusal of one that is larger than that or breaks off.
pub(super) async fn whole<B: Buf>(
    body: impl Stream<Item = Result<B, warp::Error>>,
    bytes_max: usize,
) -> Result<Bytes, ErrorBody> {
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let mut chunk =
            chunk.map_err(|_| ErrorBody::new(ErrorCode::InvalidPayload, "the body ended before its end"))?;
        if whole.len() + chunk.remaining() > bytes_max {
            let message = format!("the body of such a request has at most {bytes_max} bytes");
            return Err(ErrorBody::new(ErrorCode::TooLarge, message));
        }
        while chunk.has_remaining() {
            let piece = chunk.chunk();
            whole.extend_from_slice(piece);
            let length = piece.len();
            chunk.advance(length);
        }
    }
    Ok(whole.freeze())
}
