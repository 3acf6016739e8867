use std::collections::BTreeMap;

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_vocab::{OrgId, SessionId};
use sea_orm::ConnectionTrait as _;

use super::args::{Args, confidentiality_rank, integrity_rank, is_postgres, signed};
use super::{changing, forgotten, removal, rows, text, usage};
use crate::{Change, Error, Insert, Memory, Prepared, Tier, Used, event};

/// How many rows a statement has: few numbers, so that each is prepared once.
const ROWS: [usize; 4] = [64, 16, 4, 1];

pub(super) async fn insert(tx: &Tx, insert: &Insert) -> Result<Vec<i64>, Error> {
    let Insert { org, memories, replaces, restored, bounds, events } = insert;
    let gone = removal::claim(tx, *org, replaces).await?;
    let (added, freed) = (added(memories), removal::taken(&gone));
    let before = usage::lock(tx, *org, added.keys().copied()).await?;
    let left = |place| usage::less(before[place], freed.get(place).copied().unwrap_or_default());
    for (place, more) in &added {
        let (left, limit) = (left(place), bounds.bytes_max[place.0 as usize]);
        if left.bytes + more.bytes > limit {
            return Err(Error::Full { tier: place.0, used: left.bytes, limit, wanted: more.bytes });
        }
    }
    forgotten::restore(tx, *org, restored).await?;
    for Memory { id, supersedes, .. } in memories.iter().map(|prepared| &prepared.memory) {
        if let Some(old) = supersedes {
            changing::change(tx, *org, *old, &Change::Supersede { by: *id, until: bounds.now }, &[]).await?;
        }
    }
    text::prepare(tx, *org).await?;
    let numbers = write(tx, *org, &memories.iter().collect::<Vec<_>>()).await?;
    text::add(tx, *org, &numbers).await?;
    for (place, more) in &added {
        usage::add(tx, *org, *place, *more).await?;
        let after = usage::sum(left(place), *more);
        SqlLog::append(tx, event::filling(*org, *place, before[place], after, bounds));
    }
    removal::remove(tx, *org, gone, bounds.now).await?;
    SqlLog::append(tx, events.iter().cloned());
    Ok(numbers)
}

/// What comes to each tier; scratchpads are counted by session.
pub(super) fn added(memories: &[Prepared]) -> BTreeMap<(Tier, Option<SessionId>), Used> {
    let mut added: BTreeMap<_, Used> = BTreeMap::new();
    for prepared in memories {
        let more = added.entry(usage::place(&prepared.memory)).or_default();
        *more = usage::sum(*more, usage::of(&prepared.memory, &prepared.terms));
    }
    added
}

/// All rows, and their numbers in the same order.
pub(super) async fn write(tx: &Tx, org: OrgId, memories: &[&Prepared]) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::with_capacity(memories.len());
    for piece in pieces(memories) {
        let mut args = Args::of_rows(tx);
        let values: Vec<String> = piece.iter().map(|prepared| row(&mut args, org, prepared, is_postgres(tx))).collect();
        let index = if is_postgres(tx) { ", words_index" } else { "" };
        let sql = format!(
            "insert into memory_memories (org, id, tier, kind, scope, state, session, place, task, integrity, \
             confidentiality, created_at, expires_at, about, digest, bytes, words, content, terms, body{index}) values {} \
             returning number",
            values.join(", ")
        );
        let statement = args.statement(tx, sql);
        for row in tx.query_all_raw(statement).await? {
            numbers.push(row.try_get("", "number")?);
        }
    }
    Ok(numbers)
}

fn pieces<T>(mut rest: &[T]) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    while let Some(size) = ROWS.into_iter().find(|size| *size <= rest.len()) {
        let (piece, left) = rest.split_at(size);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

fn row(args: &mut Args, org: OrgId, prepared: &Prepared, is_postgres: bool) -> String {
    let Prepared { memory, terms, digest } = prepared;
    let used = usage::of(memory, terms);
    let org = args.put(org.uuid());
    let mut values = vec![
        org.clone(),
        args.put(memory.id.uuid()),
        args.put(memory.tier.as_str()),
        args.put(memory.kind.as_str()),
        args.put(memory.scope.to_string()),
        args.put(memory.state.as_str()),
        args.put(memory.session.map(|session| session.uuid())),
        args.put(memory.place.map(signed)),
        args.put(memory.task.map(|task| task.uuid())),
        args.put(integrity_rank(memory.label.integrity)),
        args.put(confidentiality_rank(memory.label.confidentiality)),
        args.put(memory.created_at.millis()),
        args.put(memory.expires_at.map(|at| at.millis())),
        args.put(rows::about(memory)),
        args.put(digest.to_vec()),
        args.put(signed(used.bytes)),
        args.put(signed(used.words)),
        args.put(memory.text.as_str()),
    ];
    let terms = args.put(terms.as_str());
    values.push(terms.clone());
    values.push(args.put(rows::body(memory)));
    if is_postgres {
        values.push(text::vector(&org, &terms));
    }
    format!("({})", values.join(", "))
}
