//! Vectors of an organisation in memory, a byte per dimension, all of them looked at for each question: exact, without anything
//! to build or to tune. What comes out best is looked at again by the full vectors.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_vocab::OrgId;
use tokio::sync::RwLock;

use crate::{Error, Store};

/// How many vectors are read at a time.
const PAGE: usize = 1_000;
/// Of vectors of length 1: the largest value is 1, and becomes this.
const SCALE: f32 = 127.0;

/// All organisations whose memories were asked for.
#[derive(Debug)]
pub(crate) struct Index {
    embedder: String,
    dimensions: usize,
    orgs: Mutex<HashMap<OrgId, Arc<RwLock<Codes>>>>,
}

#[derive(Debug, Default)]
struct Codes {
    version: i64,
    places: HashMap<i64, usize>,
    numbers: Vec<i64>,
    codes: Vec<i8>,
}

impl Index {
    pub(crate) fn new(embedder: &str, dimensions: usize) -> Self {
        Self { embedder: embedder.to_owned(), dimensions, orgs: Mutex::default() }
    }

    /// The numbers whose vectors are the most alike, with their cosines, the most alike first.
    pub(crate) async fn nearest(
        &self,
        store: &Arc<dyn Store>,
        org: OrgId,
        asked: &[f32],
        limit: usize,
    ) -> Result<Vec<(i64, f32)>, Error> {
        let codes = self.of(org);
        self.catch_up(store, org, &codes).await?;
        let (code, dimensions) = (code(asked), self.dimensions);
        let scan = tokio::task::spawn_blocking(move || codes.blocking_read().scan(&code, dimensions, limit));
        let numbers = scan.await.map_err(|panicked| Error::Store(Box::new(panicked)))?;
        let vectors = store.vectors_of(org, &self.embedder, &numbers).await?;
        let mut nearest: Vec<(i64, f32)> =
            vectors.into_iter().map(|(number, vector)| (number, dot(asked, &vector))).collect();
        nearest.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
        Ok(nearest)
    }

    /// Forgets what is gone.
    pub(crate) async fn remove(&self, org: OrgId, numbers: &[i64]) {
        let codes = self.of(org);
        let mut codes = codes.write().await;
        numbers.iter().for_each(|number| codes.remove(*number, self.dimensions));
    }

    fn of(&self, org: OrgId) -> Arc<RwLock<Codes>> {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner).entry(org).or_default().clone()
    }

    /// Reads what came since the last question.
    async fn catch_up(&self, store: &Arc<dyn Store>, org: OrgId, codes: &RwLock<Codes>) -> Result<(), Error> {
        loop {
            let after = codes.read().await.version;
            let page = store.vectors(org, &self.embedder, after, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut codes = codes.write().await;
            for placed in page {
                codes.version = codes.version.max(placed.version);
                if placed.values.len() == self.dimensions {
                    codes.put(placed.number, &code(&placed.values));
                }
            }
        }
    }
}

impl Codes {
    /// A memory that says something else by now has another vector.
    fn put(&mut self, number: i64, code: &[i8]) {
        match self.places.entry(number) {
            Entry::Occupied(known) => {
                let begin = known.get() * code.len();
                self.codes[begin..begin + code.len()].copy_from_slice(code);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(self.numbers.len());
                self.numbers.push(number);
                self.codes.extend_from_slice(code);
            }
        }
    }

    /// The last takes the place of what goes.
    fn remove(&mut self, number: i64, dimensions: usize) {
        let Some(place) = self.places.remove(&number) else { return };
        let last = self.numbers.len() - 1;
        self.numbers.swap_remove(place);
        if place != last {
            self.codes.copy_within(last * dimensions.., place * dimensions);
            self.places.insert(self.numbers[place], place);
        }
        self.codes.truncate(last * dimensions);
    }

    fn scan(&self, asked: &[i8], dimensions: usize, limit: usize) -> Vec<i64> {
        let mut best: BinaryHeap<Reverse<(i32, i64)>> = BinaryHeap::with_capacity(limit + 1);
        for (number, code) in self.numbers.iter().zip(self.codes.chunks_exact(dimensions.max(1))) {
            let likeness = dot_of_codes(asked, code);
            if best.len() < limit {
                best.push(Reverse((likeness, *number)));
            } else if best.peek().is_some_and(|Reverse((least, _))| likeness > *least) {
                best.pop();
                best.push(Reverse((likeness, *number)));
            }
        }
        best.into_iter().map(|Reverse((_, number))| number).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "of a vector of length 1, so it fits")]
fn code(vector: &[f32]) -> Vec<i8> {
    vector.iter().map(|value| (value * SCALE).round().clamp(-SCALE, SCALE) as i8).collect()
}

fn dot_of_codes(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(*b))).sum()
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_found_and_what_was_removed_is_not() {
        let mut codes = Codes::default();
        let unit = |angle: f32| [angle.cos(), angle.sin()];
        for number in 0..20_u8 {
            codes.put(i64::from(number), &code(&unit(f32::from(number) * 0.1)));
        }
        let find = |codes: &Codes, angle: f32| {
            let mut found = codes.scan(&code(&unit(angle)), 2, 3);
            found.sort_unstable();
            found
        };
        assert_eq!(find(&codes, 0.5), [4, 5, 6]);
        codes.put(0, &code(&unit(0.5)));
        assert_eq!(find(&codes, 0.5)[0], 0);
        codes.put(0, &code(&unit(0.0)));
        codes.remove(5, 2);
        codes.remove(19, 2);
        codes.remove(0, 2);
        assert_eq!(find(&codes, 0.51), [4, 6, 7]);
        assert_eq!(codes.codes.len(), 17 * 2);
        assert!(codes.numbers.iter().enumerate().all(|(place, number)| codes.places[number] == place));
    }
}
