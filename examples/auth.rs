//! A small company on one daemon: the operator makes an organisation and a key for it, the key's holder makes a token
//! for a colleague who may only read, and takes it back while the colleague is connected. Then a refresh token: used,
//! copied by somebody, and noticed; and a key that is rotated and retired.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use orchestrator_auth::{Algorithm, Auth, By, Config, Grant, Limiter, RateLimitConfig, Source, TokenKind};
use orchestrator_events::{Log as _, Numbering, SqlLog};
use orchestrator_rpc::{Credential, Scope, Scopes};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{OrgId, SystemClock};
use secrecy::ExposeSecret as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;

    // Without a configured key, one is made once and kept for its owner's eyes only.
    let config = Config { algorithm: Some(Algorithm::EdDsa), ..Config::default() };
    let keys = config.keys(directory.path())?;
    let auth = Auth::open(database, keys, config.lifetime(), Arc::new(SystemClock)).await?;
    let admin_file = directory.path().join("admin.token");
    auth.ensure_administrator(&admin_file).await?;
    let operator = auth.authenticate(&Credential::Bearer(std::fs::read_to_string(&admin_file)?.into())).await?;
    println!("operator:  {} in {}, may {}", operator.subject, operator.org, operator.scopes);

    let acme = auth.create_org(&By::daemon("example"), "acme", None).await?;
    let grant = |subject: &str, scopes| Grant { org: acme.id, subject: subject.to_owned(), scopes, lifetime: None };
    let key = auth.issue(&By::daemon("example"), TokenKind::ApiKey, None, grant("alice", Scopes::ADMIN)).await?;
    let alice = auth.authenticate(&Credential::ApiKey(key.token.expose_secret().into())).await?;
    println!("alice:     {} in {}, may {}", alice.credential, alice.org, alice.scopes);

    let by = By::from(&alice);
    let token = auth.issue(&by, TokenKind::Jwt, None, grant("bob", Scope::Read.into())).await?;
    let bob = auth.authenticate(&Credential::Bearer(token.token.expose_secret().into())).await?;
    println!("bob:       {} until {}", bob.scopes, token.expires_at.context("a JWT ends")?);
    auth.revoke(&by, &token.id).await?;
    println!("revoked:   bob's connections see {:?}", *bob.standing.borrow());
    ensure!(!bob.is_good());

    let foreign =
        auth.issue(&by, TokenKind::Jwt, None, Grant { org: OrgId::LOCAL, ..grant("eve", Scopes::ADMIN) }).await;
    println!("refused:   {}", foreign.err().context("acme's administrator is not the operator")?);

    let first = auth.issue_refreshable(&by, None, grant("carol", Scope::Read.into())).await?;
    let carol = auth.authenticate(&Credential::Bearer(first.access.token.expose_secret().into())).await?;
    let second = auth.refresh_token(first.refresh.expose_secret(), None).await?;
    let lost = auth.refresh_token(first.refresh.expose_secret(), None).await?;
    ensure!(second.refresh.expose_secret() == lost.refresh.expose_secret(), "a lost answer is given again");
    auth.refresh_token(second.refresh.expose_secret(), None).await?;
    let copied = auth.refresh_token(first.refresh.expose_secret(), None).await;
    println!("reused:    {}; carol's connections see {:?}", copied.is_err(), *carol.standing.borrow());

    let operator = By::daemon("example");
    let old = auth.issue(&by, TokenKind::Jwt, None, grant("dave", Scope::Read.into())).await?;
    let dave = auth.authenticate(&Credential::Bearer(old.token.expose_secret().into())).await?;
    let before = auth.keys(&operator).await?.remove(0);
    let after = auth.rotate_key(&operator).await?;
    ensure!(dave.is_good() && after.id != before.id);
    auth.retire_key(&operator, &before.id).await?;
    println!("retired:   {}; dave's connections see {:?}", before.id, *dave.standing.borrow());

    let limiter = Limiter::new(RateLimitConfig::default().per_address().context("limits are on")?);
    let source = Source::of("2001:db8::7".parse()?);
    let allowed = (0..1_000).filter(|_| limiter.check(&source, 1).allowed).count();
    println!("limited:   {allowed} of 1000 from {source}, again in {:?}", limiter.check(&source, 1).retry_after);

    for event in log.read(acme.id, 0, 10).await? {
        println!("event {}:   {} by {}", event.seq, event.name, event.actor);
    }
    Ok(())
}
