use std::collections::HashMap;
use std::collections::hash_map::Entry;

use orchestrator_vocab::Timestamp;

use super::known::Known;
use super::scan::Scan;
use crate::{Filter, Placed};

/// Of vectors of length 1: the largest value is 1, and becomes this.
const SCALE: f32 = 127.0;

/// The vectors of one organisation.
#[derive(Debug)]
pub(super) struct Codes {
    dimensions: usize,
    version: i64,
    /// By numbers of memories.
    places: HashMap<i64, usize>,
    rows: Vec<Row>,
    codes: Vec<i8>,
    known: Known,
}

/// What is asked of a memory before its code is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) created_at: Timestamp,
    pub(super) facets: u32,
}

impl Codes {
    pub(super) fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            version: 0,
            places: HashMap::new(),
            rows: Vec::new(),
            codes: Vec::new(),
            known: Known::default(),
        }
    }

    /// The latest that was put.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    /// A memory that says something else by now has another vector; one that was confirmed or superseded has other facets.
    pub(super) fn put(&mut self, placed: Placed) {
        self.version = self.version.max(placed.version);
        if placed.values.len() != self.dimensions {
            return;
        }
        let facets = self.known.take(placed.facets);
        let row = Row { number: placed.number, created_at: placed.created_at, facets };
        let code = code(&placed.values);
        match self.places.entry(placed.number) {
            Entry::Occupied(known) => {
                let place = *known.get();
                let before = std::mem::replace(&mut self.rows[place], row);
                self.known.give_back(before.facets);
                self.codes[place * self.dimensions..][..self.dimensions].copy_from_slice(&code);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(self.rows.len());
                self.rows.push(row);
                self.codes.extend_from_slice(&code);
            }
        }
    }

    /// The last takes the place of what goes.
    pub(super) fn remove(&mut self, number: i64) {
        let Some(place) = self.places.remove(&number) else { return };
        let gone = self.rows.swap_remove(place);
        self.known.give_back(gone.facets);
        let last = self.rows.len();
        if place != last {
            self.codes.copy_within(last * self.dimensions.., place * self.dimensions);
            self.places.insert(self.rows[place].number, place);
        }
        self.codes.truncate(last * self.dimensions);
    }

    /// The numbers of those that pass and are the most alike, in any order.
    pub(super) fn nearest(&self, asked: &[i8], filter: &Filter, limit: usize) -> Vec<i64> {
        let passing = self.known.passing(filter);
        Scan { asked, rows: &self.rows, codes: &self.codes, filter, passing: &passing, limit }.run()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "of a vector of length 1, so it fits")]
pub(super) fn code(vector: &[f32]) -> Vec<i8> {
    vector.iter().map(|value| (value * SCALE).round().clamp(-SCALE, SCALE) as i8).collect()
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::{Label, SessionId};

    use super::*;
    use crate::{Facets, Kind, Scope, State, Tier};

    fn facets(scope: Scope) -> Facets {
        Facets {
            tier: Tier::Semantic,
            kind: Kind::Fact,
            scope,
            state: State::Active,
            session: None::<SessionId>,
            task: None,
            integrity: Label::USER.integrity,
            confidentiality: Label::USER.confidentiality,
            about: String::new(),
        }
    }

    fn unit(angle: f32) -> Vec<f32> {
        vec![angle.cos(), angle.sin()]
    }

    fn placed(number: i64, angle: f32, scope: Scope) -> Placed {
        Placed { version: number, number, values: unit(angle), facets: facets(scope), created_at: Timestamp(number) }
    }

    fn filled() -> Codes {
        let mut codes = Codes::new(2);
        for number in 0..20_u8 {
            codes.put(placed(i64::from(number), f32::from(number) * 0.1, Scope::Organisation));
        }
        codes
    }

    fn find(codes: &Codes, angle: f32, filter: &Filter) -> Vec<i64> {
        let mut found = codes.nearest(&code(&unit(angle)), filter, 3);
        found.sort_unstable();
        found
    }

    #[test]
    fn the_nearest_are_found_and_what_was_removed_is_not() {
        let (mut codes, all) = (filled(), Filter::default());
        assert_eq!(find(&codes, 0.5, &all), [4, 5, 6]);
        codes.put(placed(0, 0.5, Scope::Organisation));
        assert_eq!(find(&codes, 0.5, &all)[0], 0);
        codes.put(placed(0, 0.0, Scope::Organisation));
        codes.remove(5);
        codes.remove(19);
        codes.remove(0);
        assert_eq!(find(&codes, 0.51, &all), [4, 6, 7]);
        assert_eq!(codes.codes.len(), 17 * 2);
        assert!(codes.rows.iter().enumerate().all(|(place, row)| codes.places[&row.number] == place));
    }

    #[test]
    fn the_nearest_of_those_that_pass_are_found_however_far_they_are() {
        let mut codes = filled();
        let ada = Scope::User("ada".into());
        codes.put(placed(30, 3.0, ada.clone()));
        codes.put(placed(31, 2.9, ada.clone()));
        let hers = Filter { scopes: Some(vec![ada.clone()]), ..Filter::default() };
        assert_eq!(find(&codes, 0.5, &hers), [30, 31]);
        let late = Filter { from: Some(Timestamp(18)), ..Filter::default() };
        assert_eq!(find(&codes, 0.0, &late), [18, 19, 31]);
        codes.put(placed(30, 3.0, Scope::Organisation));
        assert_eq!(find(&codes, 0.5, &hers), [31]);
        codes.remove(31);
        assert!(find(&codes, 0.5, &hers).is_empty());
        assert!(!format!("{codes:?}").contains("ada"), "what nobody has is forgotten");
    }
}
