use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{Error, Lifetime, Limit, Secret};

/// What an operator decides about tokens. Every field has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// What tokens are signed with, at least 32 bytes, taken as they are. Default: made once and kept in a file.
    pub jwt_secret: Option<SecretString>,
    /// How long a JWT lasts unless it was asked for otherwise, in milliseconds, from a second to ten years. Default 24 h.
    pub jwt_expiration_ms: u64,
}

/// What an operator decides about rates. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
        Self { jwt_secret: None, jwt_expiration_ms: DAY_MS }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self { enabled: true, max: 100, window_ms: 60_000, calls_per_credential: 6_000 }
    }
}

impl Config {
    /// Whether every value is within its bounds, and the secret, if there is one, can be one.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::WeakSecret`]: the program must not start.
    pub fn validate(&self) -> Result<(), Error> {
        if !(SECOND_MS..=3_650 * DAY_MS).contains(&self.jwt_expiration_ms) {
            return Err(Error::Invalid { field: "jwtExpirationMs", expected: "1000 to 315360000000 (ten years)" });
        }
        match &self.jwt_secret {
            Some(secret) => Secret::new(secret.expose_secret()).map(drop).map_err(Error::from),
            None => Ok(()),
        }
    }

    /// The configured secret, otherwise the one in `key_file`, which is made if need be.
    ///
    /// # Errors
    /// [`Error::WeakSecret`], and those of [`Secret::load_or_create`].
    pub fn secret(&self, key_file: &Path) -> Result<Secret, Error> {
        match &self.jwt_secret {
            Some(secret) => Secret::new(secret.expose_secret()).map_err(Error::from),
            None => Secret::load_or_create(key_file),
        }
    }

    /// How long tokens last; the leeway is always 30 s.
    pub fn lifetime(&self) -> Lifetime {
        Lifetime { expiration: Duration::from_millis(self.jwt_expiration_ms), ..Lifetime::default() }
    }
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
        assert!(serde_json::from_str::<Config>(r#"{"jwtSecrets":"x"}"#).is_err());
        for limits in [r#"{"max":0}"#, r#"{"callsPerCredential":0}"#, r#"{"windowMs":0}"#, r#"{"windowMs":86400001}"#] {
            assert!(serde_json::from_str::<RateLimitConfig>(limits).unwrap().validate().is_err(), "{limits}");
        }
    }

    #[test]
    fn the_configured_secret_wins_over_the_file_and_is_not_printed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jwt.key");
        let config = Config { jwt_secret: Some("a secret of the tests, 32 bytes or more".into()), ..Config::default() };
        config.secret(&file).unwrap();
        assert!(!file.exists() && !format!("{config:?}").contains("tests"));
        Config::default().secret(&file).unwrap();
        assert!(file.exists());
    }
}
