//! What the answers of a shop say about the API and the clocks, beside what they were asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use jiff::SignedDuration;
use schemas::Timestamp;
use tokio::sync::watch;

use crate::API_VERSION;
use crate::client::shortened;
use crate::document::Document;
use crate::error::Error;

/// From how many seconds on our clock is said to be wrong. An answer's way takes some of them, and Shopify's `Date`
/// knows only whole ones.
const SKEW_FROM: i64 = 180;
/// Below how many seconds it is said to be right again.
const SKEW_UNTIL: i64 = 120;
/// How long no webhook may come in another API version before that is over.
const WEBHOOK_VERSION_OVER: SignedDuration = SignedDuration::from_hours(1);
/// For how many seconds no call may be answered before that is said.
const UNANSWERED_FROM: i64 = 60;

/// Something that a person should know, and mostly do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiProblem {
    /// Which, for programs. Of each there is one at a time.
    pub kind: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What a person should know about the API that a shop is served by. Healthy is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiHealth {
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
    /// Why the shop answers nothing to us until a person has done something, for instance because the token was
    /// revoked.
    pub closed: Option<String>,
    /// Whether the app was uninstalled, as a webhook says and the shop confirms.
    pub uninstalled: bool,
    /// Why a document of ours is refused for good.
    pub refused: BTreeMap<&'static str, String>,
    /// Why calls have not been answered for a minute.
    pub unanswered: Option<String>,
    /// Since when no call was answered.
    unanswered_since: Option<Timestamp>,
}

impl ApiHealth {
    /// Each thing that is not as it should be.
    pub fn problems(&self) -> Vec<ApiProblem> {
        let api = "Shopify's API";
        let closed = if self.uninstalled {
            let message = "The app was uninstalled. The mirror stays as it is and is no longer kept up: install the app again and restart stockd";
            Some(ApiProblem {
                kind: "no_access",
                title: "The app was uninstalled",
                message: message.to_owned(),
            })
        } else {
            let title = "Shopify does not let stockd in";
            self.closed.clone().map(|message| ApiProblem {
                kind: "no_access",
                title,
                message,
            })
        };
        let unanswered = self.unanswered.as_ref().map(|reason| ApiProblem {
            kind: "unanswered",
            title: "Shopify does not answer",
            message: format!(
                "nothing was answered for more than a minute; it is tried again ({reason})"
            ),
        });
        let mut refusals = self.refused.iter();
        let refused = refusals.next().map(|(document, reason)| ApiProblem {
            kind: "refused",
            title: "Shopify refuses what stockd asks",
            message: match refusals.len() {
                0 => format!("{reason} (asked in {document})"),
                more => format!("{reason} (asked in {document} and {more} more)"),
            },
        });
        let of_api = self.of_api().into_iter().map(|(kind, message)| ApiProblem {
            kind,
            title: api,
            message,
        });
        closed
            .into_iter()
            .chain(unanswered)
            .chain(refused)
            .chain(of_api)
            .collect()
    }

    fn of_api(&self) -> Vec<(&'static str, String)> {
        let version = self.answered_version.as_ref().map(|answered| {
            format!(
                "Shopify answers in API version {answered} and not in {API_VERSION}: update stockd"
            )
        });
        let webhooks = self.webhook_version.as_ref().map(|version| {
            format!(
                "Shopify writes webhooks in API version {version} and not in {API_VERSION}: set the version of the app's \
                 webhooks to {API_VERSION}"
            )
        });
        let deprecated = self.deprecated.first_key_value().map(|(_, reason)| {
            let documents: Vec<&str> = self.deprecated.keys().copied().collect();
            format!(
                "Shopify deprecates what stockd asks in {} ({reason}): update stockd",
                documents.join(", ")
            )
        });
        let skew = self.clock_skew.map(|seconds| {
            let way = if seconds < 0 { "behind" } else { "ahead of" };
            format!(
                "this machine's clock is {} s {way} Shopify's: set it by NTP",
                seconds.abs()
            )
        });
        let names = self.names_withheld.then(|| {
            "Shopify withholds customers' names and everything else is synced: give the app the protected customer \
             field \"Name\" (API access requests in its dashboard; for an app made in the shop's admin pages it is a \
             matter of the plan), or set customer_names = false"
                .to_owned()
        });
        // Two kinds, because the one may follow on the other.
        let clock = if self.clock_skew.is_some_and(i64::is_negative) {
            "clock_behind"
        } else {
            "clock_ahead"
        };
        let all = [
            ("api_version", version),
            ("webhook_version", webhooks),
            ("api_deprecated", deprecated),
            (clock, skew),
            ("names_withheld", names),
        ];
        all.into_iter()
            .filter_map(|(kind, message)| Some((kind, message?)))
            .collect()
    }

    /// Takes in how a call went; whether that is news.
    fn hear_of_answer(
        &mut self,
        document: &'static Document,
        answer: Result<(), &Error>,
        now: Timestamp,
    ) -> bool {
        let told = |health: &Self| {
            (
                health.closed.clone(),
                health.refused.clone(),
                health.unanswered.clone(),
            )
        };
        let before = told(self);
        let error = match answer {
            Err(Error::InDoubt { cause, .. }) => Err(&**cause),
            answer => answer,
        };
        match error {
            // Our own queue is full.
            Err(Error::Overloaded) => {}
            Err(
                error @ (Error::Server(_)
                | Error::Transport(_)
                | Error::Throttled { .. }
                | Error::Unreadable { json: false, .. }),
            ) => {
                let since = *self.unanswered_since.get_or_insert(now);
                if now.as_second() - since.as_second() >= UNANSWERED_FROM
                    && self.unanswered.is_none()
                {
                    self.unanswered = Some(error.to_string());
                }
            }
            Err(
                error @ (Error::Address
                | Error::Frozen
                | Error::Grant(_)
                | Error::Locked
                | Error::Rejected
                | Error::Token
                | Error::Unavailable(_)),
            ) => {
                (self.unanswered_since, self.unanswered) = (None, None);
                self.closed = Some(error.to_string());
            }
            answered => {
                (self.unanswered_since, self.unanswered, self.closed) = (None, None, None);
                match answered {
                    Err(
                        error @ (Error::AccessDenied(_)
                        | Error::FilterIgnored(_)
                        | Error::Refused { .. }
                        | Error::TooExpensive(_)
                        | Error::Unreadable { .. }),
                    ) => drop(self.refused.insert(document.name, error.to_string())),
                    _ => drop(self.refused.remove(document.name)),
                }
            }
        }
        told(self) != before
    }

    /// Takes in an answer's headers; whether they are news. By how much a clock is wrong that is known to be wrong is
    /// none.
    fn hear(&mut self, document: &Document, headers: &HeaderMap, skew: Option<i64>) -> bool {
        let told = |health: &Self| Self {
            clock_skew: health.clock_skew.map(i64::signum),
            ..health.clone()
        };
        let before = told(self);
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(shortened)
        };
        // An answer without a version is a proxy's and says nothing.
        if let Some(answered) = text("x-shopify-api-version") {
            self.answered_version = Some(answered).filter(|answered| answered != API_VERSION);
            match text("x-shopify-api-deprecated-reason") {
                Some(reason) => drop(self.deprecated.insert(document.name, reason)),
                None => drop(self.deprecated.remove(document.name)),
            }
        }
        let wrong_from = if self.clock_skew.is_none() {
            SKEW_FROM
        } else {
            SKEW_UNTIL
        };
        if let Some(skew) = skew {
            self.clock_skew = Some(skew).filter(|skew| skew.abs() >= wrong_from);
        }
        told(self) != before
    }
}

/// Keeps a shop's health. Whoever watches it tells people.
pub(crate) struct Monitor {
    health: watch::Sender<ApiHealth>,
    /// When a webhook came in another version.
    other_version: Mutex<Option<Timestamp>>,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        Self {
            health: watch::Sender::default(),
            other_version: Mutex::default(),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<ApiHealth> {
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
        self.health
            .send_if_modified(|health| health.hear(document, headers, skew));
    }

    /// Takes in how a call went that ended at `now`.
    pub(crate) fn hear_of_answer(
        &self,
        document: &'static Document,
        answer: Result<(), &Error>,
        now: Timestamp,
    ) {
        self.health
            .send_if_modified(|health| health.hear_of_answer(document, answer, now));
    }

    /// Takes in whether customers' names, which were asked for, are withheld.
    pub(crate) fn hear_of_names(&self, withheld: bool) {
        let news = |health: &mut ApiHealth| {
            std::mem::replace(&mut health.names_withheld, withheld) != withheld
        };
        self.health.send_if_modified(news);
    }

    /// Takes in the API version of a webhook that came at `now`.
    pub(crate) fn hear_webhook(&self, version: &str, now: Timestamp) {
        let other = version != API_VERSION;
        let mut last = self
            .other_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Where one topic comes in our version and another does not, that is not over with every delivery.
        let over = last.is_some_and(|last| now.duration_since(last) >= WEBHOOK_VERSION_OVER);
        let news = |health: &mut ApiHealth| {
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
        self.health.send_if_modified(news);
    }

    /// Takes in that the app was uninstalled.
    pub(crate) fn hear_of_uninstalling(&self) {
        self.health
            .send_if_modified(|health| !std::mem::replace(&mut health.uninstalled, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{PRODUCTS, SHOP};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn another_version_is_told_once_and_taken_back() {
        let mut health = ApiHealth::default();
        let (asked, other) = (
            headers(&[("X-Shopify-API-Version", API_VERSION)]),
            headers(&[("X-Shopify-API-Version", "2027-01")]),
        );
        assert!(!health.hear(&SHOP, &asked, None));
        assert!(health.hear(&SHOP, &other, None) && !health.hear(&PRODUCTS, &other, None));
        assert_eq!(health.answered_version.as_deref(), Some("2027-01"));
        assert!(health.problems()[0].message.contains("2027-01"));
        assert!(!health.hear(&SHOP, &HeaderMap::new(), None));
        assert!(health.hear(&SHOP, &asked, None));
        assert_eq!(health, ApiHealth::default());
    }

    #[test]
    fn webhooks_of_another_version_are_told_once_until_none_came_for_an_hour() {
        let monitor = Monitor::new();
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
        let mut health = ApiHealth::default();
        let (version, reason) = ("X-Shopify-API-Version", "X-Shopify-API-Deprecated-Reason");
        let (old, new) = (
            headers(&[(version, API_VERSION), (reason, "Use another field")]),
            headers(&[(version, API_VERSION)]),
        );
        assert!(health.hear(&SHOP, &old, None) && !health.hear(&SHOP, &old, None));
        assert!(
            !health.hear(&SHOP, &HeaderMap::new(), None) && !health.hear(&PRODUCTS, &new, None)
        );
        assert!(health.hear(&PRODUCTS, &old, None));
        let told = |health: &ApiHealth| {
            health
                .problems()
                .into_iter()
                .map(|problem| problem.message)
                .collect::<Vec<_>>()
        };
        let both = "Shopify deprecates what stockd asks in products, shop (Use another field): update stockd";
        assert_eq!(
            told(&health),
            [both],
            "one problem, whatever it is found in"
        );
        assert!(health.hear(&SHOP, &new, None));
        assert!(told(&health)[0].contains("products (Use another field)"));
    }

    #[test]
    fn a_clock_is_wrong_from_minutes_on_and_told_anew_only_when_it_is_wrong_the_other_way() {
        let told = |skews: &[i64]| {
            let mut health = ApiHealth::default();
            skews
                .iter()
                .map(|skew| health.hear(&SHOP, &HeaderMap::new(), Some(*skew)))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 30, -179, 179]), [false; 4]);
        assert_eq!(
            told(&[180, 185, 121, 300, 119, 121]),
            [true, false, false, false, true, false]
        );
        assert_eq!(
            told(&[-7_200, -7_100, -5_000, 7_200]),
            [true, false, false, true]
        );
        let mut behind = ApiHealth::default();
        behind.hear(&SHOP, &HeaderMap::new(), Some(-7_200));
        behind.hear(&SHOP, &HeaderMap::new(), Some(-7_300));
        assert_eq!(
            behind.problems()[0].message,
            "this machine's clock is 7300 s behind Shopify's: set it by NTP"
        );
    }

    #[test]
    fn what_shuts_us_out_is_told_once_until_a_call_is_answered() {
        let now = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let kinds = |health: &ApiHealth| {
            health
                .problems()
                .into_iter()
                .map(|problem| problem.kind)
                .collect::<Vec<_>>()
        };
        let mut health = ApiHealth::default();
        assert!(health.hear_of_answer(&SHOP, Err(&Error::Token), now(0)));
        assert!(!health.hear_of_answer(&PRODUCTS, Err(&Error::Token), now(1)));
        assert_eq!(kinds(&health), ["no_access"]);
        assert!(health.problems()[0].message.contains("enter a new one"));
        let denied = Error::AccessDenied("HTTP 403: no read_products".to_owned());
        assert!(health.hear_of_answer(&PRODUCTS, Err(&denied), now(2)));
        assert_eq!(kinds(&health), ["refused"]);
        assert!(
            !health.hear_of_answer(&SHOP, Ok(()), now(3)),
            "that is no answer to the other question"
        );
        assert!(health.hear_of_answer(&PRODUCTS, Ok(()), now(4)));
        assert_eq!(health, ApiHealth::default());

        let failed = Error::Server("HTTP 503".to_owned());
        assert!(!health.hear_of_answer(&SHOP, Err(&failed), now(10)));
        assert!(!health.hear_of_answer(&SHOP, Err(&failed), now(69)));
        assert!(health.hear_of_answer(&PRODUCTS, Err(&failed), now(70)));
        assert_eq!(kinds(&health), ["unanswered"]);
        assert!(health.hear_of_answer(&SHOP, Ok(()), now(71)));
        assert!(
            !health.hear_of_answer(&SHOP, Err(&failed), now(80)),
            "a minute begins anew"
        );
    }
}
