use super::keys::Effect::Live;
use super::keys::{Key, key};

/// The command lines of coding agents.
pub(super) const CODING: &[Key] = &[
    key(
        "codingAgents.NAME.command",
        "list: program and first arguments",
        Live,
        "What runs agents whose file says `runtime: NAME`, `claude-code` or `ruflo`. Like all of `codingAgents`, for sessions that start after the change, and in the file only.",
    ),
    key(
        "codingAgents.NAME.environment.inherit",
        "list of names",
        Live,
        "Variables of the daemon that are passed on; it gets no others. It usually needs `HOME` and `PATH`.",
    ),
    key(
        "codingAgents.NAME.environment.set.NAME",
        "secret",
        Live,
        "A variable and its value, which is never shown: its key, for one.",
    ),
    key("codingAgents.NAME.model", "text or `null`", Live, "The model of agents whose file names none, in its words."),
    key(
        "codingAgents.NAME.systemPrompt",
        "text or `null`",
        Live,
        "What it is told before the prompt of the agent's file.",
    ),
    key(
        "codingAgents.NAME.permissionMode",
        "`plan`, `default` or `acceptEdits`",
        Live,
        "The widest mode that a file may ask for. With `acceptEdits` it does not ask before it changes files, if `tools.allow` has these tools.",
    ),
    key("codingAgents.NAME.disallowedTools", "list of its own names", Live, "Tools that no agent may use by it."),
    key("codingAgents.NAME.turnsMax", "1 to 10000, or `null`", Live, "Its turns at one task; a file may say fewer."),
    key(
        "codingAgents.NAME.budgetUsd",
        "more than 0, or `null`",
        Live,
        "What a session may cost, as the program counts.",
    ),
    key(
        "codingAgents.NAME.timeoutMs",
        "ms, 1 to 604800000, `null` for ever",
        Live,
        "How long it may run without an interruption; a file may say less.",
    ),
    key(
        "codingAgents.NAME.idleTimeoutMs",
        "ms, 1 to 604800000, `null` for ever",
        Live,
        "How long it may print nothing.",
    ),
    key(
        "codingAgents.NAME.permissionTimeoutMs",
        "ms, 1 to 604800000",
        Live,
        "After which something that it asks leave for is denied, if nobody has answered.",
    ),
    key(
        "codingAgents.NAME.outputBytesMax",
        "bytes, 1 to 4294967296",
        Live,
        "What it may print to each of its outputs.",
    ),
    key(
        "codingAgents.NAME.graceMs",
        "ms, up to 86400000",
        Live,
        "How long it has to end: half after it was interrupted, half after SIGTERM.",
    ),
];
