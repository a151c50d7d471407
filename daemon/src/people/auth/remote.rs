//! A set of keys at a URL: when it is fetched, and how.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use tokio::time::{Instant, sleep, timeout};

use super::awaited::Awaited;
use super::keys::KEY_SET_BYTES_MAX;
use crate::supervisor::Heartbeat;

/// How long a fetch may take as a whole.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// From the end of one fetch to the next for a key nobody knows, or after one that failed.
/// Whoever names keys that do not exist has them fetched no more often; whoever names a new one waits no longer.
const PAUSE: Duration = Duration::from_secs(10);
/// From the end of one fetch to the next while nothing happens.
const PERIOD: Duration = Duration::from_hours(1);

/// Where keys are fetched again and again.
pub(super) struct Remote {
    url: Url,
    http: reqwest::Client,
}

impl Remote {
    /// Nothing is fetched before [`Remote::follow`].
    pub(super) fn new(url: Url) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            // Whoever answers there vouches for tokens; it shall be who was configured.
            .redirect(reqwest::redirect::Policy::none())
            // Proxies would come out of the environment, which only the configuration reads.
            .no_proxy()
            .build()?;
        Ok(Self { url, http })
    }

    /// Fetches for ever and hands over what comes; `take` says whether it was of use.
    pub(super) async fn follow(
        &self,
        heartbeat: &Heartbeat,
        awaited: &Awaited,
        take: impl Fn(Result<Vec<u8>, String>) -> bool,
    ) -> ! {
        loop {
            let began = Instant::now();
            let useful = take(heartbeat.work(self.fetch()).await);
            if useful {
                awaited.looked(began);
            }
            sleep(PAUSE).await;
            if useful {
                // Whichever comes first: a key is wanted, or time is up.
                let _ = timeout(PERIOD, awaited.wanted()).await;
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        // Addresses may hold what is nobody's business.
        let broken = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self
            .http
            .get(self.url.clone())
            .send()
            .await
            .map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(format!("was answered {}", response.status()));
        }
        let mut text = Vec::new();
        while let Some(part) = response.chunk().await.map_err(broken)? {
            text.extend_from_slice(&part);
            if text.len() > KEY_SET_BYTES_MAX {
                return Err(format!("has more than {KEY_SET_BYTES_MAX} bytes"));
            }
        }
        Ok(text)
    }
}
