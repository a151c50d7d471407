//! The private id of a session, which its client brings back: sealed, so that nothing need be kept of it here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::{Epoch, Identity, Sequence, ShopScope, Timestamp, UserId};
use sha2::Sha256;

use super::Cursor;

/// What sessions are sealed with. Whoever knows it can pretend to any session of their own user, and no more.
#[derive(Clone)]
pub(crate) struct Key([u8; 32]);

/// Which session: random, and never told to anybody unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(pub(crate) [u8; 12]);

impl SessionId {
    /// What its record is kept under.
    pub(crate) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// A fingerprint of what somebody may see. Other rights mean that what they have does not show what they may see.
pub(crate) type Rights = [u8; 8];

/// What a client is told once and brings back, unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pid {
    pub(crate) session: SessionId,
    /// Where it began; for clients that were sent nothing before they come back.
    pub(crate) start: Cursor,
    pub(crate) rights: Rights,
    /// To the second.
    pub(crate) issued_at: Timestamp,
}

const BODY_BYTES: usize = 12 + 4 + 8 + 4 + 8 + 8;
/// Half of a SHA-256, as RFC 2104 allows.
const SEAL_BYTES: usize = 16;

impl Key {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// A code over parts that cannot be read as other parts.
    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC takes a key of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key");
        for part in parts {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// Under what a user's sessions are counted: a code, because nothing that is kept of them need say who they are.
pub(crate) fn owner(key: &Key, user: &UserId) -> String {
    let code = key
        .mac(&[b"owner", user.as_str().as_bytes()])
        .finalize()
        .into_bytes();
    URL_SAFE_NO_PAD.encode(&code[..12])
}

/// The fingerprint of an identity's rights.
pub(crate) fn rights(key: &Key, identity: &Identity) -> Rights {
    let customer = identity
        .customer_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    let list = |ids: Option<Vec<String>>| {
        ids.map_or("all".to_owned(), |ids| format!("only {}", ids.join(",")))
    };
    let locations = identity
        .locations
        .as_ref()
        .map(|ids| ids.iter().map(ToString::to_string).collect());
    let shops = match &identity.shops {
        ShopScope::All => None,
        ShopScope::Only(shops) => Some(shops.iter().map(ToString::to_string).collect()),
    };
    let (locations, shops) = (list(locations), list(shops));
    let companies = list(Some(
        identity.companies.iter().map(ToString::to_string).collect(),
    ));
    let parts = [
        "rights",
        identity.role.as_str(),
        &customer,
        &locations,
        &shops,
        &companies,
    ];
    let code = key.mac(&parts.map(str::as_bytes)).finalize().into_bytes();
    code.first_chunk().copied().unwrap_or_default()
}

impl Pid {
    /// The text that a client is given.
    pub(crate) fn seal(&self, key: &Key, user: &UserId, namespace: &str) -> String {
        let mut bytes = self.body().to_vec();
        let seal = seal(key, &bytes, user, namespace).finalize().into_bytes();
        bytes.extend_from_slice(&seal[..SEAL_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What such a text says, if it is that user's in that namespace.
    pub(crate) fn open(text: &str, key: &Key, user: &UserId, namespace: &str) -> Option<Self> {
        let mut bytes = [0; BODY_BYTES + SEAL_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != bytes.len() {
            return None;
        }
        let (body, told) = bytes.split_at(BODY_BYTES);
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
                parts: 0,
                backfill: (backfill > 0).then_some((backfill, position)),
            },
            rights: *rights,
            issued_at: Timestamp::from_second(i64::from_be_bytes(*issued.first_chunk()?)).ok()?,
        })
    }

    /// The public id of its socket: the same whenever the session is recovered, and telling nothing of it.
    pub(crate) fn socket_id(&self, key: &Key) -> String {
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

fn seal(key: &Key, body: &[u8], user: &UserId, namespace: &str) -> Hmac<Sha256> {
    key.mac(&[b"pid", body, user.as_str().as_bytes(), namespace.as_bytes()])
}

#[cfg(test)]
mod tests {
    use schemas::Role;

    use super::*;

    fn pid() -> Pid {
        let start = Cursor {
            epoch: Epoch(3),
            position: Sequence(70),
            parts: 0,
            backfill: Some((2, Sequence(70))),
        };
        Pid {
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
        let (key, ann) = (Key::new([1; 32]), user("ann"));
        let sealed = pid().seal(&key, &ann, "/oda");
        assert_eq!(Pid::open(&sealed, &key, &ann, "/oda"), Some(pid()));
        assert_eq!(Pid::open(&sealed, &key, &user("bob"), "/oda"), None);
        assert_eq!(Pid::open(&sealed, &key, &ann, "/"), None);
        assert_eq!(Pid::open(&sealed, &Key::new([2; 32]), &ann, "/oda"), None);
    }

    #[test]
    fn one_changed_character_opens_nothing() {
        let (key, ann) = (Key::new([1; 32]), user("ann"));
        let sealed = pid().seal(&key, &ann, "/oda");
        for place in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                Pid::open(&String::from_utf8(forged).unwrap(), &key, &ann, "/oda"),
                None
            );
        }
        for text in ["", "foo", &sealed[1..], &format!("{sealed}A"), "ö"] {
            assert_eq!(Pid::open(text, &key, &ann, "/oda"), None, "{text}");
        }
    }

    #[test]
    fn neither_id_is_found_in_the_other() {
        let key = Key::new([1; 32]);
        assert_ne!(pid().socket_id(&key), pid().session.text());
        let again = Pid {
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
        let key = Key::new([1; 32]);
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
        let mut prints: Vec<_> = all.iter().map(|identity| rights(&key, identity)).collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), all.len());
    }
}
