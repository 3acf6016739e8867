use std::time::Duration;

use orchestrator_notify::Info;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;
use crate::config::Config;

const CHECK: &str = "notifications";
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);

/// Whether the hosts of destinations can be found.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let hosts = config.notify.hosts();
    let count = hosts.len();
    let mut findings = Vec::new();
    for (name, host) in hosts {
        let found = timeout(RESOLVE_WITHIN, lookup_host((host.as_str(), 0))).await;
        if !matches!(found, Ok(Ok(_))) {
            let remedy = format!("correct notify.destinations.{name}, or see to the network");
            findings.push(Finding::warning(CHECK, format!("{name}: {host} cannot be found"), remedy));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, told_of(count, config.notify.routes.is_empty())));
    }
    findings
}

fn told_of(destinations: usize, is_without_routes: bool) -> String {
    match (destinations, is_without_routes) {
        (0, _) => "nobody is to be told of anything".to_owned(),
        (count, true) => format!("{count} destinations, and no route leads to them"),
        (count, false) => format!("the hosts of {count} destinations are found"),
    }
}

/// How they are doing. None of them is needed for the daemon to work.
pub(crate) fn of(destinations: &[Info]) -> Vec<Finding> {
    let problem = |info: &Info| {
        let problem = info.last.as_ref()?.problem.clone()?;
        let found = format!("{}: the last message did not arrive: {problem}", info.name);
        Some(Finding::warning(CHECK, found, format!("orchestrator notify test {}", info.name)))
    };
    let mut findings: Vec<Finding> = destinations.iter().filter_map(problem).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{} destinations, none of them in trouble", destinations.len())));
    }
    findings
}
