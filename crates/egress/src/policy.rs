//! Which hosts and which of their addresses may be connected to. Pure: names and addresses in, a verdict out.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{Config, Error, HostPattern, Network, address};

/// The rules of a configuration.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    allow_hosts: Vec<HostPattern>,
    allow_networks: Vec<Network>,
    only_hosts: Option<Vec<HostPattern>>,
}

/// A host has an address that it must not have.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{host} is refused: its address is {network}")]
pub(crate) struct Refused {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
    pub(crate) network: &'static str,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            allow_hosts: config.allow_hosts.clone(),
            allow_networks: config.allow_networks.clone(),
            only_hosts: config.only_hosts.clone(),
        }
    }

    /// Any host, with addresses of the public internet, and these.
    #[cfg(feature = "proxy")]
    pub(crate) const fn letting_through(allow_hosts: Vec<HostPattern>, allow_networks: Vec<Network>) -> Self {
        Self { allow_hosts, allow_networks, only_hosts: None }
    }

    /// What can be said before anything is resolved. Answers with the host. An address in the place of a name is checked here,
    /// because nobody would be asked for it.
    pub(crate) fn check_url(&self, url: &Url) -> Result<String, Error> {
        let host = url.host().ok_or(Error::Url { problem: "has no host" })?;
        let name = host.to_string();
        if self.only_hosts.as_ref().is_some_and(|only| !only.iter().any(|pattern| pattern.matches(&name))) {
            return Err(Error::NotListed { host: name });
        }
        match host {
            Host::Domain(_) => {}
            Host::Ipv4(address) => self.check_addresses(&name, &[address.into()])?,
            Host::Ipv6(address) => self.check_addresses(&name, &[address.into()])?,
        }
        Ok(name)
    }

    /// Whether the host may have these addresses: each of them, because any may be connected to.
    pub(crate) fn check_addresses(&self, host: &str, addresses: &[IpAddr]) -> Result<(), Refused> {
        if self.allow_hosts.iter().any(|pattern| pattern.matches(host)) {
            return Ok(());
        }
        for &address in addresses {
            let Some(network) = address::reserved(address) else { continue };
            if !self.allow_networks.iter().any(|allowed| allowed.contains(address)) {
                return Err(Refused { host: host.to_owned(), address, network });
            }
        }
        Ok(())
    }
}

impl From<Refused> for Error {
    fn from(Refused { host, address, network }: Refused) -> Self {
        Self::Reserved { host, address, network }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow_hosts: &[&str], allow_networks: &[&str], only_hosts: Option<&[&str]>) -> Policy {
        let patterns = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<HostPattern>>();
        Policy {
            allow_hosts: patterns(allow_hosts),
            allow_networks: allow_networks.iter().map(|text| text.parse().unwrap()).collect(),
            only_hosts: only_hosts.map(patterns),
        }
    }

    #[track_caller]
    fn check(policy: &Policy, url: &str, expected: bool) {
        let found = policy.check_url(&Url::parse(url).unwrap());
        assert_eq!(found.is_ok(), expected, "{url}: {found:?}");
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        let strict = policy(&[], &[], None);
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "0",
            "0x0",
            "[::]",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "[fe80::1]",
            "[fd00:ec2::254]",
        ] {
            check(&strict, &format!("http://{host}/"), false);
        }
        check(&strict, "http://8.8.8.8/", true);
        check(&strict, "https://[2606:4700::1111]/", true);
    }

    #[test]
    fn what_is_listed_passes_and_nothing_else() {
        check(&policy(&["127.0.0.1"], &[], None), "http://0x7f.1/", true);
        check(&policy(&["127.0.0.1"], &[], None), "http://127.0.0.2/", false);
        check(&policy(&[], &["127.0.0.0/8"], None), "http://[::ffff:127.0.0.2]/", true);
        check(&policy(&[], &["127.0.0.0/8"], None), "http://[::1]/", false);
        check(&policy(&["a.example"], &[], Some(&["b.example"])), "http://a.example/", false);
        check(&policy(&[], &[], Some(&["*.b.example"])), "http://c.b.example/", true);
        check(&policy(&[], &[], Some(&[])), "http://b.example/", false);
        check(&policy(&[], &[], Some(&["127.0.0.1"])), "http://127.0.0.1/", false);
    }

    #[test]
    fn one_address_that_is_not_public_is_enough() {
        let addresses = ["8.8.8.8", "10.0.0.1", "1.1.1.1"].map(|text| text.parse().unwrap());
        let refused = policy(&["other"], &["10.1.0.0/16"], None).check_addresses("a", &addresses).unwrap_err();
        assert_eq!((refused.host.as_str(), refused.address), ("a", addresses[1]));
        policy(&["a"], &[], None).check_addresses("a", &addresses).unwrap();
        policy(&[], &["10.0.0.0/16"], None).check_addresses("a", &addresses).unwrap();
        policy(&[], &[], None).check_addresses("a", &addresses[2..]).unwrap();
    }
}
