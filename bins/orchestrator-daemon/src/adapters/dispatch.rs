use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use orchestrator_agents::Catalogue;
use orchestrator_sessions::{Brief, Lease, Program, Sessions, StartRequest};
use orchestrator_tasks::{Backlog, Claim, Dispatch, Refused, Task, View};
use orchestrator_vocab::{Actor, AgentId, OrgId, SessionId};
use orchestrator_workspaces::{Choice, Workspace};
use serde_json::{Value, json};

use super::{Roster, Workplaces, permissions};
use crate::config::{AgentConfig, Config};

/// Results of dependencies that go into a program's document.
const DEPENDENCIES_MAX: usize = 256;
/// The key in a task's metadata that names who asked for the session.
pub(crate) const ORCHESTRATOR: &str = "orchestratorId";

/// The variable that names the workspace to a program.
const WORKSPACE: &str = "ORCHESTRATOR_WORKSPACE";

/// How an agent is run, and where.
type Run = (Program, Option<Choice>);

/// How each agent is run, as it is configured now. All clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs(Arc<RwLock<BTreeMap<(OrgId, AgentId), Run>>>);

impl Programs {
    /// Sessions that run keep the program they were started with. Defined agents that a configured program runs are run by
    /// that; others are not here.
    pub(crate) fn replace(&self, config: &Config, catalogue: &Catalogue) {
        let run = |agent: &AgentConfig| (agent.program.clone(), agent.workspace.clone());
        let configured = config.agents.iter().map(|(name, agent)| ((agent.org, name.clone()), run(agent)));
        let defined = catalogue.profiles.iter().filter_map(|(id, profile)| {
            let (mut program, choice) = run(config.agents.get(profile.program.as_ref()?)?);
            let limits = [program.timeout_ms, profile.limits.timeout_ms];
            program.timeout_ms = limits.into_iter().flatten().min();
            Some(((profile.org, id.clone()), (program, choice)))
        });
        let programs = configured.chain(defined).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = programs;
    }

    /// Whether this agent is run by one of them.
    pub(crate) fn has(&self, org: OrgId, agent: &AgentId) -> bool {
        self.get(org, agent).is_some()
    }

    fn get(&self, org: OrgId, agent: &AgentId) -> Option<Run> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&(org, agent.clone())).cloned()
    }
}

/// Starts a session for each claim that the scheduler makes.
#[derive(Clone)]
pub(crate) struct ToSessions {
    pub(crate) sessions: Sessions,
    pub(crate) backlog: Backlog,
    pub(crate) programs: Programs,
    pub(crate) workplaces: Workplaces,
    pub(crate) roster: Roster,
}

#[async_trait]
impl Dispatch for ToSessions {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        let refused = |reason: &dyn std::fmt::Display| Refused { reason: reason.to_string() };
        let task = &claim.task;
        let agent = task.state.owner().ok_or_else(|| refused(&"the claim names no agent"))?.clone();
        let program = self.programs.get(task.org, &agent);
        let (program, choice) = program.ok_or_else(|| refused(&self.unknown(task.org, &agent)))?;
        let mut document = self.document(task).await.map_err(|error| refused(&error))?;
        if let Some(profile) = self.roster.profile(task.org, &agent) {
            document["agent"] = json!(profile);
            document["agent"]["permissions"] = json!(permissions(&profile.permissions, task));
        }
        let request = StartRequest {
            id: choice.is_some().then(SessionId::new),
            org: task.org,
            agent,
            runtime: Arc::new(program.clone()),
            task: task.id,
            fence: claim.fence.0,
            brief: brief(task),
            document,
            orchestrator: task.metadata.get(ORCHESTRATOR).and_then(Value::as_str).map(str::to_owned),
            created_by: Actor::system("scheduler"),
            correlation: task.correlation.clone(),
            traceparent: Some(task.trace().into_owned()),
        };
        let (Some(choice), Some(session)) = (choice, request.id) else {
            return self.sessions.start(request).await.map(drop).map_err(|error| refused(&error));
        };
        let lease = Lease { org: task.org, task: task.id, fence: request.fence, session, agent: request.agent.clone() };
        let sessions = self.sessions.clone();
        self.workplaces.begin(lease, choice, move |workspace| async move {
            let request = StartRequest { runtime: Arc::new(working_in(program, &workspace)), ..request };
            sessions.start(request).await.map_err(|error| error.to_string())
        });
        Ok(())
    }
}

impl ToSessions {
    fn unknown(&self, org: OrgId, agent: &AgentId) -> String {
        match self.roster.profile(org, agent) {
            Some(profile) => {
                format!("{agent} runs by `{}`, for which there is no runtime here", profile.runtime.as_str())
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
                dependencies.push(json!({
                    "taskId": view.id, "title": view.title, "status": view.status, "result": view.result,
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
