//! The running daemon's `/openapi.json`: it is a valid document, and by schemathesis what it says is what the daemon does, and
//! nothing breaks it.

mod answers;
mod python;
mod subject;
mod valid;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::run::Run;
use crate::workspace::Workspace;
use answers::Answers;
use python::Tools;
use subject::Subject;

/// Generated requests per operation in each phase that generates; the phase of edge cases makes its own number.
const EXAMPLES: &str = "6";
/// The same requests in every run.
const SEED: &str = "20261128";
/// Fewer successes than this would mean that the daemon was asked and never answered.
const SUCCESSES_MIN: usize = 150;
/// How many operations must have succeeded at least once.
const OPERATIONS_MIN: usize = 30;
/// What only the operator's organisation may do: examined with its credential, the rest with a stranger's.
const OPERATORS: [&str; 2] = ["org.create", "daemon.backup"];

/// Validates the document, then runs all checks over all operations, as the administrator of an organisation of its own.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let Tools { schemathesis, validator } = Tools::ensure(workspace)?;
    let folder = workspace.target.join("openapi");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let subject = Subject::start(workspace, &folder)?;
    valid::check(&validator, &subject)?;

    let all = folder.join("all.har");
    examined(&schemathesis, &subject, (subject.stranger(), &[]), &all)?;
    let answers = Answers::read(&all)?;
    println!("openapi: {answers}");
    ensure!(answers.successes() >= SUCCESSES_MIN, "only {} successes: what was examined?", answers.successes());
    let reached = answers.operations();
    ensure!(reached >= OPERATIONS_MIN, "only {reached} operations ever succeeded: what was examined?");
    subject.still_lets_in(subject.stranger()).context("the credential was lost on the way")?;

    let operators = folder.join("operators.har");
    examined(&schemathesis, &subject, (subject.operator(), &OPERATORS), &operators)?;
    let answers = Answers::read(&operators)?;
    println!("openapi: {answers}");
    ensure!(answers.operations() >= OPERATORS.len(), "not all of {OPERATORS:?} ever succeeded");
    subject.still_lets_in(subject.operator()).context("the operator's credential was lost on the way")
}

fn examined(schemathesis: &Path, subject: &Subject, (credential, only): (&str, &[&str]), report: &Path) -> Result<()> {
    let run = Run::new(schemathesis)
        .arg("--config-file")
        .arg(subject.configuration())
        .arg("run")
        .arg(format!("{}/openapi.json", subject.url()))
        .args(["--checks", "all", "--max-examples", EXAMPLES, "--seed", SEED])
        // In two threads Python 3.11 sometimes trips over itself.
        .args(["--workers", "1", "--continue-on-failure", "--no-color", "--warnings", "off"])
        // Who is stopped is answered nothing that is worth examining.
        .args(["--exclude-operation-id", "emergency.stop"])
        .args(["--report", "har", "--report-har-path"])
        .arg(report);
    // Few operations have no links between them, which the phase that follows links calls an error.
    let run = if only.is_empty() { run } else { run.args(["--phases", "coverage,fuzzing"]) };
    let run = only.iter().fold(run, |run, name| run.args(["--include-operation-id", *name]));
    run.env("ORCHESTRATOR_API_KEY", credential).within(subject.folder()).run()
}
