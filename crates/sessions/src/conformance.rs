//! What every [`Store`] promises, one function per promise. Expand them with
//! [`session_store_conformance!`](crate::session_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

use std::sync::Arc;

use orchestrator_events::{Log, NewEvent};
use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId, Timestamp};
use serde_json::json;

use crate::{Brief, Error, Metrics, Query, Session, State, Status, Store};

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
macro_rules! session_store_conformance {
    ($subject:expr) => {
        $crate::session_store_conformance!(@each $subject =>
            a_session_is_found_as_it_was_stored,
            a_change_and_its_events_come_together,
            an_ended_session_never_changes,
            another_organisations_session_is_unknown,
            lists_are_newest_first_in_pages,
            sessions_are_counted_by_status,
            active_sessions_of_earlier_starts_are_left_behind,
            old_sessions_are_trimmed_and_active_ones_stay,
        );
    };
    (@each $subject:expr => $($promise:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let subject = $subject.await;
            $crate::conformance::$promise(&*subject.store, &*subject.log).await;
        })*
    };
}

const LOCAL: OrgId = OrgId::LOCAL;

fn session(org: OrgId, state: State) -> Session {
    Session {
        id: SessionId::new(),
        org,
        agent: "coder".parse().unwrap(),
        task: TaskId::new(),
        fence: 7,
        brief: Brief { kind: "general".into(), description: "do \"it\" — now".into(), priority: "medium".into() },
        ended_at: (!state.is_active()).then_some(Timestamp(2_000)),
        state,
        orchestrator: Some("team".into()),
        created_by: Actor::User("alice".into()),
        correlation: None,
        node: "n1".into(),
        epoch: 5,
        pid: Some(4_242),
        started_at: Timestamp(1_000),
        metrics: Metrics::default(),
        exit: None,
        last_output: Some("hello".into()),
    }
}

fn ended(mut session: Session, at: i64) -> Session {
    session.state = State::Completed;
    session.ended_at = Some(Timestamp(at));
    session
}

fn event(session: &Session, name: &'static str) -> NewEvent {
    let payload = json!({ "sessionId": session.id });
    NewEvent::new(session.org, name, Timestamp(1_000), Actor::system("test"), payload)
}

async fn inserted(store: &dyn Store, session: Session) -> Session {
    store.insert(session.clone(), vec![]).await.unwrap();
    session
}

async fn names(log: &dyn Log, org: OrgId) -> Vec<String> {
    log.read(org, 0, 100).await.unwrap().iter().map(|event| event.name.to_string()).collect()
}

/// Every field survives.
pub async fn a_session_is_found_as_it_was_stored(store: &dyn Store, _: &dyn Log) {
    let paused = inserted(store, session(LOCAL, State::Paused { reason: Some("lunch".into()) })).await;
    assert_eq!(store.get(LOCAL, paused.id).await.unwrap(), Some(paused.clone()));
    let done = ended(paused, 3_000);
    store.update(done.clone(), vec![]).await.unwrap();
    assert_eq!(store.get(LOCAL, done.id).await.unwrap(), Some(done));
    assert_eq!(store.get(LOCAL, SessionId::new()).await.unwrap(), None);
}

/// What is refused tells nobody.
pub async fn a_change_and_its_events_come_together(store: &dyn Store, log: &dyn Log) {
    let running = session(LOCAL, State::Running);
    let unknown = store.update(running.clone(), vec![event(&running, "session.status")]).await;
    assert!(matches!(unknown, Err(Error::NotFound(id)) if id == running.id));
    store.insert(running.clone(), vec![event(&running, "session.created")]).await.unwrap();
    store.update(ended(running.clone(), 2_000), vec![event(&running, "session.stopped")]).await.unwrap();
    assert_eq!(names(log, LOCAL).await, ["session.created", "session.stopped"]);
}

/// An end is final, whoever comes later.
pub async fn an_ended_session_never_changes(store: &dyn Store, log: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    let done = ended(running.clone(), 2_000);
    store.update(done.clone(), vec![]).await.unwrap();
    for late in [running, ended(done.clone(), 9_000)] {
        let refused = store.update(late.clone(), vec![event(&late, "session.status")]).await;
        assert!(matches!(refused, Err(Error::Ended(id)) if id == done.id));
    }
    assert_eq!(store.get(LOCAL, done.id).await.unwrap(), Some(done));
    assert!(names(log, LOCAL).await.is_empty());
}

/// A foreign id answers like an unknown one.
pub async fn another_organisations_session_is_unknown(store: &dyn Store, _: &dyn Log) {
    let theirs = inserted(store, session(OrgId::new(), State::Running)).await;
    assert_eq!(store.get(LOCAL, theirs.id).await.unwrap(), None);
    let stolen = Session { org: LOCAL, ..theirs };
    assert!(matches!(store.update(stolen, vec![]).await, Err(Error::NotFound(_))));
    let query = Query { limit: 10, ..Query::default() };
    assert_eq!(store.list(LOCAL, query).await.unwrap().total, 0);
    assert!(store.counts(LOCAL).await.unwrap().is_empty());
}

/// By offset and limit, and by status; the total knows neither.
pub async fn lists_are_newest_first_in_pages(store: &dyn Store, _: &dyn Log) {
    let mut ids = Vec::new();
    for number in 0..5 {
        let state = if number % 2 == 0 { State::Running } else { State::Completed };
        ids.push(inserted(store, session(LOCAL, state)).await.id);
    }
    ids.reverse();
    for (offset, limit, expected) in [(0, 10, &ids[..]), (0, 2, &ids[..2]), (2, 2, &ids[2..4]), (5, 2, &[])] {
        let listing = store.list(LOCAL, Query { status: None, limit, offset }).await.unwrap();
        assert_eq!(listing.sessions.iter().map(|one| one.id).collect::<Vec<_>>(), expected);
        assert_eq!(listing.total, 5);
    }
    let query = Query { status: Some(Status::Running), limit: 1, offset: 1 };
    let running = store.list(LOCAL, query).await.unwrap();
    assert_eq!((running.total, running.sessions[0].id), (3, ids[2]));
}

/// Statuses that do not occur are left out.
pub async fn sessions_are_counted_by_status(store: &dyn Store, _: &dyn Log) {
    for state in [State::Running, State::Running, State::Failed { error: "e".into() }] {
        inserted(store, session(LOCAL, state)).await;
    }
    let counts = store.counts(LOCAL).await.unwrap();
    assert_eq!(counts, [(Status::Running, 2), (Status::Failed, 1)].into());
}

/// Those of this node, of every organisation, that nobody runs any more.
pub async fn active_sessions_of_earlier_starts_are_left_behind(store: &dyn Store, _: &dyn Log) {
    let local = inserted(store, session(LOCAL, State::Running)).await;
    let foreign = inserted(store, session(OrgId::new(), State::Initializing)).await;
    inserted(store, session(LOCAL, State::Completed)).await;
    inserted(store, Session { node: "n2".into(), ..session(LOCAL, State::Running) }).await;
    inserted(store, Session { epoch: 6, ..session(LOCAL, State::Running) }).await;
    let mut left: Vec<_> = store.left_behind("n1", 6, 10).await.unwrap().into_iter().map(|one| one.id).collect();
    left.sort();
    assert_eq!(left, [local.id, foreign.id]);
    assert_eq!(store.left_behind("n1", 6, 1).await.unwrap().len(), 1);
    assert!(store.left_behind("n1", 5, 10).await.unwrap().is_empty());
}

/// At most as many as asked.
pub async fn old_sessions_are_trimmed_and_active_ones_stay(store: &dyn Store, _: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    for at in [100, 200, 300, 400] {
        inserted(store, ended(session(LOCAL, State::Running), at)).await;
    }
    assert_eq!(store.trim(Timestamp(400), 2).await.unwrap(), 2);
    assert_eq!(store.trim(Timestamp(400), 10).await.unwrap(), 1);
    let left = store.list(LOCAL, Query { limit: 10, ..Query::default() }).await.unwrap();
    assert_eq!(left.total, 2);
    assert!(left.sessions.iter().any(|one| one.id == running.id));
}
