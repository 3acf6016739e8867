use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::state::State;
use crate::{Capabilities, Difference, Finding, Pin, Remembered, Severity, Skill, SkillFile, SkillName};

/// A skill in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SkillInfo {
    /// What it is called.
    pub name: SkillName,
    /// What it is for.
    pub description: String,
    /// Whether it is used.
    pub state: State,
    /// Why not, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of what it is now: what `skill.confirm` takes.
    pub digest: String,
    /// Of what was used or confirmed; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_digest: Option<String>,
    /// Whether somebody confirmed what is pinned.
    pub confirmed: bool,
    /// Its `SKILL.md`.
    pub source: String,
    /// Under which licence it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What it needs of its surroundings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    /// What its author says beside.
    pub metadata: BTreeMap<String, String>,
    /// What it says of tools; absent if it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// Whether people may ask for it by its name.
    pub user_invocable: bool,
    /// Whether models may use it by themselves.
    pub model_invocable: bool,
    /// What its arguments are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_hint: Option<String>,
    /// Keys that are tolerated and do nothing.
    pub other_keys: Vec<String>,
    /// What its body is taken for in tokens.
    pub body_tokens: u64,
    /// How many files it has.
    pub file_count: usize,
    /// How many findings of the scanner are grave.
    pub grave_findings: usize,
    /// How many findings there are.
    pub finding_count: usize,
}

/// Everything about a skill.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// As in a list.
    #[serde(flatten)]
    pub info: SkillInfo,
    /// The directions.
    pub body: String,
    /// All its files.
    pub files: Vec<SkillFile>,
    /// What it could do.
    pub capabilities: Capabilities,
    /// What is different from what was pinned; absent if nothing was, or nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Changed>,
    /// What the scanner has found.
    pub findings: Vec<Finding>,
}

/// What is different from what was pinned.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// What it could do.
    pub capabilities: Difference,
    /// Files that were not there.
    pub files_added: BTreeSet<String>,
    /// Files that are there no more.
    pub files_removed: BTreeSet<String>,
    /// Files that are others.
    pub files_changed: BTreeSet<String>,
}

impl SkillInfo {
    pub(crate) fn of(skill: &Skill, remembered: Option<&Remembered>, pin: Pin) -> Self {
        let state = State::of(skill, remembered, pin);
        Self {
            name: skill.name.clone(),
            description: skill.description.clone(),
            state,
            reason: state.reason(skill),
            digest: skill.digest.to_string(),
            pinned_digest: remembered.map(|known| known.pinned.to_string()),
            confirmed: remembered.is_some_and(|known| known.confirmed),
            source: skill.source.clone(),
            license: skill.license.clone(),
            compatibility: skill.compatibility.clone(),
            metadata: skill.metadata.clone(),
            allowed_tools: skill.allowed_tools.as_ref().map(|tools| tools.iter().map(ToString::to_string).collect()),
            user_invocable: skill.user_invocable,
            model_invocable: skill.model_invocable,
            argument_hint: skill.argument_hint.clone(),
            other_keys: skill.other_keys.clone(),
            body_tokens: crate::tokens(&skill.body),
            file_count: skill.files.len(),
            grave_findings: skill.findings.iter().filter(|finding| finding.severity == Severity::High).count(),
            finding_count: skill.findings.len(),
        }
    }
}

impl Details {
    pub(crate) fn of(skill: &Skill, remembered: Option<&Remembered>, pin: Pin) -> Self {
        let pinned = remembered.filter(|known| known.pinned != skill.digest);
        Self {
            info: SkillInfo::of(skill, remembered, pin),
            body: skill.body.clone(),
            files: skill.files.clone(),
            capabilities: skill.capabilities.clone(),
            difference: pinned.map(|known| changed(skill, known)),
            findings: skill.findings.clone(),
        }
    }
}

fn changed(skill: &Skill, known: &Remembered) -> Changed {
    let (before, now) = (&known.summary.files, &skill.files);
    let names: BTreeSet<String> = now.iter().map(|file| file.path.clone()).collect();
    let names_before: BTreeSet<String> = before.keys().cloned().collect();
    let is_other = |file: &&SkillFile| before.get(&file.path).is_some_and(|sha256| *sha256 != file.sha256);
    Changed {
        capabilities: skill.capabilities.since(&known.summary.capabilities),
        files_added: &names - &names_before,
        files_removed: &names_before - &names,
        files_changed: now.iter().filter(is_other).map(|file| file.path.clone()).collect(),
    }
}
