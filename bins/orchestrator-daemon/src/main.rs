//! The orchestrator daemon: reads its configuration, composes the crates, serves, and drains when told to stop.

mod adapters;
mod args;
mod config;
mod configuration;
mod daemon;
mod demo;
mod doctor;
mod emergency;
mod files;
mod keys;
mod live;
mod metrics;
mod models;
mod notifications;
mod operations;
mod reactions;
mod redis;
mod remembering;
mod restore;
mod retirement;
mod serve;
mod stacks;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command, ConfigCommand};

/// A fifth of the work of a busy backlog is allocation, most of it freed by another thread than made it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = as_another_program() {
        return code;
    }
    let args = Args::parse();
    let outcome = start(&args);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Logging may not work yet, or any more.
            eprintln!("orchestrator-daemon: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What this program is when it starts itself: the launcher of a confined program, or what tries to get out of one.
fn as_another_program() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next()?;
    if first == orchestrator_confine::CONFINE {
        let error = orchestrator_confine::confine_and_exec(arguments);
        let code = error.exit_code();
        eprintln!("orchestrator-daemon: {:#}", anyhow::Error::from(error));
        return Some(ExitCode::from(code));
    }
    if first == orchestrator_confine::PROBE {
        let told = orchestrator_confine::attempt_all(&arguments.next()?.to_string_lossy()).ok()?;
        println!("{told}");
        return Some(ExitCode::SUCCESS);
    }
    None
}

fn start(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Command::Restore { file, force }) = &args.command {
        return restore::run(args, file, *force);
    }
    if let Some(Command::Doctor { json }) = &args.command {
        return doctor::run(args, *json);
    }
    if let Some(Command::Config(ConfigCommand::Reference)) = args.command {
        print!("{}", config::reference::markdown());
        return Ok(ExitCode::SUCCESS);
    }
    let loaded = config::load(args)?;
    if let Some(Command::Config(ConfigCommand::Explain)) = args.command {
        config::reference::print_explained(&loaded, &daemon::redactor(&loaded.value));
        return Ok(ExitCode::SUCCESS);
    }
    if args.check_config {
        config::show(&loaded);
        return Ok(if show_agents(&loaded.value)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::run(args, loaded))
}

/// What is wrong with charters and the files of agents, for `--check-config`. Whether nothing is.
fn show_agents(config: &config::Config) -> anyhow::Result<bool> {
    let (charters, agents) = adapters::read_agents(config, &std::env::current_dir()?);
    let notes = charters.notes.iter().map(ToString::to_string).chain(agents.notes.iter().map(ToString::to_string));
    notes.for_each(|note| println!("warning: {note}"));
    let faults = charters.faults.iter().map(ToString::to_string).chain(agents.faults.iter().map(ToString::to_string));
    let faults: Vec<String> = faults.collect();
    faults.iter().for_each(|fault| eprintln!("error: {fault}"));
    Ok(faults.is_empty())
}
