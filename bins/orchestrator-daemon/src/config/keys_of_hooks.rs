use super::keys::Effect::Restart;
use super::keys::{Key, key};

/// What is asked and told before and after agents do something.
pub(super) const HOOKS: &[Key] = &[
    key(
        "hooks.builtin",
        "list of dangerousCommands, secrets, promptLength, compaction, taskLog",
        Restart,
        "Hooks that come along and are switched on. Like all of `hooks`, in the file only.",
    ),
    key(
        "hooks.promptCharsMax",
        "1 to 10000000",
        Restart,
        "What `promptLength` lets people say at once, in characters.",
    ),
    key("hooks.compactionsMax", "0 to 1000", Restart, "How often `compaction` lets one conversation be made shorter."),
    key("hooks.runningMax", "1 to 1000", Restart, "Hooks that run at once; others wait, which is part of their time."),
    key("hooks.custom.NAME.events", "list of events", Restart, "For what it is run: see docs/hooks.md."),
    key(
        "hooks.custom.NAME.tools",
        "list of names, `command.*` or `*`",
        Restart,
        "For which tools, where it is about one.",
    ),
    key("hooks.custom.NAME.priority", "integer", Restart, "Those with a higher one are asked before others."),
    key(
        "hooks.custom.NAME.timeoutMs",
        "ms, 1 to 600000",
        Restart,
        "How long it may take; what it was to decide is denied then.",
    ),
    key("hooks.custom.NAME.program.command", "list of text", Restart, "A program, and its arguments. This or `http`."),
    key("hooks.custom.NAME.program.workingDirectory", "path or `null`", Restart, "Where the program runs."),
    key(
        "hooks.custom.NAME.program.environment.inherit",
        "list of names",
        Restart,
        "Variables that the program gets from the daemon.",
    ),
    key("hooks.custom.NAME.program.environment.set.NAME", "secret", Restart, "A variable the program gets."),
    key(
        "hooks.custom.NAME.http.url",
        "http:// or https:// address",
        Restart,
        "Where it is told by POST; may be on this machine.",
    ),
    key("hooks.custom.NAME.http.secret", "secret, 16 bytes or more", Restart, "What its requests are signed with."),
];
