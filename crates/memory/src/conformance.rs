//! What every [`Store`] promises, one function per promise. Expand them with
//! [`memory_store_conformance!`](crate::memory_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

mod changing;
mod finding;
mod forgetting;
mod storing;

use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{Actor, OrgId, Timestamp};

use crate::text::digest;
use crate::{Bounds, Draft, Error, Filter, Insert, Memory, Owners, Prepared, Store};

pub use changing::*;
pub use finding::*;
pub use forgetting::*;
pub use storing::*;

/// A store under test, the log it writes to, and whatever must live as long.
pub struct Subject<Keep = ()> {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where its events go.
    pub log: Arc<dyn Log>,
    /// Dropped last.
    pub keep: Keep,
}

impl<Keep> std::fmt::Debug for Subject<Keep> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// Makes one test per promise out of an expression that gives a [`Subject`].
#[macro_export]
macro_rules! memory_store_conformance {
    ($subject:expr) => {
        $crate::memory_store_conformance!(@each $subject =>
            what_is_stored_is_read_as_it_was,
            too_much_is_refused_and_nothing_of_it_stored,
            that_a_tier_fills_is_told_once,
            scratchpads_are_counted_by_session,
            another_organisation_finds_nothing,
            lists_go_back_in_time_in_pages,
            every_condition_of_a_filter_counts,
            memories_are_found_by_any_of_their_words,
            words_with_signs_in_them_do_no_harm,
            frequencies_are_those_of_the_organisation,
            neighbours_are_found_by_their_places,
            what_is_quarantined_is_confirmed_once,
            what_is_superseded_stays_and_is_not_superseded_again,
            a_block_that_is_rewritten_is_found_by_its_new_words_only,
            what_is_removed_is_nowhere_any_more,
            that_something_was_removed_is_known_until_it_is_restored,
            what_says_the_same_word_by_word_is_found,
            what_is_replaced_goes_in_the_same_moment,
            what_is_replaced_makes_room,
            what_supersedes_ends_the_other_in_the_same_moment,
            what_comes_side_by_side_has_room_by_turns,
            a_vector_comes_with_what_filters_ask,
            a_vector_comes_again_when_its_memory_changes,
            vectors_come_in_the_order_they_were_stored,
            another_embedder_begins_anew,
            what_expires_and_what_has_aged_is_found,
        );
    };
    (@each $subject:expr => $($promise:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let subject = $subject.await;
            $crate::conformance::$promise(&subject.store, &*subject.log).await;
        })*
    };
}

const LOCAL: OrgId = OrgId::LOCAL;
/// 2026-01-31T12:34:56Z.
const NOON: Timestamp = Timestamp(1_769_862_896_000);

fn bounds(bytes_max: u64) -> Bounds {
    Bounds { bytes_max: [bytes_max; 3], alert: 0.8, now: NOON }
}

fn everybody() -> Owners {
    Owners::AllBut(Vec::new())
}

fn ada() -> Actor {
    Actor::User("ada".into())
}

/// Its words are those of its text, in lower case: how they are made is not the store's business.
fn prepared(memory: Memory) -> Prepared {
    let words: Vec<String> = memory.text.split_whitespace().map(str::to_lowercase).collect();
    Prepared { terms: words.join(" "), digest: digest(&memory.text), memory }
}

fn made(org: OrgId, draft: Draft) -> Memory {
    draft.into_memory(org, ada(), NOON).unwrap()
}

async fn put(store: &Arc<dyn Store>, org: OrgId, drafts: Vec<Draft>) -> Vec<Memory> {
    let memories: Vec<Memory> = drafts.into_iter().map(|draft| made(org, draft)).collect();
    insert(store, org, &memories, 1_000_000).await.unwrap();
    memories
}

async fn insert(store: &Arc<dyn Store>, org: OrgId, memories: &[Memory], bytes_max: u64) -> Result<Vec<i64>, Error> {
    let memories = memories.iter().cloned().map(prepared).collect();
    let (replaces, restored, events) = (Vec::new(), Vec::new(), Vec::new());
    store.insert(Insert { org, memories, replaces, restored, bounds: bounds(bytes_max), events }).await
}

/// The texts of what holds one of the words, sorted.
async fn holding(store: &Arc<dyn Store>, org: OrgId, words: &[&str], filter: &Filter) -> Vec<String> {
    let terms: Vec<(String, f64)> = words.iter().map(|word| ((*word).to_owned(), 1.0)).collect();
    let found = store.matching(org, &terms, filter, 100).await.unwrap();
    let mut texts: Vec<String> = found.into_iter().map(|stored| stored.memory.text).collect();
    texts.sort_unstable();
    texts
}

async fn told(log: &dyn Log, org: OrgId, name: &str) -> usize {
    let events = log.read(org, 0, 1_000).await.unwrap();
    events.iter().filter(|event| event.name == name).count()
}
