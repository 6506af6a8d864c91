//! Tokens, as senders show them and as they are configured.
//!
//! What is configured is a token or the SHA-256 of one, so that a file of them is of no use to who reads
//! it. Tokens are random and long, so that no slow hash is needed.

use std::hash::{BuildHasher, RandomState};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use wholetrace_proto::hex;
use wholetrace_runtime::secret::Secret;

/// Shorter tokens can be guessed.
pub(crate) const TOKEN_CHARS_MIN: usize = 16;

/// What stands before the hash of a token, in hexadecimal digits.
const HASHED: &str = "sha256:";

/// What a token is known by. Tokens are compared by a hash with secret keys: the time that it takes
/// tells nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenId(u64, u64);

/// The keys of this process.
#[derive(Default)]
pub(crate) struct Keys(RandomState, RandomState);

impl Keys {
    /// That of a token that a sender shows.
    pub(crate) fn of_shown(&self, token: &[u8]) -> TokenId {
        self.of_hash(Sha256::digest(token).into())
    }

    /// That of a token that is configured, itself or its hash.
    pub(crate) fn of_configured(&self, token: &Secret) -> TokenId {
        let token = token.reveal();
        match token.strip_prefix(HASHED).and_then(hash) {
            Some(hash) => self.of_hash(hash),
            None => self.of_shown(token.as_bytes()),
        }
    }

    fn of_hash(&self, hash: [u8; 32]) -> TokenId {
        TokenId(self.0.hash_one(hash), self.1.hash_one(hash))
    }
}

/// Whether it is a token that cannot be guessed, and that a header can hold; or the hash of one.
pub(crate) fn is_configurable(token: &Secret) -> bool {
    let token = token.reveal();
    match token.strip_prefix(HASHED) {
        Some(digits) => hash(digits).is_some(),
        None => token.len() >= TOKEN_CHARS_MIN && token.is_ascii(),
    }
}

/// The hash whose 64 hexadecimal digits are `digits`.
fn hash(digits: &str) -> Option<[u8; 32]> {
    hex::exact(digits.as_bytes())
}

/// What an `authorization` header shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The tenant that it says to be of; nothing in `Bearer`.
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) token: Vec<u8>,
}

impl Credentials {
    /// Those of `Bearer TOKEN`, or of `Basic` with a tenant's name as the user and its token as the
    /// password. The scheme's case is free.
    pub(crate) fn of(header: &[u8]) -> Option<Self> {
        let (scheme, shown) =
            header.split_at_checked(header.iter().position(|byte| *byte == b' ')?)?;
        let shown = shown.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return Some(Self { name: None, token: shown.to_vec() });
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let mut pair = STANDARD.decode(shown).ok()?;
        let token = pair.split_off(pair.iter().position(|byte| *byte == b':')? + 1);
        pair.pop();
        Some(Self { name: Some(pair), token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf %s a-token-that-is-long | sha256sum`.
    const HASH: &str = "sha256:009cd681633ecf709db0e12599491c1256f8a6afc87b267b87e7f9de5bffa097";

    #[test]
    fn a_token_is_known_by_its_hash() {
        let keys = Keys::default();
        let shown = keys.of_shown(b"a-token-that-is-long");
        assert_eq!(keys.of_configured(&Secret::new("a-token-that-is-long")), shown);
        assert_eq!(keys.of_configured(&Secret::new(HASH)), shown);
        let capitals = HASH.to_uppercase().replacen("SHA", "sha", 1);
        assert_eq!(keys.of_configured(&Secret::new(capitals)), shown);
        assert_ne!(keys.of_shown(HASH.as_bytes()), shown);
        assert_ne!(keys.of_shown(b"a-token-that-is-lonG"), shown);
    }

    #[test]
    fn what_can_be_guessed_or_is_no_hash_is_not_configurable() {
        let may = |token: &str| is_configurable(&Secret::new(token));
        assert!(may("a-token-that-is-long") && may(HASH));
        let (short, long) = (&HASH[..HASH.len() - 1], format!("{HASH}0"));
        for not in ["a-short-token", "a-token-that-is-lông", "sha256:", short, &long] {
            assert!(!may(not), "{not}");
        }
        assert!(!may(&HASH.replace("5bffa", "5gffa")));
    }

    #[test]
    fn two_schemes_are_understood() {
        let of = |name: Option<&str>, token: &str| {
            let name = name.map(|name| name.as_bytes().to_vec());
            Some(Credentials { name, token: token.as_bytes().to_vec() })
        };
        for (header, shown) in [
            ("Bearer abc", of(None, "abc")),
            ("bEARER  abc ", of(None, "abc")),
            // `printf %s shop:a:c | base64`
            ("Basic c2hvcDphOmM=", of(Some("shop"), "a:c")),
            ("basic c2hvcDphOmM=", of(Some("shop"), "a:c")),
            ("Basic c2hvcA==", None),
            ("Basic ***", None),
            ("Basic", None),
            ("Bearer", None),
            ("Digest abc", None),
            ("", None),
        ] {
            assert_eq!(Credentials::of(header.as_bytes()), shown, "{header}");
        }
    }
}
