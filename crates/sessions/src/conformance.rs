//! What every [`Store`] promises, one function per promise. Expand them with
//! [`session_store_conformance!`](crate::session_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

use std::sync::Arc;

use orchestrator_events::{Log, NewEvent};
use orchestrator_transcript::{Message, Role, Stop, StopReason, Usage};
use orchestrator_vocab::{Actor, OrgId, SessionId, TaskId, Timestamp};
use serde_json::json;

use crate::{Append, Brief, Entry, Error, Metrics, Numbered, Query, Session, State, Status, Store};

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
            entries_are_numbered_without_gaps_and_read_in_pages,
            steps_that_come_at_once_are_each_written_or_refused,
            entries_survive_as_they_were_written,
            entries_and_events_come_together,
            only_the_holder_writes_under_a_fence,
            what_people_say_is_written_until_the_end,
            what_is_said_twice_under_a_key_is_written_once,
            suspended_sessions_are_found_in_pages,
            a_session_that_was_taken_over_is_not_changed_by_its_old_holder,
            the_open_sessions_of_a_task_are_found,
            a_suspended_session_is_not_left_behind_and_a_reopened_one_is_its_new_nodes,
            a_journal_goes_with_its_session,
            what_an_ended_session_said_is_written_over_in_its_place,
            the_newest_sessions_are_read_in_pages,
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
        ended_at: state.is_ended().then_some(Timestamp(2_000)),
        state,
        orchestrator: Some("team".into()),
        created_by: Actor::User("alice".into()),
        correlation: None,
        runtime: "program".into(),
        is_journaled: false,
        entries: 0,
        turns: 0,
        node: "n1".into(),
        epoch: 5,
        pid: Some(4_242),
        started_at: Timestamp(1_000),
        metrics: Metrics::default(),
        exit: None,
        last_output: Some("hello".into()),
        erased: 0,
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

fn noted(number: u64) -> Entry {
    Entry::Noted { what: format!("step {number}"), facts: json!({ "number": number, "nul": "\0" }), message: None }
}

fn answered() -> Entry {
    Entry::Answered {
        message: Message { role: Role::Assistant, content: vec![], origin: None },
        usage: Usage::default(),
        stop: Stop { reason: StopReason::EndTurn, raw: "end_turn".into() },
        trace: Some("t".into()),
    }
}

fn append(session: &Session, fence: Option<u64>, entries: Vec<Entry>) -> Append {
    Append { org: session.org, session: session.id, fence, at: Timestamp(1_500), entries, key: None, events: vec![] }
}

async fn numbers(store: &dyn Store, session: &Session, after: u64, limit: usize) -> Vec<u64> {
    let entries = store.entries(session.org, session.id, after, limit).await.unwrap();
    entries.iter().map(|entry| entry.number).collect()
}

/// However many come at once.
pub async fn entries_are_numbered_without_gaps_and_read_in_pages(store: &dyn Store, _: &dyn Log) {
    let one = inserted(store, session(LOCAL, State::Running)).await;
    let other = inserted(store, session(LOCAL, State::Running)).await;
    assert_eq!(store.append(append(&one, Some(7), vec![noted(1)])).await.unwrap(), 1);
    assert_eq!(store.append(append(&other, Some(7), vec![noted(1)])).await.unwrap(), 1);
    assert_eq!(store.append(append(&one, Some(7), vec![noted(2), noted(3)])).await.unwrap(), 3);
    let many = futures::future::join_all((0..20).map(|_| store.append(append(&one, None, vec![noted(0), noted(0)]))));
    let mut last: Vec<u64> = many.await.into_iter().map(Result::unwrap).collect();
    last.sort_unstable();
    assert_eq!(last, (0..20).map(|number| 5 + number * 2).collect::<Vec<_>>());
    assert_eq!(numbers(store, &one, 0, 100).await, (1..=43).collect::<Vec<_>>());
    assert_eq!(numbers(store, &one, 1, 2).await, [2, 3]);
    assert_eq!((numbers(store, &one, 43, 2).await, numbers(store, &other, 0, 9).await), (vec![], vec![1]));
    let foreign = Session { org: OrgId::new(), ..one.clone() };
    assert!(numbers(store, &foreign, 0, 9).await.is_empty());
    assert_eq!(store.get(LOCAL, one.id).await.unwrap().unwrap().entries, 43);
}

/// Of several sessions, and of one more than one; whoever is refused is so alone.
pub async fn steps_that_come_at_once_are_each_written_or_refused(store: &dyn Store, _: &dyn Log) {
    let (one, other) = (
        inserted(store, session(LOCAL, State::Running)).await,
        inserted(store, session(OrgId::new(), State::Running)).await,
    );
    let over = inserted(store, ended(session(LOCAL, State::Running), 100)).await;
    let unknown = session(LOCAL, State::Running);
    let steps = (0..12).flat_map(|number| {
        let more = vec![noted(number), noted(number)];
        [
            append(&one, Some(7), vec![noted(number)]),
            append(&other, Some(7), more.clone()),
            append(&one, Some(6), more.clone()),
            append(&over, Some(7), more.clone()),
            append(&unknown, Some(7), more),
        ]
    });
    let answers = futures::future::join_all(steps.map(|step| store.append(step))).await;
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    for (place, answer) in answers.into_iter().enumerate() {
        match (place % 5, answer) {
            (0, Ok(number)) => of_one.push(number),
            (1, Ok(number)) => of_other.push(number),
            (2, Err(Error::Stale(id))) => assert_eq!(id, one.id),
            (3, Err(Error::Ended(id))) => assert_eq!(id, over.id),
            (4, Err(Error::NotFound(id))) => assert_eq!(id, unknown.id),
            (_, answer) => panic!("step {place}: {answer:?}"),
        }
    }
    of_one.sort_unstable();
    of_other.sort_unstable();
    assert_eq!(of_one, (1..=12).collect::<Vec<_>>());
    assert_eq!(of_other, (1..=12).map(|step| step * 2).collect::<Vec<_>>());
    assert_eq!(numbers(store, &one, 0, 100).await, of_one);
    assert_eq!(numbers(store, &other, 0, 100).await, (1..=24).collect::<Vec<_>>());
    for written in store.entries(other.org, other.id, 0, 100).await.unwrap().chunks(2) {
        assert_eq!(written[0].entry, written[1].entry, "those of a step stay together");
    }
}

/// Every field, and the model's answers are counted; a change of the session does not touch that.
pub async fn entries_survive_as_they_were_written(store: &dyn Store, _: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    let entries = vec![noted(1), answered()];
    store.append(append(&running, Some(7), entries.clone())).await.unwrap();
    let read = store.entries(LOCAL, running.id, 0, 10).await.unwrap();
    assert_eq!(read.iter().map(|one| one.entry.clone()).collect::<Vec<_>>(), entries);
    assert!(read.iter().all(|one| one.at == Timestamp(1_500)));
    store.update(running.clone(), vec![]).await.unwrap();
    let stored = store.get(LOCAL, running.id).await.unwrap().unwrap();
    assert_eq!((stored.entries, stored.turns), (2, 1));
    assert_eq!(Session { entries: 0, turns: 0, ..stored }, running);
}

/// What is refused tells nobody.
pub async fn entries_and_events_come_together(store: &dyn Store, log: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    let events = |name| vec![event(&running, name)];
    store.append(Append { events: events("session.input"), ..append(&running, None, vec![noted(1)]) }).await.unwrap();
    let stale = Append { events: events("session.stale"), ..append(&running, Some(8), vec![noted(2)]) };
    assert!(matches!(store.append(stale).await, Err(Error::Stale(id)) if id == running.id));
    assert_eq!(names(log, LOCAL).await, ["session.input"]);
    assert_eq!(numbers(store, &running, 0, 9).await, [1]);
}

/// And only while it is active.
pub async fn only_the_holder_writes_under_a_fence(store: &dyn Store, _: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    for fence in [6, 8] {
        assert!(matches!(store.append(append(&running, Some(fence), vec![noted(1)])).await, Err(Error::Stale(_))));
    }
    let state = State::Suspended { reason: "r".into(), waiting: false };
    store.update(Session { state, ..running.clone() }, vec![]).await.unwrap();
    assert!(matches!(store.append(append(&running, Some(7), vec![noted(1)])).await, Err(Error::Stale(_))));
    store.update(ended(running.clone(), 2_000), vec![]).await.unwrap();
    assert!(matches!(store.append(append(&running, Some(7), vec![noted(1)])).await, Err(Error::Ended(_))));
    let unknown = session(LOCAL, State::Running);
    assert!(matches!(store.append(append(&unknown, Some(7), vec![noted(1)])).await, Err(Error::NotFound(_))));
    assert!(numbers(store, &running, 0, 9).await.is_empty());
}

/// Also while nobody works in it.
pub async fn what_people_say_is_written_until_the_end(store: &dyn Store, _: &dyn Log) {
    let state = State::Suspended { reason: "r".into(), waiting: true };
    let suspended = inserted(store, session(LOCAL, state)).await;
    assert_eq!(store.append(append(&suspended, None, vec![noted(1)])).await.unwrap(), 1);
    store.update(ended(suspended.clone(), 2_000), vec![]).await.unwrap();
    assert!(matches!(store.append(append(&suspended, None, vec![noted(2)])).await, Err(Error::Ended(_))));
}

/// In its session; also after the end it is known what became of it.
pub async fn what_is_said_twice_under_a_key_is_written_once(store: &dyn Store, log: &dyn Log) {
    let (one, other) = (session(LOCAL, State::Running), session(LOCAL, State::Running));
    for session in [&one, &other] {
        inserted(store, session.clone()).await;
    }
    let said = |session: &Session, key: &str| Append {
        key: Some(key.to_owned()),
        events: vec![event(session, "session.input")],
        ..append(session, None, vec![noted(1)])
    };
    assert_eq!(store.append(said(&one, "a")).await.unwrap(), 1);
    assert_eq!(store.append(said(&one, "b")).await.unwrap(), 2);
    assert_eq!(store.append(said(&one, "a")).await.unwrap(), 1);
    assert_eq!(store.append(said(&other, "a")).await.unwrap(), 1);
    store.update(ended(one.clone(), 2_000), vec![]).await.unwrap();
    assert_eq!(store.append(said(&one, "b")).await.unwrap(), 2);
    assert_eq!((numbers(store, &one, 0, 9).await, names(log, LOCAL).await.len()), (vec![1, 2], 3));
}

/// Of every organisation and node, whether a person is needed or not.
pub async fn suspended_sessions_are_found_in_pages(store: &dyn Store, _: &dyn Log) {
    let state = |waiting| State::Suspended { reason: "r".into(), waiting };
    let mut ids = Vec::new();
    for (org, waiting) in [(LOCAL, false), (OrgId::new(), true), (LOCAL, true)] {
        ids.push(inserted(store, session(org, state(waiting))).await.id);
    }
    inserted(store, session(LOCAL, State::Running)).await;
    let found = |page: Vec<Session>| page.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(found(store.suspended(None, 2).await.unwrap()), ids[..2]);
    assert_eq!(found(store.suspended(Some(ids[1]), 2).await.unwrap()), ids[2..]);
    assert!(store.suspended(Some(ids[2]), 2).await.unwrap().is_empty());
}

/// The old holder learns it by being refused.
pub async fn a_session_that_was_taken_over_is_not_changed_by_its_old_holder(store: &dyn Store, log: &dyn Log) {
    let old = inserted(store, session(LOCAL, State::Running)).await;
    let new = Session { fence: 9, node: "n2".into(), epoch: 1, state: State::Initializing, ..old.clone() };
    store.update(new.clone(), vec![]).await.unwrap();
    for late in [old.clone(), ended(old.clone(), 2_000)] {
        let refused = store.update(late.clone(), vec![event(&late, "session.status")]).await;
        assert!(matches!(refused, Err(Error::Stale(id)) if id == old.id));
    }
    assert!(matches!(store.append(append(&old, Some(7), vec![noted(1)])).await, Err(Error::Stale(_))));
    assert_eq!(store.append(append(&old, Some(9), vec![noted(1)])).await.unwrap(), 1);
    let stored = store.get(LOCAL, old.id).await.unwrap().unwrap();
    assert_eq!(Session { entries: 0, ..stored }, new);
    assert!(names(log, LOCAL).await.is_empty());
}

/// Whoever runs them.
pub async fn the_open_sessions_of_a_task_are_found(store: &dyn Store, _: &dyn Log) {
    let running = inserted(store, session(LOCAL, State::Running)).await;
    let state = State::Suspended { reason: "r".into(), waiting: false };
    let suspended = inserted(store, Session { task: running.task, node: "n2".into(), ..session(LOCAL, state) }).await;
    inserted(store, Session { task: running.task, ..session(LOCAL, State::Completed) }).await;
    inserted(store, Session { task: running.task, ..session(OrgId::new(), State::Running) }).await;
    inserted(store, session(LOCAL, State::Running)).await;
    let open = store.open_of_task(LOCAL, running.task).await.unwrap();
    assert_eq!(open, [running, suspended]);
    assert!(store.open_of_task(LOCAL, TaskId::new()).await.unwrap().is_empty());
}

/// Nobody recovers what nobody was working in.
pub async fn a_suspended_session_is_not_left_behind_and_a_reopened_one_is_its_new_nodes(
    store: &dyn Store,
    _: &dyn Log,
) {
    let state = State::Suspended { reason: "r".into(), waiting: false };
    let suspended = inserted(store, session(LOCAL, state)).await;
    assert!(store.left_behind("n1", 6, 10).await.unwrap().is_empty());
    let counts = store.counts(LOCAL).await.unwrap();
    assert_eq!(counts, [(Status::Suspended, 1)].into());
    let reopened = Session { fence: 9, node: "n2".into(), epoch: 1, state: State::Initializing, ..suspended };
    store.update(reopened.clone(), vec![]).await.unwrap();
    assert!(store.left_behind("n1", 99, 10).await.unwrap().is_empty());
    assert_eq!(store.left_behind("n2", 2, 10).await.unwrap(), [reopened]);
}

/// Of those that stay nothing is lost.
pub async fn a_journal_goes_with_its_session(store: &dyn Store, _: &dyn Log) {
    let old = inserted(store, session(LOCAL, State::Running)).await;
    let young = inserted(store, session(LOCAL, State::Running)).await;
    for one in [&old, &young] {
        store.append(append(one, Some(7), vec![noted(1), noted(2)])).await.unwrap();
    }
    store.update(ended(old.clone(), 100), vec![]).await.unwrap();
    assert_eq!(store.trim(Timestamp(200), 10).await.unwrap(), 1);
    assert!(numbers(store, &old, 0, 9).await.is_empty());
    assert_eq!(numbers(store, &young, 0, 9).await, [1, 2]);
}

/// Its numbers, times and counts stay, and nobody else's words are touched.
pub async fn what_an_ended_session_said_is_written_over_in_its_place(store: &dyn Store, _: &dyn Log) {
    let (one, other) = (inserted(store, session(LOCAL, State::Running)).await, session(LOCAL, State::Running));
    let other = inserted(store, other).await;
    for session in [&one, &other] {
        store.append(append(session, Some(7), vec![noted(1), noted(2)])).await.unwrap();
        let said = Append { key: Some("k".into()), ..append(session, None, vec![noted(3)]) };
        store.append(said).await.unwrap();
    }
    let written = Numbered { number: 2, at: Timestamp(0), entry: noted(9) };
    let early = store.rewrite(one.clone(), vec![written.clone()]).await.unwrap();
    assert!(!early, "it goes on");
    let mut over = ended(one, 100);
    store.update(over.clone(), vec![]).await.unwrap();
    let before = store.entries(LOCAL, over.id, 0, 9).await.unwrap();
    over.erased = 1;
    over.last_output = Some("[erased]".into());
    assert!(store.rewrite(over.clone(), vec![written]).await.unwrap());
    let mut expected = before;
    expected[1].entry = noted(9);
    assert_eq!(store.entries(LOCAL, over.id, 0, 9).await.unwrap(), expected);
    let kept = store.get(LOCAL, over.id).await.unwrap().unwrap();
    assert_eq!((kept.entries, kept.erased, kept.last_output), (3, 1, Some("[erased]".into())));
    assert!(store.keys(LOCAL, over.id).await.unwrap().is_empty());
    assert_eq!(store.keys(LOCAL, other.id).await.unwrap(), ["k"]);
    assert_eq!(store.entries(LOCAL, other.id, 1, 1).await.unwrap()[0].entry, noted(2));
    let foreign = Session { org: OrgId::new(), ..over };
    assert!(!store.rewrite(foreign, vec![]).await.unwrap());
}

/// Those of one organisation, until there are no more.
pub async fn the_newest_sessions_are_read_in_pages(store: &dyn Store, _: &dyn Log) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(inserted(store, session(LOCAL, State::Running)).await.id);
        inserted(store, session(OrgId::new(), State::Running)).await;
    }
    ids.reverse();
    let page = |before| async move {
        let page = store.newest(LOCAL, before, 2).await.unwrap();
        page.iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, ids[..2]);
    assert_eq!(page(Some(ids[1])).await, ids[2..]);
    assert!(page(Some(ids[2])).await.is_empty());
}
