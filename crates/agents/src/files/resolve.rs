use std::collections::BTreeMap;
use std::path::PathBuf;

use orchestrator_vocab::{AgentId, OrgId};

use super::Fault;
use super::fault::Wrong;
use super::front_matter::Said;
use super::names;
use crate::profile::{Limits, PermissionMode, Profile, Runtime};
use crate::{Permissions, agent};

/// The longest line of parents.
const PARENTS_MAX: usize = 16;

pub(super) type Files = BTreeMap<AgentId, (PathBuf, Said)>;

/// What a file defines once its parents are known.
///
/// # Errors
/// What is wrong with its parents, or with the whole. `broken` are those whose own files have errors.
pub(super) fn resolve(id: &AgentId, files: &Files, broken: impl Fn(&AgentId) -> bool + Copy) -> Result<Profile, Fault> {
    let (path, said) = &files[id];
    let line = line(id, files, broken).map_err(|wrong| wrong.in_file(path, id))?;
    let mut permissions = Permissions::all();
    // From the farthest parent to the file itself.
    for (_, said) in line.iter().rev() {
        let mut allowed = said.tools.clone().unwrap_or_else(|| Permissions::all().allowed().clone());
        if said.skills.as_ref().is_some_and(|skills| !skills.is_empty()) {
            // Whoever is given skills is given what uses them.
            allowed.insert(names::skills());
        }
        let own = Permissions::new(allowed, said.disallowed_tools.iter().cloned());
        let own = if said.permission_mode == Some(PermissionMode::Plan) { own.only_reading() } else { own };
        permissions = own.intersect(&permissions);
    }
    let prompts: Vec<&str> =
        line.iter().rev().map(|(_, said)| said.prompt.as_str()).filter(|prompt| !prompt.is_empty()).collect();
    let profile = Profile {
        permissions,
        prompt: prompts.join("\n\n"),
        extends: line.iter().skip(1).map(|(id, _)| (*id).clone()).collect(),
        source: path.display().to_string(),
        ..scalars(id, &line)
    };
    whole(&profile, said).map_err(|wrong| wrong.in_file(path, id))?;
    Ok(profile)
}

/// The file and its parents, the nearest first.
fn line<'a>(
    id: &'a AgentId,
    files: &'a Files,
    broken: impl Fn(&AgentId) -> bool,
) -> Result<Vec<(&'a AgentId, &'a Said)>, Wrong> {
    let mut line = vec![(id, &files[id].1)];
    // Told where the file itself names its parent.
    let at = files[id].1.extends.as_ref().and_then(|(_, at)| *at);
    let wrong = |problem: String| Err(Wrong { at, problem });
    while let Some((parent, _)) = line.last().and_then(|(_, said)| said.extends.as_ref()) {
        if line.iter().any(|(known, _)| *known == parent) {
            let names: Vec<&str> = line.iter().map(|(known, _)| known.as_str()).chain([parent.as_str()]).collect();
            return wrong(format!("extends: goes round in a circle: {}", names.join(" -> ")));
        }
        if line.len() > PARENTS_MAX {
            return wrong(format!("extends: more than {PARENTS_MAX} parents"));
        }
        match files.get_key_value(parent) {
            _ if broken(parent) => return wrong(format!("extends: the file of `{parent}` has an error")),
            Some((parent, (_, said))) => line.push((parent, said)),
            None => return wrong(format!("extends: no file defines `{parent}`")),
        }
    }
    Ok(line)
}

/// What the nearest that says it says.
fn scalars(id: &AgentId, line: &[(&AgentId, &Said)]) -> Profile {
    fn nearest<T>(line: &[(&AgentId, &Said)], of: impl Fn(&Said) -> Option<T>) -> Option<T> {
        line.iter().find_map(|(_, said)| of(said))
    }
    Profile {
        id: id.clone(),
        org: nearest(line, |said| said.org).unwrap_or(OrgId::LOCAL),
        // A name is one's own.
        name: line[0].1.name.clone().unwrap_or_else(|| id.to_string()),
        description: nearest(line, |said| said.description.clone()).unwrap_or_default(),
        role: nearest(line, |said| said.role).unwrap_or_default(),
        tier: nearest(line, |said| said.tier),
        groups: nearest(line, |said| said.groups.clone()).unwrap_or_default(),
        capabilities: nearest(line, |said| said.capabilities.clone()).unwrap_or_default(),
        runtime: nearest(line, |said| said.runtime).unwrap_or_default(),
        program: nearest(line, |said| said.program.clone()),
        model: nearest(line, |said| said.model.clone()),
        fallback_allowed: nearest(line, |said| said.fallback_allowed).unwrap_or(true),
        thinking: nearest(line, |said| said.thinking),
        temperature: nearest(line, |said| said.temperature),
        permissions: Permissions::none(),
        permission_mode: nearest(line, |said| said.permission_mode).unwrap_or_default(),
        limits: Limits {
            max_instances: nearest(line, |said| said.max_instances).unwrap_or(1),
            max_turns: nearest(line, |said| said.max_turns),
            max_tokens: nearest(line, |said| said.max_tokens),
            timeout_ms: nearest(line, |said| said.timeout_ms),
        },
        workspace: nearest(line, |said| said.workspace),
        workspace_source: nearest(line, |said| said.workspace_source.clone()),
        memory: nearest(line, |said| said.memory),
        charter: nearest(line, |said| said.charter.clone()),
        restart: nearest(line, |said| said.restart).unwrap_or_default(),
        skills: nearest(line, |said| said.skills.clone()),
        extends: Vec::new(),
        prompt: String::new(),
        source: String::new(),
    }
}

/// What one field alone cannot tell.
fn whole(profile: &Profile, said: &Said) -> Result<(), Wrong> {
    let wrong = |problem: &str| Err(Wrong::first_line(problem));
    match (profile.runtime, &profile.program) {
        (Runtime::Program, None) => return wrong("runtime: `program` needs the name of one: `program: NAME`"),
        (runtime, Some(_)) if runtime != Runtime::Program => {
            return wrong("program: is for `runtime: program` only");
        }
        _ => {}
    }
    if profile.prompt.is_empty() && profile.runtime != Runtime::Program {
        return wrong("expected a system prompt below the second `---`");
    }
    if said.prompt.contains('\0') {
        return wrong("a NUL character cannot be stored");
    }
    agent::check(&profile.capabilities, profile.limits.max_instances, &profile.description)
        .map_err(|error| Wrong::first_line(error.to_string()))
}
