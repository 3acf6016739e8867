use std::time::Duration;

use redis::IntoConnectionInfo as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Which Redis, and what belongs to us in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://…` for TLS; a secret. Without it, Redis is not used.
    #[serde(serialize_with = "masked")]
    pub url: Option<SecretString>,
    /// What the name of every key and channel begins with: 1 to 64 letters, digits, `_`, `-`, `.`. Default `orchestrator`.
    pub prefix: String,
    /// How long Redis may take to answer before it counts as gone, in milliseconds: 10 to 60,000. Default 500.
    pub timeout_ms: u64,
    /// For how many days events stay in their streams: 1 to 7. Default 7.
    pub keep_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: None, prefix: "orchestrator".into(), timeout_ms: 500, keep_days: 7 }
    }
}

impl Config {
    /// Checks every value; the message names the key.
    pub fn validate(&self) -> Result<(), Error> {
        if let Some(url) = &self.url {
            url.expose_secret().into_connection_info().map_err(Error::address)?;
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(is_name) {
            return Err(Error::Config("prefix: expected 1 to 64 letters, digits, `_`, `-`, `.`"));
        }
        if !(10..=60_000).contains(&self.timeout_ms) {
            return Err(Error::Config("timeoutMs: expected 10 to 60000"));
        }
        if !(1..=7).contains(&self.keep_days) {
            return Err(Error::Config("keepDays: expected 1 to 7"));
        }
        Ok(())
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn keep(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_days) * 24 * 60 * 60)
    }
}

/// Shown, it is whether there is one.
fn masked<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config), expected: Option<&str>) {
        let mut config =
            Config { url: Some("redis://:secret@127.0.0.1:6379/1".to_owned().into()), ..Config::default() };
        change(&mut config);
        let said = config.validate().err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(said, None),
            Some(part) => assert!(said.as_deref().is_some_and(|said| said.contains(part)), "{said:?}"),
        }
    }

    #[test]
    fn each_value_is_checked() {
        check(|_| {}, None);
        check(|config| config.url = Some("rediss://user:secret@redis.example".to_owned().into()), None);
        check(|config| config.url = Some("http://redis.example".to_owned().into()), Some("redis://"));
        check(|config| config.prefix = "a b".into(), Some("prefix"));
        check(|config| config.prefix = String::new(), Some("prefix"));
        check(|config| config.timeout_ms = 0, Some("timeoutMs"));
        check(|config| config.keep_days = 8, Some("keepDays"));
    }

    #[test]
    fn what_is_printed_does_not_show_the_address() {
        let config = Config { url: Some("redis://:hunter2@127.0.0.1".to_owned().into()), ..Config::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
