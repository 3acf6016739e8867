use std::future::Future;

use orchestrator_rpc::{Call, Code, Error as Refusal, NoParams, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Details, Error, Fault, Finding, SkillInfo, SkillName, Skills, State};

/// What `skill.list` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SkillList {
    /// In the order of their names.
    skills: Vec<SkillInfo>,
    /// What is wrong: these skills are not there.
    errors: Vec<Fault>,
    /// What does nothing, or less than one would think.
    notes: Vec<Fault>,
}

/// The parameters of `skill.get`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GetParams {
    /// Its name.
    skill_id: SkillName,
}

/// The parameters of `skill.scan`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScanParams {
    /// Its name; all, if it is left out.
    #[serde(default)]
    skill_id: Option<SkillName>,
}

/// What `skill.scan` answers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ScanReport {
    /// In the order of their names.
    skills: Vec<Scanned>,
    /// What could not be scanned, because it is wrong.
    errors: Vec<Fault>,
}

/// What was found in one skill.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Scanned {
    name: SkillName,
    /// Of what was scanned.
    digest: String,
    /// Whether it is used.
    state: State,
    /// The gravest first.
    findings: Vec<Finding>,
}

/// The parameters of `skill.confirm`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfirmParams {
    /// Its name.
    skill_id: SkillName,
    /// Its digest as `skill.get` told it: what you have looked at.
    #[schemars(length(min = 1, max = 100))]
    digest: String,
}

/// `skill.list`, `skill.get`, `skill.scan` and `skill.confirm`: skills are the operator's, so they are for the operator's organisation
/// alone.
pub fn operations(skills: &Skills) -> Table {
    let list = operation(skills, "skill.list", Scope::Read, "Lists skills, and whether each is used", list);
    let get = "Shows a skill: directions, files, what it could do, what is different from what was pinned";
    let get = operation(skills, "skill.get", Scope::Read, get, get_one);
    let scan = "Reads skills again and tells what the scanner finds in their files";
    let scan = operation(skills, "skill.scan", Scope::Read, scan, scan_all);
    let confirm = "Confirms a skill that is new, has changed or is held, as it is now";
    let confirm = operation(skills, "skill.confirm", Scope::Admin, confirm, confirm_one);
    let fails = [Code::Forbidden, Code::NotFound, Code::Conflict];
    Table::new()
        .with(list.read_only().fails_with([Code::Forbidden]))
        .with(get.read_only().fails_with(fails))
        .with(scan.read_only().fails_with([Code::Forbidden, Code::NotFound, Code::Conflict, Code::Unavailable]))
        .with(confirm.fails_with([Code::Forbidden, Code::NotFound, Code::Conflict, Code::Unavailable]))
}

fn operation<P, R, F>(
    skills: &Skills,
    name: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: impl Fn(Skills, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let skills = skills.clone();
    Operation::new(name, scope, summary, move |call, params| handler(skills.clone(), call, params))
}

async fn list(skills: Skills, call: Call, NoParams {}: NoParams) -> Result<SkillList, Refusal> {
    operators(&call)?;
    let catalogue = skills.catalogue();
    Ok(SkillList { skills: skills.list(), errors: catalogue.faults.clone(), notes: catalogue.notes.clone() })
}

async fn get_one(skills: Skills, call: Call, params: GetParams) -> Result<Details, Refusal> {
    operators(&call)?;
    Ok(skills.details(params.skill_id.as_str())?)
}

async fn scan_all(skills: Skills, call: Call, params: ScanParams) -> Result<ScanReport, Refusal> {
    operators(&call)?;
    skills.reload(call.actor()).await?;
    let (catalogue, mut errors) = (skills.catalogue(), skills.catalogue().faults.clone());
    let mut listed = skills.list();
    if let Some(name) = &params.skill_id {
        skills.skill(name.as_str())?;
        listed.retain(|skill| skill.name == *name);
        errors.retain(|fault| fault.skill.as_ref() == Some(name));
    }
    let scanned = listed.into_iter().filter_map(|info| {
        let findings = catalogue.skills.get(&info.name)?.findings.clone();
        Some(Scanned { name: info.name, digest: info.digest, state: info.state, findings })
    });
    Ok(ScanReport { skills: scanned.collect(), errors })
}

async fn confirm_one(skills: Skills, call: Call, params: ConfirmParams) -> Result<SkillInfo, Refusal> {
    operators(&call)?;
    Ok(skills.confirm(params.skill_id.as_str(), &params.digest, call.actor()).await?)
}

fn operators(call: &Call) -> Result<(), Refusal> {
    match call.org() == OrgId::LOCAL {
        true => Ok(()),
        false => Err(Refusal::forbidden("skills are a matter of the operator's organisation")),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::Unknown(_) | Error::NoFile { .. } => Self::not_found(said),
            Error::Broken { .. } | Error::Held { .. } | Error::OtherDigest { .. } | Error::Changed(_) => {
                Self::conflict(said)
            }
            Error::NotForModels(_) | Error::NotForPeople(_) => Self::forbidden(said),
            Error::Store(_) | Error::Shelf(..) => Self::unavailable(said).with_source(error),
        }
    }
}
