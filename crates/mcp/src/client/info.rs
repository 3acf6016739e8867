use orchestrator_vocab::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A server, how it is doing, and its tools.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// As it is configured.
    pub name: String,
    /// `stdio` or `http`.
    pub transport: &'static str,
    /// Where it is in its life.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How often it was connected to, since the daemon started.
    pub connections: u64,
    /// Why it was not reached, or lost, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What it says it is, with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says_it_is: Option<String>,
    /// The version of the protocol that is spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// Every tool that it offers, or offered when it was last connected.
    pub tools: Vec<ToolInfo>,
}

/// Where a server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is not enabled.
    Disabled,
    /// It is being started, or reached.
    Connecting,
    /// Its tools can be called.
    Connected,
    /// It failed, and is tried again after a while.
    Waiting,
    /// It was ended, or the daemon ends.
    Stopped,
}

/// A tool of a server.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolInfo {
    /// As the server calls it.
    pub tool: String,
    /// As `tools.allow` and agents call it: `mcp.SERVER.TOOL`. Absent if it cannot have such a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it may be called, as far as the server is concerned.
    pub state: ToolState,
    /// What is to be said to `mcp.confirm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of the tool that was confirmed, if that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_digest: Option<String>,
    /// What differs from what was confirmed: `description`, `inputSchema`, `outputSchema`, `annotations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Description, schemas and annotations as the server tells them now, where somebody has to decide about them. Untrusted text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// The same, as it was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_definition: Option<Value>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Whether a tool may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolState {
    /// It is the one that was confirmed, or seen first.
    Pinned,
    /// It was never confirmed, and must be.
    New,
    /// It is another one than that which was confirmed: it is not used until that is done again.
    Changed,
    /// The server's `tools` do not name it.
    Excluded,
    /// It cannot be used, whatever anybody confirms.
    Unusable,
}
