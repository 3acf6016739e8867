use orchestrator_sql::Tx;
use orchestrator_vocab::{Confidentiality, Integrity, OrgId};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::{Filter, State};

/// The parameters of a statement, in their order.
#[derive(Default)]
pub(super) struct Args {
    values: Vec<Value>,
    are_nameless: bool,
}

impl Args {
    /// For many rows: each value stands in the statement once, in the order in which it is put. On SQLite they have no names then:
    /// it looks for each name among all of the statement, which for 10,000 takes a third of a second.
    pub(super) fn of_rows(tx: &Tx) -> Self {
        Self { values: Vec::new(), are_nameless: !tx.is_postgres() }
    }

    /// Adds one and tells its place.
    pub(super) fn put(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        if self.are_nameless { "?".to_owned() } else { format!("${}", self.values.len()) }
    }

    /// Adds many and tells their places, in parentheses.
    pub(super) fn list(&mut self, values: impl IntoIterator<Item = impl Into<Value>>) -> String {
        let places: Vec<String> = values.into_iter().map(|value| self.put(value)).collect();
        format!("({})", places.join(", "))
    }

    /// That a column has one of these numbers: one value, so that every such statement is the same.
    pub(super) fn among<C: ConnectionTrait>(&mut self, connection: &C, column: &str, numbers: &[i64]) -> String {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let numbers = numbers.join(",");
        if is_postgres(connection) {
            return format!("{column} = any(string_to_array({}, ',')::bigint[])", self.put(numbers));
        }
        format!("{column} in (select value from json_each({}))", self.put(format!("[{numbers}]")))
    }

    /// That a row is the organisation's, said so that it is found by what else is said of it: an index by organisations leads to all that
    /// one has, and without statistics both databases take it. Each makes an equation of what the other leaves as it is.
    pub(super) fn only_of<C: ConnectionTrait>(&mut self, connection: &C, org: OrgId) -> String {
        let org = self.put(org.uuid());
        if is_postgres(connection) { format!("org is not distinct from {org}") } else { format!("not (org <> {org})") }
    }

    pub(super) fn statement<C: ConnectionTrait>(self, connection: &C, sql: String) -> Statement {
        Statement::from_sql_and_values(connection.get_database_backend(), sql, self.values)
    }

    /// What must hold of a row of `memory_memories`, as far as a filter says.
    pub(super) fn conditions(&mut self, filter: &Filter) -> String {
        let mut all = Vec::new();
        let states: &[State] = if filter.states.is_empty() { &[State::Active] } else { &filter.states };
        all.push(format!("state in {}", self.list(states.iter().map(|state| state.as_str()))));
        if !filter.tiers.is_empty() {
            all.push(format!("tier in {}", self.list(filter.tiers.iter().map(|tier| tier.as_str()))));
        }
        if !filter.kinds.is_empty() {
            all.push(format!("kind in {}", self.list(filter.kinds.iter().map(|kind| kind.as_str()))));
        }
        match &filter.scopes {
            None => {}
            Some(scopes) if scopes.is_empty() => all.push("1 = 0".into()),
            Some(scopes) => all.push(format!("scope in {}", self.list(scopes.iter().map(ToString::to_string)))),
        }
        if let Some(subject) = &filter.only_user {
            all.push(format!("(scope not like 'user:%' or scope = {})", self.put(format!("user:{subject}"))));
        }
        if let Some(session) = filter.session {
            all.push(format!("session = {}", self.put(session.uuid())));
        }
        if let Some(session) = filter.except {
            all.push(format!("(session is null or session <> {})", self.put(session.uuid())));
        }
        if let Some(task) = filter.task {
            all.push(format!("task = {}", self.put(task.uuid())));
        }
        for (kind, name) in [("person", &filter.person), ("topic", &filter.topic)] {
            if let Some(name) = name {
                let pattern = format!("%\n{kind}:{}\n%", escaped(name));
                all.push(format!("about like {} escape '\\'", self.put(pattern)));
            }
        }
        if let Some(from) = filter.from {
            all.push(format!("created_at >= {}", self.put(from.millis())));
        }
        if let Some(until) = filter.until {
            all.push(format!("created_at < {}", self.put(until.millis())));
        }
        if let Some(integrity) = filter.integrity_min {
            all.push(format!("integrity >= {}", self.put(integrity_rank(integrity))));
        }
        if let Some(confidentiality) = filter.confidentiality_max {
            all.push(format!("confidentiality <= {}", self.put(confidentiality_rank(confidentiality))));
        }
        all.join(" and ")
    }
}

/// A text as a part of a pattern for `like`.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

pub(super) fn integrity_rank(integrity: Integrity) -> i64 {
    match integrity {
        Integrity::Untrusted => 0,
        Integrity::User => 1,
        Integrity::Operator => 2,
    }
}

pub(super) fn confidentiality_rank(confidentiality: Confidentiality) -> i64 {
    match confidentiality {
        Confidentiality::Public => 0,
        Confidentiality::Internal => 1,
        Confidentiality::Secret => 2,
    }
}

/// What nobody knows is not believed.
pub(super) fn integrity_of(rank: i64) -> Integrity {
    match rank {
        2 => Integrity::Operator,
        1 => Integrity::User,
        _ => Integrity::Untrusted,
    }
}

/// What nobody knows is secret.
pub(super) fn confidentiality_of(rank: i64) -> Confidentiality {
    match rank {
        0 => Confidentiality::Public,
        1 => Confidentiality::Internal,
        _ => Confidentiality::Secret,
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn is_postgres<C: ConnectionTrait>(connection: &C) -> bool {
    connection.get_database_backend() == DbBackend::Postgres
}

/// A statement whose parameters are numbered by hand.
pub(super) fn statement<const N: usize>(tx: &Tx, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(tx.get_database_backend(), sql, values)
}
