//! Hand-made tokens: what a forger would send.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use orchestrator_vocab::{Clock as _, OrgId, SystemClock};
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

pub(crate) fn token(claims: &Value) -> String {
    signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), SECRET)
}

/// Any header and payload, with a signature that fits them.
pub(crate) fn signed(header: &str, payload: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    let signature = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The same token with another last letter that decodes to the same bytes in a sloppy decoder.
pub(crate) fn with_trailing_bits(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let index = ALPHABET.iter().position(|letter| last.as_bytes()[0] == *letter).expect("base64url");
    format!("{rest}{}", char::from(ALPHABET[index ^ 1]))
}
