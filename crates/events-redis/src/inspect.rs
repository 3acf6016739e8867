//! A look at Redis from outside, for those who examine an installation.

use std::collections::HashMap;

use redis::AsyncConnectionConfig;
use secrecy::ExposeSecret as _;

use crate::session::within;
use crate::{Config, Error};

/// The oldest Redis that knows every command the relay sends: `XTRIM … MINID` came with 6.2.
const OLDEST: (u32, u32) = (6, 2);

/// What Redis says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Such as `7.0.15`; empty if it does not say.
    pub version: String,
    /// Bytes it may use for data (`maxmemory`); 0 is no limit.
    pub memory_max: u64,
    /// Bytes it uses for data now.
    pub memory_used: u64,
    /// What it does at the limit (`maxmemory-policy`), such as `noeviction`; empty if it does not say.
    pub eviction_policy: String,
}

impl Inspection {
    /// Asks the configured Redis once, within twice its `timeoutMs`. Nothing in it is changed. `None` if no address is
    /// configured.
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Config`] as [`Config::validate`]; [`Error::Redis`] and [`Error::Silent`] if it cannot
    /// be reached, or may not be asked (the command `INFO`).
    pub async fn of(config: &Config) -> Result<Option<Self>, Error> {
        config.validate()?;
        let Some(url) = &config.url else { return Ok(None) };
        let client = redis::Client::open(url.expose_secret()).map_err(Error::address)?;
        let patience = config.patience();
        let options =
            AsyncConnectionConfig::new().set_connection_timeout(Some(patience)).set_response_timeout(Some(patience));
        let asked = async {
            let mut connection = client.get_multiplexed_async_connection_with_config(&options).await?;
            let said: String = redis::cmd("INFO").query_async(&mut connection).await?;
            Ok(Self::read(&said))
        };
        within(patience * 2, asked).await.map(Some)
    }

    fn read(said: &str) -> Self {
        let fields: HashMap<_, _> = said.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let text = |name| fields.get(name).copied().unwrap_or_default().to_owned();
        let number = |name| fields.get(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Self {
            version: text("redis_version"),
            memory_max: number("maxmemory"),
            memory_used: number("used_memory"),
            eviction_policy: text("maxmemory_policy"),
        }
    }

    /// Whether it lacks a command that the relay sends; one that does not tell its version is given the benefit of the doubt.
    pub fn is_too_old(&self) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse::<u32>().ok());
        let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else { return false };
        (major, minor) < OLDEST
    }

    /// Whether it removes keys to make room, once it has a limit.
    pub fn evicts(&self) -> bool {
        !matches!(self.eviction_policy.as_str(), "" | "noeviction")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_read_and_what_it_leaves_out_is_not_guessed() {
        let said = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:900\r\nmaxmemory:1000\r\n\
                    maxmemory_policy:allkeys-lru\r\n";
        let told = Inspection::read(said);
        assert_eq!((told.version.as_str(), told.memory_used, told.memory_max), ("7.0.15", 900, 1_000));
        assert!(told.evicts());
        let silent = Inspection::read("");
        assert!(silent.version.is_empty() && !silent.evicts() && !silent.is_too_old());
    }

    #[test]
    fn versions_before_6_2_are_too_old() {
        let is_too_old = |version: &str| Inspection::read(&format!("redis_version:{version}")).is_too_old();
        assert_eq!(["6.2.0", "7.0.15", "10.0", "6.0.16", "5.0.14"].map(is_too_old), [false, false, false, true, true]);
    }
}
