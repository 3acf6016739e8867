use orchestrator_rpc::{Call, Code, Error as Refusal, NoParams, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::info::ServerInfo;
use super::servers::Servers;
use crate::Error;

/// What `mcp.list` answers.
#[derive(Debug, Serialize, JsonSchema)]
struct ServerList {
    /// In the order of their names.
    servers: Vec<ServerInfo>,
}

/// The parameters of `mcp.confirm`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConfirmParams {
    /// The server, as it is configured.
    #[schemars(length(min = 1, max = 24))]
    server: String,
    /// The tool, as the server calls it.
    #[schemars(length(min = 1, max = 1024))]
    tool: String,
    /// Its digest as `mcp.list` told it: what you have looked at.
    #[schemars(length(min = 1, max = 100))]
    digest: String,
}

/// The parameters of `mcp.restart`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RestartParams {
    /// The server, as it is configured.
    #[schemars(length(min = 1, max = 24))]
    server: String,
}

/// `mcp.list`, `mcp.confirm` and `mcp.restart`: servers are the operator's, so they are for the operator's organisation alone.
pub fn operations(servers: &Servers) -> Table {
    let (all, one, other) = (servers.clone(), servers.clone(), servers.clone());
    let list = move |call: Call, NoParams {}| {
        let servers = all.clone();
        async move {
            operators(&call)?;
            Ok(ServerList { servers: servers.list() })
        }
    };
    let confirm = move |call: Call, params: ConfirmParams| {
        let servers = one.clone();
        async move {
            operators(&call)?;
            let ConfirmParams { server, tool, digest } = params;
            Ok(servers.confirm(&server, &tool, &digest, call.actor()).await?)
        }
    };
    let restart = move |call: Call, params: RestartParams| {
        let servers = other.clone();
        async move {
            operators(&call)?;
            Ok(servers.restart(&params.server)?)
        }
    };
    let list_summary = "Lists the MCP servers whose tools agents may use, and what became of each tool";
    let confirm_summary = "Confirms a tool of an MCP server that is new or has changed, as it is now";
    let restart_summary = "Ends the conversation with an MCP server and begins another one";
    Table::new()
        .with(Operation::new("mcp.list", Scope::Read, list_summary, list).read_only().fails_with([Code::Forbidden]))
        .with(Operation::new("mcp.confirm", Scope::Admin, confirm_summary, confirm).fails_with([
            Code::Forbidden,
            Code::NotFound,
            Code::Conflict,
            Code::Unavailable,
        ]))
        .with(Operation::new("mcp.restart", Scope::Admin, restart_summary, restart).fails_with([
            Code::Forbidden,
            Code::NotFound,
            Code::Conflict,
        ]))
}

fn operators(call: &Call) -> Result<(), Refusal> {
    match call.org() == OrgId::LOCAL {
        true => Ok(()),
        false => Err(Refusal::forbidden("MCP servers are a matter of the operator's organisation")),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::UnknownServer(_) | Error::UnknownTool { .. } => Self::not_found(said),
            Error::OtherDigest { .. } | Error::Disabled(_) => Self::conflict(said),
            Error::Store(_) => Self::unavailable(said),
            error => Self::internal(error),
        }
    }
}
