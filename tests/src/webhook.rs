//! A webhook of our own making: signed like the shop's, or not quite.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::shop::{DOMAIN, SECRET};

/// A delivery as it goes over the wire.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// All headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl Webhook {
    /// A delivery of that topic with an id of its own, signed.
    pub fn of(topic: &str, body: &Value) -> Self {
        Self::raw(topic, body.to_string().into_bytes())
    }

    /// The same with any bytes.
    pub fn raw(topic: &str, body: Vec<u8>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = format!("test-{}", LAST.fetch_add(1, Ordering::Relaxed));
        let headers = [
            ("content-type", "application/json"),
            ("x-shopify-topic", topic),
            ("x-shopify-hmac-sha256", &signature(SECRET, &body)),
            ("x-shopify-shop-domain", DOMAIN),
            ("x-shopify-api-version", sim::VERSION),
            ("x-shopify-webhook-id", &id),
        ];
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Self { headers, body }
    }

    /// The head of a request with it, but for the empty line that ends it: for saying it over a bare wire.
    pub fn head(&self, length: &str) -> String {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "POST /webhooks/shopify HTTP/1.1\r\nHost: stockd\r\n{length}\r\n{}",
            lines.collect::<String>()
        )
    }

    /// With another value, or a further header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name.to_owned(), value.to_owned()));
        changed
    }

    /// Without that header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Signed anew with another secret.
    #[must_use]
    pub fn signed_with(self, secret: &str) -> Self {
        let signature = signature(secret, &self.body);
        self.header("x-shopify-hmac-sha256", &signature)
    }
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap()
        .chain_update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}
