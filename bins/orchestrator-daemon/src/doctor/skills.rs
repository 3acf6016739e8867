use orchestrator_agents::Catalogue as Agents;
use orchestrator_skills::{Catalogue, Choice, SkillInfo, SkillName, Skills, State};

use super::Finding;
use crate::adapters::read_skills;
use crate::config::Config;

/// What skills there would be if the daemon were started here.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    match std::env::current_dir() {
        Ok(here) => of_files(&read_skills(config, &here)),
        Err(error) => vec![Finding::failure("skills", error.to_string(), "start it where it shall work")],
    }
}

/// Each wrong skill is a failure: it is not there.
fn of_files(catalogue: &Catalogue) -> Vec<Finding> {
    let wrong = catalogue.faults.iter();
    let wrong = wrong.map(|fault| Finding::failure("skills", fault.to_string(), "correct it (docs/skills.md)"));
    let notes = catalogue.notes.iter();
    let notes = notes.map(|note| Finding::warning("skills", note.to_string(), "take it out, or expect nothing of it"));
    let mut findings: Vec<Finding> = wrong.chain(notes).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("skills", format!("{} skills are there", catalogue.skills.len())));
    }
    findings
}

/// The same of a running daemon, with those that wait for somebody.
pub(crate) fn of(catalogue: &Catalogue, listed: &[SkillInfo]) -> Vec<Finding> {
    let waiting = listed.iter().filter(|skill| skill.state != State::Ready).map(|skill| {
        let found = format!("{}: {}", skill.name, skill.reason.as_deref().unwrap_or_default());
        let remedy = format!("orchestrator skill get {}, then skill confirm", skill.name);
        Finding::warning("skills", found, remedy)
    });
    of_files(catalogue).into_iter().chain(waiting).collect()
}

/// Models are not told of skills for which there is no room.
pub(crate) fn without_room(skills: &Skills) -> Option<Finding> {
    let left_out = skills.listing(&Choice::All).left_out;
    let found = format!("models are not told of {left_out} of them: their descriptions are too long together");
    (left_out > 0)
        .then(|| Finding::warning("skills", found, "raise skills.metadataTokens, or name skills in agents' files"))
}

/// Skills that files of agents name and that are not there.
pub(crate) fn named(agents: &Agents, catalogue: &Catalogue) -> Vec<Finding> {
    let names = agents.profiles.values().flat_map(|profile| {
        let missing = profile.skills.iter().flatten().filter(|name| !is_there(catalogue, name));
        missing.map(|name| format!("the agent `{}` names the skill `{name}`, which is not there", profile.id))
    });
    names.map(|found| Finding::warning("skills", found, "correct the agent's file, or add the skill")).collect()
}

fn is_there(catalogue: &Catalogue, name: &str) -> bool {
    name.parse().is_ok_and(|name: SkillName| catalogue.skills.contains_key(&name))
}
