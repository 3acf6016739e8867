use orchestrator_rpc::{Call, Code, Error as Refusal, NoParams, Operation, Scope, Table};
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Emergency, Error, Order};

/// Something in it can be seen, and it has no NUL.
const VISIBLE: &str = r"^[^\x00]*[^\s\x00][^\x00]*$";

/// Why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Said {
    /// Why, for whoever meets it or reads of it later.
    #[schemars(length(min = 1, max = 500), regex(pattern = VISIBLE))]
    reason: String,
}

/// Whether an organisation is stopped, and by whom.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EmergencyStanding")]
pub struct Standing {
    /// Whether no tool, model and session of the organisation runs.
    pub stopped: bool,
    /// The operator's order, which concerns every organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_operator: Option<Shown>,
    /// The organisation's own order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Shown>,
}

/// An order, as far as it is the caller's to know.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EmergencyOrder")]
pub struct Shown {
    /// Since when.
    pub since: Timestamp,
    /// Why; of the operator's order only to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who gave it; of the operator's order only to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

impl Shown {
    fn to(asking: OrgId, order: &Order) -> Self {
        let is_own = order.org == asking;
        Self { since: order.since, reason: is_own.then(|| order.reason.clone()), by: is_own.then(|| order.by.clone()) }
    }
}

impl Standing {
    /// As this organisation may know it.
    pub fn of(emergency: &Emergency, org: OrgId) -> Self {
        let orders = emergency.orders();
        Self {
            stopped: orders.concerning(org).is_some(),
            by_operator: orders.of(OrgId::LOCAL).map(|order| Shown::to(org, order)),
            own: orders.of(org).filter(|_| org != OrgId::LOCAL).map(|order| Shown::to(org, order)),
        }
    }
}

/// The operations `emergency.stop`, `emergency.release` and `emergency.status`.
pub fn operations(emergency: &Emergency) -> Table {
    let (stops, releases, standing) = (emergency.clone(), emergency.clone(), emergency.clone());
    let stop = move |call: Call, said: Said| stop(stops.clone(), call, said);
    let release = move |call: Call, said: Said| release(releases.clone(), call, said);
    let status = move |call: Call, NoParams {}| {
        let told = Standing::of(&standing, call.org());
        async move { Ok::<_, Refusal>(told) }
    };
    let all = "Ends every tool, model request and session at once, and lets none begin until it is released: the organisation's, \
               for the operator's organisation those of all";
    let back = "Takes the organisation's emergency stop back: interrupted sessions go on";
    let told = "Tells whether an emergency stop is in force, and why";
    Table::new()
        .with(Operation::new("emergency.stop", Scope::Admin, all, stop))
        .with(Operation::new("emergency.release", Scope::Admin, back, release).fails_with([Code::Conflict]))
        .with(Operation::new("emergency.status", Scope::Read, told, status).read_only())
}

async fn stop(emergency: Emergency, call: Call, said: Said) -> Result<Standing, Refusal> {
    emergency.stop(call.org(), &said.reason, call.actor()).await?;
    Ok(Standing::of(&emergency, call.org()))
}

async fn release(emergency: Emergency, call: Call, said: Said) -> Result<Standing, Refusal> {
    emergency.release(call.org(), &said.reason, call.actor()).await?;
    Ok(Standing::of(&emergency, call.org()))
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::NotStopped => Self::conflict(told),
            Error::NotKept(source) => Self::unavailable(told).with_source(source),
            Error::Store(source) => Self::internal(source),
        }
    }
}
