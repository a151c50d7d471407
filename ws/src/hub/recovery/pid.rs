//! The private id of a session (`pid`), which its client brings back. It is sealed with a MAC, so
//! that connecting stores nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::{Epoch, Identity, Sequence, Timestamp, UserId};
use sha2::Sha256;

use super::Cursor;

/// The key that seals sessions. Whoever knows it can forge sessions of users whose token they hold,
/// and nothing more.
#[derive(Clone)]
pub(crate) struct SealingKey([u8; 32]);

/// The id of a session: random, and known to nobody outside but sealed in a [`SessionPid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) [u8; 12]);

impl SessionId {
    /// The key of the session's record in the store.
    pub(crate) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// A fingerprint of what an identity may see. When it changes, what a client already has no longer
/// shows what it may see.
pub(crate) type RightsFingerprint = [u8; 8];

/// The contents of a `pid`. The client gets it once as a sealed text and brings it back unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionPid {
    pub(crate) session: SessionId,
    /// Where the session began. A client that was sent nothing before it comes back goes on from
    /// here.
    pub(crate) start: Cursor,
    pub(crate) rights: RightsFingerprint,
    /// When the session began, to the second.
    pub(crate) issued_at: Timestamp,
}

const BODY_BYTES: usize = 12 + 4 + 8 + 4 + 8 + 8;
/// Half of a SHA-256 digest, as RFC 2104 allows.
const SEAL_BYTES: usize = 16;

impl SealingKey {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// A MAC over all parts. Each is preceded by its length, so that no two lists of parts have the
    /// same bytes.
    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC takes a key of any length, so this never fails.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key");
        for part in parts {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The code under which a user's sessions are counted in the store. A code and not the id, because
/// the table need not say whose the sessions are.
pub(crate) fn owner(key: &SealingKey, user: &UserId) -> String {
    let code = key
        .mac(&[b"owner", user.as_str().as_bytes()])
        .finalize()
        .into_bytes();
    URL_SAFE_NO_PAD.encode(&code[..12])
}

/// The fingerprint of an identity's rights.
pub(crate) fn rights(key: &SealingKey, identity: &Identity) -> RightsFingerprint {
    let texts = identity.rights().texts();
    let parts = std::iter::once("rights").chain(texts.iter().map(String::as_str));
    let parts: Vec<&[u8]> = parts.map(str::as_bytes).collect();
    let code = key.mac(&parts).finalize().into_bytes();
    code.first_chunk().copied().unwrap_or_default()
}

impl SessionPid {
    /// The sealed text that a client is given.
    pub(crate) fn seal(&self, key: &SealingKey, user: &UserId, namespace: &str) -> String {
        let mut bytes = self.body().to_vec();
        let seal = seal(key, &bytes, user, namespace).finalize().into_bytes();
        bytes.extend_from_slice(&seal[..SEAL_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The contents of such a text, if it was sealed for that user in that namespace.
    pub(crate) fn open(
        text: &str,
        key: &SealingKey,
        user: &UserId,
        namespace: &str,
    ) -> Option<Self> {
        let mut bytes = [0; BODY_BYTES + SEAL_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (body, told) = bytes.split_at(BODY_BYTES);
        // Compared in constant time, so that a forger learns nothing from how long it takes.
        seal(key, body, user, namespace)
            .verify_truncated_left(told)
            .ok()?;
        let (session, rest) = body.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (position, rest) = rest.split_first_chunk()?;
        let (backfill, rest) = rest.split_first_chunk()?;
        let (rights, issued) = rest.split_first_chunk()?;
        let position = Sequence(u64::from_be_bytes(*position));
        let backfill = u32::from_be_bytes(*backfill);
        Some(Self {
            session: SessionId(*session),
            start: Cursor {
                epoch: Epoch(u32::from_be_bytes(*epoch)),
                position,
                messages: 0,
                backfill: (backfill > 0).then_some((backfill, position)),
            },
            rights: *rights,
            issued_at: Timestamp::from_second(i64::from_be_bytes(*issued.first_chunk()?)).ok()?,
        })
    }

    /// The public id of the session's socket (`socket.id`). It stays the same when the session is
    /// recovered, and the session id cannot be derived from it.
    pub(crate) fn socket_id(&self, key: &SealingKey) -> String {
        let code = key.mac(&[b"socket", &self.body()]).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&code[..15])
    }

    fn body(&self) -> [u8; BODY_BYTES] {
        let parts: [&[u8]; 6] = [
            &self.session.0,
            &self.start.epoch.0.to_be_bytes(),
            &self.start.position.0.to_be_bytes(),
            &self
                .start
                .backfill
                .map_or(0, |(number, _)| number)
                .to_be_bytes(),
            &self.rights,
            &self.issued_at.as_second().to_be_bytes(),
        ];
        let mut body = [0; BODY_BYTES];
        parts
            .concat()
            .iter()
            .zip(&mut body)
            .for_each(|(from, to)| *to = *from);
        body
    }
}

fn seal(key: &SealingKey, body: &[u8], user: &UserId, namespace: &str) -> Hmac<Sha256> {
    key.mac(&[b"pid", body, user.as_str().as_bytes(), namespace.as_bytes()])
}

#[cfg(test)]
mod tests {
    use schemas::{Role, ShopScope};

    use super::*;

    fn pid() -> SessionPid {
        let start = Cursor {
            epoch: Epoch(3),
            position: Sequence(70),
            messages: 0,
            backfill: Some((2, Sequence(70))),
        };
        SessionPid {
            session: SessionId([9; 12]),
            start,
            rights: [4; 8],
            issued_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn a_session_is_opened_by_its_own_user_in_its_own_namespace_on_its_own_server() {
        let (key, ann) = (SealingKey::new([1; 32]), user("ann"));
        let sealed = pid().seal(&key, &ann, "/oda");
        assert_eq!(SessionPid::open(&sealed, &key, &ann, "/oda"), Some(pid()));
        assert_eq!(SessionPid::open(&sealed, &key, &user("bob"), "/oda"), None);
        assert_eq!(SessionPid::open(&sealed, &key, &ann, "/"), None);
        assert_eq!(
            SessionPid::open(&sealed, &SealingKey::new([2; 32]), &ann, "/oda"),
            None
        );
    }

    #[test]
    fn one_changed_character_opens_nothing() {
        let (key, ann) = (SealingKey::new([1; 32]), user("ann"));
        let sealed = pid().seal(&key, &ann, "/oda");
        for place in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                SessionPid::open(&String::from_utf8(forged).unwrap(), &key, &ann, "/oda"),
                None
            );
        }
        for text in ["", "foo", &sealed[1..], &format!("{sealed}A"), "ö"] {
            assert_eq!(SessionPid::open(text, &key, &ann, "/oda"), None, "{text}");
        }
    }

    #[test]
    fn neither_id_is_found_in_the_other() {
        let key = SealingKey::new([1; 32]);
        assert_ne!(pid().socket_id(&key), pid().session.text());
        let again = SessionPid {
            start: Cursor {
                position: Sequence(71),
                ..pid().start
            },
            ..pid()
        };
        assert_ne!(pid().socket_id(&key), again.socket_id(&key));
    }

    #[test]
    fn every_right_counts() {
        let key = SealingKey::new([1; 32]);
        let identity = |role, locations: Option<Vec<u64>>, shops| Identity {
            locations: locations
                .map(|ids| ids.into_iter().map(|id| id.try_into().unwrap()).collect()),
            shops,
            ..Identity::unlimited(user("ann"), role)
        };
        let all = [
            identity(Role::Staff, None, ShopScope::All),
            identity(Role::Admin, None, ShopScope::All),
            identity(Role::Staff, Some(vec![]), ShopScope::All),
            identity(Role::Staff, Some(vec![1]), ShopScope::All),
            identity(Role::Staff, None, ShopScope::Only(vec![])),
        ];
        // As an earlier stockd made it: whoever comes back after an update keeps the session.
        assert_eq!(
            rights(&key, &all[0]),
            [194, 242, 65, 155, 72, 143, 148, 216]
        );
        let mut prints: Vec<_> = all.iter().map(|identity| rights(&key, identity)).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), all.len());
    }
}
