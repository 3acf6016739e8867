use std::sync::Arc;

use orchestrator_auth::{Auth, Secret};
use orchestrator_events::{Hub, SqlLog, SqlWindows, Windows};
use orchestrator_gateway::{Gateway, Peers, Tls, TlsFiles};
use orchestrator_mcp::Offered;
use orchestrator_redact::Redactor;
use orchestrator_rpc::Dispatcher;
use orchestrator_security::{Audit, Emergency};
use orchestrator_vocab::SystemClock;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::files::DataDir;
use crate::keys::Keys;
use crate::live::RateLimits;
use crate::{adapters, metrics, operations, stacks};

/// Beside the log. Tokens are signed by a key of their own: derived from the signing secret that daemons may share, otherwise
/// from a file that is made once.
pub(super) fn open_windows(config: &Config, data: &DataDir, hub: &Hub, log: &SqlLog) -> anyhow::Result<Windows> {
    let secret = match &config.auth.jwt_secret {
        Some(secret) => Secret::new(secret.expose_secret())?,
        None => Secret::load_or_create(&data.resume_key())?,
    };
    let key = secret.derive("resume tokens");
    let store = Arc::new(SqlWindows::beside(log));
    Ok(Windows::new(hub.clone(), store, &key, Arc::new(SystemClock), config.events.windows.clone())?)
}

pub(super) fn open_gateway(
    config: &Config,
    dispatcher: Dispatcher,
    auth: &Auth,
    (redactor, keys, audit, asked): (&Redactor, Keys, Audit, (Emergency, adapters::Hooking)),
    status: operations::StatusOf,
    (peers, windows, limits, offered): (Peers, Windows, &RateLimits, Offered),
) -> anyhow::Result<Gateway> {
    let gauges = status.gauges.clone();
    let table = dispatcher.table().clone();
    offered.set(table.clone());
    let calls = stacks::client_calls(
        dispatcher,
        &gauges.metrics,
        limits.per_credential.clone(),
        redactor,
        config.telemetry.otlp.sample_ratio,
        (keys, audit, asked),
    );
    let mut builder = Gateway::builder(table, calls.clone(), Arc::new(auth.clone()))
        .config(config.gateway())
        .limits(limits.per_address.clone())
        .readiness(Arc::new(status.loops.clone()))
        .server("orchestrator-daemon", env!("CARGO_PKG_VERSION"))
        .events(operations::EVENTS)
        .peers(peers)
        .windows(windows);
    let jwks = "/.well-known/jwks.json";
    let status_schema = orchestrator_rpc::schema_of_output::<operations::Status>();
    builder = builder
        .open_page(jwks, "application/json", operations::key_set(auth.clone()))
        .describe_page(jwks, "The keys that verify this daemon's tokens (RFC 7517)", Some(operations::key_set_schema()))
        .page("/status", "application/json", operations::status_page(status))
        .describe_page("/status", "How the daemon is doing", Some(status_schema));
    if config.mcp.serve {
        let mount = adapters::tools_over_http(offered, calls, config.gateway().message_bytes_max);
        builder = builder.mount("/mcp", mount);
    }
    if config.metrics.enabled {
        let path = &config.metrics.path;
        builder = builder.page(path, metrics::CONTENT_TYPE, operations::metrics_page(gauges)).describe_page(
            path,
            "Metrics of the daemon as Prometheus reads them, for the operator's organisation",
            None,
        );
    }
    if let (Some(certificate), Some(key)) = (config.tls.cert.clone(), config.tls.key.clone()) {
        builder = builder.tls(Tls::load(TlsFiles { certificate, key })?);
    }
    Ok(builder.build()?)
}
