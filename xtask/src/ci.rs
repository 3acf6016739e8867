//! What every change must pass, in one run.

use anyhow::Result;

use crate::counts::Counts;
use crate::services::Services;
use crate::steps::Steps;
use crate::testing::{self, Options};
use crate::workspace::Workspace;
use crate::{check, deploy, each, openapi, readme, setup};

/// How often the durability tests kill the daemon.
const KILL_ROUNDS: &str = "ORCHESTRATOR_KILL_ROUNDS";
const ROUNDS: &str = "5";
const ROUNDS_FULL: &str = "100";

/// The tests come last, so that their count is the last thing said.
pub(crate) fn run(workspace: &Workspace, is_full: bool) -> Result<Counts> {
    let mut steps = Steps::default();
    let outcome = all(workspace, is_full, &mut steps);
    steps.print();
    outcome
}

fn all(workspace: &Workspace, is_full: bool, steps: &mut Steps) -> Result<Counts> {
    check::run(workspace, steps)?;
    if is_full {
        steps.step("each", || each::run(workspace, &[]))?;
    }
    steps.step("setup", setup::for_tests)?;
    let services = steps.step("services", || Services::ensure(workspace))?;
    let mut variables = services.variables();
    steps.step("build", || testing::build(&[]))?;
    steps.step("deploy", || deploy::check(workspace))?;
    steps.step("doctest", || testing::doctests(&variables))?;
    let build = if is_full { readme::Build::AsReleased } else { readme::Build::Quick };
    steps.step("readme", || readme::run(workspace, build))?;
    steps.step("openapi", || openapi::run(workspace))?;
    let rounds = if is_full { ROUNDS_FULL } else { ROUNDS };
    variables.push((KILL_ROUNDS.to_owned(), rounds.to_owned()));
    steps.step("nextest", || testing::nextest(&Options { kind: None, profile: "ci", variables }))
}
