//! What the answers of a shop say about the API and the clocks, beside what they were asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use jiff::SignedDuration;
use schemas::{ShopDomain, Timestamp};
use tokio::sync::watch;

use crate::API_VERSION;
use crate::client::shortened;
use crate::document::Document;

/// From how many seconds on our clock is said to be wrong. An answer's way takes some of them, and Shopify's `Date`
/// knows only whole ones.
const SKEW_FROM: i64 = 180;
/// Below how many seconds it is said to be right again.
const SKEW_UNTIL: i64 = 120;
/// How long no webhook may come in another API version before that is over.
const WEBHOOK_VERSION_OVER: SignedDuration = SignedDuration::from_hours(1);

/// What a person should know about the API that a shop is served by. Healthy is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The API version that Shopify answers in, where it is not the one asked for: a version that is gone is served
    /// by the oldest one there still is, without an error
    /// (<https://shopify.dev/docs/api/usage/versioning>, API 2026-10).
    pub answered_version: Option<String>,
    /// The API version that webhooks are written in, where it is not ours: their version is set apart from that of calls.
    pub webhook_version: Option<String>,
    /// Why a document of ours is deprecated, in Shopify's words, shortened (`X-Shopify-API-Deprecated-Reason`).
    pub deprecated: BTreeMap<&'static str, String>,
    /// Whether customers' names are asked for and withheld: they are a protected customer field
    /// (<https://shopify.dev/docs/apps/launch/protected-customer-data>).
    pub names_withheld: bool,
    /// By how many seconds our clock is ahead of Shopify's, negative when behind; `None` below some minutes.
    pub clock_skew: Option<i64>,
}

impl Health {
    /// A sentence for each thing that is not as it should be.
    pub fn problems(&self) -> Vec<String> {
        let version = self.answered_version.iter().map(|answered| {
            format!("Shopify answers in API version {answered} and not in {API_VERSION}: update stockd")
        });
        let webhooks = self.webhook_version.iter().map(|version| {
            format!(
                "Shopify writes webhooks in API version {version} and not in {API_VERSION}: set the version of the app's \
                 webhooks to {API_VERSION}"
            )
        });
        let deprecated = self.deprecated.iter().map(|(document, reason)| {
            format!("Shopify deprecates what stockd asks in {document} ({reason}): update stockd")
        });
        let skew = self.clock_skew.iter().map(|seconds| {
            let way = if *seconds < 0 { "behind" } else { "ahead of" };
            format!("this machine's clock is {} s {way} Shopify's: set it by NTP", seconds.abs())
        });
        let names = self.names_withheld.then(|| {
            "Shopify withholds customers' names and everything else is synced: give the app the protected customer \
             field \"Name\" (API access requests in its dashboard; for an app made in the shop's admin pages it is a \
             matter of the plan), or set customer_names = false"
                .to_owned()
        });
        version.chain(webhooks).chain(deprecated).chain(skew).chain(names).collect()
    }

    /// Takes in an answer's headers; whether they are news. By how much a clock is wrong that is known to be wrong is
    /// none.
    fn hear(&mut self, document: &Document, headers: &HeaderMap, skew: Option<i64>) -> bool {
        let told = |health: &Self| Self { clock_skew: health.clock_skew.map(i64::signum), ..health.clone() };
        let before = told(self);
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(shortened);
        // An answer without a version is a proxy's and says nothing.
        if let Some(answered) = text("x-shopify-api-version") {
            self.answered_version = Some(answered).filter(|answered| answered != API_VERSION);
            match text("x-shopify-api-deprecated-reason") {
                Some(reason) => drop(self.deprecated.insert(document.name, reason)),
                None => drop(self.deprecated.remove(document.name)),
            }
        }
        let wrong_from = if self.clock_skew.is_none() { SKEW_FROM } else { SKEW_UNTIL };
        if let Some(skew) = skew {
            self.clock_skew = Some(skew).filter(|skew| skew.abs() >= wrong_from);
        }
        told(self) != before
    }
}

/// Keeps a shop's health, and logs every change of it once.
pub(crate) struct Monitor {
    shop: ShopDomain,
    health: watch::Sender<Health>,
    /// When a webhook came in another version.
    other_version: Mutex<Option<Timestamp>>,
}

impl Monitor {
    pub(crate) fn new(shop: ShopDomain) -> Self {
        Self { shop, health: watch::Sender::default(), other_version: Mutex::default() }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Takes in an answer that came at `now`; `date` is when Shopify says that it gave it.
    pub(crate) fn hear(
        &self,
        document: &Document,
        headers: &HeaderMap,
        now: Timestamp,
        date: Option<Timestamp>,
    ) {
        let skew = date.map(|date| now.as_second() - date.as_second());
        if self.health.send_if_modified(|health| health.hear(document, headers, skew)) {
            self.log();
        }
    }

    /// Takes in whether customers' names, which were asked for, are withheld.
    pub(crate) fn hear_of_names(&self, withheld: bool) {
        let news = |health: &mut Health| std::mem::replace(&mut health.names_withheld, withheld) != withheld;
        if self.health.send_if_modified(news) {
            self.log();
        }
    }

    /// Takes in the API version of a webhook that came at `now`.
    pub(crate) fn hear_webhook(&self, version: &str, now: Timestamp) {
        let other = version != API_VERSION;
        let mut last = self.other_version.lock().unwrap_or_else(PoisonError::into_inner);
        // Where one topic comes in our version and another does not, that is not over with every delivery.
        let over = last.is_some_and(|last| now.duration_since(last) >= WEBHOOK_VERSION_OVER);
        let news = |health: &mut Health| {
            let now = if other {
                Some(shortened(version))
            } else {
                health.webhook_version.clone().filter(|_| !over)
            };
            std::mem::replace(&mut health.webhook_version, now.clone()) != now
        };
        if other {
            *last = Some(now);
        }
        drop(last);
        if self.health.send_if_modified(news) {
            self.log();
        }
    }

    fn log(&self) {
        let problems = self.health.borrow().problems();
        for problem in &problems {
            tracing::warn!(shop.domain = %self.shop, "{problem}");
        }
        if problems.is_empty() {
            tracing::info!(shop.domain = %self.shop, "what Shopify's answers say of the API is as it should be again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{PRODUCTS, SHOP};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn another_version_is_told_once_and_taken_back() {
        let mut health = Health::default();
        let (asked, other) = (
            headers(&[("X-Shopify-API-Version", API_VERSION)]),
            headers(&[("X-Shopify-API-Version", "2027-01")]),
        );
        assert!(!health.hear(&SHOP, &asked, None));
        assert!(health.hear(&SHOP, &other, None) && !health.hear(&PRODUCTS, &other, None));
        assert_eq!(health.answered_version.as_deref(), Some("2027-01"));
        assert!(health.problems()[0].contains("2027-01"));
        assert!(!health.hear(&SHOP, &HeaderMap::new(), None));
        assert!(health.hear(&SHOP, &asked, None));
        assert_eq!(health, Health::default());
    }

    #[test]
    fn webhooks_of_another_version_are_told_once_until_none_came_for_an_hour() {
        let monitor = Monitor::new("pretend.myshopify.com".parse().unwrap());
        let mut health = monitor.watch();
        let mut told = |version: &str, minute: i64| {
            monitor.hear_webhook(version, Timestamp::from_second(minute * 60).unwrap());
            let told = health.has_changed().unwrap();
            (told, health.borrow_and_update().problems().len())
        };
        assert_eq!(told(API_VERSION, 0), (false, 0));
        assert_eq!(told("2024-01", 1), (true, 1));
        assert_eq!(told(API_VERSION, 2), (false, 1));
        assert_eq!(told("2024-01", 3), (false, 1));
        assert_eq!(told(API_VERSION, 62), (false, 1));
        assert_eq!(told(API_VERSION, 63), (true, 0));
    }

    #[test]
    fn a_deprecation_is_told_once_for_each_document() {
        let mut health = Health::default();
        let (version, reason) = ("X-Shopify-API-Version", "X-Shopify-API-Deprecated-Reason");
        let (old, new) = (
            headers(&[(version, API_VERSION), (reason, "Use another field")]),
            headers(&[(version, API_VERSION)]),
        );
        assert!(health.hear(&SHOP, &old, None) && !health.hear(&SHOP, &old, None));
        assert!(!health.hear(&SHOP, &HeaderMap::new(), None) && !health.hear(&PRODUCTS, &new, None));
        assert!(health.hear(&PRODUCTS, &old, None));
        assert_eq!(health.problems().len(), 2);
        assert!(health.hear(&SHOP, &new, None));
        assert!(health.problems()[0].contains("products (Use another field)"));
    }

    #[test]
    fn a_clock_is_wrong_from_minutes_on_and_told_anew_only_when_it_is_wrong_the_other_way() {
        let told = |skews: &[i64]| {
            let mut health = Health::default();
            skews.iter().map(|skew| health.hear(&SHOP, &HeaderMap::new(), Some(*skew))).collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 30, -179, 179]), [false; 4]);
        assert_eq!(told(&[180, 185, 121, 300, 119, 121]), [true, false, false, false, true, false]);
        assert_eq!(told(&[-7_200, -7_100, -5_000, 7_200]), [true, false, false, true]);
        let mut behind = Health::default();
        behind.hear(&SHOP, &HeaderMap::new(), Some(-7_200));
        behind.hear(&SHOP, &HeaderMap::new(), Some(-7_300));
        assert_eq!(behind.problems(), ["this machine's clock is 7300 s behind Shopify's: set it by NTP"]);
    }
}
