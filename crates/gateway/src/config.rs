use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Less would call readers slow that only had no turn yet.
const SEND_QUEUE_BYTES_MIN: usize = 64 << 10;

/// The bounds of the gateway. The defaults suit a daemon that faces a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// From accepting a connection to its first byte. Default 5 s.
    #[serde(rename = "firstByteTimeoutMs", with = "millis")]
    pub first_byte_timeout: Duration,
    /// From the first byte of a request to the end of its headers. Default 5 s.
    #[serde(rename = "headerTimeoutMs", with = "millis")]
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body. Default 30 s.
    #[serde(rename = "bodyTimeoutMs", with = "millis")]
    pub body_timeout: Duration,
    /// Between two requests of a connection that is kept alive. Default 60 s.
    #[serde(rename = "idleTimeoutMs", with = "millis")]
    pub idle_timeout: Duration,
    /// How long a reader may take no byte of its response. Default 30 s.
    #[serde(rename = "writeTimeoutMs", with = "millis")]
    pub write_timeout: Duration,
    /// For the whole TLS handshake. Default 5 s.
    #[serde(rename = "tlsHandshakeTimeoutMs", with = "millis")]
    pub tls_handshake_timeout: Duration,
    /// The deadline given to each call. Default 60 s.
    #[serde(rename = "callTimeoutMs", with = "millis")]
    pub call_timeout: Duration,
    /// From the upgrade of a WebSocket to its authentication. Default 10 s.
    #[serde(rename = "authenticationTimeoutMs", with = "millis")]
    pub authentication_timeout: Duration,
    /// Between two pings of the server to a WebSocket. Default 30 s.
    #[serde(rename = "pingIntervalMs", with = "millis")]
    pub ping_interval: Duration,
    /// Pings without any answer after which a WebSocket is closed. Default 3.
    pub pings_missed_max: u32,
    /// Pings and pongs that a WebSocket may send between two pings of the server; more close it. Default 100.
    pub control_frames_max: u32,
    /// What a stop may take before the connections left are cut. Default 10 s.
    #[serde(rename = "drainTimeoutMs", with = "millis")]
    pub drain_timeout: Duration,
    /// Open connections in total. Default 10,000.
    pub connections_max: usize,
    /// Open connections of one address; an IPv6 /64 counts as one. Default 100.
    pub connections_per_address_max: usize,
    /// Open connections of a loopback address, where local agents, tools and reverse proxies live. Default 2,000.
    pub connections_per_loopback_max: usize,
    /// Open WebSockets of one credential. Default 2,000.
    pub connections_per_credential_max: usize,
    /// Bytes of a body, a WebSocket message or a frame. Default 10 MiB.
    pub message_bytes_max: usize,
    /// Bytes that may wait for one slow WebSocket reader, beside one message on its way. Default 16 MiB, at least 64 KiB.
    pub send_queue_bytes_max: usize,
    /// Calls of one WebSocket that run at once; further ones wait in the socket. Default 64.
    pub calls_in_flight_max: usize,
    /// Subscriptions of one WebSocket. Default 100.
    pub subscriptions_max: usize,
    /// Host names, without port, by which the gateway may be addressed beside the loopback names. Empty: any, unless it
    /// listens on a loopback address (where a foreign name is a sign of DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Web origins such as `https://dashboard.example` that may call from a browser; they also get CORS headers.
    pub allowed_origins: Vec<String>,
    /// Reverse proxies whose `X-Forwarded-For` is believed. Empty: nobody's.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_byte_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            tls_handshake_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(60),
            authentication_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            pings_missed_max: 3,
            control_frames_max: 100,
            drain_timeout: Duration::from_secs(10),
            connections_max: 10_000,
            connections_per_address_max: 100,
            connections_per_loopback_max: 2_000,
            connections_per_credential_max: 2_000,
            message_bytes_max: 10 << 20,
            send_queue_bytes_max: 16 << 20,
            calls_in_flight_max: 64,
            subscriptions_max: 100,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] names the field; fix it.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("connectionsMax", self.connections_max),
            ("connectionsPerAddressMax", self.connections_per_address_max),
            ("connectionsPerLoopbackMax", self.connections_per_loopback_max),
            ("connectionsPerCredentialMax", self.connections_per_credential_max),
            ("messageBytesMax", self.message_bytes_max),
            ("callsInFlightMax", self.calls_in_flight_max),
            ("controlFramesMax", self.control_frames_max as usize),
            ("pingIntervalMs", usize::from(!self.ping_interval.is_zero())),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::InvalidConfig { field, expected: "more than 0" });
        }
        if self.send_queue_bytes_max < SEND_QUEUE_BYTES_MIN {
            return Err(Error::InvalidConfig { field: "sendQueueBytesMax", expected: "at least 65536" });
        }
        if !self.allowed_origins.iter().all(|origin| is_origin(origin)) {
            return Err(Error::InvalidConfig {
                field: "allowedOrigins",
                expected: "origins such as https://a.example",
            });
        }
        if self.allowed_hosts.iter().any(|host| host.is_empty() || host.contains(['/', ' '])) {
            return Err(Error::InvalidConfig { field: "allowedHosts", expected: "host names" });
        }
        Ok(())
    }
}

fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '*', ' ']))
}

/// Durations as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_survive_json() {
        let config = Config::default();
        config.validate().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains(r#""headerTimeoutMs":5000"#), "{json}");
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let zero = Config { connections_max: 0, ..Config::default() };
        assert!(zero.validate().unwrap_err().to_string().contains("connectionsMax"));
        for origin in ["*", "https://", "dashboard.example", "https://a.example/path"] {
            let config = Config { allowed_origins: vec![origin.into()], ..Config::default() };
            assert!(config.validate().is_err(), "{origin}");
        }
    }
}
