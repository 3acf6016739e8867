//! Everything a change must hold to, short of the tests; changes nothing.

use anyhow::Result;

use crate::run::Run;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{arch, supply, tidy};

/// The quick ones first.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("fmt", || Run::cargo(["fmt", "--all", "--check"]).run())?;
    steps.step("arch", || arch::run(workspace))?;
    steps.step("tidy", || tidy::run(workspace))?;
    steps.step("deny", || supply::run(workspace))?;
    steps.step("clippy", || {
        Run::cargo(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]).run()
    })?;
    steps.step("doc", || {
        Run::cargo(["doc", "--workspace", "--all-features", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()
    })
}

/// Rewrites what can be rewritten: formatting, and lints that know their own remedy.
pub(crate) fn fix() -> Result<()> {
    let lints =
        ["clippy", "--workspace", "--all-targets", "--all-features", "--fix", "--allow-dirty", "--allow-staged"];
    Run::cargo(lints).run()?;
    Run::cargo(["fmt", "--all"]).run()
}
