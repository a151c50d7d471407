//! Who calls for another program: by a token, or without one from a network that is trusted.

use http::{HeaderMap, header};
use schemas::{ErrorBody, ErrorCode, Identity, Role};

use super::Context;
use super::api::identity;
use crate::edge::Peer;

/// The user that calls without a token are made as.
const NOBODY: &str = "trusted-network";

/// Whoever it is.
pub(super) fn caller(
    context: &Context,
    headers: &HeaderMap,
    Peer(peer): Peer,
) -> Result<Identity, ErrorBody> {
    let address = context.entrance.address_of(peer.ip(), headers);
    let trusted = context.trusted_networks.iter().any(|network| network.contains(address));
    match NOBODY.parse() {
        Ok(user_id) if trusted && !headers.contains_key(header::AUTHORIZATION) => {
            Ok(Identity::unlimited(user_id, Role::Service))
        }
        _ => identity(context, headers),
    }
}

/// Who posts: another program, or who runs the installation.
pub(super) fn poster(context: &Context, headers: &HeaderMap, peer: Peer) -> Result<Identity, ErrorBody> {
    let by = caller(context, headers, peer)?;
    if by.role == Role::Service || by.role.is_admin() {
        return Ok(by);
    }
    let message =
        format!("the role {} may not post events: take a token of role service or admin", by.role.as_str());
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

/// Who is told who is connected: another program or an admin, of every shop. Presence is not kept by shop, so whoever is
/// limited to some would be told of the others.
pub(super) fn reader(context: &Context, headers: &HeaderMap, peer: Peer) -> Result<Identity, ErrorBody> {
    let by = caller(context, headers, peer)?;
    let everywhere = context.shops.domains().iter().all(|shop| by.may_enter(shop));
    if everywhere && (by.role == Role::Service || by.role.is_admin()) {
        return Ok(by);
    }
    let message = "who is connected is told to tokens of role admin or service that are good for every shop";
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}
