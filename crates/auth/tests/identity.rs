//! What is promised about identity and organisations, at the crate's front door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use fixture::{Fixture, NOW, SECRET, admin_of, bearer, grant, on_every_backend, operator, read};
use orchestrator_auth::{Auth, By, Error, Grant, Issuer, Keys, Lifetime, Secret, TokenKind};
use orchestrator_rpc::{Authenticator, Caller, Credential, Scope, Scopes, Standing};
use orchestrator_sql::Backend;
use orchestrator_vocab::{OrgId, PausedClock};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

async fn caller(auth: &Auth, credential: &Credential) -> Caller {
    auth.authenticate(credential).await.unwrap()
}

async fn unauthorized(auth: &Auth, credential: &Credential) {
    let outcome = auth.authenticate(credential).await;
    assert!(matches!(outcome, Err(Error::Unauthorized)), "{outcome:?}");
}

async fn revoked_within_a_second(mut caller: Caller) {
    let wait = caller.standing.wait_for(|standing| *standing == Standing::Revoked);
    tokio::time::timeout(Duration::from_secs(1), wait).await.unwrap().unwrap();
}

async fn a_token_of_either_kind_names_its_holder(fixture: Fixture) {
    let org = fixture.org("other").await.id;
    for kind in [TokenKind::Jwt, TokenKind::ApiKey] {
        let issued = fixture.issue(kind, org, Scope::Write.into()).await;
        let caller = caller(&fixture.auth, &bearer(&issued)).await;
        assert_eq!((caller.org, caller.subject.as_str(), caller.scopes), (org, "alice", Scope::Write.into()));
        assert_eq!(caller.credential, issued.id);
        assert!(caller.is_good());
    }
    let key = fixture.issue(TokenKind::ApiKey, org, read()).await;
    caller(&fixture.auth, &Credential::ApiKey(key.token.expose_secret().into())).await;
}

async fn every_refusal_looks_the_same(fixture: Fixture) {
    let key = fixture.issue(TokenKind::ApiKey, OrgId::LOCAL, read()).await.token;
    let jwt = fixture.issue(TokenKind::Jwt, OrgId::LOCAL, read()).await.token;
    let revoked = fixture.issue(TokenKind::ApiKey, OrgId::LOCAL, read()).await;
    fixture.auth.revoke(&operator(), &revoked.id).await.unwrap();
    let (head, secret) = key.expose_secret().rsplit_once('_').unwrap();
    let expired = Issuer::new(
        &Secret::new(SECRET).unwrap(),
        Lifetime::default(),
        Arc::new(PausedClock::at(NOW - Duration::from_secs(48 * 3_600))),
    );
    let expired = expired.issue(&grant(OrgId::LOCAL, read()));
    let mut bodies = Vec::new();
    for credential in [
        Credential::Bearer(String::new().into()),
        Credential::Bearer("x".repeat(1_000_000).into()),
        Credential::Bearer("eyJhbGciOiJub25lIn0.e30.".into()),
        Credential::Bearer(format!("{}x", jwt.expose_secret()).into()),
        Credential::ApiKey(jwt.expose_secret().into()),
        Credential::Bearer(format!("{head}_{}", secret.chars().rev().collect::<String>()).into()),
        Credential::ApiKey(format!("orc_{}_{secret}", "0".repeat(32)).into()),
        bearer(&revoked),
    ] {
        let error = Authenticator::authenticate(&fixture.auth, &credential).await.unwrap_err();
        bodies.push(serde_json::to_string(&error).unwrap());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    // Whoever shows what was good until it ended is told so, in the same words: it is time to refresh.
    let ended = Authenticator::authenticate(&fixture.auth, &bearer(&expired)).await.unwrap_err();
    assert_eq!(
        (ended.message.as_str(), ended.data.unwrap()["reason"].as_str()),
        ("unauthorized", Some("TOKEN_EXPIRED"))
    );
}

async fn an_empty_scope_allows_nothing(fixture: Fixture) {
    let issuer = Issuer::new(&Secret::new(SECRET).unwrap(), Lifetime::default(), fixture.clock.clone());
    let caller = caller(&fixture.auth, &bearer(&issuer.issue(&grant(OrgId::LOCAL, Scopes::NONE)))).await;
    assert!(Scope::ALL.iter().all(|scope| !caller.scopes.allows(*scope)));
}

async fn a_revocation_reaches_open_connections_at_once(fixture: Fixture) {
    for kind in [TokenKind::Jwt, TokenKind::ApiKey] {
        let issued = fixture.issue(kind, OrgId::LOCAL, read()).await;
        let caller = caller(&fixture.auth, &bearer(&issued)).await;
        fixture.auth.revoke(&operator(), &issued.id).await.unwrap();
        assert!(!caller.is_good());
        unauthorized(&fixture.auth, &bearer(&issued)).await;
        fixture.auth.revoke(&operator(), &issued.id).await.unwrap();
    }
    let revocations = fixture.events(OrgId::LOCAL).await;
    assert_eq!(revocations.iter().filter(|(name, _)| name == "auth.token.revoked").count(), 2);
}

async fn a_revocation_by_another_daemon_arrives_within_a_second(fixture: Fixture) {
    let here = fixture.another().await;
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn({
        let (here, stop) = (here.clone(), stop.clone());
        async move { here.run(stop).await }
    });
    for kind in [TokenKind::Jwt, TokenKind::ApiKey] {
        let issued = fixture.issue(kind, OrgId::LOCAL, read()).await;
        let open = caller(&here, &bearer(&issued)).await;
        fixture.auth.revoke(&operator(), &issued.id).await.unwrap();
        revoked_within_a_second(open).await;
        unauthorized(&here, &bearer(&issued)).await;
    }
    stop.cancel();
    tasks.join_all().await;
}

/// Opens connections with a credential until it is refused.
async fn connect_until_refused(auth: Auth, credential: Credential) -> Vec<Caller> {
    let mut callers = Vec::new();
    while let Ok(caller) = auth.authenticate(&credential).await {
        if callers.len() < 1_000 {
            callers.push(caller);
        }
        tokio::task::yield_now().await;
    }
    callers
}

async fn nobody_slips_in_while_a_token_is_revoked(fixture: Fixture) {
    let there = fixture.another().await;
    let stop = CancellationToken::new();
    let mut polling = tokio::task::JoinSet::new();
    polling.spawn({
        let (there, stop) = (there.clone(), stop.clone());
        async move { there.run(stop).await }
    });
    for kind in [TokenKind::Jwt, TokenKind::ApiKey] {
        let issued = fixture.issue(kind, OrgId::LOCAL, read()).await;
        let mut connecting = tokio::task::JoinSet::new();
        for auth in [&fixture.auth, &there, &fixture.auth, &there] {
            connecting.spawn(connect_until_refused(auth.clone(), bearer(&issued)));
        }
        fixture.auth.authenticate(&bearer(&issued)).await.unwrap();
        fixture.auth.revoke(&operator(), &issued.id).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), connecting.join_all()).await.unwrap();
        assert!(ended.iter().flatten().all(|caller| !caller.is_good()));
    }
    stop.cancel();
    polling.join_all().await;
}

async fn another_organisations_tokens_behave_like_unknown_ones(fixture: Fixture) {
    let (ours, theirs) = (fixture.org("ours").await.id, fixture.org("theirs").await.id);
    let key = fixture.issue(TokenKind::ApiKey, theirs, read()).await;
    let unknown = format!("key_{}", "0".repeat(32));
    let refusal = |error: Error, id: &str| error.to_string().replace(id, "ID");
    let foreign = fixture.auth.revoke(&admin_of(ours), &key.id).await.unwrap_err();
    let missing = fixture.auth.revoke(&admin_of(ours), &unknown).await.unwrap_err();
    assert_eq!(refusal(foreign, &key.id), refusal(missing, &unknown));

    let jwt = fixture.issue(TokenKind::Jwt, theirs, read()).await;
    fixture.auth.revoke(&admin_of(ours), &jwt.id).await.unwrap();
    fixture.auth.revoke(&admin_of(ours), "never-issued").await.unwrap();
    for issued in [key, jwt] {
        assert!(caller(&fixture.auth, &bearer(&issued)).await.is_good());
    }
    assert!(fixture.auth.tokens(ours, None, 10).await.unwrap().is_empty());
    assert_eq!(fixture.auth.tokens(theirs, None, 10).await.unwrap().len(), 2);
}

async fn a_token_made_elsewhere_with_the_secret_is_revoked_by_its_id(fixture: Fixture) {
    let elsewhere = Issuer::new(&Secret::new(SECRET).unwrap(), Lifetime::default(), fixture.clock.clone());
    let issued = elsewhere.issue(&grant(OrgId::LOCAL, read()));
    let open = caller(&fixture.auth, &bearer(&issued)).await;
    fixture.auth.revoke(&operator(), &issued.id).await.unwrap();
    assert!(!open.is_good());
    unauthorized(&fixture.another().await, &bearer(&issued)).await;
}

async fn rotating_the_secret_ends_what_the_old_one_signed(fixture: Fixture) {
    let (old, new) = (Secret::new(SECRET).unwrap(), Secret::new("the next secret, of 32 bytes or more").unwrap());
    let issued = fixture.issue(TokenKind::Jwt, OrgId::LOCAL, read()).await;
    let key = fixture.issue(TokenKind::ApiKey, OrgId::LOCAL, read()).await;
    let (jwt_caller, key_caller) =
        (caller(&fixture.auth, &bearer(&issued)).await, caller(&fixture.auth, &bearer(&key)).await);
    fixture.auth.rotate(Keys { current: (&new).into(), previous: vec![(&old).into()] }).await.unwrap();
    assert!(jwt_caller.is_good());
    fixture.auth.rotate(&new).await.unwrap();
    assert!(!jwt_caller.is_good() && key_caller.is_good());
    unauthorized(&fixture.auth, &bearer(&issued)).await;
    let fresh = fixture.issue(TokenKind::Jwt, OrgId::LOCAL, read()).await;
    caller(&fixture.auth, &bearer(&fresh)).await;
}

async fn an_api_key_ends_when_it_was_told_to(fixture: Fixture) {
    let grant = Grant { lifetime: Some(Duration::from_secs(60)), ..grant(OrgId::LOCAL, read()) };
    let issued = fixture.auth.issue(&operator(), TokenKind::ApiKey, None, grant).await.unwrap();
    let open = caller(&fixture.auth, &bearer(&issued)).await;
    assert_eq!(open.expires_at, issued.expires_at);
    fixture.clock.advance(Duration::from_secs(60));
    let outcome = fixture.auth.authenticate(&bearer(&issued)).await;
    assert!(matches!(outcome, Err(Error::Expired)), "{outcome:?}");
}

async fn nobody_grants_what_they_do_not_have(fixture: Fixture) {
    let (ours, theirs) = (fixture.org("ours").await.id, fixture.org("theirs").await.id);
    let issue = |by: By, org, scopes| {
        let auth = fixture.auth.clone();
        async move { auth.issue(&by, TokenKind::Jwt, None, grant(org, scopes)).await.map(drop) }
    };
    let writer = By { scopes: Scope::Write.into(), ..admin_of(ours) };
    assert!(matches!(issue(writer.clone(), ours, Scopes::ADMIN).await, Err(Error::Forbidden(_))));
    assert!(matches!(issue(writer.clone(), ours, Scope::Approve.into()).await, Err(Error::Forbidden(_))));
    issue(writer, ours, read()).await.unwrap();

    for org in [theirs, OrgId::LOCAL, OrgId::new()] {
        let refused = issue(admin_of(ours), org, read()).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("no organisation {org}"));
    }
    issue(operator(), theirs, read()).await.unwrap();
    assert!(matches!(issue(operator(), OrgId::new(), read()).await, Err(Error::NoOrganisation(_))));
    assert!(matches!(issue(operator(), OrgId::LOCAL, Scopes::NONE).await, Err(Error::Invalid { .. })));
}

async fn only_the_operator_creates_organisations_and_sees_all(fixture: Fixture) {
    let ours = fixture.org("ours").await;
    let theirs = fixture.auth.create_org(&operator(), "theirs", Some("k1".to_owned())).await.unwrap();
    let again = fixture.auth.create_org(&operator(), "theirs", Some("k1".to_owned())).await.unwrap();
    assert_eq!(theirs, again);
    for by in [admin_of(ours.id), By { scopes: Scope::Write.into(), ..operator() }] {
        assert!(matches!(fixture.auth.create_org(&by, "x", None).await, Err(Error::Forbidden(_))));
    }
    assert!(matches!(fixture.auth.create_org(&operator(), "ours", None).await, Err(Error::NameTaken(_))));
    for name in ["", " x", "a\u{0}b", &"x".repeat(101)] {
        assert!(matches!(fixture.auth.create_org(&operator(), name, None).await, Err(Error::Invalid { .. })));
    }
    let names = |orgs: Vec<orchestrator_auth::Organisation>| orgs.into_iter().map(|org| org.name).collect::<Vec<_>>();
    assert_eq!(names(fixture.auth.orgs(OrgId::LOCAL, None, 10).await.unwrap()), ["local", "ours", "theirs"]);
    assert_eq!(names(fixture.auth.orgs(OrgId::LOCAL, Some(OrgId::LOCAL), 1).await.unwrap()), ["ours"]);
    assert_eq!(names(fixture.auth.orgs(ours.id, None, 10).await.unwrap()), ["ours"]);
    assert_eq!(fixture.events(OrgId::LOCAL).await.len(), 2);
    assert!(fixture.events(theirs.id).await.is_empty());
}

async fn neither_records_nor_events_contain_the_token(fixture: Fixture) {
    let org = fixture.org("other").await.id;
    let mut secrets = Vec::new();
    for kind in [TokenKind::Jwt, TokenKind::ApiKey] {
        let issued = fixture.auth.issue(&operator(), kind, None, grant(org, read())).await.unwrap();
        // The letters of a signature include the separator of a key's parts.
        let separator = if kind == TokenKind::Jwt { '.' } else { '_' };
        secrets.push(issued.token.expose_secret().rsplit(separator).next().unwrap().to_owned());
    }
    let (theirs, ours) = (fixture.events(org).await, fixture.events(OrgId::LOCAL).await);
    assert_eq!((theirs.len(), ours.len()), (2, 3));
    let told = format!("{theirs:?} {ours:?} {:?}", fixture.auth.tokens(org, None, 10).await.unwrap());
    assert!(secrets.iter().all(|secret| !told.contains(secret)));
}

async fn the_last_use_of_a_key_is_noted(fixture: Fixture) {
    let issued = fixture.issue(TokenKind::ApiKey, OrgId::LOCAL, read()).await;
    caller(&fixture.auth, &bearer(&issued)).await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    fixture.auth.run(stopped).await;
    let record = fixture.auth.tokens(OrgId::LOCAL, None, 1).await.unwrap().remove(0);
    assert!(record.last_used_at.is_some_and(|at| at >= NOW));
}

async fn the_administrators_token_is_made_once(fixture: Fixture) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.token");
    assert!(fixture.auth.ensure_administrator(&path).await.unwrap());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap();
    assert!(!fixture.auth.ensure_administrator(&path).await.unwrap());
    let credential = Credential::Bearer(token.as_str().into());
    let caller = caller(&fixture.auth, &credential).await;
    assert_eq!((caller.org, caller.scopes, caller.expires_at), (OrgId::LOCAL, Scopes::ADMIN, None));

    // Revoked on purpose: not made again behind the operator's back.
    fixture.auth.revoke(&operator(), &caller.credential).await.unwrap();
    assert!(!fixture.auth.ensure_administrator(&path).await.unwrap());
    unauthorized(&fixture.auth, &credential).await;
    // Another database does not know the key: made again.
    assert!(Fixture::on(Backend::Sqlite).await.auth.ensure_administrator(&path).await.unwrap());
    assert_ne!(std::fs::read_to_string(&path).unwrap(), token);
}

on_every_backend!(
    a_token_of_either_kind_names_its_holder,
    every_refusal_looks_the_same,
    an_empty_scope_allows_nothing,
    a_revocation_reaches_open_connections_at_once,
    a_revocation_by_another_daemon_arrives_within_a_second,
    nobody_slips_in_while_a_token_is_revoked,
    another_organisations_tokens_behave_like_unknown_ones,
    a_token_made_elsewhere_with_the_secret_is_revoked_by_its_id,
    rotating_the_secret_ends_what_the_old_one_signed,
    an_api_key_ends_when_it_was_told_to,
    nobody_grants_what_they_do_not_have,
    only_the_operator_creates_organisations_and_sees_all,
    neither_records_nor_events_contain_the_token,
    the_last_use_of_a_key_is_noted,
    the_administrators_token_is_made_once,
);
