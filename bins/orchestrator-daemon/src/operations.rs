//! What spans domains, or belongs to the daemon itself.

mod agent;
mod backup;
mod config;
mod description;
mod doctor;
mod event_names;
mod health;
mod notify;
mod reverting;
mod session;
mod status;
mod tool;
mod waiting;

use std::sync::Arc;

use orchestrator_auth::Auth;
use orchestrator_gateway::{OpenPage, Page};
use orchestrator_rpc::{Call, Error, NoParams, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::{Schema, json_schema};

use crate::adapters::Roster;
use crate::metrics::Gauges;

pub(crate) use config::table as config;
pub(crate) use description::Description;
pub(crate) use doctor::Doctor;
pub(crate) use event_names::EVENTS;
pub(crate) use health::{Totals, table as health};
pub(crate) use notify::table as notify;
pub(crate) use reverting::table as reverting;
pub(crate) use status::{Status, StatusOf};
pub(crate) use tool::table as tools;
pub(crate) use waiting::{NAME as TASK_WAIT, TIMEOUT_MS_MAX as TASK_WAIT_MS_MAX};

/// `agent.spawn` and the like, `task.wait`, `session.create`, `session.execute`, `daemon.status`, `daemon.doctor`, `daemon.backup` and `rpc.openapi`.
pub(crate) fn table(status: StatusOf, roster: Roster, doctor: Doctor, description: Description) -> Table {
    let (database, data) = (doctor.database.clone(), doctor.data.clone());
    let gauges = status.gauges.clone();
    let report = move |call: Call, NoParams {}| {
        let status = status.clone();
        async move { status.read(call.org()).await.map_err(internal) }
    };
    Table::new()
        .with(Operation::new("daemon.status", Scope::Read, "Tells how the daemon is doing", report).read_only())
        .merge(agent::table(roster.clone(), gauges.backlog.clone(), gauges.sessions.clone()))
        .merge(waiting::table(gauges.backlog.clone(), gauges.hub.clone()))
        .merge(session::table(gauges.backlog, gauges.sessions, gauges.hub, roster))
        .merge(backup::table(database, data))
        .merge(doctor::table(doctor))
        .merge(description::table(description))
}

pub(crate) fn status_page(status: StatusOf) -> Page {
    Box::new(move |caller| {
        let status = status.clone();
        Box::pin(async move {
            let status = status.read(caller.org).await.map_err(internal)?;
            serde_json::to_string(&status).map_err(Error::internal)
        })
    })
}

/// The operator's alone: its sums are over all organisations.
pub(crate) fn metrics_page(gauges: Gauges) -> Page {
    let gauges = Arc::new(gauges);
    Box::new(move |caller| {
        let gauges = gauges.clone();
        Box::pin(async move {
            if caller.org != OrgId::LOCAL {
                return Err(Error::forbidden("only the operator's organisation may read the metrics of the daemon"));
            }
            gauges.page().await.map_err(internal)
        })
    })
}

/// What everybody needs to verify a token (RFC 7517, section 5): nothing, if tokens are signed with HS256.
pub(crate) fn key_set(auth: Auth) -> OpenPage {
    Box::new(move || {
        let set = serde_json::json!({ "keys": auth.public_keys() });
        Box::pin(async move { Ok(set.to_string()) })
    })
}

pub(crate) fn key_set_schema() -> Schema {
    json_schema!({ "type": "object", "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": { "type": "object", "required": ["kty"] } } } })
}

pub(crate) fn internal(error: anyhow::Error) -> Error {
    Error::internal(Box::<dyn std::error::Error + Send + Sync>::from(error))
}
