use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use orchestrator_vocab::OrgId;

use crate::{Catalogue, Changes, Charter, CharterId, Config, Documents, Fault, Missing, Terms};

/// The charters in force. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Charters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Keys that somebody sees to.
    enforced: &'static [&'static str],
    state: RwLock<State>,
}

#[derive(Debug, Clone)]
struct State {
    documents: Arc<Documents>,
    terms: Terms,
    catalogue: Arc<Catalogue>,
    /// For the layers that it names.
    config: Arc<Config>,
}

impl Charters {
    /// None yet. `enforced` are the keys of limits and settings that whoever makes this sees to.
    pub fn new(config: &Config, enforced: &'static [&'static str]) -> Self {
        let terms = Terms { actions: Arc::new(config.meanings()), enforced };
        let (documents, catalogue) = (Arc::default(), Arc::default());
        let state = State { documents, terms, catalogue, config: Arc::new(config.clone()) };
        Self(Arc::new(Inner { enforced, state: RwLock::new(state) }))
    }

    /// Those in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.state().catalogue
    }

    /// The charter of this name, as it is now.
    ///
    /// # Errors
    /// [`Missing`]: whoever acts under it may do nothing.
    pub fn get(&self, name: &str) -> Result<Arc<Charter>, Missing> {
        self.catalogue().get(name).cloned()
    }

    /// The names of the charters that everybody of this organisation acts under, beside their own.
    pub fn above(&self, org: OrgId) -> BTreeSet<String> {
        self.state().config.above(org)
    }

    /// Keys of limits and settings that somebody sees to.
    pub fn enforced(&self) -> &'static [&'static str] {
        self.0.enforced
    }

    /// Puts what was read in force.
    pub fn put(&self, documents: Documents) -> Changes {
        self.change(|state| state.documents = Arc::new(documents))
    }

    /// Puts other meanings of actions in force. Another directory has to be read: [`Charters::put`].
    pub fn reconfigure(&self, config: &Config) -> Changes {
        self.change(|state| {
            state.terms.actions = Arc::new(config.meanings());
            state.config = Arc::new(config.clone());
        })
    }

    /// What a text would be in a file of this name beside those that were read; and what is worth telling of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, id: &CharterId, file: &str, text: &str) -> Result<(Charter, Vec<Fault>), Fault> {
        let state = self.state();
        state.documents.check(id, file, text, &state.terms)
    }

    /// The same beside nothing: it extends no other.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_alone(&self, id: &CharterId, file: &str, text: &str) -> Result<(Charter, Vec<Fault>), Fault> {
        Documents::default().check(id, file, text, &self.state().terms)
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> Changes {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let catalogue = Arc::new(Catalogue::of(&state.documents, &state.terms));
        let before = std::mem::replace(&mut state.catalogue, catalogue);
        state.catalogue.changes_since(&before)
    }

    fn state(&self) -> State {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
