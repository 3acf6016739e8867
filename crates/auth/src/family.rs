use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_rpc::Scopes;
use orchestrator_sql::Tx;
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::api_key::Hash;
use crate::auth::refused;
use crate::jwt::LENGTH_MAX;
use crate::manage::{event, issued_events, permitted, sensible};
use crate::refresh::RefreshToken;
use crate::{Auth, By, Error, Grant, Issued, Refusal, TokenKind, TokenRecord, sql};

/// How long the token before the current one answers the current one again: for two who refresh at once, and for an
/// answer that was lost. What comes later was copied.
const GRACE: Duration = Duration::from_secs(10);

/// An access token, and the refresh token to get the next one with. Shown this once.
#[derive(Debug)]
pub struct Refreshed {
    /// The access token: a JWT.
    pub access: Issued,
    /// The refresh token: good once.
    pub refresh: SecretString,
    /// Names the family of them all, for revocation.
    pub family: String,
    /// When the family ends, unless it is not used for too long before.
    pub ends_at: Timestamp,
    /// Whose things the holder sees.
    pub org: OrgId,
    /// Who the holder is.
    pub subject: String,
    /// What the access token may do.
    pub scopes: Scopes,
}

/// What is stored of a family.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) org: OrgId,
    pub(crate) subject: String,
    pub(crate) scopes: Scopes,
    pub(crate) is_revoked: bool,
    /// Of the current token.
    pub(crate) generation: i64,
    pub(crate) hash: Vec<u8>,
    /// Of the token before it.
    pub(crate) previous: Option<Vec<u8>>,
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) idle_until: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) access_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the current one: its successor takes its place.
    Rotate,
    /// It was the current one a moment ago: its successor once more.
    Repeat,
    /// It is an old one: somebody has a copy, and nobody knows who.
    Reused,
    Refused(Refusal),
}

impl Family {
    /// What becomes of a token that is authentic by its tag; `next` is the hash of its successor.
    pub(crate) fn judge(&self, generation: i64, shown: &Hash, next: &Hash, now: Timestamp) -> Verdict {
        if self.is_revoked {
            return Verdict::Refused(Refusal::Revoked);
        }
        if now >= self.ends_at || now >= self.idle_until {
            return Verdict::Refused(Refusal::Expired);
        }
        let is_recent = self.rotated_at.is_some_and(|at| now < at + GRACE);
        let was_current = self.previous.as_deref().is_some_and(|previous| shown.matches(previous));
        if generation == self.generation && shown.matches(&self.hash) {
            Verdict::Rotate
        } else if generation + 1 == self.generation && is_recent && was_current && next.matches(&self.hash) {
            Verdict::Repeat
        } else if generation < self.generation {
            Verdict::Reused
        } else {
            // Of a future that a restored backup does not know.
            Verdict::Refused(Refusal::Unknown)
        }
    }
}

pub(crate) enum Outcome {
    Renewed(Box<(Family, Issued)>),
    Ended(OrgId, Ending),
    Refused(Refusal),
}

/// Why a family is ended by one of its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is an old one.
    Reused,
    /// Its holder wants no more of them.
    LoggedOut,
}

impl Ending {
    /// As events tell it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::LoggedOut => "loggedOut",
        }
    }
}

/// What the transaction needs, as often as it runs.
pub(crate) struct Attempt {
    auth: Auth,
    pub(crate) shown: RefreshToken,
    pub(crate) next: RefreshToken,
    /// The next one as text, by the newest key.
    refresh: SecretString,
    pub(crate) now: Timestamp,
    correlation: Option<String>,
}

impl Auth {
    /// A JWT and a refresh token to get more of them with, until the family ends or is not used for too long. The
    /// grant's lifetime is that of each access token; by default 15 minutes.
    ///
    /// # Errors
    /// Those of [`Auth::issue`].
    pub async fn issue_refreshable(&self, by: &By, name: Option<String>, grant: Grant) -> Result<Refreshed, Error> {
        permitted(by, &grant)?;
        sensible(name.as_deref(), &grant)?;
        let (now, lifetime) = (self.inner.clock.now(), self.inner.lifetime);
        let first = RefreshToken::first();
        let each = grant.lifetime.unwrap_or(lifetime.refreshed).min(lifetime.refresh_total);
        let ends_at = now + lifetime.refresh_total;
        let access = self.inner.issuer.issue_in(Some(&first.family), &Grant { lifetime: Some(each), ..grant.clone() });
        let record = TokenRecord {
            id: first.family.clone(),
            org: grant.org,
            kind: TokenKind::Refresh,
            name,
            subject: grant.subject.clone(),
            scopes: grant.scopes,
            created_at: now,
            expires_at: Some(ends_at),
            revoked_at: None,
            last_used_at: None,
        };
        let (is_foreign, events) = (grant.org != by.org, issued_events(by, &record));
        let access_ms = i64::try_from(each.as_millis()).unwrap_or(i64::MAX);
        let shared = Arc::new((record, first.hash(), events));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (record, hash, events) = &*shared;
                if is_foreign && !sql::org_exists(tx, record.org).await? {
                    return Err(Error::NoOrganisation(record.org));
                }
                sql::insert_token(tx, record, None).await?;
                sql::insert_family(tx, &record.id, hash.bytes(), now + lifetime.refresh_idle, access_ms).await?;
                SqlLog::append(tx, events.iter().cloned());
                Ok::<_, Error>(())
            })
        });
        work.await?;
        let refresh = first.text(&self.inner.keys.roots()[0]);
        let Grant { org, subject, scopes, .. } = grant;
        Ok(Refreshed { access, refresh, family: first.family, ends_at, org, subject, scopes })
    }

    /// The next access token and refresh token for a refresh token. The one that was shown is used up; shown again
    /// after more than 10 s, it ends the whole family with its access tokens and connections (RFC 9700, section 4.14.2).
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for every token that does not count, whatever the reason.
    pub async fn refresh_token(&self, token: &str, correlation: Option<String>) -> Result<Refreshed, Error> {
        let attempt = Arc::new(self.attempt(token, correlation).map_err(refused)?);
        let (family, refresh) = (attempt.shown.family.clone(), attempt.refresh.clone());
        let work = self.inner.database.write(move |tx| {
            let attempt = attempt.clone();
            Box::pin(async move { attempt.run(tx).await })
        });
        match work.await? {
            Outcome::Renewed(renewed) => {
                let (Family { org, subject, scopes, ends_at, .. }, access) = *renewed;
                Ok(Refreshed { access, refresh, family, ends_at, org, subject, scopes })
            }
            Outcome::Ended(org, _) => {
                self.inner.standings.revoke(&HashSet::from([(org, family)]));
                Err(refused(Refusal::Reused))
            }
            Outcome::Refused(refusal) => {
                // One answer for all: there is nothing to do with any of them but to log in again.
                refused(refusal);
                Err(Error::Unauthorized)
            }
        }
    }

    /// A token taken apart, if one of our keys made it.
    pub(crate) fn attempt(&self, token: &str, correlation: Option<String>) -> Result<Attempt, Refusal> {
        if token.len() > LENGTH_MAX {
            return Err(Refusal::Length);
        }
        let roots = self.inner.keys.roots();
        let (shown, root) = RefreshToken::parse(token, &roots)?;
        let (next, now) = (shown.successor(root), self.inner.clock.now());
        let refresh = next.text(&roots[0]);
        Ok(Attempt { auth: self.clone(), shown, next, refresh, now, correlation })
    }
}

impl Attempt {
    async fn run(&self, tx: &Tx) -> Result<Outcome, Error> {
        let (id, now) = (self.shown.family.as_str(), self.now);
        let Some(family) = sql::family(tx, id).await? else { return Ok(Outcome::Refused(Refusal::Unknown)) };
        match family.judge(self.shown.generation, &self.shown.hash(), &self.next.hash(), now) {
            Verdict::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
            Verdict::Reused => return self.end(tx, &family, Ending::Reused).await,
            Verdict::Repeat => {}
            Verdict::Rotate => {
                let idle_until = now + self.auth.inner.lifetime.refresh_idle;
                sql::rotate_family(tx, id, self.next.hash().bytes(), now, idle_until).await?;
                sql::mark_used(tx, id, now).await?;
            }
        }
        let access = self.access(&family);
        let payload = json!({
            "tokenId": access.id, "familyId": id, "orgId": family.org, "subject": family.subject,
            "scopes": family.scopes, "expiresAt": access.expires_at,
        });
        SqlLog::append(tx, [self.event(&family, "auth.token.refreshed", payload)]);
        Ok(Outcome::Renewed(Box::new((family, access))))
    }

    /// The family, its access tokens and its connections.
    pub(crate) async fn end(&self, tx: &Tx, family: &Family, why: Ending) -> Result<Outcome, Error> {
        let id = self.shown.family.as_str();
        let ends_at = family.ends_at + self.auth.inner.leeway();
        sql::insert_revocation(tx, family.org, id, Some(ends_at)).await?;
        sql::mark_revoked(tx, family.org, id, self.now).await?;
        let reused = (why == Ending::Reused).then(|| {
            let payload = json!({
                "familyId": id, "orgId": family.org, "subject": family.subject, "generation": self.shown.generation,
                "currentGeneration": family.generation,
            });
            self.event(family, "auth.token.reused", payload)
        });
        let payload = json!({ "tokenId": id, "reason": why.as_str() });
        SqlLog::append(tx, reused.into_iter().chain([self.event(family, "auth.token.revoked", payload)]));
        Ok(Outcome::Ended(family.org, why))
    }

    /// No access token outlives its family.
    fn access(&self, family: &Family) -> Issued {
        let left =
            u64::try_from((family.ends_at.millis() - self.now.millis()).clamp(1_000, family.access_ms.max(1_000)));
        let grant = Grant {
            org: family.org,
            subject: family.subject.clone(),
            scopes: family.scopes,
            lifetime: Some(Duration::from_millis(left.unwrap_or(1_000))),
        };
        self.auth.inner.issuer.issue_in(Some(&self.shown.family), &grant)
    }

    fn event(&self, family: &Family, name: &'static str, payload: Value) -> NewEvent {
        let by = By {
            org: family.org,
            actor: Actor::User(family.subject.clone()),
            scopes: family.scopes,
            correlation: self.correlation.clone(),
        };
        event(&by, family.org, name, self.now, &self.shown.family, payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn hash(name: &str) -> Hash {
        Hash::of(name)
    }

    fn family() -> Family {
        Family {
            org: OrgId::LOCAL,
            subject: "alice".to_owned(),
            scopes: Scopes::ADMIN,
            is_revoked: false,
            generation: 5,
            hash: hash("current").bytes().to_vec(),
            previous: Some(hash("previous").bytes().to_vec()),
            rotated_at: Some(NOW),
            idle_until: NOW + Duration::from_secs(60),
            ends_at: NOW + Duration::from_secs(100),
            access_ms: 1_000,
        }
    }

    #[track_caller]
    fn check(family: &Family, (generation, secret, next): (i64, &str, &str), seconds: u64, expected: Verdict) {
        let now = NOW + Duration::from_secs(seconds);
        assert_eq!(family.judge(generation, &hash(secret), &hash(next), now), expected);
    }

    #[test]
    fn the_current_token_is_rotated_and_the_one_before_repeats_for_ten_seconds() {
        check(&family(), (5, "current", "next"), 30, Verdict::Rotate);
        check(&family(), (4, "previous", "current"), 0, Verdict::Repeat);
        check(&family(), (4, "previous", "current"), 9, Verdict::Repeat);
        check(&family(), (4, "previous", "current"), 10, Verdict::Reused);
    }

    #[test]
    fn every_older_token_is_reuse_at_once() {
        for generation in 0..4 {
            check(&family(), (generation, "old", "x"), 0, Verdict::Reused);
        }
        check(&family(), (4, "previous", "not the current one"), 0, Verdict::Reused);
    }

    #[test]
    fn what_never_was_current_is_refused_and_ends_nothing() {
        check(&family(), (5, "forged", "next"), 0, Verdict::Refused(Refusal::Unknown));
        check(&family(), (6, "future", "next"), 0, Verdict::Refused(Refusal::Unknown));
    }

    #[test]
    fn a_family_ends_when_it_is_idle_old_or_revoked() {
        check(&family(), (5, "current", "next"), 59, Verdict::Rotate);
        check(&family(), (5, "current", "next"), 60, Verdict::Refused(Refusal::Expired));
        let busy = Family { idle_until: NOW + Duration::from_secs(1_000), ..family() };
        check(&busy, (5, "current", "next"), 99, Verdict::Rotate);
        check(&busy, (5, "current", "next"), 100, Verdict::Refused(Refusal::Expired));
        let revoked = Family { is_revoked: true, ..family() };
        check(&revoked, (5, "current", "next"), 0, Verdict::Refused(Refusal::Revoked));
        check(&revoked, (1, "old", "x"), 0, Verdict::Refused(Refusal::Revoked));
    }
}
