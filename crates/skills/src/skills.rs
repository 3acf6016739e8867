mod using;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_events::NewEvent;
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, Clock, OrgId};
use serde_json::{Value, json};

use crate::shelf::Shelf;
use crate::state::State;
use crate::{Catalogue, Config, Details, Error, Remembered, Root, Skill, SkillInfo, SkillName, Store, Summary};

pub use using::{Activation, By, Choice, Usage};

/// The skills of a daemon. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Skills(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    shelf: Arc<Shelf>,
    known: Mutex<Known>,
    /// One reading at a time.
    turn: tokio::sync::Mutex<()>,
}

struct Known {
    config: Arc<Config>,
    roots: Vec<Root>,
    catalogue: Arc<Catalogue>,
    remembered: Arc<BTreeMap<SkillName, Remembered>>,
}

/// What skills are made of.
pub struct Parts {
    /// The operator's.
    pub config: Config,
    /// Where they lie, the first before the others.
    pub roots: Vec<Root>,
    /// Where is remembered which of them may be used.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// A directory for copies of skills that are used: their scripts are run from there.
    pub shelf: PathBuf,
}

/// What reading skills again made different, each in the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Skills that were not there.
    pub added: Vec<SkillName>,
    /// Skills that are others.
    pub changed: Vec<SkillName>,
    /// Skills that are there no more; also those that are wrong now.
    pub removed: Vec<SkillName>,
}

impl Skills {
    /// Reads what is remembered, then the skills.
    ///
    /// # Errors
    /// [`Error::Store`]; skills that are wrong are none.
    pub async fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { config, roots, store, clock, shelf } = parts;
        let known = Known { config: Arc::new(config), roots, catalogue: Arc::default(), remembered: Arc::default() };
        let skills = Self(Arc::new(Inner {
            store,
            clock,
            shelf: Arc::new(Shelf::new(shelf)),
            known: Mutex::new(known),
            turn: tokio::sync::Mutex::default(),
        }));
        skills.reload(Actor::system("skills")).await?;
        let (shelf, remembered) =
            (skills.0.shelf.clone(), skills.known().remembered.values().cloned().collect::<Vec<_>>());
        apart(move || shelf.tidy(&remembered)).await;
        Ok(skills)
    }

    /// Puts another configuration in force. Where it names other directories, [`reload`](Self::reload) reads them.
    pub fn reconfigure(&self, config: Config, roots: Vec<Root>) {
        let mut known = self.known();
        (known.config, known.roots) = (Arc::new(config), roots);
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.known().config.clone()
    }

    /// Where skills are read from.
    pub fn roots(&self) -> Vec<Root> {
        self.known().roots.clone()
    }

    /// Those that were read last.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.known().catalogue.clone()
    }

    /// Reads the skills again, and tells by `skill.changed` which of those that were used or confirmed are others.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn reload(&self, actor: Actor) -> Result<Changes, Error> {
        let _turn = self.0.turn.lock().await;
        let (config, roots, before) = {
            let known = self.known();
            (known.config.clone(), known.roots.clone(), known.catalogue.clone())
        };
        let previous = before.clone();
        let read = apart(move || match config.enabled {
            true => Catalogue::read(&roots, &config, &previous),
            false => Catalogue::default(),
        });
        let catalogue = Arc::new(read.await);
        self.known().catalogue = catalogue.clone();
        self.look_again().await?;
        for skill in catalogue.skills.values() {
            self.see(skill, &actor).await?;
        }
        if catalogue.faults != before.faults || catalogue.notes != before.notes {
            tell(&catalogue);
        }
        Ok(changes(&before, &catalogue))
    }

    /// Reads again what is remembered: another daemon may have confirmed something.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn look_again(&self) -> Result<(), Error> {
        let all = self.0.store.all().await?;
        self.known().remembered = Arc::new(all.into_iter().map(|known| (known.name.clone(), known)).collect());
        Ok(())
    }

    /// All of them, in the order of their names.
    pub fn list(&self) -> Vec<SkillInfo> {
        let (catalogue, remembered, pin) = self.standing();
        let info = |skill: &Arc<Skill>| SkillInfo::of(skill, remembered.get(&skill.name), pin);
        catalogue.skills.values().map(info).collect()
    }

    /// One of them, with its body, its files, what was found in it, and what is different from what was pinned.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Broken`].
    pub fn details(&self, name: &str) -> Result<Details, Error> {
        let (_, remembered, pin) = self.standing();
        let skill = self.skill(name)?;
        Ok(Details::of(&skill, remembered.get(&skill.name), pin))
    }

    /// From now on a skill may be used as it is now, which is what has this digest.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Broken`], [`Error::OtherDigest`], [`Error::Store`].
    pub async fn confirm(&self, name: &str, digest: &str, actor: Actor) -> Result<SkillInfo, Error> {
        let skill = self.skill(name)?;
        if skill.digest.to_string() != digest {
            return Err(Error::OtherDigest { skill: skill.name.clone(), digest: skill.digest.to_string() });
        }
        let before = self.known().remembered.get(&skill.name).map(|known| known.pinned.to_string());
        let payload = json!({ "skill": skill.name, "digest": digest, "pinnedDigest": before });
        let event = self.event("skill.confirmed", &skill.name, actor, payload);
        self.0.store.pin(remembered(&skill, true), event).await?;
        self.look_again().await?;
        let (_, remembered, pin) = self.standing();
        Ok(SkillInfo::of(&skill, remembered.get(&skill.name), pin))
    }

    /// The skill of this name.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Broken`].
    pub fn skill(&self, name: &str) -> Result<Arc<Skill>, Error> {
        let catalogue = self.catalogue();
        let unknown = || Error::Unknown(name.chars().take(64).filter(|c| !c.is_control()).collect());
        let name: SkillName = name.parse().map_err(|_| unknown())?;
        if let Some(skill) = catalogue.skills.get(&name) {
            return Ok(skill.clone());
        }
        let fault = catalogue.faults.iter().find(|fault| fault.skill.as_ref() == Some(&name));
        Err(fault.map_or_else(unknown, |fault| Error::Broken { skill: name, problem: fault.to_string() }))
    }

    /// Told once by all daemons together, when what was pinned is another one, and when it is back.
    async fn see(&self, skill: &Skill, actor: &Actor) -> Result<(), Error> {
        let known = self.known().remembered.get(&skill.name).cloned();
        let Some(known) = known.filter(|known| known.seen != skill.digest) else { return Ok(()) };
        let difference = skill.capabilities.since(&known.summary.capabilities);
        let payload = json!({
            "skill": skill.name, "digest": skill.digest.to_string(), "pinnedDigest": known.pinned.to_string(),
            "difference": difference,
        });
        let event = self.event("skill.changed", &skill.name, actor.clone(), payload);
        if self.0.store.saw(&skill.name, known.seen, skill.digest, event).await? {
            tracing::warn!(skill = %skill.name, file = skill.source, "a skill is another one than before");
        }
        Ok(())
    }

    fn standing(&self) -> (Arc<Catalogue>, Arc<BTreeMap<SkillName, Remembered>>, crate::Pin) {
        let known = self.known();
        (known.catalogue.clone(), known.remembered.clone(), known.config.pin)
    }

    fn state(&self, skill: &Skill) -> State {
        let (_, remembered, pin) = self.standing();
        State::of(skill, remembered.get(&skill.name), pin)
    }

    fn event(&self, name: &'static str, skill: &SkillName, actor: Actor, payload: Value) -> NewEvent {
        let subject = Some(skill.to_string());
        NewEvent { subject, ..NewEvent::new(OrgId::LOCAL, name, self.0.clock.now(), actor, payload) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remembered(skill: &Skill, confirmed: bool) -> Remembered {
    let digest: Digest = skill.digest;
    Remembered { name: skill.name.clone(), pinned: digest, summary: Summary::of(skill), confirmed, seen: digest }
}

fn changes(before: &Catalogue, after: &Catalogue) -> Changes {
    let (old, new) = (&before.skills, &after.skills);
    let is_other =
        |(name, skill): &(&SkillName, &Arc<Skill>)| old.get(*name).is_some_and(|old| old.digest != skill.digest);
    Changes {
        added: new.keys().filter(|name| !old.contains_key(*name)).cloned().collect(),
        changed: new.iter().filter(is_other).map(|(name, _)| name.clone()).collect(),
        removed: old.keys().filter(|name| !new.contains_key(*name)).cloned().collect(),
    }
}

fn tell(catalogue: &Catalogue) {
    for fault in &catalogue.faults {
        tracing::error!("skill: {fault}");
    }
    for note in &catalogue.notes {
        tracing::warn!("skill: {note}");
    }
}

/// Files are read where waiting for them holds up nobody.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl fmt::Debug for Skills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.catalogue().skills.keys()).finish()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).field("roots", &self.roots).finish_non_exhaustive()
    }
}
