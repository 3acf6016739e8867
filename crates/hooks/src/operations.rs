use orchestrator_rpc::{Call, Code, Error, NoParams, Operation, Scope, Table};
use orchestrator_vocab::OrgId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{HookInfo, Hooks};

/// Every hook there is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HookList {
    /// In the order in which they are asked.
    hooks: Vec<HookInfo>,
}

/// The operation `hook.list`.
pub fn operations(hooks: &Hooks) -> Table {
    let hooks = hooks.clone();
    let list = move |call: Call, NoParams {}| {
        let hooks = hooks.clone();
        async move {
            // What stopped whom, over all organisations.
            match call.org() == OrgId::LOCAL {
                true => Ok(HookList { hooks: hooks.list() }),
                false => Err(Error::forbidden("only the operator's organisation may see the hooks of the daemon")),
            }
        }
    };
    let summary =
        "Lists the hooks in the order in which they are asked, and how they did (for the operator's organisation)";
    Table::new().with(Operation::new("hook.list", Scope::Read, summary, list).read_only().fails_with([Code::Forbidden]))
}
