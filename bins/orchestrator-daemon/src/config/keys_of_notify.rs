use super::keys::Effect::Restart;
use super::keys::{Key, key};

/// Who is told of what.
pub(super) const NOTIFY: &[Key] = &[
    key(
        "notify.destinations.NAME.kind",
        "`email`, `slack` or `webhook`",
        Restart,
        "How somebody is reached. Like all of `notify.destinations`, in the file only.",
    ),
    key(
        "notify.destinations.NAME.url",
        "secret, http:// or https:// address",
        Restart,
        "Of `slack` and `webhook`: where to. Redirects are not followed.",
    ),
    key(
        "notify.destinations.NAME.secret",
        "secret, `whsec_` and Base64 of 24 to 64 bytes, or these as they are",
        Restart,
        "Of `webhook`: what messages are signed with.",
    ),
    key("notify.destinations.NAME.host", "host", Restart, "Of `email`: the server."),
    key(
        "notify.destinations.NAME.port",
        "port or `null`",
        Restart,
        "Of `email`: 587 for `starttls`, 465 for `implicit`, 25 for `none`, unless it is said.",
    ),
    key(
        "notify.destinations.NAME.tls",
        "`starttls`, `implicit`, `none` or `null`",
        Restart,
        "Of `email`: `null` is `starttls`, and `none` for this machine. A password never goes without TLS beyond this machine.",
    ),
    key("notify.destinations.NAME.user", "text or `null`", Restart, "Of `email`: who says it to the server."),
    key("notify.destinations.NAME.password", "secret", Restart, "Of `email`: that user's."),
    key(
        "notify.destinations.NAME.from",
        "address",
        Restart,
        "Of `email`: the sender, such as `Ops <ops@example.org>`.",
    ),
    key("notify.destinations.NAME.to", "list of addresses, up to 50", Restart, "Of `email`: to whom."),
    key(
        "notify.routes",
        "list of `{events, severity, organisations, to}`, up to 100",
        Restart,
        "Who is told of what. `events`: patterns such as `budget.*`; `to`: names of destinations; `severity`: `info`, `warning` or `critical`, if not what the daemon thinks; `organisations`: whose events, by id; without it everybody's. In the file only.",
    ),
    key(
        "notify.allowHosts",
        "list of hosts",
        Restart,
        "Hosts of `slack` and `webhook` that may have any address, also a private one or this machine's. In the file only.",
    ),
    key(
        "notify.allowNetworks",
        "list of networks",
        Restart,
        "Networks whose addresses they may have although they are not public. In the file only.",
    ),
    key(
        "notify.bounds.perMinute",
        "1 to 600",
        Restart,
        "Messages a destination gets within a minute; what is beyond is summed up in one.",
    ),
    key(
        "notify.bounds.duplicateMs",
        "ms, up to 86400000",
        Restart,
        "For how long the same about the same thing is not told again; 0: it always is.",
    ),
    key("notify.bounds.queueMax", "1 to 10000", Restart, "Messages that may wait for a destination in memory."),
    key("notify.bounds.attemptsMax", "1 to 50", Restart, "How often a message is tried before it is given up."),
    key(
        "notify.bounds.backoffFirstMs",
        "ms, 1 to 600000",
        Restart,
        "From the first attempt to the second; it doubles with each.",
    ),
    key("notify.bounds.backoffMaxMs", "ms, up to 3600000", Restart, "And at most."),
    key(
        "notify.bounds.retryAfterMaxMs",
        "ms, up to 86400000",
        Restart,
        "How long a destination may ask to be left alone (`Retry-After`).",
    ),
    key("notify.bounds.timeoutMs", "ms, 10 to 120000", Restart, "How long an attempt may take."),
];
