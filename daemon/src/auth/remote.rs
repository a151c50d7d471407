//! A set of keys at a URL: when it is fetched, and how.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{StatusCode, Url};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::keys::KEY_SET_BYTES_MAX;

/// How long a fetch may take as a whole.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// From the end of one fetch to the next for a key nobody knows, or after one that failed.
const PAUSE: Duration = Duration::from_mins(1);
/// From the end of one fetch to the next while nothing happens.
const PERIOD: Duration = Duration::from_hours(1);

/// Where keys are fetched again and again.
pub(super) struct Remote {
    url: Url,
    http: reqwest::Client,
    turn: Mutex<Turn>,
    wanted: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Fetching,
    /// The last fetch ended then.
    Resting(Instant),
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
        Ok(Self { url, http, turn: Mutex::new(Turn::Fetching), wanted: Notify::new() })
    }

    /// Whether a key that nobody knows may be among what is fetched now. Has it fetched, but at most once a [`PAUSE`],
    /// however many such keys are named.
    pub(super) fn may_bring_more(&self) -> bool {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match *turn {
            Turn::Resting(since) if since.elapsed() < PAUSE => return false,
            Turn::Resting(_) => self.wanted.notify_one(),
            Turn::Fetching => {}
        }
        *turn = Turn::Fetching;
        true
    }

    /// Fetches for ever and hands over what comes; `take` says whether it was of use.
    pub(super) async fn follow(&self, take: impl Fn(Result<Vec<u8>, String>) -> bool) -> ! {
        loop {
            let rest = if take(self.fetch().await) { PERIOD } else { PAUSE };
            self.turns(Turn::Resting(Instant::now()));
            // Whichever comes first: a key is wanted, or time is up.
            let _ = timeout(rest, self.wanted.notified()).await;
            self.turns(Turn::Fetching);
        }
    }

    fn turns(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
    }

    async fn fetch(&self) -> Result<Vec<u8>, String> {
        // Addresses may hold what is nobody's business.
        let broken = |error: reqwest::Error| error.without_url().to_string();
        let mut response = self.http.get(self.url.clone()).send().await.map_err(broken)?;
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
