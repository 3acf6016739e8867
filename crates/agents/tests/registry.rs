//! The registry's promises, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use std::time::Duration;

use fixture::{Fixture, coder, defined, id, set, worker};
use orchestrator_agents::{Changes, Config, Error, Kind, Outcome, Registration, Role, Selection, Status};
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

const DEVELOPER: &str =
    "---\ntype: developer\ntier: 2\ngroups: web\ncapabilities: rust\nmaxInstances: 2\n---\nYou code.\n";

async fn defined_agents_stand_beside_programs_and_workers(fixture: Fixture) {
    let definitions = vec![coder(&["go"]), defined("dev", DEVELOPER)];
    let broken = [(id("bad"), "agents/bad.md:2:1: unknown field".to_owned())].into();
    fixture.registry.reconfigure_with(definitions, broken, Config::default()).unwrap();
    let dev = fixture.registry.get(LOCAL, &id("dev")).await.unwrap();
    assert_eq!(
        (dev.kind, dev.status, dev.role, dev.max_concurrent),
        (Kind::Defined, Status::Ready, Some(Role::Developer), 2)
    );
    assert_eq!(fixture.registry.profile(LOCAL, &id("dev")).unwrap().prompt, "You code.");
    let bad = fixture.registry.get(LOCAL, &id("bad")).await.unwrap();
    assert_eq!((bad.status, bad.works()), (Status::Invalid, false));
    assert!(bad.error.unwrap().starts_with("agents/bad.md:2:1"));
    let refused = fixture.registry.register(LOCAL, worker("bad")).await;
    assert!(matches!(refused, Err(Error::Broken { .. })), "nobody takes the place of a wrong file");
    assert!(matches!(fixture.registry.get(OrgId::new(), &id("bad")).await, Err(Error::NotFound(_))));

    let names = |selection: Selection| {
        let registry = fixture.registry.clone();
        async move {
            let agents = registry.select(LOCAL, &selection, None, 9).await.unwrap();
            agents.into_iter().map(|agent| agent.id.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(Selection::default()).await, ["bad", "coder", "dev"]);
    assert_eq!(names(Selection { role: Some(Role::Developer), ..Selection::default() }).await, ["dev"]);
    assert_eq!(names(Selection { group: Some("web".into()), tier: Some(2), ..Selection::default() }).await, ["dev"]);
    assert_eq!(names(Selection { status: Some(Status::Invalid), ..Selection::default() }).await, ["bad"]);
    assert_eq!(names(Selection { capability: "go".parse().ok(), ..Selection::default() }).await, ["coder"]);
}

async fn a_defined_agent_is_stopped_and_comes_back(fixture: Fixture) {
    fixture.registry.reconfigure(vec![defined("dev", DEVELOPER)], Config::default()).unwrap();
    fixture.registry.unregister(LOCAL, &id("dev"), Actor::system("test"), None).await.unwrap();
    assert_eq!(status_of(&fixture, "dev").await, Status::Disabled);
    let later = fixture.reopened(vec![defined("dev", DEVELOPER)]).await;
    assert_eq!(later.get(LOCAL, &id("dev")).await.unwrap().status, Status::Disabled, "also after a restart");
    fixture.registry.register(LOCAL, worker("dev")).await.unwrap();
    assert_eq!(status_of(&fixture, "dev").await, Status::Ready);
}

async fn one_that_is_not_restarted_stays_away_until_it_is_registered(fixture: Fixture) {
    let once = defined("once", "---\nrestart: never\n---\nHi.\n");
    let config = Config { failures_in_row_max: 2, ..Config::default() };
    fixture.registry.reconfigure(vec![once], config).unwrap();
    for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Succeeded] {
        fixture.registry.record_outcome(LOCAL, &id("once"), outcome);
    }
    fixture.clock.advance(60 * MINUTE);
    fixture.registry.sweep().await.unwrap();
    assert!(!fixture.registry.get(LOCAL, &id("once")).await.unwrap().works());
    fixture.registry.register(LOCAL, worker("once")).await.unwrap();
    assert!(fixture.registry.get(LOCAL, &id("once")).await.unwrap().works());
}

async fn changes_are_told_to_whom_they_concern(fixture: Fixture) {
    let theirs = OrgId::new();
    let changes = Changes { added: vec![id("mine"), id("theirs")], ..Changes::default() };
    let org_of = |agent: &orchestrator_vocab::AgentId| if agent.as_str() == "mine" { LOCAL } else { theirs };
    fixture.registry.announce(&changes, &[], org_of, Actor::system("test")).await.unwrap();
    for (org, expected) in [(LOCAL, "mine"), (theirs, "theirs")] {
        let events = fixture.payloads(org, "agent.definitions").await;
        assert_eq!((events.len(), &events[0]["added"]), (1, &serde_json::json!([expected])));
    }
}

async fn nobody_takes_a_capability_that_the_daemon_gives(fixture: Fixture) {
    for own in ["agent.coder", "type.developer"] {
        let asked = Registration { capabilities: Some(set(&[own])), ..worker("laptop") };
        let refused = fixture.registry.register(LOCAL, asked).await;
        assert!(matches!(refused, Err(Error::Invalid { field: "capabilities", .. })), "{refused:?}");
    }
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
    defined_agents_stand_beside_programs_and_workers,
    a_defined_agent_is_stopped_and_comes_back,
    one_that_is_not_restarted_stays_away_until_it_is_registered,
    changes_are_told_to_whom_they_concern,
    nobody_takes_a_capability_that_the_daemon_gives,
    the_loop_notices_by_itself_and_stops_when_told,
);
