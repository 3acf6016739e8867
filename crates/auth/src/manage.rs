use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_redact::{Forget, Forgotten};
use orchestrator_rpc::{Scope, Scopes};
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde_json::{Value, json};

use crate::api_key::ApiKey;
use crate::jwt::is_subject;
use crate::refresh::RefreshToken;
use crate::sql::Change;
use crate::{Auth, By, Error, Grant, Issued, Organisation, TokenKind, TokenRecord, sql};

/// The longest time a token may be given: ten years. What should last longer is an API key without an end.
const LIFETIME_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// How many tokens are looked at at a time.
const FORGOTTEN_AT_ONCE: u32 = 500;

impl Auth {
    /// A new token. It is told this once; only a hash of an API key, and nothing of a signed token, is kept.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for scopes that `by` does not have; [`Error::NoOrganisation`] for another organisation,
    /// unless `by` is of the operator's and it exists; [`Error::Invalid`].
    pub async fn issue(&self, by: &By, kind: TokenKind, name: Option<String>, grant: Grant) -> Result<Issued, Error> {
        permitted(by, &grant)?;
        sensible(name.as_deref(), &grant)?;
        let (issued, hash) = match kind {
            TokenKind::Jwt => (self.inner.issuer.issue(&grant), None),
            TokenKind::ApiKey => self.new_key(&grant),
            TokenKind::Refresh => {
                let expected = "jwt or apiKey; a refresh token comes with a JWT";
                return Err(Error::Invalid { field: "kind", expected });
            }
        };
        let record = TokenRecord {
            id: issued.id.clone(),
            org: grant.org,
            kind,
            name,
            subject: grant.subject,
            scopes: grant.scopes,
            created_at: issued.created_at,
            expires_at: issued.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.add(by, record, hash).await?;
        Ok(issued)
    }

    /// Ends a token of the own organisation, now and for its open connections; the id of a family of refresh tokens ends
    /// all of it. Ending one twice is fine.
    ///
    /// Signed tokens that somebody else made with the secret are ended by their `jti`; since nothing is known of them,
    /// any id that is not one of an API key is taken.
    ///
    /// # Errors
    /// [`Error::NoToken`] for an API key or a family that the organisation does not have.
    pub async fn revoke(&self, by: &By, id: &str) -> Result<(), Error> {
        if !is_subject(id) {
            return Err(Error::Invalid { field: "tokenId", expected: "1 to 200 characters" });
        }
        let (org, id, leeway) = (by.org, Arc::<str>::from(id), self.inner.leeway());
        let now = self.inner.clock.now();
        let event = event(by, org, "auth.token.revoked", now, &id, json!({ "tokenId": &*id }));
        let token = id.clone();
        let work = self.inner.database.write(move |tx| {
            let (id, event) = (id.clone(), event.clone());
            Box::pin(async move {
                let known = sql::token(tx, org, &id).await?;
                if known.is_none() && (ApiKey::is_id(&id) || RefreshToken::is_family(&id)) {
                    return Err(Error::NoToken(id.to_string()));
                }
                if sql::is_revoked(tx, org, &id, None).await? {
                    return Ok(());
                }
                let ends_at = known.and_then(|token| token.expires_at).map(|end| end + leeway);
                sql::insert_revocation(tx, org, &id, ends_at).await?;
                sql::mark_revoked(tx, org, &id, now).await?;
                SqlLog::append(tx, [event]);
                Ok::<_, Error>(())
            })
        });
        work.await?;
        self.inner.standings.revoke(&HashSet::from([(org, token.to_string())]));
        Ok(())
    }

    /// Changes what an API key, or a family of refresh tokens, of the own organisation may do. Its open connections end
    /// and have to authenticate again; a wider scope reaches the access tokens of a family with the next refresh.
    ///
    /// # Errors
    /// [`Error::NoToken`] for what the organisation does not have or has revoked; [`Error::SignedScopes`] for a JWT;
    /// [`Error::Forbidden`] for scopes that `by` does not have; [`Error::Invalid`].
    pub async fn update(&self, by: &By, id: &str, scopes: Scopes) -> Result<TokenRecord, Error> {
        grantable(by, scopes)?;
        if scopes.is_empty() {
            return Err(Error::Invalid { field: "scopes", expected: "at least one scope" });
        }
        let (org, now, token) = (by.org, self.inner.clock.now(), id.to_owned());
        let shared = Arc::new((by.clone(), id.to_owned()));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (by, id) = &*shared;
                let known = sql::token(tx, org, id).await?.filter(|token| token.revoked_at.is_none());
                let known = known.ok_or_else(|| Error::NoToken(id.clone()))?;
                if known.kind == TokenKind::Jwt {
                    return Err(Error::SignedScopes(id.clone()));
                }
                if known.scopes != scopes {
                    sql::set_scopes(tx, org, id, scopes).await?;
                    sql::insert_change(tx, &Change::Role(org, id.clone()), now).await?;
                    let payload = json!({ "tokenId": id, "scopes": scopes, "previousScopes": known.scopes });
                    SqlLog::append(tx, [event(by, org, "auth.token.updated", now, id, payload)]);
                }
                Ok(TokenRecord { scopes, ..known })
            })
        });
        let record = work.await?;
        self.inner.standings.change(&HashSet::from([(org, token)]));
        Ok(record)
    }

    /// The organisation's tokens whose id comes after `after`, at most `limit`, in the order of their ids. Those
    /// that ended are forgotten 30 days later.
    pub async fn tokens(&self, org: OrgId, after: Option<&str>, limit: u32) -> Result<Vec<TokenRecord>, Error> {
        let found = sql::tokens_after(self.inner.database.reader(), org, after.unwrap_or_default(), limit).await?;
        Ok(found)
    }

    /// Where names of people are: what [`Database::scrub`](orchestrator_sql::Database::scrub) is to see to after some were forgotten.
    pub const TABLES: [&'static str; 1] = ["auth_tokens"];

    /// Forgets whose the organisation's tokens were, and what they were called, where they have ended. Of those that are still good
    /// they are counted as held: revoke them first.
    ///
    /// # Errors
    /// [`Error::Store`]: some may be gone already.
    pub async fn forget(&self, org: OrgId, forget: &Forget) -> Result<Forgotten, Error> {
        let (mut forgotten, mut after, now) = (Forgotten::default(), None::<String>, self.inner.clock.now());
        loop {
            let page = self.tokens(org, after.as_deref(), FORGOTTEN_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(forgotten) };
            after = Some(last.id.clone());
            let is_meant = |token: &TokenRecord| {
                forget.concerns(&token.subject) || token.name.as_deref().is_some_and(|name| forget.concerns(name))
            };
            let is_over =
                |token: &TokenRecord| token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now);
            let meant = page.into_iter().filter(|token| is_meant(token));
            let (over, good): (Vec<TokenRecord>, Vec<TokenRecord>) = meant.partition(is_over);
            forgotten += Forgotten { erased: over.len() as u64, held: good.len() as u64 };
            if forget.changes() && !over.is_empty() {
                let ids: Arc<[String]> = over.into_iter().map(|token| token.id).collect();
                let written = self.inner.database.write(move |tx| {
                    let ids = ids.clone();
                    Box::pin(async move {
                        for id in &*ids {
                            sql::forget_holder(tx, org, id).await?;
                        }
                        Ok::<(), Error>(())
                    })
                });
                written.await?;
            }
        }
    }

    /// A new organisation. It has no members: issue an administrator's token for it next. The same `key` again answers
    /// the organisation that was made with it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless `by` is an administrator of the operator's organisation; [`Error::NameTaken`];
    /// [`Error::Invalid`].
    pub async fn create_org(&self, by: &By, name: &str, key: Option<String>) -> Result<Organisation, Error> {
        if by.org != OrgId::LOCAL || !by.scopes.allows(Scope::Admin) {
            return Err(Error::Forbidden("only an administrator of the operator's organisation creates others"));
        }
        if !is_name(name) {
            return Err(Error::Invalid { field: "name", expected: NAME });
        }
        let now = self.inner.clock.now();
        let org = Organisation { id: OrgId::new(), name: name.to_owned(), created_at: now };
        let payload = json!({ "orgId": org.id, "name": org.name });
        let event = event(by, OrgId::LOCAL, "org.created", now, &org.id.to_string(), payload);
        let shared = Arc::new((sql::OrgRow { org, creation_key: key }, event));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (row, event) = &*shared;
                if let Some(key) = &row.creation_key
                    && let Some(made) = sql::org_by_key(tx, key).await?
                {
                    return Ok(made);
                }
                if sql::org_name_is_taken(tx, &row.org.name).await? {
                    return Err(Error::NameTaken(row.org.name.clone()));
                }
                sql::insert_org(tx, row).await?;
                SqlLog::append(tx, [event.clone()]);
                Ok(row.org.clone())
            })
        });
        work.await
    }

    /// The organisations that `viewer` sees, after `after` and at most `limit`, in the order of their ids: all of them
    /// for the operator's, otherwise its own.
    pub async fn orgs(&self, viewer: OrgId, after: Option<OrgId>, limit: u32) -> Result<Vec<Organisation>, Error> {
        let only = (viewer != OrgId::LOCAL).then_some(viewer);
        Ok(sql::orgs_after(self.inner.database.reader(), only, after, limit).await?)
    }

    fn new_key(&self, grant: &Grant) -> (Issued, Option<Vec<u8>>) {
        let (key, token) = ApiKey::generate();
        let created_at = self.inner.clock.now();
        let expires_at = grant.lifetime.map(|lifetime| created_at + lifetime);
        (Issued { token, id: key.id, created_at, expires_at }, Some(key.hash.bytes().to_vec()))
    }

    async fn add(&self, by: &By, record: TokenRecord, hash: Option<Vec<u8>>) -> Result<(), Error> {
        let is_foreign = record.org != by.org;
        let events = issued_events(by, &record);
        let shared = Arc::new((record, hash, events));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (record, hash, events) = &*shared;
                if is_foreign && !sql::org_exists(tx, record.org).await? {
                    return Err(Error::NoOrganisation(record.org));
                }
                sql::insert_token(tx, record, hash.clone()).await?;
                SqlLog::append(tx, events.iter().cloned());
                Ok(())
            })
        });
        work.await
    }
}

const NAME: &str = "1 to 100 characters, without spaces around it and without control characters";

fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.chars().count()) && name.trim() == name && !name.chars().any(char::is_control)
}

pub(crate) fn permitted(by: &By, grant: &Grant) -> Result<(), Error> {
    if grant.org != by.org && by.org != OrgId::LOCAL {
        // Existing or not: nobody learns which organisations there are.
        return Err(Error::NoOrganisation(grant.org));
    }
    grantable(by, grant.scopes)
}

fn grantable(by: &By, scopes: Scopes) -> Result<(), Error> {
    if by.scopes.intersection(scopes) != scopes {
        return Err(Error::Forbidden("nobody grants scopes that they do not have"));
    }
    Ok(())
}

pub(crate) fn sensible(name: Option<&str>, grant: &Grant) -> Result<(), Error> {
    if !is_subject(&grant.subject) {
        return Err(Error::Invalid { field: "subject", expected: "1 to 200 characters, none a control character" });
    }
    if name.is_some_and(|name| !is_name(name)) {
        return Err(Error::Invalid { field: "name", expected: NAME });
    }
    if grant.scopes.is_empty() {
        return Err(Error::Invalid { field: "scopes", expected: "at least one scope" });
    }
    if grant.lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1) || lifetime > LIFETIME_MAX) {
        return Err(Error::Invalid { field: "expiresInSeconds", expected: "1 to 315360000 (ten years)" });
    }
    Ok(())
}

pub(crate) fn event(
    by: &By,
    org: OrgId,
    name: &'static str,
    time: Timestamp,
    subject: &str,
    payload: Value,
) -> NewEvent {
    let mut event = NewEvent::new(org, name, time, by.actor.clone(), payload);
    event.subject = Some(subject.to_owned());
    event.correlation.clone_from(&by.correlation);
    event
}

/// One event, or two if the operator issues for another organisation: that one learns that it was the operator, and
/// the operator's own log keeps who it was.
pub(crate) fn issued_events(by: &By, record: &TokenRecord) -> Vec<NewEvent> {
    let payload = json!({
        "tokenId": record.id, "orgId": record.org, "kind": record.kind, "name": record.name,
        "subject": record.subject, "scopes": record.scopes, "expiresAt": record.expires_at,
    });
    let issued = |org, by: &By| event(by, org, "auth.token.issued", record.created_at, &record.id, payload.clone());
    if record.org == by.org {
        return vec![issued(by.org, by)];
    }
    let operator = By { actor: Actor::system("operator"), correlation: None, ..by.clone() };
    vec![issued(by.org, by), issued(record.org, &operator)]
}
