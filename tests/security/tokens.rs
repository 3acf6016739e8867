//! Hand-made tokens: what a forger would send.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use orchestrator_testkit::{Builder, Daemon};
use orchestrator_vocab::{Clock as _, OrgId, SystemClock};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::Sha256;

/// What the daemons of these tests sign with.
pub(crate) const SECRET: &str = "mZ1tq0rXv8Lw4Ke7sYb2Nc5Ph9Dg3Jf6";

pub(crate) fn now_seconds() -> i64 {
    SystemClock.now().millis() / 1_000
}

/// Claims that count, for an hour.
pub(crate) fn claims() -> Value {
    let now = now_seconds();
    json!({
        "iss": "orchestrator-daemon",
        "aud": "orchestrator-daemon",
        "sub": "somebody",
        "org": OrgId::LOCAL,
        "scope": "daemon.read",
        "jti": "jwt_of_a_test",
        "iat": now,
        "nbf": now,
        "exp": now + 3_600,
    })
}

/// Claims with one of them changed, or taken away by `null`.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().and_then(|claims| claims.remove(name))),
        value => claims[name] = value,
    }
    claims
}

/// Forges tokens for one of the two algorithms, with the daemon's own key or others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forger {
    Hs256,
    EdDsa,
}

/// The 32 bytes of the Ed25519 key of these tests.
const SEED: [u8; 32] = [0x42; 32];

impl Forger {
    pub(crate) const BOTH: [Self; 2] = [Self::Hs256, Self::EdDsa];

    pub(crate) fn alg(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// A daemon with the key that this one forges with.
    pub(crate) fn daemon(self) -> Builder {
        let builder = Daemon::builder().without_rate_limits();
        match self {
            Self::Hs256 => builder.env("DAEMON_JWT_SECRET", SECRET),
            Self::EdDsa => builder.env("DAEMON_JWT_ED25519_KEY", &pem()),
        }
    }

    pub(crate) fn header(self) -> String {
        json!({"alg": self.alg(), "typ": "JWT"}).to_string()
    }

    pub(crate) fn token(self, claims: &Value) -> String {
        self.signed(&self.header(), &claims.to_string())
    }

    /// Any header and payload, with a signature that fits them.
    pub(crate) fn signed(self, header: &str, payload: &str) -> String {
        match self {
            Self::Hs256 => signed(header, payload, SECRET.as_bytes()),
            Self::EdDsa => signed_with_seed(header, payload, &SEED),
        }
    }
}

/// The public key of these tests.
pub(crate) fn public_key() -> Vec<u8> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).expect("32 bytes are a key");
    pair.public_key().as_ref().to_vec()
}

/// The private key of these tests as `openssl genpkey` would write it (RFC 8410).
pub(crate) fn pem() -> String {
    let head = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = STANDARD.encode([&head[..], &SEED[..]].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

/// With HMAC under any secret.
pub(crate) fn signed(header: &str, payload: &str, secret: &[u8]) -> String {
    let message = message(header, payload);
    let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    let signature = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// With any Ed25519 key.
pub(crate) fn signed_with_seed(header: &str, payload: &str, seed: &[u8; 32]) -> String {
    let message = message(header, payload);
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a key");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())))
}

fn message(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// What a token's header says.
pub(crate) fn header_of(token: &str) -> Value {
    let header = token.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    serde_json::from_slice(&bytes).expect("a header is JSON")
}

/// The same token with another last letter that decodes to the same bytes in a sloppy decoder.
pub(crate) fn with_trailing_bits(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let index = ALPHABET.iter().position(|letter| last.as_bytes()[0] == *letter).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[index ^ 1]))
}
