//! What is promised about refresh tokens and changed roles, at the crate's front door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use std::time::Duration;

use fixture::{Fixture, Running, admin_of, bearer, grant, on_every_backend, operator, read, within_a_second};
use orchestrator_auth::{Auth, By, Error, Grant, Refreshed, TokenKind};
use orchestrator_rpc::{Credential, Scope, Scopes, Standing};
use orchestrator_sql::Backend;
use orchestrator_vocab::OrgId;
use secrecy::ExposeSecret as _;

async fn login(fixture: &Fixture, org: OrgId) -> Refreshed {
    fixture.auth.issue_refreshable(&admin_of(org), None, grant(org, Scope::Write.into())).await.unwrap()
}

async fn next(auth: &Auth, tokens: &Refreshed) -> Refreshed {
    auth.refresh_token(tokens.refresh.expose_secret(), None).await.unwrap()
}

async fn refused(auth: &Auth, token: &str) {
    let outcome = auth.refresh_token(token, None).await;
    assert!(matches!(outcome, Err(Error::Unauthorized)), "{outcome:?}");
}

async fn count(fixture: &Fixture, org: OrgId, name: &str) -> usize {
    fixture.events(org).await.iter().filter(|(event, _)| event == name).count()
}

fn refresh(tokens: &Refreshed) -> String {
    tokens.refresh.expose_secret().to_owned()
}

async fn a_refresh_token_is_good_for_one_access_token_and_its_successor(fixture: Fixture) {
    let org = fixture.org("other").await.id;
    let mut tokens = login(&fixture, org).await;
    for _ in 0..3 {
        let caller = fixture.auth.authenticate(&bearer(&tokens.access)).await.unwrap();
        assert_eq!((caller.org, caller.subject.as_str(), caller.scopes), (org, "alice", Scope::Write.into()));
        assert_eq!(caller.credential, tokens.family, "limits count the family");
        let more = next(&fixture.auth, &tokens).await;
        assert_ne!(refresh(&more), refresh(&tokens));
        assert_ne!(more.access.id, tokens.access.id);
        assert_eq!((more.family.as_str(), more.ends_at), (tokens.family.as_str(), tokens.ends_at));
        assert!(caller.is_good(), "the access token before lasts as long as it was given");
        tokens = more;
    }
    let record = fixture.auth.tokens(org, None, 10).await.unwrap().remove(0);
    assert_eq!((record.kind, &record.id, record.last_used_at.is_some()), (TokenKind::Refresh, &tokens.family, true));
    assert_eq!(count(&fixture, org, "auth.token.refreshed").await, 3);
}

async fn logging_out_ends_the_family_and_no_other_whichever_of_its_tokens_is_shown(fixture: Fixture) {
    let other = login(&fixture, OrgId::LOCAL).await;
    let bystander = fixture.auth.authenticate(&bearer(&other.access)).await.unwrap();
    for (rotations, shown, reused) in [(0, 0, 0), (1, 1, 0), (1, 0, 0), (2, 0, 1)] {
        let mut family = vec![login(&fixture, OrgId::LOCAL).await];
        for n in 0..rotations {
            family.push(next(&fixture.auth, &family[n]).await);
        }
        let newest = fixture.auth.authenticate(&bearer(&family[rotations].access)).await.unwrap();
        let before = count(&fixture, OrgId::LOCAL, "auth.token.reused").await;
        for _ in 0..2 {
            fixture.auth.logout(&refresh(&family[shown]), None).await.unwrap();
        }
        assert!(!newest.is_good() && bystander.is_good());
        for tokens in &family {
            refused(&fixture.auth, &refresh(tokens)).await;
        }
        assert_eq!(
            count(&fixture, OrgId::LOCAL, "auth.token.reused").await - before,
            reused,
            "an old one is told as such"
        );
    }
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.revoked").await, 4, "once each");
    next(&fixture.auth, &other).await;
}

async fn what_is_no_refresh_token_logs_nobody_out_and_is_no_error(fixture: Fixture) {
    let tokens = login(&fixture, OrgId::LOCAL).await;
    let good = refresh(&tokens);
    let access = tokens.access.token.expose_secret().to_owned();
    for wrong in ["", "orr_", &good[..good.len() - 1], &good.replacen("_0_", "_1_", 1), &access, &"a".repeat(9_000)] {
        fixture.auth.logout(wrong, None).await.unwrap();
    }
    next(&fixture.auth, &tokens).await;
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.revoked").await, 0);
}

async fn a_reused_token_ends_the_whole_family_and_no_other(fixture: Fixture) {
    let (first, other) = (login(&fixture, OrgId::LOCAL).await, login(&fixture, OrgId::LOCAL).await);
    let second = next(&fixture.auth, &first).await;
    let third = next(&fixture.auth, &second).await;
    let mut open = Vec::new();
    for tokens in [&first, &second, &third] {
        open.push(fixture.auth.authenticate(&bearer(&tokens.access)).await.unwrap());
    }
    let bystander = fixture.auth.authenticate(&bearer(&other.access)).await.unwrap();
    refused(&fixture.auth, &refresh(&first)).await;
    assert!(open.iter().all(|caller| !caller.is_good()) && bystander.is_good());
    for tokens in [&first, &second, &third] {
        refused(&fixture.auth, &refresh(tokens)).await;
        assert!(fixture.auth.authenticate(&bearer(&tokens.access)).await.is_err());
    }
    next(&fixture.auth, &other).await;
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.reused").await, 1);
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.revoked").await, 1);
    let told = format!("{:?}", fixture.events(OrgId::LOCAL).await);
    for tokens in [&first, &second, &third] {
        let secret = refresh(tokens).split('_').nth(3).unwrap().to_owned();
        assert!(!told.contains(&secret), "an event has the secret");
    }
}

async fn parallel_refreshes_get_the_same_successor_for_ten_seconds(fixture: Fixture) {
    let there = fixture.another().await;
    let first = login(&fixture, OrgId::LOCAL).await;
    let mut refreshing = tokio::task::JoinSet::new();
    for auth in [&fixture.auth, &there, &fixture.auth, &there, &fixture.auth, &there] {
        let (auth, token) = (auth.clone(), refresh(&first));
        refreshing.spawn(async move { auth.refresh_token(&token, None).await.map(|tokens| refresh(&tokens)) });
    }
    let successors: Vec<String> = refreshing.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(successors.iter().all(|token| *token == successors[0]), "{successors:?}");
    fixture.clock.advance(Duration::from_secs(5));
    assert_eq!(refresh(&next(&fixture.auth, &first).await), successors[0]);
    fixture.clock.advance(Duration::from_secs(5));
    refused(&fixture.auth, &refresh(&first)).await;
    refused(&there, &successors[0]).await;
}

async fn a_repeated_answer_is_over_once_the_successor_was_used(fixture: Fixture) {
    let first = login(&fixture, OrgId::LOCAL).await;
    let second = next(&fixture.auth, &first).await;
    assert_eq!(refresh(&next(&fixture.auth, &first).await), refresh(&second));
    next(&fixture.auth, &second).await;
    refused(&fixture.auth, &refresh(&first)).await;
    refused(&fixture.auth, &refresh(&second)).await;
}

async fn a_family_ends_when_it_is_idle_and_in_any_case_in_the_end(fixture: Fixture) {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let idle = login(&fixture, OrgId::LOCAL).await;
    let mut busy = login(&fixture, OrgId::LOCAL).await;
    // The clock of a test goes on by itself too, so there is room on both sides.
    fixture.clock.advance(7 * DAY - Duration::from_secs(60));
    busy = next(&fixture.auth, &busy).await;
    fixture.clock.advance(Duration::from_secs(60));
    refused(&fixture.auth, &refresh(&idle)).await;
    for _ in 0..3 {
        fixture.clock.advance(6 * DAY);
        busy = next(&fixture.auth, &busy).await;
    }
    fixture.clock.advance(5 * DAY - Duration::from_secs(60));
    busy = next(&fixture.auth, &busy).await;
    assert!(busy.access.expires_at.unwrap() <= busy.ends_at, "no access token outlives its family");
    fixture.clock.advance(Duration::from_secs(60));
    refused(&fixture.auth, &refresh(&busy)).await;
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.reused").await, 0, "late is not copied");
}

async fn revoking_a_family_ends_its_access_tokens_on_every_daemon(fixture: Fixture) {
    let there = fixture.another().await;
    let running = Running::start(&there);
    let first = login(&fixture, OrgId::LOCAL).await;
    let second = next(&there, &first).await;
    let here = fixture.auth.authenticate(&bearer(&second.access)).await.unwrap();
    let elsewhere = there.authenticate(&bearer(&second.access)).await.unwrap();
    fixture.auth.revoke(&operator(), &first.family).await.unwrap();
    assert!(!here.is_good());
    within_a_second(elsewhere, Standing::Revoked).await;
    for auth in [&fixture.auth, &there] {
        refused(auth, &refresh(&second)).await;
        assert!(auth.authenticate(&bearer(&second.access)).await.is_err());
    }
    running.end().await;
}

async fn one_access_token_is_revoked_without_its_family(fixture: Fixture) {
    let tokens = login(&fixture, OrgId::LOCAL).await;
    fixture.auth.revoke(&operator(), &tokens.access.id).await.unwrap();
    assert!(fixture.auth.authenticate(&bearer(&tokens.access)).await.is_err());
    let more = next(&fixture.auth, &tokens).await;
    fixture.auth.authenticate(&bearer(&more.access)).await.unwrap();
}

async fn what_is_no_refresh_token_of_ours_ends_nothing(fixture: Fixture) {
    let tokens = login(&fixture, OrgId::LOCAL).await;
    let text = refresh(&tokens);
    let (head, tag) = text.rsplit_once('_').unwrap();
    let forged = text.replace("_0_", "_1_");
    let reversed: String = tag.chars().rev().collect();
    for other in ["", "orr_", &"x".repeat(100_000), &format!("{text} "), head, &forged, &format!("{head}_{reversed}")] {
        refused(&fixture.auth, other).await;
    }
    for credential in [Credential::Bearer(text.as_str().into()), Credential::ApiKey(text.as_str().into())] {
        assert!(fixture.auth.authenticate(&credential).await.is_err(), "a refresh token opens nothing by itself");
    }
    next(&fixture.auth, &tokens).await;
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.reused").await, 0);
}

async fn nobody_gets_refresh_tokens_for_more_than_they_have(fixture: Fixture) {
    let (ours, theirs) = (fixture.org("ours").await.id, fixture.org("theirs").await.id);
    let issue = async |org, scopes| fixture.auth.issue_refreshable(&admin_of(ours), None, grant(org, scopes)).await;
    assert!(matches!(issue(theirs, read()).await, Err(Error::NoOrganisation(_))));
    assert!(matches!(issue(ours, Scopes::NONE).await, Err(Error::Invalid { .. })));
    let family = issue(ours, read()).await.unwrap().family;
    for (by, id) in [(admin_of(theirs), family.as_str()), (admin_of(ours), "fam_00000000000070008000000000000009")] {
        assert!(matches!(fixture.auth.revoke(&by, id).await, Err(Error::NoToken(_))));
        assert!(matches!(fixture.auth.update(&by, id, read()).await, Err(Error::NoToken(_))));
    }
}

async fn a_changed_role_reaches_every_daemon_within_a_second(fixture: Fixture) {
    let there = fixture.another().await;
    let running = Running::start(&there);
    let key = fixture.issue(TokenKind::ApiKey, OrgId::LOCAL, Scope::Write.into()).await;
    for scopes in [read(), Scopes::ADMIN, Scope::Write.into()] {
        let here = fixture.auth.authenticate(&bearer(&key)).await.unwrap();
        let elsewhere = there.authenticate(&bearer(&key)).await.unwrap();
        fixture.auth.update(&operator(), &key.id, scopes).await.unwrap();
        assert_eq!(*here.standing.borrow(), Standing::Changed);
        assert_eq!(fixture.auth.authenticate(&bearer(&key)).await.unwrap().scopes, scopes);
        within_a_second(elsewhere, Standing::Changed).await;
        assert_eq!(there.authenticate(&bearer(&key)).await.unwrap().scopes, scopes);
    }
    let open = fixture.auth.authenticate(&bearer(&key)).await.unwrap();
    fixture.auth.update(&operator(), &key.id, Scope::Write.into()).await.unwrap();
    drop(open);
    assert_eq!(count(&fixture, OrgId::LOCAL, "auth.token.updated").await, 3, "the same again is no change");
    running.end().await;
}

async fn a_family_with_less_takes_it_from_its_access_tokens(fixture: Fixture) {
    let tokens = login(&fixture, OrgId::LOCAL).await;
    let open = fixture.auth.authenticate(&bearer(&tokens.access)).await.unwrap();
    fixture.auth.update(&operator(), &tokens.family, read()).await.unwrap();
    assert_eq!(*open.standing.borrow(), Standing::Changed);
    assert_eq!(fixture.auth.authenticate(&bearer(&tokens.access)).await.unwrap().scopes, read());
    fixture.auth.update(&operator(), &tokens.family, Scopes::ADMIN).await.unwrap();
    let more = next(&fixture.auth, &tokens).await;
    assert_eq!(fixture.auth.authenticate(&bearer(&more.access)).await.unwrap().scopes, Scopes::ADMIN);
}

async fn roles_are_changed_by_those_who_have_them(fixture: Fixture) {
    let (ours, theirs) = (fixture.org("ours").await.id, fixture.org("theirs").await.id);
    let key = fixture.issue(TokenKind::ApiKey, ours, read()).await;
    let jwt = fixture.auth.issue(&admin_of(ours), TokenKind::Jwt, None, Grant { ..grant(ours, read()) }).await.unwrap();
    let writer = By { scopes: Scope::Write.into(), ..admin_of(ours) };
    let update = async |by: By, id: &str, scopes| fixture.auth.update(&by, id, scopes).await;
    assert!(matches!(update(writer, &key.id, Scopes::ADMIN).await, Err(Error::Forbidden(_))));
    assert!(matches!(update(admin_of(ours), &key.id, Scopes::NONE).await, Err(Error::Invalid { .. })));
    assert!(matches!(update(admin_of(ours), &jwt.id, read()).await, Err(Error::SignedScopes(_))));
    assert!(matches!(update(admin_of(theirs), &key.id, read()).await, Err(Error::NoToken(_))));
    assert_eq!(update(admin_of(ours), &key.id, Scopes::ADMIN).await.unwrap().scopes, Scopes::ADMIN);
    fixture.auth.revoke(&admin_of(ours), &key.id).await.unwrap();
    assert!(matches!(update(admin_of(ours), &key.id, read()).await, Err(Error::NoToken(_))));
}

on_every_backend!(
    a_refresh_token_is_good_for_one_access_token_and_its_successor,
    a_reused_token_ends_the_whole_family_and_no_other,
    logging_out_ends_the_family_and_no_other_whichever_of_its_tokens_is_shown,
    what_is_no_refresh_token_logs_nobody_out_and_is_no_error,
    parallel_refreshes_get_the_same_successor_for_ten_seconds,
    a_repeated_answer_is_over_once_the_successor_was_used,
    a_family_ends_when_it_is_idle_and_in_any_case_in_the_end,
    revoking_a_family_ends_its_access_tokens_on_every_daemon,
    one_access_token_is_revoked_without_its_family,
    what_is_no_refresh_token_of_ours_ends_nothing,
    nobody_gets_refresh_tokens_for_more_than_they_have,
    a_changed_role_reaches_every_daemon_within_a_second,
    a_family_with_less_takes_it_from_its_access_tokens,
    roles_are_changed_by_those_who_have_them,
);
