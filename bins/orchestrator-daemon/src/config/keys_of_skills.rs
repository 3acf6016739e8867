use super::keys::Effect::Live;
use super::keys::{Key, key};

/// Directions for certain kinds of work.
pub(super) const SKILLS: &[Key] = &[
    key("skills.enabled", "true or false", Live, "Whether agents have any. Like all of `skills`, in the file only."),
    key(
        "skills.directories",
        "list of paths",
        Live,
        "Directories with one directory for each skill. Of two skills of one name that of the earlier directory counts.",
    ),
    key(
        "skills.userDirectories",
        "true or false",
        Live,
        "Whether `.claude/skills` and `.agents/skills` of the home directory are read too, after the others.",
    ),
    key(
        "skills.pin",
        "first or confirm",
        Live,
        "Whether a skill is used as it is first met, or waits for `skill.confirm`. One that changes later always waits.",
    ),
    key(
        "skills.metadataTokens",
        "100 to 100000",
        Live,
        "What names and descriptions of all skills may take of a model's room, in tokens as estimated.",
    ),
    key(
        "skills.bodyTokens",
        "100 to 100000",
        Live,
        "What the body of one skill may take; the rest is given out as a file.",
    ),
    key("skills.skillsMax", "1 to 10000", Live, "Skills of one directory; those beyond are told of as errors."),
    key("skills.filesMax", "1 to 10000", Live, "Files of one skill."),
    key("skills.fileBytesMax", "bytes, 1024 to 67108864", Live, "The largest of them."),
    key("skills.skillBytesMax", "bytes, 1024 to 268435456", Live, "All of them together."),
    key("skills.depthMax", "1 to 32", Live, "How deep directories may lie within each other in a skill."),
];
