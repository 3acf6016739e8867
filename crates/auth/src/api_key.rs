use orchestrator_vocab::{Id, Kind};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{Refusal, random};

/// What every API key begins with, so that people and secret scanners recognise one.
pub(crate) const PREFIX: &str = "orc_";

const DIGITS: usize = 32;
const SECRET_DIGITS: usize = 64;

enum KeyKind {}

impl Kind for KeyKind {
    const PREFIX: &'static str = "key";
}

/// What is stored of a key. The secret has 256 random bits, so nobody can guess it from its hash, and a slow hash,
/// which protects passwords that people chose, would only make every request slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 32]);

/// `orc_<id>_<secret>`: 32 and 64 lowercase hexadecimal digits.
pub(crate) struct ApiKey {
    /// Names the key, as `key_<id>`.
    pub(crate) id: String,
    pub(crate) hash: Hash,
}

impl ApiKey {
    /// A new key, and its text.
    pub(crate) fn generate() -> (Self, SecretString) {
        let id = Id::<KeyKind>::new();
        let secret = random::hex(&random::bytes::<32>());
        let text = format!("{PREFIX}{}_{secret}", id.uuid().simple());
        (Self { id: id.to_string(), hash: Hash::of(&secret) }, text.into())
    }

    /// Takes a key apart.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let (id, secret) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).ok_or(Refusal::Form)?;
        if !is_hex(id, DIGITS) || !is_hex(secret, SECRET_DIGITS) {
            return Err(Refusal::Form);
        }
        Ok(Self { id: format!("{}_{id}", KeyKind::PREFIX), hash: Hash::of(secret) })
    }

    /// Whether an id is one of a key, rather than of a signed token.
    pub(crate) fn is_id(text: &str) -> bool {
        text.parse::<Id<KeyKind>>().is_ok()
    }
}

impl Hash {
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// In constant time, so that answering takes as long for a secret that is nearly right.
    pub(crate) fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

/// Whether a text is `length` lowercase hexadecimal digits.
pub(crate) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_is_recognised_by_its_secret_alone() {
        let (key, text) = ApiKey::generate();
        let parsed = ApiKey::parse(text.expose_secret()).unwrap();
        assert_eq!(parsed.id, key.id);
        assert!(parsed.hash.matches(key.hash.bytes()));
        assert!(!ApiKey::generate().0.hash.matches(key.hash.bytes()));
        assert!(!parsed.hash.matches(&[]) && !parsed.hash.matches(&key.hash.bytes()[..31]));
        assert!(ApiKey::is_id(&key.id) && !ApiKey::is_id("jwt_1"));
    }

    #[test]
    fn a_key_has_one_spelling() {
        let text = ApiKey::generate().1.expose_secret().to_owned();
        let (head, secret) = text.rsplit_once('_').unwrap();
        for other in [
            text.to_uppercase(),
            format!("{text} "),
            format!("{text}_"),
            format!("{text}0"),
            head.to_owned(),
            format!("{head}_{}", &secret[1..]),
            format!("{head}_{}", secret.to_uppercase()),
            format!("ORC_{}", &text[4..]),
            String::new(),
            "orc_".to_owned(),
            "orc__".to_owned(),
        ] {
            assert!(ApiKey::parse(&other).is_err() || other == text, "{other}");
        }
    }
}
