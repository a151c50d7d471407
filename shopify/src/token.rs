//! The token that opens a shop: fetched when there is none, renewed early, replaced when Shopify refuses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use schemas::Entropy;
use serde::Deserialize;
use tokio::time::Instant;

use crate::credential::{Credential, GrantError};
use crate::error::Error;
use crate::secret::Secret;
use crate::transport::Transport;

/// A token is renewed after this share of its life at the earliest: of 24 h, six are left to do it.
const RENEW_FROM: f64 = 0.75;
/// Over which share of a token's life renewals are spread, so that those of many shops do not come together.
const RENEW_SPREAD: f64 = 0.125;
/// How long to leave it at that after a renewal that failed, while the old token is still good.
const RENEW_PAUSE: Duration = Duration::from_mins(1);
/// How long a refusal stands: Shopify is not asked again before, by however many calls.
const REFUSAL_STANDS: Duration = Duration::from_mins(1);
/// A token that is refused at this age is not replaced: a newer one would be refused as well.
const REPLACED_FROM: Duration = Duration::from_mins(1);
/// Life of a token whose answer does not tell it: what Shopify documents for this grant.
const LIFE_UNTOLD: Duration = Duration::from_hours(24);
/// Shortest life of a token that is believed; Shopify refuses one that has ended, and it is replaced then.
const LIFE_MIN: Duration = Duration::from_mins(2);
/// Longest life of a token that is believed.
const LIFE_MAX: Duration = Duration::from_hours(24 * 365);

/// The token of one shop, renewed before it expires.
pub(crate) struct TokenSource {
    credential: Credential,
    /// Of the grant. It has no API version.
    address: Uri,
    transport: Arc<dyn Transport>,
    entropy: Arc<Entropy>,
    held: Mutex<HeldToken>,
    /// Held by the one who fetches a token.
    gate: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct HeldToken {
    token: Option<AccessToken>,
    refusal: Option<(Instant, GrantError)>,
    /// Tokens fetched so far.
    fetched: u64,
}

/// A token, and the header that carries it.
#[derive(Clone)]
pub(crate) struct AccessToken {
    pub(crate) header: HeaderValue,
    number: u64,
    since: Instant,
    renew_at: Instant,
    ends_at: Instant,
}

#[derive(Deserialize)]
struct TokenGrant {
    access_token: String,
    /// Lifetime in seconds; a day when left out.
    #[serde(default)]
    expires_in: Option<f64>,
}

impl TokenSource {
    pub(crate) fn new(
        credential: Credential,
        address: Uri,
        transport: Arc<dyn Transport>,
        entropy: Arc<Entropy>,
    ) -> Self {
        Self {
            credential,
            address,
            transport,
            entropy,
            held: Mutex::default(),
            gate: tokio::sync::Mutex::default(),
        }
    }

    /// A token that should be good. While one call fetches it, those that have none wait; those that still have
    /// one do not.
    pub(crate) async fn current(&self) -> Result<AccessToken, Error> {
        let (id, secret) = match &self.credential {
            Credential::Token(secret) => return Ok(AccessToken::fixed(secret)),
            Credential::ClientCredentials { id, secret } => (id, secret),
        };
        let good = || self.held().token.clone().filter(AccessToken::is_good);
        let _gate = match good() {
            Some(token) if !token.is_due() => return Ok(token),
            Some(token) => match self.gate.try_lock() {
                Ok(gate) => gate,
                Err(_) => return Ok(token),
            },
            None => self.gate.lock().await,
        };
        match good() {
            Some(token) if !token.is_due() => Ok(token),
            Some(token) => Ok(self.fetch(id, secret).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the token could not be renewed early; the old one is still good");
                self.postpone();
                token
            })),
            None => self.fetch(id, secret).await,
        }
    }

    /// Another token in place of one that Shopify refused; `None` when there can be no better one.
    pub(crate) async fn instead_of(
        &self,
        refused: &AccessToken,
    ) -> Result<Option<AccessToken>, Error> {
        let Credential::ClientCredentials { id, secret } = &self.credential else {
            return Ok(None);
        };
        let _gate = self.gate.lock().await;
        let held = self.held().token.clone();
        match held.filter(|held| held.number != refused.number) {
            Some(newer) => Ok(Some(newer)),
            None if refused.since.elapsed() < REPLACED_FROM => Ok(None),
            None => self.fetch(id, secret).await.map(Some),
        }
    }

    async fn fetch(&self, id: &str, secret: &Secret) -> Result<AccessToken, Error> {
        let standing = self
            .held()
            .refusal
            .clone()
            .filter(|(since, _)| since.elapsed() < REFUSAL_STANDS);
        if let Some((_, refusal)) = standing {
            return Err(refusal.into());
        }
        let asked = Instant::now();
        let response = self.transport.send(self.request(id, secret)).await?;
        let status = response.status().as_u16();
        let token = match status {
            200 => match self.read(response.body(), asked) {
                Some(token) => token,
                None => return Err(self.refused(GrantError::Unreadable)),
            },
            400 | 401 | 403 | 422 => {
                return Err(self.refused(GrantError::of(status, response.body())));
            }
            other => return Err(Error::of_status(other, response.headers())),
        };
        let mut held = self.held();
        held.refusal = None;
        held.token = Some(token.clone());
        Ok(token)
    }

    /// Notes that there is no token for a while.
    fn refused(&self, refusal: GrantError) -> Error {
        tracing::error!(error = %refusal, "Shopify gives no token");
        self.held().refusal = Some((Instant::now(), refusal.clone()));
        refusal.into()
    }

    fn request(&self, id: &str, secret: &Secret) -> Request<Bytes> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", id)
            .append_pair("client_secret", secret.reveal())
            .finish();
        let mut request = Request::new(form.into());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.address.clone();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request
    }

    /// The token of an answer; `None` when there is none in it. What is wrong is not told in serde's words, which
    /// might repeat the token.
    fn read(&self, body: &[u8], asked: Instant) -> Option<AccessToken> {
        let grant: TokenGrant = serde_json::from_slice(body).ok()?;
        let secret: Secret = grant.access_token.parse().ok()?;
        let told = grant
            .expires_in
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let life = told.unwrap_or(LIFE_UNTOLD).clamp(LIFE_MIN, LIFE_MAX);
        let mut held = self.held();
        held.fetched += 1;
        Some(AccessToken {
            header: header_of(&secret),
            number: held.fetched,
            since: asked,
            renew_at: asked + life.mul_f64(RENEW_FROM + RENEW_SPREAD * self.entropy.fraction()),
            ends_at: asked + life,
        })
    }

    fn postpone(&self) {
        if let Some(token) = &mut self.held().token {
            token.renew_at = Instant::now() + RENEW_PAUSE;
        }
    }

    fn held(&self) -> MutexGuard<'_, HeldToken> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessToken {
    fn fixed(secret: &Secret) -> Self {
        let now = Instant::now();
        Self {
            header: header_of(secret),
            number: 0,
            since: now,
            renew_at: now,
            ends_at: now,
        }
    }

    fn is_good(&self) -> bool {
        Instant::now() < self.ends_at
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.renew_at
    }
}

fn header_of(secret: &Secret) -> HeaderValue {
    // A secret is visible ASCII, as a header's value may be.
    let mut header = HeaderValue::from_str(secret.reveal()).expect("visible ASCII makes a header");
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests;
