//! All charters, from a directory.

pub(crate) mod digest;
mod resolve;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::document::{self, Said};
use crate::{Actions, Charter, CharterId, Config, Fault};
use walk::{Found, walk};

/// What the files say, each by itself: what takes reading. The rest is [`Catalogue::of`].
#[derive(Debug, Clone, Default)]
pub struct Documents {
    files: BTreeMap<CharterId, (String, Said)>,
    broken: BTreeSet<CharterId>,
    faults: Vec<Fault>,
}

/// In which surroundings charters hold.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// What business actions mean.
    pub actions: Arc<Actions>,
    /// Keys of limits and settings that somebody sees to. Others are told of by a note, and by [`Charter::not_enforced`].
    pub enforced: &'static [&'static str],
}

/// All charters that can be, and what is wrong with the others. A wrong file takes its own charter away, and those that extend
/// it, and no other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// The charters.
    pub charters: BTreeMap<CharterId, Arc<Charter>>,
    /// What is wrong, in the order of the files.
    pub faults: Vec<Fault>,
    /// What does nothing, or not what one would think: worth telling, no error.
    pub notes: Vec<Fault>,
}

/// What is different from what was before, each in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Charters that were not there.
    pub added: Vec<CharterId>,
    /// Charters that say something else.
    pub changed: Vec<CharterId>,
    /// Charters that are there no more; also those whose files are wrong now.
    pub removed: Vec<CharterId>,
}

/// Why there is no such charter. Whoever acts under it may do nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Write the file.
    #[error("no file defines the charter `{0}`")]
    NoFile(String),
    /// Correct the file.
    #[error("the charter `{0}` has an error: {1}")]
    Broken(CharterId, Fault),
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Documents {
    /// Reads the directory of the configuration, from `base` if it is relative. Blocks while it reads.
    pub fn read(config: &Config, base: &Path) -> Self {
        let (found, faults) = walk(config, base);
        let mut documents = Self { faults, ..Self::default() };
        for Found { id, shown, text } in found {
            let read = match &text {
                Ok(text) => document::read(text).map_err(|wrong| wrong.in_file(&shown, &id)),
                Err(problem) => Err(Fault { charter: Some(id.clone()), ..Fault::new(&*shown, problem) }),
            };
            match read {
                Ok(said) => drop(documents.files.insert(id, (shown, said))),
                Err(fault) => {
                    documents.broken.insert(id);
                    documents.faults.push(fault);
                }
            }
        }
        documents
    }

    /// What a text would be in a file of this name beside these; and what is worth telling of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, id: &CharterId, file: &str, text: &str, terms: &Terms) -> Result<(Charter, Vec<Fault>), Fault> {
        let said = document::read(text).map_err(|wrong| wrong.in_file(file, id))?;
        let mut beside = self.clone();
        beside.broken.remove(id);
        beside.files.insert(id.clone(), (file.to_owned(), said));
        resolve::resolve(id, &beside, terms)
    }
}

impl Catalogue {
    /// Reads the directory of the configuration under its own meanings. Blocks while it reads.
    pub fn read(config: &Config, base: &Path) -> Self {
        let terms = Terms { actions: Arc::new(config.meanings()), enforced: &[] };
        Self::of(&Documents::read(config, base), &terms)
    }

    /// What the documents amount to.
    pub fn of(documents: &Documents, terms: &Terms) -> Self {
        let mut catalogue = Self { faults: documents.faults.clone(), ..Self::default() };
        for id in documents.files.keys() {
            match resolve::resolve(id, documents, terms) {
                Ok((charter, notes)) => {
                    catalogue.charters.insert(id.clone(), Arc::new(charter));
                    catalogue.notes.extend(notes);
                }
                Err(fault) => catalogue.faults.push(fault),
            }
        }
        catalogue.faults.sort();
        catalogue
    }

    /// The charter of this name.
    ///
    /// # Errors
    /// [`Missing`] says why there is none.
    pub fn get(&self, name: &str) -> Result<&Arc<Charter>, Missing> {
        if let Some(charter) = self.charters.get(name) {
            return Ok(charter);
        }
        let of_it = |fault: &&Fault| fault.charter.as_ref().is_some_and(|id| id.as_str() == name);
        match self.faults.iter().find(of_it) {
            Some(fault) => Err(Missing::Broken(fault.charter.clone().expect("it was compared"), fault.clone())),
            None => Err(Missing::NoFile(name.to_owned())),
        }
    }

    /// What is different from `before`.
    pub fn changes_since(&self, before: &Self) -> Changes {
        let (old, new) = (&before.charters, &self.charters);
        let is_other = |(id, charter): &(&CharterId, &Arc<Charter>)| {
            old.get(*id).is_some_and(|before| before.digest != charter.digest)
        };
        Changes {
            added: new.keys().filter(|id| !old.contains_key(*id)).cloned().collect(),
            changed: new.iter().filter(is_other).map(|(id, _)| id.clone()).collect(),
            removed: old.keys().filter(|id| !new.contains_key(*id)).cloned().collect(),
        }
    }
}
