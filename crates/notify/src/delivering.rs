use std::time::Duration;

use orchestrator_egress::Client;
use orchestrator_vocab::Timestamp;

use crate::destination::Target;
use crate::post::post;
use crate::{Failure, FailureKind, Message, email, plan, slack, webhook};

/// What every destination is sent with.
pub(crate) struct Means {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
}

impl Means {
    /// Tries once to tell of these, of several in one message.
    pub(crate) async fn deliver(&self, target: &Target, all: &[&Message], now: Timestamp) -> Result<(), Failure> {
        let Some(told) = plan::summary(all) else { return Ok(()) };
        match target {
            Target::Email(mailing) => email::send(mailing, &told, self.timeout).await,
            Target::Slack { url, .. } => {
                let body = written(&slack::body(&told))?;
                post(&self.client, url, Vec::new(), body, now).await
            }
            Target::Webhook { url, signer, .. } => {
                let body = written(&webhook::body(&told, all))?;
                let headers = webhook::headers(signer, &told.id, &body, now);
                post(&self.client, url, headers, body, now).await
            }
        }
    }
}

fn written(body: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::new(FailureKind::Refused, error.to_string()))
}
