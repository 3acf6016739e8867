//! Runs the tests: sets up what they need, builds the programs they start, and reports the runner's own count.

mod coverage;

use std::fmt;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::counts::Counts;
use crate::run::Run;
use crate::services::Services;
use crate::setup;
use crate::steps::Steps;
use crate::workspace::Workspace;

/// Which tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Those inside the crates' own sources.
    Unit,
    /// Test programs of their own: the crates' `tests` folders and the package of tests.
    Integration,
    /// Test programs whose name begins with `security`.
    Security,
}

/// The tests ran and some of them failed.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) Counts);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tests failed")
    }
}

impl std::error::Error for Failed {}

/// What a run of the tests is told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Options {
    /// All of them if `None`.
    pub(crate) kind: Option<Kind>,
    pub(crate) profile: &'static str,
    /// For the tests, on top of what the services say.
    pub(crate) variables: Vec<(String, String)>,
}

/// `cargo xtask test`: everything that is needed, then the tests.
pub(crate) fn run(workspace: &Workspace, kind: Option<Kind>, has_coverage: bool, steps: &mut Steps) -> Result<Counts> {
    steps.step("setup", setup::for_tests)?;
    let services = steps.step("services", || Services::ensure(workspace))?;
    let mut options = Options { kind, profile: "default", variables: services.variables() };
    if has_coverage {
        return steps.step("coverage", || coverage::run(workspace, options));
    }
    steps.step("build", || build(&[]))?;
    if kind.is_none() {
        steps.step("doctest", || doctests(&options.variables))?;
    }
    options.variables.sort();
    steps.step("nextest", || nextest(&options))
}

/// The programs that tests start, and the tests. One build for both: building the programs alone would compile their
/// dependencies a second time, without the features that tests switch on.
pub(crate) fn build(variables: &[(String, String)]) -> Result<()> {
    Run::cargo(["build", "--workspace", "--all-features", "--bins", "--lib", "--tests", "--examples"])
        .envs(variables)
        .run()
}

/// Runs nextest; some failing tests are [`Failed`] with the count.
pub(crate) fn nextest(options: &Options) -> Result<Counts> {
    let run = Run::cargo(["nextest", "run", "--workspace", "--all-features", "--profile", options.profile]);
    let run = run.args(selection(options.kind)).envs(&options.variables);
    let mut counts = None;
    let is_success = run.watch_stderr(|line| counts = Counts::of_nextest(line).or(counts))?;
    match (is_success, counts) {
        (true, Some(counts)) => Ok(counts),
        (false, Some(counts)) => Err(Failed(counts).into()),
        (true, None) => bail!("nextest printed no summary"),
        (false, None) => bail!("nextest failed before it ran a test"),
    }
}

fn selection(kind: Option<Kind>) -> &'static [&'static str] {
    match kind {
        None => &[],
        Some(Kind::Unit) => &["--lib", "--bins"],
        Some(Kind::Integration) => &["--filterset", "kind(test)"],
        Some(Kind::Security) => &["--filterset", "kind(test) & binary(/^security/)"],
    }
}

/// nextest does not know documentation tests.
pub(crate) fn doctests(variables: &[(String, String)]) -> Result<Counts> {
    let mut counts = Counts::default();
    let run = Run::cargo(["test", "--doc", "--workspace", "--all-features"]).envs(variables);
    let is_success = run.watch_stdout(|line| {
        if let Some(of_crate) = Counts::of_harness(line) {
            counts.add(of_crate);
        }
    })?;
    println!("doctests: {counts}");
    is_success.then_some(counts).context("a documentation test failed")
}
