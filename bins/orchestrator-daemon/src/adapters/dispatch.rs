use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use orchestrator_agents::{Catalogue, Profile, Runtime};
use orchestrator_charter::Charters;
use orchestrator_models::Attribution;
use orchestrator_runtime_claude::Claude;
use orchestrator_runtime_llm::{InvalidLimits, Profile as Character};
use orchestrator_sessions::{Brief, Lease, Program, Runtime as SessionRuntime, Sessions, StartRequest};
use orchestrator_tasks::{Backlog, Claim, Dispatch, Refused, Task, View};
use orchestrator_vocab::{Actor, AgentId, Integrity, Label, OrgId, SessionId};
use orchestrator_workspaces::{Choice, Workspace};
use serde_json::{Value, json};

use super::before_work::asked;
use super::bounds::Bounds;
use super::{Llms, Rights, Roster, Workplaces, coding, llm};
use crate::config::{AgentConfig, Config};

/// Results of dependencies that go into a program's document.
const DEPENDENCIES_MAX: usize = 256;
/// The key in a task's metadata that names who asked for the session.
pub(crate) const ORCHESTRATOR: &str = "orchestratorId";

/// The variable that names the workspace to a program.
pub(super) const WORKSPACE: &str = "ORCHESTRATOR_WORKSPACE";

/// How an agent works.
#[derive(Debug, Clone)]
enum How {
    Program(Program),
    /// As a language model: who it is, and what it may use by itself.
    Llm(Character, Rights),
    /// By the command line of a coding agent: which, and what may be done by it.
    Coding(Box<Claude>, Rights),
}

/// How an agent works, and where.
type Run = (How, Option<Choice>);

/// How each agent works, as it is configured now. All clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs(Arc<RwLock<BTreeMap<(OrgId, AgentId), Run>>>);

impl Programs {
    /// Sessions that run keep what they were started with. Defined agents that nothing here runs are not here.
    pub(crate) fn replace(&self, config: &Config, catalogue: &Catalogue) {
        let run = |agent: &AgentConfig| (How::Program(agent.program.clone()), agent.workspace.clone());
        let configured = config.agents.iter().map(|(name, agent)| ((agent.org, name.clone()), run(agent)));
        let defined = catalogue.profiles.iter().filter_map(|(id, profile)| {
            let run = match profile.runtime {
                Runtime::Program => by_program(config, profile)?,
                Runtime::Llm => by_model(config, profile),
                Runtime::ClaudeCode | Runtime::Ruflo => by_command_line(config, profile)?,
            };
            Some(((profile.org, id.clone()), run))
        });
        let runs = configured.chain(defined).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = runs;
    }

    /// Whether this agent is run by one of them.
    pub(crate) fn has(&self, org: OrgId, agent: &AgentId) -> bool {
        self.get(org, agent).is_some()
    }

    fn get(&self, org: OrgId, agent: &AgentId) -> Option<Run> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(org, agent.clone())).cloned()
    }
}

fn by_program(config: &Config, profile: &Profile) -> Option<Run> {
    let agent = config.agents.get(profile.program.as_ref()?)?;
    let mut program = agent.program.clone();
    let limits = [program.timeout_ms, profile.limits.timeout_ms];
    program.timeout_ms = limits.into_iter().flatten().min();
    Some((How::Program(program), agent.workspace.clone()))
}

fn by_model(config: &Config, profile: &Profile) -> Run {
    let how = How::Llm(llm::character(profile, &config.llm), Rights::of(profile));
    (how, Some(llm::choice(profile)))
}

fn by_command_line(config: &Config, profile: &Profile) -> Option<Run> {
    let how = How::Coding(Box::new(coding::claude(config, profile)?), Rights::of(profile));
    Some((how, Some(llm::choice(profile))))
}

/// Starts a session for each claim that the scheduler makes.
#[derive(Clone)]
pub(crate) struct ToSessions {
    pub(crate) sessions: Sessions,
    pub(crate) backlog: Backlog,
    pub(crate) programs: Programs,
    pub(crate) workplaces: Workplaces,
    pub(crate) roster: Roster,
    pub(crate) llms: Llms,
}

#[async_trait]
impl Dispatch for ToSessions {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        let refused = |reason: &dyn std::fmt::Display| Refused { reason: reason.to_string() };
        let task = &claim.task;
        let agent = task.state.owner().ok_or_else(|| refused(&"the claim names no agent"))?.clone();
        let run = self.programs.get(task.org, &agent);
        let (how, choice) = run.ok_or_else(|| refused(&self.unknown(task.org, &agent)))?;
        let mut document = self.document(task).await.map_err(|error| refused(&error))?;
        if how.reads_its_definition()
            && let Some(profile) = self.roster.profile(task.org, &agent)
        {
            document["agent"] = json!(profile);
            document["agent"]["permissions"] = json!(Rights::of(&profile).for_task(task).permissions);
        }
        let how = how.for_task(task, self.roster.charters());
        let choice = choice.filter(|_| how.works_on_files(&self.llms));
        // One that was interrupted goes on where it was.
        let interrupted =
            self.sessions.interrupted(task.org, task.id, &agent).await.map_err(|error| refused(&error))?;
        let session = interrupted.unwrap_or_else(SessionId::new);
        let account = Attribution { agent: Some(agent.clone()), session: Some(session), task: Some(task.id) };
        let request = StartRequest {
            id: Some(session),
            org: task.org,
            agent,
            runtime: how.runtime(&self.llms, task.org, None, &account).map_err(|error| refused(&error))?,
            task: task.id,
            fence: claim.fence.0,
            brief: brief(task),
            document,
            orchestrator: task.metadata.get(ORCHESTRATOR).and_then(Value::as_str).map(str::to_owned),
            created_by: Actor::system("scheduler"),
            correlation: task.correlation.clone(),
            traceparent: Some(task.trace().into_owned()),
        };
        let Some(choice) = choice else {
            return self.sessions.start(request).await.map(drop).map_err(|error| refused(&error));
        };
        let lease = Lease { org: task.org, task: task.id, fence: request.fence, session, agent: request.agent.clone() };
        let (sessions, llms, org) = (self.sessions.clone(), self.llms.clone(), task.org);
        self.workplaces.begin(lease, choice, move |workspace| async move {
            let runtime = how.runtime(&llms, org, Some(&workspace), &account).map_err(|error| error.to_string())?;
            sessions.start(StartRequest { runtime, ..request }).await.map_err(|error| error.to_string())
        });
        Ok(())
    }
}

impl How {
    /// With what whoever spawned it may use taken into account, and within the charters of all that it is worked on under.
    fn for_task(self, task: &Task, charters: &Charters) -> Self {
        let bounds = |rights: &Rights| Bounds::of(charters, task.org, &rights.charters);
        match self {
            Self::Llm(character, own) => {
                let rights = own.for_task(task);
                Self::Llm(bounds(&rights).narrow(character), rights)
            }
            Self::Coding(mut claude, own) => {
                let rights = own.for_task(task);
                claude.timeout_ms = bounds(&rights).time(claude.timeout_ms);
                Self::Coding(claude, rights)
            }
            Self::Program(mut program) => {
                program.timeout_ms = bounds(&Rights::all().for_task(task)).time(program.timeout_ms);
                Self::Program(program)
            }
        }
    }

    /// A command line is told who it is by its arguments.
    fn reads_its_definition(&self) -> bool {
        !matches!(self, Self::Coding(..))
    }

    fn works_on_files(&self, llms: &Llms) -> bool {
        match self {
            Self::Program(_) | Self::Coding(..) => true,
            Self::Llm(_, rights) => llms.needs_workspace(&rights.permissions),
        }
    }

    /// What it spends is put down to `account`.
    fn runtime(
        &self,
        llms: &Llms,
        org: OrgId,
        workspace: Option<&Workspace>,
        account: &Attribution,
    ) -> Result<Arc<dyn SessionRuntime>, InvalidLimits> {
        let runtime: Arc<dyn SessionRuntime> = match self {
            Self::Program(program) => match workspace {
                Some(workspace) => Arc::new(working_in(program.clone(), workspace)),
                None => Arc::new(program.clone()),
            },
            Self::Coding(claude, rights) => Arc::new(coding::runtime(claude, rights, llms, (org, workspace))),
            Self::Llm(character, rights) => {
                let path = workspace.map(|workspace| workspace.path.clone());
                Arc::new(llms.runtime(character.clone(), rights.clone(), (org, path), account.clone())?)
            }
        };
        Ok(asked(runtime, &llms.hooking, &llms.gate))
    }
}

impl ToSessions {
    fn unknown(&self, org: OrgId, agent: &AgentId) -> String {
        match self.roster.profile(org, agent) {
            Some(profile) => {
                format!("{agent} runs by {}", coding::missing(profile.runtime))
            }
            None => format!("{agent} is not configured here"),
        }
    }

    /// What a program reads: its task, and what came of the tasks it depended on.
    async fn document(&self, task: &Task) -> Result<Value, orchestrator_tasks::Error> {
        let (_, edges) = self.backlog.get(task.org, task.id).await?;
        let mut dependencies = Vec::with_capacity(edges.len().min(DEPENDENCIES_MAX));
        for edge in edges.iter().take(DEPENDENCIES_MAX) {
            // One that was deleted meanwhile has nothing to say any more.
            if let Ok((done, _)) = self.backlog.get(task.org, edge.depends_on).await {
                let view = View::from(done);
                // What came of it are the words of whoever worked on it.
                let label = Label { integrity: Integrity::Untrusted, ..view.label };
                dependencies.push(json!({
                    "taskId": view.id, "title": view.title, "status": view.status, "result": view.result, "label": label,
                }));
            }
        }
        let mut document = json!(View::from(task.clone()));
        document["dependencies"] = Value::Array(dependencies);
        document["traceparent"] = json!(task.trace());
        Ok(document)
    }
}

fn working_in(mut program: Program, workspace: &Workspace) -> Program {
    program.working_directory = Some(workspace.path.clone());
    program.environment.set.insert(WORKSPACE.to_owned(), workspace.path.display().to_string());
    program
}

fn brief(task: &Task) -> Brief {
    let description = if task.description.is_empty() { &task.title } else { &task.description };
    Brief { kind: task.kind.clone(), description: description.clone(), priority: task.priority.as_str().to_owned() }
}
