//! How often somebody may try to sign in: by name, so that a password cannot be guessed, and by address, so that many
//! names cannot be tried. Nobody is locked out for ever, and however many names are tried, little is remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode};
use tokio::time::Instant;
use ws::connection::counted_as;

/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_mins(15);
/// Attempts of an address a minute.
const ATTEMPTS_PER_MINUTE: u32 = 20;
/// Names, and addresses, that are remembered; of more, the one that matters least is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Counts attempts to sign in.
#[derive(Default)]
pub(crate) struct LoginThrottle {
    names: Mutex<HashMap<String, NameFailures>>,
    /// When the attempts of an address that were made so far are paid for.
    addresses: Mutex<HashMap<IpAddr, Instant>>,
}

struct NameFailures {
    count: u32,
    /// Until then the name is not tried.
    until: Instant,
}

impl LoginThrottle {
    /// Takes an attempt of an address.
    ///
    /// # Errors
    /// When it made too many.
    pub(crate) fn attempt_of(&self, address: IpAddr) -> Result<(), ErrorBody> {
        let now = Instant::now();
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let address = counted_as(address);
        make_room(&mut addresses, &address, |paid| *paid);
        let minute = Duration::from_mins(1);
        let paid = addresses.entry(address).or_insert(now);
        let next = (*paid).max(now) + minute / ATTEMPTS_PER_MINUTE;
        let ahead = next.saturating_duration_since(now);
        if let Some(pause) = ahead.checked_sub(minute).filter(|pause| !pause.is_zero()) {
            return Err(too_often(pause));
        }
        *paid = next;
        Ok(())
    }

    /// Takes an attempt on a name. It counts as a failure until [`LoginThrottle::succeeded`], so that attempts at the
    /// same time are not free.
    ///
    /// # Errors
    /// While the pause lasts after the failure before.
    pub(crate) fn attempt_on(&self, name: &str) -> Result<(), ErrorBody> {
        let now = Instant::now();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.to_owned();
        make_room(&mut names, &name, |failures| failures.until);
        let failures = names.entry(name).or_insert(NameFailures {
            count: 0,
            until: now,
        });
        if failures.until > now {
            return Err(too_often(failures.until - now));
        }
        let pause = Duration::from_secs(1 << failures.count.min(20)).min(PAUSE_MAX);
        failures.count += 1;
        failures.until = now + pause;
        Ok(())
    }

    /// Forgets the failures of a name.
    pub(crate) fn succeeded(&self, name: &str) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

/// Forgets the one that is over first, where a new one would be too many.
fn make_room<K: Hash + Eq + Clone, V>(all: &mut HashMap<K, V>, new: &K, over: fn(&V) -> Instant) {
    if all.len() >= REMEMBERED_MAX && !all.contains_key(new) {
        let first = all.iter().min_by_key(|(_, value)| over(value));
        if let Some(first) = first.map(|(key, _)| key.clone()) {
            all.remove(&first);
        }
    }
}

fn too_often(wait: Duration) -> ErrorBody {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let message = format!("too many attempts to sign in; try again in {seconds} {unit}");
    ErrorBody::new(ErrorCode::RateLimited, message)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pause_after_a_failure_doubles_up_to_a_quarter_of_an_hour_and_success_forgets() {
        let throttle = LoginThrottle::default();
        for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            assert!(throttle.attempt_on("ann").is_ok());
            advance(Duration::from_millis(pause * 1_000 - 1)).await;
            let refused = throttle.attempt_on("ann").unwrap_err();
            assert_eq!(refused.code, ErrorCode::RateLimited);
            assert!(throttle.attempt_on(&format!("not ann {pause}")).is_ok());
            advance(Duration::from_millis(1)).await;
        }
        assert!(throttle.attempt_on("ann").is_ok());
        throttle.succeeded("ann");
        assert!(throttle.attempt_on("ann").is_ok());
        advance(Duration::from_secs(1)).await;
        assert!(throttle.attempt_on("ann").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_twenty_attempts_a_minute_and_others_have_theirs() {
        let throttle = LoginThrottle::default();
        let (one, other) = ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        for _ in 0..20 {
            assert!(throttle.attempt_of(one).is_ok());
        }
        let neighbour = "2001:db8::2".parse().unwrap();
        assert!(throttle.attempt_of(one).is_err() && throttle.attempt_of(neighbour).is_err());
        assert!(throttle.attempt_of(other).is_ok());
        advance(Duration::from_secs(3)).await;
        assert!(throttle.attempt_of(one).is_ok() && throttle.attempt_of(one).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn ten_thousand_names_make_room_for_others_and_the_longest_pause_is_kept() {
        let throttle = LoginThrottle::default();
        for _ in 0..3 {
            assert!(throttle.attempt_on("ann").is_ok());
            advance(Duration::from_secs(4)).await;
        }
        assert!(throttle.attempt_on("ann").is_ok());
        for number in 0..REMEMBERED_MAX * 2 {
            assert!(throttle.attempt_on(&number.to_string()).is_ok());
        }
        assert_eq!(throttle.names.lock().unwrap().len(), REMEMBERED_MAX);
        assert!(throttle.attempt_on("ann").is_err());
    }
}
