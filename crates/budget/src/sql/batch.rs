//! Commands that come together are done together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use orchestrator_events::SqlLog;
use orchestrator_sql::{Database, Tx};
use orchestrator_vocab::OrgId;
use sea_orm::ConnectionTrait as _;
use serde_json::Value as Json;
use tokio::sync::oneshot;

use super::rows;
use super::statement::{in_list, list, statement, write_rows};
use crate::books::{Books, Changes, Judge};
use crate::{Apply, Command, CounterKey, Error, Outcome};

/// The most commands in one batch: each touches up to 28 counters.
const BATCH_MAX: usize = 128;

/// Commands that wait to be done.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Vec<Job>>);

/// The commands that one closure took, whenever it is run again.
type Batch = Arc<Mutex<Option<Arc<Vec<Job>>>>>;

#[derive(Debug)]
struct Job {
    apply: Apply,
    answer: Mutex<Option<oneshot::Sender<Result<Outcome, Error>>>>,
}

impl Queue {
    fn push(&self, job: Job) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job);
    }

    fn take(&self) -> Vec<Job> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = waiting.len().min(BATCH_MAX);
        waiting.drain(..most).collect()
    }
}

impl Job {
    fn answer(&self, outcome: Result<Outcome, Error>) {
        if let Some(answer) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever asked may have gone.
            let _ = answer.send(outcome);
        }
    }
}

/// Queues a command. The first closure that is run takes what is queued, and those of the others find theirs done.
pub(super) async fn apply(database: &Database, queue: &Arc<Queue>, apply: Apply) -> Result<Outcome, Error> {
    let (answer, answered) = oneshot::channel();
    queue.push(Job { apply, answer: Mutex::new(Some(answer)) });
    let (batch, queue) = (Batch::default(), queue.clone());
    let taken = batch.clone();
    let written: Result<(), Error> = database
        .write(move |tx| {
            let (batch, queue) = (batch.clone(), queue.clone());
            Box::pin(async move {
                let jobs = batch
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert_with(|| Arc::new(queue.take()))
                    .clone();
                run(tx, jobs).await
            })
        })
        .await;
    if let Err(error) = written {
        let jobs = taken.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let told = error.to_string();
        jobs.iter().for_each(|job| job.answer(Err(Error::store(told.clone()))));
        return Err(error);
    }
    answered.await.unwrap_or_else(|_| Err(Error::store("the command was given up with those it was done with")))
}

async fn run(tx: &Tx, jobs: Arc<Vec<Job>>) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut by_org: BTreeMap<OrgId, Vec<usize>> = BTreeMap::new();
    for (number, job) in jobs.iter().enumerate() {
        by_org.entry(job.apply.org).or_default().push(number);
    }
    let mut outcomes = Vec::with_capacity(jobs.len());
    // In one order everywhere, so that two daemons do not wait for each other.
    for (org, numbers) in by_org {
        lock(tx, org).await?;
        let mut books = load(tx, org, numbers.iter().map(|number| &jobs[*number].apply.command)).await?;
        for number in numbers {
            let Apply { command, policy, now, .. } = &jobs[number].apply;
            let outcome = books.apply(&Judge { org, policy, now: *now }, command);
            outcomes.push((number, outcome));
        }
        save(tx, org, books).await?;
    }
    tx.on_commit(move || {
        for (number, outcome) in outcomes {
            jobs[number].answer(Ok(outcome));
        }
    });
    Ok(())
}

/// SQLite has one writer. On PostgreSQL those of one organisation come one after the other, until they commit.
async fn lock(tx: &Tx, org: OrgId) -> Result<(), Error> {
    if tx.is_postgres() {
        let sql = "select pg_advisory_xact_lock(hashtextextended($1, 0))";
        tx.query_all_raw(statement(tx, sql, [format!("budget {org}").into()])).await?;
    }
    Ok(())
}

/// What the commands touch.
async fn load(tx: &Tx, org: OrgId, commands: impl Iterator<Item = &Command>) -> Result<Books, Error> {
    let mut books = Books { limits: super::reading::limits(tx, org).await?, ..Books::default() };
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for command in commands {
        ids.extend(command.id());
        match command {
            Command::Reserve(reservation) => keys.extend(reservation.keys().into_iter().map(|(key, _)| key)),
            Command::Note(burn) => drop(keys.insert(burn.key.clone())),
            Command::TopUp { .. } | Command::Settle { .. } | Command::Release { .. } => {}
        }
    }
    let ids = list(ids.into_iter().map(|id| Json::String(rows::id(id))).collect());
    let sql = format!("select body, expires_at from budget_reservations where org = $1 and {}", in_list(tx, "id"));
    for row in tx.query_all_raw(statement(tx, &sql, [org.uuid().into(), ids])).await? {
        let held = rows::reservation(&row)?;
        keys.extend(held.keys().into_iter().map(|(key, _)| key));
        books.reservations.insert(held.id, held);
    }
    let texts = list(keys.iter().map(|key: &CounterKey| Json::String(rows::text(key))).collect());
    let sql = format!("select * from budget_counters where org = $1 and {}", in_list(tx, "counter"));
    for row in tx.query_all_raw(statement(tx, &sql, [org.uuid().into(), texts])).await? {
        let (key, counter) = rows::counter(&row)?;
        books.counters.insert(key, counter);
    }
    Ok(books)
}

/// What changed.
async fn save(tx: &Tx, org: OrgId, books: Books) -> Result<(), Error> {
    let Books { counters, reservations, changes, .. } = books;
    let Changes { counters: changed, reservations: touched, spendings, events } = changes;
    let changed = changed.iter().filter_map(|key| Some(rows::of_counter(key, counters.get(key)?))).collect();
    let then = "on conflict (org, counter) do update set spent_tokens = excluded.spent_tokens, \
                spent_nano_usd = excluded.spent_nano_usd, reserved_tokens = excluded.reserved_tokens, \
                reserved_nano_usd = excluded.reserved_nano_usd, alerted = excluded.alerted, exhausted = excluded.exhausted";
    write_rows(tx, "budget_counters", &rows::COUNTER, then, org.uuid().into(), changed).await?;
    let (held, gone): (Vec<_>, Vec<_>) = touched.into_iter().partition(|id| reservations.contains_key(id));
    let held = held.iter().filter_map(|id| reservations.get(id)).map(rows::of_reservation).collect();
    let then = "on conflict (org, id) do update set body = excluded.body";
    write_rows(tx, "budget_reservations", &rows::RESERVATION, then, org.uuid().into(), held).await?;
    if !gone.is_empty() {
        let gone = list(gone.into_iter().map(|id| Json::String(rows::id(id))).collect());
        let sql = format!("delete from budget_reservations where org = $1 and {}", in_list(tx, "id"));
        tx.execute_raw(statement(tx, &sql, [org.uuid().into(), gone])).await?;
    }
    let spendings = spendings.iter().map(rows::of_spending).collect();
    write_rows(tx, "budget_spendings", &rows::SPENDING, "", org.uuid().into(), spendings).await?;
    if !events.is_empty() {
        SqlLog::append(tx, events);
    }
    Ok(())
}
