use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use orchestrator_events::{Event, Hub};
use orchestrator_hooks::{Event as Told, Hooks, Input};
use orchestrator_security::Emergency;
use orchestrator_vocab::{Actor, OrgId};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What waits to be told; what comes on top is left out and counted in the log.
const WAITING_MAX: usize = 1_000;
/// Tasks of agents that were spawned by agents, and agents at work, that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What happens is told to the hooks that want to know. With several daemons on one database, each tells its own hooks.
pub(crate) struct TellHooks {
    hooks: Hooks,
    emergency: Emergency,
    waiting: tokio::sync::Mutex<mpsc::Receiver<(Vec<Told>, Input)>>,
}

/// What has to be remembered to know what an event means.
#[derive(Default)]
struct Memory {
    /// Tasks that agents gave to agents.
    spawned: HashSet<String>,
    /// How many sessions of an agent have not ended.
    at_work: HashMap<(OrgId, String), usize>,
}

impl TellHooks {
    /// Listens from now on; [`run`](Self::run) tells.
    pub(crate) fn listen(hub: &Hub, hooks: Hooks, emergency: Emergency) -> Arc<Self> {
        let (tell, waiting) = mpsc::channel(WAITING_MAX);
        let memory = std::sync::Mutex::new(Memory::default());
        let wanted = hooks.clone();
        hub.listen(move |event| {
            let mut memory = memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (events, input) in memory.read(event) {
                if wanted.any(&events) && tell.try_send((events, input)).is_err() {
                    tracing::warn!(event = %event.name, "hooks are behind: they are not told of an event");
                }
            }
        });
        Arc::new(Self { hooks, emergency, waiting: tokio::sync::Mutex::new(waiting) })
    }

    /// Tells what happened. How many are told at once is for the hooks to bound.
    pub(crate) async fn run(&self, stop: CancellationToken) -> Result<(), std::io::Error> {
        let mut waiting = self.waiting.lock().await;
        let mut telling = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(_) = telling.next(), if !telling.is_empty() => {}
                told = waiting.recv(), if telling.len() < WAITING_MAX => match told {
                    Some((events, input)) if self.emergency.check(input.org).is_ok() => {
                        telling.push(async move { self.hooks.observe(&events, input).await });
                    }
                    Some(_) => {}
                    None => return Ok(()),
                }
            }
        }
    }
}

impl Memory {
    fn read(&mut self, event: &Event) -> Vec<(Vec<Told>, Input)> {
        let text = |field: &str| event.payload.get(field).and_then(Value::as_str).unwrap_or_default();
        let about = || Input {
            session: text("sessionId").parse().ok(),
            task: text("taskId").parse().ok(),
            agent: text("agentId").parse().ok(),
            ..Input::new(event.org)
        };
        let notified = |message: &str| {
            let input = about().fact("notification_type", event.name.as_ref());
            vec![(vec![Told::Notification], input.fact("message", message))]
        };
        match event.name.as_ref() {
            "session.created" => {
                if self.at_work.len() < REMEMBERED_MAX {
                    *self.at_work.entry((event.org, text("agentId").to_owned())).or_default() += 1;
                }
                vec![(vec![Told::SessionStart], about().fact("source", "startup"))]
            }
            "session.status" if text("previousStatus") == "suspended" && text("status") == "initializing" => {
                vec![(vec![Told::SessionStart], about().fact("source", "resume"))]
            }
            "session.stopped" => {
                let ended = about().fact("status", text("status")).fact("reason", text("reason"));
                let mut told = vec![(vec![Told::SessionEnd], ended)];
                told.extend(
                    self.left(event.org, text("agentId"))
                        .then(|| (vec![Told::TeammateIdle], about().fact("teammate_name", text("agentId")))),
                );
                told
            }
            "task.created" if matches!(event.actor, Actor::Agent(_)) => {
                if self.spawned.len() < REMEMBERED_MAX {
                    self.spawned.insert(text("taskId").to_owned());
                }
                let started = about().fact("spawned_by", event.actor.to_string()).fact("task_subject", text("title"));
                vec![(vec![Told::SubagentStart], started)]
            }
            "task.completed" | "task.failed" | "task.cancelled" => {
                let mut events = vec![Told::PostTask];
                events.extend((event.name == "task.completed").then_some(Told::TaskCompleted));
                let over = about().fact("task_status", text("status")).fact("reason", text("error"));
                let mut told: Vec<(Vec<Told>, Input)> =
                    events.into_iter().map(|one| (vec![one], over.clone())).collect();
                if self.spawned.remove(text("taskId")) {
                    told.push((vec![Told::SubagentStop], over));
                }
                told
            }
            "budget.alert" | "budget.degraded" | "budget.exhausted" | "budget.pace" => {
                let facts = event.payload.as_object().cloned().unwrap_or_default();
                vec![(vec![Told::BudgetAlert], Input { facts, ..about() }.fact("alert", event.name.as_ref()))]
            }
            "session.waiting" => notified(text("reason")),
            "session.stalled" => notified("a session gives no sign of life"),
            "agent.lost" => notified("an agent is not heard of any more"),
            "mcp.tool.changed" => notified("a tool of another server is another one than before"),
            "config.refused" => notified("a configuration was refused"),
            _ => Vec::new(),
        }
    }

    /// Whether that was the agent's last session.
    fn left(&mut self, org: OrgId, agent: &str) -> bool {
        let key = (org, agent.to_owned());
        let Some(count) = self.at_work.get_mut(&key) else { return false };
        *count = count.saturating_sub(1);
        *count == 0 && self.at_work.remove(&key).is_some()
    }
}
