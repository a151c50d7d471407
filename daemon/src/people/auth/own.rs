//! The issuer that stockd itself is: tokens of ten minutes for its local users, and those that the control socket gives
//! out. Signed with a key made from the database's secret, so there is nothing to configure and nothing to copy.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use schemas::{ErrorBody, ErrorCode, Timestamp};
use serde::Serialize;
use sha2::Sha256;
use store::LocalUser;

use super::NewToken;
use crate::people::accounts::{Accounts, SignedIn};

/// What `iss` of such a token says. No other issuer may be called so.
pub(crate) const OWN_ISSUER: &str = "stockd";
/// How long such a token of a user is good for; the cookie fetches the next.
const TOKEN_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// Tells this use of the database's secret from others.
const KEY_LABEL: &[u8] = b"stockd: the key of our own tokens, 1";

/// Signs and verifies our own tokens.
pub(super) struct OwnIssuer {
    signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    pub(super) accounts: Arc<Accounts>,
}

/// What a token of a local user says.
#[derive(Serialize)]
struct UserClaims<'u> {
    iss: &'static str,
    sub: &'u str,
    name: &'u str,
    role: schemas::Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    locations: Option<&'u [schemas::LocationId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shops: Option<&'u [schemas::ShopDomain]>,
    sid: &'u str,
    iat: i64,
    exp: i64,
}

impl OwnIssuer {
    pub(super) fn new(secret: &[u8; 32], accounts: Arc<Accounts>) -> Self {
        // HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
        let key = mac.chain_update(KEY_LABEL).finalize().into_bytes();
        Self {
            signing: EncodingKey::from_secret(&key),
            verifying: DecodingKey::from_secret(&key),
            accounts,
        }
    }

    /// A token of that login, and when it runs out.
    pub(super) fn issue(
        &self,
        signed_in: &SignedIn,
        now: Timestamp,
    ) -> Result<(String, Timestamp), ErrorBody> {
        let LocalUser {
            id,
            name,
            role,
            locations,
            shops,
            ..
        } = &signed_in.user;
        let end = now.saturating_add(TOKEN_AGE_MAX).unwrap_or(Timestamp::MAX);
        let claims = UserClaims {
            iss: OWN_ISSUER,
            sub: id.as_str(),
            name,
            role: *role,
            locations: locations.as_deref(),
            shops: shops.as_deref(),
            sid: &signed_in.login,
            iat: now.as_second(),
            exp: end.as_second(),
        };
        let end = Timestamp::from_second(end.as_second()).unwrap_or(end);
        Ok((self.sign(&claims)?, end))
    }

    /// A token for anybody, whom the control socket vouches for.
    pub(super) fn issue_for(&self, token: NewToken) -> Result<String, ErrorBody> {
        self.sign(&NewToken {
            iss: Some(OWN_ISSUER.to_owned()),
            aud: None,
            ..token
        })
    }

    fn sign<C: Serialize>(&self, claims: &C) -> Result<String, ErrorBody> {
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))
    }
}
