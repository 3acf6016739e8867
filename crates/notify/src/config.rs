use std::collections::BTreeMap;

use orchestrator_egress::{HostPattern, Network};
use secrecy::SecretString;

use crate::{Bounds, Destination, Error};

/// The most destinations there can be.
const DESTINATIONS_MAX: usize = 100;

/// Who may be told, and how.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// By name: 1 to 64 of a-z, A-Z, 0-9, `-` and `_`.
    pub destinations: BTreeMap<String, Destination>,
    /// Hosts of Slack and of webhooks that may have any address, also a private one or this machine's.
    pub allow_hosts: Vec<HostPattern>,
    /// Networks whose addresses they may have although they are not public.
    pub allow_networks: Vec<Network>,
    /// How much, how often, how long.
    pub bounds: Bounds,
}

impl Config {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key of the first that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        self.bounds.validate()?;
        if self.destinations.len() > DESTINATIONS_MAX {
            return Err(Error::config("destinations", format!("expected up to {DESTINATIONS_MAX}")));
        }
        for (name, destination) in &self.destinations {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name) {
                let problem = "expected a name of 1 to 64 of a-z, A-Z, 0-9, `-` and `_`";
                return Err(Error::config(format!("destinations.{name}"), problem));
            }
            destination
                .target()
                .map_err(|(key, problem)| Error::config(format!("destinations.{name}.{key}"), problem))?;
        }
        Ok(())
    }

    /// What must not be shown, by its key.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        self.destinations.iter().flat_map(|(name, destination)| {
            destination.secrets().map(move |(key, secret)| (format!("destinations.{name}.{key}"), secret))
        })
    }

    pub(crate) fn egress(&self) -> orchestrator_egress::Config {
        let usual = orchestrator_egress::Config::default();
        orchestrator_egress::Config {
            allow_hosts: self.allow_hosts.clone(),
            allow_networks: self.allow_networks.clone(),
            // A message that is signed for one address is not for another.
            redirects_max: 0,
            response_bytes_max: 64 * 1024,
            connect_timeout_ms: usual.connect_timeout_ms.min(self.bounds.timeout_ms),
            timeout_ms: self.bounds.timeout_ms,
            ..usual
        }
    }
}
