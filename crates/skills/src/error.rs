use crate::SkillName;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a skill is not given out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Name one that is there.
    #[error("there is no skill `{0}`")]
    Unknown(String),
    /// Correct its files.
    #[error("the skill `{skill}` is wrong: {problem}")]
    Broken {
        /// Which.
        skill: SkillName,
        /// The first thing that is wrong with it.
        problem: String,
    },
    /// Look at it, and confirm it if it is right.
    #[error(
        "the skill `{skill}` is not used: {reason}; an administrator looks at it by skill.get and decides by skill.confirm"
    )]
    Held {
        /// Which.
        skill: SkillName,
        /// Why it waits.
        reason: String,
    },
    /// Let people ask for it by its name.
    #[error("the skill `{0}` is not for models to use by themselves (disable-model-invocation)")]
    NotForModels(SkillName),
    /// Leave it to the agent whether to use it.
    #[error("the skill `{0}` is not for people to ask for (user-invocable)")]
    NotForPeople(SkillName),
    /// Look again: it is another one than the one that was looked at.
    #[error("the skill `{skill}` has the digest {digest} now")]
    OtherDigest {
        /// Which.
        skill: SkillName,
        /// What it has.
        digest: String,
    },
    /// Name one of its files.
    #[error("the skill `{skill}` has no file `{path}`")]
    NoFile {
        /// Which.
        skill: SkillName,
        /// What was asked for.
        path: String,
    },
    /// Read the skills again: the file is another one by now.
    #[error("{0} has changed since it was looked at")]
    Changed(String),
    /// Free some room, or look at the modes of the directory.
    #[error("the files of skills cannot be laid out in {0}")]
    Shelf(String, #[source] std::io::Error),
    /// Retry later: what is remembered of skills cannot be read or written.
    #[error("the store of skills failed")]
    Store(#[source] Source),
}
