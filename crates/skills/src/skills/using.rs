use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_events::NewEvent;
use orchestrator_vocab::{Actor, AgentId, OrgId, SessionId, TaskId};
use serde_json::json;

use super::{Skills, apart, remembered};
use crate::reading::read_again;
use crate::state::State;
use crate::{Error, Listing, Skill, SkillName, listing, with_arguments, within_tokens};

/// Lines and bytes of one answer.
const LINES_MAX: usize = 2_000;
const ANSWER_BYTES_MAX: usize = 40 * 1024;
/// Files that are named with a body.
const NAMED_MAX: usize = 50;

/// Who wants a skill to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A model, because of its description.
    Model,
    /// A person, by its name.
    Name,
}

/// Which skills an agent may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that there are.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

impl Choice {
    /// Whether it is among them.
    pub fn has(&self, name: &SkillName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name.as_str()),
        }
    }
}

/// In which work a skill is used.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Whose it is.
    pub org: OrgId,
    /// The agent.
    pub agent: Option<AgentId>,
    /// Its session.
    pub session: Option<SessionId>,
    /// Its task.
    pub task: Option<TaskId>,
    /// By whom.
    pub by: By,
    /// Which skills the agent may use.
    pub choice: Choice,
}

/// A skill that is used from now on.
#[derive(Debug, Clone)]
pub struct Activation {
    /// As it is.
    pub skill: Arc<Skill>,
    /// What the agent is told.
    pub text: String,
    /// Where its files are, as they were when it was pinned.
    pub directory: PathBuf,
}

impl Skills {
    /// What a model is told of those that it may use by itself; nothing of those that wait for somebody.
    pub fn listing(&self, choice: &Choice) -> Listing {
        let (catalogue, config) = (self.catalogue(), self.config());
        let is_told =
            |skill: &&Arc<Skill>| skill.model_invocable && choice.has(&skill.name) && self.state(skill) == State::Ready;
        listing(catalogue.skills.values().filter(is_told).map(|skill| &**skill), config.metadata_tokens)
    }

    /// Uses a skill: it is pinned if it was not, its files are laid out, and the event `skill.used` tells of it.
    ///
    /// # Errors
    /// Why it is not given out: [`Error`] says each reason.
    pub async fn activate(&self, name: &str, arguments: &str, usage: &Usage) -> Result<Activation, Error> {
        let skill = self.chosen(name, &usage.choice)?;
        match usage.by {
            By::Model if !skill.model_invocable => return Err(Error::NotForModels(skill.name.clone())),
            By::Name if !skill.user_invocable => return Err(Error::NotForPeople(skill.name.clone())),
            _ => {}
        }
        self.pinned(&skill).await?;
        let (shelf, config, copied) = (self.0.shelf.clone(), self.config(), skill.clone());
        let directory = apart(move || shelf.copy(&copied, &config)).await?;
        let text = told(&skill, &directory.display().to_string(), arguments, self.config().body_tokens);
        let actor = usage.agent.clone().map_or_else(|| Actor::system("skills"), Actor::Agent);
        let payload = json!({
            "orgId": usage.org, "skill": skill.name, "digest": skill.digest.to_string(), "agentId": usage.agent,
            "sessionId": usage.session, "taskId": usage.task,
            "by": match usage.by { By::Model => "model", By::Name => "name" },
        });
        let subject = Some(skill.name.to_string());
        let event = NewEvent { subject, ..NewEvent::new(usage.org, "skill.used", self.0.clock.now(), actor, payload) };
        self.0.store.tell(event).await?;
        Ok(Activation { skill, text, directory })
    }

    /// A part of a file of a skill that may be used: from this line on, so many lines at most.
    ///
    /// # Errors
    /// Why it is not given out; [`Error::NoFile`]; [`Error::Changed`] if it is another one by now.
    pub async fn read(&self, (name, path): (&str, &str), offset: usize, choice: &Choice) -> Result<String, Error> {
        let skill = self.chosen(name, choice)?;
        self.pinned(&skill).await?;
        let path = path.strip_prefix("./").unwrap_or(path);
        let unknown = || Error::NoFile { skill: skill.name.clone(), path: path.chars().take(255).collect() };
        let file = skill.file(path).ok_or_else(unknown)?.clone();
        let directory = skill.directory.clone();
        let bytes = apart(move || read_again(&directory, &file)).await?;
        Ok(match std::str::from_utf8(&bytes) {
            Ok(text) if !text.contains('\0') => lines(path, text, offset.max(1)),
            _ => format!("[{path} is a binary file of {} bytes]", bytes.len()),
        })
    }

    /// One that the agent does not see is not there for it.
    fn chosen(&self, name: &str, choice: &Choice) -> Result<Arc<Skill>, Error> {
        let skill = self.skill(name)?;
        if choice.has(&skill.name) { Ok(skill) } else { Err(Error::Unknown(skill.name.to_string())) }
    }

    /// It may be used, and has to stay what it is from now on.
    async fn pinned(&self, skill: &Skill) -> Result<(), Error> {
        let (_, known, pin) = self.standing();
        let held = |state: State| match state.reason(skill) {
            Some(reason) => Err(Error::Held { skill: skill.name.clone(), reason }),
            None => Ok(()),
        };
        // What is not remembered here may be by now, and what may not be used must not be remembered.
        if !known.contains_key(&skill.name) {
            self.look_again().await?;
        }
        held(self.state(skill))?;
        if self.known().remembered.contains_key(&skill.name) {
            return Ok(());
        }
        let first = self.0.store.first(remembered(skill, false)).await?;
        let state = State::of(skill, Some(&first), pin);
        self.look_again().await?;
        held(state)
    }
}

/// What an agent is told of a skill that it is to follow.
fn told(skill: &Skill, directory: &str, arguments: &str, tokens_max: u64) -> String {
    let (body, next) = within_tokens(&skill.body, tokens_max);
    let body = with_arguments(body, arguments);
    let body = ["${CLAUDE_SKILL_DIR}", "${SKILL_DIR}"].iter().fold(body, |body, name| body.replace(name, directory));
    let mut text = format!("# Skill `{}`\n\nIts files are in {directory}.\n", skill.name);
    let others: Vec<&str> =
        skill.files.iter().map(|file| file.path.as_str()).filter(|path| *path != "SKILL.md").collect();
    if !others.is_empty() {
        let more = others.len().saturating_sub(NAMED_MAX);
        let named: Vec<String> = others.iter().take(NAMED_MAX).map(|path| format!("- {path}")).collect();
        let rest = if more > 0 { format!("\n- ({more} more)") } else { String::new() };
        let _ = writeln!(text, "`skill_read` gives these:\n{}{rest}", named.join("\n"));
    }
    let _ = write!(text, "\n{body}");
    if let Some(line) = next {
        let line = skill.body_line + line as u64 - 1;
        let _ =
            write!(text, "\n[the directions go on: `skill_read` with path SKILL.md and offset {line} gives the rest]");
    }
    text
}

fn lines(path: &str, text: &str, first: usize) -> String {
    let count = text.lines().count();
    if first > count {
        return format!("[{path} has {count} lines, none from line {first} on]");
    }
    let (mut answer, mut number) = (String::new(), first - 1);
    for line in text.lines().skip(first - 1).take(LINES_MAX) {
        if !answer.is_empty() && answer.len() + line.len() > ANSWER_BYTES_MAX {
            break;
        }
        let kept = line.floor_char_boundary(ANSWER_BYTES_MAX.min(line.len()));
        answer.push_str(&line[..kept]);
        answer.push('\n');
        number += 1;
    }
    if number < count {
        let _ = writeln!(answer, "[there is more: go on with offset {}]", number + 1);
    }
    answer
}
