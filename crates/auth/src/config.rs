use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Error, Keys, Lifetime, Limit, Secret, SigningKey};

/// What an operator decides about tokens. Every field has a default. Serialised, secrets are `***`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// How tokens are signed. Default: EdDSA if `ed25519Key` is set, otherwise HS256.
    pub algorithm: Option<Algorithm>,
    /// What tokens are signed with by HS256, at least 32 bytes, taken as they are. Default: made once and kept in a file.
    #[serde(serialize_with = "masked")]
    pub jwt_secret: Option<SecretString>,
    /// The secret before `jwtSecret`: what it signed still counts. Default none.
    #[serde(serialize_with = "masked")]
    pub jwt_secret_previous: Option<SecretString>,
    /// What tokens are signed with by EdDSA: an Ed25519 key in PKCS#8 as PEM. Default: made once and kept in a file.
    #[serde(serialize_with = "masked")]
    pub ed25519_key: Option<SecretString>,
    /// The key before `ed25519Key`: what it signed still counts. Default none.
    #[serde(serialize_with = "masked")]
    pub ed25519_key_previous: Option<SecretString>,
    /// How long a JWT lasts unless it was asked for otherwise, in milliseconds, from a second to ten years. Default 24 h.
    pub jwt_expiration_ms: u64,
    /// How long an access token lasts that comes with a refresh token, in milliseconds, from a second to a day.
    /// Default 15 min.
    pub refreshed_expiration_ms: u64,
    /// How long a refresh token waits to be used, in milliseconds, from a second to `refreshTotalMs`. Default 7 days.
    pub refresh_idle_ms: u64,
    /// From a login to the end of its last refresh token, in milliseconds, up to ten years. Default 30 days.
    pub refresh_total_ms: u64,
}

/// What an operator decides about rates. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// Whether rates are limited at all. Default true.
    pub enabled: bool,
    /// How often one address may do what is not authenticated, per window. Default 100.
    pub max: u32,
    /// The length of that window in milliseconds, up to a day. Default 60,000.
    pub window_ms: u64,
    /// How many authenticated calls one credential may make per minute. Default 6,000.
    pub calls_per_credential: u32,
}

const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400_000;

impl Default for Config {
    fn default() -> Self {
        Self {
            algorithm: None,
            jwt_secret: None,
            jwt_secret_previous: None,
            ed25519_key: None,
            ed25519_key_previous: None,
            jwt_expiration_ms: DAY_MS,
            refreshed_expiration_ms: 15 * 60 * SECOND_MS,
            refresh_idle_ms: 7 * DAY_MS,
            refresh_total_ms: 30 * DAY_MS,
        }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self { enabled: true, max: 100, window_ms: 60_000, calls_per_credential: 6_000 }
    }
}

/// Whether it is set, and nothing else.
fn masked<S: serde::Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

impl Config {
    /// Whether every value is within its bounds, the keys can be keys, and those of the other algorithm are not set.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::WeakSecret`]: the program must not start.
    pub fn validate(&self) -> Result<(), Error> {
        let years = SECOND_MS..=3_650 * DAY_MS;
        if !years.contains(&self.jwt_expiration_ms) {
            return Err(Error::Invalid { field: "jwtExpirationMs", expected: "1000 to 315360000000 (ten years)" });
        }
        if !(SECOND_MS..=DAY_MS).contains(&self.refreshed_expiration_ms) {
            return Err(Error::Invalid { field: "refreshedExpirationMs", expected: "1000 to 86400000 (a day)" });
        }
        if !years.contains(&self.refresh_total_ms) {
            return Err(Error::Invalid { field: "refreshTotalMs", expected: "1000 to 315360000000 (ten years)" });
        }
        if !(SECOND_MS..=self.refresh_total_ms).contains(&self.refresh_idle_ms) {
            return Err(Error::Invalid { field: "refreshIdleMs", expected: "1000 to refreshTotalMs" });
        }
        self.check_algorithm()?;
        self.configured_key()?;
        self.previous_key().map(drop)
    }

    /// How tokens are signed.
    pub fn algorithm(&self) -> Algorithm {
        let by_key = if self.ed25519_key.is_some() { Algorithm::EdDsa } else { Algorithm::Hs256 };
        self.algorithm.unwrap_or(by_key)
    }

    /// The configured keys; without a current one, that in the directory's `jwt.key` or `jwt.ed25519.pem`, which is
    /// made if need be.
    ///
    /// # Errors
    /// [`Error::WeakSecret`], [`Error::Invalid`], and those of [`Secret::load_or_create`].
    pub fn keys(&self, directory: &Path) -> Result<Keys, Error> {
        let current = match (self.configured_key()?, self.algorithm()) {
            (Some(key), _) => key,
            (None, Algorithm::Hs256) => SigningKey::from(&Secret::load_or_create(&directory.join("jwt.key"))?),
            (None, Algorithm::EdDsa) => SigningKey::load_or_create_pem(&directory.join("jwt.ed25519.pem"))?,
        };
        Ok(Keys { current, previous: self.previous_key()?.into_iter().collect() })
    }

    fn configured_key(&self) -> Result<Option<SigningKey>, Error> {
        match self.algorithm() {
            Algorithm::Hs256 => secret(self.jwt_secret.as_ref()),
            Algorithm::EdDsa => {
                self.ed25519_key.as_ref().map(|key| SigningKey::from_pem(key.expose_secret())).transpose()
            }
        }
    }

    fn previous_key(&self) -> Result<Option<SigningKey>, Error> {
        match self.algorithm() {
            Algorithm::Hs256 => secret(self.jwt_secret_previous.as_ref()),
            Algorithm::EdDsa => {
                let read = |key: &SecretString| SigningKey::from_pem(key.expose_secret());
                let expected = "an Ed25519 private key in PKCS#8 as PEM";
                let failed = |_| Error::Invalid { field: "ed25519KeyPrevious", expected };
                self.ed25519_key_previous.as_ref().map(read).transpose().map_err(failed)
            }
        }
    }

    /// A key of the other algorithm would look as if it were used.
    fn check_algorithm(&self) -> Result<(), Error> {
        let (unused, expected) = match self.algorithm() {
            Algorithm::Hs256 => (
                [(&self.ed25519_key, "ed25519Key"), (&self.ed25519_key_previous, "ed25519KeyPrevious")],
                "unset: the algorithm is HS256",
            ),
            Algorithm::EdDsa => (
                [(&self.jwt_secret, "jwtSecret"), (&self.jwt_secret_previous, "jwtSecretPrevious")],
                "unset: the algorithm is EdDSA",
            ),
        };
        let set = unused.into_iter().find(|(key, _)| key.is_some());
        set.map_or(Ok(()), |(_, field)| Err(Error::Invalid { field, expected }))
    }

    /// How long tokens last; the leeway is always 30 s.
    pub fn lifetime(&self) -> Lifetime {
        Lifetime {
            expiration: Duration::from_millis(self.jwt_expiration_ms),
            refreshed: Duration::from_millis(self.refreshed_expiration_ms),
            refresh_idle: Duration::from_millis(self.refresh_idle_ms),
            refresh_total: Duration::from_millis(self.refresh_total_ms),
            ..Lifetime::default()
        }
    }
}

fn secret(text: Option<&SecretString>) -> Result<Option<SigningKey>, Error> {
    let read = |text: &SecretString| Secret::new(text.expose_secret()).map(|secret| SigningKey::from(&secret));
    text.map(read).transpose().map_err(Error::from)
}

impl RateLimitConfig {
    /// Whether every value is within its bounds.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the program must not start.
    pub fn validate(&self) -> Result<(), Error> {
        if self.max == 0 || self.calls_per_credential == 0 {
            let field = if self.max == 0 { "max" } else { "callsPerCredential" };
            return Err(Error::Invalid { field, expected: "at least 1; to lift the limits, set `enabled` to false" });
        }
        if !(1..=DAY_MS).contains(&self.window_ms) {
            return Err(Error::Invalid { field: "windowMs", expected: "1 to 86400000 (a day)" });
        }
        Ok(())
    }

    /// The limit for what is not authenticated, per [`Source`](crate::Source), if limits are on.
    pub fn per_address(&self) -> Option<Limit> {
        let limit = Limit { max: self.max, window: Duration::from_millis(self.window_ms), ..Limit::PER_ADDRESS };
        self.enabled.then_some(limit)
    }

    /// The limit for authenticated calls, if limits are on. The key is a caller's organisation *and* credential: two
    /// organisations may have tokens of one id, and must not share a window.
    pub fn per_credential(&self) -> Option<Limit> {
        self.enabled.then_some(Limit { max: self.calls_per_credential, ..Limit::PER_CREDENTIAL })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WeakSecret;

    #[test]
    fn the_defaults_are_allowed_and_as_documented() {
        let config: Config = serde_json::from_str("{}").unwrap();
        config.validate().unwrap();
        assert_eq!(config.lifetime(), Lifetime::default());
        let limits: RateLimitConfig = serde_json::from_str("{}").unwrap();
        limits.validate().unwrap();
        assert_eq!(limits.per_address(), Some(Limit::PER_ADDRESS));
        assert_eq!(limits.per_credential(), Some(Limit::PER_CREDENTIAL));
        assert_eq!(RateLimitConfig { enabled: false, ..limits }.per_address(), None);
    }

    #[test]
    fn a_wrong_section_is_refused() {
        let refused = |json: &str| serde_json::from_str::<Config>(json).unwrap().validate().unwrap_err();
        assert!(matches!(refused(r#"{"jwtSecret":""}"#), Error::WeakSecret(WeakSecret::Empty)));
        assert!(matches!(refused(r#"{"jwtSecret":"changeme"}"#), Error::WeakSecret(WeakSecret::Default)));
        assert!(matches!(refused(r#"{"jwtSecret":"0123456789"}"#), Error::WeakSecret(WeakSecret::Short(10))));
        assert!(matches!(refused(r#"{"jwtExpirationMs":0}"#), Error::Invalid { .. }));
        for section in [
            r#"{"refreshedExpirationMs":999}"#,
            r#"{"refreshTotalMs":0}"#,
            r#"{"refreshIdleMs":86400000,"refreshTotalMs":3600000}"#,
            r#"{"ed25519Key":"x"}"#,
            r#"{"algorithm":"EdDSA","jwtSecret":"a secret of the tests, 32 bytes or more"}"#,
            r#"{"algorithm":"HS256","ed25519Key":"x"}"#,
            r#"{"algorithm":"EdDSA","ed25519KeyPrevious":"x"}"#,
        ] {
            assert!(matches!(refused(section), Error::Invalid { .. }), "{section}");
        }
        assert!(matches!(refused(r#"{"jwtSecretPrevious":"short"}"#), Error::WeakSecret(WeakSecret::Short(5))));
        assert!(serde_json::from_str::<Config>(r#"{"jwtSecrets":"x"}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"algorithm":"none"}"#).is_err());
        for limits in [r#"{"max":0}"#, r#"{"callsPerCredential":0}"#, r#"{"windowMs":0}"#, r#"{"windowMs":86400001}"#] {
            assert!(serde_json::from_str::<RateLimitConfig>(limits).unwrap().validate().is_err(), "{limits}");
        }
    }

    #[test]
    fn the_configured_key_wins_over_the_file_and_is_not_printed() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { jwt_secret: Some("a secret of the tests, 32 bytes or more".into()), ..Config::default() };
        config.keys(directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(!format!("{config:?}").contains("tests"));
        Config::default().keys(directory.path()).unwrap();
        assert!(directory.path().join("jwt.key").exists());

        let eddsa = Config { algorithm: Some(Algorithm::EdDsa), ..Config::default() };
        let made = eddsa.keys(directory.path()).unwrap().current;
        let pem = std::fs::read_to_string(directory.path().join("jwt.ed25519.pem")).unwrap();
        let configured = Config { ed25519_key: Some(pem.into()), ..Config::default() };
        configured.validate().unwrap();
        assert_eq!((configured.algorithm(), made.algorithm()), (Algorithm::EdDsa, Algorithm::EdDsa));
        assert_eq!(configured.keys(directory.path()).unwrap().current, made);
    }
}
