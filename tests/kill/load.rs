use std::sync::Arc;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Gone, Socket};
use serde_json::{Value, json};

use crate::ledger::Ledger;

/// One connection that works until the daemon is gone.
pub(crate) struct Load {
    pub(crate) socket: Socket,
    pub(crate) ledger: Arc<Ledger>,
}

impl Load {
    /// Creates chains of three: one for workers, one for the program, one for workers again.
    pub(crate) async fn create(mut self, name: String) {
        for n in 0.. {
            if self.ledger.is_creating_over() || self.chain(&format!("{name}-{n}")).await.is_err() {
                return;
            }
        }
    }

    async fn chain(&mut self, name: &str) -> Result<(), Gone> {
        let mut before: Option<String> = None;
        for (step, needs) in [("a", json!([])), ("b", json!(["run"])), ("c", json!([]))] {
            let key = format!("{name}-{step}");
            let waits_for: Vec<&str> = before.as_deref().into_iter().collect();
            let draft = json!({
                "title": key, "requiredCapabilities": needs, "dependsOn": waits_for, "idempotencyKey": key,
            });
            let Some(task) = self.call("task.create", draft).await? else { return Ok(()) };
            let id = task["id"].as_str().expect("a task has an id").to_owned();
            self.ledger.created(&id, &waits_for);
            before = Some(id);
        }
        Ok(())
    }

    /// Claims and completes.
    pub(crate) async fn work(mut self, worker: &'static str) {
        let register = json!({"agentId": worker, "maxConcurrent": 100});
        if self.call("agent.register", register).await.is_err() {
            return;
        }
        while self.claim_and_complete(worker).await.is_ok() {
            // Nothing to claim may mean that everybody else has to get on first.
            tokio::task::yield_now().await;
        }
    }

    async fn claim_and_complete(&mut self, worker: &'static str) -> Result<(), Gone> {
        let Some(claims) = self.call("task.claim", json!({"agentId": worker, "limit": 3})).await? else {
            return Ok(());
        };
        for claim in claims["items"].as_array().into_iter().flatten() {
            let (id, fence) = (&claim["task"]["id"], &claim["fence"]);
            let done = json!({"taskId": id, "fence": fence, "result": {"by": worker, "fence": fence}});
            if self.call("task.complete", done).await?.is_some() {
                self.ledger.completed(id.as_str().expect("a task has an id"), worker);
            }
        }
        Ok(())
    }

    /// The answer, or nothing if the daemon could not take the call now, or a lease ran out meanwhile.
    async fn call(&mut self, method: &str, params: Value) -> Result<Option<Value>, Gone> {
        match self.socket.exchange(method, params).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_retryable() || error.code == Code::Conflict => Ok(None),
            Err(error) => panic!("{method} was refused: {error:?}"),
        }
    }
}

/// Takes down all that is told, from where an earlier connection ended.
pub(crate) async fn listen(mut socket: Socket, ledger: Arc<Ledger>) {
    let params = json!({"events": ["**"], "afterSeq": ledger.last_seq()});
    if socket.exchange("subscribe", params).await.is_err() {
        return;
    }
    while let Ok(event) = socket.try_next_event().await {
        if event.seq.is_some() || event.name == "stream.gap" {
            ledger.delivered(event);
        }
    }
}
