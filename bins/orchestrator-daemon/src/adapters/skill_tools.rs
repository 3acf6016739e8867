//! The tools by which agents use skills, and what a person asks for by a skill's name.

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_skills::{Activation, By, Choice, Error as SkillError, Usage};
use orchestrator_tools::{Context, Error, InvalidTool, Invocation, Output, Registry, Spec, Tool};
use orchestrator_vocab::{AgentId, Confidentiality, Integrity, Label, OrgId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::following::{Following, READ, USE};
use super::{Roster, SkillFiles};

/// Where the tools come from, for the registry.
const SOURCE: &str = "skills";
/// The longest directions, with what is told beside them.
const BODY_BYTES_MAX: usize = 512 * 1024;
/// What may be given to a skill.
const ARGUMENTS_CHARS_MAX: usize = 8_192;
/// What a skill's own text is: the operator put it there, and it is what was pinned.
const OPERATOR: Label = Label { integrity: Integrity::Operator, confidentiality: Confidentiality::Internal };

/// Who sees which skills. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SkillDesk {
    pub(crate) files: SkillFiles,
    pub(crate) roster: Roster,
}

impl SkillDesk {
    /// The operator's agents see all of them unless their files name some; those of other organisations what their files name.
    pub(crate) fn choice(&self, org: OrgId, agent: Option<&AgentId>) -> Choice {
        let profile = agent.and_then(|agent| self.roster.profile(org, agent));
        match profile.and_then(|profile| profile.skills.clone()) {
            Some(names) => Choice::Named(names),
            None if org == OrgId::LOCAL => Choice::All,
            None => Choice::Named(std::collections::BTreeSet::new()),
        }
    }

    /// What a model is told before it uses one.
    pub(crate) fn listing(&self, org: OrgId, agent: Option<&AgentId>) -> String {
        self.files.skills.listing(&self.choice(org, agent)).text
    }

    /// The skill that words ask for by its name, and what they give it. Text that only looks like it, such as a path, asks for none.
    pub(crate) fn asked_for<'a>(&self, words: &'a str, choice: &Choice) -> Option<(&'a str, &'a str)> {
        let (name, arguments) = named(words)?;
        match self.files.skills.skill(name) {
            Ok(skill) => choice.has(&skill.name).then_some((name, arguments)),
            Err(SkillError::Broken { .. }) => Some((name, arguments)),
            Err(_) => None,
        }
    }

    /// Uses a skill in the place that a call has.
    ///
    /// # Errors
    /// Why it is not given out.
    pub(crate) async fn activate(
        &self,
        (name, arguments): (&str, &str),
        context: &Context,
        by: By,
    ) -> Result<(Activation, Following, Label), SkillError> {
        let choice = self.choice(context.org, context.agent.as_ref());
        let (agent, session, task) = (context.agent.clone(), context.session, context.task);
        let usage = Usage { org: context.org, agent, session, task, by, choice };
        let used = self.files.skills.activate(name, arguments, &usage).await?;
        let following = Following {
            skill: used.skill.name.to_string(),
            digest: used.skill.digest.to_string(),
            directory: used.directory.clone(),
            allowed_tools: used
                .skill
                .allowed_tools
                .as_ref()
                .map(|tools| tools.iter().map(ToString::to_string).collect()),
        };
        // What is given to it is said by whoever gives it.
        let label = if arguments.trim().is_empty() { OPERATOR } else { OPERATOR.join(context.label) };
        Ok((used, following, label))
    }
}

/// `/name`, and what follows it.
fn named(words: &str) -> Option<(&str, &str)> {
    let rest = words.trim_start().strip_prefix('/')?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (name, arguments) = rest.split_at(end);
    Some((name, arguments.trim())).filter(|(_, arguments)| arguments.chars().count() <= ARGUMENTS_CHARS_MAX)
}

/// Offers `skill.use` and `skill.read`.
///
/// # Errors
/// If the registry does not take them.
pub(crate) fn offer(registry: &Registry, desk: &SkillDesk) -> Result<(), InvalidTool> {
    let use_spec = Spec::new(
        USE.parse().expect("it is a name"),
        "Gives you the directions of one of your skills, to follow from then on. Some skills narrow the tools that you may use.",
    );
    let use_spec = use_spec.reads().takes(json!({
        "type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 64, "description": "The skill, as it is listed." },
            "arguments": { "type": "string", "maxLength": ARGUMENTS_CHARS_MAX, "description": "What it is to be about, if it says so." },
        },
    }));
    let read_spec = Spec::new(
        READ.parse().expect("it is a name"),
        "Reads one of the files of a skill that you follow, from a line on. The answer says where to go on.",
    );
    let read_spec = read_spec.reads().takes(json!({
        "type": "object", "required": ["name", "path"], "additionalProperties": false, "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 64, "description": "The skill." },
            "path": { "type": "string", "minLength": 1, "maxLength": 255, "description": "The file, relative to the skill." },
            "offset": { "type": "integer", "minimum": 1, "description": "The first line to read, from 1. Default 1." },
        },
    }));
    // As much as `skills.bodyTokens` may be.
    let use_spec = Spec { output_bytes_max: BODY_BYTES_MAX, ..use_spec };
    let tools: Vec<Arc<dyn Tool>> = vec![
        Arc::new(UseSkill { spec: Arc::new(use_spec), desk: desk.clone() }),
        Arc::new(ReadSkill { spec: Arc::new(read_spec), desk: desk.clone() }),
    ];
    registry.replace(SOURCE, tools)
}

struct UseSkill {
    spec: Arc<Spec>,
    desk: SkillDesk,
}

#[derive(Deserialize)]
struct UseArguments {
    name: String,
    #[serde(default)]
    arguments: String,
}

#[async_trait]
impl Tool for UseSkill {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let given: UseArguments = parsed(&self.spec, arguments)?;
        let used = self.desk.activate((&given.name, &given.arguments), &context, By::Model).await;
        let (used, following, label) = used.map_err(|error| failed(&self.spec, &error))?;
        let structured = serde_json::to_value(&following).map_err(|error| Error::Failed(error.to_string()))?;
        Ok(Output { structured: Some(structured), ..Output::text(used.text).labelled(label) })
    }
}

struct ReadSkill {
    spec: Arc<Spec>,
    desk: SkillDesk,
}

#[derive(Deserialize)]
struct ReadArguments {
    name: String,
    path: String,
    #[serde(default)]
    offset: usize,
}

#[async_trait]
impl Tool for ReadSkill {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    async fn run(&self, invocation: Invocation) -> Result<Output, Error> {
        let Invocation { arguments, context } = invocation;
        let given: ReadArguments = parsed(&self.spec, arguments)?;
        let choice = self.desk.choice(context.org, context.agent.as_ref());
        let read = self.desk.files.skills.read((&given.name, &given.path), given.offset, &choice).await;
        Ok(Output::text(read.map_err(|error| failed(&self.spec, &error))?).labelled(OPERATOR))
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(spec: &Spec, arguments: Value) -> Result<T, Error> {
    let invalid = |error: serde_json::Error| Error::Invalid { tool: spec.name.clone(), problem: error.to_string() };
    serde_json::from_value(arguments).map_err(invalid)
}

fn failed(spec: &Spec, error: &SkillError) -> Error {
    let problem = error.to_string();
    match error {
        SkillError::Store(_) | SkillError::Shelf(..) => Error::Unavailable { tool: spec.name.clone(), problem },
        SkillError::Held { .. } | SkillError::NotForModels(_) | SkillError::Changed(_) => Error::Refused(problem),
        _ => Error::Failed(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skill_is_asked_for_by_a_slash_and_its_name() {
        assert_eq!(named("/deploy now  please\n"), Some(("deploy", "now  please")));
        assert_eq!(named(" /deploy"), Some(("deploy", "")));
        assert_eq!(named("/etc/passwd is odd"), Some(("etc/passwd", "is odd")));
        assert_eq!(named("deploy /now"), None);
    }
}
