use serde::{Deserialize, Serialize};

use crate::{HostPattern, InvalidConfig, Network};

/// What an operator decides about connections to hosts that a guest may speak to. Every field has a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// Hosts that may have any address, also a private one or this machine's, where a guest may speak to them. Default none.
    pub allow_hosts: Vec<HostPattern>,
    /// Networks whose addresses such hosts may have although they are not public. Default none.
    pub allow_networks: Vec<Network>,
    /// How many connections one guest may have at once, 1 to 4,096; those beyond wait. Default 128.
    pub connections_max: usize,
    /// How long finding and connecting to a host may take, in milliseconds, 1 to 600,000. Default 10,000.
    pub connect_timeout_ms: u64,
    /// How long a connection may carry nothing either way, in milliseconds, 1 to 86,400,000. Default 300,000.
    pub idle_timeout_ms: u64,
    /// How many bytes one connection to a host may carry, both ways together, 1 to 1,099,511,627,776. Default 10,737,418,240.
    pub bytes_max: u64,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            allow_networks: Vec::new(),
            connections_max: 128,
            connect_timeout_ms: 10_000,
            idle_timeout_ms: 300_000,
            bytes_max: 10 << 30,
        }
    }
}

impl ProxyConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// Names the first that is broken.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let check = |holds: bool, field, problem| if holds { Ok(()) } else { Err(InvalidConfig { field, problem }) };
        check((1..=4_096).contains(&self.connections_max), "connectionsMax", "expected 1 to 4096")?;
        check((1..=600_000).contains(&self.connect_timeout_ms), "connectTimeoutMs", "expected 1 to 600000")?;
        check((1..=86_400_000).contains(&self.idle_timeout_ms), "idleTimeoutMs", "expected 1 to 86400000")?;
        check((1..=1 << 40).contains(&self.bytes_max), "bytesMax", "expected 1 to 1099511627776")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_none_is_named() {
        assert_eq!(serde_json::from_str::<ProxyConfig>("{}").unwrap(), ProxyConfig::default());
        assert_eq!(ProxyConfig::default().validate(), Ok(()));
        let check = |config: ProxyConfig, field| assert_eq!(config.validate().unwrap_err().field, field);
        check(ProxyConfig { connections_max: 0, ..ProxyConfig::default() }, "connectionsMax");
        check(ProxyConfig { connect_timeout_ms: 0, ..ProxyConfig::default() }, "connectTimeoutMs");
        check(ProxyConfig { idle_timeout_ms: 0, ..ProxyConfig::default() }, "idleTimeoutMs");
        check(ProxyConfig { bytes_max: 0, ..ProxyConfig::default() }, "bytesMax");
    }
}
