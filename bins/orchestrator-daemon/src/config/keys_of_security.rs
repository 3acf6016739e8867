use super::keys::Effect::{Live, Restart};
use super::keys::{Key, key};

/// The keys of what is decided about, and written down.
pub(super) const SECURITY: &[Key] = &[
    key(
        "security.labels.secretTools",
        "list of names, `mcp.vault.*` or `*`",
        Live,
        "What these tools say is secret. Like all of `security`, in the file only. See docs/security/labels.md.",
    ),
    key(
        "security.labels.secretPaths",
        "list of globs: `.env`, `keys/*`, `**/.ssh/**`",
        Live,
        "What is read from these files is secret. Without a slash: of such a name, wherever it is.",
    ),
    key(
        "security.labels.trustedTools",
        "list of names, `mcp.wiki.*` or `*`",
        Live,
        "What these tools say is believed as what a person of the organisation says; anything else nobody vouches for.",
    ),
    key(
        "security.labels.trustedPaths",
        "list of globs",
        Live,
        "What `fs.read` reads from these files is believed so. Name what no agent and no stranger writes.",
    ),
    key(
        "security.labels.untrustedSecretOutbound",
        "`deny`, `confirm` or `allow`",
        Live,
        "What becomes of a call that may tell others, if its session has read something secret and something nobody vouches for.",
    ),
    key(
        "approvals.timeoutMs",
        "ms, 1000 to 604800000",
        Restart,
        "How long a call waits for a person where no charter says otherwise; then it is denied. Like all of `approvals`, in the file only.",
    ),
    key(
        "approvals.waitingMax",
        "1 to 100000",
        Restart,
        "How many calls of one organisation may wait at once; what is more is denied.",
    ),
    key(
        "approvals.requesterMayApprove",
        "true or false",
        Restart,
        "Whether whoever wanted a task may confirm what is done for it. By default somebody else has to.",
    ),
    key(
        "approvals.argumentsBytesMax",
        "bytes, 256 to 1048576",
        Restart,
        "How much of a call's arguments is shown to those who are asked; a cut is visible.",
    ),
    key("approvals.retentionDays", "days, 1 to 3650", Restart, "How long answered ones are kept."),
    key(
        "audit.segmentBytesMax",
        "bytes, 4096 to 1073741824",
        Restart,
        "How large a file of the audit log grows before the next one is begun. None is ever removed by the daemon.",
    ),
    key(
        "audit.checkpointEvery",
        "records, 1 to 1000000",
        Restart,
        "After how many records one is signed, beside one after each minute without any.",
    ),
    key(
        "audit.argumentsBytesMax",
        "bytes, 0 to 65536",
        Restart,
        "How much of a call's arguments, without secrets, its record shows; their digest is always there.",
    ),
];
