//! One module for each noun.

pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod budget;
pub(crate) mod call;
pub(crate) mod charter;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod doctor;
pub(crate) mod emergency;
pub(crate) mod event;
pub(crate) mod hook;
pub(crate) mod init;
pub(crate) mod mcp;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod notify;
pub(crate) mod org;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod service;
pub(crate) mod session;
mod status;
mod tail;
pub(crate) mod task;
pub(crate) mod token;
pub(crate) mod tool;

use clap::CommandFactory as _;

use crate::args::{Args, Command};
use crate::connection;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::Out;

pub(crate) async fn run(args: Args, out: Out) -> Result<(), Failure> {
    let command = match args.command {
        Command::Init(init) => return init::run(&init, &out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "orchestrator", &mut script);
            return out.raw(&String::from_utf8_lossy(&script));
        }
        Command::Charter(charter::CharterCommand::Validate(validate)) if !validate.online => {
            return charter::validate(&validate, &out);
        }
        Command::Service(command) => return service::run(&command, &args.connection, &out),
        Command::Audit(audit::AuditCommand::Verify { directory: Some(directory), key }) => {
            return audit::verify(&directory, key.as_deref(), &out);
        }
        Command::Doctor(doctor) => return doctor::run(&doctor, &args.connection, &out).await,
        Command::Event(event::EventCommand::Tail(tail)) => {
            return Box::pin(tail::run(tail, &args.connection, out)).await;
        }
        command => command,
    };
    let client = match command {
        // Its credential is what it shows.
        Command::Token(token::TokenCommand::Refresh { .. } | token::TokenCommand::Logout { .. }) => {
            connection::connect_as_nobody(&args.connection).await?
        }
        _ => connection::connect(&args.connection).await?,
    };
    let daemon = Daemon { client, out };
    let outcome = Box::pin(dispatch(&daemon, command)).await;
    daemon.client.close().await;
    outcome
}

async fn dispatch(daemon: &Daemon, command: Command) -> Result<(), Failure> {
    match command {
        Command::Task(command) => task::run(daemon, command).await,
        Command::Schedule(command) => schedule::run(daemon, command).await,
        Command::Session(command) => session::run(daemon, command).await,
        Command::Agent(command) => agent::run(daemon, command).await,
        Command::Model(command) => model::run(daemon, command).await,
        Command::Budget(command) => budget::run(daemon, command).await,
        Command::Usage(usage) => budget::usage(daemon, usage).await,
        Command::Mcp(command) => mcp::run(daemon, command).await,
        Command::Tool(command) => tool::run(daemon, command).await,
        Command::Approval(command) => approval::run(daemon, command).await,
        Command::Notify(command) => notify::run(daemon, command).await,
        Command::Audit(command) => audit::run(daemon, command).await,
        Command::Charter(command) => charter::run(daemon, command).await,
        Command::Emergency(command) => emergency::run(daemon, command).await,
        Command::Hook(command) => hook::run(daemon, command).await,
        Command::Memory(command) => memory::run(daemon, command).await,
        Command::Event(command) => event::run(daemon, command).await,
        Command::Status { watch } => status::run(daemon, watch).await,
        Command::Token(command) => token::run(daemon, command).await,
        Command::Org(command) => org::run(daemon, command).await,
        Command::Connection(command) => connections::run(daemon, command).await,
        Command::Config(command) => config::run(daemon, command).await,
        Command::Report(report) => report::run(daemon, &report).await,
        Command::Backup(backup) => backup::run(daemon, backup).await,
        Command::Call(call) => call::run(daemon, &call).await,
        Command::Methods { method } => call::methods(daemon, method).await,
        Command::Openapi => call::openapi(daemon).await,
        // Done already: they need no daemon.
        Command::Init(_) | Command::Doctor(_) | Command::Service(_) | Command::Completions { .. } => Ok(()),
    }
}
