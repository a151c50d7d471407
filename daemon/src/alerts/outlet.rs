//! The ways out: a mail server, a chat, a program. Each takes a message or says why not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono_tz::Tz;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Request, StatusCode, Uri, header};
use schemas::Timestamp;
use serde_json::json;
use sha2::Sha256;
use shopify::{Transport, TransportError};
use tokio::time::timeout;

use super::email::MailRoute;
use super::message::{AlertMessage, Style};
use crate::limits::{ALERT_RETRY_AFTER_MAX, ALERT_TIMEOUT};

/// Bytes of a webhook's secret, as Standard Webhooks wants them.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Slack's marks, and few lines: a chat is no list.
const CHAT: Style = Style {
    heading: ["*", "*"],
    bullet: "• ",
    lines_max: 10,
};

/// Where messages go.
pub(super) enum Outlet {
    /// To mailboxes.
    Email(MailRoute),
    /// To a chat.
    Slack(Uri),
    /// To a program, signed.
    Webhook {
        /// Where it listens.
        address: Uri,
        /// What only it and we know.
        key: Vec<u8>,
    },
}

/// Why a message was not taken.
#[derive(Debug)]
pub(super) enum SendRefusal {
    /// Not now, or nobody knows: the same is sent again, not before that time has passed.
    Later(String, Option<Duration>),
    /// This one never.
    Never(String),
}

/// What a message is sent with.
pub(super) struct Sending<'s> {
    /// The same whenever it is sent again, and of no other message.
    pub(super) id: String,
    /// Now.
    pub(super) at: Timestamp,
    /// Where the clocks are that its readers look at.
    pub(super) zone: Tz,
    /// Carries requests.
    pub(super) transport: &'s dyn Transport,
}

impl Outlet {
    /// How many are sent a message, each for themselves.
    pub(super) fn recipients(&self) -> usize {
        match self {
            Self::Email(post) => post.recipients(),
            Self::Slack(_) | Self::Webhook { .. } => 1,
        }
    }

    /// Whether each event must be told whole, and not only be counted.
    pub(super) fn tells_each(&self) -> bool {
        matches!(self, Self::Webhook { .. })
    }

    /// Sends it to one of the recipients. `Ok` when it was taken.
    pub(super) async fn send(
        &self,
        message: &AlertMessage,
        recipient: usize,
        sending: &Sending<'_>,
    ) -> Result<(), SendRefusal> {
        let (request, body) = match self {
            Self::Email(post) => return post.send(message, recipient, sending).await,
            Self::Slack(address) => {
                let text = message.text(sending.zone, &CHAT);
                let text = text
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                (Request::post(address), json!({ "text": text }).to_string())
            }
            Self::Webhook { address, key } => {
                let (body, at) = (message.json().to_string(), sending.at.as_second());
                let signature = sign(key, &format!("{}.{at}.{body}", sending.id));
                let request = Request::post(address)
                    .header("webhook-id", &sending.id)
                    .header("webhook-timestamp", at)
                    .header("webhook-signature", format!("v1,{signature}"));
                (request, body)
            }
        };
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body));
        let request = request
            .map_err(|problem| SendRefusal::Never(format!("it cannot be sent: {problem}")))?;
        let answer = timeout(ALERT_TIMEOUT, sending.transport.send(request)).await;
        let answer = answer
            .unwrap_or(Err(TransportError::Timeout))
            .map_err(|error| unanswered(&error))?;
        taken(answer.status(), answer.headers())
    }
}

/// The key that a webhook's secret spells.
///
/// # Errors
/// What is wrong with it, without telling it.
pub(super) fn key(secret: &str) -> Result<Vec<u8>, String> {
    let key = secret
        .strip_prefix("whsec_")
        .and_then(|text| BASE64.decode(text).ok());
    key.filter(|key| KEY_BYTES.contains(&key.len())).ok_or_else(|| {
        "is not whsec_ and 24 to 64 bytes in base64: make one by  echo whsec_$(openssl rand -base64 32)"
            .to_owned()
    })
}

/// The address that a secret spells.
///
/// # Errors
/// What is wrong with it, without telling it.
pub(super) fn address(secret: &str) -> Result<Uri, String> {
    let address = secret.parse::<Uri>().ok();
    let web = |address: &Uri| {
        matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
    };
    address
        .filter(web)
        .ok_or_else(|| "is no address that begins with https://".to_owned())
}

/// As Standard Webhooks signs: HMAC-SHA256 over id, time and body.
fn sign(key: &[u8], content: &str) -> String {
    // A key of any length is taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(content.as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

fn unanswered(error: &TransportError) -> SendRefusal {
    let reason = match error {
        TransportError::Connect(_) => "nobody answers at its address",
        TransportError::Timeout => "it does not answer in time",
        TransportError::Broken(_) | TransportError::TooLong => "its answer broke off",
        TransportError::Tls(_) => {
            "TLS cannot be set up: install the distribution's package ca-certificates"
        }
    };
    SendRefusal::Later(reason.to_owned(), None)
}

fn taken(status: StatusCode, headers: &HeaderMap) -> Result<(), SendRefusal> {
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("it answered {}", status.as_u16());
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if !status.is_server_error() && !passing.contains(&status) {
        return Err(SendRefusal::Never(reason));
    }
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let after = seconds.map(|seconds| Duration::from_secs(seconds).min(ALERT_RETRY_AFTER_MAX));
    Err(SendRefusal::Later(reason, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        // The example of that specification's own libraries.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let content = format!("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{body}");
        assert_eq!(
            sign(&key, &content),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn what_is_no_key_or_address_is_refused_without_being_told() {
        for weak in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_?"] {
            assert!(key(weak).unwrap_err().contains("openssl rand"), "{weak}");
        }
        for odd in ["", "example.com/hook", "/hook", "ftp://example.com"] {
            assert_eq!(
                address(odd).unwrap_err(),
                "is no address that begins with https://"
            );
        }
        assert!(address("https://hooks.example.com/services/T0/B0/x").is_ok());
    }
}
