//! Which addresses are not of the public internet, and why.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A network and what it is for.
type Reserved<N> = (N, &'static str);

const PROTOCOLS: &str = "a network for protocols";
const DOCUMENTATION: &str = "a network for documentation";
const UNIQUE_LOCAL: &str = "a private network (unique local)";
const LINK_LOCAL: &str = "a link-local network, metadata services among it";
const RESERVED: &str = "a reserved network";

/// The registry of special-purpose IPv4 addresses, and the one public address that a cloud answers itself.
const V4: [Reserved<Ipv4Net>; 17] = [
    (v4([0, 0, 0, 0], 8), "an unspecified address"),
    (v4([10, 0, 0, 0], 8), "a private network"),
    (v4([100, 64, 0, 0], 10), "a carrier's private network"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([168, 63, 129, 16], 32), "the metadata service of a cloud"),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (v4([172, 16, 0, 0], 12), "a private network"),
    (v4([192, 0, 0, 0], 24), PROTOCOLS),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([192, 88, 99, 0], 24), "a network of 6to4 relays"),
    (v4([192, 168, 0, 0], 16), "a private network"),
    (v4([198, 18, 0, 0], 15), "a network for benchmarks"),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), RESERVED),
];

/// Only `2000::/3` is given out to the public; this says what the rest is, and what within it is not public either.
const V6: [Reserved<Ipv6Net>; 11] = [
    (v6([0; 8], 128), "an unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0; 8], 96), "an address with an IPv4 address in it (compatible)"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a network for local translation to IPv4"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), UNIQUE_LOCAL),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a private network (site-local)"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), PROTOCOLS),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
];

const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Why this address is not one of the public internet; `None` if it is one. An address that carries an IPv4 address is what
/// that one is.
pub(crate) fn reserved(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => reserved_v6(address),
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<&'static str> {
    V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, reason)| *reason)
}

fn reserved_v6(address: Ipv6Addr) -> Option<&'static str> {
    let listed = || V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, reason)| *reason);
    if let Some(translated) = translated(address) {
        return reserved_v4(translated);
    }
    listed()
        .or_else(|| embedded(address).and_then(reserved_v4))
        .or_else(|| (!PUBLIC_V6.contains(&address)).then_some(RESERVED))
}

/// The IPv4 address that a packet to this one goes to: mapped, or through the well-known prefix of NAT64.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(from_halves(high, low)),
        _ => None,
    }
}

/// The IPv4 address in the address of a tunnel: 6to4 in front, ISATAP at the end.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x2002, high, low, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(from_halves(high, low)),
        _ => None,
    }
}

fn from_halves(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

#[cfg(test)]
mod tests;
