use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::ToolCall;

/// The largest integer of which RFC 8785 keeps every digit: 2^53 - 1.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The SHA-256 of a value in its canonical form (RFC 8785): the same for the same value however it was written.
/// As text, `sha256:` and 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The value has no canonical form of its own: it shares one with other values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is beyond 2^53 - 1, where RFC 8785 does not tell neighbours apart; write it as text")]
pub struct NotCanonical(String);

/// The text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected `sha256:` and 64 lowercase hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// Of any value.
    ///
    /// # Errors
    /// If a number in it is an integer beyond 2^53 - 1: another value would have the same digest.
    pub fn of(value: &Value) -> Result<Self, NotCanonical> {
        check(value)?;
        let canonical = serde_json_canonicalizer::to_vec(value).map_err(|error| NotCanonical(error.to_string()))?;
        Ok(Self(Sha256::digest(canonical).into()))
    }

    /// Of a text: what [`of`](Self::of) says of it as a value, for long ones in a third of the time.
    pub fn of_text(text: &str) -> Self {
        // Of texts there is one way to write them, and serde_json knows it.
        let written = serde_json::to_vec(text).expect("a text is JSON");
        Self(Sha256::digest(written).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ToolCall {
    /// What the call would do: the digest of `{"arguments": …, "name": …}`. Its id is not part of it, so that repeated calls
    /// are found; what the model wrote wrongly is.
    ///
    /// # Errors
    /// If a number in the arguments is an integer beyond 2^53 - 1.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        let mut call = json!({ "name": self.name, "arguments": self.arguments });
        if let Some(malformed) = &self.malformed {
            call["malformed"] = json!(malformed);
        }
        Digest::of(&call)
    }
}

fn check(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            match magnitude {
                Some(magnitude) if magnitude > INTEGER_MAX => Err(NotCanonical(number.to_string())),
                _ => Ok(()),
            }
        }
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(fields) => fields.values().try_for_each(check),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = text.strip_prefix("sha256:").ok_or(InvalidDigest)?.as_bytes();
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if digits.len() != bytes.len() * 2 {
            return Err(InvalidDigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = nibble(pair[0]).zip(nibble(pair[1])).ok_or(InvalidDigest)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Digest {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(name: &str, written: &str) -> Digest {
        ToolCall::parse("1", name, written).digest().unwrap()
    }

    /// From `printf '{"arguments":{"a":1,"b":[true,null]},"name":"x"}' | sha256sum`.
    #[test]
    fn the_digest_is_that_of_the_canonical_text() {
        let expected = "sha256:0b9c10a9bb004f19a0c1d362960cfd2949cd2810831381715564721535d6478c";
        assert_eq!(digest("x", "{ \"b\": [true, null], \"a\": 1.0 }").to_string(), expected);
        assert_eq!(expected.parse(), Ok(digest("x", r#"{"a":1,"b":[true,null]}"#)));
    }

    #[test]
    fn what_differs_has_another_digest() {
        let one = digest("x", r#"{"a":1}"#);
        assert_ne!(one, digest("y", r#"{"a":1}"#));
        assert_ne!(one, digest("x", r#"{"a":2}"#));
        assert_ne!(digest("x", "{\"a\":"), digest("x", "{\"b\":"));
    }

    #[test]
    fn numbers_that_would_share_a_digest_are_refused() {
        for written in [r#"{"a":9007199254740993}"#, r#"{"a":[-9007199254740993]}"#] {
            assert!(ToolCall::parse("1", "x", written).digest().is_err(), "{written}");
        }
        digest("x", r#"{"a":9007199254740991}"#);
    }

    proptest::proptest! {
        #[test]
        fn a_text_has_the_digest_that_it_has_as_a_value(text: String, more in "[\\x00-\\x1f\"\\\\/é\u{2028}😀]{0,20}") {
            let text = text + &more;
            proptest::prop_assert_eq!(Digest::of_text(&text), Digest::of(&text.into()).unwrap());
        }
    }

    #[test]
    fn other_texts_are_no_digests() {
        for text in ["", "sha256:00", &format!("sha256:{}", "G".repeat(64)), &"0".repeat(64)] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest));
        }
    }
}
