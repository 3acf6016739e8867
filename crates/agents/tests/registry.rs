//! The registry's promises, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use std::time::Duration;

use fixture::{Fixture, coder, id, set, worker};
use orchestrator_agents::{Error, Outcome, Registration, Status};
use orchestrator_vocab::{Actor, OrgId};
use tokio_util::sync::CancellationToken;

const LOCAL: OrgId = OrgId::LOCAL;
const MINUTE: Duration = Duration::from_secs(60);

async fn status_of(fixture: &Fixture, name: &str) -> Status {
    fixture.registry.get(LOCAL, &id(name)).await.unwrap().status
}

async fn programs_are_there_and_workers_come(fixture: Fixture) {
    let changed = fixture.registry.changed();
    let asked = Registration { capabilities: Some(set(&["docs"])), max_concurrent: Some(4), ..worker("laptop") };
    let agent = fixture.registry.register(LOCAL, asked.clone()).await.unwrap();
    assert!(changed.has_changed().unwrap());
    assert_eq!((agent.capabilities.clone(), agent.max_concurrent), (set(&["docs"]), 4));
    assert_eq!(fixture.registry.get(LOCAL, &id("laptop")).await.unwrap(), agent);
    fixture.registry.register(LOCAL, asked).await.unwrap();
    assert_eq!(fixture.events(LOCAL).await, ["agent.registered laptop"], "saying it twice is no news");

    let names = |after: Option<&'static str>, limit| {
        let registry = fixture.registry.clone();
        async move {
            let after = after.map(id);
            let agents = registry.list(LOCAL, after.as_ref(), limit).await.unwrap();
            agents.into_iter().map(|agent| agent.id.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(None, 9).await, ["coder", "laptop"]);
    assert_eq!(names(None, 1).await, ["coder"]);
    assert_eq!(names(Some("coder"), 9).await, ["laptop"]);
}

async fn a_foreign_agent_is_unknown(fixture: Fixture) {
    let other = OrgId::new();
    fixture.registry.register(other, worker("theirs")).await.unwrap();
    let theirs = id("theirs");
    assert!(matches!(fixture.registry.get(LOCAL, &theirs).await, Err(Error::NotFound(_))));
    assert!(matches!(fixture.registry.touch(LOCAL, &theirs).await, Err(Error::NotFound(_))));
    let unregistered = fixture.registry.unregister(LOCAL, &theirs, Actor::system("test"), None).await;
    assert!(matches!(unregistered, Err(Error::NotFound(_))));
    assert!(fixture.registry.get(other, &id("coder")).await.is_err());
    assert_eq!(fixture.registry.candidates(other).await.unwrap().len(), 1);
    assert_eq!(fixture.registry.orgs().await.unwrap(), [LOCAL, other]);
}

async fn a_silent_worker_is_lost_and_comes_back(fixture: Fixture) {
    fixture.registry.register(LOCAL, worker("laptop")).await.unwrap();
    fixture.clock.advance(MINUTE / 2);
    fixture.registry.touch(LOCAL, &id("laptop")).await.unwrap();
    fixture.clock.advance(MINUTE / 2 + Duration::from_secs(1));
    fixture.registry.sweep().await.unwrap();
    assert_eq!(status_of(&fixture, "laptop").await, Status::Ready);

    fixture.clock.advance(MINUTE / 2);
    let changed = fixture.registry.changed();
    fixture.registry.sweep().await.unwrap();
    assert!(changed.has_changed().unwrap());
    assert_eq!(status_of(&fixture, "laptop").await, Status::Lost);
    assert_eq!(status_of(&fixture, "coder").await, Status::Ready, "a program is not expected to say anything");

    fixture.registry.touch(LOCAL, &id("laptop")).await.unwrap();
    assert_eq!(status_of(&fixture, "laptop").await, Status::Ready);
    let expected = ["agent.registered laptop", "agent.lost laptop", "agent.registered laptop"];
    assert_eq!(fixture.events(LOCAL).await, expected);
}

async fn a_worker_lost_for_days_is_forgotten(fixture: Fixture) {
    fixture.registry.register(LOCAL, worker("laptop")).await.unwrap();
    for _ in 0..2 {
        fixture.clock.advance(Duration::from_secs(8 * 24 * 60 * 60));
        fixture.registry.sweep().await.unwrap();
    }
    assert!(fixture.registry.get(LOCAL, &id("laptop")).await.is_err());
    assert_eq!(fixture.events(LOCAL).await.last().unwrap(), "agent.unregistered laptop");
}

async fn a_program_can_be_disabled_and_narrowed_but_not_widened(fixture: Fixture) {
    let registry = &fixture.registry;
    registry.unregister(LOCAL, &id("coder"), Actor::system("test"), None).await.unwrap();
    registry.unregister(LOCAL, &id("coder"), Actor::system("test"), None).await.unwrap();
    assert_eq!(status_of(&fixture, "coder").await, Status::Disabled);
    assert!(!registry.get(LOCAL, &id("coder")).await.unwrap().works());

    let narrowed = Registration { capabilities: Some(set(&["rust"])), max_concurrent: Some(1), ..worker("coder") };
    let agent = registry.register(LOCAL, narrowed).await.unwrap();
    assert_eq!((agent.status, agent.capabilities, agent.max_concurrent), (Status::Ready, set(&["rust"]), 1));
    let widened = Registration { capabilities: Some(set(&["root"])), ..worker("coder") };
    assert!(matches!(registry.register(LOCAL, widened).await, Err(Error::Invalid { field: "capabilities", .. })));
    assert_eq!(fixture.events(LOCAL).await, ["agent.unregistered coder", "agent.registered coder"]);

    let later = fixture.reopened(vec![coder(&["go"])]).await;
    let agent = later.get(LOCAL, &id("coder")).await.unwrap();
    assert!(agent.capabilities.is_empty(), "what was narrowed stays within the configuration of today: {agent:?}");
    let without = fixture.reopened(vec![]).await;
    assert!(without.candidates(LOCAL).await.unwrap().is_empty());
}

async fn an_organisation_has_a_bounded_number_of_workers(fixture: Fixture) {
    for name in ["a", "b", "c"] {
        fixture.registry.register(LOCAL, worker(name)).await.unwrap();
    }
    let refused = fixture.registry.register(LOCAL, worker("d")).await;
    assert!(matches!(refused, Err(Error::TooMany { max: 3 })));
    fixture.registry.register(LOCAL, worker("a")).await.unwrap();
    fixture.registry.register(OrgId::new(), worker("d")).await.unwrap();
    fixture.registry.unregister(LOCAL, &id("a"), Actor::system("test"), None).await.unwrap();
    fixture.registry.register(LOCAL, worker("d")).await.unwrap();
}

async fn an_agent_that_keeps_failing_gets_nothing_for_a_while(fixture: Fixture) {
    let coder = id("coder");
    let mut changed = fixture.registry.changed();
    fixture.registry.record_outcome(LOCAL, &coder, Outcome::Failed);
    assert!(!changed.has_changed().unwrap());
    fixture.registry.record_outcome(LOCAL, &coder, Outcome::Failed);
    assert!(changed.has_changed().unwrap());
    let agent = fixture.registry.get(LOCAL, &coder).await.unwrap();
    assert_eq!((agent.works(), agent.recent_failures), (false, 2));

    changed.mark_unchanged();
    fixture.clock.advance(MINUTE + Duration::from_secs(1));
    fixture.registry.sweep().await.unwrap();
    assert!(changed.has_changed().unwrap(), "its time to be tried again is news");
    assert!(fixture.registry.get(LOCAL, &coder).await.unwrap().works());
}

async fn the_loop_notices_by_itself_and_stops_when_told(fixture: Fixture) {
    fixture.registry.register(LOCAL, worker("laptop")).await.unwrap();
    fixture.clock.advance(2 * MINUTE);
    let mut changed = fixture.registry.changed();
    let stop = CancellationToken::new();
    let (ran, ()) = tokio::join!(fixture.registry.run(stop.clone()), async {
        changed.changed().await.unwrap();
        stop.cancel();
    });
    ran.unwrap();
    assert_eq!(status_of(&fixture, "laptop").await, Status::Lost);
}

macro_rules! on_every_backend {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Fixture::on(orchestrator_sql::Backend::Sqlite).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Fixture::on(orchestrator_sql::Backend::Postgres).await).await;
            })*
        }
    };
}

on_every_backend!(
    programs_are_there_and_workers_come,
    a_foreign_agent_is_unknown,
    a_silent_worker_is_lost_and_comes_back,
    a_worker_lost_for_days_is_forgotten,
    a_program_can_be_disabled_and_narrowed_but_not_widened,
    an_organisation_has_a_bounded_number_of_workers,
    an_agent_that_keeps_failing_gets_nothing_for_a_while,
    the_loop_notices_by_itself_and_stops_when_told,
);
