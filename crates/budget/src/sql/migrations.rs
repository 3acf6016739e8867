use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_ledger", statements: ledger }];

/// What is searched for or added up has a column; of reservations and limits everything else is in `body`.
fn ledger(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![
        format!(
            "create table budget_counters (org {uuid} not null, counter text not null, kind text not null, \
             name text not null, span text not null, start bigint not null, spent_tokens bigint not null, \
             spent_nano_usd bigint not null, reserved_tokens bigint not null, reserved_nano_usd bigint not null, \
             alerted bigint not null, exhausted bigint not null, primary key (org, counter)){clustered}"
        ),
        "create index budget_counters_kind on budget_counters (org, kind, span, start)".into(),
        "create index budget_counters_start on budget_counters (start)".into(),
        format!(
            "create table budget_reservations (org {uuid} not null, id text not null, node text not null, \
             epoch bigint not null, expires_at bigint not null, body text not null, primary key (org, id)){clustered}"
        ),
        "create index budget_reservations_owner on budget_reservations (node, epoch)".into(),
        "create index budget_reservations_expired on budget_reservations (expires_at)".into(),
        format!(
            "create table budget_limits (org {uuid} not null, scope text not null, span text not null, \
             body text not null, primary key (org, scope, span)){clustered}"
        ),
        format!(
            "create table budget_spendings (org {uuid} not null, id text not null, at bigint not null, \
             settled_at bigint not null, team text not null, agent text not null, session text not null, \
             task text not null, model text not null, provider text not null, input bigint not null, \
             cache_read bigint not null, cache_write_5m bigint not null, cache_write_1h bigint not null, \
             output bigint not null, reasoning bigint not null, tokens bigint not null, nano_usd bigint not null, \
             input_expected bigint not null, ended text not null, estimated bigint not null, price text not null, \
             primary key (org, id)){clustered}"
        ),
        "create index budget_spendings_at on budget_spendings (org, at)".into(),
        "create index budget_spendings_old on budget_spendings (at)".into(),
        "create index budget_spendings_model on budget_spendings (org, model, agent, id)".into(),
    ]
}
