use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_confine::{Report, Sandboxes};
use orchestrator_egress::{Asked, Outcome, Proxy, Tell};
use orchestrator_process::{Host, Mode, Network, Sandbox};
use orchestrator_redact::Redactor;
use orchestrator_security::{Audit, Decision, Entry};
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::{Actor, OrgId};
use serde_json::json;

use crate::config::Config;
use crate::daemon::Base;
use crate::files::DataDir;

/// What a refused connection is called in the audit log.
const CONNECT: &str = "network.connect";

/// What starts the programs of this daemon, and what connects those of them to hosts that may speak to some. The data directory is out
/// of reach of those that are confined.
pub(crate) fn host(config: &Config, data: &DataDir, base: &Base, redactor: &Redactor) -> anyhow::Result<(Host, Proxy)> {
    // What is there is left of programs of a run that did not end by itself.
    drop(std::fs::remove_dir_all(data.path().join("temporary")));
    let temporary = data.temporary().context("cannot make the directory for what is temporary")?;
    let tell = telling(base.metrics.clone(), base.audit.clone(), redactor.clone());
    let proxy = Proxy::new(config.proxy.clone(), tell).context("proxy")?;
    let confine = Sandboxes::of_this_program(temporary).hiding(data.path()).through(proxy.clone());
    tell_at_start(config, &confine);
    Ok((Host { owner: data.node()?, confine: Arc::new(confine) }, proxy))
}

/// Counts what programs ask their proxy for, and writes down what is refused to them, once for each host of each program.
fn telling(metrics: Metrics, audit: Audit, redactor: Redactor) -> Tell {
    Arc::new(move |asked: Asked| {
        let outcome = match asked.outcome {
            Outcome::Connected => "connected",
            refused if refused.is_refusal() => "refused",
            _ => "failed",
        };
        metrics.counter("sandbox_connections_total", &[("outcome", outcome.into())]).add(1);
        if !asked.outcome.is_refusal() || asked.is_repeated {
            return Box::pin(std::future::ready(()));
        }
        let (audit, entry) = (audit.clone(), entry(&asked, &redactor));
        Box::pin(async move {
            tracing::warn!(org = %entry.org, actor = %entry.actor, arguments = entry.arguments, "refused: {}", entry.reason);
            // It is refused whether this can be written or not.
            if let Err(error) = audit.append(entry).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a connection was refused and is in no audit log"
                );
            }
        })
    })
}

fn entry(asked: &Asked, redactor: &Redactor) -> Entry {
    let Asked { about, host, port, .. } = asked;
    let reason = match asked.outcome {
        Outcome::Reserved(network) => format!("the host's address is {network}, and `proxy` does not let it through"),
        _ => "it is none of the `hosts` of the program's sandbox".to_owned(),
    };
    let agent = about.get("agent").and_then(|agent| agent.parse().ok());
    let actor = about.get("actor").and_then(|actor| actor.parse().ok());
    let actor = actor.or_else(|| agent.clone().map(Actor::Agent)).unwrap_or(Actor::system("sandbox"));
    let mut arguments = json!({ "host": host, "port": port });
    for kind in ["server", "hook"] {
        about.get(kind).into_iter().for_each(|name| arguments[kind] = json!(name));
    }
    let org = about.get("org").and_then(|org| org.parse().ok()).unwrap_or(OrgId::LOCAL);
    Entry {
        rules: ["sandbox.hosts".to_owned()].into(),
        session: about.get("session").and_then(|id| id.parse().ok()),
        task: about.get("task").and_then(|id| id.parse().ok()),
        agent,
        arguments: redactor.redact_json(arguments).to_string(),
        ..Entry::plain(org, actor, CONNECT, Decision::Denied, reason)
    }
}

/// Whether the programs of `command.run` can reach nobody: what is missing may be what would keep them from it.
pub(crate) fn cuts_off(config: &Config) -> bool {
    let sandbox = &config.sandbox;
    let reaches_nobody = sandbox.network == Network::None && sandbox.hosts.is_empty();
    sandbox.mode != Mode::Off && reaches_nobody && Report::of_this_system().missing().is_empty()
}

/// Once, at the start.
fn tell_at_start(config: &Config, confine: &Sandboxes) {
    let report = confine.report();
    let missing = report.missing().join(", and ");
    for (key, sandbox) in config.sandboxes() {
        match sandbox.mode {
            // What the operator names runs as it is unless a sandbox is asked for; what agents name does not.
            Mode::Off if key == "sandbox" => tracing::warn!("commands are not confined: sandbox.mode is off"),
            Mode::Off => {}
            Mode::Required if !missing.is_empty() => {
                tracing::error!(
                    missing,
                    "nothing of it will run: {key}.mode is required, and this system cannot confine"
                );
            }
            _ if !missing.is_empty() => tracing::warn!(missing, "confined in part: {key}"),
            _ => tracing::info!(by = %report, "confined: {key}"),
        }
        tell_of_hosts(&key, sandbox, confine);
    }
    for weakness in report.weaknesses() {
        tracing::warn!(weakness, "programs are confined, except that");
    }
}

fn tell_of_hosts(key: &str, sandbox: &Sandbox, confine: &Sandboxes) {
    if sandbox.mode == Mode::Off || sandbox.hosts.is_empty() {
        return;
    }
    match (confine.without_hosts(), sandbox.mode) {
        (None, _) => {}
        (Some(missing), Mode::Required) => {
            tracing::error!(missing, "nothing of it will run: {key} has hosts, and this system cannot keep it to them");
        }
        (Some(missing), _) => tracing::warn!(missing, "it will reach no host, for it cannot be kept to its own: {key}"),
    }
}
