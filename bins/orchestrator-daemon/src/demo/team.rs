//! The demonstration's team: agents in files like anybody's, on the model that is configured, or else on a scripted one.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use orchestrator_transcript::ToolPattern;

use crate::config::{Config, ProviderConfig};
use crate::files::DataDir;

/// Who gets the task.
pub(super) const PLANNER: &str = "demo-planner";
/// What the scripted model is called among the providers.
const SCRIPTED: &str = "demo";
/// Under which name the agents' files ask for the current directory.
const SOURCE: &str = "here";
/// What the team's tools are; `tools.allow` of the operator says of everybody else's.
const TOOLS: [&str; 3] = ["fs.*", "agent.spawn", "task.wait"];
/// What no reader of a directory wants a copy of.
const NOT_COPIED: [&str; 3] = ["target", "node_modules", "data"];

const FILES: [(&str, &str); 3] = [
    ("agents/demo-planner.md", include_str!("files/demo-planner.md")),
    ("agents/demo-reader.md", include_str!("files/demo-reader.md")),
    ("model.yaml", include_str!("files/model.yaml")),
];

/// Adds the team to what is configured, which wins where both say something. Its files are written into the data directory,
/// for whoever wants to look.
pub(crate) fn join(config: &mut Config, here: PathBuf) -> anyhow::Result<()> {
    let data = DataDir::prepare(&config.daemon.data_dir)?;
    let home = data.path().join("demo");
    for (name, text) in FILES {
        write(&home.join(name), text)?;
    }
    config.agent_files.directories.push(home.join("agents"));
    let source = SOURCE.parse().map_err(anyhow::Error::msg)?;
    config.workspaces.sources.entry(source).or_insert(here);
    if config.workspaces.copy_excludes.is_empty() {
        config.workspaces.copy_excludes = NOT_COPIED.map(str::to_owned).to_vec();
    }
    let tools: Result<Vec<ToolPattern>, _> = TOOLS.iter().map(|name| name.parse()).collect();
    config.tools.allow.extend(tools.map_err(anyhow::Error::msg)?);
    // Its agents read files whose words nobody vouches for; the next run is to know what they came to all the same.
    config.memory.recall_untrusted = true;
    if config.models.is_empty() {
        let script = home.join("model.yaml");
        config.models.providers.insert(SCRIPTED.to_owned(), ProviderConfig::scripted(script));
        config.models.primary = Some(format!("{SCRIPTED}/scripted"));
    }
    Ok(())
}

/// Whole or not at all, and only where something else is there: the daemon watches the agents' files.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let failed = || format!("cannot write {}", path.display());
    let directory = path.parent().with_context(failed)?;
    std::fs::create_dir_all(directory).with_context(failed)?;
    let written = path.with_extension("new");
    std::fs::write(&written, text).with_context(failed)?;
    std::fs::rename(&written, path).with_context(failed)
}

/// Who answers, for whoever watches.
pub(crate) fn model(config: &Config) -> String {
    match config.models.candidates().0 {
        Some(model) if model.starts_with(&format!("{SCRIPTED}/")) => {
            format!(
                "{model}, which follows a script and asks nobody (set OPENAI_API_KEY or ANTHROPIC_API_KEY for a real one)"
            )
        }
        Some(model) => format!("{model}, a real one: what it says is its own, and costs what its provider takes"),
        None => "none".to_owned(),
    }
}
