//! Redis: does it answer, can it do what is asked of it, does it throw away what it was given.

use orchestrator_events_redis::{Error, Health, Inspection, State};

use super::Finding;
use super::finding::size;
use crate::config::Config;

/// Of its memory, when it refuses what does not fit: from here on there is little room.
const FULL_PER_CENT: u64 = 90;

/// Nothing to say if there is no address.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    if config.redis.url.is_none() {
        return Vec::new();
    }
    if config.database.url.is_none() {
        let found = "redis.url is set and not used: with SQLite there is only one daemon";
        return vec![Finding::warning("redis", found, "set DATABASE_URL to share a PostgreSQL, or take redis.url out")];
    }
    match Inspection::of(&config.redis).await {
        Ok(None) => Vec::new(),
        Ok(Some(inspection)) => vec![version(&inspection), memory(&inspection)],
        Err(error) => vec![unreached(&error)],
    }
}

fn version(inspection: &Inspection) -> Finding {
    let version = match inspection.version.as_str() {
        "" => "it does not tell its version",
        version => version,
    };
    if inspection.is_too_old() {
        return Finding::failure("redis", format!("it answers, but is version {version}"), "use Redis 6.2 or newer");
    }
    Finding::ok("redis", format!("it answers: {version}"))
}

fn memory(inspection: &Inspection) -> Finding {
    const CHECK: &str = "memory of redis";
    let Inspection { memory_max, memory_used, eviction_policy, .. } = inspection;
    let room = match memory_max {
        0 => format!("{} used, no limit", size(*memory_used)),
        _ => format!("{} of {} used", size(*memory_used), size(*memory_max)),
    };
    if inspection.evicts() {
        let found = format!(
            "maxmemory-policy is {eviction_policy} ({room}): at its limit it throws away events that others still want"
        );
        let remedy = "redis-cli config set maxmemory-policy noeviction, and in redis.conf; nothing is lost without, but daemons \
                      ask the database instead";
        return Finding::warning(CHECK, found, remedy);
    }
    if *memory_max > 0 && memory_used.saturating_mul(100) >= memory_max.saturating_mul(FULL_PER_CENT) {
        let remedy = "raise maxmemory, or shorten redis.keepDays: what it refuses crosses through the database";
        return Finding::warning(CHECK, room, remedy);
    }
    Finding::ok(CHECK, room)
}

/// The events cross through the database then, so that it is slower and not broken.
fn unreached(error: &Error) -> Finding {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    let remedy = "see that it runs, that REDIS_URL names it with the right password, and that its user may use INFO; until \
                  then events reach other daemons through the database, and live output does not";
    Finding::warning("redis", format!("{error}{cause}"), remedy)
}

/// What a running daemon knows of it.
pub(crate) fn of(health: &Health) -> Finding {
    let since = health.since;
    let cause = health.last_error.as_deref().unwrap_or("no reason is known");
    match health.state {
        State::Up => Finding::ok("redis", format!("up since {since}, lost {} times since the start", health.outages)),
        State::Connecting => Finding::ok("redis", "it is being tried"),
        State::Down => {
            let remedy = "see that it runs; docs/runbooks.md has a section on it";
            Finding::warning("redis", format!("down since {since}: {cause}"), remedy)
        }
    }
}
