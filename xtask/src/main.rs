#![doc = include_str!("../README.md")]

mod arch;
mod check;
mod ci;
mod counts;
mod deploy;
mod each;
mod environment;
mod eval;
mod findings;
mod openapi;
mod page;
mod pypi;
mod readme;
mod run;
mod services;
mod setup;
mod steps;
mod supply;
mod testing;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use counts::Counts;
use run::Run;
use services::{Action, Services};
use steps::Steps;
use workspace::Workspace;

/// The package of the benchmarks.
const BENCH: &str = "orchestrator-bench";

/// The project's own development commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this machine able to build and test.
    Setup {
        /// Also install what only some commands use: cargo-deny, cargo-llvm-cov.
        #[arg(long)]
        all: bool,
    },
    /// The PostgreSQL that tests use.
    Services {
        #[arg(value_enum, default_value = "up")]
        action: Action,
    },
    /// Everything short of tests: fmt, arch, tidy, deny, clippy, doc. Changes nothing.
    Check,
    /// Rewrite what can be rewritten: formatting and lints.
    Fix,
    /// Run the tests, with everything they need.
    Test {
        /// Only these.
        #[arg(value_enum)]
        kind: Option<testing::Kind>,
        /// Also report which lines were reached.
        #[arg(long)]
        coverage: bool,
    },
    /// Who may know whom: the floors of the workspace.
    Arch,
    /// Sizes, names, documentation, whitespace.
    Tidy,
    /// Licences, banned crates, duplicates and sources, by deny.toml.
    Deny,
    /// Build every crate alone with no, each and all features.
    Each {
        /// Only these packages.
        packages: Vec<String>,
    },
    /// Container, alerts, dashboard and metrics, against the daemon that is built here.
    Deploy,
    /// Validate the running daemon's `/openapi.json`, and examine the daemon by it, with schemathesis.
    Openapi,
    /// Run the benchmarks; arguments are passed on.
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure how good answers are; fails below what is aimed at.
    Eval {
        #[command(subcommand)]
        what: eval::Eval,
    },
    /// Everything a change must pass: check, test, and the README's commands.
    Ci {
        /// Also `each`, and twenty times as many rounds of killing the daemon.
        #[arg(long)]
        full: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(counts)) => {
            println!("{counts}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(testing::Failed(counts)) = error.downcast_ref() {
                println!("{counts}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The count of the tests, if tests ran: it is the last line printed.
fn run(command: Command) -> Result<Option<Counts>> {
    let workspace = Workspace::load()?;
    let mut steps = Steps::default();
    match command {
        Command::Setup { all } => setup::run(&workspace, all)?,
        Command::Services { action } => Services::act(&workspace, action)?,
        Command::Check => {
            check::run(&workspace, &mut steps)?;
            steps.print();
        }
        Command::Fix => check::fix()?,
        Command::Test { kind, coverage } => return testing::run(&workspace, kind, coverage, &mut steps).map(Some),
        Command::Arch => arch::run(&workspace)?,
        Command::Tidy => tidy::run(&workspace)?,
        Command::Deny => supply::run(&workspace)?,
        Command::Each { packages } => each::run(&workspace, &packages)?,
        Command::Deploy => deploy::run(&workspace)?,
        Command::Openapi => {
            Run::cargo(["build", "--all-features", "-p", "orchestrator-daemon", "-p", "orchestrator"]).run()?;
            openapi::run(&workspace)?;
        }
        Command::Bench { arguments } => bench(&workspace, &arguments)?,
        Command::Eval { what } => eval::run(&workspace, &what)?,
        Command::Ci { full } => return ci::run(&workspace, full).map(Some),
    }
    Ok(None)
}

fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    if !workspace.packages.iter().any(|package| package.name == BENCH) {
        bail!("there are no benchmarks: no package {BENCH} in this workspace");
    }
    let services = Services::ensure(workspace)?;
    // The benchmarks start it as an operator would.
    Run::cargo(["build", "--release", "--package", "orchestrator-daemon"]).run()?;
    let run = Run::cargo(["run", "--release", "--package", BENCH, "--"]).args(arguments);
    run.envs(&services.variables()).run()
}
