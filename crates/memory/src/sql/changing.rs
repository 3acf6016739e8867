use orchestrator_events::{NewEvent, SqlLog};
use orchestrator_sql::Tx;
use orchestrator_vocab::OrgId;
use sea_orm::ConnectionTrait as _;

use super::args::{Args, confidentiality_rank, integrity_rank, signed};
use super::{reading, rows, text, usage, vectors};
use crate::{Bounds, Change, Error, Memory, MemoryId, Prepared, State, Stored, event};

async fn one(tx: &Tx, org: OrgId, id: MemoryId) -> Result<Stored, Error> {
    reading::get(tx, org, &[id]).await?.pop().ok_or(Error::NotFound(id))
}

pub(super) async fn change(
    tx: &Tx,
    org: OrgId,
    id: MemoryId,
    change: &Change,
    events: &[NewEvent],
) -> Result<Memory, Error> {
    let Stored { number, memory, .. } = one(tx, org, id).await?;
    let was = memory.state;
    let changed = changed(memory, change)?;
    let mut args = Args::default();
    let sql = format!(
        "update memory_memories set state = {}, integrity = {}, expires_at = {}, body = {} \
         where number = {number} and state = {}",
        args.put(changed.state.as_str()),
        args.put(integrity_rank(changed.label.integrity)),
        args.put(changed.expires_at.map(|at| at.millis())),
        args.put(rows::body(&changed)),
        args.put(was.as_str()),
    );
    let statement = args.statement(tx, sql);
    if tx.execute_raw(statement).await?.rows_affected() == 0 {
        return Err(conflict(id, "somebody else changed it meanwhile: read it again"));
    }
    if changed.state != was {
        vectors::renew(tx, number).await?;
    }
    SqlLog::append(tx, events.iter().cloned());
    Ok(changed)
}

fn changed(memory: Memory, change: &Change) -> Result<Memory, Error> {
    match (change, memory.state) {
        (Change::Confirm { integrity }, State::Quarantined) => {
            let mut memory = memory;
            memory.label.integrity = *integrity;
            Ok(Memory { state: State::Active, ..memory })
        }
        (Change::Confirm { .. }, state) => {
            Err(conflict(memory.id, format!("it is {}, and only what is quarantined is confirmed", state.as_str())))
        }
        (Change::Supersede { .. }, State::Superseded) => {
            Err(conflict(memory.id, "another took its place already: supersede that one"))
        }
        (Change::Supersede { by, until }, _) => Ok(Memory {
            state: State::Superseded,
            superseded_by: Some(*by),
            valid_to: memory.valid_to.or(Some(*until)),
            ..memory
        }),
        (Change::Expire { at }, _) => Ok(Memory { expires_at: Some(*at), ..memory }),
    }
}

pub(super) fn conflict(id: MemoryId, problem: impl Into<String>) -> Error {
    Error::Conflict { id, problem: problem.into() }
}

pub(super) async fn rewrite(
    tx: &Tx,
    org: OrgId,
    id: MemoryId,
    before: [u8; 32],
    after: &Prepared,
    bounds: &Bounds,
) -> Result<(), Error> {
    let old = one(tx, org, id).await?;
    if old.digest != before {
        return Err(conflict(id, "it reads otherwise by now: read it again"));
    }
    let place = usage::place(&old.memory);
    let used = usage::lock(tx, org, std::iter::once(place)).await?[&place];
    let less = usage::of(&old.memory, &old.terms);
    let more = usage::of(&after.memory, &after.terms);
    let rest = usage::less(used, less);
    let limit = bounds.bytes_max[place.0 as usize];
    if rest.bytes + more.bytes > limit {
        return Err(Error::Full { tier: place.0, used: used.bytes, limit, wanted: more.bytes });
    }
    text::forget(tx, org, &[old.number]).await?;
    let mut args = Args::default();
    let terms = args.put(after.terms.as_str());
    let index = if tx.is_postgres() {
        format!(", words_index = {}", text::vector(&args.put(org.uuid()), &terms))
    } else {
        String::new()
    };
    let sql = format!(
        "update memory_memories set content = {}, terms = {terms}, digest = {}, bytes = {}, words = {}, body = {}, integrity = {}, \
         confidentiality = {}{index} where number = {}",
        args.put(after.memory.text.as_str()),
        args.put(after.digest.to_vec()),
        args.put(signed(more.bytes)),
        args.put(signed(more.words)),
        args.put(rows::body(&after.memory)),
        args.put(integrity_rank(after.memory.label.integrity)),
        args.put(confidentiality_rank(after.memory.label.confidentiality)),
        old.number
    );
    let statement = args.statement(tx, sql);
    tx.execute_raw(statement).await?;
    text::add(tx, org, &[old.number]).await?;
    tx.execute_unprepared(&format!("delete from memory_vectors where memory = {}", old.number)).await?;
    usage::subtract(tx, org, place, less).await?;
    usage::add(tx, org, place, more).await?;
    SqlLog::append(tx, event::filling(org, place, used, usage::sum(rest, more), bounds));
    Ok(())
}
