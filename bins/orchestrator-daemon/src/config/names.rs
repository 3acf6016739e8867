use orchestrator_settings::{Kind, Reserved, Variable};

/// The environment variables with names of their own. All else is `ORCHESTRATOR__SECTION__KEY`.
pub(super) const VARIABLES: [Variable; 43] = [
    Variable::new("DAEMON_PORT", "daemon.port", Kind::Integer),
    Variable::new("DAEMON_HOST", "daemon.host", Kind::Text),
    Variable::new("DAEMON_NAME", "daemon.name", Kind::Text),
    Variable::new("DAEMON_MAX_SESSIONS", "daemon.maxSessions", Kind::Integer),
    Variable::new("DAEMON_VERBOSE", "daemon.verbose", Kind::Bool),
    Variable::new("DAEMON_HEARTBEAT_INTERVAL", "daemon.heartbeatIntervalMs", Kind::DurationMs),
    Variable::new("DAEMON_SHUTDOWN_TIMEOUT", "daemon.shutdownTimeoutMs", Kind::DurationMs),
    Variable::new("ORCHESTRATOR_DATA_DIR", "daemon.dataDir", Kind::Text),
    Variable::new("DAEMON_JWT_SECRET", "auth.jwtSecret", Kind::Secret),
    Variable::new("DAEMON_JWT_SECRET_PREVIOUS", "auth.jwtSecretPrevious", Kind::Secret),
    Variable::new("DAEMON_JWT_ALGORITHM", "auth.algorithm", Kind::Text),
    Variable::new("DAEMON_JWT_ED25519_KEY", "auth.ed25519Key", Kind::Secret),
    Variable::new("DAEMON_JWT_ED25519_KEY_PREVIOUS", "auth.ed25519KeyPrevious", Kind::Secret),
    Variable::new("DAEMON_JWT_EXPIRATION", "auth.jwtExpirationMs", Kind::DurationMs),
    Variable::new("DAEMON_RATE_LIMIT_ENABLED", "rateLimit.enabled", Kind::Bool),
    Variable::new("DAEMON_RATE_LIMIT_MAX", "rateLimit.max", Kind::Integer),
    Variable::new("DAEMON_RATE_LIMIT_WINDOW", "rateLimit.windowMs", Kind::DurationMs),
    Variable::new("DAEMON_CORS_ENABLED", "cors.enabled", Kind::Bool),
    Variable::new("DAEMON_CORS_ORIGINS", "cors.origins", Kind::List),
    Variable::new("DATABASE_URL", "database.url", Kind::Secret),
    Variable::new("REDIS_URL", "redis.url", Kind::Secret),
    Variable::new("OPENAI_API_KEY", "models.providers.openai.apiKey", Kind::Secret),
    Variable::new("OPENAI_BASE_URL", "models.providers.openai.baseUrl", Kind::Text),
    Variable::new("OPENAI_MODEL", "models.providers.openai.model", Kind::Text),
    Variable::new("OPENAI_ORG_ID", "models.providers.openai.openai.organization", Kind::Text),
    Variable::new("ANTHROPIC_API_KEY", "models.providers.anthropic.apiKey", Kind::Secret),
    Variable::new("ANTHROPIC_BASE_URL", "models.providers.anthropic.baseUrl", Kind::Text),
    Variable::new("ANTHROPIC_MODEL", "models.providers.anthropic.model", Kind::Text),
    Variable::new("TOKEN_BUDGET_DAILY", "budget.daily", Kind::Integer),
    Variable::new("TOKEN_BUDGET_WEEKLY", "budget.weekly", Kind::Integer),
    Variable::new("TOKEN_BUDGET_MONTHLY", "budget.monthly", Kind::Integer),
    Variable::new("TOKEN_BUDGET_ALERTS_ENABLED", "budget.alertsEnabled", Kind::Bool),
    Variable::new("TOKEN_BUDGET_ALERT_THRESHOLD", "budget.alertThreshold", Kind::Float),
    Variable::new("MEMORY_COMPACTION_ENABLED", "memory.compactionEnabled", Kind::Bool),
    Variable::new("MEMORY_COMPACTION_THRESHOLD", "memory.compactionThreshold", Kind::Float),
    Variable::new("METRICS_ENABLED", "metrics.enabled", Kind::Bool),
    Variable::new("METRICS_PORT", "metrics.port", Kind::Integer),
    Variable::new("METRICS_PATH", "metrics.path", Kind::Text),
    Variable::new("LOG_LEVEL", "logging.level", Kind::Text),
    Variable::new("LOG_FORMAT", "logging.format", Kind::Text),
    Variable::new("LOG_FILE", "logging.file", Kind::Text),
    Variable::new("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp.endpoint", Kind::Text),
    Variable::new("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.otlp.headers", Kind::Secret),
];

/// Sections of parts that are not built yet: one warning each.
const SECTIONS: [&str; 3] = ["channels", "plugins", "teams"];

/// Variables of parts that are not built yet: one warning each.
const UNUSED: [&str; 7] = [
    "CLUSTER_NAME",
    "LOAD_BALANCING_STRATEGY",
    "REBALANCE_INTERVAL",
    "MIGRATION_TIMEOUT",
    "NEOLITH_API_URL",
    "NEOLITH_API_KEY",
    "NEOLITH_API_SECRET",
];

/// Known to the field, with nothing behind them here yet.
pub(super) fn reserved() -> impl Iterator<Item = Reserved> {
    let federation = Reserved::switched_section("federation", "enabled");
    let sections = SECTIONS.into_iter().map(Reserved::section).chain([federation]);
    sections.chain(UNUSED.into_iter().map(Reserved::variable))
}
