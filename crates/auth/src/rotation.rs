use std::sync::Arc;

use orchestrator_events::SqlLog;
use orchestrator_rpc::Scope;
use orchestrator_vocab::OrgId;
use serde_json::json;

use crate::jwt::is_subject;
use crate::key_ring::{self, KeyRecord};
use crate::manage::event;
use crate::sql::{Change, StoredSigningKey};
use crate::{Auth, By, Error, Keys, PublicKey, SigningKey, seal, sql};

/// Every key that counts is tried on a token: a few, not any number.
const KEYS_MAX: i64 = 8;

impl Auth {
    /// A new key signs from now on, here and on every daemon that shares database and configured key; tokens of the
    /// earlier ones count until those are [retired](Self::retire_key). It is kept in the database, sealed under the
    /// configured key.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless `by` is an administrator of the operator's organisation; [`Error::TooManyKeys`].
    pub async fn rotate_key(&self, by: &By) -> Result<KeyRecord, Error> {
        operator(by)?;
        let roots = self.inner.keys.roots();
        let (root, ring) = (&roots[0], self.inner.keys.ring());
        let key = SigningKey::generate(root.algorithm());
        let now = self.inner.clock.now();
        let context = key_ring::context(&ring, key.id(), key.algorithm());
        let row = StoredSigningKey {
            ring,
            id: key.id().to_owned(),
            algorithm: key.algorithm(),
            sealed: Some(seal::seal(root, &context, key.material())),
            created_at: now,
            retired_at: None,
        };
        let payload = json!({ "keyId": row.id, "algorithm": row.algorithm });
        let event = event(by, OrgId::LOCAL, "auth.key.rotated", now, &row.id, payload);
        let shared = Arc::new((row, event));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (row, event) = &*shared;
                if sql::count_signing_keys(tx, &row.ring).await? >= KEYS_MAX {
                    return Err(Error::TooManyKeys);
                }
                sql::insert_signing_key(tx, row).await?;
                sql::insert_change(tx, &Change::Keys, now).await?;
                SqlLog::append(tx, [event.clone()]);
                Ok(())
            })
        });
        work.await?;
        self.load_keys().await?;
        let records = self.keys(by).await?;
        records.into_iter().find(|record| record.id == key.id()).ok_or_else(|| Error::NoKey(key.id().to_owned()))
    }

    /// What a key signed counts no more, and open connections with it end: here at once, elsewhere within a second.
    /// Retiring one twice is fine.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless `by` is an administrator of the operator's organisation; [`Error::NoKey`];
    /// [`Error::KeyInUse`] for the one that signs.
    pub async fn retire_key(&self, by: &By, id: &str) -> Result<(), Error> {
        operator(by)?;
        if !is_subject(id) {
            return Err(Error::Invalid { field: "keyId", expected: "1 to 200 characters" });
        }
        self.load_keys().await?;
        let Some(ring) = self.inner.keys.ring_with(id) else {
            let retired = self.keys(by).await?.into_iter().any(|record| record.id == id);
            return if retired { Ok(()) } else { Err(Error::NoKey(id.to_owned())) };
        };
        let now = self.inner.clock.now();
        let root = self.inner.keys.roots().swap_remove(0);
        let own_ring = self.inner.keys.ring();
        let algorithm = root.algorithm();
        let row =
            StoredSigningKey { ring, id: id.to_owned(), algorithm, sealed: None, created_at: now, retired_at: None };
        let event = event(by, OrgId::LOCAL, "auth.key.retired", now, id, json!({ "keyId": id }));
        let shared = Arc::new((row, own_ring, root, event));
        let work = self.inner.database.write(move |tx| {
            let shared = shared.clone();
            Box::pin(async move {
                let (row, own_ring, root, event) = &*shared;
                let signing = sql::newest_signing_key(tx, own_ring).await?;
                if signing.as_deref().unwrap_or(root.id()) == row.id {
                    return Err(Error::KeyInUse(row.id.clone()));
                }
                sql::retire_signing_key(tx, row, now).await?;
                sql::insert_change(tx, &Change::Keys, now).await?;
                SqlLog::append(tx, [event.clone()]);
                Ok(())
            })
        });
        work.await?;
        self.load_keys().await
    }

    /// What is known of the keys, the one that signs first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless `by` is an administrator of the operator's organisation.
    pub async fn keys(&self, by: &By) -> Result<Vec<KeyRecord>, Error> {
        operator(by)?;
        let rows = sql::signing_keys(self.inner.database.reader()).await?;
        Ok(self.inner.keys.records(&rows))
    }

    /// What everybody may know of the keys that count: with EdDSA all there is to verify a token, with HS256 nothing.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.inner.issuer.public_keys()
    }

    /// A secret that only daemons with the same configured key know, one per purpose. It does not change when keys are
    /// rotated.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        self.inner.keys.roots()[0].derive(purpose)
    }

    /// Takes other configured keys: from now on signs with the current one, or what took its place by a rotation, and
    /// accepts what it or a previous one signed. The connections of tokens that another key signed end at once.
    ///
    /// # Errors
    /// [`Error::RetiredKey`], and nothing has changed.
    pub async fn rotate(&self, keys: impl Into<Keys>) -> Result<(), Error> {
        let roots = self.inner.keys.roots();
        self.inner.keys.configure(keys.into());
        let loaded = self.load_keys().await;
        if loaded.is_err() {
            let mut roots = roots.into_iter();
            let current = roots.next().expect("there is always a current key");
            self.inner.keys.configure(Keys { current, previous: roots.collect() });
            self.load_keys().await?;
        }
        loaded
    }

    /// Reads the keys that the database has, and ends the connections of those that are retired.
    pub(crate) async fn load_keys(&self) -> Result<(), Error> {
        let _loading = self.inner.loading.lock().await;
        let rows = sql::signing_keys(self.inner.database.reader()).await?;
        self.inner.keys.load(&rows);
        self.inner.issuer.rotate(self.inner.keys.accepted().ok_or(Error::RetiredKey)?);
        self.inner.standings.keep_signed_by(|print| self.inner.issuer.accepts(print));
        Ok(())
    }
}

fn operator(by: &By) -> Result<(), Error> {
    if by.org == OrgId::LOCAL && by.scopes.allows(Scope::Admin) {
        return Ok(());
    }
    Err(Error::Forbidden("only an administrator of the operator's organisation sees and changes the keys"))
}
