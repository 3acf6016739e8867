//! The promises of [`Store`], one function each, to be run over every implementation.
//!
//! ```ignore
//! orchestrator_tasks::task_store_conformance!(async { Fixture::memory() });
//! ```

mod bound;
mod claims;
mod edges;
mod forgetting;
mod keys;
mod leases;
mod life;
mod orgs;
mod schedules;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Event, Log};
use orchestrator_vocab::{Actor, AgentId, OrgId, PausedClock, TaskId, Timestamp};

pub use self::bound::*;
pub use self::claims::*;
pub use self::edges::*;
pub use self::forgetting::*;
pub use self::keys::*;
pub use self::leases::*;
pub use self::life::*;
pub use self::orgs::*;
pub use self::schedules::*;
use crate::{
    Backlog, Candidate, Claim, Completion, Config, Draft, Error, Keeper, MemoryStore, Origin, Status, Store, Task,
};

/// A fresh, empty store and what belongs to it.
pub struct Fixture {
    /// The store under test.
    pub store: Arc<dyn Store>,
    /// Where the events of its commits are found.
    pub log: Arc<dyn Log>,
    /// What the store takes for the time.
    pub clock: Arc<PausedClock>,
    /// Kept until the test is over: a directory, a database.
    pub keep: Box<dyn Any + Send + Sync>,
}

const ORG: OrgId = OrgId::LOCAL;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// 2026-01-01T00:00:00Z
const START: Timestamp = Timestamp(1_767_225_600_000);

impl Fixture {
    /// A clock for a fixture, at 2026-01-01T00:00:00Z.
    pub fn clock() -> Arc<PausedClock> {
        Arc::new(PausedClock::at(START))
    }

    /// The store in memory.
    pub fn memory() -> Self {
        let clock = Self::clock();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self { log: store.log(), store, clock, keep: Box::new(()) }
    }

    fn backlog(&self) -> Backlog {
        self.backlog_with(Config::default())
    }

    fn backlog_with(&self, config: Config) -> Backlog {
        Backlog::new(self.store.clone(), config).expect("the configuration is valid")
    }

    /// Lets time pass and does what it demands.
    async fn pass(&self, backlog: &Backlog, span: Duration) {
        self.clock.advance(span);
        Keeper::new(backlog.clone()).sweep().await.expect("the store works");
    }

    async fn events(&self) -> Vec<Arc<Event>> {
        self.log.read(ORG, 0, 100_000).await.expect("the log works")
    }

    /// The names of the events about one task or schedule.
    async fn history(&self, subject: &str) -> Vec<String> {
        let events = self.events().await;
        let about = events.iter().filter(|event| event.subject.as_deref() == Some(subject));
        about.map(|event| event.name.to_string()).collect()
    }
}

fn origin() -> Origin {
    Origin::new(ORG, Actor::User("alice".into()))
}

/// An agent that takes up to 100 tasks.
fn agent(name: &str, capabilities: &[&str]) -> Candidate {
    let capabilities = capabilities.iter().map(|name| name.parse().expect("a capability")).collect();
    Candidate { max_concurrent: 100, ..Candidate::new(name.parse().expect("an agent"), capabilities) }
}

fn coder() -> AgentId {
    "coder".parse().expect("an agent")
}

async fn create(backlog: &Backlog, title: &str) -> Task {
    backlog.create(&origin(), Draft::new(title)).await.expect("a good draft")
}

async fn create_after(backlog: &Backlog, title: &str, on: &[TaskId]) -> Task {
    let depends_on = on.iter().map(|id| (*id).into()).collect();
    backlog.create(&origin(), Draft { depends_on, ..Draft::new(title) }).await.expect("a good draft")
}

/// What the agent `coder`, alone in the world, gets.
async fn claim(backlog: &Backlog, limit: usize) -> Vec<Claim> {
    backlog.claim(&origin(), &coder(), vec![agent("coder", &[])], limit).await.expect("the agent is known")
}

async fn claim_one(backlog: &Backlog) -> Claim {
    claim(backlog, 1).await.pop().expect("something is ready")
}

async fn titles(backlog: &Backlog, limit: usize) -> Vec<String> {
    claim(backlog, limit).await.into_iter().map(|claim| claim.task.title).collect()
}

async fn complete(backlog: &Backlog, claim: &Claim) -> Task {
    backlog.complete(&origin(), Completion::new(claim.task.id, claim.fence)).await.expect("the owner")
}

async fn status(backlog: &Backlog, id: TaskId) -> Status {
    get(backlog, id).await.state.status()
}

async fn get(backlog: &Backlog, id: TaskId) -> Task {
    backlog.get(ORG, id).await.expect("the task exists").0
}

/// Fails a task for good, by its last attempt.
async fn fail_for_good(backlog: &Backlog, title: &str) -> Task {
    let draft = Draft { max_attempts: Some(1), ..Draft::new(title) };
    let task = backlog.create(&origin(), draft).await.expect("a good draft");
    fail_claimed(backlog, task.id).await
}

async fn fail_claimed(backlog: &Backlog, id: TaskId) -> Task {
    let claims = claim(backlog, 100).await;
    let mine = claims.iter().find(|claim| claim.task.id == id).expect("it is ready");
    let failed = backlog.fail(&origin(), id, mine.fence, "no luck").await.expect("the owner");
    for claim in claims.iter().filter(|claim| claim.task.id != id) {
        backlog.release(&origin(), claim.task.id, claim.fence).await.expect("the owner");
    }
    failed
}

#[track_caller]
fn check_not_found<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::NotFound(_))), "{result:?}");
}

/// One test per promise for a backend: `task_store_conformance!(async { Fixture::memory() });`
#[macro_export]
macro_rules! task_store_conformance {
    ($fixture:expr) => {
        $crate::task_store_conformance! { @each $fixture;
            // life
            a_created_task_is_found_with_all_it_says
            creating_again_under_a_key_gives_the_first_task
            a_batch_is_created_in_order_or_not_at_all
            tasks_of_a_batch_depend_on_each_other_by_ref
            a_refused_command_changes_nothing
            every_change_is_in_the_log_in_order
            lists_are_filtered_and_paged
            counts_follow_the_tasks
            an_update_changes_what_it_names
            a_task_is_as_secret_as_what_was_said_about_it
            a_finished_task_keeps_all_but_tags_and_metadata
            a_deleted_task_is_not_found
            finished_tasks_are_removed_when_they_are_old
            a_task_that_is_waited_for_is_not_removed
            // bound
            what_is_created_within_bounds_says_so
            what_is_changed_within_bounds_says_so
            what_is_put_off_or_called_off_stays_as_it_was
            tasks_of_a_schedule_have_its_bounds
            what_the_bounds_forbid_changes_nothing
            // forgetting
            what_finished_tasks_say_of_somebody_is_forgotten
            everything_that_some_tasks_say_is_forgotten
            // orgs
            another_organisations_task_is_unknown
            another_organisation_sees_and_counts_nothing
            a_key_of_another_organisation_is_free
            // claims
            the_more_urgent_is_claimed_first
            what_waited_long_goes_before_what_is_urgent
            only_an_agent_with_every_capability_gets_a_task
            an_agent_never_gets_more_than_its_capacity
            agents_of_a_pool_never_have_more_than_its_bound_together
            of_two_claims_one_wins
            a_batch_is_claimed_and_completed_at_once
            a_stale_owner_changes_nothing
            completing_twice_is_no_error
            a_stale_item_does_not_keep_the_others
            a_task_nobody_claimed_cannot_be_completed
            the_scheduler_gives_tasks_to_agents
            a_refused_dispatch_puts_the_task_back
            an_explanation_names_the_reason
            one_task_is_given_to_the_agent_that_had_begun_it
            // leases
            a_lease_that_ran_out_returns_the_task_under_a_new_fence
            a_heartbeat_renews_the_lease
            a_late_heartbeat_is_good_until_the_task_was_taken_back
            leases_that_run_out_spend_the_attempts
            an_owner_that_may_not_try_again_fails_for_good
            a_failed_attempt_waits_and_avoids_the_agent
            the_last_failed_attempt_is_the_dead_letter
            a_released_task_was_not_tried
            a_released_task_waits_for_the_time_that_was_said
            a_requeued_task_is_no_longer_its_owners
            a_task_waits_for_its_time
            a_passed_deadline_fails_the_task
            waiting_for_approval_holds_no_lease
            a_retried_task_starts_anew
            // edges
            the_last_dependency_unblocks_in_the_same_commit
            of_two_blockers_completing_at_once_the_last_unblocks
            a_dependency_that_is_done_blocks_nothing
            unknown_dependencies_are_refused_by_name
            a_cycle_is_refused_and_shown
            a_cycle_within_a_batch_is_refused
            of_two_opposite_edges_at_once_one_is_refused
            cancelling_cascades_along_the_graph
            each_edge_has_its_policy
            waiting_dependents_go_on_after_a_retry
            dependents_that_were_cancelled_stay_so_after_a_retry
            a_failed_dependency_needs_another_policy
            dependencies_can_be_added_and_taken_away
            deleting_ends_the_waiting
            // keys
            a_concurrency_key_limits_what_may_be_claimed
            a_slot_comes_back_however_the_task_ends
            the_line_of_a_key_is_ordered_like_the_backlog
            slots_are_right_after_many_races
            // schedules
            each_instant_yields_one_task
            two_keepers_yield_one_task_per_instant
            what_was_missed_is_one_recorded_skip
            overlap_skips_queues_replaces_or_allows
            a_resting_schedule_fires_only_when_triggered
            a_schedule_that_cannot_create_records_why
            schedules_are_created_once_changed_and_deleted
        }
    };
    (@each $fixture:expr; $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let fixture: $crate::conformance::Fixture = $fixture.await;
                $crate::conformance::$promise(&fixture).await;
            }
        )*
    };
}
