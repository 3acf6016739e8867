use std::sync::Arc;

use orchestrator_gateway::{CallService, Mount};
use orchestrator_mcp::{Http, Identity, Offered, OnStack};

const INSTRUCTIONS: &str = "Tools of a daemon that keeps a backlog of tasks and gives them to agents. Create a task with \
                            task_create, look at it with task_get and task_list. Errors are JSON with `code` and `message`.";

/// The operations as tools, for whoever the gateway has authenticated.
pub(crate) fn tools_over_http(offered: Offered, calls: CallService, message_bytes_max: usize) -> Mount {
    let identity = Identity {
        name: "orchestrator-daemon".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instructions: INSTRUCTIONS.to_owned(),
    };
    let http = Http::new(Arc::new(OnStack::new(offered, calls)), identity, message_bytes_max);
    Box::new(move |request| {
        let http = http.clone();
        Box::pin(async move { http.answer(request).await })
    })
}
