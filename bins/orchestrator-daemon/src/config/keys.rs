//! Every key there is: what it takes, when a change of it takes effect, and what it is for. The reference in
//! `docs/configuration.md` is made from this, and tests compare both with the configuration itself.

use super::keys_of_agents::AGENTS;
use super::keys_of_budget::BUDGET;
use super::keys_of_coding::CODING;
use super::keys_of_hooks::HOOKS;
use super::keys_of_mcp::MCP;
use super::keys_of_memory::MEMORY;
use super::keys_of_models::MODELS;
use super::keys_of_notify::NOTIFY;
use super::keys_of_parts::PARTS;
use super::keys_of_sandbox::SANDBOX;
use super::keys_of_security::SECURITY;
use super::keys_of_workspaces::WORKSPACES;

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// As soon as it is loaded.
    Live,
    /// For connections that come after it is loaded; those that are open keep what they began with.
    NewConnections,
    /// At the next start.
    Restart,
}

impl Effect {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NewConnections => "new connections",
            Self::Restart => "restart",
        }
    }
}

/// One key. A part of the path in capital letters stands for any name.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) path: &'static str,
    /// What it takes, with its unit and bounds.
    pub(crate) takes: &'static str,
    pub(crate) effect: Effect,
    pub(crate) about: &'static str,
}

pub(super) const fn key(path: &'static str, takes: &'static str, effect: Effect, about: &'static str) -> Key {
    Key { path, takes, effect, about }
}

use Effect::{Live, NewConnections, Restart};

const OWN: &[Key] = &[
    key("daemon.host", "IP address", Restart, "Where it listens."),
    key("daemon.port", "port, 0 takes a free one", Restart, "Where it listens."),
    key("daemon.name", "text", Restart, "What this daemon calls itself among others."),
    key("daemon.dataDir", "path", Restart, "Where the database, keys and tokens live. Not to be set at run time."),
    key(
        "daemon.maxSessions",
        "1 to 100000",
        Live,
        "Sessions that may be active at once; those beyond a lower number go on.",
    ),
    key("daemon.verbose", "true or false", Live, "Logs at `debug`, unless `logging.level` is set."),
    key(
        "daemon.heartbeatIntervalMs",
        "ms, 1000 to 600000",
        NewConnections,
        "Between two pings to a WebSocket; wins over `gateway.pingIntervalMs`.",
    ),
    key(
        "daemon.shutdownTimeoutMs",
        "ms, 1 or more",
        Live,
        "What a stop may take: two fifths for sessions, one fifth for connections.",
    ),
    key("database.url", "secret, `postgres://…`", Restart, "The database; without it, SQLite in the data directory."),
    key(
        "redis.url",
        "secret, `redis://…` or `rediss://…`",
        Restart,
        "Joins daemons that share a PostgreSQL; without it, and with SQLite, Redis is not used.",
    ),
    key("redis.prefix", "1 to 64 of `A-Za-z0-9_-.`", Restart, "What every name in Redis begins with."),
    key("redis.timeoutMs", "ms, 10 to 60000", Restart, "After which Redis counts as gone."),
    key("redis.keepDays", "days, 1 to 7", Restart, "How long events stay in Redis."),
    key(
        "auth.jwtSecret",
        "secret, 32 bytes or more",
        Restart,
        "What JWTs are signed with; without it, a key that is made once.",
    ),
    key(
        "auth.algorithm",
        "`HS256`, `EdDSA` or `null`",
        Restart,
        "How tokens are signed; `null`: EdDSA if `auth.ed25519Key` is set, else HS256.",
    ),
    key("auth.jwtSecretPrevious", "secret", Restart, "The secret before: what it signed still counts."),
    key(
        "auth.ed25519Key",
        "secret, PKCS#8 as PEM",
        Restart,
        "What JWTs are signed with by EdDSA; without it, a key that is made once.",
    ),
    key("auth.ed25519KeyPrevious", "secret, PKCS#8 as PEM", Restart, "The key before: what it signed still counts."),
    key(
        "auth.refreshedExpirationMs",
        "ms, 1000 to 86400000",
        Restart,
        "How long an access token lasts that comes with a refresh token.",
    ),
    key(
        "auth.refreshIdleMs",
        "ms, 1000 to `auth.refreshTotalMs`",
        Restart,
        "How long a refresh token waits to be used.",
    ),
    key(
        "auth.refreshTotalMs",
        "ms, 1000 to 315360000000",
        Restart,
        "From a login to the end of its last refresh token.",
    ),
    key("auth.jwtExpirationMs", "ms, 1000 to 315360000000", Restart, "How long a JWT lasts."),
    key("rateLimit.enabled", "true or false", Live, "Whether rates are limited."),
    key("rateLimit.max", "1 or more", Live, "What one address may do without a credential, per window."),
    key("rateLimit.windowMs", "ms, 1 to 86400000", Live, "The length of that window."),
    key("rateLimit.callsPerCredential", "1 or more", Live, "Calls of one credential per minute."),
    key("cors.enabled", "true or false", NewConnections, "Whether `cors.origins` may call from a browser."),
    key("cors.origins", "list of origins", NewConnections, "Web origins such as `https://dashboard.example`."),
    key("tls.cert", "path", Restart, "The certificate chain (PEM). What is in the file may change at any time."),
    key("tls.key", "path", Restart, "The private key (PEM), as `tls.cert`."),
    key("events.retentionDays", "days, `null` for ever", Live, "How long events and ended sessions are kept."),
    key(
        "events.windows.eventsMax",
        "1 to 100000",
        Restart,
        "Missed events a subscriber that comes back gets, the newest; also how many may be unacknowledged at a time.",
    ),
    key(
        "events.windows.days",
        "days, 1 to 365",
        Restart,
        "How long a subscriber may be away, and how old what it missed.",
    ),
    key(
        "events.windows.redeliverAfterMs",
        "ms, 10 to 3600000",
        Restart,
        "After this, an event that has to be acknowledged is sent again.",
    ),
    key("events.windows.saveEveryMs", "ms, 10 to 60000", Restart, "How often it is written where subscribers stand."),
    key("events.windows.perSubjectMax", "1 to 1000000", Restart, "Windows of one subject; the least recently seen go."),
    key(
        "events.windows.perOrgMax",
        "1 to 1000000",
        Restart,
        "Windows of one organisation; the least recently seen go.",
    ),
    key("metrics.enabled", "true or false", Restart, "Whether metrics are served."),
    key("metrics.port", "port or `null`", Restart, "A second listener, loopback only and without authentication."),
    key("metrics.path", "path, starts with `/`", Restart, "Where metrics are served."),
    key(
        "logging.level",
        "level and directives",
        Live,
        "`error`, `warn`, `info`, `debug`, `trace`, `off`; `info,orchestrator_tasks=debug`.",
    ),
    key("logging.file", "path or `null`", Restart, "A file that gets every line too."),
    key("logging.rotation.bytesMax", "bytes, 65536 to 1073741824", Restart, "The size at which a new file is begun."),
    key("logging.rotation.hoursMax", "hours, 1 to 8760", Restart, "For how long one file is written."),
    key("logging.rotation.filesMax", "1 to 100", Restart, "Closed files that are kept."),
    key("logging.format", "`text` or `json`", Restart, "How a line of the log looks."),
    key(
        "redaction.personalData",
        "true or false",
        Restart,
        "Hides numbers of payment cards and bank accounts in logs, errors, events and what agents print.",
    ),
    key("telemetry.otlp.endpoint", "`http://HOST:PORT` or `null`", Restart, "The collector that spans are sent to."),
    key("telemetry.otlp.headers", "secret, `name=value,…`", Restart, "Headers that are sent along: a collector's key."),
    key("telemetry.otlp.sampleRatio", "0 to 1", Restart, "Which part of the traces that begin here is sent."),
    key("telemetry.otlp.queueSpansMax", "1 to 1000000", Restart, "Spans that may wait; later ones are dropped."),
    key("telemetry.otlp.batchSpansMax", "1 to 10000", Restart, "Spans in one request."),
    key("telemetry.otlp.intervalMs", "ms, 10 to 60000", Restart, "For how long spans are collected."),
    key("telemetry.otlp.timeoutMs", "ms, 100 to 60000", Restart, "How long one request may take."),
];

/// All keys.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    let parts =
        OWN.iter().chain(AGENTS).chain(CODING).chain(HOOKS).chain(MCP).chain(MEMORY).chain(PARTS).chain(WORKSPACES);
    parts.chain(MODELS).chain(BUDGET).chain(NOTIFY).chain(SANDBOX).chain(SECURITY)
}

/// The key that a path of the configuration is an instance of.
pub(crate) fn of(path: &[String]) -> Option<&'static Key> {
    all().find(|key| key.matches(path))
}

impl Key {
    fn matches(&self, path: &[String]) -> bool {
        let pattern: Vec<&str> = self.path.split('.').collect();
        let fits = |(wanted, given): (&&str, &String)| is_any(wanted) || wanted == given;
        pattern.len() == path.len() && pattern.iter().zip(path).all(fits)
    }
}

/// A part that stands for any name.
pub(crate) fn is_any(part: &str) -> bool {
    part.bytes().all(|letter| letter.is_ascii_uppercase())
}
