use orchestrator_notify::{Info, Message, Notifier, Severity};
use orchestrator_rpc::{Call, Code, Error, NoParams, Operation, Scope, Table};
use orchestrator_vocab::{Clock as _, EventId, OrgId, SystemClock, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `notify.list` answers.
#[derive(Debug, Serialize, JsonSchema)]
struct DestinationList {
    /// In the order of their names.
    destinations: Vec<DestinationInfo>,
}

/// Somebody who may be told, and how that goes. No secrets.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DestinationInfo {
    /// As it is configured.
    name: String,
    /// `email`, `slack` or `webhook`.
    kind: &'static str,
    /// Who is spoken to.
    host: String,
    /// Messages that wait to be sent.
    waiting: usize,
    /// Messages that arrived since this daemon was started.
    delivered: u64,
    /// Messages that were given up since then.
    failed: u64,
    /// When it was last tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<Timestamp>,
    /// Why that failed; absent if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_problem: Option<String>,
}

/// The parameters of `notify.test`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TestParams {
    /// The destination, as it is configured.
    #[schemars(length(min = 1, max = 64))]
    destination: String,
}

/// What came of a test.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TestResult {
    /// The destination.
    destination: String,
    /// Whether it has taken the message.
    delivered: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// `notify.list` and `notify.test`: destinations are the operator's, so they are for the operator's organisation alone.
pub(crate) fn table(notifier: Notifier) -> Table {
    let all = notifier.clone();
    let list = move |call: Call, NoParams {}| {
        let notifier = all.clone();
        async move {
            operators(&call)?;
            Ok(DestinationList { destinations: notifier.list().into_iter().map(shown).collect() })
        }
    };
    let test = move |call: Call, params: TestParams| {
        let notifier = notifier.clone();
        async move {
            operators(&call)?;
            try_out(&notifier, params.destination).await
        }
    };
    let list_summary = "Lists who may be told of what happens, and what came of the last attempt";
    let test_summary = "Sends a test message to a destination, once, and tells what came of it";
    Table::new()
        .with(Operation::new("notify.list", Scope::Admin, list_summary, list).read_only().fails_with([Code::Forbidden]))
        .with(
            Operation::new("notify.test", Scope::Admin, test_summary, test)
                .fails_with([Code::Forbidden, Code::NotFound]),
        )
}

async fn try_out(notifier: &Notifier, destination: String) -> Result<TestResult, Error> {
    let message = Message {
        id: EventId::new().to_string(),
        topic: "notify.test".to_owned(),
        key: String::new(),
        severity: Severity::Info,
        title: "A test".to_owned(),
        text: "Somebody wanted to know whether messages arrive here. They do.".to_owned(),
        facts: Vec::new(),
        time: SystemClock.now(),
    };
    let sent = notifier.try_now(&destination, message).await.map_err(|error| Error::not_found(error.to_string()))?;
    let problem = sent.err().map(|failure| failure.message);
    Ok(TestResult { destination, delivered: problem.is_none(), problem })
}

fn shown(info: Info) -> DestinationInfo {
    let Info { name, kind, host, waiting, delivered, failed, last } = info;
    let (last_at, last_problem) = last.map_or((None, None), |last| (Some(last.at), last.problem));
    DestinationInfo { name, kind: kind.as_str(), host, waiting, delivered, failed, last_at, last_problem }
}

fn operators(call: &Call) -> Result<(), Error> {
    match call.org() == OrgId::LOCAL {
        true => Ok(()),
        false => Err(Error::forbidden("only the operator's organisation may see and test destinations")),
    }
}
