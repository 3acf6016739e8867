use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use slab::Slab;

use crate::Filter;
use crate::filter::{Anchor, Pattern};
#[cfg(feature = "sql")]
use crate::lane::OUTPUT;
use crate::queue::Queue;

/// The subscribers of one organisation, found by what they want: an event costs as much as there are subscribers who get
/// it, and patterns, not as there are subscribers.
#[derive(Default)]
pub(crate) struct Index {
    subscribers: Slab<Subscriber>,
    /// By the one name they want.
    names: HashMap<String, Keys>,
    /// By the pattern of names they want.
    patterns: HashMap<Pattern, Keys>,
    /// By a field the payload must have, and its value. What else they want is looked at.
    fields: HashMap<String, HashMap<Value, Keys>>,
    /// Counts what was offered, to offer it to each only once.
    round: u64,
}

type Keys = BTreeSet<usize>;

struct Subscriber {
    filter: Arc<Filter>,
    queue: Arc<Queue>,
    /// The last round it was found in.
    found: u64,
}

impl Index {
    /// Adds a subscriber; the key is for [`remove`](Self::remove).
    pub(crate) fn insert(&mut self, filter: Arc<Filter>, queue: Arc<Queue>) -> usize {
        let key = self.subscribers.insert(Subscriber { filter: filter.clone(), queue, found: 0 });
        for anchor in filter.anchors() {
            let keys = match anchor {
                Anchor::Name(name) => self.names.entry(name.to_owned()).or_default(),
                Anchor::Pattern(pattern) => self.patterns.entry(pattern.clone()).or_default(),
                Anchor::Field(field, value) => {
                    self.fields.entry(field.to_owned()).or_default().entry(value.clone()).or_default()
                }
            };
            keys.insert(key);
        }
        key
    }

    pub(crate) fn remove(&mut self, key: usize) {
        let Some(subscriber) = self.subscribers.try_remove(key) else { return };
        for anchor in subscriber.filter.anchors() {
            match anchor {
                Anchor::Name(name) => leave(&mut self.names, name, |keys| without(keys, key)),
                Anchor::Pattern(pattern) => leave(&mut self.patterns, pattern, |keys| without(keys, key)),
                Anchor::Field(field, value) => leave(&mut self.fields, field, |values| {
                    leave(values, value, |keys| without(keys, key));
                    values.is_empty()
                }),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.subscribers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.subscribers.iter().map(|(_, subscriber)| &subscriber.queue)
    }

    /// Those who may want output, whatever it is and says.
    #[cfg(feature = "sql")]
    pub(crate) fn wanting_output(&self) -> impl Iterator<Item = &Arc<Queue>> {
        let wanting = |subscriber: &&Subscriber| OUTPUT.iter().any(|first| subscriber.filter.may_want_below(first));
        self.subscribers.iter().map(|(_, subscriber)| subscriber).filter(wanting).map(|subscriber| &subscriber.queue)
    }

    /// Calls `offer` once for each subscriber who wants something of this name with this payload.
    pub(crate) fn matching(&mut self, name: &str, payload: &Value, mut offer: impl FnMut(&Queue)) {
        self.round += 1;
        let Self { subscribers, names, patterns, fields, round } = self;
        let named = names.get(name).into_iter();
        let patterned = patterns.iter().filter(|(pattern, _)| pattern.matches(name)).map(|(_, keys)| keys);
        for key in named.chain(patterned).flatten() {
            let subscriber = &mut subscribers[*key];
            if std::mem::replace(&mut subscriber.found, *round) != *round {
                offer(&subscriber.queue);
            }
        }
        let valued = fields.iter().filter_map(|(field, values)| values.get(payload.get(field)?));
        for key in valued.flatten() {
            let subscriber = &mut subscribers[*key];
            if subscriber.found != *round && subscriber.filter.matches(name, payload) {
                subscriber.found = *round;
                offer(&subscriber.queue);
            }
        }
    }
}

/// Changes what is under a key, and removes it if `is_empty_now` says so.
fn leave<K, Q, V>(map: &mut HashMap<K, V>, key: &Q, is_empty_now: impl FnOnce(&mut V) -> bool)
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    if map.get_mut(key).is_some_and(is_empty_now) {
        map.remove(key);
    }
}

fn without(keys: &mut Keys, key: usize) -> bool {
    keys.remove(&key);
    keys.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::queue::Heads;

    fn filter() -> impl Strategy<Value = Filter> {
        let pattern = prop::sample::select(vec!["a", "b", "a.b", "*", "a.*", "**.b", "a.**"]);
        let fields = prop::collection::btree_map(prop::sample::select(vec!["f", "g"]), 0..3_u8, 0..3);
        let one = (prop::collection::vec(pattern, 1..4), fields).prop_map(|(patterns, fields)| {
            let fields = fields.into_iter().map(|(field, value)| (field.to_owned(), valued(value))).collect();
            Filter::parse(patterns).unwrap().with_fields(fields)
        });
        prop::collection::vec(one, 1..4).prop_map(|all| all.into_iter().reduce(Filter::or).unwrap())
    }

    fn valued(value: u8) -> Value {
        if value == 0 { json!("zero") } else { json!(value) }
    }

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::lagging(Arc::new(Heads::default()), 0, None))
    }

    proptest! {
        #[test]
        fn it_finds_whom_a_look_at_each_finds_and_each_once(
            filters in prop::collection::vec(filter(), 1..20),
            removed in prop::collection::vec(any::<bool>(), 20),
            name in prop::sample::select(vec!["a", "b", "a.b", "c", "a.c.b"]),
            (f, g) in (0..3_u8, 0..3_u8),
        ) {
            let mut index = Index::default();
            let entries: Vec<_> = filters.into_iter().zip(removed).map(|(filter, removed)| {
                let queue = queue();
                (index.insert(Arc::new(filter.clone()), queue.clone()), filter, queue, removed)
            }).collect();
            entries.iter().filter(|entry| entry.3).for_each(|entry| index.remove(entry.0));
            let payload = json!({ "f": valued(f), "g": valued(g) });
            let mut found = Vec::new();
            index.matching(name, &payload, |queue| found.push(std::ptr::from_ref(queue)));
            let mut wanted: Vec<_> = entries.iter()
                .filter(|(_, filter, _, removed)| !removed && filter.matches(name, &payload))
                .map(|(_, _, queue, _)| Arc::as_ptr(queue))
                .collect();
            found.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(found, wanted);
        }

        #[test]
        fn whoever_goes_leaves_nothing_behind(filters in prop::collection::vec(filter(), 1..20)) {
            let mut index = Index::default();
            let keys: Vec<_> = filters.into_iter().map(|filter| index.insert(Arc::new(filter), queue())).collect();
            keys.into_iter().for_each(|key| index.remove(key));
            prop_assert!(index.is_empty() && index.names.is_empty());
            prop_assert!(index.patterns.is_empty() && index.fields.is_empty());
        }
    }
}
