//! What approvals promise, on each database.

use orchestrator_redact::{ERASED, Forget, Forgotten};
use orchestrator_security::{
    ApprovalError, ApprovalQuery, ApprovalStatus, ApprovalsConfig, Asked, Ruling, Which, Word,
};
use orchestrator_sql::Backend;
use orchestrator_transcript::Digest;
use orchestrator_vocab::{OrgId, SessionId};

use crate::stage::{Stage, digest, wanted};

fn says(word: Word, who: &str) -> Ruling {
    Ruling { word, by: format!("user:{who}").parse().unwrap(), note: None, digest: None }
}

async fn it_is_asked_once_answered_once_and_used_once(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let (approvals, session) = (&stage.approvals, SessionId::new());
    let (asked, first) = approvals.ask(wanted(session, "1.0")).await.unwrap();
    let (again, second) = approvals.ask(wanted(session, "1.0")).await.unwrap();
    assert_eq!((first, second, &asked), (Asked::Now, Asked::Before, &again));
    assert!(matches!(approvals.take(&asked, asked.digest).await, Err(ApprovalError::Over { .. })));

    let approved = approvals.rule(OrgId::LOCAL, asked.id, says(Word::Approve, "bob")).await.unwrap();
    assert_eq!(approved.state.status(), ApprovalStatus::Approved);
    let late = approvals.rule(OrgId::LOCAL, asked.id, says(Word::Deny, "bob")).await;
    assert!(matches!(late, Err(ApprovalError::Over { status: ApprovalStatus::Approved, .. })));

    assert!(matches!(approvals.take(&approved, digest("rm")).await, Err(ApprovalError::Other(_))));
    let answer = approvals.take(&approved, approved.digest).await.unwrap();
    assert_eq!(answer.decided_by.to_string(), "user:bob");
    assert!(matches!(approvals.take(&approved, approved.digest).await, Err(ApprovalError::Over { .. })));
    assert_eq!(stage.events().await, ["approval.requested", "approval.decided"]);
}

async fn only_one_of_many_who_try_uses_it(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let (asked, _) = stage.approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    let approved = stage.approvals.rule(OrgId::LOCAL, asked.id, says(Word::Approve, "bob")).await.unwrap();
    let tries = (0..20).map(|_| stage.approvals.take(&approved, approved.digest));
    let taken = futures::future::join_all(tries).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
}

async fn who_asked_agents_and_those_who_were_not_named_say_no_yes(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let mut named = wanted(SessionId::new(), "1.0");
    named.by = ["user:carol".to_owned()].into();
    let (asked, _) = stage.approvals.ask(named).await.unwrap();
    let say = |ruling| stage.approvals.rule(OrgId::LOCAL, asked.id, ruling);
    let agent = Ruling { by: "agent:coder".parse().unwrap(), ..says(Word::Approve, "x") };
    for refused in [agent, says(Word::Approve, "ada"), says(Word::Approve, "bob"), says(Word::Deny, "bob")] {
        assert!(matches!(say(refused).await, Err(ApprovalError::NotTheirs { .. })));
    }
    let other = Ruling { digest: Some(digest("rm")), ..says(Word::Approve, "carol") };
    assert!(matches!(say(other).await, Err(ApprovalError::Other(_))));
    let shown = Ruling { digest: Some(digest("make")), ..says(Word::Approve, "carol") };
    assert_eq!(say(shown).await.unwrap().state.status(), ApprovalStatus::Approved);
}

async fn what_nobody_answers_in_time_is_denied(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig { timeout_ms: 100_000, ..ApprovalsConfig::default() }).await;
    let (asked, _) = stage.approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    stage.later(10_000);
    assert!(stage.approvals.expire(10).await.unwrap().is_empty());
    stage.later(90_000);
    let late = stage.approvals.rule(OrgId::LOCAL, asked.id, says(Word::Approve, "bob")).await;
    assert!(matches!(late, Err(ApprovalError::Over { status: ApprovalStatus::Expired, .. })), "{late:?}");
    let expired = stage.approvals.expire(10).await.unwrap();
    assert_eq!(
        expired.iter().map(|one| (one.id, one.state.status())).collect::<Vec<_>>(),
        [(asked.id, ApprovalStatus::Expired)]
    );
    assert!(stage.approvals.expire(10).await.unwrap().is_empty());
}

async fn a_session_is_told_until_it_knows(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let (approvals, session) = (&stage.approvals, SessionId::new());
    let (one, _) = approvals.ask(wanted(session, "1.0")).await.unwrap();
    let (two, _) = approvals.ask(wanted(session, "1.1")).await.unwrap();
    assert!(approvals.untold(10).await.unwrap().is_empty());
    approvals.rule(OrgId::LOCAL, one.id, says(Word::Deny, "bob")).await.unwrap();
    assert_eq!(approvals.untold(10).await.unwrap().len(), 1);
    approvals.told(OrgId::LOCAL, one.id).await.unwrap();
    assert!(approvals.untold(10).await.unwrap().is_empty());
    let withdrawn = approvals.withdraw(OrgId::LOCAL, session).await.unwrap();
    assert_eq!(withdrawn.iter().map(|one| one.id).collect::<Vec<_>>(), [two.id]);
    let by_call = approvals.find(OrgId::LOCAL, &Which::Call(session, "call 1.1".into())).await.unwrap();
    assert_eq!(by_call.state.status(), ApprovalStatus::Withdrawn);
}

async fn a_grant_is_for_one_call_and_can_be_taken_back(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let approvals = &stage.approvals;
    let (asked, _) = approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    approvals.rule(OrgId::LOCAL, asked.id, says(Word::ApproveAlways, "bob")).await.unwrap();
    let coder = "coder".parse().unwrap();
    let other = "other".parse().unwrap();
    let granted = |agent, tool, digest: Digest| approvals.granted(OrgId::LOCAL, agent, tool, digest);
    let grant = granted(&coder, "command.run", digest("make")).await.unwrap().unwrap();
    assert!(granted(&coder, "command.run", digest("make install")).await.unwrap().is_none());
    assert!(granted(&coder, "fs.write", digest("make")).await.unwrap().is_none());
    assert!(granted(&other, "command.run", digest("make")).await.unwrap().is_none());
    assert!(approvals.granted(OrgId::new(), &coder, "command.run", digest("make")).await.unwrap().is_none());
    let (again, _) = approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    approvals.rule(OrgId::LOCAL, again.id, says(Word::ApproveAlways, "bob")).await.unwrap();
    assert_eq!(approvals.grants(OrgId::LOCAL, None, 10).await.unwrap().len(), 1);
    approvals.revoke(OrgId::LOCAL, grant.id, &"user:bob".parse().unwrap()).await.unwrap();
    assert!(granted(&coder, "command.run", digest("make")).await.unwrap().is_none());
    let twice = approvals.revoke(OrgId::LOCAL, grant.id, &"user:bob".parse().unwrap()).await;
    assert!(matches!(twice, Err(ApprovalError::NotFound(_))));
}

async fn what_nobody_waits_for_is_forgotten(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let (approvals, session) = (&stage.approvals, SessionId::new());
    let (open, _) = approvals.ask(wanted(session, "1.0")).await.unwrap();
    let (over, _) = approvals.ask(wanted(session, "1.1")).await.unwrap();
    approvals.rule(OrgId::LOCAL, over.id, says(Word::Deny, "ada")).await.unwrap();
    let (granted, _) = approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    approvals.rule(OrgId::LOCAL, granted.id, says(Word::ApproveAlways, "bob")).await.unwrap();
    let ada = Forget::naming("Ada").unwrap();
    // Who asked; of the one that is over also who answered.
    let expected = Forgotten { erased: 2, held: 2 };
    assert_eq!(approvals.forget(OrgId::LOCAL, None, &ada.clone().counting()).await.unwrap(), expected);
    assert_eq!(approvals.forget(OrgId::LOCAL, None, &ada).await.unwrap(), expected);
    assert_eq!(approvals.forget(OrgId::new(), None, &ada).await.unwrap(), Forgotten::default());
    assert_eq!(approvals.get(OrgId::LOCAL, open.id).await.unwrap(), open);
    let left = approvals.get(OrgId::LOCAL, over.id).await.unwrap();
    assert_eq!((left.requester, left.arguments), (Some("user:[erased]".parse().unwrap()), over.arguments));
    assert_eq!(left.state.status(), ApprovalStatus::Denied);
    let make = Forget::naming("make").unwrap();
    approvals.forget(OrgId::LOCAL, None, &make).await.unwrap();
    let grant = approvals.granted(OrgId::LOCAL, &"coder".parse().unwrap(), "command.run", digest("make")).await;
    assert_eq!(grant.unwrap().unwrap().arguments, ERASED, "it holds as before");
}

async fn another_organisation_sees_and_answers_nothing(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig::default()).await;
    let (asked, _) = stage.approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    let other = OrgId::new();
    let said = stage.approvals.rule(other, asked.id, says(Word::Approve, "bob")).await;
    assert!(matches!(said, Err(ApprovalError::NotFound(_))));
    assert!(matches!(stage.approvals.get(other, asked.id).await, Err(ApprovalError::NotFound(_))));
    let query = ApprovalQuery { limit: 10, ..ApprovalQuery::default() };
    assert!(stage.approvals.list(other, &query).await.unwrap().is_empty());
}

async fn lists_are_bounded_filtered_and_go_on(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig { waiting_max: 3, ..ApprovalsConfig::default() }).await;
    let (approvals, session) = (&stage.approvals, SessionId::new());
    let mut ids = Vec::new();
    for key in ["1.0", "1.1", "1.2"] {
        ids.push(approvals.ask(wanted(session, key)).await.unwrap().0.id);
    }
    assert!(matches!(approvals.ask(wanted(session, "1.3")).await, Err(ApprovalError::Full { max: 3 })));
    approvals.rule(OrgId::LOCAL, ids[0], says(Word::Deny, "bob")).await.unwrap();
    approvals.ask(wanted(SessionId::new(), "1.3")).await.unwrap();
    assert_eq!(approvals.waiting().await.unwrap(), 3);
    let list = |query| async move {
        let found = approvals.list(OrgId::LOCAL, &query).await.unwrap();
        found.into_iter().map(|approval| approval.id).collect::<Vec<_>>()
    };
    let query = || ApprovalQuery { session: Some(session), limit: 10, ..ApprovalQuery::default() };
    assert_eq!(list(query()).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(list(ApprovalQuery { before: Some(ids[1]), ..query() }).await, [ids[0]]);
    assert_eq!(list(ApprovalQuery { status: Some(ApprovalStatus::Denied), ..query() }).await, [ids[0]]);
}

async fn answered_ones_are_kept_for_a_while(backend: Backend) {
    let stage = Stage::on(backend, ApprovalsConfig { retention_days: 1, ..ApprovalsConfig::default() }).await;
    let (asked, _) = stage.approvals.ask(wanted(SessionId::new(), "1.0")).await.unwrap();
    stage.approvals.rule(OrgId::LOCAL, asked.id, says(Word::Deny, "bob")).await.unwrap();
    stage.later(2 * 24 * 60 * 60 * 1_000);
    assert_eq!(stage.approvals.trim(10).await.unwrap(), 0, "its session does not know yet");
    stage.approvals.told(OrgId::LOCAL, asked.id).await.unwrap();
    assert_eq!(stage.approvals.trim(10).await.unwrap(), 1);
}

macro_rules! on_each_database {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Backend::Postgres).await; })*
        }
    };
}

on_each_database!(
    it_is_asked_once_answered_once_and_used_once,
    only_one_of_many_who_try_uses_it,
    who_asked_agents_and_those_who_were_not_named_say_no_yes,
    what_nobody_answers_in_time_is_denied,
    a_session_is_told_until_it_knows,
    a_grant_is_for_one_call_and_can_be_taken_back,
    what_nobody_waits_for_is_forgotten,
    another_organisation_sees_and_answers_nothing,
    lists_are_bounded_filtered_and_go_on,
    answered_ones_are_kept_for_a_while,
);
