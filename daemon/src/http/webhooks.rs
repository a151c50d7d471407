//! `POST /webhooks/shopify`: verified, read and put on disk with its effect, and only then answered 200.

use http::{HeaderMap, StatusCode, header};
use schemas::event::WebhookReceived;
use schemas::{Ephemeral, ErrorBody, ErrorCode};
use shopify::{Webhook, WebhookError};
use store::Delivery;
use tracing::Instrument as _;
use warp::Reply as _;
use warp::reply::Response;

use super::body::Body;
use super::route::SignedRequest;
use super::{RouteContext, body, error, late, status};
use crate::limits::{WEBHOOK_BODY_TIMEOUT, WEBHOOK_BYTES_MAX};
use crate::spans;
use crate::supervisor::problems::OTHER_STORE;

pub(super) async fn receive(
    context: &RouteContext,
    SignedRequest { headers, body }: SignedRequest,
) -> Response {
    received(context, &headers, body)
        .await
        .unwrap_or_else(|refusal| refusal)
}

async fn received(
    context: &RouteContext,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Response> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        let message = "the body must not be compressed: its signature covers the raw bytes";
        return Err(error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &ErrorBody::new(ErrorCode::InvalidPayload, message),
        ));
    }
    // Everything that the headers tell is settled before a byte of the body is kept for anybody.
    let shop = Webhook::claimed_shop(headers).map_err(|reason| refused(&reason))?;
    let secrets = context.shops.webhook_secrets(&shop).ok_or_else(|| {
        context.problems.webhook_of_stranger(&shop);
        error(
            StatusCode::NOT_FOUND,
            &ErrorBody::new(
                ErrorCode::NotFound,
                format!("the shop {shop} is not configured here"),
            ),
        )
    })?;
    let body =
        tokio::time::timeout(WEBHOOK_BODY_TIMEOUT, body::whole(body, WEBHOOK_BYTES_MAX)).await;
    let body = body.map_err(|_| late())?;
    let body = body.map_err(|problem| error(status(problem.code), &problem))?;
    let webhook = Webhook::verify(secrets, headers, body).map_err(|reason| {
        tracing::debug!(shop.domain = %shop, %reason, "Refused a webhook");
        if reason.is_unauthorized() {
            context.problems.webhook_refused(&shop);
        }
        refused(&reason)
    })?;
    context.problems.webhook_signed(&shop);
    if context.problems.stands(&shop, OTHER_STORE) {
        let message = "this database is of another store: see /api/v1/status";
        return Err(error(
            StatusCode::SERVICE_UNAVAILABLE,
            &ErrorBody::new(ErrorCode::Unavailable, message),
        ));
    }
    let span = spans::delivery(webhook.shop(), webhook.webhook_id(), webhook.topic());
    keep(context, &webhook).instrument(span).await
}

/// Puts a delivery on disk. A repeated one is answered like the first and changes nothing.
async fn keep(context: &RouteContext, webhook: &Webhook) -> Result<Response, Response> {
    let delivery = Delivery {
        shop: webhook.shop().clone(),
        webhook_id: webhook.webhook_id().clone(),
        signature: webhook.signature().to_vec(),
        topic: webhook.topic().to_owned(),
        triggered_at: webhook.triggered_at(),
        received_at: context.clock.now(),
        body: Vec::new(),
    };
    let received = WebhookReceived {
        topic: delivery.topic.clone(),
        shop: delivery.shop.clone(),
        webhook_id: delivery.webhook_id.clone(),
        received_at: delivery.received_at,
    };
    let kept = context.webhooks.take(delivery, webhook.body()).await.map_err(|failure| {
        // That nothing can be written is logged when it begins and when it ends.
        tracing::debug!(error = %failure, "Could not store a webhook; Shopify will send it again");
        error(StatusCode::SERVICE_UNAVAILABLE, &ErrorBody::new(ErrorCode::Unavailable, "the webhook could not be kept: send it again"))
    })?;
    tracing::debug!(fresh = kept.fresh, "Accepted a webhook");
    if kept.fresh {
        if let (Some(version), Some(client)) =
            (webhook.api_version(), context.clients.get(&received.shop))
        {
            client.hear_webhook(version);
        }
        context.hub.publish_ephemeral(
            &received.shop.clone(),
            &Ephemeral::ShopifyWebhookReceived(received),
        );
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
