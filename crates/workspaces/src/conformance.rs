//! What every [`Store`] promises, one function per promise. Expand them with
//! [`workspace_store_conformance!`](crate::workspace_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{Actor, OrgId, SessionId, Timestamp};

use crate::{Error, Mode, Query, Status, Store, Workspace, event};

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
macro_rules! workspace_store_conformance {
    ($subject:expr) => {
        $crate::workspace_store_conformance!(@each $subject =>
            a_workspace_is_found_as_it_was_stored,
            a_session_has_one_workspace,
            a_change_that_comes_too_late_changes_nothing_and_tells_nobody,
            another_organisations_workspace_is_unknown,
            lists_are_newest_first_in_pages,
            open_ones_of_a_node_are_found_in_pages,
            closed_ones_are_trimmed_and_open_ones_stay,
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

fn workspace(org: OrgId, status: Status) -> Workspace {
    Workspace {
        org,
        session: SessionId::new(),
        node: "n1".into(),
        status,
        mode: Mode::Worktree,
        source: Some("main".parse().unwrap()),
        origin: Some("/somewhere".into()),
        path: "/elsewhere".into(),
        base: Some("abc".into()),
        branch: Some("orchestrator/x".into()),
        notes: vec!["a note".into()],
        created_at: Timestamp(1_000),
        ended_at: None,
        changed: None,
        closed_at: (!status.is_open()).then_some(Timestamp(2_000)),
        commit: None,
    }
}

async fn inserted(store: &dyn Store, workspace: Workspace) -> Workspace {
    store.insert(workspace).await.unwrap()
}

fn told(workspace: &Workspace) -> Vec<orchestrator_events::NewEvent> {
    vec![event::of(workspace, "workspace.created", Timestamp(1_000), Actor::system("test"))]
}

/// Every field survives.
pub async fn a_workspace_is_found_as_it_was_stored(store: &dyn Store, log: &dyn Log) {
    let made = inserted(store, workspace(LOCAL, Status::Preparing)).await;
    assert_eq!(store.get(LOCAL, made.session).await.unwrap(), Some(made.clone()));
    let ready = Workspace { status: Status::Ready, changed: Some(true), ended_at: Some(Timestamp(5)), ..made };
    store.update(ready.clone(), Status::Preparing, told(&ready)).await.unwrap();
    assert_eq!(store.get(LOCAL, ready.session).await.unwrap(), Some(ready));
    assert_eq!(store.get(LOCAL, SessionId::new()).await.unwrap(), None);
    assert_eq!(log.read(LOCAL, 0, 10).await.unwrap().len(), 1);
}

/// Whoever comes second gets what the first has made.
pub async fn a_session_has_one_workspace(store: &dyn Store, _: &dyn Log) {
    let first = inserted(store, workspace(LOCAL, Status::Preparing)).await;
    let second = Workspace { path: "/another".into(), node: "n2".into(), ..first.clone() };
    assert_eq!(inserted(store, second).await, first);
}

/// Nor is a workspace invented by a change.
pub async fn a_change_that_comes_too_late_changes_nothing_and_tells_nobody(store: &dyn Store, log: &dyn Log) {
    let ready = inserted(store, workspace(LOCAL, Status::Ready)).await;
    let late = Workspace { status: Status::Merged, ..ready.clone() };
    let refused = store.update(late.clone(), Status::Preparing, told(&late)).await;
    assert!(matches!(refused, Err(Error::Raced(session)) if session == ready.session));
    let unknown = workspace(LOCAL, Status::Ready);
    let refused = store.update(unknown.clone(), Status::Ready, told(&unknown)).await;
    assert!(matches!(refused, Err(Error::NotFound(session)) if session == unknown.session));
    assert_eq!(store.get(LOCAL, ready.session).await.unwrap(), Some(ready));
    assert!(log.read(LOCAL, 0, 10).await.unwrap().is_empty());
}

/// A foreign id answers like an unknown one.
pub async fn another_organisations_workspace_is_unknown(store: &dyn Store, _: &dyn Log) {
    let theirs = inserted(store, workspace(OrgId::new(), Status::Ready)).await;
    assert_eq!(store.get(LOCAL, theirs.session).await.unwrap(), None);
    let stolen = Workspace { org: LOCAL, ..theirs };
    assert!(matches!(store.update(stolen, Status::Ready, vec![]).await, Err(Error::NotFound(_))));
    assert!(store.list(LOCAL, Query { before: None, limit: 10 }).await.unwrap().is_empty());
}

/// The next page begins after the last of the one before.
pub async fn lists_are_newest_first_in_pages(store: &dyn Store, _: &dyn Log) {
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(inserted(store, workspace(LOCAL, Status::Ready)).await.session);
    }
    sessions.sort();
    sessions.reverse();
    let page = |before, limit| async move {
        let page = store.list(LOCAL, Query { before, limit }).await.unwrap();
        page.into_iter().map(|one| one.session).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 10).await, sessions);
    assert_eq!(page(None, 2).await, sessions[..2]);
    assert_eq!(page(Some(sessions[1]), 2).await, sessions[2..4]);
    assert!(page(Some(sessions[4]), 2).await.is_empty());
}

/// Of every organisation.
pub async fn open_ones_of_a_node_are_found_in_pages(store: &dyn Store, _: &dyn Log) {
    let mut expected = Vec::new();
    for (org, status) in [(LOCAL, Status::Ready), (OrgId::new(), Status::Preparing), (LOCAL, Status::Ready)] {
        let one = inserted(store, workspace(org, status)).await;
        expected.push((one.org, one.session));
    }
    inserted(store, workspace(LOCAL, Status::Merged)).await;
    inserted(store, Workspace { node: "n2".into(), ..workspace(LOCAL, Status::Ready) }).await;
    expected.sort();
    let mut found = Vec::new();
    while let Some(one) = store.open_on("n1", found.last().copied(), 1).await.unwrap().pop() {
        found.push((one.org, one.session));
    }
    assert_eq!(found, expected);
}

/// At most as many as asked.
pub async fn closed_ones_are_trimmed_and_open_ones_stay(store: &dyn Store, _: &dyn Log) {
    let open = inserted(store, workspace(LOCAL, Status::Ready)).await;
    for at in [100, 200, 300, 400] {
        inserted(store, Workspace { closed_at: Some(Timestamp(at)), ..workspace(LOCAL, Status::Merged) }).await;
    }
    assert_eq!(store.trim(Timestamp(400), 2).await.unwrap(), 2);
    assert_eq!(store.trim(Timestamp(400), 10).await.unwrap(), 1);
    let left = store.list(LOCAL, Query { before: None, limit: 10 }).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(|one| one.session == open.session));
}
