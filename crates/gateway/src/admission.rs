use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Config;

/// Counts open connections, in total and per address.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
}

/// Which bound a connection would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Total,
    Address,
}

/// A place among the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, config: &Config) -> Result<Place, Full> {
        let address = unit(address);
        let most = if address.is_loopback() {
            config.connections_per_loopback_max
        } else {
            config.connections_per_address_max
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= config.connections_max {
            return Err(Full::Total);
        }
        if open.per_address.get(&address).is_some_and(|count| *count >= most) {
            return Err(Full::Address);
        }
        open.total += 1;
        *open.per_address.entry(address).or_default() += 1;
        Ok(Place { admission: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.per_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv6 network of 64 bits is one customer, and mapped IPv4 is IPv4.
pub(crate) fn unit(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { connections_max: 3, connections_per_address_max: 2, ..Config::default() }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_bounds_hold_and_places_come_back() {
        let admission = Arc::new(Admission::default());
        let admit = |text: &str| admission.admit(address(text), &config());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), Full::Address);
        let _third = admit("192.0.2.2").unwrap();
        assert_eq!(admit("192.0.2.3").unwrap_err(), Full::Total);
        drop(first);
        admit("192.0.2.1").unwrap();
        assert_eq!(admission.open.lock().unwrap().total, 2);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        assert_eq!(unit(address("2001:db8:1:2:3::4")), unit(address("2001:db8:1:2:ffff::1")));
        assert_ne!(unit(address("2001:db8:1:2::1")), unit(address("2001:db8:1:3::1")));
        assert!(unit(address("::1")).is_loopback());
    }
}
