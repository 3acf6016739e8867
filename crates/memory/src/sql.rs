//! Memories on SQLite or PostgreSQL.

mod args;
mod changing;
mod forgotten;
mod frequent;
mod insert;
mod migrations;
mod reading;
mod removal;
mod rows;
mod text;
mod together;
mod usage;
mod vectors;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::{Batch, Database};
use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use sea_orm::DbErr;

use frequent::Frequent;

use crate::{
    Bounds, Change, Corpus, Error, Filter, Insert, Memory, MemoryId, Owners, Placed, Prepared, Store, Stored,
    Unembedded, Used, Vector,
};

/// The tables of memories in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlStore {
    database: Database,
    inserts: Batch<Arc<Insert>, Vec<i64>, Error>,
    frequent: Frequent,
}

impl SqlStore {
    /// Brings the tables up to date. The database must have been connected with the
    /// [`Numbering`](orchestrator_events::Numbering) of its event log.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(database: Database) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "memory", migrations::ALL).await?;
        Ok(Self { database, inserts: Batch::new(together::TOGETHER_MAX), frequent: Frequent::default() })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn insert(&self, insert: Insert) -> Result<Vec<i64>, Error> {
        let insert = Arc::new(insert);
        if together::is_plain(&insert) {
            return self.inserts.write(&self.database, insert, |tx, all| Box::pin(together::insert(tx, all))).await;
        }
        self.database
            .write(move |tx| {
                let insert = insert.clone();
                Box::pin(async move { insert::insert(tx, &insert).await })
            })
            .await
    }

    async fn tell(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        let events = Arc::new(events);
        self.database
            .write(move |tx| {
                SqlLog::append(tx, events.iter().cloned());
                Box::pin(async { Ok(()) })
            })
            .await
    }

    async fn get(&self, org: OrgId, ids: &[MemoryId]) -> Result<Vec<Stored>, Error> {
        reading::get(self.database.reader(), org, ids).await
    }

    async fn list(&self, org: OrgId, filter: &Filter, before: Option<i64>, limit: usize) -> Result<Vec<Stored>, Error> {
        reading::list(self.database.reader(), org, filter, before, limit).await
    }

    async fn change(&self, org: OrgId, id: MemoryId, change: Change, events: Vec<NewEvent>) -> Result<Memory, Error> {
        let wanted = Arc::new((change, events));
        self.database
            .write(move |tx| {
                let wanted = wanted.clone();
                Box::pin(async move { changing::change(tx, org, id, &wanted.0, &wanted.1).await })
            })
            .await
    }

    async fn rewrite(
        &self,
        org: OrgId,
        id: MemoryId,
        before: [u8; 32],
        after: Prepared,
        bounds: Bounds,
    ) -> Result<(), Error> {
        let after = Arc::new(after);
        self.database
            .write(move |tx| {
                let after = after.clone();
                Box::pin(async move { changing::rewrite(tx, org, id, before, &after, &bounds).await })
            })
            .await
    }

    async fn remove(
        &self,
        org: OrgId,
        ids: &[MemoryId],
        now: Timestamp,
        events: Vec<NewEvent>,
    ) -> Result<Vec<MemoryId>, Error> {
        let wanted = Arc::new((ids.to_vec(), events));
        self.database
            .write(move |tx| {
                let wanted = wanted.clone();
                Box::pin(async move {
                    let gone = reading::get_for_update(tx, org, &wanted.0).await?;
                    let names = gone.iter().map(|stored| stored.memory.id).collect();
                    removal::remove(tx, org, gone, now).await?;
                    SqlLog::append(tx, wanted.1.iter().cloned());
                    Ok(names)
                })
            })
            .await
    }

    async fn forgotten(&self, org: OrgId, ids: &[MemoryId]) -> Result<Vec<MemoryId>, Error> {
        forgotten::among(self.database.reader(), org, ids).await
    }

    async fn saying(&self, org: OrgId, digests: &[[u8; 32]]) -> Result<Vec<Stored>, Error> {
        reading::saying(self.database.reader(), org, digests).await
    }

    async fn usage(&self, org: OrgId, session: Option<SessionId>) -> Result<[Used; 3], Error> {
        usage::read(self.database.reader(), org, session).await
    }

    async fn corpus(&self, org: OrgId, terms: &[String]) -> Result<Corpus, Error> {
        let reader = self.database.reader();
        let used = usage::read(reader, org, None).await?;
        let (count, words) = used.iter().fold((0, 0), |(count, words), tier| (count + tier.count, words + tier.words));
        let mut holding = self.frequent.known(org, terms, count);
        let unknown: Vec<String> = terms.iter().filter(|term| !holding.contains_key(*term)).cloned().collect();
        let counted = text::corpus(reader, org, &unknown).await?;
        self.frequent.keep(org, &counted, count);
        holding.extend(counted);
        Ok(Corpus { count, words, holding })
    }

    async fn matching(
        &self,
        org: OrgId,
        terms: &[(String, f64)],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Stored>, Error> {
        text::matching(self.database.reader(), org, terms, filter, limit).await
    }

    async fn passing(&self, org: OrgId, numbers: &[i64], filter: &Filter) -> Result<Vec<Stored>, Error> {
        reading::passing(self.database.reader(), org, numbers, filter).await
    }

    async fn at_places(&self, org: OrgId, places: &[(SessionId, u64)]) -> Result<Vec<Stored>, Error> {
        reading::at_places(self.database.reader(), org, places).await
    }

    async fn unembedded(
        &self,
        embedder: &str,
        of: &Owners,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Unembedded>, Error> {
        vectors::unembedded(self.database.reader(), embedder, of, after, limit).await
    }

    async fn embed(&self, embedder: &str, vectors: Vec<Vector>) -> Result<(), Error> {
        let wanted = Arc::new((embedder.to_owned(), vectors));
        self.database
            .write(move |tx| {
                let wanted = wanted.clone();
                Box::pin(async move { vectors::embed(tx, &wanted.0, &wanted.1).await })
            })
            .await
    }

    async fn vectors(&self, org: OrgId, embedder: &str, after: i64, limit: usize) -> Result<Vec<Placed>, Error> {
        vectors::after(self.database.reader(), org, embedder, after, limit).await
    }

    async fn vectors_of(&self, org: OrgId, embedder: &str, numbers: &[i64]) -> Result<Vec<(i64, Vec<f32>)>, Error> {
        vectors::of(self.database.reader(), org, embedder, numbers).await
    }

    async fn forget_vectors(&self, except: &str, limit: usize) -> Result<u64, Error> {
        let except = Arc::new(except.to_owned());
        self.database
            .write(move |tx| {
                let except = except.clone();
                Box::pin(async move { vectors::forget(tx, &except, limit).await })
            })
            .await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, MemoryId)>, Error> {
        reading::expired(self.database.reader(), now, limit).await
    }

    async fn aged(&self, before: Timestamp, limit: usize) -> Result<Vec<Stored>, Error> {
        reading::aged(self.database.reader(), before, limit).await
    }

    async fn scrub(&self) -> Result<(), Error> {
        removal::scrub(&self.database).await
    }
}

impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}
