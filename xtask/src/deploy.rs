//! What is in `deploy/`, checked against the daemon that is built here: the container, alerts, dashboard, metrics.

mod base;
mod compose;
mod container;
mod dockerfile;
mod image;
mod metrics;
mod promql;
mod started;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::Run;
use crate::workspace::Workspace;
use dockerfile::Stage;
use tools::Tools;

/// Where things lie.
struct Places {
    deploy: PathBuf,
    root: PathBuf,
    /// What is built and assembled for the checks.
    made: PathBuf,
    /// The programs that `cargo build` makes for tests.
    programs: PathBuf,
}

/// Builds the two programs as the tests use them, then checks.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    Run::cargo(["build", "--workspace", "--all-features", "--bins"]).within(&workspace.root).run()?;
    check(workspace)
}

/// The programs are built already.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let places = Places {
        deploy: workspace.root.join("deploy"),
        root: workspace.root.clone(),
        made: workspace.target.join("deploy"),
        programs: workspace.target.join("debug"),
    };
    std::fs::create_dir_all(&places.made)?;
    let tools = Tools::ensure(&places.made)?;
    let dockerfile = places.deploy.join("Dockerfile");
    Run::new(&tools.hadolint).arg(&dockerfile).run()?;
    alerts(&tools, &places.deploy.join("prometheus"))?;
    metrics::check(&tools, &places)?;
    compose::check(&places)?;
    let text = read(&dockerfile)?;
    let stage = Stage::last(&text).context("deploy/Dockerfile")?;
    let tree = image::assemble(&places, &stage)?;
    container::check(&tree, &stage)?;
    println!("deploy: in order");
    Ok(())
}

/// Whether Prometheus reads the rules, and whether each fires when it should and is silent when it should.
fn alerts(tools: &Tools, directory: &Path) -> Result<()> {
    let promtool = |words: &[&str]| Run::new(&tools.promtool).args(words).within(directory).run();
    promtool(&["check", "rules", "alerts.yml"])?;
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"])?;
    promtool(&["test", "rules", "alerts_test.yml"])
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
