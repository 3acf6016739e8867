use super::keys::Effect::{Live, Restart};
use super::keys::{Key, key};

/// How programs are confined that agents run. Like all of it, in the file only.
pub(super) const SANDBOX: &[Key] = &[
    key(
        "sandbox.mode",
        "`required`, `preferred` or `off`",
        Restart,
        "Whether programs of `command.run` are confined: what cannot be does not run, or runs as far confined as the system can, or as it is. Like all of `sandbox`, in the file only.",
    ),
    key(
        "sandbox.readable",
        "list of absolute paths",
        Restart,
        "What they may read beside the system's libraries and their workspace. Never the data directory, also if it is in there.",
    ),
    key(
        "sandbox.writable",
        "list of absolute paths",
        Restart,
        "What they may write to beside their workspace; must exist.",
    ),
    key(
        "sandbox.executable",
        "list of absolute paths",
        Restart,
        "What they may read and execute: a toolchain in a home, for one.",
    ),
    key(
        "sandbox.network",
        "`none`, `unix-only` or `all`",
        Restart,
        "Whom they may speak to: nobody, programs of this machine that listen at a path, or everybody.",
    ),
    key(
        "sandbox.hosts",
        "list of hosts: `HOST`, `*.HOST`, an address, each also with `:PORT`",
        Restart,
        "Hosts that they may speak to beside those, at the ports 80 and 443 unless one is given, through a proxy in their environment (docs/security/confinement.md). Not with `network: all`.",
    ),
    key(
        "sandbox.limits.memoryBytes",
        "bytes, 16777216 or more, or `null`",
        Restart,
        "Memory of each process that it alone may write to.",
    ),
    key(
        "sandbox.limits.processes",
        "1 or more, or `null`",
        Restart,
        "Processes of a call; with more of them all are ended.",
    ),
    key("sandbox.limits.openFiles", "16 or more, or `null`", Restart, "Descriptors of each process."),
    key("sandbox.limits.fileSizeBytes", "bytes, or `null`", Restart, "The largest file that may be written."),
    key(
        "proxy.allowHosts",
        "list of hosts, as `tools.http.allowHosts`",
        Live,
        "Hosts of `hosts` that may have any address, also a private one or this machine's. Like all of `proxy`, for connections from then on, and in the file only.",
    ),
    key(
        "proxy.allowNetworks",
        "list of networks",
        Live,
        "Networks whose addresses hosts of `hosts` may have though they are not public.",
    ),
    key("proxy.connectionsMax", "1 to 4096", Live, "Connections of one program at once; those beyond wait."),
    key("proxy.connectTimeoutMs", "ms, 1 to 600000", Live, "How long finding and connecting to a host may take."),
    key("proxy.idleTimeoutMs", "ms, 1 to 86400000", Live, "How long a connection may carry nothing."),
    key("proxy.bytesMax", "bytes, 1 to 1099511627776", Live, "What one connection may carry, both ways together."),
    key("agents.NAME.program.sandbox.KEY", AS_SANDBOX, Live, PROGRAM),
    key("agents.NAME.program.sandbox.limits.KEY", AS_LIMITS, Live, LIMITS),
    key("codingAgents.NAME.sandbox.KEY", AS_SANDBOX, Live, PROGRAM),
    key("codingAgents.NAME.sandbox.limits.KEY", AS_LIMITS, Live, LIMITS),
    key("mcp.servers.NAME.sandbox.KEY", AS_SANDBOX, Restart, PROGRAM),
    key("mcp.servers.NAME.sandbox.limits.KEY", AS_LIMITS, Restart, LIMITS),
    key("hooks.custom.NAME.program.sandbox.KEY", AS_SANDBOX, Restart, PROGRAM),
    key("hooks.custom.NAME.program.sandbox.limits.KEY", AS_LIMITS, Restart, LIMITS),
];

const AS_SANDBOX: &str = "as `sandbox.KEY`: `mode`, `readable`, `writable`, `executable`, `network`, `hosts`";
const AS_LIMITS: &str = "as `sandbox.limits.KEY`";
const PROGRAM: &str = "How this program is confined (docs/security/confinement.md); `mode` is `off` without a `sandbox`, and `preferred` in one that does not say.";
const LIMITS: &str = "What it may use up.";
