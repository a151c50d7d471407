//! `POST /webhooks/shopify`: verified, put on disk, and only then answered 200.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use schemas::event::WebhookReceived;
use schemas::{ErrorBody, ErrorCode, Event};
use shopify::{Webhook, WebhookError};
use store::{Delivery, Operation};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::{Context, error};
use crate::limits::WEBHOOK_BYTES_MAX;

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    warp::path!("webhooks" / "shopify")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |headers, body| {
            let context = context.clone();
            async move { receive(&context, &headers, body).await.unwrap_or_else(|refusal| refusal) }
        })
        .boxed()
}

async fn receive<B: Buf>(
    context: &Context,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Response> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        let message = "the body must not be compressed: its signature covers the raw bytes";
        return Err(error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &ErrorBody::new(ErrorCode::InvalidPayload, message),
        ));
    }
    let shop = Webhook::claimed_shop(headers).map_err(|reason| refused(&reason))?;
    let secrets = context.shops.webhook_secrets(&shop).ok_or_else(|| {
        tracing::warn!(shop.domain = %shop, "a webhook of a shop that is not configured was refused");
        error(
            StatusCode::NOT_FOUND,
            &ErrorBody::new(ErrorCode::NotFound, format!("the shop {shop} is not configured here")),
        )
    })?;
    let body = whole(body).await?;
    let webhook = Webhook::verify(secrets, headers, body).map_err(|reason| {
        tracing::warn!(shop.domain = %shop, %reason, "a webhook was refused");
        refused(&reason)
    })?;
    keep(context, &webhook).await
}

/// Collects the body, counting: no header need tell the truth about its length.
async fn whole<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>>) -> Result<Bytes, Response> {
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| {
            error(
                StatusCode::BAD_REQUEST,
                &ErrorBody::new(ErrorCode::InvalidPayload, "the body ended before its end"),
            )
        })?;
        if whole.len() + chunk.remaining() > WEBHOOK_BYTES_MAX {
            let message = format!("a webhook's body has at most {WEBHOOK_BYTES_MAX} bytes");
            return Err(error(StatusCode::PAYLOAD_TOO_LARGE, &ErrorBody::new(ErrorCode::TooLarge, message)));
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

/// Puts a delivery on disk. A repeated one is answered like the first and changes nothing.
async fn keep(context: &Context, webhook: &Webhook) -> Result<Response, Response> {
    let delivery = Delivery {
        shop: webhook.shop().clone(),
        webhook_id: webhook.webhook_id().clone(),
        topic: webhook.topic().to_owned(),
        triggered_at: webhook.triggered_at(),
        received_at: context.clock.now(),
        body: webhook.body().to_vec(),
    };
    let received = WebhookReceived {
        topic: delivery.topic.clone(),
        shop: delivery.shop.clone(),
        webhook_id: delivery.webhook_id.clone(),
        received_at: delivery.received_at,
    };
    let kept = context.store.write(Operation::Accept(delivery)).await.map_err(|failure| {
        tracing::error!(shop.domain = %received.shop, topic = received.topic, error = %failure, "a webhook could not be kept; Shopify will send it again");
        error(StatusCode::SERVICE_UNAVAILABLE, &ErrorBody::new(ErrorCode::Unavailable, "the webhook could not be kept: send it again"))
    })?;
    tracing::debug!(shop.domain = %received.shop, topic = received.topic, webhook.id = %received.webhook_id, fresh = kept.fresh, "webhook kept");
    if kept.fresh {
        context.arrived.notify_one();
        context.hub.tell(&received.shop.clone(), &Event::ShopifyWebhookReceived(received));
    }
    Ok(StatusCode::OK.into_response())
}

fn refused(reason: &WebhookError) -> Response {
    let (status, code) = if reason.is_unauthorized() {
        (StatusCode::UNAUTHORIZED, ErrorCode::Forbidden)
    } else {
        (StatusCode::BAD_REQUEST, ErrorCode::InvalidPayload)
    };
    error(status, &ErrorBody::new(code, reason.to_string()))
}
