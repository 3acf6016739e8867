use std::collections::BTreeMap;

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_transcript::Digest;
use serde::{Deserialize, Serialize};

use crate::{Capabilities, Error, Skill, SkillName};

/// What is remembered of a skill that was used or confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Which.
    pub name: SkillName,
    /// The one that may be used.
    pub pinned: Digest,
    /// What that is, to tell later what is different.
    pub summary: Summary,
    /// Whether somebody confirmed it, rather than it being used as it was first met.
    pub confirmed: bool,
    /// The one that was seen last, by whichever daemon.
    pub seen: Digest,
}

/// What a skill was when it was pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// What it could do.
    pub capabilities: Capabilities,
    /// Its files, with the SHA-256 of each.
    pub files: BTreeMap<String, String>,
}

impl Summary {
    /// Of a skill as it is.
    pub fn of(skill: &Skill) -> Self {
        let files = skill.files.iter().map(|file| (file.path.clone(), file.sha256.clone())).collect();
        Self { capabilities: skill.capabilities.clone(), files }
    }
}

/// Where is remembered which skills may be used. Daemons that share a store share what was confirmed. The events are written with
/// the change or not at all.
#[async_trait]
pub trait Store: Send + Sync {
    /// Everything that is remembered, in the order of the names.
    async fn all(&self) -> Result<Vec<Remembered>, Error>;

    /// Remembers a skill that is used for the first time; one that is remembered already stays as it is. Answers what is remembered
    /// then.
    async fn first(&self, skill: Remembered) -> Result<Remembered, Error>;

    /// Another skill of this name was seen than `from`. Nothing is written, and `false` answered, if somebody wrote so before.
    async fn saw(&self, name: &SkillName, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error>;

    /// From now on this one may be used.
    async fn pin(&self, skill: Remembered, event: NewEvent) -> Result<(), Error>;

    /// Writes down that something happened.
    async fn tell(&self, event: NewEvent) -> Result<(), Error>;
}
