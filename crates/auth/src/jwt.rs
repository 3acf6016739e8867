use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orchestrator_rpc::{Scope, Scopes};
use orchestrator_vocab::{Clock, OrgId, Timestamp};
use secrecy::SecretString;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Grant, Issued, Keys, Refusal, SigningKey, random};

/// Issuer and audience of every token.
pub(crate) const DAEMON: &str = "orchestrator-daemon";

/// The longest token, in bytes.
pub(crate) const LENGTH_MAX: usize = 8 * 1024;

/// How long tokens last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// From issue to expiry, unless the grant says otherwise. Default 24 h.
    pub expiration: Duration,
    /// How far clocks may differ: tokens count this much before `nbf` and after `exp`. Default 30 s.
    pub leeway: Duration,
    /// How long an access token lasts that comes with a refresh token. Default 15 min.
    pub refreshed: Duration,
    /// How long a refresh token waits to be used. Default 7 days.
    pub refresh_idle: Duration,
    /// From the login to the end of its last refresh token. Default 30 days.
    pub refresh_total: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Lifetime {
    fn default() -> Self {
        Self {
            expiration: DAY,
            leeway: Duration::from_secs(30),
            refreshed: 15 * MINUTE,
            refresh_idle: 7 * DAY,
            refresh_total: 30 * DAY,
        }
    }
}

/// Signs and verifies tokens: JWT (RFC 7519) with HS256 or EdDSA, and nothing else.
///
/// A token counts if all of this holds: at most 8 kB; three parts of canonical base64url without padding; signed by one
/// of the accepted keys (before anything inside is looked at, in constant time); the header is exactly the `alg` of
/// *that key*, with or without `"typ":"JWT"` and that key's `kid`, so that no header chooses key or algorithm; each of
/// `iss aud sub org scope jti iat nbf exp` is there once and has the right type, `iss` and `aud` being the text
/// `orchestrator-daemon` and times whole seconds; and the time is right, give or take the leeway. Further claims are
/// ignored, as RFC 7519 wants, but no name may come twice. Scopes that are not ours are ignored too: less is always safe.
pub struct Issuer {
    /// The first one signs.
    keys: RwLock<Vec<SigningKey>>,
    lifetime: Lifetime,
    clock: Arc<dyn Clock>,
}

/// What a token that counts says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose things the holder sees.
    pub org: OrgId,
    /// Who the holder is.
    pub subject: String,
    /// What it may do; possibly nothing.
    pub scopes: Scopes,
    /// The token's own id (`jti`), by which it is revoked.
    pub id: String,
    /// The family of refresh tokens it came from, if it did, by which it is revoked too.
    pub family: Option<String>,
    /// From when on it is refused: `exp` and the leeway.
    pub ends_at: Timestamp,
    /// Which of the accepted keys signed it.
    pub(crate) signed_by: [u8; 32],
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Signs with the current key and accepts what it or a previous one signed.
    pub fn new(keys: impl Into<Keys>, lifetime: Lifetime, clock: Arc<dyn Clock>) -> Self {
        let issuer = Self { keys: RwLock::default(), lifetime, clock };
        issuer.rotate(keys);
        issuer
    }

    /// From now on signs with the current key, and accepts what it or a previous one signed.
    pub fn rotate(&self, keys: impl Into<Keys>) {
        let Keys { current, previous } = keys.into();
        let keys = std::iter::once(current).chain(previous).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// A new token. It cannot be read back: whoever asked must keep it.
    pub fn issue(&self, grant: &Grant) -> Issued {
        self.issue_in(None, grant)
    }

    /// The same for an access token of a family of refresh tokens.
    pub(crate) fn issue_in(&self, family: Option<&str>, grant: &Grant) -> Issued {
        let now = self.clock.now();
        let iat = u64::try_from(now.millis()).unwrap_or(0) / 1_000;
        let exp = iat.saturating_add(grant.lifetime.unwrap_or(self.lifetime.expiration).as_secs()).min(SECONDS_MAX);
        let claims = Claims {
            iss: DAEMON.to_owned(),
            aud: DAEMON.to_owned(),
            sub: grant.subject.clone(),
            org: grant.org,
            scope: grant.scopes.to_string(),
            jti: format!("jwt_{}", random::hex(&random::bytes::<16>())),
            iat,
            nbf: iat,
            exp,
            family: family.map(str::to_owned),
        };
        let token = self.sign(&claims);
        Issued { token, id: claims.jti, created_at: now, expires_at: Some(moment(exp)) }
    }

    /// What a token says, if it counts now. Whether it was revoked is not known here.
    ///
    /// # Errors
    /// Why it does not count: for the debug log, never for whoever showed it.
    pub fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        if token.len() > LENGTH_MAX {
            return Err(Refusal::Length);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Form)?;
        let (header, payload) = message.split_once('.').ok_or(Refusal::Form)?;
        let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let key = self.signer(message, &signature).ok_or(Refusal::Signature)?;
        let header: Header = object(&header).map_err(|_| Refusal::Header)?;
        let is_of_key = header.alg == key.algorithm().as_str() && header.kid.is_none_or(|kid| kid == key.id());
        if !is_of_key || header.typ != "JWT" {
            return Err(Refusal::Header);
        }
        self.judge(object(&payload).map_err(Refusal::Claims)?, key.print())
    }

    /// Whether what this key signed still counts.
    #[cfg(feature = "sql")]
    pub(crate) fn accepts(&self, signed_by: &[u8; 32]) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).iter().any(|key| key.print() == *signed_by)
    }

    /// The public halves of the accepted keys: none of HS256 keys.
    pub fn public_keys(&self) -> Vec<crate::PublicKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter_map(SigningKey::public).collect()
    }

    fn sign(&self, claims: &Claims) -> SecretString {
        let payload = serde_json::to_vec(claims).expect("claims are texts and numbers");
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner)[0].clone();
        let header = format!(r#"{{"alg":"{}","typ":"JWT","kid":"{}"}}"#, key.algorithm().as_str(), key.id());
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(&message));
        format!("{message}.{signature}").into()
    }

    fn signer(&self, message: &str, signature: &[u8]) -> Option<SigningKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|key| key.signed(message, signature)).cloned()
    }

    fn judge(&self, claims: Claims, signed_by: [u8; 32]) -> Result<Verified, Refusal> {
        let (now, leeway) = (self.clock.now(), self.lifetime.leeway);
        if claims.iss != DAEMON || claims.aud != DAEMON {
            return Err(Refusal::Audience);
        }
        if !is_subject(&claims.sub) || !is_subject(&claims.jti) {
            return Err(Refusal::Claims("`sub` and `jti` are 1 to 200 characters".to_owned()));
        }
        if claims.exp > SECONDS_MAX || claims.nbf.max(claims.iat) > claims.exp {
            return Err(Refusal::Claims("`iat` and `nbf` are not after `exp`".to_owned()));
        }
        let ends_at = moment(claims.exp) + leeway;
        if now >= ends_at {
            return Err(Refusal::Expired);
        }
        if now + leeway < moment(claims.nbf.max(claims.iat)) {
            return Err(Refusal::Early);
        }
        if claims.family.as_deref().is_some_and(|family| !is_subject(family)) {
            return Err(Refusal::Claims("`family` is 1 to 200 characters".to_owned()));
        }
        let scopes = claims.scope.split(' ').filter_map(|word| word.parse::<Scope>().ok()).collect();
        Ok(Verified {
            org: claims.org,
            subject: claims.sub,
            scopes,
            id: claims.jti,
            family: claims.family,
            ends_at,
            signed_by,
        })
    }
}

/// The last second of the year 9999: later times have no RFC 3339 form.
const SECONDS_MAX: u64 = 253_402_300_799;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    #[serde(default = "jwt")]
    typ: String,
    #[serde(default, deserialize_with = "text")]
    kid: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    org: OrgId,
    scope: String,
    jti: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    family: Option<String>,
}

/// Text, if it is there at all; `null` is no text.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn jwt() -> String {
    "JWT".to_owned()
}

fn moment(seconds: u64) -> Timestamp {
    Timestamp(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX))
}

/// Whether a text can name somebody: 1 to 200 characters, none of them a control character.
pub(crate) fn is_subject(text: &str) -> bool {
    (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The engine refuses padding, other alphabets and trailing bits that are not zero, so each value has one spelling.
fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Form)
}

/// A value read from a JSON object; serde would also take its fields as a list, and the last of two equal names.
fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    let members = serde_json::from_slice::<Members>(json).map_err(|error| error.to_string())?;
    serde_json::from_value(Value::Object(members.0.into_iter().collect())).map_err(|error| error.to_string())
}

struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;
        impl<'de> Visitor<'de> for Unique {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without duplicate names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name comes twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Unique)
    }
}

#[cfg(test)]
mod tests;
