use super::keys::Effect::Live;
use super::keys::{Key, key};

/// The keys of the section `workspaces`, and what agents say of theirs.
pub(super) const WORKSPACES: &[Key] = &[
    key(
        "agents.NAME.workspace.source",
        "name in `workspaces.sources`, or `null`",
        Live,
        "What its sessions work on, each in a workspace of its own; `null` begins empty. With it, `program.workingDirectory` is not used.",
    ),
    key(
        "agents.NAME.workspace.mode",
        "`worktree`, `copy`, `shared` or `null`",
        Live,
        "How; `null` is a worktree in a git repository and a copy elsewhere.",
    ),
    key(
        "workspaces.sources.NAME",
        "absolute path",
        Live,
        "A directory that sessions may work on, by a name of its own. In the file only.",
    ),
    key("workspaces.authorName", "text", Live, "Who commits what an agent left uncommitted."),
    key("workspaces.authorEmail", "text", Live, "The address that goes with it."),
    key(
        "workspaces.keepDays",
        "days, 0 to 3650",
        Live,
        "How long a workspace without changes outlives its session; one with changes stays until it is merged or discarded.",
    ),
    key("workspaces.closedDays", "days, 1 to 3650", Live, "How long merged and discarded workspaces are remembered."),
    key("workspaces.copyFilesMax", "1 to 10000000", Live, "Files and directories of a copy."),
    key("workspaces.copyBytesMax", "bytes, 1 to 1099511627776", Live, "What the files of a copy may take."),
    key(
        "workspaces.copyExcludes",
        "list of names",
        Live,
        "Files and directories that are not copied, at any depth; `.git` never is.",
    ),
    key("workspaces.diffBytesMax", "bytes, 1024 to 67108864", Live, "The longest unified diff."),
    key("workspaces.gitTimeoutMs", "ms, 100 to 3600000", Live, "How long one call of git may take."),
    key("workspaces.sweepMs", "ms, 10 to 86400000", Live, "How often workspaces of ended sessions are looked after."),
];
