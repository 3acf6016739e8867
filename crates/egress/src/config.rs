use serde::{Deserialize, Serialize};

use crate::{HostPattern, Network};

/// What an operator decides about requests to addresses that others chose. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// Hosts that may have any address, also a private one or this machine's. Default none.
    pub allow_hosts: Vec<HostPattern>,
    /// Networks whose addresses any host may have although they are not public. Default none.
    pub allow_networks: Vec<Network>,
    /// If given, no other host is asked, redirects and `allowHosts` included; an empty list allows none. Default: any host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_hosts: Option<Vec<HostPattern>>,
    /// How many redirects are followed for one request, up to 20. Default 5.
    pub redirects_max: u32,
    /// How many bytes an answer's body may have, as it comes and also once it is unpacked, 1 to 1,073,741,824. Default
    /// 10,485,760.
    pub response_bytes_max: usize,
    /// How many bytes a request's body may have, up to 1,073,741,824. Default 1,048,576.
    pub request_bytes_max: usize,
    /// How many bytes a request's address and headers may have together, 256 to 1,048,576. Default 32,768.
    pub head_bytes_max: usize,
    /// How long finding and connecting to a host may take, TLS included, in milliseconds, 1 to 600,000. Default 10,000.
    pub connect_timeout_ms: u64,
    /// How long a request may take, redirects and the last byte of its answer included, in milliseconds, 1 to 3,600,000.
    /// Default 60,000.
    pub timeout_ms: u64,
}

/// A bound that is none. The field is named as the configuration spells it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfig {
    /// Which.
    pub field: &'static str,
    /// What would be right.
    pub problem: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_networks: Vec::new(),
            only_hosts: None,
            redirects_max: 5,
            response_bytes_max: 10 * 1024 * 1024,
            request_bytes_max: 1024 * 1024,
            head_bytes_max: 32 * 1024,
            connect_timeout_ms: 10_000,
            timeout_ms: 60_000,
        }
    }
}

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        const GIB: usize = 1 << 30;
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidConfig { field, problem }) };
        check(self.redirects_max <= 20, "redirectsMax", "expected up to 20")?;
        check((1..=GIB).contains(&self.response_bytes_max), "responseBytesMax", "expected 1 to 1073741824")?;
        check(self.request_bytes_max <= GIB, "requestBytesMax", "expected up to 1073741824")?;
        check((256..=1 << 20).contains(&self.head_bytes_max), "headBytesMax", "expected 256 to 1048576")?;
        check((1..=600_000).contains(&self.connect_timeout_ms), "connectTimeoutMs", "expected 1 to 600000")?;
        check((1..=3_600_000).contains(&self.timeout_ms), "timeoutMs", "expected 1 to 3600000")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_default_and_unknown_ones_are_refused() {
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
        let text = r#"{"allowHosts":["*.internal.example"],"allowNetworks":["10.0.0.0/8"],"onlyHosts":[]}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(config.only_hosts, Some(Vec::new()));
        assert_eq!(serde_json::from_str::<Config>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        let error = serde_json::from_str::<Config>(r#"{"allowNetworks":["10.0.0.1/8"]}"#).unwrap_err().to_string();
        assert!(error.contains("expected a network such as"), "{error}");
        serde_json::from_str::<Config>(r#"{"allowhosts":[]}"#).unwrap_err();
    }

    #[test]
    fn a_bound_that_is_none_is_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        let check = |config: Config, field| assert_eq!(config.validate().unwrap_err().field, field);
        check(Config { redirects_max: 21, ..Config::default() }, "redirectsMax");
        check(Config { response_bytes_max: 0, ..Config::default() }, "responseBytesMax");
        check(Config { request_bytes_max: usize::MAX, ..Config::default() }, "requestBytesMax");
        check(Config { head_bytes_max: 0, ..Config::default() }, "headBytesMax");
        check(Config { connect_timeout_ms: 0, ..Config::default() }, "connectTimeoutMs");
        check(Config { timeout_ms: 0, ..Config::default() }, "timeoutMs");
    }
}
