use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Host;

/// The names of hosts that a pattern stands for: exactly one (`api.example.org`, also an address such as `10.0.0.7` or
/// `[fd12::7]`), or everything below one (`*.example.org`, which is not `example.org` itself).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This one, as addresses spell it: lowercase, ASCII.
    Exact(String),
    /// Every name that ends with a dot and this.
    Below(String),
}

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected a host such as api.example.org or *.example.org, without scheme, port and path")]
pub struct InvalidHostPattern(String);

impl HostPattern {
    /// Whether it stands for this host, as an address spells it. A dot at its end makes no difference.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Exact(name) => name == host,
            Self::Below(name) => host
                .strip_suffix(name.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty()),
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, InvalidHostPattern> {
        let invalid = || InvalidHostPattern(text.chars().take(64).collect());
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        let host = Host::parse(name).map_err(|_| invalid())?;
        let spelled = host.to_string();
        let name = spelled.strip_suffix('.').unwrap_or(&spelled);
        let is_name = matches!(host, Host::Domain(_));
        if name.is_empty() || name.contains('*') || name.starts_with('.') || (below && !is_name) {
            return Err(invalid());
        }
        Ok(if below { Self::Below(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whom somebody may speak to: a host by its name, or all below one, at one port (`db.example.org:5432`) or without one at those of
/// the web (80 and 443).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostRule {
    /// Which hosts.
    pub host: HostPattern,
    /// At which port; `None` for 80 and 443.
    pub port: Option<u16>,
}

/// The text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}`: expected a host such as api.example.org, *.example.org or 10.0.0.7, with a port (api.example.org:8443) or without one, and no scheme and path"
)]
pub struct InvalidHostRule(String);

impl HostRule {
    /// Whether it allows this host, as an address spells it, at this port.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.port.map_or(WEB.contains(&port), |only| only == port) && self.host.matches(host)
    }

    /// Whether it names this host itself, and not all below another one.
    pub fn names(&self, host: &str) -> bool {
        matches!(self.host, HostPattern::Exact(_)) && self.host.matches(host)
    }
}

/// The ports of a rule without one.
const WEB: [u16; 2] = [80, 443];

impl FromStr for HostRule {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        let invalid = || InvalidHostRule(text.chars().take(64).collect());
        // An address of IPv6 has colons of its own, between brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            Some(port) if digits(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)?),
            Some(_) => return Err(invalid()),
            None => None,
        };
        Ok(Self { host: host.parse().map_err(|_| invalid())?, port })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl Serialize for HostRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, right: &[&str], wrong: &[&str]) {
        let pattern: HostPattern = pattern.parse().unwrap();
        for host in right {
            assert!(pattern.matches(host), "{host}");
        }
        for host in wrong {
            assert!(!pattern.matches(host), "{host}");
        }
    }

    #[test]
    fn a_pattern_is_one_name_or_all_below_it() {
        check(
            "Example.org",
            &["example.org", "example.org."],
            &["a.example.org", "xexample.org", "example.org.evil.com"],
        );
        check("*.example.org", &["a.example.org", "a.b.example.org"], &["example.org", ".example.org", "xexample.org"]);
        check("bücher.example", &["xn--bcher-kva.example"], &["bucher.example"]);
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.2"]);
        check("[::1]", &["[::1]"], &["::2"]);
    }

    #[test]
    fn what_is_no_host_is_no_pattern() {
        for text in ["", "*", "*.", ".", "a/b", "http://a", "a:80", "a b", "*.*.org", "a.*.org", "*.10.0.0.1", "user@a"]
        {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_is_a_host_at_one_port_or_at_those_of_the_web() {
        let check = |rule: &str, right: &[(&str, u16)], wrong: &[(&str, u16)]| {
            let rule: HostRule = rule.parse().unwrap();
            assert_eq!(rule.to_string().parse::<HostRule>().unwrap(), rule);
            assert!(right.iter().all(|(host, port)| rule.allows(host, *port)), "{rule}");
            assert!(!wrong.iter().any(|(host, port)| rule.allows(host, *port)), "{rule}");
        };
        check("a.example", &[("a.example", 443), ("a.example", 80)], &[("a.example", 8443), ("b.example", 443)]);
        check("*.a.example:8443", &[("b.a.example", 8443)], &[("b.a.example", 443), ("a.example", 8443)]);
        check("[::1]:5432", &[("[::1]", 5432)], &[("[::1]", 443)]);
        check("[::1]", &[("[::1]", 443)], &[("[::1]", 5432)]);
        check("10.0.0.7:1", &[("10.0.0.7", 1)], &[("10.0.0.8", 1)]);
    }

    #[test]
    fn what_is_no_host_and_no_port_is_no_rule() {
        for text in [
            "", ":80", "a:", "a:0", "a:65536", "a:+1", "a:b", "http://a", "a:80/x", "a:1:2", "::1", "*", "a/b",
            "u@a:80",
        ] {
            assert!(text.parse::<HostRule>().is_err(), "{text}");
        }
    }
}
