use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What somebody wants to do: the name of a tool or an operation, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Such as `fs.remove` or `task.delete`.
    pub name: String,
    /// Whether it changes nothing.
    pub reads: bool,
    /// What its arguments say.
    pub facts: Facts,
}

impl Action {
    /// Something that changes what there is, and of which nothing else is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), reads: false, facts: Facts::default() }
    }
}

/// What the arguments of an action say, as far as whoever asks could tell. Nothing is worked out here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Facts {
    /// Hosts that it speaks to, in lowercase.
    pub hosts: BTreeSet<String>,
    /// Files and directories that it works on, without `..` in them.
    pub paths: BTreeSet<String>,
    /// Names of the programs that it runs, without their directories.
    pub programs: BTreeSet<String>,
    /// Names of known secrets that its arguments contain; never the secrets.
    pub secrets: BTreeSet<String>,
    /// Whether somebody nobody vouches for had a say in it.
    pub untrusted: bool,
    /// Whether something secret was read by whoever wants it.
    pub secret: bool,
    /// What could not be told. It counts against the action: it may be what is rejected, and is not what is approved.
    pub unknown: BTreeSet<Fact>,
}

/// A sort of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Fact {
    /// [`Facts::hosts`].
    Hosts,
    /// [`Facts::paths`].
    Paths,
    /// [`Facts::programs`].
    Programs,
    /// [`Facts::secrets`].
    Secrets,
}

impl Fact {
    /// As people are told.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Paths => "paths",
            Self::Programs => "programs",
            Self::Secrets => "secrets",
        }
    }
}
