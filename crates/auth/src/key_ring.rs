use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use orchestrator_vocab::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sql::StoredSigningKey;
use crate::{Algorithm, Keys, PublicKey, SigningKey, random, seal};

/// The configured keys and those that took their place since. The latter belong to the configured key they are sealed
/// under: another one begins a ring of its own, so that changing the secret has the effect everybody expects.
#[derive(Debug)]
pub(crate) struct KeyRing(Mutex<State>);

#[derive(Debug)]
struct State {
    configured: Keys,
    /// Of all rings, in the order they were made.
    made: Vec<Made>,
    retired: HashSet<(String, String)>,
}

#[derive(Debug, Clone)]
struct Made {
    ring: String,
    key: SigningKey,
}

/// What is known of a key. Not the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    /// Names the key, as the `kid` of the tokens it signed.
    pub id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Whether it signs, only recognises what it signed, or not even that.
    pub state: KeyState,
    /// Whether it comes from the configuration or a file, rather than from a rotation.
    pub configured: bool,
    /// When a rotation made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// Its public half, if it has one and was not retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
}

/// What a key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// It signs new tokens.
    Current,
    /// What it signed still counts.
    Previous,
    /// What it signed counts no more.
    Retired,
}

impl KeyRing {
    pub(crate) fn new(configured: Keys) -> Self {
        Self(Mutex::new(State { configured, made: Vec::new(), retired: HashSet::new() }))
    }

    pub(crate) fn configure(&self, configured: Keys) {
        self.lock().configured = configured;
    }

    /// Takes in what the database has, in the order the keys were made. What does not open belongs to another key.
    pub(crate) fn load(&self, rows: &[StoredSigningKey]) {
        let mut state = self.lock();
        let roots = state.roots();
        state.made = rows.iter().filter_map(|row| made(&roots, row)).collect();
        let retired = rows.iter().filter(|row| row.retired_at.is_some());
        state.retired = retired.map(|row| (row.ring.clone(), row.id.clone())).collect();
    }

    /// The keys that count now. `None` if there is none: the configured one was retired, and nothing took its place.
    pub(crate) fn accepted(&self) -> Option<Keys> {
        let state = self.lock();
        let ring = ring_of(&state.configured.current);
        let (own, others): (Vec<&Made>, Vec<&Made>) = state.made.iter().rev().partition(|made| made.ring == ring);
        let key = |made: &Made| made.key.clone();
        let configured = state.configured_unless_retired();
        let mut keys = own.into_iter().map(key).chain(configured).chain(others.into_iter().map(key));
        Some(Keys { current: keys.next()?, previous: keys.collect() })
    }

    /// The configured keys, the current one first: what secrets are derived from, whatever signs at the moment.
    pub(crate) fn roots(&self) -> Vec<SigningKey> {
        self.lock().roots()
    }

    /// The ring of the current configured key.
    pub(crate) fn ring(&self) -> String {
        ring_of(&self.lock().configured.current)
    }

    /// The name of the ring that a key is in, if it counts.
    pub(crate) fn ring_with(&self, id: &str) -> Option<String> {
        let state = self.lock();
        let made = state.made.iter().find(|made| made.key.id() == id).map(|made| made.ring.clone());
        let configured = || state.configured_unless_retired().find(|key| key.id() == id).map(|key| ring_of(&key));
        made.or_else(configured)
    }

    /// What is known of the keys, the current one first.
    pub(crate) fn records(&self, rows: &[StoredSigningKey]) -> Vec<KeyRecord> {
        let accepted = self.accepted();
        let accepted = accepted.iter().flat_map(|keys| std::iter::once(&keys.current).chain(&keys.previous));
        let roots = self.roots();
        let rings: Vec<String> = roots.iter().map(ring_of).collect();
        let row_of = |id: &str| rows.iter().find(|row| row.id == id && rings.contains(&row.ring));
        let record = |(index, key): (usize, &SigningKey)| KeyRecord {
            id: key.id().to_owned(),
            algorithm: key.algorithm(),
            state: if index == 0 { KeyState::Current } else { KeyState::Previous },
            configured: roots.contains(key),
            created_at: row_of(key.id()).map(|row| row.created_at),
            retired_at: None,
            public_key: key.public(),
        };
        let mut records: Vec<KeyRecord> = accepted.enumerate().map(record).collect();
        let retired = rows.iter().filter(|row| row.retired_at.is_some() && rings.contains(&row.ring));
        records.extend(retired.map(|row| KeyRecord {
            id: row.id.clone(),
            algorithm: row.algorithm,
            state: KeyState::Retired,
            configured: roots.iter().any(|root| root.id() == row.id),
            created_at: Some(row.created_at),
            retired_at: row.retired_at,
            public_key: None,
        }));
        records
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn roots(&self) -> Vec<SigningKey> {
        std::iter::once(&self.configured.current).chain(&self.configured.previous).cloned().collect()
    }

    fn configured_unless_retired(&self) -> impl Iterator<Item = SigningKey> {
        let retired = |key: &SigningKey| self.retired.contains(&(ring_of(key), key.id().to_owned()));
        self.roots().into_iter().filter(move |key| !retired(key))
    }
}

/// Names the ring of a configured key without telling anything about it.
pub(crate) fn ring_of(root: &SigningKey) -> String {
    random::hex(&root.derive("name of a ring")[..16])
}

/// What a key is sealed with, beside the configured key.
pub(crate) fn context(ring: &str, id: &str, algorithm: Algorithm) -> String {
    format!("{ring} {id} {}", algorithm.as_str())
}

fn made(roots: &[SigningKey], row: &StoredSigningKey) -> Option<Made> {
    if row.retired_at.is_some() {
        return None;
    }
    let root = roots.iter().find(|root| ring_of(root) == row.ring && root.algorithm() == row.algorithm)?;
    let material = seal::open(root, &context(&row.ring, &row.id, row.algorithm), row.sealed.as_deref()?);
    let key = material.and_then(|material| SigningKey::from_material(row.algorithm, &material));
    let Some(key) = key.filter(|key| key.id() == row.id) else {
        tracing::error!(key = row.id, "a signing key in the database was changed by somebody else; it does not count");
        return None;
    };
    Some(Made { ring: row.ring.clone(), key })
}
