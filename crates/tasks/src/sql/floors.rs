use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orchestrator_vocab::OrgId;
use tokio::time::Instant;

/// A look at the whole ready index that takes longer than this had to step over many removed rows.
const SLOW: Duration = Duration::from_millis(20);
/// What a slow look found is relied upon for so many times as long as it took: the looking then costs a tenth of the time.
const TRUSTED: u32 = 10;

/// Where the rows of the ready index begin, as far as this process knows.
///
/// On PostgreSQL a transaction that somebody forgot keeps every removed row from being cleaned up. The ready index loses
/// its rows at the front, so each claim would step over all rows that were ever claimed meanwhile. As soon as that is
/// noticed, looks begin where the last one found the first row. What this process adds further down lowers that at once;
/// what another daemon adds there is found by the next look at everything.
#[derive(Clone, Default)]
pub(super) struct Floors(Arc<Mutex<HashMap<OrgId, Known>>>);

/// How long what a look found is relied upon: not at all, if looking again costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trust(Option<Instant>);

impl Trust {
    /// In what a look found that took so long.
    pub(super) fn after(took: Duration) -> Self {
        Self((took >= SLOW).then(|| Instant::now() + took * TRUSTED))
    }

    pub(super) fn holds(self) -> bool {
        self.0.is_some_and(|until| Instant::now() < until)
    }
}

#[derive(Default)]
struct Known {
    /// Per class, the rank below which there are no rows.
    classes: BTreeMap<String, i64>,
    trust: Trust,
}

impl Floors {
    /// The classes that may have rows, if that can be relied upon.
    pub(super) fn classes(&self, org: OrgId) -> Option<Vec<String>> {
        let floors = self.lock();
        let known = floors.get(&org).filter(|known| known.trust.holds())?;
        Some(known.classes.keys().cloned().collect())
    }

    /// Where to begin in a class.
    pub(super) fn of(&self, org: OrgId, class: &str) -> i64 {
        let floors = self.lock();
        let known = floors.get(&org).filter(|known| known.trust.holds());
        known.and_then(|known| known.classes.get(class).copied()).unwrap_or(i64::MIN)
    }

    /// These are the classes, says a look at all of them that took so long.
    pub(super) fn looked(&self, org: OrgId, classes: &[String], took: Duration) {
        let classes = classes.iter().map(|class| (class.clone(), i64::MIN)).collect();
        self.lock().insert(org, Known { classes, trust: Trust::after(took) });
    }

    /// The first row of a class has this rank, says a look that took so long. Nothing is learnt of classes that have none.
    pub(super) fn raise(&self, org: OrgId, class: &str, rank: i64, took: Duration) {
        let mut floors = self.lock();
        let Some(known) = floors.get_mut(&org) else { return };
        if let Some(floor) = known.classes.get_mut(class) {
            *floor = rank;
            known.trust = known.trust.max(Trust::after(took));
        }
    }

    /// A row is added.
    pub(super) fn lower(&self, org: OrgId, class: &str, rank: i64) {
        let mut floors = self.lock();
        let Some(known) = floors.get_mut(&org) else { return };
        match known.classes.get_mut(class) {
            Some(floor) => *floor = rank.min(*floor),
            None => drop(known.classes.insert(class.to_owned(), rank)),
        }
    }

    /// Whether there was anything to forget.
    pub(super) fn forget(&self, org: OrgId) -> bool {
        self.lock().remove(&org).is_some_and(|known| known.trust.holds())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: OrgId = OrgId::LOCAL;

    fn slow() -> Floors {
        let floors = Floors::default();
        floors.looked(ORG, &["a".to_owned(), "b".to_owned()], SLOW);
        floors
    }

    #[tokio::test(start_paused = true)]
    async fn a_quick_look_leaves_nothing_to_rely_upon() {
        let floors = Floors::default();
        floors.looked(ORG, &["a".to_owned()], SLOW / 2);
        floors.raise(ORG, "a", 7, SLOW / 2);
        assert_eq!((floors.classes(ORG), floors.of(ORG, "a")), (None, i64::MIN));
        assert!(!floors.forget(ORG));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_look_is_relied_upon_for_a_while() {
        let floors = slow();
        floors.raise(ORG, "a", 7, Duration::ZERO);
        assert_eq!(floors.classes(ORG), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!((floors.of(ORG, "a"), floors.of(ORG, "b"), floors.of(OrgId::new(), "a")), (7, i64::MIN, i64::MIN));
        tokio::time::advance(SLOW * TRUSTED).await;
        assert_eq!((floors.classes(ORG), floors.of(ORG, "a")), (None, i64::MIN));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_added_further_down_or_in_a_new_class_is_found() {
        let floors = slow();
        floors.raise(ORG, "a", 7, Duration::ZERO);
        floors.lower(ORG, "a", 9);
        assert_eq!(floors.of(ORG, "a"), 7);
        floors.lower(ORG, "a", -3);
        floors.lower(ORG, "c", 5);
        assert_eq!((floors.of(ORG, "a"), floors.of(ORG, "c")), (-3, 5));
        assert_eq!(floors.classes(ORG).map(|classes| classes.len()), Some(3));
        assert!(floors.forget(ORG));
        assert_eq!(floors.classes(ORG), None);
    }
}
