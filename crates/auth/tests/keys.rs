//! What is promised about signing keys, at the crate's front door.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod fixture;

use fixture::{Fixture, Running, SECRET, admin_of, bearer, grant, on_every_backend, operator, read, within_a_second};
use orchestrator_auth::{Algorithm, By, Error, KeyState, Keys, Secret, SigningKey, TokenKind};
use orchestrator_rpc::{Scope, Standing};
use orchestrator_sql::Backend;
use orchestrator_vocab::OrgId;
use secrecy::ExposeSecret as _;

const OTHER: &str = "the next secret, of 32 bytes or more";

async fn jwt(fixture: &Fixture) -> orchestrator_auth::Issued {
    fixture.issue(TokenKind::Jwt, OrgId::LOCAL, read()).await
}

async fn a_rotated_key_signs_and_the_one_before_counts_until_it_is_retired(fixture: Fixture) {
    let there = fixture.another().await;
    let running = Running::start(&there);
    let old = jwt(&fixture).await;
    let before = fixture.auth.keys(&operator()).await.unwrap().remove(0);
    assert!(before.configured && before.state == KeyState::Current);
    let made = fixture.auth.rotate_key(&operator()).await.unwrap();
    assert!(!made.configured && made.state == KeyState::Current && made.id != before.id);

    let new = jwt(&fixture).await;
    // At once, though nobody told the other daemon: a key it does not know is looked for.
    let (old_there, new_there) =
        (there.authenticate(&bearer(&old)).await.unwrap(), there.authenticate(&bearer(&new)).await.unwrap());
    let here = fixture.auth.authenticate(&bearer(&old)).await.unwrap();
    fixture.auth.retire_key(&operator(), &before.id).await.unwrap();
    assert!(!here.is_good());
    within_a_second(old_there, Standing::Revoked).await;
    for auth in [&fixture.auth, &there] {
        assert!(auth.authenticate(&bearer(&old)).await.is_err());
        auth.authenticate(&bearer(&new)).await.unwrap();
    }
    assert!(new_there.is_good());
    fixture.auth.retire_key(&operator(), &before.id).await.unwrap();
    let states: Vec<_> = fixture.auth.keys(&operator()).await.unwrap().into_iter().map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Current, KeyState::Retired]);
    // A daemon that starts later knows it all.
    let later = fixture.another().await;
    assert!(later.authenticate(&bearer(&old)).await.is_err());
    later.authenticate(&bearer(&new)).await.unwrap();
    running.end().await;
}

async fn the_key_that_signs_is_not_retired(fixture: Fixture) {
    let configured = fixture.auth.keys(&operator()).await.unwrap().remove(0).id;
    let retire = async |id: &str| fixture.auth.retire_key(&operator(), id).await;
    assert!(matches!(retire(&configured).await, Err(Error::KeyInUse(_))));
    let made = fixture.auth.rotate_key(&operator()).await.unwrap().id;
    assert!(matches!(retire(&made).await, Err(Error::KeyInUse(_))));
    retire(&configured).await.unwrap();
    assert!(matches!(retire("hs_0").await, Err(Error::NoKey(_))));
    assert!(matches!(retire("").await, Err(Error::Invalid { .. })));
}

async fn only_so_many_keys_count_at_once(fixture: Fixture) {
    let mut made = Vec::new();
    for _ in 0..8 {
        made.push(fixture.auth.rotate_key(&operator()).await.unwrap().id);
    }
    assert!(matches!(fixture.auth.rotate_key(&operator()).await, Err(Error::TooManyKeys)));
    fixture.auth.retire_key(&operator(), &made[0]).await.unwrap();
    fixture.auth.rotate_key(&operator()).await.unwrap();
}

async fn keys_are_the_operators_alone(fixture: Fixture) {
    let other = fixture.org("other").await.id;
    for by in [admin_of(other), By { scopes: Scope::Write.into(), ..operator() }] {
        assert!(matches!(fixture.auth.rotate_key(&by).await, Err(Error::Forbidden(_))));
        assert!(matches!(fixture.auth.retire_key(&by, "k").await, Err(Error::Forbidden(_))));
        assert!(matches!(fixture.auth.keys(&by).await, Err(Error::Forbidden(_))));
    }
    fixture.auth.rotate_key(&operator()).await.unwrap();
    let names: Vec<String> = fixture.events(OrgId::LOCAL).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["org.created", "auth.key.rotated"]);
    assert!(fixture.events(other).await.is_empty());
}

async fn another_configured_key_begins_a_ring_of_its_own(fixture: Fixture) {
    let (old, new): (SigningKey, SigningKey) =
        ((&Secret::new(SECRET).unwrap()).into(), (&Secret::new(OTHER).unwrap()).into());
    fixture.auth.rotate_key(&operator()).await.unwrap();
    let issued = jwt(&fixture).await;
    fixture.auth.rotate(new.clone()).await.unwrap();
    assert!(fixture.auth.authenticate(&bearer(&issued)).await.is_err(), "its ring is not known any more");
    fixture.auth.rotate(Keys { current: new.clone(), previous: vec![old.clone()] }).await.unwrap();
    fixture.auth.authenticate(&bearer(&issued)).await.unwrap();
    assert_eq!(fixture.auth.keys(&operator()).await.unwrap()[0].id, new.id());

    // The one before is retired by name, and does not come back when it is configured again.
    fixture.auth.retire_key(&operator(), old.id()).await.unwrap();
    for record in fixture.auth.keys(&operator()).await.unwrap() {
        if record.state == KeyState::Previous {
            fixture.auth.retire_key(&operator(), &record.id).await.unwrap();
        }
    }
    assert!(fixture.auth.authenticate(&bearer(&issued)).await.is_err());
    assert!(matches!(fixture.auth.rotate(old).await, Err(Error::RetiredKey)));
    assert_eq!(fixture.auth.keys(&operator()).await.unwrap()[0].id, new.id(), "nothing has changed");
}

async fn refresh_tokens_outlive_every_rotation(fixture: Fixture) {
    let tokens = fixture.auth.issue_refreshable(&operator(), None, grant(OrgId::LOCAL, read())).await.unwrap();
    fixture.auth.rotate_key(&operator()).await.unwrap();
    let (old, new) = (Secret::new(SECRET).unwrap(), Secret::new(OTHER).unwrap());
    fixture.auth.rotate(Keys { current: (&new).into(), previous: vec![(&old).into()] }).await.unwrap();
    let next = fixture.auth.refresh_token(tokens.refresh.expose_secret(), None).await.unwrap();
    let again = fixture.auth.refresh_token(tokens.refresh.expose_secret(), None).await.unwrap();
    assert_eq!(next.refresh.expose_secret(), again.refresh.expose_secret());
    fixture.auth.rotate(&new).await.unwrap();
    fixture.auth.refresh_token(next.refresh.expose_secret(), None).await.unwrap();
}

async fn ed25519_keys_rotate_too_and_their_public_halves_are_known(fixture: Fixture) {
    let directory = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create_pem(&directory.path().join("key.pem")).unwrap();
    assert!(fixture.auth.public_keys().is_empty(), "HS256 has none");
    fixture.auth.rotate(key.clone()).await.unwrap();
    let old = jwt(&fixture).await;
    let made = fixture.auth.rotate_key(&operator()).await.unwrap();
    assert_eq!(made.algorithm, Algorithm::EdDsa);
    let new = jwt(&fixture).await;
    let public: Vec<String> = fixture.auth.public_keys().into_iter().map(|key| key.kid).collect();
    assert_eq!(public, [made.id.clone(), key.id().to_owned()]);
    for issued in [&old, &new] {
        fixture.auth.authenticate(&bearer(issued)).await.unwrap();
    }
    fixture.auth.retire_key(&operator(), key.id()).await.unwrap();
    assert!(fixture.auth.authenticate(&bearer(&old)).await.is_err());
    fixture.auth.authenticate(&bearer(&new)).await.unwrap();
    assert_eq!(fixture.auth.public_keys().len(), 1);
}

on_every_backend!(
    a_rotated_key_signs_and_the_one_before_counts_until_it_is_retired,
    the_key_that_signs_is_not_retired,
    only_so_many_keys_count_at_once,
    keys_are_the_operators_alone,
    another_configured_key_begins_a_ring_of_its_own,
    refresh_tokens_outlive_every_rotation,
    ed25519_keys_rotate_too_and_their_public_halves_are_known,
);
