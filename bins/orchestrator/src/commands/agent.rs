//! `orchestrator agent …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::live;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, plain, short, text, words};

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Lists agents
    #[command(visible_alias = "ls")]
    List {
        /// `program`, `defined` or `worker`
        #[arg(long)]
        kind: Option<String>,
        /// `ready`, `lost`, `disabled` or `invalid`
        #[arg(long)]
        status: Option<String>,
        /// Such as `developer` or `reviewer`
        #[arg(long = "type", value_name = "TYPE")]
        role: Option<String>,
        /// 0 to 3
        #[arg(long)]
        tier: Option<u8>,
        /// Agents that can do this
        #[arg(long)]
        capability: Option<String>,
        /// Agents that belong to this group
        #[arg(long)]
        group: Option<String>,
        /// Agents at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
        /// Stays and refreshes when something changes
        #[arg(long, short)]
        watch: bool,
    },
    /// Creates a task that an agent, or one of a type, works on
    Spawn {
        /// This agent and no other
        #[arg(value_name = "AGENT", required_unless_present = "role", conflicts_with = "role")]
        id: Option<String>,
        /// Whichever agent of this type is free first
        #[arg(long = "type", value_name = "TYPE")]
        role: Option<String>,
        /// What it shall do
        #[arg(long, short)]
        prompt: String,
        /// `critical`, `high`, `medium` or `low`
        #[arg(long)]
        priority: Option<String>,
        /// What else it must be able to do (repeatable)
        #[arg(long = "capability", value_name = "CAPABILITY")]
        capabilities: Vec<String>,
        /// A charter that holds beside its own for this task (repeatable)
        #[arg(long = "charter", value_name = "CHARTER")]
        charters: Vec<String>,
    },
    /// Tells how an agent is doing, and what it works on
    Status {
        #[arg(value_name = "AGENT")]
        id: String,
    },
    /// Ends an agent's sessions and gives it nothing more until it is registered again
    Stop {
        #[arg(value_name = "AGENT")]
        id: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        /// Kills at once instead of asking first
        #[arg(long)]
        force: bool,
    },
    /// Has the agents' files read again and tells what changed
    Reload,
    /// Shows an agent, with what its file says
    Get {
        #[arg(value_name = "AGENT")]
        id: String,
    },
    /// Announces a worker that claims tasks itself, or enables an agent that was stopped
    Register {
        #[arg(value_name = "AGENT")]
        id: String,
        /// What it can do (repeatable)
        #[arg(long = "capability", value_name = "CAPABILITY")]
        capabilities: Vec<String>,
        /// Tasks it may have at once
        #[arg(long, value_name = "NUMBER")]
        max_concurrent: Option<u32>,
        /// For people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Says that a worker is alive
    Heartbeat {
        #[arg(value_name = "AGENT")]
        id: String,
    },
    /// Removes a worker, or disables another agent
    Unregister {
        #[arg(value_name = "AGENT")]
        id: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::List { kind, status, role, tier, capability, group, limit, watch } => {
            let filters = || {
                Params::new()
                    .maybe("kind", kind.clone())
                    .maybe("status", status.clone())
                    .maybe("type", role.clone())
                    .maybe("tier", tier)
                    .maybe("capability", capability.clone())
                    .maybe("group", group.clone())
            };
            let shown = || list(daemon, filters(), limit);
            live::show(daemon, watch, &["agent.*", "task.claimed", "task.completed"], shown).await
        }
        AgentCommand::Spawn { id, role, prompt, priority, capabilities, charters } => {
            let params = Params::new()
                .maybe("agent", id)
                .maybe("type", role)
                .with("prompt", prompt)
                .maybe("priority", priority)
                .list("requiredCapabilities", &capabilities)
                .list("charters", &charters);
            let answer = daemon.call("agent.spawn", params).await?;
            let task = text(&answer, "taskId").to_owned();
            daemon.out.show(&Answer::told(answer, task))
        }
        AgentCommand::Status { id } => {
            let answer = daemon.call("agent.status", one(&id)).await?;
            daemon.out.show(&Answer::fields(&daemon.out, answer, &DOING))
        }
        AgentCommand::Stop { id, reason, force } => {
            let params = one(&id).maybe("reason", reason).with("force", force);
            let answer = daemon.call("agent.stop", params).await?;
            let (ended, elsewhere) = (count(&answer, "sessions"), count(&answer, "elsewhere"));
            let mut said = format!("{id} stopped, {ended} sessions ended");
            if elsewhere > 0 {
                said.push_str(&format!("; {elsewhere} run on other daemons"));
            }
            daemon.out.show(&Answer::told(answer, said))
        }
        AgentCommand::Reload => {
            let answer = daemon.call("agent.reload", Params::new()).await?;
            daemon.out.show(&Answer::fields(&daemon.out, answer, &RELOADED))
        }
        AgentCommand::Get { id } => {
            let agent = daemon.call("agent.get", one(&id)).await?;
            daemon.out.show(&Answer::fields(&daemon.out, agent, &FIELDS))
        }
        AgentCommand::Register { id, capabilities, max_concurrent, description } => {
            let params = one(&id)
                .list("capabilities", &capabilities)
                .maybe("maxConcurrent", max_concurrent)
                .maybe("description", description);
            changed(daemon, "agent.register", params).await
        }
        AgentCommand::Heartbeat { id } => changed(daemon, "agent.heartbeat", one(&id)).await,
        AgentCommand::Unregister { id } => {
            let answer = daemon.call("agent.unregister", one(&id)).await?;
            daemon.out.show(&Answer::told(answer, format!("{id} unregistered")))
        }
    }
}

const DOING: [(&str, &str); 8] = [
    ("agent", "/agent/id"),
    ("status", "/agent/status"),
    ("runnable", "/runnable"),
    ("problem", "/problem"),
    ("tasks at once", "/agent/maxConcurrent"),
    ("of its type", "/maxOfType"),
    ("tasks", "/tasks"),
    ("sessions", "/sessions"),
];

const RELOADED: [(&str, &str); 6] = [
    ("defined", "/defined"),
    ("added", "/added"),
    ("changed", "/changed"),
    ("removed", "/removed"),
    ("errors", "/errors"),
    ("notes", "/notes"),
];

const FIELDS: [(&str, &str); 20] = [
    ("agent", "/id"),
    ("kind", "/kind"),
    ("status", "/status"),
    ("error", "/error"),
    ("type", "/type"),
    ("tier", "/tier"),
    ("groups", "/groups"),
    ("runtime", "/runtime"),
    ("model", "/definition/model"),
    ("tools", "/definition/permissions/allowed"),
    ("but not", "/definition/permissions/denied"),
    ("extends", "/definition/extends"),
    ("file", "/source"),
    ("description", "/description"),
    ("can", "/capabilities"),
    ("tasks at once", "/maxConcurrent"),
    ("healthy", "/healthy"),
    ("recent failures", "/recentFailures"),
    ("registered", "/registeredAt"),
    ("last seen", "/lastSeen"),
];

fn one(id: &str) -> Params {
    Params::new().with("agentId", id)
}

async fn changed(daemon: &Daemon, method: &str, params: Params) -> Result<(), Failure> {
    let agent = daemon.call(method, params).await?;
    let said = format!("{} {} ({})", text(&agent, "id"), text(&agent, "status"), text(&agent, "kind"));
    daemon.out.show(&Answer::told(agent, said))
}

fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().map_or(0, Vec::len)
}

async fn list(daemon: &Daemon, filters: Params, limit: usize) -> Result<Answer, Failure> {
    let agents = daemon.items("agent.list", filters, limit).await?;
    let header = ["AGENT", "STATUS", "KIND", "TYPE", "AT ONCE", "HEALTHY", "SEEN", "CAN", "DESCRIPTION"];
    Ok(Answer::list(
        &daemon.out,
        agents,
        &header,
        "no agents: configure a program, write a file, or register a worker",
        row,
    ))
}

fn row(agent: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(agent, "id")),
        toned(text(agent, "status")),
        Cell::new(text(agent, "kind")),
        Cell::new(text(agent, "type")),
        Cell::new(plain(&agent["maxConcurrent"])),
        Cell::new(words(&agent["healthy"])),
        Cell::new(ago(&agent["lastSeen"])),
        Cell::new(words(&agent["capabilities"])),
        Cell::new(short(agent["error"].as_str().unwrap_or(text(agent, "description")), 60)),
    ]
}
