#![doc = include_str!("../README.md")]

mod bed;
mod cranfield;
mod measures;
mod report;
mod retrieval;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The daemon's own, so that what is measured as a library is what it runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures how good answers are.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How well memories are found again, on the Cranfield collection.
    Retrieval(Retrieval),
}

#[derive(Debug, Clone, Args)]
struct Retrieval {
    /// On PostgreSQL instead of SQLite.
    #[arg(long)]
    postgres: bool,
    /// The weights of a MiniLM; without, memories are found by words alone.
    #[arg(long, value_name = "FILE", requires = "tokenizer")]
    model: Option<PathBuf>,
    /// What was published with the weights.
    #[arg(long, value_name = "FILE", requires = "model")]
    tokenizer: Option<PathBuf>,
    /// Also writes what was found for each question, as trec_eval reads it: question, Q0, abstract, place, score, what counted.
    #[arg(long, value_name = "FOLDER")]
    runs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Retrieval(arguments) = Arguments::parse().command;
    match retrieval::run(&arguments).await {
        Ok(report) => {
            println!("{report}");
            let missed = report.missed();
            missed.iter().for_each(|missed| eprintln!("error: {missed}"));
            if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
