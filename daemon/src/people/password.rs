//! Passwords: which are taken, and their hashes by argon2id.
//!
//! A hash takes 19 MiB and some 30 ms by design, so only two are made at a time, on threads of their own, and few wait.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use schemas::{Entropy, ErrorBody, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Letters of a password at least; no rule says which (NIST SP 800-63B).
const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes of a password; a longer one is refused.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// What OWASP advises for argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes that are made at a time: each takes [`MEMORY_KIB`].
const HASHES_MAX: usize = 2;
/// Further ones that wait; others are told to try again.
const WAITING_MAX: usize = 64;
const HASH_BYTES: usize = 32;
/// What the password of somebody who has none is compared with, so that it takes as long.
const OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The commonest of twelve letters and more, in small letters.
const COMMONEST: [&str; 35] = [
    "000000000000",
    "0123456789ab",
    "111111111111",
    "111222333444",
    "112233445566",
    "121212121212",
    "123123123123",
    "1234567890123",
    "123456789012",
    "123456789123",
    "123456789abc",
    "123qwe123qwe",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghijkl",
    "administrator",
    "administrator1",
    "aaaaaaaaaaaa",
    "changemechangeme",
    "correcthorsebatterystaple",
    "iloveyou1234",
    "letmeinletmein",
    "passw0rd1234",
    "passwordpassword",
    "password1234",
    "password12345",
    "password123456",
    "qazwsxedcrfv",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop[]",
    "trustno1trustno1",
    "welcome12345",
    "willkommen123",
];

/// Refuses a password that is too easy to guess.
pub(crate) fn check(password: &str, name: &str) -> Result<(), ErrorBody> {
    let refuse = |why: &str| Err(ErrorBody::field("password", why));
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return refuse("a password has at least 12 letters: a sentence is easy to remember");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return refuse("a password has at most 1024 bytes");
    }
    let small = password.to_lowercase();
    if small == name.to_lowercase() {
        return refuse("the password is the name: choose another");
    }
    if COMMONEST.contains(&small.as_str()) {
        return refuse("this is one of the commonest passwords: choose another");
    }
    Ok(())
}

/// Makes and compares hashes.
pub(crate) struct PasswordHasher {
    entropy: Arc<Entropy>,
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// A place among those whose hashes are made or wait for it.
pub(crate) struct HashPlace(OwnedSemaphorePermit);

impl PasswordHasher {
    pub(crate) fn new(entropy: Arc<Entropy>) -> Self {
        Self {
            entropy,
            places: Arc::new(Semaphore::new(HASHES_MAX)),
            queue: Arc::new(Semaphore::new(HASHES_MAX + WAITING_MAX)),
        }
    }

    /// Takes a place in the queue.
    ///
    /// # Errors
    /// When it is full.
    pub(crate) fn place(&self) -> Result<HashPlace, ErrorBody> {
        let place = Arc::clone(&self.queue).try_acquire_owned();
        place.map(HashPlace).map_err(|_| busy())
    }

    /// The hash of a password, with its parameters and a salt of its own.
    pub(crate) async fn hash(
        &self,
        place: HashPlace,
        password: String,
    ) -> Result<String, ErrorBody> {
        let salt: [u8; 16] = self.entropy.bytes();
        let made = self
            .aside(place, move || hashed(password.as_bytes(), &salt))
            .await?;
        made.map(|hash| written(&salt, &hash)).ok_or_else(busy)
    }

    /// Whether it is the password of that hash. Without one it is not, after the same time.
    pub(crate) async fn verify(
        &self,
        place: HashPlace,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, ErrorBody> {
        let is_somebody = hash.is_some();
        let Some((salt, wanted)) = read(hash.as_deref().unwrap_or(OF_NOBODY)) else {
            tracing::error!(
                "a password's hash in the store cannot be read: set a new one by a link"
            );
            return Ok(false);
        };
        let made = self
            .aside(place, move || hashed(password.as_bytes(), &salt))
            .await?;
        let made = made.ok_or_else(busy)?;
        // In constant time, though a hash tells nothing of its password bit by bit.
        let differs = made
            .iter()
            .zip(&wanted)
            .fold(0, |differs, (one, other)| differs | (one ^ other));
        Ok(differs == 0 && is_somebody)
    }

    async fn aside<T: Send + 'static>(
        &self,
        HashPlace(queued): HashPlace,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErrorBody> {
        // Held until the hash is made, also where nobody waits for it any more: its memory is used all the same.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        let work = move || {
            let done = work();
            drop((place, queued));
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| busy())
    }
}

fn busy() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "too many sign in at once; try again in a second",
    )
}

/// `None` never, with these parameters and a salt of 16 bytes.
fn hashed(password: &[u8], salt: &[u8]) -> Option<[u8; HASH_BYTES]> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES)).ok()?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut hash)
        .ok()?;
    Some(hash)
}

/// In the usual form, so that other programs can read it and other parameters can be told from these.
fn written(salt: &[u8], hash: &[u8]) -> String {
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        text(salt),
        text(hash)
    )
}

fn read(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let parameters = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$");
    let (salt, hash) = text.strip_prefix(&parameters)?.split_once('$')?;
    let bytes = |text: &str| STANDARD_NO_PAD.decode(text).ok();
    let (salt, hash) = (bytes(salt)?, bytes(hash)?);
    (hash.len() == HASH_BYTES).then_some((salt, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_neither_the_name_nor_a_common_one() {
        let said = |password: &str| check(password, "Annemarie Berg").map_err(|no| no.message);
        assert_eq!(said("a rainy day in May"), Ok(()));
        assert_eq!(said("ßßßßßßßßßßßß"), Ok(()), "letters, not bytes");
        for (password, why) in [
            ("short", "at least 12"),
            ("annemarie BERG", "is the name"),
            ("PasswordPassword", "commonest"),
            (&"x".repeat(1025), "at most 1024"),
        ] {
            assert!(said(password).unwrap_err().contains(why), "{password}");
        }
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_nobody_has_one() {
        let hasher = PasswordHasher::new(Arc::new(Entropy::seeded(1)));
        let text = || "a rainy day in May".to_owned();
        let hash = hasher.hash(hasher.place().unwrap(), text()).await.unwrap();
        let other = hasher.hash(hasher.place().unwrap(), text()).await.unwrap();
        assert_ne!(hash, other, "each has a salt of its own");
        let verify = async |password: String, hash| {
            let place = hasher.place().unwrap();
            hasher.verify(place, password, hash).await.unwrap()
        };
        assert!(verify(text(), Some(hash.clone())).await);
        assert!(!verify(text() + "!", Some(hash)).await);
        assert!(!verify(text(), None).await);
        assert!(read(OF_NOBODY).is_some());
    }

    #[test]
    fn beyond_the_queue_others_are_told_to_try_again() {
        let hasher = PasswordHasher::new(Arc::new(Entropy::seeded(1)));
        let places: Vec<_> = (0..HASHES_MAX + WAITING_MAX)
            .map(|_| hasher.place().unwrap())
            .collect();
        let refused = hasher.place().err().unwrap();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        drop(places);
        assert!(hasher.place().is_ok());
    }
}
