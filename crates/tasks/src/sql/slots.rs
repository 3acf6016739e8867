use std::collections::{BTreeSet, HashMap};

use orchestrator_vocab::{AgentId, OrgId};
use sea_orm::{DbErr, QueryResult, Value};

use super::rows::SqlRows;
use super::statement::{lists, pieces};
use crate::Error;

impl SqlRows<'_> {
    pub(super) async fn read_slots(&self, org: OrgId, keys: &[String]) -> Result<Vec<u32>, Error> {
        self.lock_names(org, "slot", keys.iter().map(String::as_str)).await?;
        let mut taken: HashMap<String, u32> = HashMap::with_capacity(keys.len());
        for keys in lists(keys) {
            let select = self.sql("select slot, taken from tasks_slot where org = ").bind(org.uuid());
            let rows = select.add(" and slot in ").list(keys.iter().map(String::as_str)).rows(self.tx).await?;
            let pair = |row: &QueryResult| -> Result<(String, u32), DbErr> {
                Ok((row.try_get_by_index(0)?, u32::try_from(row.try_get_by_index::<i64>(1)?).unwrap_or(u32::MAX)))
            };
            taken.extend(rows.iter().map(pair).collect::<Result<Vec<_>, DbErr>>()?);
        }
        Ok(keys.iter().map(|key| taken.get(key).copied().unwrap_or(0)).collect())
    }

    pub(super) async fn write_slots(&self, org: OrgId, slots: &[(String, u32)]) -> Result<(), Error> {
        let (free, taken): (Vec<_>, Vec<_>) = slots.iter().partition(|(_, taken)| *taken == 0);
        for keys in lists(&free) {
            let delete = self.sql("delete from tasks_slot where org = ").bind(org.uuid()).add(" and slot in ");
            delete.list(keys.iter().map(|(key, _)| key.as_str())).run(self.tx).await?;
        }
        let values = |(key, taken): &&(String, u32)| -> [Value; 3] {
            [org.uuid().into(), key.as_str().into(), i64::from(*taken).into()]
        };
        let rows: Vec<[Value; 3]> = taken.iter().map(values).collect();
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_slot (org, slot, taken) values ").tuples(rows);
            insert.add(" on conflict (org, slot) do update set taken = excluded.taken").run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn hold_agents(&self, org: OrgId, agents: &[AgentId]) -> Result<(), Error> {
        self.lock_names(org, "agent", agents.iter().map(AgentId::as_str)).await
    }

    /// Locks names for which there need be no rows, until the transaction ends. SQLite has one writer, which holds everything.
    ///
    /// Two names may share a lock by chance: then one waits for nothing, which does no harm. All take them in one order.
    async fn lock_names<'n>(
        &self,
        org: OrgId,
        kind: &str,
        names: impl Iterator<Item = &'n str> + Send,
    ) -> Result<(), Error> {
        if !self.tx.is_postgres() || !self.writable {
            return Ok(());
        }
        let locks: BTreeSet<i64> = names.map(|name| lock_of(&format!("{org} {kind} {name}"))).collect();
        for locks in pieces(self.tx, locks.into_iter().collect()) {
            let mut select = self.sql("select pg_advisory_xact_lock(");
            for (index, lock) in locks.into_iter().enumerate() {
                select.push(if index == 0 { "" } else { "), pg_advisory_xact_lock(" });
                select.push_value(lock);
            }
            select.add(")").rows(self.tx).await?;
        }
        Ok(())
    }
}

/// The number of a name: FNV-1a, so that every version of this program agrees.
fn lock_of(name: &str) -> i64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the test vectors in Noll's reference: daemons of different versions rely on it.
    #[test]
    fn a_name_always_has_the_same_number() {
        assert_eq!(lock_of("") as u64, 0xcbf2_9ce4_8422_2325);
        assert_eq!(lock_of("a") as u64, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(lock_of("foobar") as u64, 0x8594_4171_f739_67e8);
    }
}
