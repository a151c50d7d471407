//! A webhook whose signature was checked; there is no other way to have one.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use schemas::{ShopDomain, Timestamp, WebhookId};
use sha2::Sha256;

use crate::secret::Secret;

/// The headers of a delivery, case-insensitive
/// (<https://shopify.dev/docs/apps/build/webhooks>, API 2026-10).
mod header {
    pub(super) const API_VERSION: &str = "x-shopify-api-version";
    pub(super) const EVENT_ID: &str = "x-shopify-event-id";
    pub(super) const SHOP: &str = "x-shopify-shop-domain";
    pub(super) const SIGNATURE: &str = "x-shopify-hmac-sha256";
    pub(super) const TOPIC: &str = "x-shopify-topic";
    pub(super) const TRIGGERED_AT: &str = "x-shopify-triggered-at";
    pub(super) const WEBHOOK_ID: &str = "x-shopify-webhook-id";
}

/// Longest topic and longest optional header taken, in bytes.
const HEADER_BYTES_MAX: usize = 128;

/// A delivery that Shopify signed.
///
/// The signature covers the body alone. The headers could be forged around a replayed body, so that a body
/// may be believed only as "this was so at some time".
#[derive(Clone)]
pub struct Webhook {
    shop: ShopDomain,
    topic: String,
    id: WebhookId,
    event_id: Option<String>,
    triggered_at: Option<Timestamp>,
    api_version: Option<String>,
    signature: Vec<u8>,
    body: Bytes,
}

impl fmt::Debug for Webhook {
    /// Leaves the body out: it may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shop, topic, id, ..
        } = self;
        write!(
            f,
            "Webhook({topic} of {shop}, delivery {id}, {} bytes)",
            self.body.len()
        )
    }
}

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The header with the signature is missing.
    #[error("the delivery is not signed: {} is missing", header::SIGNATURE)]
    MissingSignature,
    /// Not 32 bytes in base64, or more than one.
    #[error(
        "the signature in {} is not one SHA-256 HMAC in base64",
        header::SIGNATURE
    )]
    MalformedSignature,
    /// Signed with none of the shop's secrets, or changed on the way.
    #[error("the signature does not match: check the shop's webhook secret")]
    WrongSignature,
    /// A header without which the delivery cannot be used.
    #[error("the delivery lacks the header {0}")]
    MissingHeader(&'static str),
    /// A header that does not say what it should, or is there twice.
    #[error("the delivery's header {0} cannot be read")]
    MalformedHeader(&'static str),
}

impl WebhookError {
    /// Whether the signature is at fault (answer 401) or a header (answer 400).
    pub fn is_unauthorized(&self) -> bool {
        matches!(
            self,
            Self::MissingSignature | Self::MalformedSignature | Self::WrongSignature
        )
    }
}

impl Webhook {
    /// The shop that an unverified delivery says it is from: good for finding its secrets and nothing else.
    ///
    /// Looks at every header without which [`Webhook::verify`] would refuse the delivery, so that its body need not be
    /// read for that.
    ///
    /// # Errors
    /// When one of them is missing, doubled or malformed.
    pub fn claimed_shop(headers: &HeaderMap) -> Result<ShopDomain, WebhookError> {
        signature(headers)?;
        topic(headers)?;
        parsed::<WebhookId>(headers, header::WEBHOOK_ID)?;
        parsed(headers, header::SHOP)
    }

    /// Checks the signature over the body's raw bytes, and only then looks at anything else.
    ///
    /// Any of `secrets` will do: for up to an hour after a rotation Shopify signs with the old one.
    /// Times and ids that stockd can do without are left out when they cannot be read.
    ///
    /// # Errors
    /// When no secret fits or a needed header is missing or malformed.
    pub fn verify(
        secrets: &[Secret],
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Self, WebhookError> {
        let signature = signature(headers)?;
        // Every secret is tried whatever the others said: the time taken tells nothing about which one fits.
        let signed = secrets.iter().fold(false, |fits, secret| {
            fits | is_signed(secret, &body, &signature)
        });
        if !signed {
            return Err(WebhookError::WrongSignature);
        }
        let optional = |name| {
            text(headers, name)
                .ok()
                .flatten()
                .filter(|text| text.len() <= HEADER_BYTES_MAX)
        };
        Ok(Self {
            shop: parsed(headers, header::SHOP)?,
            topic: topic(headers)?,
            id: parsed(headers, header::WEBHOOK_ID)?,
            event_id: optional(header::EVENT_ID).map(str::to_owned),
            triggered_at: optional(header::TRIGGERED_AT).and_then(|text| text.parse().ok()),
            api_version: optional(header::API_VERSION).map(str::to_owned),
            signature,
            body,
        })
    }

    /// From which shop. Whether that shop is ours is for the caller to know.
    pub fn shop(&self) -> &ShopDomain {
        &self.shop
    }

    /// What happened, as Shopify spells it, for instance `inventory_levels/update`.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Which delivery: the same on every retry, the key for duplicates.
    pub fn webhook_id(&self) -> &WebhookId {
        &self.id
    }

    /// Which action of a merchant: the same for all deliveries it caused.
    pub fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// When it happened at Shopify.
    pub fn triggered_at(&self) -> Option<Timestamp> {
        self.triggered_at
    }

    /// The API version that the body was written in.
    pub fn api_version(&self) -> Option<&str> {
        self.api_version.as_deref()
    }

    /// What the body was signed with: with the id it tells a retry from another body that claims the same id.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The body, as it was signed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

fn signature(headers: &HeaderMap) -> Result<Vec<u8>, WebhookError> {
    let text = text(headers, header::SIGNATURE).map_err(|_| WebhookError::MalformedSignature)?;
    let text = text.ok_or(WebhookError::MissingSignature)?;
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|_| WebhookError::MalformedSignature)?;
    if bytes.len() == 32 {
        Ok(bytes)
    } else {
        Err(WebhookError::MalformedSignature)
    }
}

fn is_signed(secret: &Secret, body: &[u8], signature: &[u8]) -> bool {
    Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok())
}

/// A header's text; `None` when it is not there.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, WebhookError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| WebhookError::MalformedHeader(name)),
        // Which of two would be meant depends on who reads it; a proxy might read the other one.
        (Some(_), Some(_)) => Err(WebhookError::MalformedHeader(name)),
    }
}

fn needed<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, WebhookError> {
    text(headers, name)?.ok_or(WebhookError::MissingHeader(name))
}

fn parsed<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, WebhookError> {
    needed(headers, name)?
        .parse()
        .map_err(|_| WebhookError::MalformedHeader(name))
}

fn topic(headers: &HeaderMap) -> Result<String, WebhookError> {
    let topic = needed(headers, header::TOPIC)?;
    let word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
    };
    if topic.len() > HEADER_BYTES_MAX || !topic.split('/').all(word) {
        return Err(WebhookError::MalformedHeader(header::TOPIC));
    }
    Ok(topic.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"title":"caf\u00e9 \/ b"}"#;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn signed_with(secret: &str) -> HeaderMap {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .unwrap()
            .chain_update(BODY)
            .finalize();
        let mut headers = HeaderMap::new();
        let pairs = [
            (
                "X-Shopify-Hmac-SHA256",
                BASE64_STANDARD.encode(mac.into_bytes()),
            ),
            ("X-Shopify-Shop-Domain", "pretend.myshopify.com".into()),
            ("X-Shopify-Topic", "products/update".into()),
            ("X-Shopify-Webhook-Id", "b1d7-1".into()),
            ("X-Shopify-Event-Id", "e-1".into()),
            (
                "X-Shopify-Triggered-At",
                "2026-11-20T10:00:00.123456789Z".into(),
            ),
            ("X-Shopify-API-Version", "2026-10".into()),
        ];
        for (name, value) in pairs {
            headers.insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        headers
    }

    fn verify(headers: &HeaderMap) -> Result<Webhook, WebhookError> {
        Webhook::verify(&secrets(&["new", "old"]), headers, Bytes::from_static(BODY))
    }

    #[test]
    fn a_signed_delivery_tells_what_its_headers_say() {
        let webhook = verify(&signed_with("new")).unwrap();
        assert_eq!(webhook.shop().as_str(), "pretend.myshopify.com");
        assert_eq!(webhook.topic(), "products/update");
        assert_eq!(webhook.webhook_id().as_str(), "b1d7-1");
        assert_eq!(webhook.event_id(), Some("e-1"));
        assert_eq!(
            webhook.triggered_at().unwrap().to_string(),
            "2026-11-20T10:00:00.123456789Z"
        );
        assert_eq!(webhook.api_version(), Some("2026-10"));
        assert_eq!(webhook.body(), BODY);
    }

    #[test]
    fn a_published_signature_is_accepted() {
        // RFC 4231, test case 2, written in base64.
        let mut headers = signed_with("new");
        headers.insert(
            header::SIGNATURE,
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
                .parse()
                .unwrap(),
        );
        let body = Bytes::from_static(b"what do ya want for nothing?");
        assert!(Webhook::verify(&secrets(&["Jefe"]), &headers, body).is_ok());
    }

    #[test]
    fn either_of_two_secrets_will_do_and_no_other() {
        assert!(verify(&signed_with("old")).is_ok());
        assert_eq!(
            verify(&signed_with("stolen")).unwrap_err(),
            WebhookError::WrongSignature
        );
        let none = Webhook::verify(&[], &signed_with("new"), Bytes::from_static(BODY));
        assert_eq!(none.unwrap_err(), WebhookError::WrongSignature);
    }

    #[test]
    fn a_byte_changed_anywhere_in_the_body_is_noticed() {
        let (secrets, headers) = (secrets(&["new"]), signed_with("new"));
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            let refused = Webhook::verify(&secrets, &headers, body.into()).unwrap_err();
            assert_eq!(refused, WebhookError::WrongSignature);
        }
    }

    #[test]
    fn a_signature_that_is_none_is_told_from_a_wrong_one() {
        let with = |value: &str| {
            let mut headers = signed_with("new");
            headers.insert(header::SIGNATURE, value.parse().unwrap());
            verify(&headers).unwrap_err()
        };
        for malformed in ["", "***", "c2hvcnQ=", "AAAA AAAA"] {
            assert_eq!(
                with(malformed),
                WebhookError::MalformedSignature,
                "{malformed}"
            );
        }
        let mut twice = signed_with("new");
        twice.append(header::SIGNATURE, "c2hvcnQ=".parse().unwrap());
        assert_eq!(
            verify(&twice).unwrap_err(),
            WebhookError::MalformedSignature
        );
        let mut without = signed_with("new");
        without.remove(header::SIGNATURE);
        assert_eq!(
            verify(&without).unwrap_err(),
            WebhookError::MissingSignature
        );
        assert_eq!(
            Webhook::claimed_shop(&without),
            Err(WebhookError::MissingSignature),
            "before the body"
        );
        assert!(WebhookError::MissingSignature.is_unauthorized());
    }

    #[test]
    fn the_signature_is_looked_at_before_every_other_header() {
        let mut headers = signed_with("stolen");
        headers.remove(header::TOPIC);
        headers.insert(header::SHOP, "nonsense".parse().unwrap());
        assert_eq!(verify(&headers).unwrap_err(), WebhookError::WrongSignature);
    }

    #[test]
    fn a_missing_and_a_malformed_header_are_named() {
        for name in [header::SHOP, header::TOPIC, header::WEBHOOK_ID] {
            let mut headers = signed_with("new");
            headers.insert(name, "Not/ One!".parse().unwrap());
            headers.append(name, "second".parse().unwrap());
            let error = verify(&headers).unwrap_err();
            assert_eq!(error, WebhookError::MalformedHeader(name));
            assert!(!error.is_unauthorized() && error.to_string().contains(name));
            assert_eq!(
                Webhook::claimed_shop(&headers).unwrap_err(),
                error,
                "before the body"
            );
            headers.remove(name);
            assert_eq!(
                Webhook::claimed_shop(&headers),
                Err(WebhookError::MissingHeader(name))
            );
            assert_eq!(
                verify(&headers).unwrap_err(),
                WebhookError::MissingHeader(name)
            );
        }
        let mut headers = signed_with("new");
        headers.insert(header::TOPIC, "products//update".parse().unwrap());
        assert_eq!(
            verify(&headers).unwrap_err(),
            WebhookError::MalformedHeader(header::TOPIC)
        );
        assert_eq!(
            Webhook::claimed_shop(&headers),
            Err(WebhookError::MalformedHeader(header::TOPIC))
        );
        let mut headers = signed_with("new");
        headers.insert(header::SHOP, "evil.example.com".parse().unwrap());
        assert_eq!(
            Webhook::claimed_shop(&headers),
            Err(WebhookError::MalformedHeader(header::SHOP))
        );
    }

    #[test]
    fn an_optional_header_that_cannot_be_read_does_not_cost_the_delivery() {
        let mut headers = signed_with("new");
        headers.insert(header::TRIGGERED_AT, "yesterday".parse().unwrap());
        headers.remove(header::EVENT_ID);
        headers.remove(header::API_VERSION);
        let webhook = verify(&headers).unwrap();
        assert_eq!(
            (
                webhook.triggered_at(),
                webhook.event_id(),
                webhook.api_version()
            ),
            (None, None, None)
        );
    }
}
