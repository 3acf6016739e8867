use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orchestrator_rpc::{Authenticator, Caller, Credential, Scope, Scopes, Standing};
use orchestrator_sql::Database;
use orchestrator_vocab::{Clock, Timestamp};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::api_key::{self, ApiKey};
use crate::jwt::LENGTH_MAX;
use crate::key_ring::KeyRing;
use crate::standings::{Digest, Holder, Standings};
use crate::{By, Error, Grant, Issuer, Keys, Lifetime, Refusal, TokenKind, private_file, sql};

/// A token of a key that is not known may be of one that another daemon has just made: worth a look, but not for
/// everybody who sends nonsense.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How often a credential is looked up that changes while it is.
const LOOKUPS_MAX: usize = 3;

/// Finds out who calls, issues, refreshes and revokes tokens, and keeps the keys and the organisations. Cheap to clone.
///
/// What this process revokes or changes ends its connections at once; [`Auth::run`] adds what other daemons on the same
/// database do. Without it, that is noticed when a credential is shown again, at the latest after 30 s.
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
    pub(crate) keys: KeyRing,
    pub(crate) lifetime: Lifetime,
    /// Up to which change the connections of this process know.
    pub(crate) seen: Mutex<i64>,
    /// Held while keys are read and taken in: an older reading must not come after a newer one.
    pub(crate) loading: tokio::sync::Mutex<()>,
    /// When a key that is not known was last looked for.
    looked: Mutex<Option<Instant>>,
    /// Keys used since the last housekeeping. Only keys that exist get here.
    pub(crate) used: Mutex<HashMap<String, Timestamp>>,
}

impl Inner {
    /// How long a signed token is accepted after its end.
    pub(crate) fn leeway(&self) -> Duration {
        self.lifetime.leeway
    }
}

impl Auth {
    /// Brings the tables up to date. The database must have been connected with the hook of the event log, whose
    /// tables exist.
    pub async fn open(
        database: Database,
        keys: impl Into<Keys>,
        lifetime: Lifetime,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let keys = keys.into();
        orchestrator_sql::migrate(&database, "auth", sql::migrations::ALL).await?;
        let seen = sql::head(database.reader()).await?;
        let inner = Inner {
            database,
            issuer: Issuer::new(keys.clone(), lifetime, clock.clone()),
            clock,
            standings: Standings::default(),
            keys: KeyRing::new(keys),
            lifetime,
            seen: Mutex::new(seen),
            loading: tokio::sync::Mutex::default(),
            looked: Mutex::default(),
            used: Mutex::default(),
        };
        let auth = Self { inner: Arc::new(inner) };
        auth.load_keys().await?;
        Ok(auth)
    }

    /// Who shows this credential.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for every credential that does not count, whatever the reason, and [`Error::Expired`] for
    /// one that counted until it ended; [`Error::Store`] if that cannot be told now.
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
        for _ in 0..LOOKUPS_MAX {
            let holder = if is_key { self.holder_of_key(text).await? } else { self.holder_of_jwt(text).await? };
            if let Some(caller) = self.enter(digest, holder).await? {
                self.note_use(&caller);
                return Ok(caller);
            }
        }
        Err(Error::Store("the credential keeps changing".into()))
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

    async fn holder_of_jwt(&self, text: &str) -> Result<Holder, Error> {
        let verified = match self.inner.issuer.verify(text) {
            Err(Refusal::Signature) if self.may_look_again() && self.load_keys().await.is_ok() => {
                self.inner.issuer.verify(text)
            }
            outcome => outcome,
        };
        let verified = verified.map_err(refused)?;
        let mut scopes = verified.scopes;
        if let Some(family) = &verified.family {
            // The family may have been given less since.
            let known = sql::token(self.inner.database.reader(), verified.org, family).await?;
            scopes = both(known.ok_or_else(|| refused(Refusal::Unknown))?.scopes, scopes);
        }
        Ok(Holder {
            org: verified.org,
            subject: verified.subject,
            scopes,
            credential: verified.id,
            family: verified.family,
            expires_at: Some(verified.ends_at),
            signed_by: Some(verified.signed_by),
        })
    }

    fn may_look_again(&self) -> bool {
        let mut looked = self.inner.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let may = looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        if may {
            *looked = Some(Instant::now());
        }
        may
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
            family: None,
            expires_at: stored.expires_at,
            signed_by: None,
        })
    }

    /// Watches the credential first, then asks the store whether it was revoked or changed, and looks at its standing
    /// last: what happens in between shows there. `None` if it changed: look it up again.
    async fn enter(&self, digest: Digest, holder: Holder) -> Result<Option<Caller>, Error> {
        let reader = self.inner.database.reader();
        let caller = self.inner.standings.enter(digest, holder.clone());
        if sql::is_revoked(reader, holder.org, &holder.credential, holder.family.as_deref()).await? {
            self.inner.standings.revoke(&HashSet::from([(holder.org, holder.credential.clone())]));
        }
        if holder.signed_by.is_some_and(|print| !self.inner.issuer.accepts(&print)) {
            self.inner.standings.keep_signed_by(|print| self.inner.issuer.accepts(print));
        }
        if self.has_changed(&holder).await? {
            self.inner.standings.change(&HashSet::from([(holder.org, holder.name().to_owned())]));
        }
        let standing = *caller.standing.borrow();
        match standing {
            Standing::Good => self.inner.standings.confirm(&digest),
            Standing::Changed => return Ok(None),
            Standing::Revoked => return Err(refused(Refusal::Revoked)),
        }
        Ok(Some(caller))
    }

    /// Whether the store grants something else than it did when the holder was looked up.
    async fn has_changed(&self, holder: &Holder) -> Result<bool, Error> {
        if holder.signed_by.is_some() && holder.family.is_none() {
            return Ok(false);
        }
        let known = sql::token(self.inner.database.reader(), holder.org, holder.name()).await?;
        Ok(known.is_none_or(|known| match holder.family {
            Some(_) => known.scopes.intersection(holder.scopes) != holder.scopes,
            None => known.scopes != holder.scopes,
        }))
    }

    fn note_use(&self, caller: &Caller) {
        if ApiKey::is_id(&caller.credential) {
            let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.insert(caller.credential.clone(), self.inner.clock.now());
        }
    }
}

#[async_trait::async_trait]
impl Authenticator for Auth {
    async fn authenticate(&self, credential: &Credential) -> Result<Caller, orchestrator_rpc::Error> {
        Auth::authenticate(self, credential).await.map_err(Into::into)
    }
}

/// What a family and one of its tokens both allow; as the token says it, if that is all of it.
fn both(family: Scopes, token: Scopes) -> Scopes {
    if family.intersection(token) == token {
        return token;
    }
    Scope::ALL.into_iter().filter(|&scope| family.allows(scope) && token.allows(scope)).collect()
}

/// The one place where the reason is told, and only to the debug log; but for the end of what was good.
pub(crate) fn refused(refusal: Refusal) -> Error {
    tracing::debug!(%refusal, "a credential was refused");
    if refusal == Refusal::Expired { Error::Expired } else { Error::Unauthorized }
}
