use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};

use crate::commands::{
    agent, approval, audit, backup, budget, call, charter, config, connections, doctor, emergency, event, hook, init,
    mcp, memory, model, notify, org, report, schedule, service, session, task, token, tool,
};
use crate::values;

const EXIT_STATUS: &str = "\
Exit status:
  0  it worked
  1  the operation, or a task that was waited for, failed
  2  the command line is wrong, or a value on it was refused
  3  the daemon could not be reached or did not answer in time
  4  the credential is missing, not accepted, or lacks the scope
  5  there is no such thing

Start with `orchestrator init`, then run `orchestrator-daemon` in the same directory.";

/// Creates tasks, follows them live, and looks after agents, schedules and tokens of an orchestrator daemon.
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version, after_help = EXIT_STATUS, max_term_width = 120)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) look: Look,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the daemon is and who asks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// The daemon's address [default: as in `DATA_DIR/daemon.addr`, else `http://127.0.0.1:8787`]
    #[arg(long, global = true, env = "ORCHESTRATOR_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A token: an API key or a JWT. Prefer the variable or --token-file: others can see command lines
    #[arg(long, global = true, env = "ORCHESTRATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// A file with the token [default: `DATA_DIR/admin.token`, for a daemon on this machine]
    #[arg(long, global = true, env = "ORCHESTRATOR_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// The data directory of a daemon on this machine
    #[arg(long, global = true, env = "ORCHESTRATOR_DATA_DIR", default_value = DATA_DIR_DEFAULT, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Certificates (PEM) to trust beside those of the system
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Sends the token unencrypted over a network
    #[arg(long, global = true)]
    pub(crate) allow_insecure: bool,
    /// How long to wait for an answer
    #[arg(long, global = true, default_value = "30s", value_parser = values::span, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

const DATA_DIR_DEFAULT: &str = "data";

impl ConnectionArgs {
    /// The data directory if it is another one than a daemon takes by itself: its configuration may name one.
    pub(crate) fn given_data_dir(&self) -> Option<&Path> {
        Some(self.data_dir.as_path()).filter(|path| *path != Path::new(DATA_DIR_DEFAULT))
    }
}

/// How answers look.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Look {
    /// JSON as the daemon answered: one document, or one line for each thing that happens
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No colours
    #[arg(long, global = true, env = "NO_COLOR", value_parser = FalseyValueParser::new(), hide_env = true)]
    pub(crate) no_color: bool,
    /// Only what a script needs: ids, one a line
    #[arg(long, short, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a commented configuration and one agent to start with
    Init(init::InitArgs),
    /// Creates, follows and changes tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Plans that create tasks: once, at intervals, by cron patterns
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Agents at work
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Who can be given work
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Language models: which there are, how they do, and asking them
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// What models cost, and how much may be spent
    #[command(subcommand)]
    Budget(budget::BudgetCommand),
    /// What was spent, request by request
    Usage(budget::UsageArgs),
    /// The Model Context Protocol: the daemon's operations as tools, and servers whose tools agents may use
    #[command(subcommand)]
    Mcp(mcp::McpCommand),
    /// What agents can do, and what the operator allows of it
    #[command(subcommand)]
    Tool(tool::ToolCommand),
    /// Calls that wait for somebody to confirm them
    #[command(subcommand)]
    Approval(approval::ApprovalCommand),
    /// Who is told of what happens
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// What was decided, and whether the log of it is as it was written
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What agents may do by themselves, after a confirmation, and never
    #[command(subcommand)]
    Charter(charter::CharterCommand),
    /// Stops every tool, model and session at once, and lets them go on
    #[command(subcommand)]
    Emergency(emergency::EmergencyCommand),
    /// What is remembered, found again and forgotten
    #[command(subcommand)]
    Memory(memory::MemoryCommand),
    /// What is asked and told before and after agents do something
    #[command(subcommand)]
    Hook(hook::HookCommand),
    /// What happens and what happened
    #[command(subcommand)]
    Event(event::EventCommand),
    /// How the daemon is doing
    Status {
        /// Stays and refreshes when something happens
        #[arg(long, short)]
        watch: bool,
    },
    /// Credentials
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Organisations, for the operator
    #[command(subcommand)]
    Org(org::OrgCommand),
    /// Who is connected by WebSocket
    #[command(subcommand)]
    Connection(connections::ConnectionCommand),
    /// What is configured, and changes to it while the daemon runs
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// What was done, what failed, what waits, and why
    Report(report::ReportArgs),
    /// Copies the daemon's database while it runs
    Backup(backup::BackupArgs),
    /// Looks for what is wrong, or soon will be, and says what to do
    Doctor(doctor::DoctorArgs),
    /// Has the daemon started by the system, and kept running
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Calls any operation
    Call(call::CallArgs),
    /// Lists what can be called, or explains one operation
    Methods {
        /// The operation to explain: its parameters, result and errors
        method: Option<String>,
    },
    /// Prints the OpenAPI 3.1 document of the REST interface
    Openapi,
    /// Prints completions for a shell
    Completions {
        /// For example: orchestrator completions bash > ~/.local/share/bash-completion/completions/orchestrator
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_tells_the_exit_status_and_no_secret() {
        let help = Args::command().render_long_help().to_string();
        assert!(help.contains("Exit status") && help.contains("ORCHESTRATOR_TOKEN"), "{help}");
    }
}
