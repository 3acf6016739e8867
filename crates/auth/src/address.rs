use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most entries of `X-Forwarded-For` that are looked at, from the right. Nobody has more proxies of their own.
const HOPS_MAX: usize = 32;

/// Who is counted as one for limits: an IPv4 address, or the /64 network of an IPv6 address, since that is what one
/// subscriber gets. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source an address belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// A range of addresses in CIDR notation (RFC 4632), such as `10.0.0.0/8`; a single address is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an address or a network such as 10.0.0.0/8, without bits set behind the prefix")]
pub struct InvalidNetwork;

impl Network {
    /// Whether `address` is inside. IPv4 addresses written as IPv6 are compared as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| InvalidNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width && masked(address, bits) == address).then_some(Self { address, bits }).ok_or(InvalidNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whose request this is: the address of the connection, unless that is a listed proxy.
///
/// `forwarded_for` are the values of the `X-Forwarded-For` headers in the order of the request. They are read from the
/// right, the end that our own proxies wrote, and the first address that is not a listed proxy is the client; what
/// stands left of it is the client's own invention. What is not an address ends the search at the proxy that passed it
/// on. Without listed proxies the header is never looked at.
///
/// ```
/// # use orchestrator_auth::client_address;
/// let proxies = ["10.0.0.0/8".parse().unwrap()];
/// let client = |peer: &str| client_address(peer.parse().unwrap(), ["1.1.1.1, 203.0.113.9"], &proxies).to_string();
/// assert_eq!(client("10.0.0.7"), "203.0.113.9");
/// assert_eq!(client("192.0.2.1"), "192.0.2.1"); // not a proxy of ours: it may say what it likes
/// ```
pub fn client_address<'a, I>(peer: IpAddr, forwarded_for: I, proxies: &[Network]) -> IpAddr
where
    I: IntoIterator<Item = &'a str>,
    I::IntoIter: DoubleEndedIterator,
{
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let mut entries = forwarded_for.into_iter().rev().flat_map(|value| value.rsplit(',')).take(HOPS_MAX);
    while trusted(client) {
        let Some(address) = entries.next().and_then(forwarded) else { break };
        client = address;
    }
    client
}

/// An entry of the header: an address, which some proxies write with a port.
fn forwarded(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(entry).parse().ok();
    address.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(|ip: IpAddr| ip.to_canonical())
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[&str], expected: &str) {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let client = client_address(peer.parse().unwrap(), headers.iter().copied(), &proxies);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn the_header_is_ignored_unless_the_peer_is_a_listed_proxy() {
        check("192.0.2.1", &["203.0.113.9"], "192.0.2.1");
        check("127.0.0.1", &["203.0.113.9"], "127.0.0.1");
        check("10.1.2.3", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:10.1.2.3", &["203.0.113.9"], "203.0.113.9");
        check("2001:db8::1", &["203.0.113.9"], "203.0.113.9");
    }

    #[test]
    fn the_rightmost_address_that_is_not_a_proxy_is_the_client() {
        check("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9");
        check("10.0.0.1", &["1.1.1.1", "203.0.113.9", "10.0.0.2,10.0.0.3"], "203.0.113.9");
        check("10.0.0.1", &["10.0.0.3,10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn what_is_not_an_address_ends_the_search() {
        check("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9, , 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[&"10.0.0.2,".repeat(100_000)], "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_understood() {
        check("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9");
        check("10.0.0.1", &["[2001:4860::1]:4711"], "2001:4860::1");
        check("10.0.0.1", &["[2001:4860::1]"], "2001:4860::1");
        check("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9");
    }

    #[test]
    fn ipv6_is_one_source_per_64_and_mapped_ipv4_is_ipv4() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_eq!(source("2001:db8::1").to_string(), "2001:db8::/64");
    }

    #[test]
    fn networks_are_checked() {
        for text in ["10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/0", "::/0", "2001:db8::/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<Network>().unwrap().to_string(), "192.0.2.1/32");
        for text in ["", "10.0.0.1/8", "10.0.0.0/33", "::1/129", "10.0.0.0/", "localhost", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
