use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_rpc::{Authenticator, Caller, Credential};
use orchestrator_sql::Database;
use orchestrator_vocab::{Clock, Timestamp};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::api_key::{self, ApiKey};
use crate::jwt::LENGTH_MAX;
use crate::standings::{Digest, Holder, Standings};
use crate::{By, Error, Grant, Issuer, Lifetime, Refusal, Secret, TokenKind, private_file, sql};

/// How often revocations by other daemons are looked for. Together with the query: within a second.
const POLL: Duration = Duration::from_millis(500);
/// How often uses are noted and what has ended is forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How long what is known of a token outlives it. Long, because a clock that jumped ahead for a while must not make us
/// forget the revocation of a token that has not ended after all.
const RECORD_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The most revocations read at once.
const REVOCATIONS_PER_QUERY: u32 = 1_000;

/// Finds out who calls, issues and revokes tokens, and keeps the organisations. Cheap to clone.
///
/// What this process revokes ends its connections at once; [`Auth::run`] adds what other daemons on the same database
/// revoke. Without it, those are noticed when a credential is shown again, at the latest after 30 s.
#[derive(Debug, Clone)]
pub struct Auth {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standings: Standings,
    leeway: Duration,
    /// Up to which revocation the connections of this process know.
    seen: Mutex<i64>,
    /// Keys used since the last housekeeping. Only keys that exist get here.
    used: Mutex<HashMap<String, Timestamp>>,
}

impl Inner {
    /// How long a signed token is accepted after its end.
    pub(crate) fn leeway(&self) -> Duration {
        self.leeway
    }
}

impl Auth {
    /// Brings the tables up to date. The database must have been connected with the hook of the event log, whose
    /// tables exist.
    pub async fn open(
        database: Database,
        secret: &Secret,
        lifetime: Lifetime,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "auth", sql::migrations::ALL).await?;
        let seen = sql::revocations_head(database.reader()).await?;
        let inner = Inner {
            database,
            issuer: Issuer::new(secret, lifetime, clock.clone()),
            clock,
            standings: Standings::default(),
            leeway: lifetime.leeway,
            seen: Mutex::new(seen),
            used: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Who shows this credential.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for every credential that does not count, whatever the reason; [`Error::Store`] if that
    /// cannot be told now.
    pub async fn authenticate(&self, credential: &Credential) -> Result<Caller, Error> {
        let text = match credential {
            Credential::Bearer(text) | Credential::ApiKey(text) => text.expose_secret(),
        };
        let is_key = text.starts_with(api_key::PREFIX);
        if text.len() > LENGTH_MAX || !(is_key || matches!(credential, Credential::Bearer(_))) {
            return Err(refused(Refusal::Form));
        }
        let digest: Digest = Sha256::digest(text).into();
        if let Some(caller) = self.inner.standings.known(&digest, self.inner.clock.now()) {
            self.note_use(&caller);
            return Ok(caller);
        }
        let holder =
            if is_key { self.holder_of_key(text).await? } else { self.holder_of_jwt(text).map_err(refused)? };
        let caller = self.enter(digest, holder).await?;
        self.note_use(&caller);
        Ok(caller)
    }

    /// From now on signs with `current` and accepts what it or one of `previous` signed. The connections of tokens that
    /// another secret signed end at once.
    pub fn rotate(&self, current: &Secret, previous: &[Secret]) {
        self.inner.issuer.rotate(current, previous);
        self.inner.standings.keep_signed_by(|print| self.inner.issuer.accepts(print));
    }

    /// Makes sure that `path` holds an API key of the operator's organisation that may do everything and does not end,
    /// readable by its owner only (0600). `true` if a new one was made: there was none, or the database does not know
    /// it. One that was revoked stays as it is; delete the file to get another.
    pub async fn ensure_administrator(&self, path: &Path) -> Result<bool, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let content = private_file::read(path).map_err(failed)?;
        let text = content.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if let Ok(key) = ApiKey::parse(text.trim_end()) {
            let stored = sql::key_by_id(self.inner.database.reader(), &key.id).await?;
            if stored.is_some_and(|stored| key.hash.matches(&stored.hash)) {
                return Ok(false);
            }
        }
        let by = By::daemon("start");
        let grant = Grant { org: by.org, subject: "administrator".to_owned(), scopes: by.scopes, lifetime: None };
        let issued = self.issue(&by, TokenKind::ApiKey, Some("administrator".to_owned()), grant).await?;
        private_file::replace(path, issued.token.expose_secret().as_bytes()).map_err(failed)?;
        Ok(true)
    }

    /// Learns of revocations by other daemons within a second, notes when keys are used and forgets what has ended,
    /// until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut housekept, mut is_blind) = (Instant::now(), false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let refreshed = self.refresh().await;
            // Once per outage, not twice a second.
            if let (Err(error), false) = (&refreshed, is_blind) {
                tracing::warn!(error = error as &dyn std::error::Error, "cannot look for tokens revoked elsewhere");
            }
            is_blind = refreshed.is_err();
            if housekept.elapsed() >= HOUSEKEEPING {
                housekept = Instant::now();
                self.keep_house().await;
            }
        }
        self.keep_house().await;
    }

    /// Looks once for revocations by other daemons and ends the connections concerned.
    pub async fn refresh(&self) -> Result<(), Error> {
        loop {
            let seen = *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let reader = self.inner.database.reader();
            let found = sql::revocations_after(reader, seen, REVOCATIONS_PER_QUERY).await?;
            let Some((last, ..)) = found.last() else { return Ok(()) };
            let last = *last;
            self.inner.standings.revoke(&found.into_iter().map(|(_, org, token)| (org, token)).collect());
            let mut seen = self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = last.max(*seen);
        }
    }

    fn holder_of_jwt(&self, text: &str) -> Result<Holder, Refusal> {
        let verified = self.inner.issuer.verify(text)?;
        Ok(Holder {
            org: verified.org,
            subject: verified.subject,
            scopes: verified.scopes,
            credential: verified.id,
            expires_at: Some(verified.ends_at),
            signed_by: Some(verified.signed_by),
        })
    }

    async fn holder_of_key(&self, text: &str) -> Result<Holder, Error> {
        let key = ApiKey::parse(text).map_err(refused)?;
        let stored = sql::key_by_id(self.inner.database.reader(), &key.id).await?;
        let stored = stored.filter(|stored| key.hash.matches(&stored.hash)).ok_or_else(|| refused(Refusal::Unknown))?;
        if stored.expires_at.is_some_and(|end| self.inner.clock.now() >= end) {
            return Err(refused(Refusal::Expired));
        }
        Ok(Holder {
            org: stored.org,
            subject: stored.subject,
            scopes: stored.scopes,
            credential: key.id,
            expires_at: stored.expires_at,
            signed_by: None,
        })
    }

    /// Watches the credential first, then asks the store whether it was revoked, and looks at its standing last: a
    /// revocation or rotation in between shows there.
    async fn enter(&self, digest: Digest, holder: Holder) -> Result<Caller, Error> {
        let signed_by = holder.signed_by;
        let caller = self.inner.standings.enter(digest, holder);
        if sql::is_revoked(self.inner.database.reader(), caller.org, &caller.credential).await? {
            self.inner.standings.revoke(&HashSet::from([(caller.org, caller.credential.clone())]));
        }
        if signed_by.is_some_and(|print| !self.inner.issuer.accepts(&print)) {
            self.inner.standings.keep_signed_by(|print| self.inner.issuer.accepts(print));
        }
        if !caller.is_good() {
            return Err(refused(Refusal::Revoked));
        }
        self.inner.standings.confirm(&digest);
        Ok(caller)
    }

    fn note_use(&self, caller: &Caller) {
        if ApiKey::is_id(&caller.credential) {
            let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert(caller.credential.clone(), self.inner.clock.now());
        }
    }

    async fn keep_house(&self) {
        self.inner.standings.sweep();
        let used = std::mem::take(&mut *self.inner.used.lock().unwrap_or_else(PoisonError::into_inner));
        let used = Arc::new(used);
        let before = self.inner.clock.now() - RECORD_KEPT;
        let work = self.inner.database.write(move |tx| {
            let used = used.clone();
            Box::pin(async move {
                for (id, at) in used.iter() {
                    sql::mark_used(tx, id, *at).await?;
                }
                sql::forget_revocations(tx, before).await?;
                sql::forget_tokens(tx, before).await?;
                Ok::<_, Error>(())
            })
        });
        if let Err(error) = work.await {
            // Nothing depends on it: uses are coarse, and what has ended is refused whether it is forgotten or not.
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot keep the table of tokens tidy");
        }
    }
}

#[async_trait::async_trait]
impl Authenticator for Auth {
    async fn authenticate(&self, credential: &Credential) -> Result<Caller, orchestrator_rpc::Error> {
        Auth::authenticate(self, credential).await.map_err(Into::into)
    }
}

/// The one place where the reason is told, and only to the debug log.
fn refused(refusal: Refusal) -> Error {
    tracing::debug!(%refusal, "a credential was refused");
    Error::Unauthorized
}
