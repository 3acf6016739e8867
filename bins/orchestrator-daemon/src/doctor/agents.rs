use orchestrator_agents::Catalogue;
use orchestrator_charter::Catalogue as Charters;

use super::Finding;
use crate::adapters::read_agents;
use crate::config::Config;

/// What the files of agents, and charters, would define if the daemon were started here.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    match std::env::current_dir() {
        Ok(here) => {
            let (charters, agents) = read_agents(config, &here);
            of_charters(&charters).into_iter().chain(of(&agents)).collect()
        }
        Err(error) => vec![Finding::failure("agent files", error.to_string(), "start it where it shall work")],
    }
}

/// Each wrong file is a failure: agents under it get no work. Nothing is said where there are none.
pub(crate) fn of_charters(catalogue: &Charters) -> Vec<Finding> {
    let wrong = catalogue.faults.iter();
    let wrong =
        wrong.map(|fault| Finding::failure("charters", fault.to_string(), "correct the file (docs/charters.md)"));
    let notes = catalogue.notes.iter();
    let notes =
        notes.map(|note| Finding::warning("charters", note.to_string(), "take it out, or expect nothing of it"));
    let mut findings: Vec<Finding> = wrong.chain(notes).collect();
    if findings.is_empty() && !catalogue.charters.is_empty() {
        findings.push(Finding::ok("charters", format!("{} charters are in force", catalogue.charters.len())));
    }
    findings
}

/// Each wrong file is a failure: its agent is not there.
pub(crate) fn of(catalogue: &Catalogue) -> Vec<Finding> {
    let wrong = catalogue.faults.iter();
    let wrong =
        wrong.map(|fault| Finding::failure("agent files", fault.to_string(), "correct the file (docs/agents.md)"));
    let notes = catalogue.notes.iter();
    let notes =
        notes.map(|note| Finding::warning("agent files", note.to_string(), "take it out, or expect nothing of it"));
    let mut findings: Vec<Finding> = wrong.chain(notes).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("agent files", format!("{} agents are defined", catalogue.profiles.len())));
    }
    findings
}
