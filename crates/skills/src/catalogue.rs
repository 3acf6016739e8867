use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::reading::{Found, find};
use crate::skill::digest;
use crate::{Capabilities, Config, Fault, Skill, SkillName, front_matter, scan};

/// A directory with skills in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Where it is.
    pub path: PathBuf,
    /// As it is told to people.
    pub shown: String,
}

/// The skills that there are, as a whole. A wrong one takes itself away and no other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// By their names.
    pub skills: BTreeMap<SkillName, Arc<Skill>>,
    /// What is wrong, in the order of the files.
    pub faults: Vec<Fault>,
    /// What does nothing, or less than one would think.
    pub notes: Vec<Fault>,
}

impl Catalogue {
    /// Reads the roots. A name belongs to the first root that has it, also if what lies there is wrong: another's skill must not take
    /// its place unnoticed. What is as it was `before` is not scanned again. Blocks while it reads.
    pub fn read(roots: &[Root], config: &Config, before: &Self) -> Self {
        let (found, faults, notes) = find(roots, config);
        let mut catalogue = Self { faults, notes, ..Self::default() };
        let mut taken: BTreeMap<SkillName, String> = BTreeMap::new();
        for found in found {
            let (name, shown) = (found.name.clone(), found.shown.clone());
            if let Some(first) = taken.get(&name) {
                let problem = format!("is not used: {first} has the same name and comes first");
                catalogue.notes.push(Fault::new(shown, Some(&name), problem));
                continue;
            }
            taken.insert(name.clone(), shown);
            match skill(found, before) {
                Ok(skill) => {
                    catalogue.notes.extend(notes_on(&skill, config));
                    catalogue.skills.insert(name, Arc::new(skill));
                }
                Err(fault) => catalogue.faults.push(fault),
            }
        }
        catalogue.faults.sort();
        catalogue
    }

    /// The names of skills whose files are wrong.
    pub fn broken(&self) -> BTreeSet<&SkillName> {
        self.faults.iter().filter_map(|fault| fault.skill.as_ref()).collect()
    }
}

fn skill(found: Found, before: &Catalogue) -> Result<Skill, Fault> {
    let Found { name, root, shown, directory, contents } = found;
    let source = format!("{shown}/SKILL.md");
    let contents = contents.map_err(|problem| Fault::new(&shown, Some(&name), problem))?;
    let main = contents.iter().find(|(file, _)| file.path == "SKILL.md");
    let text = main.and_then(|(_, bytes)| std::str::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| Fault::new(&source, Some(&name), "is no UTF-8 text"))?;
    let said = front_matter::read(text, &name).map_err(|wrong| wrong.in_file(&source, &name))?;
    let digest = digest(&contents.iter().map(|(file, _)| file.clone()).collect::<Vec<_>>());
    let known = before.skills.get(&name).filter(|known| known.digest == digest);
    let (findings, capabilities) = match known {
        Some(known) => (known.findings.clone(), known.capabilities.clone()),
        None => {
            let files = || contents.iter().map(|(file, bytes)| (file, bytes.as_slice()));
            (scan::all(files()), Capabilities::of(said.allowed_tools.as_deref(), files()))
        }
    };
    Ok(Skill {
        name,
        description: said.description,
        license: said.license,
        compatibility: said.compatibility,
        metadata: said.metadata,
        allowed_tools: said.allowed_tools,
        user_invocable: said.user_invocable,
        model_invocable: said.model_invocable,
        argument_hint: said.argument_hint,
        other_keys: said.other_keys,
        body: said.body,
        body_line: said.body_line,
        files: contents.into_iter().map(|(file, _)| file).collect(),
        digest,
        root,
        source,
        directory,
        findings,
        capabilities,
    })
}

fn notes_on(skill: &Skill, config: &Config) -> Vec<Fault> {
    let mut notes = Vec::new();
    let mut note = |problem: String| notes.push(Fault::new(&skill.source, Some(&skill.name), problem));
    if !skill.other_keys.is_empty() {
        note(format!("keys that do nothing here: {}", skill.other_keys.join(", ")));
    }
    let tokens = crate::tokens(&skill.body);
    if tokens > config.body_tokens {
        note(format!(
            "its body has about {tokens} tokens; {} are given out at once (skills.bodyTokens)",
            config.body_tokens
        ));
    }
    notes
}
