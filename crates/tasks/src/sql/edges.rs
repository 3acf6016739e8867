use std::collections::BTreeMap;

use orchestrator_vocab::{Id, OrgId, TaskId};
use sea_orm::{DbErr, QueryResult, Value};

use super::graphs::{Refused, Version};
use super::rows::SqlRows;
use super::statement::{Sql, lists, pieces};
use crate::graph::Pair;
use crate::{Edge, Error, OnFailure};

impl SqlRows<'_> {
    pub(super) async fn read_edges(&self, org: OrgId, from: &str, ids: &[TaskId]) -> Result<Vec<Edge>, Error> {
        let mut edges = Vec::new();
        for ids in lists(ids) {
            let select = self.sql("select task, depends_on, on_failure, met from tasks_edge where ");
            let rows = select.among("", from, org, ids).rows(self.tx).await?;
            edges.extend(rows.iter().map(|row| edge(org, row)).collect::<Result<Vec<_>, Error>>()?);
        }
        Ok(edges)
    }

    /// Locks the graph, catches up with what others wrote, checks, writes.
    pub(super) async fn add_edges(&self, org: OrgId, edges: &[Edge]) -> Result<(), Error> {
        let edges: BTreeMap<Pair, &Edge> = edges.iter().map(|edge| ((edge.task, edge.depends_on), edge)).collect();
        if edges.is_empty() {
            return Ok(());
        }
        let pairs: Vec<Pair> = edges.keys().copied().collect();
        let now = self.lock_graph(org).await?;
        self.catch_up(org, now).await?;
        let next = Version { rev: now.rev + 1, ..now };
        let undo = match self.shared.graphs.add(org, &pairs, next) {
            Err(Refused::Perhaps) => {
                self.shared.graphs.forget(org);
                self.catch_up(org, now).await?;
                self.shared.graphs.add(org, &pairs, next)
            }
            answer => answer,
        };
        match undo {
            Ok(undo) => self.tx.on_rollback(undo),
            Err(Refused::Cycle(cycle)) => return Err(Error::Cycle { path: cycle.path }),
            Err(Refused::Perhaps) => return Err(Error::Conflict),
        }
        self.set_version(org, next).await?;
        let rows: Vec<[Value; 6]> = edges.values().map(|edge| values(edge, next.rev)).collect();
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_edge (org, task, depends_on, on_failure, met, rev) values ");
            let insert = insert.tuples(rows).add(
                " on conflict (org, task, depends_on) do update set on_failure = excluded.on_failure, met = excluded.met",
            );
            insert.run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_edges(&self, org: OrgId, edges: &[Pair]) -> Result<(), Error> {
        if edges.is_empty() {
            return Ok(());
        }
        let now = self.lock_graph(org).await?;
        for pairs in pieces(self.tx, edges.to_vec()) {
            among(self.sql("delete from tasks_edge where "), org, &pairs).run(self.tx).await?;
        }
        self.removed(org, now, edges).await
    }

    /// Removes every edge of some tasks.
    pub(super) async fn remove_edges_of(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error> {
        let mut edges = self.read_edges(org, "task", ids).await?;
        edges.extend(self.read_edges(org, "depends_on", ids).await?);
        let pairs: Vec<Pair> = edges.iter().map(|edge| (edge.task, edge.depends_on)).collect();
        self.remove_edges(org, &pairs).await
    }

    async fn removed(&self, org: OrgId, now: Version, edges: &[Pair]) -> Result<(), Error> {
        let next = Version { removals: now.removals + 1, ..now };
        // Edges that others added meanwhile are not known yet: the known version must not claim so.
        match self.shared.graphs.version(org) {
            Some(known) if known != now => self.shared.graphs.forget(org),
            _ => {}
        }
        self.tx.on_rollback(self.shared.graphs.remove(org, edges, next));
        self.set_version(org, next).await
    }

    pub(super) async fn mark_edges(&self, org: OrgId, edges: &[Pair], met: bool) -> Result<(), Error> {
        for pairs in pieces(self.tx, edges.to_vec()) {
            let update = self.sql("update tasks_edge set met = ").bind(i16::from(met)).add(" where ");
            among(update, org, &pairs).run(self.tx).await?;
        }
        Ok(())
    }

    /// The graph's version, which nobody else can change before this transaction ends.
    async fn lock_graph(&self, org: OrgId) -> Result<Version, Error> {
        if let Some(version) = self.read_version(org).await? {
            return Ok(version);
        }
        // The first edges of an organisation: there must be a row to lock.
        let insert = self.sql("insert into tasks_graph (org, rev, removals) values ");
        let insert = insert.tuples([[org.uuid().into(), 0_i64.into(), 0_i64.into()]]);
        insert.add(" on conflict (org) do nothing").run(self.tx).await?;
        Ok(self.read_version(org).await?.unwrap_or_default())
    }

    async fn read_version(&self, org: OrgId) -> Result<Option<Version>, Error> {
        let select = self.sql("select rev, removals from tasks_graph where org = ").bind(org.uuid());
        let row = select.on_postgres(" for update").row(self.tx).await?;
        let version = |row: QueryResult| -> Result<Version, DbErr> {
            Ok(Version { rev: row.try_get_by_index(0)?, removals: row.try_get_by_index(1)? })
        };
        Ok(row.map(version).transpose()?)
    }

    async fn set_version(&self, org: OrgId, version: Version) -> Result<(), Error> {
        let update = self.sql("update tasks_graph set rev = ").bind(version.rev);
        let update = update.add(", removals = ").bind(version.removals).add(" where org = ").bind(org.uuid());
        update.run(self.tx).await?;
        Ok(())
    }

    async fn catch_up(&self, org: OrgId, now: Version) -> Result<(), Error> {
        let known = self.shared.graphs.version(org);
        if known == Some(now) {
            return Ok(());
        }
        let mut select = self.sql("select task, depends_on from tasks_edge where org = ").bind(org.uuid());
        if let Some(known) = known {
            select = select.add(" and rev > ").bind(known.rev);
        }
        let pair = |row: &QueryResult| -> Result<Pair, DbErr> {
            Ok((Id::from_uuid(row.try_get_by_index(0)?), Id::from_uuid(row.try_get_by_index(1)?)))
        };
        let edges = select.rows(self.tx).await?.iter().map(pair).collect::<Result<Vec<_>, DbErr>>()?;
        let caught_up = self.shared.graphs.catch_up(org, now, &edges);
        if caught_up.is_err() && known.is_some() {
            // An edge that another daemon removed is in the way of one that it added.
            return Box::pin(self.catch_up(org, now)).await;
        }
        caught_up.map_err(|cycle| Error::Store(format!("the stored edges form a cycle: {:?}", cycle.path).into()))
    }
}

/// Like [`Sql::among`], for edges.
fn among(sql: Sql, org: OrgId, pairs: &[Pair]) -> Sql {
    let row = |(task, on): &Pair| -> [Value; 3] { [org.uuid().into(), task.uuid().into(), on.uuid().into()] };
    let sql = sql.add("(org, task, depends_on) in (select column1, column2, column3 from (values ");
    sql.tuples(pairs.iter().map(row)).add(") as v)")
}

fn values(edge: &Edge, rev: i64) -> [Value; 6] {
    let met = i16::from(edge.met);
    let (task, on) = (edge.task.uuid(), edge.depends_on.uuid());
    [edge.org.uuid().into(), task.into(), on.into(), policy(edge.on_failure).into(), met.into(), rev.into()]
}

fn policy(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Cancel => "cancel",
        OnFailure::Continue => "continue",
        OnFailure::Wait => "wait",
    }
}

fn edge(org: OrgId, row: &QueryResult) -> Result<Edge, Error> {
    let on_failure: String = row.try_get_by_index(2)?;
    Ok(Edge {
        org,
        task: Id::from_uuid(row.try_get_by_index(0)?),
        depends_on: Id::from_uuid(row.try_get_by_index(1)?),
        on_failure: match on_failure.as_str() {
            "cancel" => OnFailure::Cancel,
            "continue" => OnFailure::Continue,
            "wait" => OnFailure::Wait,
            other => return Err(Error::Store(format!("an edge has the policy `{other}`").into())),
        },
        met: row.try_get_by_index::<i16>(3)? != 0,
    })
}
