mod people;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use orchestrator_events::Follower;
use orchestrator_rpc::{Call, Code, Error as Refusal, Operation, Scope, Table};
use orchestrator_vocab::SessionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Listing, Query, SessionInfo, Sessions, Status, Stop};

pub use people::{HistoryParams, SessionHistory, SettleParams, SubmitParams, Submitted};

/// The operations `session.list`, `status`, `stop`, `pause`, `resume`, `history` and `settle`, and `prompt.submit`.
///
/// `session.create` is not among them: it makes a task too, which is another domain's.
pub fn operations(sessions: &Sessions) -> Table {
    let list = operation(sessions, "session.list", Scope::Read, "Lists sessions, the newest first", list);
    let status = operation(sessions, "session.status", Scope::Read, "Shows a session", status);
    let stop = operation(sessions, "session.stop", Scope::Write, "Ends a session; its task goes back", stop);
    let pause = operation(sessions, "session.pause", Scope::Write, "Makes a session stand still", pause);
    let resume =
        operation(sessions, "session.resume", Scope::Write, "Lets a paused or suspended session go on", resume);
    let changes = [Code::NotFound, Code::Conflict, Code::Unavailable];
    Table::new()
        .with(list.read_only())
        .with(status.read_only().fails_with([Code::NotFound]))
        .with(stop.fails_with(changes))
        .with(pause.fails_with(changes))
        .with(resume.fails_with(changes))
        .merge(people::table(sessions))
}

fn operation<P, R, F>(
    sessions: &Sessions,
    name: &'static str,
    scope: Scope,
    summary: &'static str,
    handler: impl Fn(Sessions, Call, P) -> F + Send + Sync + 'static,
) -> Operation
where
    P: for<'de> Deserialize<'de> + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Future<Output = Result<R, Refusal>> + Send + 'static,
{
    let sessions = sessions.clone();
    Operation::new(name, scope, summary, move |call, params| handler(sessions.clone(), call, params))
}

/// The parameters of `session.list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How many at most.
    #[serde(default)]
    pub limit: SessionLimit,
    /// How many to pass over.
    #[serde(default)]
    pub offset: u32,
}

/// How many sessions a list or entries a history holds: 1 to 200, by default 50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct SessionLimit(u8);

impl Default for SessionLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl SessionLimit {
    fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<u64> for SessionLimit {
    type Error = &'static str;

    fn try_from(limit: u64) -> Result<Self, &'static str> {
        match u8::try_from(limit) {
            Ok(limit @ 1..=200) => Ok(Self(limit)),
            _ => Err("expected a number from 1 to 200"),
        }
    }
}

impl JsonSchema for SessionLimit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SessionLimit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 200 })
    }
}

/// A part of the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SessionList {
    /// The newest first.
    pub sessions: Vec<SessionInfo>,
    /// How many there are without limit and offset.
    pub total: u64,
}

/// The parameters of `session.status`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusParams {
    /// Which.
    pub session_id: SessionId,
}

/// The parameters of `session.stop`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopParams {
    /// Which.
    pub session_id: SessionId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Kills at once instead of asking first.
    #[serde(default)]
    pub force: bool,
}

/// The parameters of `session.pause`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseParams {
    /// Which.
    pub session_id: SessionId,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The parameters of `session.resume`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResumeParams {
    /// Which.
    pub session_id: SessionId,
    /// Also subscribes this WebSocket to the session's events, under the session's id. Unless said otherwise, only clients
    /// of protocol v2 are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<bool>,
}

async fn list(sessions: Sessions, call: Call, params: ListParams) -> Result<SessionList, Refusal> {
    let query = Query { status: params.status, limit: params.limit.get(), offset: params.offset as usize };
    let Listing { sessions: found, total } = sessions.list(call.org(), query).await?;
    Ok(SessionList { sessions: found.iter().map(|session| sessions.info(session)).collect(), total })
}

async fn status(sessions: Sessions, call: Call, params: StatusParams) -> Result<SessionInfo, Refusal> {
    Ok(sessions.info(&sessions.get(call.org(), params.session_id).await?))
}

async fn stop(sessions: Sessions, call: Call, params: StopParams) -> Result<SessionInfo, Refusal> {
    let stop = Stop { reason: params.reason, force: params.force, actor: call.actor() };
    Ok(sessions.info(&sessions.stop(call.org(), params.session_id, stop).await?))
}

async fn pause(sessions: Sessions, call: Call, params: PauseParams) -> Result<SessionInfo, Refusal> {
    Ok(sessions.info(&sessions.pause(call.org(), params.session_id, params.reason, call.actor()).await?))
}

async fn resume(sessions: Sessions, call: Call, params: ResumeParams) -> Result<SessionInfo, Refusal> {
    let id = params.session_id;
    let session = sessions.get(call.org(), id).await?;
    let follower = call.extensions.get::<Follower>().filter(|follower| follower.is_wanted(params.subscribe));
    let subscription = match follower {
        Some(_) => Some(sessions.follow(&session).await?),
        None => None,
    };
    let resumed = sessions.resume(call.org(), id, call.actor()).await?;
    if let (Some(follower), Some(subscription)) = (follower, subscription) {
        follower.follow(&id.to_string(), subscription)?;
    }
    Ok(sessions.info(&resumed))
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found(message),
            Error::Transition(_) | Error::Ended(_) | Error::Stale(_) | Error::CannotPause { .. } => {
                Self::conflict(message)
            }
            Error::AtCapacity { .. } => Self::unavailable(message).with_retry_after(Duration::from_secs(1)),
            Error::Draining | Error::Elsewhere { .. } => Self::unavailable(message),
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::TakesNoInput { .. } | Error::NothingToSettle { .. } | Error::Held { .. } => Self::conflict(message),
            Error::Store(_) | Error::Work(_) => Self::unavailable(message).with_source(error),
        }
    }
}
