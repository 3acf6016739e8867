//! What carries events to other daemons beside the database, if it is configured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use orchestrator_events::Inbox;
use orchestrator_events_redis::{Config as RedisConfig, Health, RedisRelay, State};
use orchestrator_supervisor::Supervisor;
use orchestrator_telemetry::Metrics;
use orchestrator_vocab::{Clock, SystemClock, Timestamp};
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::config::Config;
use crate::daemon::Daemon;

/// Nothing is connected yet: Redis may be absent now and later.
pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Option<RedisRelay>> {
    if config.redis.url.is_some() && config.database.url.is_none() {
        tracing::warn!(
            "redis.url is set and not used: with SQLite there is only one daemon, and its events need no way to others \
             (set DATABASE_URL to share a PostgreSQL)"
        );
        return Ok(None);
    }
    // What the log has dropped must not live on beside it.
    let keep_days =
        config.events.retention_days.map_or(config.redis.keep_days, |days| days.min(config.redis.keep_days));
    let config = RedisConfig { keep_days: keep_days.max(1), ..config.redis.clone() };
    RedisRelay::new(config, clock).context("redis")
}

/// The password alone too: messages may tell it without the rest of the address.
pub(crate) fn password(config: &Config) -> Option<SecretString> {
    let url = config.redis.url.as_ref()?.expose_secret();
    let (credentials, _) = url.split_once("://")?.1.rsplit_once('@')?;
    let (_, password) = credentials.split_once(':')?;
    (!password.is_empty()).then(|| password.to_owned().into())
}

pub(crate) fn spawn(daemon: &Daemon, loops: &Supervisor) -> anyhow::Result<()> {
    let Some(relay) = daemon.gauges.relay.clone() else { return Ok(()) };
    let inbox = Inbox::new(daemon.log.clone(), daemon.hub.clone());
    loops.spawn("redis", move |stop| {
        let (relay, inbox) = (relay.clone(), inbox.clone());
        async move { Box::pin(relay.run(inbox, stop)).await }
    })?;
    Ok(())
}

/// How it stands with Redis.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// `connecting`, `up`, or `down`: then events cross through the database.
    state: &'static str,
    since: Timestamp,
    /// How often it was lost or not found since the start.
    outages: u64,
    /// Why it is down, or was last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    events_sent: u64,
    events_received: u64,
}

impl From<Health> for Status {
    fn from(health: Health) -> Self {
        Self {
            state: health.state.as_str(),
            since: health.since,
            outages: health.outages,
            last_error: health.last_error,
            events_sent: health.events_sent,
            events_received: health.events_received,
        }
    }
}

/// Counted by the relay, shown here.
pub(crate) fn measure(relay: &RedisRelay, metrics: &Metrics) {
    let health = relay.health();
    metrics.gauge("redis_up", &[]).set(f64::from(u8::from(health.state == State::Up)));
    let down = match health.state {
        State::Down => SystemClock.now().since(health.since),
        State::Connecting | State::Up => Duration::ZERO,
    };
    metrics.gauge("redis_down_seconds", &[]).set(down.as_secs_f64());
    metrics.counter("redis_outages_total", &[]).raise_to(health.outages);
    for (outcome, total) in
        [("sent", health.events_sent), ("received", health.events_received), ("not_sent", health.events_not_sent)]
    {
        metrics.counter("redis_events_total", &[("outcome", outcome.into())]).raise_to(total);
    }
    for (outcome, total) in
        [("sent", health.pieces_sent), ("received", health.pieces_received), ("dropped", health.pieces_dropped)]
    {
        metrics.counter("redis_pieces_total", &[("outcome", outcome.into())]).raise_to(total);
    }
}
