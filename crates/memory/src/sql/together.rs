//! What is stored side by side is written by few statements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_vocab::OrgId;

use super::{insert, text, usage};
use crate::{Error, Insert, Prepared, Used, event};

/// So many inserts in one go.
pub(super) const TOGETHER_MAX: usize = 128;

/// Of an organisation.
type Place = (OrgId, usage::Place);

/// Whether it changes nothing of what is stored already. Only those are written together: whoever is refused has written nothing.
pub(super) fn is_plain(insert: &Insert) -> bool {
    insert.replaces.is_empty()
        && insert.restored.is_empty()
        && insert.memories.iter().all(|prepared| prepared.memory.supersedes.is_none())
}

/// Plain inserts in their order. Each has room or not by what those before it left.
pub(super) async fn insert(tx: &Tx, inserts: Arc<[Arc<Insert>]>) -> Result<Vec<Result<Vec<i64>, Error>>, Error> {
    let mut held = locked(tx, &inserts).await?;
    let mut fits = Vec::with_capacity(inserts.len());
    let mut grown: BTreeMap<Place, Used> = BTreeMap::new();
    for insert in inserts.iter() {
        fits.push(room(tx, insert, &mut held, &mut grown));
    }
    let accepted: Vec<Arc<Insert>> =
        inserts.iter().zip(&fits).filter(|(_, fits)| fits.is_ok()).map(|(insert, _)| insert.clone()).collect();
    let mut by_org: BTreeMap<OrgId, Vec<&Prepared>> = BTreeMap::new();
    for insert in &accepted {
        by_org.entry(insert.org).or_default().extend(&insert.memories);
    }
    let mut numbers: BTreeMap<OrgId, std::vec::IntoIter<i64>> = BTreeMap::new();
    for (org, memories) in by_org {
        text::prepare(tx, org).await?;
        let of_org = insert::write(tx, org, &memories).await?;
        text::add(tx, org, &of_org).await?;
        numbers.insert(org, of_org.into_iter());
    }
    for ((org, place), more) in grown {
        usage::add(tx, org, place, more).await?;
    }
    SqlLog::append(tx, accepted.iter().flat_map(|insert| insert.events.iter().cloned()));
    let of = |(insert, fits): (&Arc<Insert>, Result<(), Error>)| {
        fits.map(|()| {
            let numbers = numbers.get_mut(&insert.org).into_iter().flatten();
            numbers.take(insert.memories.len()).collect()
        })
    };
    Ok(inserts.iter().zip(fits).map(of).collect())
}

/// What all places hold that something is to come to, in one order for everybody.
async fn locked(tx: &Tx, inserts: &[Arc<Insert>]) -> Result<BTreeMap<Place, Used>, Error> {
    let mut places: BTreeMap<OrgId, BTreeSet<usage::Place>> = BTreeMap::new();
    for insert in inserts {
        let of_org = places.entry(insert.org).or_default();
        of_org.extend(insert.memories.iter().map(|prepared| usage::place(&prepared.memory)));
    }
    let mut held = BTreeMap::new();
    for (org, places) in places {
        let used = usage::lock(tx, org, places.into_iter()).await?;
        held.extend(used.into_iter().map(|(place, used)| ((org, place), used)));
    }
    Ok(held)
}

/// Takes the room, and tells that a tier fills, or says what is in the way.
fn room(
    tx: &Tx,
    insert: &Insert,
    held: &mut BTreeMap<Place, Used>,
    grown: &mut BTreeMap<Place, Used>,
) -> Result<(), Error> {
    let Insert { org, memories, bounds, .. } = insert;
    let added = insert::added(memories);
    for (place, more) in &added {
        let (used, limit) = (held[&(*org, *place)].bytes, bounds.bytes_max[place.0 as usize]);
        if used + more.bytes > limit {
            return Err(Error::Full { tier: place.0, used, limit, wanted: more.bytes });
        }
    }
    for (place, more) in added {
        let key = (*org, place);
        let before = held[&key];
        let after = usage::sum(before, more);
        held.insert(key, after);
        let all = grown.entry(key).or_default();
        *all = usage::sum(*all, more);
        SqlLog::append(tx, event::filling(*org, place, before, after, bounds));
    }
    Ok(())
}
