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
        /// Agents at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
        /// Stays and refreshes when something changes
        #[arg(long, short)]
        watch: bool,
    },
    /// Shows an agent
    Get {
        #[arg(value_name = "AGENT")]
        id: String,
    },
    /// Announces a worker that claims tasks itself, or enables a configured program
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
    /// Removes a worker, or disables a configured program
    Unregister {
        #[arg(value_name = "AGENT")]
        id: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: AgentCommand) -> Result<(), Failure> {
    match command {
        AgentCommand::List { limit, watch } => {
            live::show(daemon, watch, &["agent.*", "task.claimed", "task.completed"], || list(daemon, limit)).await
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

const FIELDS: [(&str, &str); 10] = [
    ("agent", "/id"),
    ("kind", "/kind"),
    ("status", "/status"),
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

async fn list(daemon: &Daemon, limit: usize) -> Result<Answer, Failure> {
    let agents = daemon.items("agent.list", Params::new(), limit).await?;
    let header = ["AGENT", "STATUS", "KIND", "AT ONCE", "HEALTHY", "SEEN", "CAN", "DESCRIPTION"];
    Ok(Answer::list(&daemon.out, agents, &header, "no agents: configure a program, or register a worker", row))
}

fn row(agent: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(agent, "id")),
        toned(text(agent, "status")),
        Cell::new(text(agent, "kind")),
        Cell::new(plain(&agent["maxConcurrent"])),
        Cell::new(words(&agent["healthy"])),
        Cell::new(ago(&agent["lastSeen"])),
        Cell::new(words(&agent["capabilities"])),
        Cell::new(short(text(agent, "description"), 60)),
    ]
}
