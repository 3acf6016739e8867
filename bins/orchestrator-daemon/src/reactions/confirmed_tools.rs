use orchestrator_events::Hub;
use orchestrator_mcp::Servers;
use serde_json::Value;

/// A tool that was confirmed at one daemon is offered by each that shares its database.
pub(crate) fn confirmed_tools(hub: &Hub, servers: Servers) {
    hub.listen(move |event| {
        if event.name == "mcp.tool.confirmed"
            && let Some(server) = event.payload.get("server").and_then(Value::as_str)
        {
            servers.confirmed(server);
        }
    });
}
