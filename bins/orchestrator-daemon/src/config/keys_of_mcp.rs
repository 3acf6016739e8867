use super::keys::Effect::Restart;
use super::keys::{Key, key};

/// Servers of the Model Context Protocol whose tools agents may use.
pub(super) const MCP: &[Key] = &[
    key("mcp.serve", "true or false", Restart, "Whether operations are offered as tools at `/mcp`."),
    key("mcp.servers.NAME.enabled", "true or false", Restart, "Whether it is started and connected to."),
    key(
        "mcp.servers.NAME.command",
        "list of text",
        Restart,
        "A program that speaks the protocol on its standard streams, and its arguments. This or `url`. Like all of `mcp.servers`, in the file only.",
    ),
    key("mcp.servers.NAME.workingDirectory", "path or `null`", Restart, "Where the program runs."),
    key(
        "mcp.servers.NAME.environment.inherit",
        "list of names",
        Restart,
        "Variables that the program gets from the daemon.",
    ),
    key("mcp.servers.NAME.environment.set.NAME", "secret", Restart, "A variable the program gets."),
    key(
        "mcp.servers.NAME.url",
        "http:// or https:// address",
        Restart,
        "Where it speaks the protocol over streamable HTTP; may be on this machine. Redirects are not followed.",
    ),
    key("mcp.servers.NAME.headers.NAME", "secret", Restart, "A header of every request to it."),
    key(
        "mcp.servers.NAME.tools",
        "list of names, `get_*` or `*`",
        Restart,
        "Those of its tools that are used, as it calls them. Agents call them `mcp.NAME.TOOL`, which `tools.allow` must name too.",
    ),
    key(
        "mcp.servers.NAME.pin",
        "first or confirm",
        Restart,
        "Whether a tool is used as it is first seen, or waits for `mcp.confirm`. One that changes later always waits.",
    ),
    key(
        "mcp.servers.NAME.trustHints",
        "true or false",
        Restart,
        "Whether it is believed when it says that a tool only reads, or may be called twice.",
    ),
    key("mcp.servers.NAME.connectTimeoutMs", "ms, 10 to 600000", Restart, "From its start to the list of its tools."),
    key("mcp.servers.NAME.timeoutMs", "ms, 1 to 86400000", Restart, "How long a call may take."),
    key("mcp.servers.NAME.toolsMax", "1 to 1000", Restart, "Tools that are looked at; those beyond are not used."),
    key(
        "mcp.servers.NAME.definitionBytesMax",
        "bytes, 256 to 1048576",
        Restart,
        "What description and schemas of one tool may have.",
    ),
    key("mcp.servers.NAME.messageBytesMax", "bytes, 65536 to 67108864", Restart, "What one message of it may have."),
];
