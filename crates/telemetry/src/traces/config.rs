#[cfg(feature = "otlp")]
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Where spans are sent, and how many of them. Serialised, the headers are `***`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OtlpConfig {
    /// The collector's address for OTLP over HTTP (protobuf), such as `http://127.0.0.1:4318`; `/v1/traces` is added.
    /// Default: none, and no span is sent.
    pub endpoint: Option<String>,
    /// Headers that are sent along, `name=value` separated by commas: a collector's key. Default: none.
    #[serde(serialize_with = "masked")]
    pub headers: Option<SecretString>,
    /// Which part of the traces that begin here is sent, 0 to 1. Traces that begin elsewhere are sent if their caller
    /// records them. Default 1.
    pub sample_ratio: f64,
    /// How many finished spans may wait; later ones are counted and dropped. 1 to 1,000,000, default 8,192.
    pub queue_spans_max: usize,
    /// How many spans are sent in one request. 1 to 10,000, default 512.
    pub batch_spans_max: usize,
    /// For how many milliseconds spans are collected before fewer are sent. 10 to 60,000, default 2,000.
    pub interval_ms: u64,
    /// How many milliseconds one request may take. 100 to 60,000, default 10,000.
    pub timeout_ms: u64,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: None,
            sample_ratio: 1.0,
            queue_spans_max: 8_192,
            batch_spans_max: 512,
            interval_ms: 2_000,
            timeout_ms: 10_000,
        }
    }
}

impl OtlpConfig {
    /// Checks every value, and that this build can send spans if it is to.
    ///
    /// # Errors
    /// [`Error::Otlp`] names the key.
    pub fn validate(&self) -> Result<(), Error> {
        let refused = |key, rule: &str| Err(Error::Otlp { key, rule: rule.to_owned() });
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return refused("sampleRatio", "expected 0 to 1");
        }
        if !(1..=1_000_000).contains(&self.queue_spans_max) {
            return refused("queueSpansMax", "expected 1 to 1000000");
        }
        if !(1..=10_000).contains(&self.batch_spans_max) {
            return refused("batchSpansMax", "expected 1 to 10000");
        }
        if !(10..=60_000).contains(&self.interval_ms) {
            return refused("intervalMs", "expected 10 to 60000");
        }
        if !(100..=60_000).contains(&self.timeout_ms) {
            return refused("timeoutMs", "expected 100 to 60000");
        }
        if let Err(rule) = self.headers().map(drop) {
            return refused("headers", rule);
        }
        match self.endpoint() {
            Ok(Some(_)) if cfg!(not(feature = "otlp")) => {
                refused("endpoint", "this build cannot send spans: it was made without the feature `otlp`")
            }
            Ok(_) => Ok(()),
            Err(rule) => refused("endpoint", rule),
        }
    }

    /// The collector, if there is one.
    pub(super) fn endpoint(&self) -> Result<Option<Endpoint>, &'static str> {
        self.endpoint.as_deref().filter(|text| !text.is_empty()).map(Endpoint::parse).transpose()
    }

    /// Names and values of headers.
    pub(super) fn headers(&self) -> Result<Vec<(String, SecretString)>, &'static str> {
        let Some(headers) = &self.headers else { return Ok(Vec::new()) };
        let pairs = headers.expose_secret().split(',').filter(|pair| !pair.trim().is_empty());
        let parsed = pairs.map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            let is_value = |letter: char| letter == ' ' || letter.is_ascii_graphic();
            let is_header = !name.is_empty() && name.chars().all(is_name) && value.chars().all(is_value);
            is_header.then(|| (name.to_ascii_lowercase(), SecretString::from(value)))
        });
        parsed.collect::<Option<_>>().ok_or("expected name=value, separated by commas")
    }

    /// Every secret in it, with a name for each: for whoever hides secrets.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, SecretString)> {
        self.headers().unwrap_or_default()
    }

    /// How long one request may take.
    #[cfg(feature = "otlp")]
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// For how long spans are collected.
    #[cfg(feature = "otlp")]
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
}

fn masked<S: Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(to)
}

/// An address taken apart.
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "without the feature an address is only checked"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) is_encrypted: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As it goes into the header `host`.
    pub(super) authority: String,
    /// With `/v1/traces`.
    pub(super) path: String,
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "expected http://HOST:PORT or https://HOST:PORT";
        let (is_encrypted, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(RULE),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("credentials go into `headers`, not into the address");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| RULE)?),
            _ => (authority, if is_encrypted { 443 } else { 80 }),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_plain = |letter: char| letter.is_ascii_graphic() && !"?#".contains(letter);
        if host.is_empty() || !authority.chars().all(is_plain) || !path.chars().all(is_plain) {
            return Err(RULE);
        }
        let path = format!("{}/v1/traces", path.trim_end_matches('/'));
        Ok(Self { is_encrypted, host: host.to_owned(), port, authority: authority.to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut OtlpConfig)) -> Result<(), String> {
        let mut config = OtlpConfig::default();
        change(&mut config);
        config.validate().map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (text, expected) in [
            ("http://127.0.0.1:4318", (false, "127.0.0.1", 4318, "/v1/traces")),
            ("https://collector.example/otlp/", (true, "collector.example", 443, "/otlp/v1/traces")),
            ("http://[::1]:80", (false, "::1", 80, "/v1/traces")),
            ("http://[::1]", (false, "::1", 80, "/v1/traces")),
        ] {
            let found = Endpoint::parse(text).unwrap();
            assert_eq!((found.is_encrypted, found.host.as_str(), found.port, found.path.as_str()), expected);
        }
        for text in ["127.0.0.1:4318", "grpc://x", "http://", "http://x:y", "http://a b", "http://x/?a"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_refused_by_key() {
        assert_eq!(with(|_| {}), Ok(()));
        let refused = |change: fn(&mut OtlpConfig), key: &str| {
            let error = with(change).unwrap_err();
            assert!(error.starts_with(key), "{error}");
        };
        refused(|config| config.sample_ratio = 1.5, "otlp.sampleRatio");
        refused(|config| config.queue_spans_max = 0, "otlp.queueSpansMax");
        refused(|config| config.batch_spans_max = 0, "otlp.batchSpansMax");
        refused(|config| config.interval_ms = 1, "otlp.intervalMs");
        refused(|config| config.timeout_ms = 1, "otlp.timeoutMs");
        refused(|config| config.headers = Some("no pair".into()), "otlp.headers");
        refused(|config| config.endpoint = Some("http://me:secret@x".into()), "otlp.endpoint: credentials");
        #[cfg(not(feature = "otlp"))]
        refused(|config| config.endpoint = Some("http://x".into()), "otlp.endpoint: this build cannot send spans");
    }
}
