use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orchestrator_vocab::AgentId;

use super::front_matter::{self, Said};
use super::resolve::{Files, resolve};
use super::walk::{Found, walk};
use super::{Fault, FilesConfig};
use crate::Profile;

/// What the files define, as a whole. A wrong file takes its own agent away, and those that extend it, and no other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// The agents that are defined.
    pub profiles: BTreeMap<AgentId, Arc<Profile>>,
    /// What is wrong, in the order of the files.
    pub faults: Vec<Fault>,
    /// What is kept and does nothing: worth telling, no error.
    pub notes: Vec<Fault>,
}

/// What is different from what was before, each in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Agents that were not there.
    pub added: Vec<AgentId>,
    /// Agents that are defined otherwise.
    pub changed: Vec<AgentId>,
    /// Agents that are there no more; also those whose files are wrong now.
    pub removed: Vec<AgentId>,
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Catalogue {
    /// Reads the directories of the configuration, relative ones from `base`. Blocks while it reads.
    pub fn read(config: &FilesConfig, base: &Path) -> Self {
        let (found, mut faults) = walk(config, base);
        let (twice, found) = without_duplicates(found);
        faults.extend(twice);
        let (mut files, mut broken) = (Files::new(), BTreeSet::new());
        for file in found {
            match said(&file) {
                Ok(said) => drop(files.insert(file.id, (file.shown, said))),
                Err(fault) => {
                    broken.insert(file.id);
                    faults.push(fault);
                }
            }
        }
        broken.extend(faults.iter().filter_map(|fault| fault.agent_id.clone()));
        let mut catalogue = Self { faults, ..Self::default() };
        for (id, (path, own)) in &files {
            match resolve(id, &files, |parent| broken.contains(parent)) {
                Ok(profile) => drop(catalogue.profiles.insert(id.clone(), Arc::new(profile))),
                Err(fault) => catalogue.faults.push(fault),
            }
            catalogue.notes.extend(own.notes.iter().map(|note| note.clone().in_file(path, id)));
        }
        catalogue.faults.sort();
        catalogue
    }

    /// Takes an agent away because it cannot be.
    pub fn refuse(&mut self, id: &AgentId, problem: impl Into<String>) {
        if let Some(profile) = self.profiles.remove(id) {
            let fault = Fault::new(Path::new(&profile.source), problem);
            self.faults.push(Fault { agent_id: Some(id.clone()), ..fault });
            self.faults.sort();
        }
    }

    /// What is different from `before`.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let (old, new) = (&before.profiles, &self.profiles);
        let is_other =
            |(id, profile): &(&AgentId, &Arc<Profile>)| old.get(*id).is_some_and(|before| before != *profile);
        Changes {
            added: new.keys().filter(|id| !old.contains_key(*id)).cloned().collect(),
            changed: new.iter().filter(is_other).map(|(id, _)| id.clone()).collect(),
            removed: old.keys().filter(|id| !new.contains_key(*id)).cloned().collect(),
        }
    }
}

fn said(file: &Found) -> Result<Said, Fault> {
    let unread = |problem: &String| Fault { agent_id: Some(file.id.clone()), ..Fault::new(&file.shown, problem) };
    let text = file.text.as_ref().map_err(unread)?;
    front_matter::read(text).map_err(|wrong| wrong.in_file(&file.shown, &file.id))
}

/// Of two files for one agent neither counts: nobody can tell which one is meant.
fn without_duplicates(found: Vec<Found>) -> (Vec<Fault>, Vec<Found>) {
    let mut places = BTreeMap::<AgentId, Vec<PathBuf>>::new();
    for file in &found {
        places.entry(file.id.clone()).or_default().push(file.shown.clone());
    }
    let twice = |file: &Found| {
        let other = places[&file.id].iter().find(|place| **place != file.shown)?;
        let problem = format!("`{}` is defined twice, also by {}: rename or remove one", file.id, other.display());
        Some(Fault { agent_id: Some(file.id.clone()), ..Fault::new(&file.shown, problem) })
    };
    let faults = found.iter().filter_map(twice).collect();
    let once = found.into_iter().filter(|file| places[&file.id].len() == 1).collect();
    (faults, once)
}
