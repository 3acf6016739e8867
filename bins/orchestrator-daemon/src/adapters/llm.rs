use std::path::PathBuf;
use std::sync::Arc;

use orchestrator_agents::{Permissions, Profile, Thinking, Workspace};
use orchestrator_models::Attribution;
use orchestrator_redact::Redactor;
use orchestrator_runtime_llm::{Effort, InvalidLimits, Limits, Llm, Parts, Profile as Character};
use orchestrator_vocab::OrgId;
use orchestrator_workspaces::{Choice, Mode, SourceName};

use super::gate::Gate;
use super::toolbox::{SessionTools, toolbox};
use super::{Hooking, Rights, SkillDesk, Through, following};
use crate::remembering::{Recollecting, Recorder};
use crate::stacks;

/// The tool that finds more of what is remembered.
const QUERY: &str = "memory.query";

/// What agents that are language models are made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Llms {
    pub(crate) through: Through,
    pub(crate) gate: Gate,
    pub(crate) hooking: Hooking,
    pub(crate) redactor: Redactor,
    pub(crate) skills: SkillDesk,
    pub(crate) recorder: Recorder,
}

impl Llms {
    /// An agent for one session.
    ///
    /// # Errors
    /// If the limits are none.
    pub(crate) fn runtime(
        &self,
        character: Character,
        rights: Rights,
        (org, workspace): (OrgId, Option<PathBuf>),
        attribution: Attribution,
    ) -> Result<Llm, InvalidLimits> {
        let tools = SessionTools {
            gate: self.gate.clone(),
            hooking: self.hooking.clone(),
            skills: self.skills.clone(),
            agent: (org, attribution.agent.clone()),
            rights,
            workspace,
        };
        let character = self.compacted(character);
        let memory = Arc::new(Recollecting {
            recorder: self.recorder.clone(),
            context_tokens: character.limits.context_tokens,
            may_ask: self.offers(&tools.rights.permissions, QUERY),
        });
        Llm::new(Parts {
            profile: self.with_skills(character, &tools),
            models: stacks::model_requests(
                Through { attribution, ..self.through.clone() },
                self.gate.emergency().clone(),
            ),
            tools: toolbox(tools),
            redactor: self.redactor.clone(),
            memory: Some(memory),
        })
    }

    /// Summed up in time, if that is wanted.
    fn compacted(&self, character: Character) -> Character {
        let config = self.recorder.memories.config();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
        let threshold = (config.compaction_threshold * 1_000.0) as u32;
        Character { compact_at: if config.compaction_enabled { threshold } else { 0 }, ..character }
    }

    /// Told of the skills that it may use, if it may use any. A session keeps what it began with.
    fn with_skills(&self, character: Character, tools: &SessionTools) -> Character {
        let (org, agent) = &tools.agent;
        let listing = match self.offers(&tools.rights.permissions, following::USE) {
            true => self.skills.listing(*org, agent.as_ref()),
            false => String::new(),
        };
        let system: Vec<&str> =
            [character.system.as_str(), &listing].into_iter().filter(|text| !text.is_empty()).collect();
        Character { system: system.join("\n\n"), ..character }
    }

    fn offers(&self, permissions: &Permissions, tool: &str) -> bool {
        self.gate.offered(permissions).iter().any(|spec| spec.name.as_str() == tool)
    }

    /// Whether one of the tools that it may use works on files.
    pub(crate) fn needs_workspace(&self, permissions: &Permissions) -> bool {
        self.gate.offered(permissions).iter().any(|spec| spec.in_workspace)
    }
}

/// What a file says of an agent, within what the operator lets it use up.
pub(crate) fn character(profile: &Profile, limits: &Limits) -> Character {
    let times = [profile.limits.timeout_ms, limits.time_ms];
    let limits = Limits {
        turns_max: profile.limits.max_turns.map_or(limits.turns_max, |turns| turns.min(limits.turns_max)),
        time_ms: times.into_iter().flatten().min(),
        ..limits.clone()
    };
    Character {
        system: profile.prompt.clone(),
        model: profile.model.clone(),
        may_fall_back: profile.fallback_allowed,
        max_tokens: profile.limits.max_tokens,
        temperature: profile.temperature,
        effort: profile.thinking.map(effort),
        limits,
        ..Character::default()
    }
}

/// On what it works, and how. Whether its source is configured was looked at when its file was read.
pub(crate) fn choice(profile: &Profile) -> Choice {
    let source: Option<SourceName> = profile.workspace_source.as_ref().and_then(|name| name.parse().ok());
    let mode = profile.workspace.map(|workspace| match workspace {
        Workspace::Shared => Mode::Shared,
        Workspace::Copy => Mode::Copy,
        Workspace::Worktree => Mode::Worktree,
    });
    Choice { source, mode }
}

/// Tokens for thinking are as hard as they are many.
fn effort(thinking: Thinking) -> Effort {
    match thinking {
        Thinking::Off => Effort::Off,
        Thinking::Minimal => Effort::Minimal,
        Thinking::Low => Effort::Low,
        Thinking::Medium => Effort::Medium,
        Thinking::High => Effort::High,
        Thinking::Max => Effort::Max,
        Thinking::Tokens(..=2_048) => Effort::Low,
        Thinking::Tokens(..=8_192) => Effort::Medium,
        Thinking::Tokens(_) => Effort::High,
    }
}
