use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use orchestrator_egress::{HostPattern, Network};
use orchestrator_events::Filter;
use orchestrator_notify::{Bounds, Destination, Severity};
use orchestrator_vocab::OrgId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

const ROUTES_MAX: usize = 100;

/// Who is told of what. Without it, nobody is told of anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Notify {
    /// Whom there is to be told, by name.
    pub(crate) destinations: BTreeMap<String, Destination>,
    /// Of which events, to whom.
    pub(crate) routes: Vec<Route>,
    /// Hosts of Slack and of webhooks that may have any address.
    pub(crate) allow_hosts: Vec<HostPattern>,
    /// Networks whose addresses they may have although they are not public.
    pub(crate) allow_networks: Vec<Network>,
    /// How much, how often, how long.
    pub(crate) bounds: Bounds,
}

/// Events whose names fit one of the patterns go to these.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Route {
    /// Such as `budget.*`.
    pub(crate) events: Vec<String>,
    /// How bad they are, if that is not what the daemon thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<Severity>,
    /// Whose; absent: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) organisations: Option<BTreeSet<OrgId>>,
    /// Names of destinations.
    pub(crate) to: Vec<String>,
}

impl Notify {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.config().validate()?;
        ensure!(self.routes.len() <= ROUTES_MAX, "routes: expected up to {ROUTES_MAX}");
        for (number, route) in self.routes.iter().enumerate() {
            route.validate(&self.destinations).with_context(|| format!("routes[{number}]"))?;
        }
        Ok(())
    }

    pub(crate) fn config(&self) -> orchestrator_notify::Config {
        orchestrator_notify::Config {
            destinations: self.destinations.clone(),
            allow_hosts: self.allow_hosts.clone(),
            allow_networks: self.allow_networks.clone(),
            bounds: self.bounds.clone(),
        }
    }

    /// Who is spoken to, by the names of the destinations.
    pub(crate) fn hosts(&self) -> Vec<(String, String)> {
        let host = |destination: &Destination| destination.spoken_to();
        self.destinations.iter().filter_map(|(name, one)| Some((name.clone(), host(one)?))).collect()
    }

    /// What must not be shown, by the keys of the configuration.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        self.destinations.iter().flat_map(|(name, destination)| {
            let key = move |key| format!("notify.destinations.{name}.{key}");
            destination.secrets().map(move |(secret, value)| (key(secret), value))
        })
    }
}

impl Route {
    fn validate(&self, destinations: &BTreeMap<String, Destination>) -> anyhow::Result<()> {
        Filter::parse(&self.events).context("events")?;
        ensure!(!self.to.is_empty(), "to: expected names of destinations");
        for name in &self.to {
            ensure!(destinations.contains_key(name), "to: there is no destination {name}");
        }
        Ok(())
    }
}
