use std::collections::HashMap;
use std::sync::Arc;

use crate::{Facets, Filter};

/// Facets that many memories have in common, each once, by a number.
#[derive(Debug, Default)]
pub(super) struct Known {
    numbers: HashMap<Arc<Facets>, u32>,
    /// With how many memories have them.
    all: Vec<Option<(Arc<Facets>, usize)>>,
    free: Vec<u32>,
}

impl Known {
    /// Their number, for one memory more.
    pub(super) fn take(&mut self, facets: Facets) -> u32 {
        if let Some(number) = self.numbers.get(&facets) {
            if let Some((_, count)) = &mut self.all[*number as usize] {
                *count += 1;
            }
            return *number;
        }
        let facets = Arc::new(facets);
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            u32::try_from(self.all.len() - 1).expect("fewer memories than that fit into memory")
        });
        self.all[number as usize] = Some((facets.clone(), 1));
        self.numbers.insert(facets, number);
        number
    }

    /// For one memory less. What nobody has is forgotten: names may be in it.
    pub(super) fn give_back(&mut self, number: u32) {
        let place = &mut self.all[number as usize];
        let Some((facets, count)) = place else { return };
        *count -= 1;
        if *count == 0 {
            self.numbers.remove(&**facets);
            *place = None;
            self.free.push(number);
        }
    }

    /// Which pass, by their numbers.
    pub(super) fn passing(&self, filter: &Filter) -> Vec<bool> {
        let passes = |of: &Option<(Arc<Facets>, usize)>| of.as_ref().is_some_and(|(facets, _)| filter.passes(facets));
        self.all.iter().map(passes).collect()
    }
}
