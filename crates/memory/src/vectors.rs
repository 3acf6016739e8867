//! Vectors of an organisation in memory, a byte per dimension, all of those that pass a filter looked at for each question: exact,
//! without anything to build or to tune. What comes out best is looked at again by the full vectors.

mod codes;
mod known;
mod scan;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_vocab::OrgId;
use tokio::sync::RwLock;

use crate::{Error, Filter, Store};
use codes::{Codes, code};

/// How many vectors are read at a time.
const PAGE: usize = 1_000;
/// How often it is looked again because others had removed some of what was nearest.
const LOOKS_MAX: usize = 8;

/// All organisations whose memories were asked for.
#[derive(Debug)]
pub(crate) struct Index {
    embedder: String,
    dimensions: usize,
    orgs: Mutex<HashMap<OrgId, Arc<RwLock<Codes>>>>,
}

impl Index {
    pub(crate) fn new(embedder: &str, dimensions: usize) -> Self {
        Self { embedder: embedder.to_owned(), dimensions, orgs: Mutex::default() }
    }

    /// The numbers that pass and whose vectors are the most alike, with their cosines, the most alike first.
    pub(crate) async fn nearest(
        &self,
        store: &Arc<dyn Store>,
        org: OrgId,
        asked: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<(i64, f32)>, Error> {
        let codes = self.of(org);
        self.catch_up(store, org, &codes).await?;
        let mut vectors = Vec::new();
        // What another daemon removed is still here, and must not stand in the way of what is left.
        for _ in 0..LOOKS_MAX {
            let (codes_of, asked, filter) = (codes.clone(), code(asked), filter.clone());
            let scan = tokio::task::spawn_blocking(move || codes_of.blocking_read().nearest(&asked, &filter, limit));
            let numbers = scan.await.map_err(|panicked| Error::Store(Box::new(panicked)))?;
            vectors = store.vectors_of(org, &self.embedder, &numbers).await?;
            if vectors.len() == numbers.len() {
                break;
            }
            let there: HashSet<i64> = vectors.iter().map(|(number, _)| *number).collect();
            let mut codes = codes.write().await;
            numbers.iter().filter(|number| !there.contains(*number)).for_each(|gone| codes.remove(*gone));
        }
        let mut nearest: Vec<(i64, f32)> =
            vectors.into_iter().map(|(number, vector)| (number, dot(asked, &vector))).collect();
        nearest.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        Ok(nearest)
    }

    /// Forgets what is gone.
    pub(crate) async fn remove(&self, org: OrgId, numbers: &[i64]) {
        let codes = self.of(org);
        let mut codes = codes.write().await;
        numbers.iter().for_each(|number| codes.remove(*number));
    }

    fn of(&self, org: OrgId) -> Arc<RwLock<Codes>> {
        let mut orgs = self.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        orgs.entry(org).or_insert_with(|| Arc::new(RwLock::new(Codes::new(self.dimensions)))).clone()
    }

    /// Reads what came, or changed, since the last question.
    async fn catch_up(&self, store: &Arc<dyn Store>, org: OrgId, codes: &RwLock<Codes>) -> Result<(), Error> {
        loop {
            let after = codes.read().await.version();
            let page = store.vectors(org, &self.embedder, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            if !page.is_empty() {
                let mut codes = codes.write().await;
                page.into_iter().for_each(|placed| codes.put(placed));
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
