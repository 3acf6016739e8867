use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator_vocab::OrgId;

/// From so many memories on a word is frequent.
const FREQUENT: u64 = 2_000;
/// So many are kept; then it begins anew.
const KEPT_MAX: usize = 10_000;

/// How many memories hold words that many hold: they take the longest to count, and change the least.
#[derive(Debug, Clone, Default)]
pub(super) struct Frequent(Arc<Mutex<HashMap<(OrgId, String), Counted>>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    holding: u64,
    /// Of how many memories.
    of: u64,
}

impl Counted {
    /// A tenth more or less says the same of a word.
    fn is_good_for(self, count: u64) -> bool {
        count.abs_diff(self.of) <= self.of / 10
    }
}

impl Frequent {
    /// What is known of these words where there are so many memories.
    pub(super) fn known(&self, org: OrgId, terms: &[String], count: u64) -> BTreeMap<String, u64> {
        let kept = self.kept();
        let known = |term: &String| {
            let counted = kept.get(&(org, term.clone())).filter(|counted| counted.is_good_for(count))?;
            Some((term.clone(), counted.holding))
        };
        terms.iter().filter_map(known).collect()
    }

    pub(super) fn keep(&self, org: OrgId, holding: &BTreeMap<String, u64>, of: u64) {
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let frequent = holding.iter().filter(|(_, holding)| **holding >= FREQUENT);
        kept.extend(frequent.map(|(term, holding)| ((org, term.clone()), Counted { holding: *holding, of })));
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(OrgId, String), Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_frequent_words_are_kept_and_only_while_the_store_is_about_as_large() {
        let frequent = Frequent::default();
        let holding = [("the".to_owned(), 9_000), ("zebra".to_owned(), 3)].into();
        frequent.keep(OrgId::LOCAL, &holding, 10_000);
        let terms = ["the", "zebra", "new"].map(str::to_owned);
        let known = |org, count| frequent.known(org, &terms, count).into_iter().collect::<Vec<_>>();
        assert_eq!(known(OrgId::LOCAL, 10_900), [("the".to_owned(), 9_000)]);
        assert!(known(OrgId::LOCAL, 11_100).is_empty());
        assert!(known(OrgId::new(), 10_000).is_empty());
    }
}
