//! Commands that come together are done together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use orchestrator_events::SqlLog;
use orchestrator_sql::{Batch, Tx};
use orchestrator_vocab::OrgId;
use sea_orm::ConnectionTrait as _;
use serde_json::Value as Json;

use super::rows;
use super::statement::{in_list, list, statement, write_rows};
use crate::books::{Books, Changes, Judge};
use crate::{Apply, Command, CounterKey, Error, Outcome};

/// The most commands in one batch: each touches up to 28 counters.
const BATCH_MAX: usize = 128;

/// Commands that wait to be done.
pub(super) type Queue = Batch<Apply, Outcome, Error>;

pub(super) fn queue() -> Queue {
    Batch::new(BATCH_MAX)
}

/// Reads once what the commands touch, works them out in order, and writes what changed once.
pub(super) async fn run(tx: &Tx, commands: Arc<[Apply]>) -> Result<Vec<Result<Outcome, Error>>, Error> {
    let mut by_org: BTreeMap<OrgId, Vec<usize>> = BTreeMap::new();
    for (number, apply) in commands.iter().enumerate() {
        by_org.entry(apply.org).or_default().push(number);
    }
    let mut outcomes = Vec::with_capacity(commands.len());
    // In one order everywhere, so that two daemons do not wait for each other.
    for (org, numbers) in by_org {
        lock(tx, org).await?;
        let mut books = load(tx, org, numbers.iter().map(|number| &commands[*number].command)).await?;
        for number in numbers {
            let Apply { command, policy, now, .. } = &commands[number];
            let outcome = books.apply(&Judge { org, policy, now: *now }, command);
            outcomes.push((number, outcome));
        }
        save(tx, org, books).await?;
    }
    outcomes.sort_unstable_by_key(|(number, _)| *number);
    Ok(outcomes.into_iter().map(|(_, outcome)| Ok(outcome)).collect())
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
    let mut keys: HashMap<String, CounterKey> = keys.into_iter().map(|key| (rows::text(&key), key)).collect();
    let texts = list(keys.keys().cloned().map(Json::String).collect());
    let columns = rows::COUNTED.join(", ");
    let sql = format!("select counter, {columns} from budget_counters where org = $1 and {}", in_list(tx, "counter"));
    for row in tx.query_all_raw(statement(tx, &sql, [org.uuid().into(), texts])).await? {
        let text: String = row.try_get_by_index(0)?;
        // What it is of is known: it was asked for.
        if let Some(key) = keys.remove(&text) {
            books.counters.insert(key, rows::counted(&row, 1)?);
        }
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
